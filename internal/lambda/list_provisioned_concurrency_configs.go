package lambda

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// ListProvisionedConcurrencyConfigs implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListProvisionedConcurrencyConfigs.html
func (s *Service) ListProvisionedConcurrencyConfigs(ctx context.Context, in *api.ListProvisionedConcurrencyConfigsRequest) (*api.ListProvisionedConcurrencyConfigsResponse, error) {
	r, err := locateFunction(ctx, "ListProvisionedConcurrencyConfigs", in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, _, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxItems, maxPage)
	out := &api.ListProvisionedConcurrencyConfigsResponse{ProvisionedConcurrencyConfigs: []*api.ProvisionedConcurrencyConfigListItem{}}
	last := ""
	for _, qualifier := range slices.Sorted(maps.Keys(snap.provisioned)) {
		if qualifier <= after {
			continue
		}
		if len(out.ProvisionedConcurrencyConfigs) == limit {
			out.NextMarker = marker(last, "")
			break
		}
		a := s.allocation(r, snap, qualifier)
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, &api.ProvisionedConcurrencyConfigListItem{
			FunctionArn:                              new(qualify(r.arn(), qualifier)),
			RequestedProvisionedConcurrentExecutions: new(a.requested),
			AvailableProvisionedConcurrentExecutions: new(a.initialized),
			AllocatedProvisionedConcurrentExecutions: new(a.initialized),
			Status:                                   new(a.status),
			StatusReason:                             a.reason,
			LastModified:                             a.lastModified,
		})
		last = qualifier
	}
	return out, nil
}
