package lambda

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// ListFunctionEventInvokeConfigs implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionEventInvokeConfigs.html
func (s *Service) ListFunctionEventInvokeConfigs(ctx context.Context, in *api.ListFunctionEventInvokeConfigsRequest) (*api.ListFunctionEventInvokeConfigsResponse, error) {
	r, err := locateFunction(ctx, "ListFunctionEventInvokeConfigs", in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, _, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap == nil {
		return nil, notFound("The function doesn't exist.")
	}
	limit := pageSize(in.MaxItems, maxPage)
	out := &api.ListFunctionEventInvokeConfigsResponse{FunctionEventInvokeConfigs: []*api.FunctionEventInvokeConfig{}}
	last := ""
	for _, item := range slices.Sorted(maps.Keys(snap.events)) {
		if item <= after {
			continue
		}
		if len(out.FunctionEventInvokeConfigs) == limit {
			out.NextMarker = marker(last, "")
			break
		}
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, snap.events[item].doc.configuration(r, item))
		last = item
	}
	return out, nil
}
