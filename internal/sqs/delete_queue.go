package sqs

import (
	"context"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteQueue deletes a queue with its messages. Its name stays taken for a
// minute.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
func (s *Service) DeleteQueue(ctx context.Context, in *api.DeleteQueueRequest) (*schema.Unit, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, in.QueueUrl, func(q *queue) error {
		q.Deleted = time.Now().UnixMilli()
		q.Attributes, q.Tags = nil, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.forgetTasks(ctx, q, 0); err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.messages.Drop(ctx, q.id())
}

// purgeEvery is how often a queue may be purged.
const purgeEvery = 60 * time.Second

// PurgeQueue deletes every message of a queue, at once.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
func (s *Service) PurgeQueue(ctx context.Context, in *api.PurgeQueueRequest) (*schema.Unit, error) {
	var id string
	err := s.change(ctx, in.QueueUrl, func(q *queue) error {
		if time.Since(time.UnixMilli(q.Purged)) < purgeEvery {
			return &api.PurgeQueueInProgress{Message: new("Only one PurgeQueue operation on " + q.Name + " is allowed every 60 seconds.")}
		}
		id, q.Purged = q.id(), time.Now().UnixMilli()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.messages.Purge(ctx, id)
}
