package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetFunctionEventInvokeConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionEventInvokeConfig.html
func (s *Service) GetFunctionEventInvokeConfig(ctx context.Context, in *api.GetFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	r, err := locate(ctx, "GetFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	item := eventsItem(r.qualifier)
	if snap == nil || snap.events[item] == nil {
		return nil, noEvents(r)
	}
	return snap.events[item].doc.configuration(r, item), nil
}
