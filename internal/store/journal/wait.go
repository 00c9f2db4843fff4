package journal

import (
	"math"
	"sync"
	"time"
)

// never is a due time that does not come.
const never = math.MaxInt64

// waiters are the callers of Lease that wait for messages. Those of a queue are
// woken one at a time, the longest waiting first: one who then takes as many
// messages as it may wakes the next. While some wait, a timer has the time at
// which the next delay or lease ends.
type waiters struct {
	mu     sync.Mutex
	queues map[string]*waitQueue
	closed bool
	ended  chan struct{} // closed by close
}

type waitQueue struct {
	waiting []*waiter
	timer   *time.Timer
	at      int64 // when the timer fires
}

// waiter is one call of Lease.
type waiter struct {
	queue string
	woken chan struct{} // holds one
	in    bool          // in the queue's list
	gone  bool          // waits no more
}

func newWaiters() *waiters {
	return &waiters{queues: map[string]*waitQueue{}, ended: make(chan struct{})}
}

// wait puts w in line; next is when the next message of its queue is due. It is
// called where no change of the queue can come between the look that found
// nothing and this: with the journal's lock held.
func (h *waiters) wait(w *waiter, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.gone || w.in || h.closed {
		return
	}
	q := h.queues[w.queue]
	if q == nil {
		q = &waitQueue{at: never}
		h.queues[w.queue] = q
	}
	w.in = true
	q.waiting = append(q.waiting, w)
	h.arm(w.queue, q, next)
}

// ready says that a message of a queue may be leased from due on.
func (h *waiters) ready(queue string, due int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.queues[queue]
	switch {
	case q == nil || due == never:
	case due <= time.Now().UnixMilli():
		h.wake(queue, q)
	default:
		h.arm(queue, q, due)
	}
}

// any says whether somebody waits for a queue.
func (h *waiters) any(queue string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queues[queue] != nil
}

// leave takes w out for good. A wake that it did not use goes to the next.
func (h *waiters) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.gone = true
	q := h.queues[w.queue]
	if w.in {
		for i, other := range q.waiting {
			if other == w {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				break
			}
		}
		w.in = false
		h.tidy(w.queue, q)
		return
	}
	select {
	case <-w.woken:
		if q != nil {
			h.wake(w.queue, q)
		}
	default:
	}
}

// wake wakes the first in line.
func (h *waiters) wake(queue string, q *waitQueue) {
	w := q.waiting[0]
	q.waiting = q.waiting[1:]
	w.in = false
	w.woken <- struct{}{}
	h.tidy(queue, q)
}

// tidy forgets a queue that nobody waits for.
func (h *waiters) tidy(queue string, q *waitQueue) {
	if len(q.waiting) > 0 {
		return
	}
	if q.timer != nil {
		q.timer.Stop()
	}
	delete(h.queues, queue)
}

// arm sees to it that somebody is woken at a time, or before.
func (h *waiters) arm(queue string, q *waitQueue, at int64) {
	if at >= q.at {
		return
	}
	q.at = at
	left := max(time.Until(time.UnixMilli(at)), 0)
	if q.timer != nil {
		q.timer.Stop()
	}
	q.timer = time.AfterFunc(left, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.queues[queue] != q || q.at != at {
			return // stopped too late
		}
		q.at = never
		h.wake(queue, q)
	})
}

// close ends every wait.
func (h *waiters) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, q := range h.queues {
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	close(h.ended)
}
