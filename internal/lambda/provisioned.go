package lambda

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

func (p *provisionedDoc) lastModified() *string {
	return new(p.LastModified.UTC().Format("2006-01-02T15:04:05-0700"))
}

// provisionedExcept is the sum of a function's provisioned concurrency, that of
// one qualifier left out.
func (s *snapshot) provisionedExcept(qualifier string) (sum int) {
	for q, p := range s.provisioned {
		if q != qualifier {
			sum += int(p.doc.Requested)
		}
	}
	return sum
}

// locateProvisioned resolves what a request about provisioned concurrency names:
// a published version or an alias.
func (s *Service) locateProvisioned(ctx context.Context, action string, name, qualifier *string) (ref, error) {
	r, err := locate(ctx, action, name, qualifier)
	if err != nil {
		return ref{}, err
	}
	if r.qualifier == latest {
		return ref{}, invalidParameter("The function resource provided must be an alias or a published version.")
	}
	return r, nil
}

// hasProvisionedTarget refuses qualifiers that stand for nothing.
func (s *snapshot) hasProvisionedTarget(r ref) error {
	switch {
	case s.aliases[r.qualifier] != nil || s.versions[r.qualifier] != nil:
		return nil
	case isNumber(r.qualifier):
		return functionNotFound(r.qualified())
	default:
		return aliasNotFound(r, r.qualifier)
	}
}

// mayProvision refuses provisioned concurrency where AWS does: it is either a
// version's or that of the aliases that point to it.
func (s *snapshot) mayProvision(qualifier string) error {
	if a := s.aliases[qualifier]; a != nil {
		if len(a.doc.Weights) > 0 {
			return invalidParameter("Alias with weights can not be used with Provisioned Concurrency")
		}
		return s.mayProvisionAlias(a.doc)
	}
	for name := range s.provisioned {
		if a := s.aliases[name]; a != nil {
			if _, weighed := a.doc.Weights[qualifier]; weighed || a.doc.Version == qualifier {
				return conflict("Version is pointed by a Provisioned Concurrency alias")
			}
		}
	}
	return nil
}

func (s *snapshot) mayProvisionAlias(a *aliasDoc) error {
	if a.Version == latest {
		return unpublished()
	}
	for number := range s.provisioned {
		if _, weighed := a.Weights[number]; weighed || a.Version == number {
			return conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
	}
	return nil
}

func unpublished() error {
	return invalidParameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

// allocation is how far a configuration is.
type allocation struct {
	initialized int32
	status      api.ProvisionedConcurrencyStatusEnum
	reason      *string
	// lastModified and requested are the configuration's own.
	requested    int32
	lastModified *string
}

// allocation tells how far the configuration of a qualifier is. The environments
// of a version that several aliases share are the first alias's first.
func (s *Service) allocation(r ref, snap *snapshot, qualifier string) *allocation {
	p := snap.provisioned[qualifier]
	out := &allocation{requested: p.doc.Requested, lastModified: p.doc.lastModified(), status: api.ProvisionedConcurrencyStatusEnumReady}
	s.capacity.mu.Lock()
	defer s.capacity.mu.Unlock()
	a := s.capacity.scopes[scopeKey{r.account, r.region}][r.name]
	if a == nil {
		a = &allowance{}
	}
	for number, share := range snap.shares(qualifier, int(p.doc.Requested)) {
		t := a.targets[number]
		if t != nil && t.failure != "" {
			out.fail(t.failure)
			continue
		}
		if t == nil || !t.told {
			out.wait()
			continue
		}
		has := s.opts.Capacity.Provisioned(t.of.proto.ARN)
		left := has.Initialized
		for _, before := range slices.Sorted(maps.Keys(snap.provisioned)) {
			if before == qualifier {
				break
			}
			left -= snap.shares(before, int(snap.provisioned[before].doc.Requested))[number]
		}
		out.initialized += int32(max(0, min(left, share)))
		switch {
		case has.Reason != "":
			out.fail(has.Reason)
		case !has.Complete || has.Wanted != t.n:
			out.wait()
		}
	}
	return out
}

func (a *allocation) fail(reason string) {
	a.status, a.reason = api.ProvisionedConcurrencyStatusEnumFailed, new(reason)
}

// wait says that there is more to come, unless something failed.
func (a *allocation) wait() {
	if a.status == api.ProvisionedConcurrencyStatusEnumReady {
		a.status = api.ProvisionedConcurrencyStatusEnumInProgress
	}
}
