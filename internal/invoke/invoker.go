// Package invoke runs functions: from "invoke this version" to its response. It
// keeps pools of execution environments, starts and ends them, limits
// concurrency, writes the function's log, and retries asynchronous invocations.
package invoke

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/store"
)

// abortRepeat is how often Close tries to end what still runs, once it must.
const abortRepeat = 100 * time.Millisecond

// Runtimes says how to start a runtime; *runtimes.Runtimes does.
type Runtimes interface {
	// Resolve's error wraps function.ErrNoRuntime where this host cannot run it.
	Resolve(runtime string) (*runtimes.Runtime, error)
}

// Options configures New. Driver, Runtimes and Logs must be set.
type Options struct {
	Driver   sandbox.Driver
	Runtimes Runtimes
	Logs     LogSink
	// Concurrency limits how many invocations of an account run at a time in a
	// region; 0: 1000.
	Concurrency int
	// IdleExpiry is how long an environment is kept without an invocation; 0: 10
	// minutes.
	IdleExpiry time.Duration
	// FreezeAfter is how long after an invocation its environment is frozen; 0:
	// 5 ms. While requests keep coming, nothing is frozen.
	FreezeAfter time.Duration
	// InitLimit shortens the 10 s that Init may take; 0: 10 s.
	InitLimit time.Duration
	// Starts limits how many environments initialize at a time (those that take
	// longer than a second do not count); 0: twice the CPUs, at least 4.
	Starts int
	// Zygotes limits how many environments are kept in which an interpreter of a
	// managed runtime runs already, but belongs to no function yet; 0: twice the
	// CPUs, at least 4; negative: none.
	Zygotes int
	// AWS is the AWS endpoint that functions find as AWS_ENDPOINT_URL; nil: none,
	// and credentials that nothing knows.
	AWS AWS
	// AWSPort is where AWS listens in an environment with a network of its own.
	// Where it is the daemon's port, URLs that were made outside (of queues, of
	// APIs) hold inside too. 0, or the Runtime API's port: 9002.
	AWSPort int
	// NoCPUQuota gives functions all of the machine's processors: else they have
	// a share in proportion to their memory, as on AWS Lambda.
	NoCPUQuota bool
	// MemoryMB is how much memory all environments may use together; 0: no limit.
	// What cannot be placed within 10 seconds is throttled.
	MemoryMB int
	// Messages keeps asynchronous invocations; nil: there are none.
	Messages store.Messages
	// Resolve returns what an asynchronous invocation is to run when its turn comes,
	// by the ARN that it was invoked by (else its version's). Its error wraps
	// function.ErrGone where there is nothing to run any more: the event is dropped.
	// It goes with Messages.
	Resolve func(ctx context.Context, arn string) (*function.Version, error)
	// Events limits how many asynchronous invocations of a function wait, those
	// that wait to be retried included; 0: 100 000.
	Events int
	// EventConcurrency limits how many of a function's run at a time; 0: 100.
	EventConcurrency int
	// Deliver takes a record of what came of an asynchronous invocation to its
	// destination, an ARN, and returns once it is durable there; nil: there are
	// none.
	Deliver func(ctx context.Context, destination string, record []byte) error
	// DeadLetter does so with an event that is given up, and Version.DeadLetter.
	DeadLetter func(ctx context.Context, target string, letter DeadLetter) error
	// Metrics takes the figures of AWS/Lambda; nil: nobody does.
	Metrics metrics.Recorder
	// Logger takes what goes wrong with the machinery, not with functions; nil:
	// slog.Default.
	Logger *slog.Logger
}

// Invoker implements function.Invoker.
type Invoker struct {
	opts   Options
	log    *slog.Logger
	events *eventQueue   // nil: nothing keeps any
	grace  time.Duration // endingGrace; tests on busy machines have more
	scale  int           // scaleBurst; tests have less

	pools     sync.Map // ARN → *lineage
	functions sync.Map // function.ID → *concurrency
	// eventSeries is what CloudWatch knows of asynchronous invocations: function.ID
	// → *eventFigures.
	eventSeries sync.Map
	accounts    sync.Map // account and region → *account

	life    context.Context // ends when environments must not start any more
	endLife context.CancelFunc
	living  living
	starts  *starts
	zygotes *zygotes

	closing atomic.Bool
	active  atomic.Int64 // calls of Invoke and InvokeStream, and events that run
	quiet   chan struct{}
}

var _ function.Invoker = (*Invoker)(nil)

