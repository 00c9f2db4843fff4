package invoke

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

const (
	// laneIdle is how long a lane waits for events before it looks whether it is
	// still needed.
	laneIdle = time.Minute
	// longestPause bounds how long a lane takes nothing after throttles.
	longestPause = 30 * time.Second
)

// lane takes one function's events from the store and runs them.
//
// A function that is throttled would make it take event after event in vain, so
// it keeps to a window: as many at a time as ran when one was refused, and more
// again as they succeed. Where not even one runs, it pauses.
type lane struct {
	q       *eventQueue
	id      function.ID
	queue   string
	figures *eventFigures
	life    context.Context
	end     context.CancelFunc

	mu      sync.Mutex
	running int
	window  int
	ran     int // since the window was changed
	pause   time.Duration
	resume  time.Time // nothing is taken before
	dropped bool
	freed   chan struct{} // holds one: running went down
	held    map[store.Receipt]struct{}
	renewal *time.Timer // nil while nothing is held
}

func newLane(q *eventQueue, id function.ID) *lane {
	l := &lane{
		q: q, id: id, queue: eventsOf(id), figures: q.figures(id), window: q.workers,
		freed: make(chan struct{}, 1), held: map[store.Receipt]struct{}{},
	}
	l.life, l.end = context.WithCancel(q.life)
	return l
}

func (l *lane) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

func (l *lane) drop() {
	l.mu.Lock()
	l.dropped = true
	l.mu.Unlock()
	l.end()
}

// serve takes events until there are none, or its life ends.
func (l *lane) serve() {
	defer l.end()
	for {
		room := l.room()
		if room == 0 {
			return
		}
		taken, err := l.q.messages.Lease(l.life, store.LeaseRequest{
			Queue: l.queue, Max: room, Visibility: eventLease, Wait: laneIdle,
		})
		switch {
		case l.life.Err() != nil || errors.Is(err, store.ErrClosed):
			return // what was leased at this very moment comes again
		case err != nil:
			l.q.log.Error("events cannot be taken", "function", l.id.Name, "error", err)
			l.wait(time.NewTimer(firstBackoff).C)
		case len(taken) == 0:
			if l.q.leave(l) {
				return
			}
		}
		for n := range taken {
			l.begin(taken[n].Receipt)
			l.q.active.Go(func() { l.attempt(&taken[n]) })
		}
	}
}

// room waits until there is room for events and returns for how many; 0: the
// lane's life has ended.
func (l *lane) room() int {
	for {
		l.mu.Lock()
		room, pause := l.window-l.running, time.Until(l.resume)
		l.mu.Unlock()
		switch {
		case pause > 0:
			l.wait(time.NewTimer(pause).C)
		case room > 0:
			return min(room, store.MaxLease)
		default:
			select {
			case <-l.freed:
			case <-l.life.Done():
			}
		}
		if l.life.Err() != nil {
			return 0
		}
	}
}

func (l *lane) wait(until <-chan time.Time) {
	select {
	case <-until:
	case <-l.life.Done():
	}
}

// begin counts an event that was taken, and keeps its lease from ending.
func (l *lane) begin(r store.Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
	l.held[r] = struct{}{}
	if l.renewal == nil {
		l.renewal = time.AfterFunc(renewEvery, l.renew)
	}
}

// finish frees an event's place in the window.
func (l *lane) finish() {
	l.mu.Lock()
	l.running--
	l.mu.Unlock()
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

func (l *lane) letGo(r store.Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.held, r); len(l.held) == 0 && l.renewal != nil {
		l.renewal.Stop()
		l.renewal = nil
	}
}

// renew goes on with the leases of what runs.
func (l *lane) renew() {
	l.mu.Lock()
	changes := make([]store.LeaseChange, 0, len(l.held))
	for r := range l.held {
		changes = append(changes, store.LeaseChange{Receipt: r, Visibility: eventLease})
	}
	if len(changes) > 0 {
		l.renewal = time.AfterFunc(renewEvery, l.renew)
	}
	l.mu.Unlock()
	for len(changes) > 0 {
		n := min(len(changes), store.MaxLease)
		if _, err := l.q.messages.Change(context.Background(), l.queue, false, longestHold, changes[:n]); err != nil && !errors.Is(err, store.ErrClosed) {
			l.q.log.Error("events may run twice: their leases cannot be renewed", "function", l.id.Name, "error", err)
		}
		changes = changes[n:]
	}
}

// learn fits the window to how an event fared. It is called before finish.
func (l *lane) learn(refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch others := l.running - 1; {
	case !refused:
		l.pause = 0
		if l.ran++; l.ran >= l.window {
			l.ran, l.window = 0, min(l.window+1, l.q.workers)
		}
	case others > 0:
		l.ran, l.window = 0, min(l.window, others)
	default:
		l.ran, l.window = 0, 1
		l.pause = min(max(2*l.pause, firstBackoff), longestPause)
		l.resume = time.Now().Add(l.pause)
	}
}

