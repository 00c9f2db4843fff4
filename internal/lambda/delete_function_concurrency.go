package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteFunctionConcurrency implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionConcurrency.html
//
// A function without a reservation is no error, as on AWS.
func (s *Service) DeleteFunctionConcurrency(ctx context.Context, in *api.DeleteFunctionConcurrencyRequest) (*schema.Unit, error) {
	r, err := locateFunction(ctx, "DeleteFunctionConcurrency", in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.must(ctx, r, r.arn()); err != nil {
		return nil, err
	}
	if err := s.change(ctx, nil, store.Write{Key: r.key(kindConcurrency, "").String()}); err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
