package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteProvisionedConcurrencyConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteProvisionedConcurrencyConfig.html
//
// Environments at work finish. A configuration that is not there is no error.
func (s *Service) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *api.DeleteProvisionedConcurrencyConfigRequest) (*schema.Unit, error) {
	r, err := s.locateProvisioned(ctx, "DeleteProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.qualified())
	if err != nil {
		return nil, err
	}
	if err := snap.hasProvisionedTarget(r); err != nil {
		return nil, err
	}
	if err := s.change(ctx, nil, store.Write{Key: r.key(kindProvisioned, r.qualifier).String()}); err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
