package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// UpdateAlias implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
func (s *Service) UpdateAlias(ctx context.Context, in *api.UpdateAliasRequest) (*api.AliasConfiguration, error) {
	r, err := locateFunction(ctx, "UpdateAlias", in.FunctionName)
	if err != nil {
		return nil, err
	}
	name := deref(in.Name)
	var next aliasDoc
	err = s.retryAlias(ctx, r, name, func() error {
		snap, err := s.find(ctx, r)
		if err != nil {
			return err
		}
		if snap == nil || snap.aliases[name] == nil {
			return notFound("Alias not found: %s", r.alias(name))
		}
		old := snap.aliases[name]
		if in.RevisionId != nil && *in.RevisionId != old.doc.RevisionID {
			return wrongRevision()
		}
		next = *old.doc
		next.RevisionID = newRevisionID()
		set(&next.Version, in.FunctionVersion)
		set(&next.Description, in.Description)
		if in.RoutingConfig != nil {
			next.Weights = weights(in.RoutingConfig)
		}
		if err := checkAlias(r, snap, &next); err != nil {
			return err
		}
		if snap.provisioned[name] != nil {
			if err := snap.mayProvisionAlias(&next); err != nil {
				return err
			}
		}
		return s.writeAlias(ctx, r, snap, name, &next, store.AtRevision(old.revision))
	})
	if err != nil {
		return nil, err
	}
	return next.configuration(r, name), nil
}
