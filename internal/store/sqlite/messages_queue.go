package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/store"
)

// Move implements [store.Messages].
func (m *Messages) Move(ctx context.Context, r store.MoveRequest) (int, error) {
	if err := errors.Join(store.CheckName("queue", r.From), store.CheckCount(r.Max)); err != nil {
		return 0, err
	}
	if r.To != "" {
		if err := store.CheckName("queue", r.To); err != nil {
			return 0, err
		}
	}
	t := &moving{m: m, r: r, ids: make([]uuid.UUID, r.Max)}
	t.r.Back = slices.Clone(r.Back)
	for i := range t.ids {
		t.ids[i] = uuid.New()
	}
	err := m.do(ctx, 0, t.apply, func() {
		for _, queue := range t.into {
			m.hub.ready(queue, t.now)
		}
	})
	if err != nil {
		return 0, err
	}
	return t.moved, nil
}

// moving is one call of Move.
type moving struct {
	m     *Messages
	r     store.MoveRequest
	ids   []uuid.UUID
	from  *messageQueue
	now   int64
	moved int
	into  []string
}

func (t *moving) apply() error {
	t.moved, t.into, t.now = 0, nil, t.m.now()
	t.from = t.m.queues[t.r.From]
	if t.from == nil {
		return nil
	}
	candidates, err := t.candidates()
	if err != nil {
		return fmt.Errorf("move from queue %q: %w", t.r.From, err)
	}
	for _, c := range candidates {
		to := t.r.To
		if to == "" {
			if to = string(c.source); !slices.Contains(t.r.Back, to) {
				if t.moved == 0 {
					return refuse(fmt.Errorf("where a message of queue %q came from: %w", t.r.From, store.ErrNotFound))
				}
				break
			}
		}
		if err := t.move(c, to); err != nil {
			return fmt.Errorf("move from queue %q: %w", t.r.From, err)
		}
	}
	return nil
}

func (t *moving) move(c candidate, name string) error {
	to, err := t.m.queue(name)
	if err != nil {
		return err
	}
	move := relocation{from: t.from, to: to, sequence: c.id & sequenceMask, due: t.now, sent: t.now, id: &t.ids[t.moved]}
	if t.r.Ordered {
		move.group = new(string(c.group))
	}
	if err := t.m.move(move); err != nil {
		return err
	}
	t.moved++
	if !slices.Contains(t.into, name) {
		t.into = append(t.into, name)
	}
	if t.r.Ordered {
		_, err = t.m.refresh(t.from, c.group)
	}
	return err
}

func (t *moving) candidates() ([]candidate, error) {
	if !t.r.Ordered {
		return t.firstDue()
	}
	groups, err := t.m.groupsDue(t.from, t.now, t.r.Max)
	if err != nil {
		return nil, err
	}
	var all []candidate
	for _, group := range groups {
		some, err := t.m.firstOf(t.from, group, t.now, t.r.Max-len(all))
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) >= t.r.Max {
			break
		}
	}
	return all, nil
}

func (t *moving) firstDue() ([]candidate, error) {
	rows, err := t.m.anyDue.Query(t.from.number, t.now, t.r.Max)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.id, &c.source); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// expireChunk is how many messages one transaction expires.
const expireChunk = 1000

