package invoke

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
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

const (
	// eventsPrefix is what the queues of events are called in the store. Those of
	// SQS begin with an account's digits.
	eventsPrefix = "lambda-events/"
	// eventLease is how long an event that was taken is kept from others: so long
	// after a kill -9 it is tried again. While it runs, its lease is renewed.
	eventLease = 10 * time.Second
	renewEvery = eventLease / 3
	// longestHold is more than an event is ever under one lease.
	longestHold = 24 * time.Hour
)

var errNoEvents = errors.New("asynchronous invocations need a store of messages")

// InvokeEvent implements function.Invoker. It returns once the event is durable.
// Where a function's queue is full, the error is an ErrThrottled.
func (i *Invoker) InvokeEvent(ctx context.Context, inv *function.Invocation) error {
	if i.closing.Load() {
		return function.ErrShuttingDown
	}
	if i.events == nil {
		return errNoEvents
	}
	return i.events.put(ctx, inv)
}

// ResumeEvents takes up the events that were there when the daemon ended.
// Options.Resolve is called from now on.
func (i *Invoker) ResumeEvents(ctx context.Context) error {
	if i.events == nil {
		return nil
	}
	return i.events.resume(ctx)
}

// event is one asynchronous invocation, as it is stored beside its payload.
type event struct {
	RequestID     string `json:"id"`
	InvokedARN    string `json:"arn,omitempty"`
	Resource      string `json:"of"` // the ARN that says what to run
	TraceID       string `json:"trace,omitempty"`
	ClientContext []byte `json:"context,omitempty"`
	Taken         int64  `json:"taken"`              // ms since 1970
	Attempts      int    `json:"attempts,omitempty"` // that ended in an error of the function's

	Policy function.EventPolicy `json:"policy"`

	payload string
	receipt store.Receipt
	leases  int               // since it was stored: what was throttled before
	version *function.Version // what it ran, or would have; nil: not known yet
}

func newEvent(inv *function.Invocation, now time.Time) *event {
	ev := &event{
		RequestID: inv.RequestID, InvokedARN: inv.InvokedARN, Resource: cmp.Or(inv.InvokedARN, inv.Version.ARN),
		TraceID: inv.TraceID, ClientContext: inv.ClientContext, Taken: now.UnixMilli(),
		Policy: function.DefaultEventPolicy, payload: string(inv.Payload),
	}
	if inv.Event != nil {
		ev.Policy = *inv.Event
	}
	return ev
}

// message is how the event is stored.
func (ev *event) message(delay time.Duration) store.NewMessage {
	attributes, err := json.Marshal(ev)
	if err != nil {
		panic(err) // strings and numbers
	}
	return store.NewMessage{Body: ev.payload, Attributes: string(attributes), Delay: delay}
}

func readEvent(m *store.Message) (*event, error) {
	ev := &event{payload: m.Body, receipt: m.Receipt, leases: m.Receives}
	if err := json.Unmarshal([]byte(m.Attributes), ev); err != nil {
		return nil, err
	}
	return ev, nil
}

func (ev *event) age(now time.Time) time.Duration { return now.Sub(time.UnixMilli(ev.Taken)) }

// backoff is how long an event waits that could not be run, now for the leases-th
// time.
func (ev *event) backoff() time.Duration {
	return min(firstBackoff<<min(ev.leases-1, 20), lastBackoff)
}

