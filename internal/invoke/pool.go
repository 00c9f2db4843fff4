package invoke

import (
	"context"
	"slices"
	"sync"
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

	mu       sync.Mutex
	idle     []*environment // the one used last at the end
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
	return &pool{inv: inv, v: v, concurrency: inv.concurrency(v.ID()), lineage: "1:" + shortHash(v.ARN) + ":0"}
}

// acquire waits for an environment. A caller that gives up while it waits leaves
// nothing behind but perhaps an idle environment.
func (p *pool) acquire(ctx context.Context) (*environment, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		e := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return e, nil
	}
	w := &waiter{got: make(chan grant, 1)}
	p.waiting = append(p.waiting, w)
	if len(p.waiting) > p.starting+p.freeing {
		p.startOne()
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

// startFor no longer counts, for one that still waits, on environments that were
// about to be free.
func (p *pool) startFor(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > p.starting && slices.Contains(p.waiting, w) {
		p.startOne()
	}
}

// startOne is called with the lock held.
func (p *pool) startOne() {
	p.starting++
	e := newEnvironment(p)
	p.inv.living.add(e)
	go p.start(e)
}

// start takes a new environment through its Init phase. Not all that are asked
// for begin at once: they would only take the CPU from each other, and some are
// not wanted any more when it is their turn, because those that were free first
// have served the requests.
func (p *pool) start(e *environment) {
	select {
	case p.inv.starts <- struct{}{}:
	case <-p.inv.life.Done():
		p.refuse(e, function.ErrShuttingDown)
		return
	}
	turn := sync.OnceFunc(func() { <-p.inv.starts })
	defer turn()
	p.mu.Lock()
	if len(p.waiting) < p.starting {
		p.starting--
		p.mu.Unlock()
		p.inv.living.remove(e) // nothing of it has begun
		return
	}
	p.mu.Unlock()

	defer time.AfterFunc(startTurn, turn).Stop()
	f := e.start(p.inv.life)
	turn()
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
	if w := p.firstWaiter(); w != nil {
		p.mu.Unlock()
		w.got <- grant{e: e}
		return
	}
	retired := p.retired
	if !retired {
		p.idle = append(p.idle, e)
		e.rest.Reset(p.inv.opts.FreezeAfter)
	}
	p.mu.Unlock()
	if retired {
		go e.shutdown() // this may be the goroutine that serves its Runtime API
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
	if i := slices.Index(p.idle, e); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	if len(p.waiting) > p.starting+p.freeing {
		p.startOne()
	}
}

// retire shuts the environments down, those that run something when they have
// done.
func (p *pool) retire() {
	p.mu.Lock()
	p.retired = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, e := range idle {
		go e.shutdown()
	}
}
