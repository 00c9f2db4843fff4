package apigateway

import (
	"context"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteRestApi removes an API with all that belongs to it: definitions,
// deployments, stages, which leave their usage plans. An API that a custom domain
// name leads to is not deleted.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteRestApi.html
func (s *Service) DeleteRestApi(ctx context.Context, in *api.DeleteRestApiRequest) (*schema.Unit, error) {
	for {
		a, err := s.load(ctx, *in.RestApiId)
		if err != nil {
			return nil, err
		}
		if err := s.checkUnmapped(a.ID, ""); err != nil {
			return nil, err
		}
		parts, err := s.docs.List(ctx, partsPrefix+a.ID+"/", "", 0)
		if err != nil {
			return nil, err
		}
		// The two revisions say that no part came since they were listed: each is
		// written together with the record or the live definition.
		writes := []store.Write{{Key: recordKey(a.ID), If: store.AtRevision(a.recordDoc.Revision)}}
		for _, d := range parts {
			w := store.Write{Key: d.Key}
			if d.Key == a.live[0].Key {
				w.If = store.AtRevision(a.live[0].Revision)
			}
			writes = append(writes, w)
		}
		plans, err := s.leavePlans(ctx, a.ID, "")
		if err != nil {
			return nil, err
		}
		revision, err := s.docs.Write(ctx, append(writes, plans...)...)
		switch {
		case errors.Is(err, store.ErrPrecondition):
			continue
		case errors.Is(err, store.ErrNotFound):
			return nil, apiNotFound(ctx, a.ID)
		case err != nil:
			return nil, err
		}
		return &schema.Unit{}, s.records.Apply(store.Document{Key: recordKey(a.ID), Revision: revision})
	}
}
