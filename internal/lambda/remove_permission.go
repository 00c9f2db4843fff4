package lambda

import (
	"context"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// RemovePermission implements
// https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html
func (s *Service) RemovePermission(ctx context.Context, in *api.RemovePermissionRequest) (*schema.Unit, error) {
	r, err := locate(ctx, "RemovePermission", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		r.qualifier = ""
	}
	err = s.retryPolicy(ctx, r, func() error {
		snap, err := s.find(ctx, r)
		if err != nil {
			return err
		}
		if snap == nil {
			return notFound("No policy found for: %s", r.arn())
		}
		if err := snap.hasPolicyTarget(r); err != nil {
			return err
		}
		old := snap.policies[policyItem(r.qualifier)]
		if old == nil {
			return notFound("No policy is associated with the given resource.")
		}
		if in.RevisionId != nil && *in.RevisionId != old.doc.RevisionID {
			return wrongPolicyRevision()
		}
		at, err := old.doc.find(deref(in.StatementId))
		if err != nil {
			return err
		}
		if at < 0 {
			return notFound("Statement %s is not found in resource policy.", deref(in.StatementId))
		}
		next := &policyDoc{RevisionID: newRevisionID(), Statements: slices.Delete(slices.Clone(old.doc.Statements), at, at+1)}
		return s.writePolicy(ctx, r, snap, old, next)
	})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