// expire deletes some of the messages that were sent at cutoff or before, and
// says whether there are more.
func (m *Messages) expire(q *messageQueue, cutoff int64) (more bool, err error) {
	if q.total == 0 || q.oldest > cutoff {
		return false, nil
	}
	rows, err := m.oldestRows.Query(q.messageID(0), q.messageID(sequenceMask), expireChunk)
	if err != nil {
		return false, err
	}
	last, n, left := int64(0), int64(0), false
	groups := map[string]bool{}
	for !left && rows.Next() {
		var id, sent int64
		var ordered bool
		var group []byte
		if err := rows.Scan(&id, &sent, &ordered, &group); err != nil {
			return false, errors.Join(err, rows.Close())
		}
		if sent > cutoff {
			q.oldest, left = sent, true
			continue
		}
		if ordered {
			groups[string(group)] = true
		}
		last, n = id, n+1
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || n == 0 {
		return false, err
	}
	if _, err := m.delRange.Exec(q.messageID(0), last); err != nil {
		return false, err
	}
	m.add(q, -n)
	q.leased = min(q.leased, q.total)
	for group := range groups {
		if _, err := m.refresh(q, []byte(group)); err != nil {
			return false, err
		}
	}
	return !left && q.total > 0, nil
}

// Count implements [store.Messages].
func (m *Messages) Count(ctx context.Context, queue string, retention time.Duration) (store.MessageCount, error) {
	if err := store.CheckName("queue", queue); err != nil {
		return store.MessageCount{}, err
	}
	for more := retention > 0; more; {
		err := m.do(ctx, 0, func() (err error) {
			more = false
			if q := m.queues[queue]; q != nil {
				more, err = m.expire(q, time.Now().UnixMilli()-retention.Milliseconds())
			}
			return err
		}, nil)
		if err != nil {
			return store.MessageCount{}, fmt.Errorf("expire messages of queue %q: %w", queue, err)
		}
	}
	var c store.MessageCount
	var total int64
	var oldest sql.NullInt64
	err := m.count.QueryRowContext(ctx, []byte(queue), time.Now().UnixMilli()).Scan(&total, &c.InFlight, &c.Delayed, &oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("count messages of queue %q: %w", queue, m.db.explain(err))
	}
	c.Visible = total - c.InFlight - c.Delayed
	if oldest.Valid {
		c.Oldest = time.UnixMilli(oldest.Int64)
	}
	return c, nil
}

// Purge implements [store.Messages].
func (m *Messages) Purge(ctx context.Context, queue string) error {
	return m.discard(ctx, queue, func(q *messageQueue) error {
		number, err := m.newNumber()
		if err != nil {
			return err
		}
		if _, err := m.setNumber.Exec(q.id, number); err != nil {
			return err
		}
		q.number, q.leased = number, 0
		m.add(q, -q.total)
		return nil
	})
}

// Drop implements [store.Messages].
func (m *Messages) Drop(ctx context.Context, queue string) error {
	return m.discard(ctx, queue, func(q *messageQueue) error {
		if _, err := m.delQueue.Exec(q.id); err != nil {
			return err
		}
		delete(m.queues, queue)
		return nil
	})
}

// discard gives the messages of a queue to purgeDropped, once take has taken
// the queue's number away.
func (m *Messages) discard(ctx context.Context, queue string, take func(*messageQueue) error) error {
	if err := store.CheckName("queue", queue); err != nil {
		return err
	}
	defer m.wakePurge()
	return m.do(ctx, 0, func() error {
		q := m.queues[queue]
		if q == nil {
			return nil
		}
		number := q.number
		if err := take(q); err != nil {
			return fmt.Errorf("discard the messages of queue %q: %w", queue, err)
		}
		if _, err := m.drop.Exec(number); err != nil {
			return fmt.Errorf("discard the messages of queue %q: %w", queue, err)
		}
		return nil
	}, nil)
}

// Reset deletes every message and queue. Sequences go on rising.
func (m *Messages) Reset(ctx context.Context) error {
	return m.do(ctx, 0, func() error {
		for _, stmt := range m.clear {
			if _, err := stmt.Exec(); err != nil {
				return fmt.Errorf("reset messages: %w", err)
			}
		}
		m.loaded = false
		return nil
	}, nil)
}

func (m *Messages) wakePurge() {
	select {
	case m.purge <- struct{}{}:
	default:
	}
}

// purgeDropped deletes the messages of what was dropped, until ctx ends.
func (m *Messages) purgeDropped(ctx context.Context) {
	defer close(m.stopped)
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.purge:
		case <-retry:
		}
		retry = nil
		for more := true; more; {
			var err error
			more, err = m.purgeChunk(ctx)
			if err != nil && ctx.Err() == nil {
				slog.Warn("deleted messages still take up space", "database", m.db.path, "retry_in", purgeRetry, "error", err)
				retry = time.After(purgeRetry)
			}
		}
	}
}

// purgeChunk deletes some messages of what was dropped first.
func (m *Messages) purgeChunk(ctx context.Context) (bool, error) {
	var more bool
	err := m.do(ctx, 0, func() error {
		more = false
		var number int64
		err := m.nextDropped.QueryRow().Scan(&number)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		more = true
		old := messageQueue{number: number}
		for _, del := range []func() (sql.Result, error){
			func() (sql.Result, error) {
				return m.purgeMessages.Exec(old.messageID(0), old.messageID(sequenceMask), deleteChunk)
			},
			func() (sql.Result, error) { return m.purgeGroups.Exec(number, deleteChunk) },
		} {
			result, err := del()
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil || n == deleteChunk {
				return err
			}
		}
		_, err = m.doneDropped.Exec(number)
		return err
	}, nil)
	if err != nil {
		return false, err // more is the writer's, if ctx ended the wait
	}
	return more, nil
}
