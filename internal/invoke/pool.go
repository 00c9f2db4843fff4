package invoke

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// endingGrace is how long a request waits for an environment that has answered
// its last event and has not yet asked for the next one, before one is started
// for it. Runtimes need some 50 µs, unless the machine is busy: then one more to
// start would be the wrong cure.
const endingGrace = 50 * time.Millisecond

// startTurn is how long an Init keeps the next one from beginning: one that
// takes longer waits for something rather than computes.
const startTurn = time.Second

// pool holds the environments of one revision of a function version.
//
// A request takes the environment that was used last. Where none is idle it
// waits, and an environment is started for it; it takes whichever comes first,
// that one or one that another request has done with.
type pool struct {
	inv         *Invoker
	v           *function.Version
	concurrency *concurrency // of the function
	lineage     string       // of the traces
	figures     *figures

	peak atomic.Int64 // MB: the most that one of its environments was seen to use

	mu       sync.Mutex
	kept     provision
	idle     []*environment // the one used last at the end; none of those that are kept
	waiting  []*waiter      // the one that came first at the start
	starting int            // environments in their Init phase
	freeing  int            // environments that have answered and will ask for more at once
	retired  bool
}

type waiter struct{ got chan grant }

type grant struct {
	e   *environment
	err error
}

func newPool(inv *Invoker, v *function.Version) *pool {
	return &pool{inv: inv, v: v, concurrency: inv.concurrency(v.ID()), lineage: "1:" + shortHash(v.ARN) + ":0",
		figures: newFigures(inv.opts.Metrics, v)}
}

// acquire waits for an environment. A caller that gives up while it waits leaves
// nothing behind but perhaps an idle environment.
func (p *pool) acquire(ctx context.Context) (*environment, error) {
	p.mu.Lock()
	if e := p.pop(); e != nil {
		p.mu.Unlock()
		return e, nil
	}
	w := &waiter{got: make(chan grant, 1)}
	p.waiting = append(p.waiting, w)
	if len(p.waiting) > p.starting+p.freeing {
		if err := p.startOne(); err != nil {
			p.waiting = p.waiting[:len(p.waiting)-1]
			p.mu.Unlock()
			return nil, err
		}
	} else if len(p.waiting) > p.starting {
		defer time.AfterFunc(p.inv.grace, func() { p.startFor(w) }).Stop()
	}
	p.mu.Unlock()
	select {
	case g := <-w.got:
		return g.e, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.mu.Unlock()
		return nil, ctx.Err()
	}
	p.mu.Unlock()
	if g := <-w.got; g.e != nil { // it came at the same moment
		p.release(g.e)
	}
	return nil, ctx.Err()
}

// pop takes an idle environment, if there is one; the lock is held.
func (p *pool) pop() *environment {
	from := &p.kept.ready
	if len(*from) == 0 {
		from = &p.idle
	}
	n := len(*from)
	if n == 0 {
		return nil
	}
	e := (*from)[n-1]
	(*from)[n-1] = nil
	*from = (*from)[:n-1]
	e.used = true
	return e
}

// startFor no longer counts, for one that still waits, on environments that were
// about to be free.
func (p *pool) startFor(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > p.starting && slices.Contains(p.waiting, w) {
		p.startOrRefuse()
	}
}

// startOrRefuse is called with the lock held, while a request waits.
func (p *pool) startOrRefuse() {
	if err := p.startOne(); err != nil {
		p.firstWaiter().got <- grant{err: err}
	}
}

// startOne is called with the lock held. The error is an ErrThrottled: the
// function has started too many of late.
func (p *pool) startOne() error {
	if c := p.concurrency; !c.scaling.take(p.inv.scale) {
		if c.reserved.Load() != noReservation {
			return &function.ErrThrottled{Reason: reasonReservedRate}
		}
		return &function.ErrThrottled{Reason: reasonRate}
	}
	p.starting++
	e := newEnvironment(p, false)
	p.inv.living.add(e)
	go p.start(e)
	return nil
}

// start takes a new environment through its Init phase. Not all that are asked
// for begin at once: they would only take the CPU from each other, and some are
// not wanted any more when it is their turn, because those that were free first
// have served the requests.
func (p *pool) start(e *environment) {
	done, err := p.turn(e, &p.starting, func() bool { return len(p.waiting) >= p.starting })
	defer done()
	switch {
	case errors.Is(err, errUnwanted):
		p.concurrency.scaling.giveBack()
		return
	case err != nil:
		p.refuse(e, err)
		return
	}

	f := e.start(p.inv.life)
	done()
	if f != nil && f.err != nil {
		p.refuse(e, f.err)
		return
	}
	p.mu.Lock()
	p.starting--
	if f != nil && len(p.waiting) == 0 { // it failed, and there is no invocation to try again for
		p.mu.Unlock()
		e.shutdown()
		return
	}
	p.give(e)
}

