package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/store"
)

// Consumer reads queues for event source mappings: as ReceiveMessage and
// DeleteMessage do, but by ARN, in process, and more messages at a time.
type Consumer struct{ service *Service }

var _ eventsource.Queues = Consumer{}

// Consumer returns what event source mappings read queues with.
func (s *Service) Consumer() Consumer { return Consumer{s} }

// Visibility is a queue's visibility timeout, and false where there is no such
// queue.
func (c Consumer) Visibility(queueARN string) (time.Duration, bool) {
	q, ok := c.service.byARN(queueARN)
	if !ok {
		return 0, false
	}
	return q.settings.visibility, true
}

// Receive implements eventsource.Queues.
func (c Consumer) Receive(ctx context.Context, queueARN string, limit int, wait time.Duration) ([]eventsource.Message, error) {
	q, ok := c.service.byARN(queueARN)
	if !ok {
		return nil, eventsource.ErrNoQueue
	}
	leased, err := c.service.messages.Lease(ctx, store.LeaseRequest{
		Queue: q.id(), Ordered: q.fifo(), Max: limit, Visibility: q.settings.visibility, Wait: wait,
		Retention: q.settings.retention, MaxInFlight: maxInFlight, Redrive: c.service.redrive(q),
	})
	if errors.Is(err, store.ErrLimit) {
		return nil, nil // too many are in flight already; nobody waited
	}
	if err != nil {
		return nil, err
	}
	c.service.figures.of(q).received(len(leased))
	var until time.Time
	if q.settings.visibility > 0 {
		until = time.Now().Add(q.settings.visibility)
	}
	out := make([]eventsource.Message, len(leased))
	for i := range leased {
		m := &leased[i]
		var meta metadata
		if err := json.Unmarshal([]byte(m.Attributes), &meta); err != nil {
			return nil, err
		}
		out[i] = eventsource.Message{
			ID: m.ID, ReceiptHandle: q.handle(m.Receipt), Body: m.Body, MD5OfBody: md5Of(m.Body), Until: until,
			Attributes: systemAttributes(q, m, &meta, everyAttribute),
		}
		if len(meta.Attributes) > 0 {
			out[i].MD5OfMessageAttributes = attributesMD5(meta.Attributes)
			out[i].MessageAttributes = make(map[string]eventsource.MessageAttribute, len(meta.Attributes))
			for name, a := range meta.Attributes {
				out[i].MessageAttributes[name] = eventsource.MessageAttribute{
					StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: *a.DataType,
					StringListValues: []string{}, BinaryListValues: [][]byte{},
				}
			}
		}
	}
	return out, nil
}

var everyAttribute = map[string]bool{string(api.MessageSystemAttributeNameAll): true}

// Delete implements eventsource.Queues.
func (c Consumer) Delete(ctx context.Context, queueARN string, messages []eventsource.Message) error {
	return c.each(queueARN, messages, func(q *queue, receipts []store.Receipt) error {
		results, err := c.service.messages.Delete(ctx, q.id(), q.fifo(), receipts)
		deleted := 0
		for _, result := range results {
			if result == nil {
				deleted++
			}
		}
		c.service.figures.of(q).deleted(deleted)
		return err
	})
}

// Release implements eventsource.Queues.
func (c Consumer) Release(ctx context.Context, queueARN string, messages []eventsource.Message) error {
	return c.each(queueARN, messages, func(q *queue, receipts []store.Receipt) error {
		changes := make([]store.LeaseChange, len(receipts))
		for i, r := range receipts {
			changes[i].Receipt = r
		}
		_, err := c.service.messages.Change(ctx, q.id(), q.fifo(), maxVisibility*time.Second, changes)
		return err
	})
}

// each calls f with the receipts of messages, as many as the store takes at once.
func (c Consumer) each(queueARN string, messages []eventsource.Message, f func(*queue, []store.Receipt) error) error {
	q, ok := c.service.byARN(queueARN)
	if !ok {
		return eventsource.ErrNoQueue
	}
	for len(messages) > 0 {
		n := min(len(messages), store.MaxLease)
		receipts := make([]store.Receipt, n)
		for i, m := range messages[:n] {
			var err error
			if receipts[i], err = q.receipt(m.ReceiptHandle); err != nil {
				return err
			}
		}
		if err := f(q, receipts); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

// Deliver sends a message of Paddock's own to a queue by its ARN, and returns
// once it is durable: eventsource.ErrNoQueue where there is no such queue.
func (c Consumer) Deliver(ctx context.Context, queueARN, body string) error {
	return c.DeliverWith(ctx, queueARN, body, nil)
}

// Attribute is a message attribute of Paddock's own.
type Attribute struct{ DataType, Value string }

// DeliverWith is Deliver with message attributes.
func (c Consumer) DeliverWith(ctx context.Context, queueARN, body string, attributes map[string]Attribute) error {
	q, ok := c.service.byARN(queueARN)
	if !ok {
		return eventsource.ErrNoQueue
	}
	m := outgoing{body: body}
	for name, a := range attributes {
		if m.attributes == nil {
			m.attributes = map[string]*api.MessageAttributeValue{}
		}
		m.attributes[name] = &api.MessageAttributeValue{DataType: new(a.DataType), StringValue: new(a.Value)}
	}
	message, err := m.prepare(q, q.Account)
	if err != nil {
		return err
	}
	if _, err = c.service.messages.Send(ctx, q.id(), q.fifo(), []store.NewMessage{message}); err != nil {
		return err
	}
	c.service.figures.of(q).sent(m.size())
	return nil
}
