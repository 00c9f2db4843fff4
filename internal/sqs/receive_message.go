package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
)

const (
	maxReceived = 10
	maxWait     = 20 // seconds
	// maxInFlight is how many messages of a queue may have been received and not
	// deleted.
	maxInFlight = 120_000
)

// ReceiveMessage takes messages from a queue. A long poll is woken by what
// happens to the queue; it ends with the client's connection, and when Paddock
// stops.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
func (s *Service) ReceiveMessage(ctx context.Context, in *api.ReceiveMessageRequest) (*api.ReceiveMessageResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	r, err := leaseRequest(q, in)
	if err != nil {
		return nil, err
	}
	r.Redrive = s.redrive(q)
	if in.ReceiveRequestAttemptId == nil {
		got, err := s.lease(ctx, q, r)
		if err != nil {
			return nil, err
		}
		return received(q, in, got)
	}
	attempt := *in.ReceiveRequestAttemptId
	if !q.fifo() {
		return nil, invalid("Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not valid for this queue type.", attempt)
	}
	if !groupOrDedup.MatchString(attempt) {
		return nil, invalid("Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.", attempt)
	}
	got, err := s.again(ctx, q, attempt, r.Visibility)
	if err != nil {
		return nil, err
	}
	if got == nil {
		if got, err = s.lease(ctx, q, r); err != nil {
			return nil, err
		}
		s.attempts.put(q, attempt, got)
	}
	return received(q, in, got)
}

// receivable are the attributes of messages that AttributeNames may name. The
// model types it as the names of a queue's attributes, which select nothing.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
var receivable = []api.MessageSystemAttributeName{
	api.MessageSystemAttributeNameAll,
	api.MessageSystemAttributeNameSenderId,
	api.MessageSystemAttributeNameSentTimestamp,
	api.MessageSystemAttributeNameApproximateReceiveCount,
	api.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
	api.MessageSystemAttributeNameSequenceNumber,
	api.MessageSystemAttributeNameMessageDeduplicationId,
	api.MessageSystemAttributeNameMessageGroupId,
	api.MessageSystemAttributeNameAWSTraceHeader,
	api.MessageSystemAttributeNameDeadLetterQueueSourceArn,
}

// leaseRequest checks a request's numbers and names.
func leaseRequest(q *queue, in *api.ReceiveMessageRequest) (store.LeaseRequest, error) {
	r := store.LeaseRequest{Queue: q.id(), Ordered: q.fifo(), Max: 1, Visibility: q.settings.visibility, Wait: q.settings.wait,
		Retention: q.settings.retention, MaxInFlight: maxInFlight}
	if n := in.MaxNumberOfMessages; n != nil {
		if r.Max = int(*n); r.Max < 1 || r.Max > maxReceived {
			return r, invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", *n)
		}
	}
	if n := in.VisibilityTimeout; n != nil {
		if *n < 0 || *n > maxVisibility {
			return r, invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", *n)
		}
		r.Visibility = time.Duration(*n) * time.Second
	}
	if n := in.WaitTimeSeconds; n != nil {
		if *n < 0 || *n > maxWait {
			return r, invalid("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", *n)
		}
		r.Wait = time.Duration(*n) * time.Second
	}
	for _, n := range in.AttributeNames {
		name := string(n)
		if !slices.Contains(receivable, api.MessageSystemAttributeName(n)) &&
			!slices.Contains(storedAttributes, name) && !slices.Contains(countedAttributes, name) && !slices.Contains(madeAttributes, name) {
			return r, unknownAttribute(name)
		}
	}
	return r, nil
}

