package lambda

import (
	"context"
	"encoding/json"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// maxPolicy is the largest resource policy, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPolicy = 20480

// statement is a policy statement, its members in the order that AWS writes.
type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition *condition `json:",omitempty"`
}

type condition struct {
	StringEquals *stringEquals     `json:",omitempty"`
	ArnLike      map[string]string `json:",omitempty"`
	Bool         map[string]string `json:",omitempty"`
}

type stringEquals struct {
	SourceAccount       string `json:"AWS:SourceAccount,omitempty"`
	EventSourceToken    string `json:"lambda:EventSourceToken,omitempty"`
	FunctionURLAuthType string `json:"lambda:FunctionUrlAuthType,omitempty"`
	PrincipalOrgID      string `json:"aws:PrincipalOrgID,omitempty"`
}

// text is the policy as GetPolicy shows it.
func (p *policyDoc) text() (string, error) {
	b, err := json.Marshal(struct {
		Version   string
		ID        string `json:"Id"`
		Statement []json.RawMessage
	}{"2012-10-17", "default", p.Statements})
	return string(b), err
}

// find returns the place of the statement with an ID, -1 where there is none.
func (p *policyDoc) find(sid string) (int, error) {
	for i, raw := range p.Statements {
		var s struct{ Sid string }
		if err := json.Unmarshal(raw, &s); err != nil {
			return 0, err
		}
		if s.Sid == sid {
			return i, nil
		}
	}
	return -1, nil
}

// policyItem is the key of a qualifier's policy.
func policyItem(qualifier string) string {
	if qualifier == "" {
		return latest
	}
	return qualifier
}

// hasPolicyTarget refuses qualifiers that no policy can be attached to.
func (s *snapshot) hasPolicyTarget(r ref) error {
	switch {
	case r.qualifier == "" || s.aliases[r.qualifier] != nil || s.versions[r.qualifier] != nil:
		return nil
	case isNumber(r.qualifier) || strings.Contains(r.qualifier, "$"):
		return functionNotFound(r.qualified())
	default:
		return aliasNotFound(r, r.qualifier)
	}
}

func wrongPolicyRevision() error {
	return &api.PreconditionFailedException{Type: new(faultOfUser), Message: text("The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")}
}

// retryPolicy is retry for operations on a policy, whose own document may have
// changed too.
func (s *Service) retryPolicy(ctx context.Context, r ref, f func() error) error {
	err := s.retry(ctx, r.key(kindFunction, ""), func() error {
		err := f()
		if changedMeanwhile(err) {
			if rerr := s.refresh(ctx, r.key(kindPolicy, policyItem(r.qualifier))); rerr != nil {
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

// writePolicy stores a policy over old (nil: there was none). A policy without
// statements is deleted. The function's settings are written with it, as they
// were, so that a deletion of the function at the same time leaves nothing.
func (s *Service) writePolicy(ctx context.Context, r ref, snap *snapshot, old *policy, next *policyDoc) error {
	cond := store.Absent
	if old != nil {
		cond = store.AtRevision(old.revision)
	}
	k := r.key(kindPolicy, policyItem(r.qualifier))
	w := store.Write{Key: k.String(), If: cond}
	if len(next.Statements) > 0 {
		w = put(k, next, cond)
	}
	return s.change(ctx, map[string]*version{latest: snap.latest}, w,
		put(r.key(kindFunction, ""), snap.doc, store.AtRevision(snap.revision)))
}
