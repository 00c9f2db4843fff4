package invoke

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// This file is a function's life, from top to bottom: Init, Invoke, the end of
// an invocation, the pause until the next one, and the ways it can end: a
// timeout, a crash, the Shutdown phase.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

const (
	// initLimit is how long Init may take. A function that needs longer is
	// started once more within its first invocation, under its own time limit.
	initLimit = 10 * time.Second
	// apiPort is where the Runtime API listens, where the environment has a
	// network of its own.
	apiPort = 9001
	// thawFirst is the size of an event from which on the environment is thawed
	// before it is written: more may not fit into the socket.
	thawFirst = 32 << 10
	// usageAge is how old a reading of an environment's memory may be when it is
	// reported. Reading it is slow with some drivers.
	usageAge = 500 * time.Millisecond
	// settleTime bounds the wait for what a runtime that ended, or is about to,
	// still sent.
	settleTime = 100 * time.Millisecond
)

type phase int

const (
	phaseInit     phase = iota // boot waits for the runtime's first Next
	phaseReady                 // which came, or an error
	phaseIdle                  // waits for an invocation, or failed to initialize and waits for one to try again
	phaseBusy                  // runs an invocation
	phaseAnswered              // has answered it, and is about to ask for the next one
	phaseDead                  // ended, or ending
)

// environment is one execution environment: a sandbox, the runtime process in
// it, and the Runtime API that this process speaks.
type environment struct {
	inv         *Invoker
	pool        *pool
	v           *function.Version
	id          string
	credentials Credentials
	log         *journal
	says        *platform

	// What boot makes. Only boot and end change it, while nobody else uses it.
	box  sandbox.Sandbox
	api  *runtimeapi.Server
	aws  *endpoint // nil: there is none
	proc sandbox.Process
	crew *crew // its external extensions; nil: there are none

	booted     chan *failure // from the Runtime API to boot: nil when ready
	registered chan struct{} // when every extension has registered

	mu    sync.Mutex // taken before the pool's; held while the environment is frozen
	phase phase
	run   *run // in phaseBusy and phaseAnswered
	boots int  // how often Init has begun
	// extended: it has extensions. An invocation is not over with the runtime's
	// answer, but when all have asked for the next event.
	extended bool
	init     time.Duration // how long Init took; 0 once it was reported
	frozen   bool
	thawing  sync.Mutex // held while a thaw is under way

	deadline *time.Timer // of the invocation that runs
	rest     *time.Timer // since the last invocation: first to freeze, then to expire

	memoryMB   int // guarded by whoever ends an invocation
	memoryRead time.Time

	memorySaid int64 // the last reading that starts knows of, in MB
	lastUsed   time.Time

	provisioned bool // it is one of those that are kept
	// Guarded by the pool:
	counted bool // among the live ones of those that are kept
	used    bool // it was given to a request
	// Guarded by starts:
	mb   int64  // what it is taken to use; 0: it has not begun, or is gone
	room *start // what that is kept for when it has ended
}

func newEnvironment(p *pool, provisioned bool) *environment {
	id := randomHex(16)
	v := p.v
	stream := time.Now().UTC().Format("2006/01/02") + "/[" + v.Version + "]" + id
	e := &environment{
		inv: p.inv, pool: p, v: v, id: id,
		credentials: randomCredentials(),
		provisioned: provisioned,
		log:         &journal{sink: p.inv.opts.Logs, account: v.Account, region: v.Region, group: v.LogGroup, stream: stream, json: v.LogFormat == "JSON"},
		says:        newPlatform(v, stream, initialization(provisioned)),
		booted:      make(chan *failure, 2),
		registered:  make(chan struct{}, 1),
	}
	e.deadline = stoppedTimer(e.onDeadline)
	e.rest = stoppedTimer(e.onRest)
	return e
}

// initialization is what AWS_LAMBDA_INITIALIZATION_TYPE says.
func initialization(provisioned bool) string {
	if provisioned {
		return "provisioned-concurrency"
	}
	return "on-demand"
}

