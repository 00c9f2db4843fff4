package sqs

import (
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
)

// How concurrency grows and shrinks. The first three are AWS's.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
const (
	startConcurrency = 5
	maxConcurrency   = 1250
	growEvery        = time.Second // by growStep: 300 a minute
	growStep         = 5

	// perPoller is how many invocations a provisioned poller runs at once.
	perPoller = 10
	// cautious is how long after a failure concurrency grows by one at a time.
	cautious = time.Minute
	// A pause before more messages are taken while invocations fail one after
	// another.
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
)

// limiter bounds the invocations that run at once: more while the queue has a
// backlog and all are at work, fewer while the function fails or is throttled.
type limiter struct {
	floor, ceiling int // what it starts and idles with, and its most

	mu      sync.Mutex
	limit   int
	busy    int
	freed   chan struct{} // has an element when an invocation may have become possible
	blocked time.Duration // since window began
	window  time.Time
	setback time.Time // of the last failure that shrank it
	streak  int       // failures since the last success
}

func newLimiter(m *eventsource.Mapping) *limiter {
	l := &limiter{floor: startConcurrency, ceiling: maxConcurrency, freed: make(chan struct{}, 1), window: time.Now()}
	if p := m.Pollers; p != nil {
		l.floor, l.ceiling = p.Min*perPoller, p.Max*perPoller
	}
	if m.MaximumConcurrency > 0 {
		l.ceiling = m.MaximumConcurrency
	}
	l.floor = min(l.floor, l.ceiling)
	l.limit = l.floor
	return l
}

// free is how many more invocations may begin.
func (l *limiter) free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit - l.busy
}

// wait returns when an invocation may begin, or false when done is closed.
// behind says that the queue has more messages than could be taken.
func (l *limiter) wait(done <-chan struct{}, behind bool) bool {
	for {
		l.mu.Lock()
		free := l.limit - l.busy
		l.mu.Unlock()
		if free > 0 {
			l.grow(0, behind)
			return true
		}
		began := time.Now()
		timer := time.NewTimer(growEvery)
		select {
		case <-done:
			timer.Stop()
			return false
		case <-l.freed:
		case <-timer.C:
		}
		timer.Stop()
		l.grow(time.Since(began), behind)
	}
}

// grow notes how long no invocation could begin, and allows more of them where
// that was most of the time.
func (l *limiter) grow(blocked time.Duration, behind bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !behind {
		l.blocked, l.window = 0, time.Now()
		return
	}
	l.blocked += blocked
	now := time.Now()
	passed := now.Sub(l.window)
	if passed < growEvery {
		return
	}
	if l.blocked >= passed*3/4 {
		step := growStep
		if now.Sub(l.setback) < cautious {
			step = 1
		}
		l.limit = min(l.limit+step, l.ceiling)
		l.wake()
	}
	l.blocked, l.window = 0, now
}

func (l *limiter) wake() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

func (l *limiter) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy++
}

func (l *limiter) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	l.wake()
}

func (l *limiter) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streak = 0
}

// failed takes a quarter of the concurrency away, at most once a second.
func (l *limiter) failed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streak++
	if now := time.Now(); now.Sub(l.setback) >= growEvery {
		l.limit, l.setback = max(1, l.limit*3/4), now
	}
}

// idle is told that the queue is empty.
func (l *limiter) idle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.setback, l.streak = l.floor, time.Time{}, 0
}

// pause is how long to wait before more messages are taken.
func (l *limiter) pause() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pauseAfter(l.streak)
}

// pauseAfter is 0 after the first failure: one message may be at fault.
func pauseAfter(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	return min(firstPause<<min(failures-2, 10), longPause)
}