// turn waits until it is an environment's turn to initialize. done lets the next
// one begin; it may be called twice, and need not be for long starts. With
// errUnwanted the environment is gone, and count is one less; wanted is asked
// with the lock held.
func (p *pool) turn(e *environment, count *int, wanted func() bool) (done func(), err error) {
	for {
		err = p.inv.starts.wait(p.inv.life, &start{e: e, of: p.concurrency, mb: p.need(), wanted: func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return wanted()
		}})
		done = func() {}
		if err == nil {
			once := sync.OnceFunc(p.inv.starts.done)
			timer := time.AfterFunc(startTurn, once)
			done = func() { timer.Stop(); once() }
		}
		p.mu.Lock()
		if !wanted() {
			*count--
			p.mu.Unlock()
			p.inv.forget(e) // nothing of it has begun
			return done, errUnwanted
		}
		p.mu.Unlock()
		if !errors.Is(err, errUnwanted) { // else it has become wanted again
			return done, err
		}
	}
}

// unmeasured is what an environment is taken to use, in MB, before one of its
// version has run.
const unmeasured = 128

// need is how much memory another environment is taken to use, in MB.
func (p *pool) need() int64 {
	limit := int64(p.v.MemoryMB)
	if peak := p.peak.Load(); peak > 0 {
		return min(peak+peak/4, max(limit, peak))
	}
	return min(limit, unmeasured)
}

// refuse tells the first who waits that no environment can be made.
func (p *pool) refuse(e *environment, err error) {
	p.mu.Lock()
	p.starting--
	w := p.firstWaiter()
	p.mu.Unlock()
	if w != nil {
		w.got <- grant{err: err}
	}
	e.shutdown()
}

func (p *pool) firstWaiter() *waiter {
	if len(p.waiting) == 0 {
		return nil
	}
	w := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return w
}

// ending counts on an environment to be free in a moment: done or gone follows.
func (p *pool) ending() {
	p.mu.Lock()
	p.freeing++
	p.mu.Unlock()
}

// done is release for an environment that ending was called for.
func (p *pool) done(e *environment) {
	p.mu.Lock()
	p.freeing--
	p.give(e)
}

// release gives an environment to who waits for one, else keeps it.
func (p *pool) release(e *environment) {
	p.mu.Lock()
	p.give(e)
}

// give is called with the lock held, and releases it.
func (p *pool) give(e *environment) {
	if e.used && !e.provisioned {
		if st := p.inv.starts.yields(p.concurrency); st != nil {
			p.mu.Unlock()
			p.inv.starts.promise(e, st)
			go e.shutdown() // and another one is started for who waits
			return
		}
	}
	if w := p.firstWaiter(); w != nil {
		e.used = true
		p.mu.Unlock()
		w.got <- grant{e: e}
		return
	}
	over := p.retired || e.counted && p.kept.live.Load() > int64(p.kept.wanted)
	switch {
	case over:
		p.uncount(e)
	case e.counted:
		p.kept.ready = append(p.kept.ready, e)
	default:
		p.idle = append(p.idle, e)
	}
	if !over {
		e.rest.Reset(p.inv.opts.FreezeAfter)
	}
	p.mu.Unlock()
	if over {
		go e.shutdown() // this may be the goroutine that serves its Runtime API
	} else if p.inv.starts.hungry.Load() {
		go p.inv.starts.look()
	}
}

// take takes an environment out of the idle ones. It reports whether it was one.
func (p *pool) take(e *environment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, e)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	return i >= 0
}

// gone forgets an environment that has ended. freeing: ending was called for it.
func (p *pool) gone(e *environment, freeing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if freeing {
		p.freeing--
	}
	for _, from := range []*[]*environment{&p.idle, &p.kept.ready} {
		if i := slices.Index(*from, e); i >= 0 {
			*from = slices.Delete(*from, i, i+1)
		}
	}
	p.replace(e)
	if len(p.waiting) > p.starting+p.freeing {
		p.startOrRefuse()
	}
}

// retire shuts the environments down, those that run something when they have
// done.
func (p *pool) retire() {
	p.mu.Lock()
	p.retired = true
	idle := append(p.idle, p.kept.ready...)
	p.idle, p.kept.ready = nil, nil
	p.mu.Unlock()
	p.provision(0)
	for _, e := range idle {
		go e.shutdown()
	}
}
