package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxTags is how many tags a queue may have.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("Too many tags added for queue. A queue can have at most %d tags.", maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		case utf8.RuneCountInString(value) > 256:
			return invalid("Tag values must be between 0 and 256 characters in length.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys cannot start with the reserved prefix aws:.")
		}
	}
	return nil
}

// ListQueueTags returns a queue's tags.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html
func (s *Service) ListQueueTags(ctx context.Context, in *api.ListQueueTagsRequest) (*api.ListQueueTagsResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &api.ListQueueTagsResult{Tags: q.Tags}, nil
}

// TagQueue adds tags to a queue, or overwrites them.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html
func (s *Service) TagQueue(ctx context.Context, in *api.TagQueueRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.change(ctx, in.QueueUrl, func(q *queue) error {
		tags := maps.Clone(q.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, in.Tags)
		q.Tags = tags
		return checkTags(tags)
	})
}

// UntagQueue removes tags from a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html
func (s *Service) UntagQueue(ctx context.Context, in *api.UntagQueueRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.change(ctx, in.QueueUrl, func(q *queue) error {
		q.Tags = maps.Clone(q.Tags)
		for _, key := range in.TagKeys {
			delete(q.Tags, key)
		}
		return nil
	})
}
