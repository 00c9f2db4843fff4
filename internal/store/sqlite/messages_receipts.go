package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// receipts is one call of Change or Delete.
type receipts struct {
	m       *Messages
	queue   string
	ordered bool

	q     *messageQueue
	now   int64
	errs  []error
	ready int64 // when the first message may be leased that could not before
}

// leased is a message that a receipt names.
type leased struct {
	id, receives, due, leased, leasedAt int64
	group                               []byte
}

// do calls one for the i-th of n receipts, in one transaction.
func (c *receipts) do(ctx context.Context, n int, one func(i int) error) ([]error, error) {
	if err := errors.Join(store.CheckName("queue", c.queue), store.CheckCount(n)); err != nil {
		return nil, err
	}
	err := c.m.do(ctx, 0, func() error {
		c.q, c.now, c.errs, c.ready = c.m.queues[c.queue], time.Now().UnixMilli(), make([]error, n), never
		for i := range n {
			err := error(store.ErrNotFound)
			if c.q != nil {
				err = one(i)
			}
			if known(err) {
				c.errs[i] = err
			} else if err != nil {
				return fmt.Errorf("queue %q: %w", c.queue, err)
			}
		}
		return nil
	}, func() { c.m.hub.ready(c.queue, c.ready) })
	if err != nil {
		return nil, err // errs may still be the writer's, where ctx ended the wait
	}
	return c.errs, nil
}

// known says whether an error is an answer about one receipt.
func known(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrLimit)
}

// find reads the message that a receipt names, and checks the receipt.
func (c *receipts) find(r store.Receipt) (leased, error) {
	l := leased{id: c.q.messageID(r.Sequence & sequenceMask)}
	err := c.m.find.QueryRow(l.id).Scan(&l.receives, &l.due, &l.leased, &l.leasedAt, &l.group)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return l, store.ErrNotFound
	case err != nil:
		return l, err
	case l.receives != r.Lease || l.leased == 0 || c.ordered && l.due <= c.now:
		return l, store.ErrPrecondition
	}
	l.group = notNil(l.group)
	return l, nil
}

// freed brings the group of a message up to date.
func (c *receipts) freed(group []byte) error {
	ready, err := c.m.refresh(c.q, group)
	c.ready = min(c.ready, ready)
	return err
}

// Change implements [store.Messages].
func (m *Messages) Change(ctx context.Context, queue string, ordered bool, limit time.Duration, changes []store.LeaseChange) ([]error, error) {
	changes = append([]store.LeaseChange(nil), changes...)
	c := &receipts{m: m, queue: queue, ordered: ordered}
	return c.do(ctx, len(changes), func(i int) error {
		l, err := c.find(changes[i].Receipt)
		if err != nil {
			return err
		}
		due := c.now + changes[i].Visibility.Milliseconds()
		if due > l.leasedAt+limit.Milliseconds() {
			return store.ErrLimit
		}
		if _, err := m.setDue.Exec(l.id, due); err != nil {
			return err
		}
		if l.due <= c.now {
			c.q.leased++ // a count may have left it out
		}
		if ordered {
			return c.freed(l.group)
		}
		c.ready = min(c.ready, due)
		return nil
	})
}

// Delete implements [store.Messages].
func (m *Messages) Delete(ctx context.Context, queue string, ordered bool, deleted []store.Receipt) ([]error, error) {
	deleted = append([]store.Receipt(nil), deleted...)
	c := &receipts{m: m, queue: queue, ordered: ordered}
	return c.do(ctx, len(deleted), func(i int) error {
		var err error
		if ordered {
			err = c.deleteOrdered(deleted[i])
		} else {
			err = c.deleteAny(deleted[i])
		}
		if err != nil {
			return err
		}
		m.add(c.q, -1)
		c.q.leased = max(c.q.leased-1, 0)
		if c.q.crowded {
			c.q.crowded, c.ready = false, c.now
		}
		return nil
	})
}

func (c *receipts) deleteOrdered(r store.Receipt) error {
	l, err := c.find(r)
	if err != nil {
		return err
	}
	if _, err := c.m.del.Exec(l.id); err != nil {
		return err
	}
	return c.freed(l.group)
}

// deleteAny is one statement where the receipt is good.
func (c *receipts) deleteAny(r store.Receipt) error {
	result, err := c.m.delLeased.Exec(c.q.messageID(r.Sequence&sequenceMask), r.Lease)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 1 {
		return err
	}
	_, err = c.find(r)
	return err
}
