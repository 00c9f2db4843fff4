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
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	name := deref(in.Name)
	if snap == nil || snap.aliases[name] == nil {
		return &schema.Unit{}, nil
	}
	// What allows others to use the alias goes with it, and what is kept for it.
	err = s.change(ctx, nil,
		store.Write{Key: r.key(kindAlias, name).String()},
		store.Write{Key: r.key(kindPolicy, name).String()},
		store.Write{Key: r.key(kindProvisioned, name).String()},
		store.Write{Key: r.key(kindEvents, name).String()})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
