package sqs

import (
	"context"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteMessage deletes a message that was received. A handle that is not the
// last one of its message deletes nothing, and a message that is gone already is
// no error; in a FIFO queue a handle is good until the message is visible again.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (s *Service) DeleteMessage(ctx context.Context, in *api.DeleteMessageRequest) (*schema.Unit, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := s.delete(ctx, q, []string{*in.ReceiptHandle})
	if err != nil {
		return nil, err
	}
	if errs[0] != nil {
		return nil, errs[0]
	}
	return &schema.Unit{}, nil
}

// DeleteMessageBatch deletes up to ten messages.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
func (s *Service) DeleteMessageBatch(ctx context.Context, in *api.DeleteMessageBatchRequest) (*api.DeleteMessageBatchResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", in.Entries, func(e *api.DeleteMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	handles := make([]string, len(in.Entries))
	for i, e := range in.Entries {
		handles[i] = *e.ReceiptHandle
	}
	errs, err := s.delete(ctx, q, handles)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteMessageBatchResult{Successful: []*api.DeleteMessageBatchResultEntry{}, Failed: []*api.BatchResultErrorEntry{}}
	for i, e := range in.Entries {
		if errs[i] == nil {
			out.Successful = append(out.Successful, &api.DeleteMessageBatchResultEntry{Id: e.Id})
			continue
		}
		failed, err := failedEntry(e.Id, errs[i])
		if err != nil {
			return nil, err
		}
		out.Failed = append(out.Failed, failed)
	}
	return out, nil
}

// delete deletes messages and says of each what is wrong with its handle.
func (s *Service) delete(ctx context.Context, q *queue, handles []string) ([]error, error) {
	receipts, of, errs := q.receipts(handles)
	if len(receipts) == 0 {
		return errs, nil
	}
	results, err := s.messages.Delete(ctx, q.id(), q.fifo(), receipts)
	if err != nil {
		return nil, err
	}
	deleted := 0
	for i, result := range results {
		if result == nil {
			deleted++
		}
		if q.fifo() && errors.Is(result, store.ErrPrecondition) {
			errs[of[i]] = invalid("Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", handles[of[i]])
		}
	}
	s.figures.of(q).deleted(deleted)
	return errs, nil
}

// receipts reads handles: the good ones, the place of each, and the errors of
// the others.
func (q *queue) receipts(handles []string) (good []store.Receipt, of []int, errs []error) {
	errs = make([]error, len(handles))
	for i, h := range handles {
		r, err := q.receipt(h)
		if errs[i] = err; err == nil {
			good, of = append(good, r), append(of, i)
		}
	}
	return good, of, errs
}
