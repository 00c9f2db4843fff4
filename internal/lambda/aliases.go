package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

func (r ref) alias(name string) string { return qualify(r.arn(), name) }

func aliasNotFound(r ref, name string) error {
	return notFound("Cannot find alias arn: %s", r.alias(name))
}

func (a *aliasDoc) configuration(r ref, name string) *api.AliasConfiguration {
	out := &api.AliasConfiguration{
		AliasArn: new(r.alias(name)), Name: new(name), FunctionVersion: new(a.Version),
		Description: new(a.Description), RevisionId: new(a.RevisionID),
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &api.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

// checkAlias refuses an alias whose versions do not exist or do not go together.
// https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
func checkAlias(r ref, snap *snapshot, a *aliasDoc) error {
	if len(a.Weights) > 1 {
		return invalidParameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for number := range a.Weights {
		if a.Version == latest {
			return invalidParameter("$LATEST is not supported for an alias pointing to more than 1 version")
		}
		if number == a.Version {
			return invalidParameter("Invalid function version %s. Function version %s is already included in routing configuration.", number, number)
		}
		if !isNumber(number) || snap.versions[number] == nil {
			return functionNotFound(r.alias(number))
		}
	}
	if a.Version == latest || (isNumber(a.Version) && snap.versions[a.Version] != nil) {
		return nil
	}
	return functionNotFound(r.alias(a.Version))
}

// writeAlias stores an alias. The function's settings are written with it, as
// they were: a deletion of the function, or of a version that the alias needs,
// that is under way at the same time then fails, and is tried again.
func (s *Service) writeAlias(ctx context.Context, r ref, snap *snapshot, name string, a *aliasDoc, cond store.Condition) error {
	return s.change(ctx, map[string]*version{latest: snap.latest},
		put(r.key(kindAlias, name), a, cond),
		put(r.key(kindFunction, ""), snap.doc, store.AtRevision(snap.revision)))
}

// retryAlias is retry for operations on an alias, whose own document may have
// changed too.
func (s *Service) retryAlias(ctx context.Context, r ref, name string, f func() error) error {
	err := s.retry(ctx, r.key(kindFunction, ""), func() error {
		err := f()
		if changedMeanwhile(err) {
			if rerr := s.refresh(ctx, r.key(kindAlias, name)); rerr != nil {
				return rerr
			}
		}
		return err
	})
	if changedMeanwhile(err) {
		return updateInProgress(r.arn())
	}
	return err
}

func weights(c *api.AliasRoutingConfiguration) map[string]float64 {
	if c == nil || len(c.AdditionalVersionWeights) == 0 {
		return nil
	}
	return c.AdditionalVersionWeights
}
