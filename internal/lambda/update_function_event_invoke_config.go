package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// UpdateFunctionEventInvokeConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionEventInvokeConfig.html
//
// What the request leaves out stays as it is.
func (s *Service) UpdateFunctionEventInvokeConfig(ctx context.Context, in *api.UpdateFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	if in.MaximumRetryAttempts == nil && in.MaximumEventAgeInSeconds == nil && in.DestinationConfig == nil {
		return nil, nothingForEvents()
	}
	return s.changeEvents(ctx, "UpdateFunctionEventInvokeConfig", in.FunctionName, in.Qualifier, func(r ref, before *kept[eventsDoc]) (*eventsDoc, error) {
		if before == nil {
			return nil, noEvents(r)
		}
		next := *before.doc
		return &next, s.setEvents(ctx, r, &next, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)
	})
}
