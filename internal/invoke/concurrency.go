package invoke

import (
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/function"
)

// The limits of concurrency, and who counts towards which:
//
//   - an invocation of a function with a reservation counts towards that alone;
//   - one that an environment of the version's provisioned concurrency is there
//     for counts towards that: it was set aside before;
//   - every other one counts towards what the account has not set aside.
//
// All of it is atomic counters: no invocation waits for another here.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

// The Reasons of ErrThrottled.
const (
	reasonAccount      = "ConcurrentInvocationLimitExceeded"
	reasonReserved     = "ReservedFunctionConcurrentInvocationLimitExceeded"
	reasonRate         = "FunctionInvocationRateLimitExceeded"
	reasonReservedRate = "ReservedFunctionInvocationRateLimitExceeded"
	noReservation      = -1
	defaultConcurrency = 1000
)

// account is an account in a region.
type account struct {
	limit int64

	mu       sync.Mutex
	setAside int64 // by reservations, and by provisioned concurrency without one

	unreserved atomic.Int64 // limit - setAside, at least 0
	running    atomic.Int64 // what counts towards unreserved
}

// set takes n more, or less than 0: fewer, out of what the account's functions
// share.
func (a *account) set(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.setAside += n
	a.unreserved.Store(max(0, a.limit-a.setAside))
}

// concurrency is that of one function, over all its versions.
type concurrency struct {
	account *account

	running  atomic.Int64
	reserved atomic.Int64 // noReservation: none

	mu          sync.Mutex
	provisioned int64 // asked for, of all versions

	scaling scaling
	queue   []*start     // guarded by starts
	memory  atomic.Int64 // MB, of its environments; where there is a limit
}

// slot is a place that an invocation takes up while it runs.
type slot struct {
	of   *concurrency
	from *atomic.Int64 // what it counts towards besides; nil: nothing
}

func (s slot) release() {
	s.of.running.Add(-1)
	if s.from != nil {
		s.from.Add(-1)
	}
}

// admit takes a slot for an invocation that runs in p, or says why there is none.
func (p *pool) admit() (slot, error) {
	c := p.concurrency
	running := c.running.Add(1)
	if reserved := c.reserved.Load(); reserved != noReservation {
		if running > reserved {
			c.running.Add(-1)
			return slot{}, &function.ErrThrottled{Reason: reasonReserved}
		}
		return slot{of: c}, nil
	}
	if live := p.kept.live.Load(); live > 0 {
		if p.kept.running.Add(1) <= live {
			return slot{of: c, from: &p.kept.running}, nil
		}
		p.kept.running.Add(-1)
	}
	a := c.account
	if a.running.Add(1) > a.unreserved.Load() {
		a.running.Add(-1)
		c.running.Add(-1)
		return slot{}, &function.ErrThrottled{Reason: reasonAccount}
	}
	return slot{of: c, from: &a.running}, nil
}

// aside is what the function takes out of its account; the lock is held.
func (c *concurrency) aside() int64 {
	if r := c.reserved.Load(); r != noReservation {
		return r
	}
	return c.provisioned
}

// change changes what is set aside for the function.
func (c *concurrency) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.aside()
	f()
	c.account.set(c.aside() - before)
}

// concurrency returns the counters of a function.
func (i *Invoker) concurrency(id function.ID) *concurrency {
	if found, ok := i.functions.Load(id); ok {
		return found.(*concurrency)
	}
	type key struct{ account, region string }
	k := key{id.Account, id.Region}
	found, ok := i.accounts.Load(k)
	if !ok {
		a := &account{limit: int64(i.opts.Concurrency)}
		a.unreserved.Store(a.limit)
		found, _ = i.accounts.LoadOrStore(k, a)
	}
	c := &concurrency{account: found.(*account)}
	c.reserved.Store(noReservation)
	made, _ := i.functions.LoadOrStore(id, c)
	return made.(*concurrency)
}

// Reserve limits how many invocations of a function run at a time, over all its
// versions, and takes as many out of what its account's other functions share;
// 0 throttles them all, nil takes the reservation back. What runs goes on.
//
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
func (i *Invoker) Reserve(id function.ID, n *int) {
	c := i.concurrency(id)
	c.change(func() {
		if n == nil {
			c.reserved.Store(noReservation)
		} else {
			c.reserved.Store(int64(*n))
		}
	})
}

// Forget takes back all that is set aside for a function that does not exist any
// more, and drops its events. What runs of it goes on.
func (i *Invoker) Forget(id function.ID) {
	if i.events != nil {
		i.events.drop(id)
	}
	i.eventSeries.Delete(id)
	if found, ok := i.functions.LoadAndDelete(id); ok {
		c := found.(*concurrency)
		c.change(func() { c.reserved.Store(noReservation) })
	}
}
