package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/store"
)

// How often, in milliseconds, the leases of a crowded queue are counted anew.
const recountEvery = 500

// Lease implements [store.Messages].
func (m *Messages) Lease(ctx context.Context, r store.LeaseRequest) ([]store.Message, error) {
	if err := store.CheckLease(&r); err != nil {
		return nil, err
	}
	w := &waiter{queue: r.Queue, woken: make(chan struct{}, 1)}
	defer m.hub.leave(w)
	var over <-chan time.Time
	if r.Wait > 0 {
		timer := time.NewTimer(r.Wait)
		defer timer.Stop()
		over = timer.C
	}
	for {
		l := &leasing{m: m, r: &r}
		err := m.do(ctx, 0, l.apply, func() { l.committed(w) })
		if err != nil {
			return nil, err // l may still be the writer's, where ctx ended the wait
		}
		if len(l.out) > 0 {
			return l.out, nil
		}
		if l.again {
			continue
		}
		if r.Wait <= 0 {
			return nil, nil
		}
		select {
		case <-w.woken:
		case <-over:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.hub.ended:
			return nil, store.ErrClosed
		}
	}
}

// leasing is one look for messages of a call of Lease.
type leasing struct {
	m *Messages
	r *store.LeaseRequest

	q     *messageQueue
	now   int64
	out   []store.Message
	moved int   // to the dead letters
	deads int64 // when the first of them is due there
	again bool  // there is more to expire before anything can be said
	next  int64 // when the next is due
}

func (l *leasing) committed(w *waiter) {
	if l.moved > 0 {
		l.m.hub.ready(l.r.Redrive.Queue, l.deads)
	}
	switch {
	case len(l.out) == l.r.Max:
		l.m.hub.ready(l.r.Queue, l.now) // there may be more
	case len(l.out) == 0 && !l.again && l.r.Wait > 0:
		l.m.hub.wait(w, l.next)
	}
	l.m.hub.ready(l.r.Queue, l.next)
}

func (l *leasing) apply() error {
	l.out, l.moved, l.again, l.next, l.deads = nil, 0, false, never, never
	l.now = time.Now().UnixMilli()
	l.q = l.m.queues[l.r.Queue]
	if l.q == nil || l.q.total == 0 {
		return nil
	}
	err := l.take()
	if err != nil && !errors.As(err, new(refusal)) {
		return fmt.Errorf("lease from queue %q: %w", l.r.Queue, err)
	}
	return err
}

func (l *leasing) take() (err error) {
	if l.r.Retention > 0 {
		if l.again, err = l.m.expire(l.q, l.now-l.r.Retention.Milliseconds()); err != nil || l.again {
			return err
		}
	}
	room, err := l.room()
	if err != nil {
		return err
	}
	if room > 0 {
		if l.r.Ordered {
			err = l.takeOrdered(room)
		} else {
			err = l.takeAny(room)
		}
		if err != nil {
			return err
		}
	}
	if (len(l.out) == 0 && l.r.Wait > 0) || l.m.hub.any(l.r.Queue) {
		return l.findNext()
	}
	return nil
}

// room is how many messages may be leased.
func (l *leasing) room() (int, error) {
	q, limit := l.q, int64(l.r.MaxInFlight)
	if limit == 0 || q.leased < limit {
		return l.atMost(limit), nil
	}
	if l.now-q.recounted >= recountEvery {
		if err := l.m.countLeased.QueryRow(q.number, l.now).Scan(&q.leased); err != nil {
			return 0, err
		}
		q.recounted = l.now
	}
	if q.leased < limit {
		return l.atMost(limit), nil
	}
	q.crowded = true
	if l.r.Wait > 0 {
		return 0, nil
	}
	return 0, refuse(fmt.Errorf("%w: %d messages of queue %q are under lease", store.ErrLimit, q.leased, q.name))
}

func (l *leasing) atMost(limit int64) int {
	if limit == 0 {
		return l.r.Max
	}
	return int(min(int64(l.r.Max), limit-l.q.leased))
}

