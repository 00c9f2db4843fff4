package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteFunctionEventInvokeConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionEventInvokeConfig.html
func (s *Service) DeleteFunctionEventInvokeConfig(ctx context.Context, in *api.DeleteFunctionEventInvokeConfigRequest) (*schema.Unit, error) {
	r, err := locate(ctx, "DeleteFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
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
	if err := s.change(ctx, nil, store.Write{Key: r.key(kindEvents, item).String()}); err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
