package lambda

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// layerStatement is a statement of a layer version's policy, its members in the
// order that AWS writes.
type layerStatement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition *condition `json:",omitempty"`
}

// AddLayerVersionPermission implements
// https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html
//
// The policy decides whether other accounts may read the version and give it to
// their functions. There are no organizations: a statement for one is kept, and
// allows nobody.
func (s *Service) AddLayerVersionPermission(ctx context.Context, in *api.AddLayerVersionPermissionRequest) (*api.AddLayerVersionPermissionResponse, error) {
	r, err := ownLayerVersion(ctx, "AddLayerVersionPermission", in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	principal, err := policyPrincipal(r.partition, deref(in.Principal))
	if err != nil {
		return nil, err
	}
	st := layerStatement{
		Sid: deref(in.StatementId), Effect: "Allow", Principal: principal,
		Action: deref(in.Action), Resource: r.versionARN(),
	}
	if in.OrganizationId != nil {
		if deref(in.Principal) != "*" {
			return nil, invalidParameter("OrganizationId can only be used with the principal *.")
		}
		st.Condition = &condition{StringEquals: &stringEquals{PrincipalOrgID: *in.OrganizationId}}
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	next, err := s.changeLayerPolicy(ctx, r, in.RevisionId, func(old *policyDoc) ([]json.RawMessage, error) {
		if old == nil {
			return []json.RawMessage{raw}, nil
		}
		switch at, err := old.find(st.Sid); {
		case err != nil:
			return nil, err
		case at >= 0:
			return nil, conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		return append(slices.Clone(old.Statements), raw), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.AddLayerVersionPermissionResponse{Statement: new(string(raw)), RevisionId: new(next.RevisionID)}, nil
}

// RemoveLayerVersionPermission implements
// https://docs.aws.amazon.com/lambda/latest/api/API_RemoveLayerVersionPermission.html
//
// Functions of other accounts that use the version already go on with it.
func (s *Service) RemoveLayerVersionPermission(ctx context.Context, in *api.RemoveLayerVersionPermissionRequest) (*schema.Unit, error) {
	r, err := ownLayerVersion(ctx, "RemoveLayerVersionPermission", in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	_, err = s.changeLayerPolicy(ctx, r, in.RevisionId, func(old *policyDoc) ([]json.RawMessage, error) {
		if old == nil {
			return nil, notFound("No policy is associated with the given resource.")
		}
		at, err := old.find(deref(in.StatementId))
		if err != nil {
			return nil, err
		}
		if at < 0 {
			return nil, notFound("Statement %s is not found in resource policy.", deref(in.StatementId))
		}
		return slices.Delete(slices.Clone(old.Statements), at, at+1), nil
	})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}

// GetLayerVersionPolicy implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionPolicy.html
func (s *Service) GetLayerVersionPolicy(ctx context.Context, in *api.GetLayerVersionPolicyRequest) (*api.GetLayerVersionPolicyResponse, error) {
	r, err := ownLayerVersion(ctx, "GetLayerVersionPolicy", in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	if _, err := s.mustLayerVersion(ctx, r); err != nil {
		return nil, err
	}
	doc, _, err := getDoc[policyDoc](ctx, s, r.policyKey())
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, notFound("No policy is associated with the given resource.")
	}
	policy, err := doc.text()
	if err != nil {
		return nil, err
	}
	return &api.GetLayerVersionPolicyResponse{Policy: new(policy), RevisionId: new(doc.RevisionID)}, nil
}

// mustLayerVersion returns the revision of a version that has to exist.
func (s *Service) mustLayerVersion(ctx context.Context, r layerRef) (revision int64, err error) {
	if !r.reachable(ctx) {
		return 0, layerVersionMissing(r)
	}
	doc, revision, err := s.layerVersion(ctx, r)
	if err != nil {
		return 0, err
	}
	if doc == nil {
		return 0, layerVersionMissing(r)
	}
	return revision, nil
}

// changeLayerPolicy writes the statements that f makes of the policy there is
// (nil: none), and returns the new policy; without statements it is deleted. f
// may be called again when another request was faster.
func (s *Service) changeLayerPolicy(ctx context.Context, r layerRef, expected *string, f func(old *policyDoc) ([]json.RawMessage, error)) (*policyDoc, error) {
	var err error
	for range maxAttempts {
		var next *policyDoc
		if next, err = s.tryLayerPolicy(ctx, r, expected, f); !changedMeanwhile(err) {
			return next, err
		}
	}
	return nil, updateInProgress(r.versionARN())
}

func (s *Service) tryLayerPolicy(ctx context.Context, r layerRef, expected *string, f func(old *policyDoc) ([]json.RawMessage, error)) (*policyDoc, error) {
	version, err := s.mustLayerVersion(ctx, r)
	if err != nil {
		return nil, err
	}
	old, revision, err := getDoc[policyDoc](ctx, s, r.policyKey())
	if err != nil {
		return nil, err
	}
	if expected != nil && (old == nil || *expected != old.RevisionID) {
		return nil, &api.PreconditionFailedException{Type: new(faultOfUser), Message: text("The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")}
	}
	statements, err := f(old)
	if err != nil {
		return nil, err
	}
	next := &policyDoc{RevisionID: newRevisionID(), Statements: statements}
	whole, err := next.text()
	if err != nil {
		return nil, err
	}
	if len(whole) > maxPolicy {
		return nil, &api.PolicyLengthExceededException{Type: new(faultOfUser), Message: text("The final policy size (%d) is bigger than the limit (%d).", len(whole), maxPolicy)}
	}
	cond := store.Absent
	if old != nil {
		cond = store.AtRevision(revision)
	}
	w := store.Write{Key: r.policyKey(), If: cond}
	if len(statements) > 0 {
		w = putJSON(r.policyKey(), next, cond)
	}
	// The version must still be there: what deletes it deletes its policy too.
	return next, s.change(ctx, nil, w, store.Write{Key: r.versionKey(), If: store.AtRevision(version), Check: true})
}

// layerAllows reports whether a version's policy lets another account have it.
func (s *Service) layerAllows(ctx context.Context, r layerRef, account string) (bool, error) {
	doc, _, err := getDoc[policyDoc](ctx, s, r.policyKey())
	if err != nil || doc == nil {
		return false, err
	}
	for _, raw := range doc.Statements {
		var st layerStatement
		if err := json.Unmarshal(raw, &st); err != nil {
			return false, err
		}
		if st.Condition != nil {
			continue // an organization's, and no account is in one
		}
		switch p := st.Principal.(type) {
		case string:
			if p == "*" {
				return true, nil
			}
		case map[string]any:
			// arn:aws:iam::123456789012:root
			arn, _ := p["AWS"].(string)
			if parts := strings.Split(arn, ":"); len(parts) > 4 && parts[4] == account {
				return true, nil
			}
		}
	}
	return false, nil
}