// findNext finds out when the next message will be due.
func (l *leasing) findNext() error {
	stmt := l.m.nextDue
	if l.r.Ordered {
		stmt = l.m.nextReady
	}
	err := stmt.QueryRow(l.q.number, l.now).Scan(&l.next)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// takeAny leases messages of an unordered queue.
func (l *leasing) takeAny(room int) error {
	due := l.now + l.r.Visibility.Milliseconds()
	for {
		rows, err := l.m.leaseAny.Query(l.q.number, due, l.now, room-len(l.out))
		if err != nil {
			return err
		}
		taken, err := l.scan(rows)
		if err != nil {
			return err
		}
		if err := l.keep(taken); err != nil {
			return err
		}
		// Where some went to the dead letters, others may be due; but a lease that
		// has ended already would be found again.
		if len(l.out) >= room || len(taken) == 0 || l.moved == 0 || len(l.out) > 0 && due <= l.now {
			return nil
		}
	}
}

// takeOrdered leases messages of an ordered queue: of one free group after the
// other, as many as there are.
func (l *leasing) takeOrdered(room int) error {
	due := l.now + l.r.Visibility.Milliseconds()
	for {
		groups, err := l.m.groupsDue(l.q, l.now, room-len(l.out))
		if err != nil {
			return err
		}
		found := len(l.out)
		for _, group := range groups {
			if len(l.out) >= room {
				break
			}
			if err := l.takeGroup(group, due, room); err != nil {
				return err
			}
		}
		if len(l.out) >= room || len(groups) == 0 || len(l.out) > found && due <= l.now {
			return nil
		}
	}
}

// groupsDue returns the groups whose heads may be leased.
func (m *Messages) groupsDue(q *messageQueue, now int64, limit int) ([][]byte, error) {
	rows, err := m.headsDue.Query(q.number, now, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var groups [][]byte
	for rows.Next() {
		var group []byte
		if err := rows.Scan(&group); err != nil {
			return nil, err
		}
		groups = append(groups, notNil(group))
	}
	return groups, rows.Err()
}

// takeGroup leases what it may of a group, whose head is due. Where messages go
// to the dead letters, those behind them move up; the others are taken all
// together.
func (l *leasing) takeGroup(group []byte, due int64, room int) error {
	kept := len(l.out)
	for before := -1; len(l.out) == kept && before != l.moved; {
		before = l.moved
		heads, err := l.m.firstOf(l.q, group, l.now, room-len(l.out))
		if err != nil {
			return err
		}
		var taken []store.Message
		for _, head := range heads {
			rows, err := l.m.leaseOne.Query(head.id, due, l.now)
			if err != nil {
				return err
			}
			one, err := l.scan(rows)
			if err != nil {
				return err
			}
			taken = append(taken, one...)
		}
		if err := l.keep(taken); err != nil {
			return err
		}
	}
	_, err := l.m.refresh(l.q, group)
	return err
}

// candidate is a message that may be leased or moved.
type candidate struct {
	id     int64
	source []byte
	group  []byte // of an ordered queue
}

// firstOf returns the first messages of a group up to one that is not due.
func (m *Messages) firstOf(q *messageQueue, group []byte, now int64, limit int) ([]candidate, error) {
	rows, err := m.groupRows.Query(q.number, group)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []candidate
	for len(out) < limit && rows.Next() {
		c := candidate{group: group}
		var due, leased int64
		if err := rows.Scan(&c.id, &due, &leased, &c.source); err != nil {
			return nil, err
		}
		if due > now {
			break
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// refresh writes down what the head of a group is and when it may be leased,
// which it returns: never, where the group is empty.
//
// A group is ready once its head is due and every lease has ended. The messages
// that were ever leased are its first ones, for a lease takes them from its head.
func (m *Messages) refresh(q *messageQueue, group []byte) (ready int64, err error) {
	head, ready, err := m.groupState(q, group)
	if err != nil {
		return never, err
	}
	if head == 0 {
		_, err = m.delGroup.Exec(q.number, group)
	} else {
		_, err = m.putGroup.Exec(q.number, group, ready, head&sequenceMask)
	}
	return ready, err
}

func (m *Messages) groupState(q *messageQueue, group []byte) (head, ready int64, err error) {
	rows, err := m.groupRows.Query(q.number, group)
	if err != nil {
		return 0, never, err
	}
	defer rows.Close()
	ready = never
	for rows.Next() {
		var id, due, leased int64
		var source sql.RawBytes
		if err := rows.Scan(&id, &due, &leased, &source); err != nil {
			return 0, never, err
		}
		if head == 0 {
			head, ready = id, due
		}
		if leased == 0 {
			break
		}
		ready = max(ready, due)
	}
	return head, ready, rows.Err()
}

// scan reads leased messages, in order of sequence.
func (l *leasing) scan(rows *sql.Rows) ([]store.Message, error) {
	defer rows.Close()
	var out []store.Message
	for rows.Next() {
		var id, first, sent int64
		var name uuid.UUID
		var group, source, attributes, body sql.RawBytes
		msg := store.Message{}
		err := rows.Scan(&id, (*uuidBytes)(&name), &msg.Receives, &first, &sent, &group, &source, &attributes, &body)
		if err != nil {
			return nil, err
		}
		msg.ID, msg.Group, msg.Source = name.String(), string(group), string(source)
		msg.Attributes, msg.Body = string(attributes), string(body)
		msg.Sent, msg.FirstReceived = time.UnixMilli(sent), time.UnixMilli(first)
		msg.Receipt = store.Receipt{Sequence: id & sequenceMask, Lease: int64(msg.Receives)}
		out = append(out, msg)
	}
	slices.SortFunc(out, func(a, b store.Message) int { return cmp.Compare(a.Receipt.Sequence, b.Receipt.Sequence) })
	return out, rows.Err()
}

// keep adds messages to the answer, but for those that were leased too often.
func (l *leasing) keep(taken []store.Message) error {
	for _, msg := range taken {
		if d := l.r.Redrive; d != nil && msg.Receives > d.After {
			if err := l.giveUp(&msg); err != nil {
				return err
			}
			continue
		}
		l.out = append(l.out, msg)
		l.q.leased++
	}
	return nil
}

// giveUp moves a message to the dead letters.
func (l *leasing) giveUp(msg *store.Message) error {
	to, err := l.m.queue(l.r.Redrive.Queue)
	if err != nil {
		return err
	}
	move := relocation{from: l.q, to: to, sequence: msg.Receipt.Sequence, due: l.now, receives: msg.Receives - 1, source: l.q.name}
	if l.r.Redrive.Renew {
		move.sent = l.m.now()
	}
	if l.r.Ordered {
		move.group = &msg.Group
	}
	l.moved, l.deads = l.moved+1, l.now
	return l.m.move(move)
}

// relocation takes one message to another queue.
type relocation struct {
	from, to *messageQueue
	sequence int64
	due      int64
	receives int
	sent     int64  // not 0: a new time, and with it a new sequence
	source   string // the queue that gave it up
	id       *uuid.UUID
	group    *string // in ordered queues; the group in from is for the caller to refresh
}

func (m *Messages) move(r relocation) error {
	sequence, sent, id := r.sequence, any(nil), any(nil)
	if r.sent != 0 {
		m.sequence.last++
		sequence, sent = m.sequence.last, r.sent
	}
	if r.id != nil {
		id = r.id[:]
	}
	_, err := m.relocate.Exec(r.from.messageID(r.sequence), r.to.messageID(sequence), r.to.number, r.due, r.receives, sent, []byte(r.source), id)
	if err != nil {
		return err
	}
	if r.group != nil {
		if _, err := m.refresh(r.to, []byte(*r.group)); err != nil {
			return err
		}
	}
	r.to.oldest = 0 // it may be older than all that are there
	m.add(r.from, -1)
	m.add(r.to, 1)
	return nil
}
