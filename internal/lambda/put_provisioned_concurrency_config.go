package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// PutProvisionedConcurrencyConfig implements
// https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
//
// Environments are initialized in the background. Put again, even with the same
// number, what failed is tried at once.
func (s *Service) PutProvisionedConcurrencyConfig(ctx context.Context, in *api.PutProvisionedConcurrencyConfigRequest) (*api.PutProvisionedConcurrencyConfigResponse, error) {
	r, err := locate(ctx, "PutProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		return nil, unpublished()
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	doc := &provisionedDoc{Requested: deref(in.ProvisionedConcurrentExecutions), LastModified: s.opts.Now()}
	s.capacity.put.Lock()
	defer s.capacity.put.Unlock()
	err = s.retryConcurrency(ctx, r, func() error {
		snap, err := s.must(ctx, r, r.qualified())
		if err != nil {
			return err
		}
		if err := snap.hasProvisionedTarget(r); err != nil {
			return err
		}
		if err := snap.mayProvision(r.qualifier); err != nil {
			return err
		}
		if err := s.maySetAside(r, snap, int(doc.Requested)); err != nil {
			return err
		}
		return s.writeWith(ctx, r, snap, put(r.key(kindProvisioned, r.qualifier), doc, store.Always))
	})
	if err != nil {
		return nil, err
	}
	return &api.PutProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: new(doc.Requested),
		AvailableProvisionedConcurrentExecutions: new(int32(0)),
		AllocatedProvisionedConcurrentExecutions: new(int32(0)),
		Status:                                   new(api.ProvisionedConcurrencyStatusEnumInProgress),
		LastModified:                             doc.lastModified(),
	}, nil
}

// maySetAside refuses provisioned concurrency that is more than the function
// has reserved, or than its account can spare.
func (s *Service) maySetAside(r ref, snap *snapshot, n int) error {
	sum := snap.provisionedExcept(r.qualifier) + n
	if c := snap.concurrency; c != nil {
		if sum > int(c.doc.Reserved) {
			return invalidParameter("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	unreserved := s.opts.Concurrency - s.setAside(scopeKey{r.account, r.region}, r.name)
	if sum > unreserved {
		return invalidParameter("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", unreserved)
	}
	if ok, least := s.leaves(unreserved - sum); !ok {
		return invalidParameter("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", least)
	}
	return nil
}
