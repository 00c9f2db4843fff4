package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// DeleteEventSourceMapping implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteEventSourceMapping.html
//
// The mapping is Deleting until its last batch has finished, and gone then.
func (s *Service) DeleteEventSourceMapping(ctx context.Context, in *api.DeleteEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	id := identity.Of(ctx)
	var result string
	doc, err := s.changeMapping(ctx, mappingsPrefix(id.Account, id.Region)+deref(in.UUID), func(doc *mappingDoc) error {
		if doc.Change == mappingDeleting {
			return inUse("delete")
		}
		_, result = s.mappings.state(doc)
		doc.Change, doc.LastModified = mappingDeleting, s.opts.Now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return doc.configuration(mappingDeleting, result), nil
}