// eventQueue runs asynchronous invocations when they are due. Each function's are
// a queue in the store, which a lane takes them from for as long as there are any.
type eventQueue struct {
	messages store.Messages
	run      func(context.Context, *function.Invocation) (*function.Result, error)
	// resolve returns what an ARN means now; its error wraps function.ErrGone where
	// that is nothing any more.
	resolve func(ctx context.Context, arn string) (*function.Version, error)
	log     *slog.Logger
	size    int64 // of a function's queue
	workers int   // of a lane
	// deliver takes a record of what came of an event to its destination, and
	// deadLetter an event that is given up; nil: there are none.
	deliver    func(ctx context.Context, destination string, record []byte) error
	deadLetter func(ctx context.Context, target string, letter DeadLetter) error
	// halted tells whether a function's reserved concurrency is 0: its events are
	// given up at once; nil: none is.
	halted  func(*function.Version) bool
	figures func(function.ID) *eventFigures

	life    context.Context // of the lanes
	endLife context.CancelFunc
	// aborting: what runs is being ended, and says nothing about the function.
	aborting atomic.Bool

	mu     sync.Mutex
	closed bool
	lanes  map[function.ID]*lane
	active sync.WaitGroup // lanes, and events that run
}

func newEventQueue(messages store.Messages, size, workers int, log *slog.Logger) *eventQueue {
	q := &eventQueue{messages: messages, size: int64(size), workers: workers, log: log, lanes: map[function.ID]*lane{}}
	q.life, q.endLife = context.WithCancel(context.Background())
	return q
}

func eventsOf(id function.ID) string {
	return eventsPrefix + id.Account + "/" + id.Region + "/" + id.Name
}

func (q *eventQueue) put(ctx context.Context, inv *function.Invocation) error {
	id := inv.Version.ID()
	n, err := q.messages.Count(ctx, eventsOf(id), 0)
	if err != nil {
		return err
	}
	if n.Visible+n.InFlight+n.Delayed >= q.size {
		return &function.ErrThrottled{Reason: "CallerRateLimitExceeded"}
	}
	ev := newEvent(inv, time.Now())
	if _, err := q.messages.Send(ctx, eventsOf(id), false, []store.NewMessage{ev.message(0)}); err != nil {
		return err
	}
	q.figures(id).received.Add(1)
	q.lane(id)
	return nil
}

// lane sees to it that a function's events are taken.
func (q *eventQueue) lane(id function.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.lanes[id] != nil {
		return
	}
	l := newLane(q, id)
	q.lanes[id] = l
	q.active.Go(l.serve)
}

// leave ends a lane that found nothing. An event that was stored before it is out
// of the table is seen here, and whoever stores one later finds no lane.
func (q *eventQueue) leave(l *lane) bool {
	q.mu.Lock()
	if l.busy() || q.lanes[l.id] != l {
		defer q.mu.Unlock()
		return q.lanes[l.id] != l
	}
	delete(q.lanes, l.id)
	q.mu.Unlock()
	n, err := q.messages.Count(q.life, l.queue, 0)
	if err != nil || n.Visible+n.InFlight+n.Delayed > 0 {
		q.lane(l.id)
	}
	return true
}

func (q *eventQueue) resume(ctx context.Context) error {
	names, err := q.messages.Queues(ctx, eventsPrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		parts := strings.SplitN(strings.TrimPrefix(name, eventsPrefix), "/", 3)
		if len(parts) == 3 {
			q.lane(function.ID{Account: parts[0], Region: parts[1], Name: parts[2]})
		}
	}
	return nil
}

// drop deletes the events of a function that does not exist any more. What runs
// goes on, and is not tried again.
func (q *eventQueue) drop(id function.ID) {
	q.mu.Lock()
	if l := q.lanes[id]; l != nil {
		l.drop()
		delete(q.lanes, id)
	}
	q.mu.Unlock()
	// An event that is left all the same finds no function when its turn comes.
	if err := q.messages.Drop(q.life, eventsOf(id)); err != nil && q.life.Err() == nil {
		q.log.Error("the events of a deleted function cannot be deleted", "function", id.Name, "error", err)
	}
}

// close takes no more events and waits for those that run. What is left when ctx
// is done is being ended by others.
func (q *eventQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.endLife()
	done := make(chan struct{})
	go func() {
		q.active.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		q.aborting.Store(true)
		return errors.Join(errors.New("asynchronous invocations still run"), ctx.Err())
	}
}
