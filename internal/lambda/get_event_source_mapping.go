package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// GetEventSourceMapping implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
func (s *Service) GetEventSourceMapping(ctx context.Context, in *api.GetEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	doc := s.mappings.get(mappingsPrefix(id.Account, id.Region) + deref(in.UUID))
	if doc == nil {
		return nil, noMapping()
	}
	return s.described(doc), nil
}
