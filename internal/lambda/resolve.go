package lambda

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// Resolve returns the version that a function's name means now, ready to be
// given to the Invoker, and the ARN that it is invoked by (with its alias or
// version, if it has one). name is a name or ARN in any form that Invoke takes;
// account and region are the caller's. An alias with weights resolves to either
// of its versions, at random by their weights.
//
// The error is the one that Invoke would answer with. It is for the gateways,
// which call functions in process; no store is asked but for code that has not
// been unpacked since the start.
func (s *Service) Resolve(ctx context.Context, account, region, name string) (fn *function.Version, invokedARN string, err error) {
	r, err := parseName(name)
	if err != nil {
		return nil, "", err
	}
	if r, err = r.within(partitionOf(region), account, region, "InvokeFunction", ""); err != nil {
		return nil, "", err
	}
	return s.resolve(ctx, r)
}

func (s *Service) resolve(ctx context.Context, r ref) (*function.Version, string, error) {
	for range maxAttempts {
		v, err := s.target(ctx, r)
		if err != nil {
			return nil, "", err
		}
		f, err := s.ready(ctx, v)
		if err == nil {
			return f, r.qualified(), nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, "", err
		}
		// The archive is not there: a change since has let go of it, or we lost it.
		snap, ferr := s.find(ctx, r)
		if ferr != nil {
			return nil, "", ferr
		}
		if snap != nil && snap.version(v.doc.Version) == v {
			return nil, "", err
		}
	}
	return nil, "", updateInProgress(r.arn())
}

// Current returns what an event is to run that waited, by the ARN that it was
// invoked by: as Resolve does, but its error wraps function.ErrGone where there
// is nothing to run any more.
func (s *Service) Current(ctx context.Context, arn string) (*function.Version, error) {
	r, err := parseName(arn)
	if err != nil {
		return nil, err
	}
	f, _, err := s.resolve(ctx, r)
	if missing := (*api.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: %s", function.ErrGone, deref(missing.Message))
	}
	return f, err
}

// target is the version that an invocation of r goes to.
func (s *Service) target(ctx context.Context, r ref) (*version, error) {
	missing := r
	if missing.qualifier == "" {
		missing.qualifier = latest
	}
	snap, err := s.must(ctx, r, missing.qualified())
	if err != nil {
		return nil, err
	}
	v := snap.route(r.qualifier)
	if v == nil {
		return nil, functionNotFound(missing.qualified())
	}
	return v, nil
}

// route is resolve for an invocation: an alias's weights apply.
func (s *snapshot) route(qualifier string) *version {
	if a := s.aliases[qualifier]; a != nil && len(a.doc.Weights) > 0 {
		at := rand.Float64()
		for number, weight := range a.doc.Weights {
			if at < weight {
				return s.version(number)
			}
			at -= weight
		}
	}
	return s.resolve(qualifier)
}