// attempt runs an event, and settles what becomes of it.
func (l *lane) attempt(m *store.Message) {
	defer l.letGo(m.Receipt)
	ev, err := readEvent(m)
	if err != nil {
		l.q.log.Error("an event cannot be read and is dropped", "function", l.id.Name, "error", err)
		l.finish()
		l.delete(m.Receipt)
		return
	}
	result, err := l.execute(ev)
	if err != nil && (l.q.aborting.Load() || errors.Is(err, function.ErrShuttingDown)) || l.q.aborting.Load() && result.FunctionError != "" {
		l.finish()
		l.postpone(ev.receipt, 0) // the next start takes it up
		return
	}
	l.learn(err != nil && !errors.Is(err, errTooOld) && !errors.Is(err, function.ErrGone))
	again := l.next(ev, result, err, time.Now())
	l.finish()
	switch {
	case again == 0:
		l.delete(ev.receipt)
	case err != nil:
		l.postpone(ev.receipt, again)
	default:
		l.repeat(ev, again)
	}
}

// errTooOld is for events whose turn comes after they should have been given up.
var errTooOld = errors.New("the event is older than it may become")

// execute runs what the event's function is now.
func (l *lane) execute(ev *event) (*function.Result, error) {
	ctx := context.Background()
	v, err := l.q.resolve(ctx, ev.Resource)
	if err != nil {
		return nil, err
	}
	ev.version = v
	now := time.Now()
	if ev.age(now) > ev.Policy.MaxAge {
		return nil, errTooOld
	}
	l.figures.age.Add(float64(ev.age(now).Milliseconds()))
	return l.q.run(ctx, &function.Invocation{
		Version: v, RequestID: ev.RequestID, InvokedARN: ev.InvokedARN, TraceID: ev.TraceID,
		ClientContext: ev.ClientContext, Payload: []byte(ev.payload),
	})
}

// next says after how long to try again; 0: not, and whoever is to know has been
// told. result is nil where the function did not run.
func (l *lane) next(ev *event, result *function.Result, err error, now time.Time) time.Duration {
	var wait time.Duration
	switch {
	case errors.Is(err, function.ErrGone): // with it went who is told of its events
		l.q.log.Warn("an asynchronous invocation is dropped", "function", ev.Resource, "request", ev.RequestID, "error", err)
		return 0
	case errors.Is(err, errTooOld):
		l.lost(ev, conditionTooOld, nil, err)
		return 0
	case err != nil && ev.version != nil && l.q.halted != nil && l.q.halted(ev.version):
		l.lost(ev, conditionHalted, nil, err)
		return 0
	case err != nil: // throttled, or the platform's fault
		wait = ev.backoff()
	case result.FunctionError == "":
		ev.Attempts++
		l.tell(ev, ev.Policy.OnSuccess, conditionSuccess, result)
		return 0
	default:
		ev.Attempts++
		if ev.Attempts > ev.Policy.Retries {
			l.lost(ev, conditionExhausted, result, nil)
			return 0
		}
		wait = time.Duration(ev.Attempts) * retryAfter
	}
	if ev.age(now)+wait > ev.Policy.MaxAge {
		l.lost(ev, conditionTooOld, result, err)
		return 0
	}
	return wait
}

// repeat stores an event anew, with what it has been through, and then deletes
// it: one that is there twice for a moment is better than none.
func (l *lane) repeat(ev *event, after time.Duration) {
	l.mu.Lock()
	dropped := l.dropped
	l.mu.Unlock()
	if dropped {
		return
	}
	if _, err := l.q.messages.Send(context.Background(), l.queue, false, []store.NewMessage{ev.message(after)}); err != nil {
		// It is tried again when its lease ends.
		l.complain("an event cannot be stored for its next attempt", err)
		return
	}
	l.delete(ev.receipt)
}

// postpone leaves an event for later.
func (l *lane) postpone(r store.Receipt, after time.Duration) {
	_, err := l.q.messages.Change(context.Background(), l.queue, false, longestHold, []store.LeaseChange{{Receipt: r, Visibility: after}})
	if err != nil {
		l.complain("an event cannot be put back", err)
	}
}

func (l *lane) delete(r store.Receipt) {
	if _, err := l.q.messages.Delete(context.Background(), l.queue, false, []store.Receipt{r}); err != nil {
		l.complain("an event that is done cannot be deleted, and comes once more", err)
	}
}

func (l *lane) complain(what string, err error) {
	if errors.Is(err, store.ErrClosed) { // the daemon ends; the event comes once more
		return
	}
	l.q.log.Error(what, "function", l.id.Name, "error", err)
}
