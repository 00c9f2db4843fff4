package invoke

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const (
	// A function that fails is tried again one minute and then two minutes later.
	retryAfter = time.Minute
	// What is throttled, or failed for reasons of the platform's own, is tried
	// again after 1 second up to 5 minutes, doubling.
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Minute
)

// InvokeEvent implements function.Invoker. The queue is in memory: events that
// wait when the daemon ends are lost. A full queue is an ErrThrottled.
func (i *Invoker) InvokeEvent(_ context.Context, inv *function.Invocation) error {
	if i.closing.Load() {
		return function.ErrShuttingDown
	}
	return i.events.put(inv)
}

// event is one asynchronous invocation.
type event struct {
	inv      *function.Invocation
	policy   function.EventPolicy
	taken    time.Time
	due      time.Time
	attempts int           // that ended in an error of the function's
	backoff  time.Duration // after the last throttle or system error
}

// eventQueue runs asynchronous invocations when they are due.
type eventQueue struct {
	run     func(context.Context, *function.Invocation) (*function.Result, error)
	log     *slog.Logger
	size    int
	workers int
	// told gets a record of what came of an event; nil: nobody asks for any.
	told func(destination string, record []byte)
	// halted tells whether a function's reserved concurrency is 0: its events are
	// given up at once; nil: none is.
	halted func(*function.Version) bool

	mu      sync.Mutex
	waiting eventHeap
	running int
	timer   *time.Timer
	closing bool
	changed chan struct{} // closed and replaced when running goes down; nil while nobody waits
}

func newEventQueue(size, workers int, log *slog.Logger, run func(context.Context, *function.Invocation) (*function.Result, error)) *eventQueue {
	q := &eventQueue{run: run, log: log, size: size, workers: workers}
	q.timer = stoppedTimer(q.dispatch)
	return q
}

func (q *eventQueue) put(inv *function.Invocation) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return function.ErrShuttingDown
	}
	if len(q.waiting)+q.running >= q.size {
		return &function.ErrThrottled{Reason: "CallerRateLimitExceeded"}
	}
	now := time.Now()
	ev := &event{inv: inv, policy: function.DefaultEventPolicy, taken: now, due: now}
	if inv.Event != nil {
		ev.policy = *inv.Event
	}
	heap.Push(&q.waiting, ev)
	q.dispatchLocked(now)
	return nil
}

func (q *eventQueue) dispatch() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dispatchLocked(time.Now())
}

// dispatchLocked starts what is due, and sets the timer for what comes next.
func (q *eventQueue) dispatchLocked(now time.Time) {
	for len(q.waiting) > 0 && q.running < q.workers {
		ev := q.waiting[0]
		if wait := ev.due.Sub(now); wait > 0 {
			q.timer.Reset(wait)
			return
		}
		heap.Pop(&q.waiting)
		q.running++
		go q.attempt(ev)
	}
}

func (q *eventQueue) attempt(ev *event) {
	result, err := q.execute(context.Background(), ev)
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
	if again := q.next(ev, result, err, now); again > 0 {
		ev.due = now.Add(again)
		heap.Push(&q.waiting, ev)
	}
	q.dispatchLocked(now)
}

// execute runs what the event's function is now.
func (q *eventQueue) execute(ctx context.Context, ev *event) (*function.Result, error) {
	if ev.inv.Renew != nil {
		v, err := ev.inv.Renew(ctx)
		if err != nil {
			return nil, err
		}
		if v != ev.inv.Version {
			inv := *ev.inv
			inv.Version = v
			ev.inv = &inv
		}
	}
	return q.run(ctx, ev.inv)
}

// next says after how long to try again; 0: not.
func (q *eventQueue) next(ev *event, result *function.Result, err error, now time.Time) time.Duration {
	var wait time.Duration
	switch {
	case errors.Is(err, function.ErrGone): // with it went who is told of its events
		q.log.Warn("an asynchronous invocation is dropped", "function", ev.inv.Version.ARN, "request", ev.inv.RequestID, "error", err)
		return 0
	case err != nil && q.halted != nil && q.halted(ev.inv.Version):
		q.lost(ev, conditionHalted, nil, err)
		return 0
	case err != nil: // throttled, or the platform's fault
		ev.backoff = min(max(2*ev.backoff, firstBackoff), lastBackoff)
		wait = ev.backoff
	case result.FunctionError == "":
		ev.attempts++
		q.tell(ev, ev.policy.OnSuccess, conditionSuccess, result)
		return 0
	default:
		ev.attempts++
		if ev.attempts > ev.policy.Retries {
			q.lost(ev, conditionExhausted, result, nil)
			return 0
		}
		wait = time.Duration(ev.attempts) * retryAfter
	}
	if now.Add(wait).Sub(ev.taken) > ev.policy.MaxAge {
		q.lost(ev, conditionTooOld, result, err)
		return 0
	}
	return wait
}

func (q *eventQueue) lost(ev *event, condition string, result *function.Result, err error) {
	reason := "the function failed"
	if err != nil {
		reason = err.Error()
	}
	q.log.Warn("an asynchronous invocation is given up", "function", ev.inv.Version.ARN, "request", ev.inv.RequestID,
		"error", reason, "condition", condition, "age", time.Since(ev.taken))
	q.tell(ev, ev.policy.OnFailure, condition, result)
}

func (q *eventQueue) tell(ev *event, destination, condition string, result *function.Result) {
	if q.told != nil && destination != "" {
		go q.told(destination, ev.record(condition, result))
	}
}

// close starts what is due and waits for what runs. What waits to be retried,
// and what is left when ctx is done, is lost.
func (q *eventQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closing = true
	var err error
	for err == nil {
		q.dispatchLocked(time.Now())
		due := len(q.waiting) > 0 && !q.waiting[0].due.After(time.Now())
		if q.running == 0 && !due {
			break
		}
		if q.changed == nil {
			q.changed = make(chan struct{})
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
	}
	q.timer.Stop()
	lost := make(map[string]int)
	for _, ev := range q.waiting {
		lost[ev.inv.Version.ARN]++
	}
	q.waiting = nil
	q.mu.Unlock()
	for _, arn := range slices.Sorted(maps.Keys(lost)) {
		q.log.Warn("asynchronous invocations are lost in the shutdown", "function", arn, "events", lost[arn])
	}
	if err != nil {
		return errors.Join(errors.New("asynchronous invocations still run"), err)
	}
	return nil
}

// eventHeap has what is due first at its start.
type eventHeap []*event

func (h eventHeap) Len() int           { return len(h) }
func (h eventHeap) Less(a, b int) bool { return h[a].due.Before(h[b].due) }
func (h eventHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *eventHeap) Push(x any)        { *h = append(*h, x.(*event)) }
func (h *eventHeap) Pop() any {
	old := *h
	ev := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return ev
}
