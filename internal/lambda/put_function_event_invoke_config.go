package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// PutFunctionEventInvokeConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
//
// It replaces all that was set before.
func (s *Service) PutFunctionEventInvokeConfig(ctx context.Context, in *api.PutFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	if in.MaximumRetryAttempts == nil && in.MaximumEventAgeInSeconds == nil && in.DestinationConfig == nil {
		return nil, nothingForEvents()
	}
	return s.changeEvents(ctx, "PutFunctionEventInvokeConfig", in.FunctionName, in.Qualifier, func(r ref, _ *kept[eventsDoc]) (*eventsDoc, error) {
		next := &eventsDoc{}
		return next, s.setEvents(ctx, r, next, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)
	})
}

func nothingForEvents() error {
	return invalidParameter("You must specify at least one of error handling or destination setting.")
}
