package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/store"
)

// giveUp moves a message to the dead letters. It is called with the lock held.
func (j *Journal) giveUp(q *queue, m *message, r *store.Redrive, now int64) {
	to, group, seq := j.queue(r.Queue, q.ordered), m.g.name, m.seq
	q.remove(m)
	m.due, m.leased, m.source = now, false, &q.name
	if r.Renew {
		m.sent = j.now()
		j.lastSeq++
		m.seq = j.lastSeq
	}
	to.insert(m, group, now)
	j.next.move(q, seq, to, m)
}

// Move implements [store.Messages].
func (j *Journal) Move(ctx context.Context, r store.MoveRequest) (int, error) {
	if err := errors.Join(store.CheckName("queue", r.From), store.CheckCount(r.Max)); err != nil {
		return 0, err
	}
	if r.To != "" {
		if err := store.CheckName("queue", r.To); err != nil {
			return 0, err
		}
	}
	if err := j.begin(ctx); err != nil {
		return 0, err
	}
	moved, err := j.move(&r)
	if moved == 0 || err != nil {
		j.mu.Unlock()
		return 0, err
	}
	if err := j.await(ctx); err != nil {
		return 0, err
	}
	return moved, nil
}

func (j *Journal) move(r *store.MoveRequest) (moved int, err error) {
	q, now := j.queues[r.From], j.now()
	if q == nil {
		return 0, nil
	}
	q.advance(now)
	for moved < r.Max && q.ready.len() > 0 {
		g := q.ready.first()
		m := g.head()
		if !q.ordered {
			m = g.ready.first()
		}
		name := r.To
		if name == "" {
			if m.source == nil || !slices.Contains(r.Back, *m.source) {
				if moved == 0 {
					return 0, fmt.Errorf("move from queue %q: where a message came from: %w", r.From, store.ErrNotFound)
				}
				break
			}
			name = *m.source
		}
		to, group, seq := j.queue(name, q.ordered), g.name, m.seq
		q.remove(m)
		j.lastSeq++
		m.seq, m.id, m.sent, m.due = j.lastSeq, uuid.New(), now, now
		m.leased, m.receives, m.first, m.leasedAt, m.source = false, 0, 0, 0, nil
		to.insert(m, group, now)
		j.next.move(q, seq, to, m)
		j.hub.ready(name, now)
		moved++
	}
	return moved, nil
}

// Count implements [store.Messages].
func (j *Journal) Count(ctx context.Context, name string, retention time.Duration) (store.MessageCount, error) {
	var c store.MessageCount
	if err := store.CheckName("queue", name); err != nil {
		return c, err
	}
	if err := j.begin(ctx); err != nil {
		return c, err
	}
	defer j.mu.Unlock()
	q := j.queues[name]
	if q == nil {
		return c, nil
	}
	now := time.Now().UnixMilli()
	if retention > 0 {
		j.expire(q, now-retention.Milliseconds())
	}
	q.advance(now)
	c.InFlight, c.Delayed = int64(q.inFlight), int64(q.delayed)
	c.Visible = int64(len(q.messages)) - c.InFlight - c.Delayed
	if m := q.bySent.first(); m != nil {
		c.Oldest = time.UnixMilli(m.sent)
	}
	return c, nil
}

// Queues implements [store.Messages].
func (j *Journal) Queues(ctx context.Context, prefix string) ([]string, error) {
	if err := j.begin(ctx); err != nil {
		return nil, err
	}
	defer j.mu.Unlock()
	var names []string
	for name, q := range j.queues {
		if len(q.messages) > 0 && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Purge implements [store.Messages].
func (j *Journal) Purge(ctx context.Context, name string) error {
	return j.discard(ctx, name, func(q *queue) {
		q.purged = j.lastSeq
		j.next.purge(q)
		j.empty(q)
	})
}

// Drop implements [store.Messages].
func (j *Journal) Drop(ctx context.Context, name string) error {
	return j.discard(ctx, name, j.drop)
}

func (j *Journal) discard(ctx context.Context, name string, discard func(*queue)) error {
	if err := store.CheckName("queue", name); err != nil {
		return err
	}
	if err := j.begin(ctx); err != nil {
		return err
	}
	q := j.queues[name]
	if q == nil {
		j.mu.Unlock()
		return nil
	}
	discard(q)
	return j.await(ctx)
}

func (j *Journal) drop(q *queue) {
	q.dropped = true
	j.next.drop(q)
	j.empty(q)
	delete(j.queues, q.name)
}

// empty forgets the messages of a queue.
func (j *Journal) empty(q *queue) {
	for _, m := range q.messages {
		j.release(m)
	}
	q.clear()
}
