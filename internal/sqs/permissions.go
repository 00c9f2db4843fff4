package sqs

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// policy is a queue's policy, as far as AddPermission and RemovePermission look
// at it.
type policy struct {
	Version   string            `json:"Version,omitempty"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// permission is a statement that AddPermission writes.
type permission struct {
	Sid       string
	Effect    string
	Principal map[string]any
	Action    any // one, or a list
	Resource  string
}

// parsePolicy reads a policy, whose Statement may be one or a list.
func parsePolicy(text string) (*policy, error) {
	var raw struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	p := &policy{Version: raw.Version, ID: raw.ID}
	if err := json.Unmarshal(raw.Statement, &p.Statement); err != nil {
		p.Statement = []json.RawMessage{raw.Statement}
	}
	for _, st := range p.Statement {
		if err := json.Unmarshal(st, &struct{ Effect string }{}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// labelled is the place of the statement with a Sid, -1 where there is none.
func (p *policy) labelled(label string) int {
	return slices.IndexFunc(p.Statement, func(raw json.RawMessage) bool {
		var st struct{ Sid string }
		return json.Unmarshal(raw, &st) == nil && st.Sid == label
	})
}

// permissible are the actions that AddPermission takes.
var permissible = []string{"*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
	"ListDeadLetterSourceQueues", "PurgeQueue"}

var permissionLabel = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// maxActions is how many actions one AddPermission may name.
const maxActions = 7

// AddPermission adds a statement to the queue's policy.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
func (s *Service) AddPermission(ctx context.Context, in *api.AddPermissionRequest) (*schema.Unit, error) {
	switch {
	case len(in.AWSAccountIds) == 0:
		return nil, missing("AWSAccountIds")
	case len(in.Actions) == 0:
		return nil, missing("Actions")
	case !permissionLabel.MatchString(*in.Label):
		return nil, invalid("Value %s for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.", *in.Label)
	case len(in.Actions) > maxActions:
		return nil, &api.OverLimit{Message: new("You can specify at most 7 actions in a statement.")}
	}
	var principals, actions []string
	for _, account := range in.AWSAccountIds {
		if !arn.IsAccount(account) {
			return nil, invalid("Value %s for parameter PrincipalId is invalid. Reason: Unable to verify.", account)
		}
		principals = append(principals, "arn:aws:iam::"+account+":root")
	}
	for _, action := range in.Actions {
		if !slices.Contains(permissible, action) {
			return nil, invalid("Value SQS:%s for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.", action)
		}
		actions = append(actions, "SQS:"+action)
	}
	return &schema.Unit{}, s.changePolicy(ctx, in.QueueUrl, func(q *queue, p *policy) error {
		if p.labelled(*in.Label) >= 0 {
			return invalid("Value %s for parameter Label is invalid. Reason: Already exists.", *in.Label)
		}
		if len(p.Statement) >= maxStatements {
			return &api.OverLimit{Message: new("20 statements are in the policy, and that is the most it may have")}
		}
		st, err := json.Marshal(permission{Sid: *in.Label, Effect: "Allow", Principal: map[string]any{"AWS": oneOrAll(principals)}, Action: oneOrAll(actions), Resource: q.arn()})
		p.Statement = append(p.Statement, st)
		return err
	})
}

// RemovePermission removes the statement with a label from the queue's policy.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html
func (s *Service) RemovePermission(ctx context.Context, in *api.RemovePermissionRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.changePolicy(ctx, in.QueueUrl, func(_ *queue, p *policy) error {
		i := p.labelled(*in.Label)
		if i < 0 {
			return invalid("Value %s for parameter Label is invalid. Reason: can't find label.", *in.Label)
		}
		p.Statement = slices.Delete(p.Statement, i, i+1)
		return nil
	})
}

// changePolicy applies f to the queue's policy. One without statements is none.
func (s *Service) changePolicy(ctx context.Context, queueURL *string, f func(*queue, *policy) error) error {
	return s.change(ctx, queueURL, func(q *queue) error {
		p := &policy{Version: "2008-10-17", ID: q.arn() + "/SQSDefaultPolicy"}
		if text, ok := q.Attributes[attrPolicy]; ok {
			var err error
			if p, err = parsePolicy(text); err != nil {
				return err
			}
		}
		if err := f(q, p); err != nil {
			return err
		}
		if len(p.Statement) == 0 {
			return q.set(map[string]string{attrPolicy: ""})
		}
		text := new(strings.Builder)
		e := json.NewEncoder(text)
		e.SetEscapeHTML(false)
		if err := e.Encode(p); err != nil {
			return err
		}
		return q.set(map[string]string{attrPolicy: strings.TrimSpace(text.String())})
	})
}

func oneOrAll(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
