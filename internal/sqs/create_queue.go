package sqs

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
)

// reuseAfter is how long a deleted queue's name cannot be given to another.
const reuseAfter = 60 * time.Second

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// CreateQueue makes a queue, or returns the one of that name where each
// attribute of the request has the value it has there.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (s *Service) CreateQueue(ctx context.Context, in *api.CreateQueueRequest) (*api.CreateQueueResult, error) {
	id := identity.Of(ctx)
	q := &queue{Account: id.Account, Region: id.Region, Name: *in.QueueName, Tags: in.Tags, Secret: make([]byte, 16)}
	if err := checkQueueName(q.Name, in.Attributes[attrFIFO] == "true"); err != nil {
		return nil, err
	}
	if err := checkAttributes(in.Attributes, q.fifo(), true); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.checkRedrive(q, in.Attributes); err != nil {
		return nil, err
	}
	if err := q.set(in.Attributes); err != nil {
		return nil, err
	}
	_, _ = rand.Read(q.Secret) // it never fails
	// One at a time: what is dropped below must not be another creation's.
	s.creating.Lock()
	defer s.creating.Unlock()
	for {
		existing, ok := s.queues.Get(q.key())
		switch {
		case ok && existing.Deleted == 0:
			if name, differs := existing.differs(in.Attributes); differs {
				return nil, &api.QueueNameExists{Message: new("A queue already exists with the same name and a different value for attribute " + name)}
			}
			return &api.CreateQueueResult{QueueUrl: new(existing.url(ctx))}, nil
		case ok && time.Since(time.UnixMilli(existing.Deleted)) < reuseAfter:
			return nil, &api.QueueDeletedRecently{Message: new("You must wait 60 seconds after deleting a queue before you can create another with the same name.")}
		case ok:
			q.revision = existing.revision
		}
		// What a request that was under way when the queue was deleted has left.
		if err := s.messages.Drop(ctx, q.id()); err != nil {
			return nil, err
		}
		q.Created = time.Now().Unix()
		q.Modified = q.Created
		err := s.save(ctx, q)
		if err == nil {
			return &api.CreateQueueResult{QueueUrl: new(q.url(ctx))}, nil
		}
		if !raced(err) {
			return nil, err
		}
		// Somebody was faster, with a queue or with forgetting a deleted one.
		q.revision = 0
		if err := s.reload(ctx, q.key()); err != nil {
			return nil, err
		}
	}
}

func checkQueueName(name string, fifo bool) error {
	base, isFIFO := strings.CutSuffix(name, ".fifo")
	switch {
	case fifo && (!isFIFO || len(name) > 80 || !queueName.MatchString(base)):
		return invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && !queueName.MatchString(name):
		return invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}
