package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetFunctionConcurrency implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConcurrency.html
//
// The answer of a function without a reservation is empty.
func (s *Service) GetFunctionConcurrency(ctx context.Context, in *api.GetFunctionConcurrencyRequest) (*api.GetFunctionConcurrencyResponse, error) {
	r, err := locateFunction(ctx, "GetFunctionConcurrency", in.FunctionName)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionConcurrencyResponse{}
	if snap.concurrency != nil {
		out.ReservedConcurrentExecutions = new(snap.concurrency.doc.Reserved)
	}
	return out, nil
}
