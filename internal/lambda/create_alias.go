package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// CreateAlias implements
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html
func (s *Service) CreateAlias(ctx context.Context, in *api.CreateAliasRequest) (*api.AliasConfiguration, error) {
	r, err := locateFunction(ctx, "CreateAlias", in.FunctionName)
	if err != nil {
		return nil, err
	}
	name := deref(in.Name)
	a := &aliasDoc{
		RevisionID: newRevisionID(), Version: deref(in.FunctionVersion),
		Description: deref(in.Description), Weights: weights(in.RoutingConfig),
	}
	err = s.retryAlias(ctx, r, name, func() error {
		snap, err := s.must(ctx, r, r.alias(a.Version))
		if err != nil {
			return err
		}
		if snap.aliases[name] != nil {
			return conflict("Alias already exists: %s", r.alias(name))
		}
		if err := checkAlias(r, snap, a); err != nil {
			return err
		}
		return s.writeAlias(ctx, r, snap, name, a, store.Absent)
	})
	if err != nil {
		return nil, err
	}
	return a.configuration(r, name), nil
}
