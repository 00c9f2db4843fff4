package sqs

import (
	"context"
	"errors"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxVisibility is how long a message may be invisible in all, in seconds: from
// its receive on.
const maxVisibility = 43_200

// visibilityChange is an entry of ChangeMessageVisibilityBatch.
type visibilityChange struct {
	handle  string
	seconds int32
}

// ChangeMessageVisibility sets when a message that was received becomes visible
// again, counted from now.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *api.ChangeMessageVisibilityRequest) (*schema.Unit, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := s.changeVisibility(ctx, q, []visibilityChange{{*in.ReceiptHandle, *in.VisibilityTimeout}})
	if err != nil {
		return nil, err
	}
	if errs[0] != nil {
		return nil, errs[0]
	}
	return &schema.Unit{}, nil
}

// ChangeMessageVisibilityBatch does so for up to ten messages.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *api.ChangeMessageVisibilityBatchRequest) (*api.ChangeMessageVisibilityBatchResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", in.Entries, func(e *api.ChangeMessageVisibilityBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	changes := make([]visibilityChange, len(in.Entries))
	for i, e := range in.Entries {
		changes[i].handle = *e.ReceiptHandle
		if e.VisibilityTimeout != nil {
			changes[i].seconds = *e.VisibilityTimeout
		}
	}
	errs, err := s.changeVisibility(ctx, q, changes)
	if err != nil {
		return nil, err
	}
	out := &api.ChangeMessageVisibilityBatchResult{Successful: []*api.ChangeMessageVisibilityBatchResultEntry{}, Failed: []*api.BatchResultErrorEntry{}}
	for i, e := range in.Entries {
		if errs[i] == nil {
			out.Successful = append(out.Successful, &api.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
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

func (s *Service) changeVisibility(ctx context.Context, q *queue, wanted []visibilityChange) ([]error, error) {
	errs := make([]error, len(wanted))
	var changes []store.LeaseChange
	var of []int
	for i, w := range wanted {
		r, err := q.receipt(w.handle)
		if err == nil && (w.seconds < 0 || w.seconds > maxVisibility) {
			err = invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", w.seconds)
		}
		if errs[i] = err; err == nil {
			changes, of = append(changes, store.LeaseChange{Receipt: r, Visibility: time.Duration(w.seconds) * time.Second}), append(of, i)
		}
	}
	if len(changes) == 0 {
		return errs, nil
	}
	results, err := s.messages.Change(ctx, q.id(), q.fifo(), maxVisibility*time.Second, changes)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		w := wanted[of[i]]
		switch {
		case errors.Is(result, store.ErrLimit):
			errs[of[i]] = invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", w.seconds)
		case result != nil:
			errs[of[i]] = invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", w.handle)
		}
	}
	return errs, nil
}
