package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Lease implements [store.Messages].
func (j *Journal) Lease(ctx context.Context, r store.LeaseRequest) ([]store.Message, error) {
	if err := store.CheckLease(&r); err != nil {
		return nil, err
	}
	l := &leasing{j: j, r: &r}
	if out, err := l.try(ctx); len(out) > 0 || err != nil || r.Wait <= 0 {
		return out, err
	}
	defer j.hub.leave(l.w)
	timer := time.NewTimer(r.Wait)
	defer timer.Stop()
	for {
		select {
		case <-l.w.woken:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-j.hub.ended:
			return nil, store.ErrClosed
		}
		if out, err := l.try(ctx); len(out) > 0 || err != nil {
			return out, err
		}
	}
}

// leasing is one call of Lease.
type leasing struct {
	j *Journal
	r *store.LeaseRequest
	w *waiter // once it had to wait

	q     *queue
	now   int64
	room  int
	taken []*message
	moved bool // some went to the dead letters
}

// try takes what may be leased, or puts the call in line.
func (l *leasing) try(ctx context.Context) ([]store.Message, error) {
	j := l.j
	if err := j.begin(ctx); err != nil {
		return nil, err
	}
	err := l.take()
	if err != nil {
		j.mu.Unlock()
		return nil, err
	}
	if len(l.taken) == 0 {
		if l.r.Wait > 0 {
			if l.w == nil {
				l.w = &waiter{queue: l.r.Queue, woken: make(chan struct{}, 1)}
			}
			next := int64(never)
			if l.q != nil {
				next = l.q.next()
			}
			j.hub.wait(l.w, next)
		}
		j.mu.Unlock()
		return nil, nil
	}
	if j.hub.any(l.r.Queue) {
		if l.q.ready.len() > 0 {
			j.hub.ready(l.r.Queue, l.now)
		}
		j.hub.ready(l.r.Queue, l.q.next())
	}
	out, reads := l.messages()
	leases := make([]int32, len(l.taken))
	for i, m := range l.taken {
		leases[i] = m.receives
	}
	if l.r.Ordered {
		err = j.await(ctx)
	} else {
		j.recorded()
		j.mu.Unlock()
	}
	for _, read := range reads { // also after an error: they hold their segments
		if readErr := read.into(j, out); err == nil {
			err = readErr
		}
	}
	if err != nil {
		l.giveBack(leases)
		return nil, err
	}
	return out, nil
}

// take is called with the lock held.
func (l *leasing) take() error {
	l.taken, l.moved = nil, false
	l.now = time.Now().UnixMilli()
	l.q = l.j.queues[l.r.Queue]
	if l.q == nil || len(l.q.messages) == 0 {
		return nil
	}
	q := l.q
	if l.r.Retention > 0 {
		l.j.expire(q, l.now-l.r.Retention.Milliseconds())
	}
	q.advance(l.now)
	l.room = l.r.Max
	if limit := l.r.MaxInFlight; limit > 0 && q.inFlight+l.room > limit {
		if l.room = limit - q.inFlight; l.room <= 0 {
			q.crowded = true
			if l.r.Wait > 0 {
				return nil
			}
			return fmt.Errorf("%w: %d messages of queue %q are under lease", store.ErrLimit, q.inFlight, q.name)
		}
	}
	if q.ordered {
		l.takeOrdered()
	} else {
		l.takeAny()
	}
	due := l.now + l.r.Visibility.Milliseconds()
	for _, m := range l.taken {
		m.due, m.leased, m.leasedAt = due, true, l.now
		m.receives++
		if m.first == 0 {
			m.first = l.now
		}
		q.put(m, l.now)
		l.j.next.lease(q, m)
	}
	if l.moved {
		l.j.hub.ready(l.r.Redrive.Queue, l.now)
		l.j.recorded()
	}
	return nil
}

