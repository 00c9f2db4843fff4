package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// PutFunctionConcurrency implements
// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html
//
// It is in force when the call returns; what runs by then goes on. 0 throttles
// every invocation.
func (s *Service) PutFunctionConcurrency(ctx context.Context, in *api.PutFunctionConcurrencyRequest) (*api.Concurrency, error) {
	r, err := locateFunction(ctx, "PutFunctionConcurrency", in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	n := deref(in.ReservedConcurrentExecutions)
	s.capacity.put.Lock()
	defer s.capacity.put.Unlock()
	err = s.retryConcurrency(ctx, r, func() error {
		snap, err := s.must(ctx, r, r.arn())
		if err != nil {
			return err
		}
		if provisioned := snap.provisionedExcept(""); int(n) < provisioned {
			return invalidParameter("ReservedConcurrentExecutions %d should not be lower than function's total provisioned concurrency [%d].", n, provisioned)
		}
		left := s.opts.Concurrency - s.setAside(scopeKey{r.account, r.region}, r.name) - int(n)
		if ok, least := s.leaves(left); n > 0 && !ok {
			return invalidParameter("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", least)
		}
		return s.writeWith(ctx, r, snap, put(r.key(kindConcurrency, ""), &concurrencyDoc{Reserved: n}, store.Always))
	})
	if err != nil {
		return nil, err
	}
	return &api.Concurrency{ReservedConcurrentExecutions: new(n)}, nil
}

// writeWith writes what belongs to a function. The function's settings are
// written with it, as they were, so that a deletion of the function at the same
// time leaves nothing.
func (s *Service) writeWith(ctx context.Context, r ref, snap *snapshot, w store.Write) error {
	return s.change(ctx, map[string]*version{latest: snap.latest}, w,
		put(r.key(kindFunction, ""), snap.doc, store.AtRevision(snap.revision)))
}

func (s *Service) retryConcurrency(ctx context.Context, r ref, f func() error) error {
	err := s.retry(ctx, r.key(kindFunction, ""), f)
	if changedMeanwhile(err) {
		return updateInProgress(r.arn())
	}
	return err
}