// New makes an Invoker. It starts nothing until it is called.
func New(opts Options) *Invoker {
	def := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	def(&opts.IdleExpiry, 10*time.Minute)
	def(&opts.FreezeAfter, 5*time.Millisecond)
	def(&opts.InitLimit, initLimit)
	if opts.Concurrency == 0 {
		opts.Concurrency = defaultConcurrency
	}
	if opts.Events == 0 {
		opts.Events = 100_000
	}
	if opts.EventConcurrency == 0 {
		opts.EventConcurrency = 100
	}
	if opts.Starts == 0 {
		opts.Starts = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if opts.Zygotes == 0 {
		opts.Zygotes = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if opts.AWSPort == 0 || opts.AWSPort == apiPort {
		opts.AWSPort = awsPort
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Metrics == nil {
		opts.Metrics = metrics.Discard
	}
	i := &Invoker{opts: opts, log: opts.Logger, grace: endingGrace, quiet: make(chan struct{}, 1), scale: scaleBurst}
	i.starts = newStarts(int64(opts.MemoryMB), opts.Starts)
	i.starts.evict = i.evict
	i.life, i.endLife = context.WithCancel(context.Background())
	i.zygotes = newZygotes(i, max(0, opts.Zygotes), opts.IdleExpiry)
	if opts.Messages != nil {
		i.events = newEventQueue(opts.Messages, opts.Events, opts.EventConcurrency, opts.Logger)
		i.events.run, i.events.resolve = i.invoke, opts.Resolve
		i.events.deliver, i.events.deadLetter = opts.Deliver, opts.DeadLetter
		i.events.halted = func(v *function.Version) bool { return i.concurrency(v.ID()).reserved.Load() == 0 }
		i.events.figures = i.eventFigures
	}
	return i
}

// lineage is the revisions of one function version.
type lineage struct {
	current atomic.Pointer[pool]
	mu      sync.Mutex
	old     []string // revisions that were replaced, the latest last
}

// pool returns the pool for a version. A revision that was not seen before
// replaces the one before it. A request that was on its way with an older one
// still runs that.
func (i *Invoker) pool(v *function.Version) *pool {
	found, ok := i.pools.Load(v.ARN)
	if !ok {
		found, _ = i.pools.LoadOrStore(v.ARN, &lineage{})
	}
	l := found.(*lineage)
	if p := l.current.Load(); p != nil && p.v.RevisionID == v.RevisionID {
		return p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.current.Load()
	if before != nil && before.v.RevisionID == v.RevisionID {
		return before
	}
	p := newPool(i, v)
	if slices.Contains(l.old, v.RevisionID) {
		p.retired = true
		return p
	}
	l.current.Store(p)
	if before != nil {
		p.peak.Store(before.peak.Load())
		if l.old = append(l.old, before.v.RevisionID); len(l.old) > 16 {
			l.old = slices.Delete(l.old, 0, 1)
		}
		before.retire()
	}
	return p
}

// Retire implements function.Invoker.
func (i *Invoker) Retire(arn string) {
	if found, ok := i.pools.LoadAndDelete(arn); ok {
		if p := found.(*lineage).current.Load(); p != nil {
			p.retire()
		}
	}
}

// run is one invocation on its way through an environment.
type run struct {
	inv   *function.Invocation
	event runtimeapi.Event
	slot  slot

	outcome chan *outcome // gets one
	done    chan struct{} // closed when the log has its end, and tail is known
	tail    []byte

	// Guarded by the environment.
	started             time.Time
	settled, released   bool
	status              string
	errorType           string
	reported            bool
	duration, init      time.Duration
	answered, answerEnd time.Time // when the answer began to be there, and when it all was
	answerBytes         int
	runtimeDone         time.Time // zero, or when the runtime was, where there are extensions
}

// after is how long the extensions were at work after the runtime.
func (r *run) after() time.Duration {
	if r.runtimeDone.IsZero() {
		return 0
	}
	return max(0, r.duration-r.runtimeDone.Sub(r.started))
}

// outcome is what an invocation came to.
type outcome struct {
	payload     []byte
	contentType string
	stream      io.ReadCloser
	failure     *failure
}

// release gives the slot back: the function's work is done.
func (r *run) release() {
	if !r.released {
		r.released = true
		r.slot.release()
	}
}

// begin runs an invocation until its outcome is known, or ctx is done: then the
// function goes on by itself. stream: the response is wanted as it comes.
func (i *Invoker) begin(ctx context.Context, inv *function.Invocation, stream bool) (*run, *outcome, error) {
	v := inv.Version
	p := i.pool(v)
	slot, err := p.admit()
	if err != nil {
		p.figures.throttled(inv)
		return nil, nil, err
	}
	p.figures.admitted(p.concurrency.running.Load())
	r := &run{inv: inv, slot: slot, outcome: make(chan *outcome, 1), done: make(chan struct{}), status: statusSuccess}
	r.event = runtimeapi.Event{
		RequestID: inv.RequestID, InvokedARN: inv.InvokedARN,
		TraceID:       traceHeader(inv.TraceID, p.lineage),
		ClientContext: inv.ClientContext, Payload: inv.Payload, Stream: stream,
	}
	if r.event.InvokedARN == "" {
		r.event.InvokedARN = v.ARN
	}
	if len(inv.Payload) == 0 {
		r.event.Payload = []byte("{}") // as Lambda does
	}
	for {
		e, err := p.acquire(ctx)
		if err != nil {
			slot.release()
			if throttled := (*function.ErrThrottled)(nil); errors.As(err, &throttled) {
				p.figures.throttled(inv)
			}
			return nil, nil, err
		}
		if ctx.Done() == nil {
			if !e.invoke(r) {
				continue
			}
			return r, <-r.outcome, nil
		}
		if e.needsInit() { // which takes long: the caller may leave meanwhile
			go func() {
				if !e.invoke(r) {
					r.outcome <- &outcome{failure: &failure{err: function.ErrShuttingDown}}
				}
			}()
		} else if !e.invoke(r) {
			continue
		}
		select {
		case o := <-r.outcome:
			return r, o, nil
		case <-ctx.Done():
			go func() {
				if o := <-r.outcome; o.stream != nil {
					_ = o.stream.Close()
				}
			}()
			return nil, nil, ctx.Err()
		}
	}
}

// Invoke implements function.Invoker. A caller that leaves while its request
// waits for an environment takes the request with it; once the function has the
// event, it runs to its end.
func (i *Invoker) Invoke(ctx context.Context, inv *function.Invocation) (*function.Result, error) {
	if !i.enter() {
		return nil, function.ErrShuttingDown
	}
	defer i.leave()
	return i.invoke(ctx, inv)
}

func (i *Invoker) invoke(ctx context.Context, inv *function.Invocation) (*function.Result, error) {
	r, o, err := i.begin(ctx, inv, false)
	if err != nil {
		return nil, err
	}
	if o.stream != nil {
		o = collect(ctx, o.stream)
	}
	if o.failure != nil && o.failure.err != nil {
		return nil, o.failure.err
	}
	result := &function.Result{Payload: o.payload}
	if o.failure != nil {
		result.FunctionError = "Unhandled"
		result.Payload = o.failure.document(inv.RequestID)
	}
	if inv.Tail {
		select {
		case <-r.done:
			result.LogTail = r.tail
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return result, nil
}

// collect reads a streamed response for a caller that wants it whole.
func collect(ctx context.Context, stream io.ReadCloser) *outcome {
	defer context.AfterFunc(ctx, func() { _ = stream.Close() })()
	defer func() { _ = stream.Close() }()
	payload, err := io.ReadAll(io.LimitReader(stream, runtimeapi.MaxPayload+1))
	var failed *runtimeapi.Error
	switch {
	case errors.As(err, &failed):
		return &outcome{failure: reported(failed)}
	case ctx.Err() != nil:
		return &outcome{failure: &failure{err: ctx.Err()}}
	case err != nil:
		return &outcome{failure: &failure{err: err}}
	case len(payload) > runtimeapi.MaxPayload:
		return &outcome{failure: tooLarge()}
	}
	return &outcome{payload: payload}
}

func (i *Invoker) enter() bool {
	i.active.Add(1)
	if i.closing.Load() {
		i.leave()
		return false
	}
	return true
}

func (i *Invoker) leave() {
	if i.active.Add(-1) == 0 && i.closing.Load() {
		select {
		case i.quiet <- struct{}{}:
		default:
		}
	}
}

// Close takes no more invocations, waits until those that run have finished, and
// shuts all environments down. Asynchronous invocations that have not begun or
// wait to be retried are there for the next start. When ctx is done before, what
// still runs is ended, and ctx's error is returned.
func (i *Invoker) Close(ctx context.Context) error {
	i.closing.Store(true)
	var err error
	if i.events != nil {
		err = i.events.close(ctx)
	}
	for i.active.Load() > 0 && err == nil {
		select {
		case <-i.quiet:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	i.endLife()
	i.zygotes.close()
	i.pools.Range(func(_, found any) bool {
		if p := found.(*lineage).current.Load(); p != nil {
			p.retire()
		}
		return true
	})
	if err == nil {
		err = i.living.wait(ctx) // for functions whose callers have left, too
	}
	for err != nil { // again for those that were between two phases
		i.living.each(func(e *environment) { go e.abort() })
		soon, cancel := context.WithTimeout(context.Background(), abortRepeat)
		left := i.living.wait(soon)
		cancel()
		if left == nil {
			break
		}
	}
	return err
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
