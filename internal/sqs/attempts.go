package sqs

import (
	"context"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// attemptWindow is how long a receive can be repeated.
const attemptWindow = 5 * time.Minute

// attempts remembers what receives with a ReceiveRequestAttemptId got, for the
// client whose answer was lost. It is empty after a restart.
type attempts struct {
	mu sync.Mutex
	// In the order of their times: all are kept equally long.
	order []attemptKey
	got   map[attemptKey]attempt
}

type attemptKey struct {
	queue   string
	created int64 // of the queue
	id      string
}

type attempt struct {
	at       time.Time
	messages []store.Message
}

func (a *attempts) put(q *queue, id string, messages []store.Message) {
	if len(messages) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.order) > 0 {
		if first := a.order[0]; now.Sub(a.got[first].at) >= attemptWindow {
			delete(a.got, first)
		} else if _, known := a.got[first]; known {
			break
		}
		a.order = a.order[1:]
	}
	if a.got == nil {
		a.got = map[attemptKey]attempt{}
	}
	key := attemptKey{q.id(), q.Created, id}
	a.got[key] = attempt{now, messages}
	a.order = append(a.order, key)
}

func (a *attempts) find(q *queue, id string) []store.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	if got, ok := a.got[attemptKey{q.id(), q.Created, id}]; ok && time.Since(got.at) < attemptWindow {
		return got.messages
	}
	return nil
}

// again returns what an earlier attempt got, under the same handles and with a
// new visibility timeout, unless something happened to the messages since.
func (s *Service) again(ctx context.Context, q *queue, id string, visibility time.Duration) ([]store.Message, error) {
	messages := s.attempts.find(q, id)
	if messages == nil {
		return nil, nil
	}
	changes := make([]store.LeaseChange, len(messages))
	for i, m := range messages {
		changes[i] = store.LeaseChange{Receipt: m.Receipt, Visibility: visibility}
	}
	errs, err := s.messages.Change(ctx, q.id(), true, maxVisibility*time.Second, changes)
	if err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, nil
		}
	}
	return messages, nil
}