func stoppedTimer(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

// start is the Init phase, on a goroutine of its own.
func (e *environment) start(ctx context.Context) *failure {
	e.log.say(e.says.initStart())
	began := time.Now()
	limit := min(initLimit, e.inv.opts.InitLimit)
	if e.provisioned {
		limit = max(provisionedInit, e.v.Timeout)
	}
	f := e.boot(ctx, limit)
	took := time.Since(began)
	e.lastUsed = began
	if f == nil && e.provisioned { // it may stay without work for long
		e.readMemory()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase = phaseIdle
	switch {
	case f == nil:
		e.init = took
	case f.err == nil:
		e.log.say(e.says.initReport("init", took, f.status(), f.errorType))
	}
	return f
}

// InitError implements runtimeapi.Handler: the runtime could not start.
func (e *environment) InitError(err *runtimeapi.Error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase == phaseInit {
		e.phase = phaseReady
		e.booted <- reported(err)
	}
}

// invoke is the Invoke phase: it hands the event to the runtime. What comes of it
// goes to r.outcome, once. It reports false, and has done nothing, when the
// environment has ended. It takes long only where Init has to be repeated.
func (e *environment) invoke(r *run) bool {
	e.mu.Lock()
	if e.phase != phaseIdle {
		e.mu.Unlock()
		return false
	}
	e.phase, e.run = phaseBusy, r
	r.started = time.Now()
	if e.log.telemetry.Load() != nil {
		e.tell("platform.start", e.says.startRecord(r))
	}
	thaw := e.frozen
	e.frozen = false
	r.init, e.init = e.init, 0
	again := e.proc == nil
	e.mu.Unlock()

	limit := e.v.Timeout
	r.event.DeadlineMs = r.started.Add(limit).UnixMilli()
	e.log.begin(e.says.start(r.inv), r.inv.Tail)
	if again {
		if f := e.boot(e.inv.life, limit); f != nil {
			took := time.Since(r.started)
			if f.err == nil {
				e.log.say(e.says.initReport("invoke", took, f.status(), f.errorType))
			}
			e.fail(r, f)
			return true
		}
		e.mu.Lock()
		e.phase = phaseBusy
		e.mu.Unlock()
	}
	e.deadline.Reset(limit - time.Since(r.started))
	if thaw {
		e.thawing.Lock() // until it is done: a freeze must not overtake it
		if len(r.event.Payload) > thawFirst {
			e.thaw()
			thaw = false
		}
	}
	err := e.api.Send(&r.event)
	if thaw {
		// Beside the wait for the answer: the function runs before the last of its
		// processes is thawed.
		go e.thaw()
	}
	if err != nil { // the runtime ended meanwhile, and watch has seen it or is about to
		e.inv.log.Debug("send an event", "environment", e.id, "error", err)
	}
	return true
}

func (e *environment) thaw() {
	defer e.thawing.Unlock()
	if err := e.box.Thaw(); err != nil && !errors.Is(err, sandbox.ErrDestroyed) {
		e.inv.log.Error("thaw an environment", "environment", e.id, "function", e.v.ARN, "error", err)
	}
}

// Answer implements runtimeapi.Handler: the runtime answered, or begins to.
func (e *environment) Answer(a *runtimeapi.Answer) {
	e.mu.Lock()
	r := e.run
	if e.phase != phaseBusy || r.settled {
		e.mu.Unlock()
		if a.Stream != nil {
			_ = a.Stream.Close()
		}
		return
	}
	r.answerBytes, r.answered = len(a.Payload), time.Now()
	o := &outcome{contentType: a.ContentType, stream: a.Stream, payload: a.Payload}
	if a.Failed {
		o.failure = reported(&runtimeapi.Error{Type: a.ErrorType, Payload: a.Payload})
	}
	e.settle(r, o)
	if a.Stream == nil {
		e.answered(r, o.failure)
	}
	e.mu.Unlock()
	if a.Stream == nil {
		e.pool.ending()
	}
	r.outcome <- o
}

// AnswerEnd implements runtimeapi.Handler: the last of a stream was received.
func (e *environment) AnswerEnd(err *runtimeapi.Error) {
	e.mu.Lock()
	if e.phase != phaseBusy {
		e.mu.Unlock()
		return
	}
	var f *failure
	if err != nil {
		f = reported(err)
	}
	e.answered(e.run, f)
	e.mu.Unlock()
	e.pool.ending()
}

// settle is called with the lock held: the outcome of r is decided.
func (e *environment) settle(r *run, o *outcome) {
	r.settled = true
	if o.failure != nil {
		r.status, r.errorType, r.reported = o.failure.status(), o.failure.errorType, o.failure.reported
	}
}

// answered is called with the lock held: the function's work is done.
func (e *environment) answered(r *run, f *failure) {
	e.phase = phaseAnswered
	r.answerEnd = time.Now()
	r.duration = r.answerEnd.Sub(r.started)
	if f != nil {
		r.status, r.errorType, r.reported = f.status(), f.errorType, f.reported
	}
	if !e.extended {
		r.release()
	}
}

// Next implements runtimeapi.Handler: the runtime, and every extension, is ready.
// Init, or the invocation, is over.
func (e *environment) Next() {
	e.mu.Lock()
	r := e.run
	switch e.phase {
	case phaseInit:
		e.phase = phaseReady
		e.booted <- nil
		e.mu.Unlock()
	case phaseAnswered:
		e.phase, e.run = phaseIdle, nil
		if e.extended { // their time is the function's
			r.duration = time.Since(r.started)
		}
		e.mu.Unlock()
		e.deadline.Stop()
		e.finish(r, "")
		e.pool.done(e)
	default:
		e.mu.Unlock()
	}
}

// finish writes the end of an invocation into the log, after all that the
// function wrote.
func (e *environment) finish(r *run, last string) {
	e.lastUsed = r.started
	e.log.drain() // before the memory is read: what was written by now belongs to the invocation
	if e.memoryMB == 0 || time.Since(e.memoryRead) > usageAge || r.duration > usageAge/5 {
		e.readMemory()
	}
	r.tail = e.log.end(last, e.says.end(r.inv), e.says.report(r.inv, r.event.TraceID, &report{
		status: r.status, errorType: r.errorType, reported: r.reported,
		duration: r.duration, init: r.init, memoryMB: e.memoryMB, after: r.after(),
	}))
	if t := e.log.telemetry.Load(); t != nil {
		if r.runtimeDone.IsZero() { // it failed
			e.tell("platform.runtimeDone", e.says.runtimeDoneRecord(r))
		}
		e.tell("platform.end", e.says.endRecord(r))
		e.tell("platform.report", e.says.reportRecord(r, e.memoryMB))
	}
	r.release()
	e.pool.figures.ran(r.inv, r.duration, r.status != statusSuccess)
	close(r.done)
}

func (e *environment) readMemory() {
	if e.box == nil {
		return
	}
	usage, err := e.box.Usage()
	if err != nil {
		if !errors.Is(err, sandbox.ErrDestroyed) {
			e.inv.log.Warn("read an environment's memory use", "environment", e.id, "error", err)
		}
		return
	}
	// With a driver that does not enforce the limit this may be above it: better
	// said than hidden.
	e.memoryMB = max(e.memoryMB, int((usage.MaxMemoryBytes+1<<20-1)>>20))
	e.memoryRead = time.Now()
	if mb := int64(e.memoryMB); mb != e.memorySaid {
		e.memorySaid = mb
		if mb > e.pool.peak.Load() { // of two at once the lower one may stay, until the next
			e.pool.peak.Store(mb)
		}
		e.inv.starts.measured(e, mb)
	}
}

// onRest is the pause between invocations: the environment is frozen shortly
// after the last one, and shut down when none came for long.
func (e *environment) onRest() {
	e.mu.Lock()
	if e.phase != phaseIdle {
		e.mu.Unlock()
		return
	}
	if e.frozen {
		e.mu.Unlock()
		if !e.provisioned && e.pool.take(e) {
			e.shutdown()
		}
		return
	}
	defer e.mu.Unlock()
	e.rest.Reset(e.inv.opts.IdleExpiry)
	e.frozen = true
	if e.proc == nil {
		return
	}
	e.thawing.Lock()
	defer e.thawing.Unlock()
	if err := e.box.Freeze(); err != nil && !errors.Is(err, sandbox.ErrDestroyed) {
		e.inv.log.Error("freeze an environment", "environment", e.id, "function", e.v.ARN, "error", err)
	}
}

// onDeadline ends an invocation that takes too long.
func (e *environment) onDeadline() {
	e.mu.Lock()
	r := e.run
	if r == nil || e.phase != phaseBusy && e.phase != phaseAnswered {
		e.mu.Unlock()
		return // it was over in the last moment
	}
	if left := e.v.Timeout - time.Since(r.started); left > 0 { // and the next one began
		e.deadline.Reset(left)
		e.mu.Unlock()
		return
	}
	f := timedOut(e.v.Timeout)
	r.status, r.errorType, r.reported = f.status(), f.errorType, false
	r.duration = e.v.Timeout
	e.die(r, f, e.says.timedOut(r.inv))
}

// watch waits for the runtime to end, which it should not.
func (e *environment) watch(proc sandbox.Process) {
	<-proc.Done()
	e.api.Settle(settleTime) // it may have answered before
	e.mu.Lock()
	if e.phase == phaseDead || e.proc != proc {
		e.mu.Unlock()
		return
	}
	r, f := e.run, exited(proc.Exit())
	if r == nil { // between two invocations
		e.phase = phaseDead
		e.mu.Unlock()
		e.inv.log.Debug("a runtime ended while it was idle", "environment", e.id, "function", e.v.ARN, "reason", f.message)
		e.pool.gone(e, false)
		e.close(runtimeapi.ReasonFailure)
		return
	}
	if e.phase == phaseBusy {
		r.duration = time.Since(r.started)
	}
	r.status, r.errorType, r.reported = f.status(), f.errorType, false
	e.die(r, f, e.says.crashed(r.inv, f))
}

// abort ends an environment whose invocation the daemon cannot wait for.
func (e *environment) abort() {
	e.mu.Lock()
	r := e.run
	if r == nil || e.phase != phaseBusy && e.phase != phaseAnswered {
		e.mu.Unlock()
		return // idle, or boot sees the end of the Invoker's life
	}
	f := &failure{err: function.ErrShuttingDown, errorType: "Sandbox.Failure", message: "the daemon is shutting down"}
	r.duration = time.Since(r.started)
	r.status, r.errorType = f.status(), f.errorType
	e.die(r, f, "")
}

// die ends the environment in the midst of an invocation. It is called with the
// lock held, and releases it.
func (e *environment) die(r *run, f *failure, last string) {
	counted := e.phase == phaseAnswered
	settled := r.settled
	e.phase, e.run, r.settled = phaseDead, nil, true
	e.mu.Unlock()
	e.deadline.Stop()
	e.api.Abort(&runtimeapi.Error{Type: f.errorType, Payload: f.document(r.inv.RequestID)})
	e.readMemory() // while there is something to read
	graceful := e.extended && f.err == nil
	if graceful { // the caller does not wait for the extensions' Shutdown phase
		e.signal(e.proc, syscall.SIGKILL)
		ended(e.proc, time.Now().Add(settleTime))
	} else {
		e.end()
	}
	e.pool.gone(e, counted)
	e.finish(r, last)
	if !settled {
		r.outcome <- &outcome{failure: f}
	}
	if graceful {
		e.close(f.reason())
	}
}

// fail ends an invocation for which Init failed once more.
func (e *environment) fail(r *run, f *failure) {
	e.mu.Lock()
	e.phase, e.run, r.settled = phaseDead, nil, true
	r.status, r.errorType, r.reported = f.status(), f.errorType, false
	r.duration = time.Since(r.started)
	last := ""
	if f.errorType == errorTimedOut {
		r.duration = e.v.Timeout
		last = e.says.timedOut(r.inv)
	}
	e.mu.Unlock()
	e.pool.gone(e, false)
	e.inv.forget(e) // boot left nothing to end
	e.finish(r, last)
	r.outcome <- &outcome{failure: f}
}

// shutdown is the Shutdown phase of an environment that the pool has let go of.
// Without extensions it lasts 0 ms: Lambda ends the runtime with SIGKILL. close is
// for those with extensions, too.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-lifecycle-extensions-shutdown
func (e *environment) shutdown() {
	e.mu.Lock()
	if e.phase == phaseDead {
		e.mu.Unlock()
		return
	}
	e.phase = phaseDead
	e.mu.Unlock()
	e.pool.gone(e, false)
	e.close(runtimeapi.ReasonSpindown)
}

// needsInit tells that Init failed and is to be repeated.
func (e *environment) needsInit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.phase == phaseIdle && e.proc == nil
}

// end destroys what boot made and keeps the last of its log.
func (e *environment) end() {
	e.rest.Stop()
	if e.box != nil {
		if err := e.box.Destroy(); err != nil {
			e.inv.log.Error("destroy an environment", "environment", e.id, "function", e.v.ARN, "error", err)
		}
	}
	if e.api != nil {
		e.api.Close()
	}
	e.closeEndpoint()
	e.log.hangUp()
	e.log.telemetry.Swap(nil).close()
	e.mu.Lock()
	e.proc, e.crew, e.extended = nil, nil, false
	dead := e.phase == phaseDead
	e.mu.Unlock()
	e.drainBooted()
	if dead {
		e.inv.forget(e)
	}
}

// drainBooted forgets what a runtime that is gone said at its start.
func (e *environment) drainBooted() {
	for {
		select {
		case <-e.booted:
		case <-e.registered:
		default:
			return
		}
	}
}
