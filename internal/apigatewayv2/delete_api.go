package apigatewayv2

import (
	"context"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteApi removes an API with its routes, integrations and stages.
func (s *Service) DeleteApi(ctx context.Context, in *api.DeleteApiRequest) (*schema.Unit, error) {
	r, d, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	revision, err := s.docs.Write(ctx, store.Write{Key: d.Key, If: store.Present})
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound(r.ID)
	}
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.served.Apply(store.Document{Key: d.Key, Revision: revision})
}
