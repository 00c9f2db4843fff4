package lambda

import (
	"context"
	"maps"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
)

// taggedMapping is the document's key of the event source mapping that an ARN
// names, and false where it names something else, or one of another account or
// region.
func taggedMapping(ctx context.Context, resource *string) (key string, ok bool) {
	a, err := arn.Parse(deref(resource))
	if err != nil || a.Service != "lambda" {
		return "", false
	}
	id := identity.Of(ctx)
	uuid, ok := strings.CutPrefix(a.Resource, mappingCollection+":")
	return mappingsPrefix(a.Account, a.Region) + uuid, ok && a.Account == id.Account && a.Region == id.Region
}

func (s *Service) mappingTags(ctx context.Context, key string) (*api.ListTagsResponse, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	doc := s.mappings.get(key)
	if doc == nil {
		return nil, noMapping()
	}
	tags := maps.Clone(doc.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return &api.ListTagsResponse{Tags: tags}, nil
}

// changeMappingTags stores what f makes of a mapping's tags. Its poller goes on.
func (s *Service) changeMappingTags(ctx context.Context, key string, f func(map[string]string) error) error {
	_, err := s.changeMapping(ctx, key, func(doc *mappingDoc) error {
		doc.Tags = maps.Clone(doc.Tags)
		if doc.Tags == nil {
			doc.Tags = map[string]string{}
		}
		return f(doc.Tags)
	})
	return err
}