// lease leases messages, or none where too many are in flight: a standard
// queue's short poll is the only one that is told.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
func (s *Service) lease(ctx context.Context, q *queue, r store.LeaseRequest) ([]store.Message, error) {
	if r.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.polling, cancel)()
	}
	got, err := s.messages.Lease(ctx, r)
	switch {
	case errors.Is(err, store.ErrLimit):
		if q.fifo() {
			return nil, nil
		}
		return nil, &api.OverLimit{Message: new("The maximum number of in flight messages is reached.")}
	case r.Wait > 0 && errors.Is(err, context.Canceled):
		return nil, nil // Paddock stops, or nobody waits for the answer
	}
	if err == nil {
		s.figures.of(q).received(len(got))
	}
	return got, err
}

// received is the answer with messages.
func received(q *queue, in *api.ReceiveMessageRequest, messages []store.Message) (*api.ReceiveMessageResult, error) {
	wanted := map[string]bool{}
	for _, n := range in.AttributeNames {
		wanted[string(n)] = true
	}
	for _, n := range in.MessageSystemAttributeNames {
		wanted[string(n)] = true
	}
	out := &api.ReceiveMessageResult{}
	for _, m := range messages {
		var meta metadata
		if err := json.Unmarshal([]byte(m.Attributes), &meta); err != nil {
			return nil, err
		}
		one := &api.Message{MessageId: new(m.ID), ReceiptHandle: new(q.handle(m.Receipt)), Body: new(m.Body), MD5OfBody: new(md5Of(m.Body))}
		if len(wanted) > 0 {
			one.Attributes = systemAttributes(q, &m, &meta, wanted)
		}
		if one.MessageAttributes = selectAttributes(meta.Attributes, in.MessageAttributeNames); one.MessageAttributes != nil {
			one.MD5OfMessageAttributes = new(attributesMD5(one.MessageAttributes))
		}
		out.Messages = append(out.Messages, one)
	}
	return out, nil
}

// systemAttributes are the attributes of SQS's own that a request wants: nil
// where the message has none of them.
func systemAttributes(q *queue, m *store.Message, meta *metadata, wanted map[string]bool) map[string]string {
	var out map[string]string
	add := func(name api.MessageSystemAttributeName, value string) {
		if value == "" || !wanted[string(name)] && !wanted[string(api.MessageSystemAttributeNameAll)] {
			return
		}
		if out == nil {
			out = map[string]string{}
		}
		out[string(name)] = value
	}
	add(api.MessageSystemAttributeNameSenderId, meta.Sender)
	add(api.MessageSystemAttributeNameSentTimestamp, strconv.FormatInt(m.Sent.UnixMilli(), 10))
	add(api.MessageSystemAttributeNameApproximateReceiveCount, strconv.Itoa(m.Receives))
	add(api.MessageSystemAttributeNameApproximateFirstReceiveTimestamp, strconv.FormatInt(m.FirstReceived.UnixMilli(), 10))
	add(api.MessageSystemAttributeNameMessageDeduplicationId, meta.Dedup)
	add(api.MessageSystemAttributeNameMessageGroupId, m.Group)
	add(api.MessageSystemAttributeNameAWSTraceHeader, meta.Trace)
	if q.fifo() {
		add(api.MessageSystemAttributeNameSequenceNumber, sequenceNumber(m.Receipt.Sequence))
	}
	if m.Source != "" {
		add(api.MessageSystemAttributeNameDeadLetterQueueSourceArn, arnOf(m.Source))
	}
	return out
}

// selectAttributes picks those that a request names: by name, by a prefix
// ("bar.*"), or all of them ("All", ".*").
func selectAttributes(attributes map[string]*api.MessageAttributeValue, names []string) map[string]*api.MessageAttributeValue {
	var out map[string]*api.MessageAttributeValue
	for name, value := range attributes {
		for _, wanted := range names {
			prefix, isPrefix := strings.CutSuffix(wanted, "*")
			if name == wanted || wanted == "All" || isPrefix && strings.HasPrefix(name, strings.TrimSuffix(prefix, ".")) {
				if out == nil {
					out = map[string]*api.MessageAttributeValue{}
				}
				out[name] = value
			}
		}
	}
	return out
}
