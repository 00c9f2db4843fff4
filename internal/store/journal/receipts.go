package journal

import (
	"context"
	"errors"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// receipt finds the message that a receipt names, and checks the receipt.
func (q *queue) receipt(r store.Receipt, ordered bool, now int64) (*message, error) {
	if q == nil || q.messages[r.Sequence] == nil {
		return nil, store.ErrNotFound
	}
	m := q.messages[r.Sequence]
	if int64(m.receives) != r.Lease || !m.leased || ordered && m.due <= now {
		return nil, store.ErrPrecondition
	}
	return m, nil
}

// receipts calls one for the i-th of n receipts, and waits until what it did is
// durable. one returns when a message may be leased that could not before.
func (j *Journal) receipts(ctx context.Context, name string, n int, one func(q *queue, now int64, i int) (int64, error)) ([]error, error) {
	if err := errors.Join(store.CheckName("queue", name), store.CheckCount(n)); err != nil {
		return nil, err
	}
	if err := j.begin(ctx); err != nil {
		return nil, err
	}
	q, now, errs, ready := j.queues[name], time.Now().UnixMilli(), make([]error, n), int64(never)
	if q != nil {
		q.advance(now)
	}
	changed := false
	for i := range n {
		due, err := one(q, now, i)
		errs[i], ready, changed = err, min(ready, due), changed || err == nil
	}
	if !changed {
		j.mu.Unlock()
		return errs, nil
	}
	j.hub.ready(name, ready)
	if err := j.await(ctx); err != nil {
		return nil, err
	}
	return errs, nil
}

// Change implements [store.Messages].
func (j *Journal) Change(ctx context.Context, name string, ordered bool, limit time.Duration, changes []store.LeaseChange) ([]error, error) {
	return j.receipts(ctx, name, len(changes), func(q *queue, now int64, i int) (int64, error) {
		m, err := q.receipt(changes[i].Receipt, ordered, now)
		if err != nil {
			return never, err
		}
		due := now + changes[i].Visibility.Milliseconds()
		if due > m.leasedAt+limit.Milliseconds() {
			return never, store.ErrLimit
		}
		q.lift(m)
		m.due = due
		q.put(m, now)
		j.next.due(q, m)
		return due, nil
	})
}

// Delete implements [store.Messages].
func (j *Journal) Delete(ctx context.Context, name string, ordered bool, receipts []store.Receipt) ([]error, error) {
	return j.receipts(ctx, name, len(receipts), func(q *queue, now int64, i int) (int64, error) {
		m, err := q.receipt(receipts[i], ordered, now)
		if err != nil {
			return never, err
		}
		q.remove(m)
		j.release(m)
		j.next.delete(q, m.seq)
		ready := int64(never)
		if q.crowded || ordered { // there is room again, or its group is free
			q.crowded, ready = false, now
		}
		return ready, nil
	})
}
