package invoke

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// A version's provisioned environments are initialized before they are needed,
// kept without work, and replaced when they end. Requests prefer them; when they
// are all at work, others are started as without them.
// https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html

const (
	// provisionedInit is how long the Init of a provisioned environment may take,
	// or the function's time limit where that is longer.
	// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
	provisionedInit = 130 * time.Second
	// After an environment that could not be had, or that ended before it was of
	// any use, the next is tried later: doubling, within these.
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
	// initFailure is AWS's StatusReason where the function's own Init fails.
	initFailure = "FUNCTION_ERROR_INIT_FAILURE"
)

// provision is a pool's provisioned concurrency, guarded by the pool.
type provision struct {
	wanted    int
	beginning int // in their Init phase, or waiting for their turn
	complete  bool
	reason    string // why the last one could not be had
	backoff   time.Duration
	retry     *time.Timer // set while the next try waits

	ready []*environment // without work; the one used last at the end

	// live is those that are initialized, at work or not; it changes under the
	// pool's lock. running is how many invocations count towards them.
	live, running atomic.Int64
}

// Provision keeps n environments of a version initialized, from now on; 0 ends
// that. It returns at once: Provisioned tells how far it is.
func (i *Invoker) Provision(v *function.Version, n int) {
	if _, ok := i.pools.Load(v.ARN); !ok && n == 0 {
		return
	}
	i.pool(v).provision(n)
}

// Provisioned tells what there is of a version's provisioned concurrency. arn is
// Version.ARN.
func (i *Invoker) Provisioned(arn string) function.Provisioned {
	found, ok := i.pools.Load(arn)
	if !ok {
		return function.Provisioned{}
	}
	p := found.(*lineage).current.Load()
	if p == nil {
		return function.Provisioned{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return function.Provisioned{Wanted: p.kept.wanted, Initialized: int(p.kept.live.Load()), Complete: p.kept.complete, Reason: p.kept.reason}
}

// provision changes how many environments are kept.
func (p *pool) provision(n int) {
	p.mu.Lock()
	if p.retired {
		n = 0
	}
	k := &p.kept
	before := k.wanted
	k.wanted = n
	k.reason, k.backoff = "", 0
	k.stopRetry()
	var surplus []*environment
	for len(k.ready) > 0 && k.live.Load() > int64(n) {
		surplus = append(surplus, k.ready[0])
		p.uncount(k.ready[0])
		k.ready = k.ready[1:]
	}
	k.complete = k.live.Load() >= int64(n)
	p.fill()
	p.mu.Unlock()
	p.concurrency.change(func() { p.concurrency.provisioned += int64(n - before) })
	for _, e := range surplus {
		go e.shutdown()
	}
}

// fill starts what is missing; the lock is held.
func (p *pool) fill() {
	k := &p.kept
	for k.retry == nil && int(k.live.Load())+k.beginning < k.wanted {
		k.beginning++
		e := newEnvironment(p, true)
		p.inv.living.add(e)
		go p.startProvisioned(e)
	}
}

func (p *pool) startProvisioned(e *environment) {
	k := &p.kept
	done, err := p.turn(e, &k.beginning, func() bool { return k.retry == nil && int(k.live.Load())+k.beginning <= k.wanted })
	defer done()
	switch {
	case errors.Is(err, errUnwanted):
		return
	case err != nil:
		p.notProvisioned(e, err.Error())
		return
	}
	f := e.start(p.inv.life)
	done()
	if f != nil {
		reason := initFailure
		if f.err != nil {
			reason = f.err.Error()
		}
		p.notProvisioned(e, reason)
		return
	}
	p.mu.Lock()
	k.beginning--
	e.counted = true
	if k.live.Add(1) >= int64(k.wanted) {
		k.complete, k.backoff, k.reason = true, 0, ""
	}
	p.give(e)
}

// notProvisioned ends an environment that did not come to be.
func (p *pool) notProvisioned(e *environment, reason string) {
	p.mu.Lock()
	p.kept.beginning--
	if p.kept.wanted > 0 {
		p.kept.reason = reason
		p.fillLater()
	}
	p.mu.Unlock()
	e.shutdown()
	if p.inv.life.Err() == nil {
		p.inv.log.Warn("a provisioned environment cannot be had", "function", p.v.ARN, "reason", reason)
	}
}

// fillLater is fill after a while; the lock is held.
func (p *pool) fillLater() {
	k := &p.kept
	if k.retry != nil || k.wanted == 0 {
		return
	}
	k.backoff = min(max(2*k.backoff, firstRetry), lastRetry)
	k.retry = time.AfterFunc(k.backoff, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		k.retry = nil
		p.fill()
	})
}

func (k *provision) stopRetry() {
	if k.retry != nil {
		k.retry.Stop()
		k.retry = nil
	}
}

// uncount takes an environment out of those that are kept; the lock is held.
func (p *pool) uncount(e *environment) {
	if e.counted {
		e.counted = false
		p.kept.live.Add(-1)
	}
}

// replace starts another environment for one that has ended; the lock is held.
func (p *pool) replace(e *environment) {
	if !e.counted {
		return
	}
	p.uncount(e)
	if e.used {
		p.fill()
	} else {
		p.fillLater() // it would end again
	}
}
