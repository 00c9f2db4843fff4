package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetProvisionedConcurrencyConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html
func (s *Service) GetProvisionedConcurrencyConfig(ctx context.Context, in *api.GetProvisionedConcurrencyConfigRequest) (*api.GetProvisionedConcurrencyConfigResponse, error) {
	r, err := s.locateProvisioned(ctx, "GetProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
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
	if snap.provisioned[r.qualifier] == nil {
		return nil, &api.ProvisionedConcurrencyConfigNotFoundException{
			Type: new(faultOfUser), Message: text("No Provisioned Concurrency Config found for this function"),
		}
	}
	a := s.allocation(r, snap, r.qualifier)
	return &api.GetProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: new(a.requested),
		AvailableProvisionedConcurrentExecutions: new(a.initialized),
		AllocatedProvisionedConcurrentExecutions: new(a.initialized),
		Status:                                   new(a.status),
		StatusReason:                             a.reason,
		LastModified:                             a.lastModified,
	}, nil
}
