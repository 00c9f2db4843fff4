package sqs

import (
	"context"
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// SendMessage adds a message to a queue, and answers when it is durable.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func (s *Service) SendMessage(ctx context.Context, in *api.SendMessageRequest) (*api.SendMessageResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	m := outgoing{body: *in.MessageBody, delay: in.DelaySeconds, attributes: in.MessageAttributes, system: in.MessageSystemAttributes,
		dedup: in.MessageDeduplicationId, group: in.MessageGroupId}
	msg, err := m.prepare(q, identity.Of(ctx).Account)
	if err != nil {
		return nil, err
	}
	sent, err := s.messages.Send(ctx, q.id(), q.fifo(), []store.NewMessage{msg})
	if err != nil {
		return nil, err
	}
	s.figures.of(q).sent(m.size())
	out := &api.SendMessageResult{MessageId: &sent[0].ID, MD5OfMessageBody: new(md5Of(m.body)), MD5OfMessageAttributes: m.attributesMD5, MD5OfMessageSystemAttributes: m.systemMD5}
	if q.fifo() {
		out.SequenceNumber = new(sequenceNumber(sent[0].Sequence))
	}
	return out, nil
}

// sequenceNumber is a sequence with the digits of SQS's.
func sequenceNumber(n int64) string { return fmt.Sprintf("%020d", n) }

// SendMessageBatch adds up to ten messages, in one transaction; what is wrong
// with one of them does not concern the others.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
func (s *Service) SendMessageBatch(ctx context.Context, in *api.SendMessageBatchRequest) (*api.SendMessageBatchResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("SendMessageBatchRequestEntry", in.Entries, func(e *api.SendMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	entries := make([]outgoing, len(in.Entries))
	size := 0
	for i, e := range in.Entries {
		entries[i] = outgoing{body: *e.MessageBody, delay: e.DelaySeconds, attributes: e.MessageAttributes, system: e.MessageSystemAttributes,
			dedup: e.MessageDeduplicationId, group: e.MessageGroupId}
		size += entries[i].size()
		if err := entries[i].checkFIFO(q); err != nil {
			return nil, wholeBatch(err)
		}
	}
	if size > maxMessageSize {
		return nil, &api.BatchRequestTooLong{Message: new(fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageSize, size))}
	}
	out := &api.SendMessageBatchResult{Successful: []*api.SendMessageBatchResultEntry{}, Failed: []*api.BatchResultErrorEntry{}}
	var messages []store.NewMessage
	var of []int // the entry of each message
	for i := range entries {
		msg, err := entries[i].prepare(q, identity.Of(ctx).Account)
		if err != nil {
			failed, err := failedEntry(in.Entries[i].Id, err)
			if err != nil {
				return nil, err
			}
			out.Failed = append(out.Failed, failed)
			continue
		}
		messages, of = append(messages, msg), append(of, i)
	}
	if len(messages) == 0 {
		return out, nil
	}
	sent, err := s.messages.Send(ctx, q.id(), q.fifo(), messages)
	if err != nil {
		return nil, err
	}
	counts := s.figures.of(q)
	for i, one := range sent {
		e := &entries[of[i]]
		counts.sent(e.size())
		entry := &api.SendMessageBatchResultEntry{Id: in.Entries[of[i]].Id, MessageId: new(one.ID), MD5OfMessageBody: new(md5Of(e.body)),
			MD5OfMessageAttributes: e.attributesMD5, MD5OfMessageSystemAttributes: e.systemMD5}
		if q.fifo() {
			entry.SequenceNumber = new(sequenceNumber(one.Sequence))
		}
		out.Successful = append(out.Successful, entry)
	}
	return out, nil
}