// takeAny takes messages out of an unordered queue's ready ones.
func (l *leasing) takeAny() {
	q := l.q
	for len(l.taken) < l.room {
		g := q.ready.first()
		if g == nil {
			break
		}
		m := g.ready.first()
		g.ready.remove(m)
		q.settle(g)
		if l.undeliverable(m) {
			l.j.giveUp(q, m, l.r.Redrive, l.now)
			continue
		}
		l.taken = append(l.taken, m)
	}
	slices.SortFunc(l.taken, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
}

// takeOrdered takes messages of one free group after the other, as many as there
// are.
func (l *leasing) takeOrdered() {
	q := l.q
	for len(l.taken) < l.room {
		g := q.ready.first()
		if g == nil {
			break
		}
		q.ready.remove(g) // until its messages are put back
		found := len(l.taken)
		for _, m := range slices.Clone(g.list[g.skipped:min(len(g.list), g.skipped+l.room+store.MaxLease)]) {
			if m.timed || len(l.taken) == l.room {
				break
			}
			if l.undeliverable(m) {
				l.j.giveUp(q, m, l.r.Redrive, l.now)
				if g.place >= 0 { // giveUp has settled it
					q.ready.remove(g)
				}
				continue
			}
			l.taken = append(l.taken, m)
		}
		if len(l.taken) == found && g.n > 0 {
			q.settle(g)
		}
	}
}

func (l *leasing) undeliverable(m *message) bool {
	if l.r.Redrive == nil || int(m.receives) < l.r.Redrive.After {
		return false
	}
	l.moved = true
	return true
}

// messages is the answer, but for the payloads that have to be read.
func (l *leasing) messages() ([]store.Message, []read) {
	out := make([]store.Message, len(l.taken))
	var reads []read
	for i, m := range l.taken {
		o := &out[i]
		o.ID, o.Group, o.Receives = m.id.String(), m.g.name, int(m.receives)
		if m.source != nil {
			o.Source = *m.source
		}
		o.Receipt = store.Receipt{Sequence: m.seq, Lease: int64(m.receives)}
		o.Sent, o.FirstReceived = time.UnixMilli(m.sent), time.UnixMilli(m.first)
		if m.cached {
			o.Attributes, o.Body = m.payload[:m.attrs], m.payload[m.attrs:]
			continue
		}
		m.seg.readers++
		reads = append(reads, read{i, m.seg, int64(m.off), int(m.size), int(m.attrs)})
	}
	return out, reads
}

// read is a payload that is on the disk alone.
type read struct {
	i     int
	seg   *segment
	off   int64
	size  int
	attrs int
}

func (r read) into(j *Journal, out []store.Message) error {
	var text strings.Builder
	text.Grow(r.size)
	buf := make([]byte, r.size)
	_, err := r.seg.file.ReadAt(buf, r.off)
	text.Write(buf)
	out[r.i].Attributes, out[r.i].Body = text.String()[:r.attrs], text.String()[r.attrs:]
	j.mu.Lock()
	defer j.mu.Unlock()
	r.seg.readers--
	if closeErr := r.seg.closeIfGone(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("read a message: %w", err)
	}
	return nil
}

// giveBack ends leases that nobody was told of.
func (l *leasing) giveBack(leases []int32) {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	for i, m := range l.taken {
		if m.receives != leases[i] || l.q.messages[m.seq] != m {
			continue
		}
		l.q.lift(m)
		m.due = l.now
		l.q.put(m, l.now)
		l.j.next.due(l.q, m)
	}
	l.j.recorded()
	l.j.hub.ready(l.q.name, l.now)
}

// expire removes the messages that were sent at cutoff or before. Nothing is
// written of it: after a restart they expire again.
func (j *Journal) expire(q *queue, cutoff int64) {
	for m := q.bySent.first(); m != nil && m.sent <= cutoff; m = q.bySent.first() {
		q.remove(m)
		j.release(m)
	}
}
