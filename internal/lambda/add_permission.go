package lambda

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// AddPermission implements
// https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
//
// Policies are kept and returned; nothing is refused for lack of one yet.
func (s *Service) AddPermission(ctx context.Context, in *api.AddPermissionRequest) (*api.AddPermissionResponse, error) {
	r, err := locate(ctx, "AddPermission", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		return nil, invalidParameter("We currently do not support adding policies for $LATEST.")
	}
	principal, err := policyPrincipal(r.partition, deref(in.Principal))
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(statement{
		Sid: deref(in.StatementId), Effect: "Allow", Principal: principal,
		Action: deref(in.Action), Resource: r.qualified(), Condition: policyCondition(in),
	})
	if err != nil {
		return nil, err
	}
	err = s.retryPolicy(ctx, r, func() error {
		snap, err := s.must(ctx, r, r.arn())
		if err != nil {
			return err
		}
		if err := snap.hasPolicyTarget(r); err != nil {
			return err
		}
		old := snap.policies[policyItem(r.qualifier)]
		next := &policyDoc{RevisionID: newRevisionID()}
		if old != nil {
			next.Statements = slices.Clone(old.doc.Statements)
		}
		if in.RevisionId != nil && (old == nil || *in.RevisionId != old.doc.RevisionID) {
			return wrongPolicyRevision()
		}
		switch at, err := next.find(deref(in.StatementId)); {
		case err != nil:
			return err
		case at >= 0:
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", *in.StatementId)
		}
		next.Statements = append(next.Statements, raw)
		whole, err := next.text()
		if err != nil {
			return err
		}
		if len(whole) > maxPolicy {
			return &api.PolicyLengthExceededException{Type: new(faultOfUser), Message: text("The final policy size (%d) is bigger than the limit (%d).", len(whole), maxPolicy)}
		}
		return s.writePolicy(ctx, r, snap, old, next)
	})
	if err != nil {
		return nil, err
	}
	return &api.AddPermissionResponse{Statement: new(string(raw))}, nil
}

var (
	servicePrincipal = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazon(aws)?\.com(\.cn)?$`)
	identityARN      = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|sts)::(\d{12}|cloudfront):.+$`)
)

// policyPrincipal is how a policy writes whom a statement allows: a service, an
// account, an IAM identity, or everyone.
func policyPrincipal(partition, p string) (any, error) {
	switch {
	case p == "*":
		return "*", nil
	case isAccount(p):
		return map[string]string{"AWS": "arn:" + partition + ":iam::" + p + ":root"}, nil
	case identityARN.MatchString(p):
		return map[string]string{"AWS": p}, nil
	case servicePrincipal.MatchString(p):
		return map[string]string{"Service": p}, nil
	}
	return nil, invalidParameter("The provided principal was invalid. Please check the principal and try again.")
}

func policyCondition(in *api.AddPermissionRequest) *condition {
	var c condition
	equal := stringEquals{
		SourceAccount: deref(in.SourceAccount), EventSourceToken: deref(in.EventSourceToken),
		FunctionURLAuthType: string(deref(in.FunctionUrlAuthType)), PrincipalOrgID: deref(in.PrincipalOrgID),
	}
	if equal != (stringEquals{}) {
		c.StringEquals = &equal
	}
	if in.SourceArn != nil {
		c.ArnLike = map[string]string{"AWS:SourceArn": *in.SourceArn}
	}
	if in.InvokedViaFunctionUrl != nil {
		value := "false"
		if *in.InvokedViaFunctionUrl {
			value = "true"
		}
		c.Bool = map[string]string{"lambda:InvokedViaFunctionUrl": value}
	}
	if c.StringEquals == nil && c.ArnLike == nil && c.Bool == nil {
		return nil
	}
	return &c
}
