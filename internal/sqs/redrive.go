package sqs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/store"
)

// redrivePolicy says after how many receives messages go to which queue.
type redrivePolicy struct {
	target string // an ARN
	queue  string // the target's name in the store of messages
	max    int
}

// The least and the largest maxReceiveCount.
const (
	minReceiveCount = 1
	maxReceiveCount = 1000
)

func parseRedrive(text string) (*redrivePolicy, error) {
	refuse := func(format string, args ...any) error {
		return invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, fmt.Sprintf(format, args...))
	}
	var raw map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil || raw == nil {
		return nil, refuse("Redrive policy is not a valid JSON map.")
	}
	for _, name := range []string{"deadLetterTargetArn", "maxReceiveCount"} {
		if _, ok := raw[name]; !ok {
			return nil, refuse("Redrive policy does not contain mandatory attribute: %s.", name)
		}
	}
	for name := range raw {
		if name != "deadLetterTargetArn" && name != "maxReceiveCount" {
			return nil, refuse("Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
		}
	}
	target, _ := raw["deadLetterTargetArn"].(string)
	a, err := arn.Parse(target)
	if err != nil || a.Service != "sqs" || a.Resource == "" {
		return nil, refuse("Invalid value for deadLetterTargetArn.")
	}
	count := fmt.Sprint(raw["maxReceiveCount"]) // a number or its text
	n, err := strconv.Atoi(count)
	if err != nil || n < minReceiveCount || n > maxReceiveCount {
		return nil, refuse("Invalid value for maxReceiveCount: %s, valid values are from %d to %d both inclusive.", count, minReceiveCount, maxReceiveCount)
	}
	return &redrivePolicy{target: target, queue: queueID(a.Account, a.Region, a.Resource), max: n}, nil
}

// redriveAllow is a RedriveAllowPolicy.
type redriveAllow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueArns   []string `json:"sourceQueueArns"`
}

// maxSourceQueues is how many queues a RedriveAllowPolicy may name.
const maxSourceQueues = 10

func parseRedriveAllow(text string) (*redriveAllow, error) {
	refuse := func(reason string) error {
		return invalid("Value %s for parameter RedriveAllowPolicy is invalid. Reason: %s", text, reason)
	}
	var p redriveAllow
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, refuse("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.")
	}
	switch p.RedrivePermission {
	case "allowAll", "denyAll":
		if len(p.SourceQueueArns) > 0 {
			return nil, refuse("Amazon SQS can't create the redrive allow policy. SourceQueueArns can be specified only when redrivePermission is byQueue.")
		}
	case "byQueue":
		if n := len(p.SourceQueueArns); n == 0 || n > maxSourceQueues {
			return nil, refuse("Amazon SQS can't create the redrive allow policy. It needs 1 to 10 sourceQueueArns.")
		}
	default:
		return nil, refuse("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.")
	}
	return &p, nil
}

// checkRedrive checks the policies of a request against the queues they name.
func (s *Service) checkRedrive(q *queue, wanted map[string]string) error {
	if text := wanted[attrRedriveAllow]; text != "" {
		if _, err := parseRedriveAllow(text); err != nil {
			return err
		}
	}
	text := wanted[attrRedrive]
	if text == "" {
		return nil
	}
	refuse := func(reason string) error {
		return invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
	}
	p, err := parseRedrive(text)
	if err != nil {
		return err
	}
	if a, err := arn.Parse(p.target); err != nil || a.Account != q.Account || a.Region != q.Region {
		return refuse("Dead-letter target owner should be same as the source.")
	}
	target, ok := s.byARN(p.target)
	switch {
	case p.queue == q.id():
		return refuse("The dead-letter queue must be another queue.")
	case !ok:
		return refuse("Dead letter target does not exist.")
	case target.fifo() != q.fifo():
		return refuse("Dead-letter queue must be same type of queue as the source.")
	case !target.allowsRedriveFrom(q.arn()):
		return refuse("Dead-letter target does not allow this queue as a source.")
	}
	return nil
}

func (q *queue) allowsRedriveFrom(source string) bool {
	text, ok := q.Attributes[attrRedriveAllow]
	if !ok {
		return true
	}
	p, err := parseRedriveAllow(text)
	return err == nil && (p.RedrivePermission == "allowAll" || p.RedrivePermission == "byQueue" && slices.Contains(p.SourceQueueArns, source))
}

// redrive is where a queue's messages go that were received too often: nowhere
// while that queue is not there, or does not want them any more.
func (s *Service) redrive(q *queue) *store.Redrive {
	p := q.settings.redrive
	if p == nil {
		return nil
	}
	target, ok := s.queues.Get(queuePrefix + p.queue)
	if !ok || target.Deleted != 0 || target.fifo() != q.fifo() || !target.allowsRedriveFrom(q.arn()) {
		return nil
	}
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
	// has it that a FIFO queue's messages begin a new retention period there.
	return &store.Redrive{Queue: p.queue, After: p.max, Renew: q.fifo()}
}

// sources are the queues whose messages may go to q.
func (s *Service) sources(q *queue) []*queue {
	var out []*queue
	for other := range s.queues.Values() {
		if p := other.settings.redrive; other.Deleted == 0 && p != nil && p.target == q.arn() {
			out = append(out, other)
		}
	}
	slices.SortFunc(out, func(a, b *queue) int { return strings.Compare(a.Name, b.Name) })
	return out
}
