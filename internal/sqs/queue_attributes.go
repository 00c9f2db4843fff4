package sqs

import (
	"context"
	"slices"
	"strconv"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// The attributes that can be read and set, or only read.
var (
	storedAttributes = []string{attrPolicy, attrVisibility, attrMaxSize, attrRetention, attrDelay, attrWait, attrRedrive, attrRedriveAllow,
		attrFIFO, attrContentDedup, attrDedupScope, attrThroughput, attrKMSKey, attrKMSReuse, attrManagedSSE}
	countedAttributes = []string{
		string(api.QueueAttributeNameApproximateNumberOfMessages),
		string(api.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		string(api.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}
	madeAttributes = []string{
		string(api.QueueAttributeNameQueueArn),
		string(api.QueueAttributeNameCreatedTimestamp),
		string(api.QueueAttributeNameLastModifiedTimestamp),
	}
)

// GetQueueAttributes returns attributes of a queue. The numbers of messages are
// exact, despite their names.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (s *Service) GetQueueAttributes(ctx context.Context, in *api.GetQueueAttributesRequest) (*api.GetQueueAttributesResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range in.AttributeNames {
		name := string(n)
		switch {
		case n == api.QueueAttributeNameAll:
			names = slices.Concat(storedAttributes, countedAttributes, madeAttributes)
		case slices.Contains(storedAttributes, name), slices.Contains(countedAttributes, name), slices.Contains(madeAttributes, name):
			names = append(names, name)
		default:
			return nil, unknownAttribute(name)
		}
	}
	out := &api.GetQueueAttributesResult{}
	if len(names) == 0 {
		return out, nil
	}
	out.Attributes = map[string]string{}
	if slices.ContainsFunc(names, func(n string) bool { return slices.Contains(countedAttributes, n) }) {
		if err := s.countInto(ctx, q, out.Attributes, names); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		switch api.QueueAttributeName(name) {
		case api.QueueAttributeNameQueueArn:
			out.Attributes[name] = q.arn()
		case api.QueueAttributeNameCreatedTimestamp:
			out.Attributes[name] = strconv.FormatInt(q.Created, 10)
		case api.QueueAttributeNameLastModifiedTimestamp:
			out.Attributes[name] = strconv.FormatInt(q.Modified, 10)
		case api.QueueAttributeNameFifoQueue:
			if q.fifo() {
				out.Attributes[name] = "true"
			}
		default:
			if value, ok := q.attribute(name); ok {
				out.Attributes[name] = value
			}
		}
	}
	return out, nil
}

func (s *Service) countInto(ctx context.Context, q *queue, into map[string]string, names []string) error {
	c, err := s.messages.Count(ctx, q.id(), q.settings.retention)
	if err != nil {
		return err
	}
	for i, n := range []int64{c.Visible, c.InFlight, c.Delayed} {
		if name := countedAttributes[i]; slices.Contains(names, name) {
			into[name] = strconv.FormatInt(n, 10)
		}
	}
	return nil
}

// SetQueueAttributes changes attributes of a queue, at once.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func (s *Service) SetQueueAttributes(ctx context.Context, in *api.SetQueueAttributesRequest) (*schema.Unit, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missing("Attribute.Name")
	}
	if err := checkAttributes(in.Attributes, q.fifo(), false); err != nil {
		return nil, err
	}
	if err := s.checkRedrive(q, in.Attributes); err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.change(ctx, in.QueueUrl, func(q *queue) error {
		q.Modified = time.Now().Unix()
		return q.set(in.Attributes)
	})
}
