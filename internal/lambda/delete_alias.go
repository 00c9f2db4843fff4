package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteAlias implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteAlias.html
//
// An alias that is not there is no error, as on AWS.
func (s *Service) DeleteAlias(ctx context.Context, in *api.DeleteAliasRequest) (*schema.Unit, error) {
	r, err := locateFunction(ctx, "DeleteAlias", in.FunctionName)
	if err != nil {
		return nil, err
	}
	name := deref(in.Name)
	err = s.retryAlias(ctx, r, name, func() error {
		snap, err := s.find(ctx, r)
		if err != nil || snap == nil || snap.aliases[name] == nil {
			return err
		}
		// What allows others to use the alias goes with it, and what is kept for it.
		// The settings are written so that what is being added to it meanwhile, which
		// writes them too, is not left behind for the next alias of that name.
		return s.change(ctx, map[string]*version{latest: snap.latest},
			store.Write{Key: r.key(kindAlias, name).String()},
			store.Write{Key: r.key(kindPolicy, name).String()},
			store.Write{Key: r.key(kindProvisioned, name).String()},
			store.Write{Key: r.key(kindEvents, name).String()},
			put(r.key(kindFunction, ""), snap.doc, store.AtRevision(snap.revision)))
	})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
