package sqs

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
)

// maxListed is the most that a page of queues holds.
const maxListed = 1000

// GetQueueUrl returns the URL of a queue, by its name.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html
func (s *Service) GetQueueUrl(ctx context.Context, in *api.GetQueueUrlRequest) (*api.GetQueueUrlResult, error) {
	id := identity.Of(ctx)
	account := id.Account
	if in.QueueOwnerAWSAccountId != nil {
		account = *in.QueueOwnerAWSAccountId
	}
	q, ok := s.get(account, id.Region, *in.QueueName)
	if !ok {
		return nil, noQueue()
	}
	return &api.GetQueueUrlResult{QueueUrl: new(q.url(ctx))}, nil
}

// ListQueues lists the queues of the caller's account and region by name. Only
// with MaxResults is there a NextToken.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html
func (s *Service) ListQueues(ctx context.Context, in *api.ListQueuesRequest) (*api.ListQueuesResult, error) {
	id := identity.Of(ctx)
	var found []*queue
	for q := range s.queues.Values() {
		if q.Deleted == 0 && q.Account == id.Account && q.Region == id.Region && (in.QueueNamePrefix == nil || strings.HasPrefix(q.Name, *in.QueueNamePrefix)) {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return strings.Compare(a.Name, b.Name) })
	urls, next, err := page(ctx, found, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &api.ListQueuesResult{QueueUrls: urls, NextToken: next}, nil
}

// ListDeadLetterSourceQueues lists the queues whose redrive policy names this one.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html
func (s *Service) ListDeadLetterSourceQueues(ctx context.Context, in *api.ListDeadLetterSourceQueuesRequest) (*api.ListDeadLetterSourceQueuesResult, error) {
	q, err := s.find(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	urls, next, err := page(ctx, s.sources(q), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if urls == nil {
		urls = []string{}
	}
	return &api.ListDeadLetterSourceQueuesResult{QueueUrls: urls, NextToken: next}, nil
}

// page cuts a page out of queues that are sorted by name.
func page(ctx context.Context, queues []*queue, maxResults *int32, token *string) (urls []string, next *string, err error) {
	limit := maxListed
	if maxResults != nil {
		if limit = int(*maxResults); limit < 1 || limit > maxListed {
			return nil, nil, invalid("Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
		}
	}
	after := ""
	if token != nil {
		b, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, invalid("Invalid or expired next token.")
		}
		after = string(b)
	}
	for _, q := range queues {
		if q.Name <= after {
			continue
		}
		if len(urls) == limit {
			if maxResults != nil {
				next = new(base64.RawURLEncoding.EncodeToString([]byte(after)))
			}
			break
		}
		urls, after = append(urls, q.url(ctx)), q.Name
	}
	return urls, next, nil
}
