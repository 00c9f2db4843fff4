package lambda

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// minUnreserved is how much concurrency of an account functions without a
// reservation keep (in an account that has that much).
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const minUnreserved = 100

// After code that is not ready it is asked for again, doubling, within these.
const (
	minPause = 5 * time.Second
	maxPause = 5 * time.Minute
)

// Capacity is told what is set aside for functions. *invoke.Invoker is one.
type Capacity interface {
	// Reserve limits a function's concurrency and takes as much out of what the
	// account's other functions share; nil takes the reservation back.
	Reserve(id function.ID, n *int)
	// Forget takes back what is set aside for a function that is gone.
	Forget(id function.ID)
	// Expect says that functions like v are likely to start soon.
	Expect(v *function.Version)
	// Provision keeps n environments of a version initialized, from now on.
	Provision(v *function.Version, n int)
	// Provisioned tells how far it is. arn is function.Version.ARN.
	Provisioned(arn string) function.Provisioned
}

// capacity is what functions have set aside, as Capacity was told. It follows
// the index: after each change of a function, allot compares the two.
type capacity struct {
	// put is held by operations that take something out of an account's
	// concurrency, from looking at what is left until it is written.
	put   sync.Mutex
	pause time.Duration // minPause; tests have less

	mu     sync.Mutex // index locks are taken under it
	scopes map[scopeKey]map[string]*allowance
}

// allowance is what is set aside for one function.
type allowance struct {
	reserved    *int32
	provisioned int                // asked for, of all versions
	targets     map[string]*target // by version
}

// target is how many environments of a version are kept initialized.
type target struct {
	of       *version
	n        int
	revision int64  // the newest of the settings that it follows from
	told     bool   // Capacity knows
	failure  string // why there is nothing to run; empty: there is
}

func (t *target) same(other *target) bool {
	return other != nil && t.of == other.of && t.n == other.n && t.revision == other.revision
}

// aside is what the function takes out of its account's concurrency.
func (a *allowance) aside() int {
	if a.reserved != nil {
		return int(*a.reserved)
	}
	return a.provisioned
}

// allotsBy reports whether a write to k may change what is set aside.
func allotsBy(k docKey, deleted bool) bool {
	switch k.kind {
	case kindConcurrency, kindProvisioned, kindAlias:
		return true
	case kindFunction, kindVersion:
		return deleted
	}
	return false
}

// allot tells Capacity what is set aside for a function now.
func (s *Service) allot(scope scopeKey, name string) error {
	c := &s.capacity
	c.mu.Lock()
	defer c.mu.Unlock()
	snap, err := s.index.lookup(scope.account, scope.region, name)
	if err != nil {
		return err
	}
	next := allowanceOf(snap)
	old := c.scopes[scope][name]
	if old == nil {
		old = &allowance{}
	}
	id := function.ID{Account: scope.account, Region: scope.region, Name: name}
	if (old.reserved == nil) != (next.reserved == nil) || deref(old.reserved) != deref(next.reserved) {
		var n *int
		if next.reserved != nil {
			n = new(int(*next.reserved))
		}
		s.opts.Capacity.Reserve(id, n)
	}
	for number, was := range old.targets {
		if next.targets[number] == nil {
			s.opts.Capacity.Provision(&was.of.proto, 0)
		}
	}
	for number, t := range next.targets {
		if was := old.targets[number]; t.same(was) {
			next.targets[number] = was
		} else {
			s.background.Go(func() { s.provision(scope, name, t) })
		}
	}
	if snap == nil {
		s.opts.Capacity.Forget(id)
	}
	c.keep(scope, name, next)
	return nil
}

// allowanceOf is what a function's documents set aside. snap may be nil.
func allowanceOf(snap *snapshot) *allowance {
	a := &allowance{}
	if snap == nil {
		return a
	}
	if snap.concurrency != nil {
		a.reserved = &snap.concurrency.doc.Reserved
	}
	for qualifier, p := range snap.provisioned {
		a.provisioned += int(p.doc.Requested)
		for number, n := range snap.shares(qualifier, int(p.doc.Requested)) {
			if a.targets == nil {
				a.targets = map[string]*target{}
			}
			t := a.targets[number]
			if t == nil {
				t = &target{of: snap.versions[number]}
				a.targets[number] = t
			}
			t.n += n
			t.revision = max(t.revision, p.revision)
		}
	}
	return a
}

// shares says which versions a qualifier's n environments are of: an alias's
// weights apply. A version that is not there has none.
func (s *snapshot) shares(qualifier string, n int) map[string]int {
	shares := map[string]int{}
	if a := s.aliases[qualifier]; a != nil {
		rest := n
		for number, weight := range a.doc.Weights {
			shares[number] = min(rest, int(math.Round(weight*float64(n))))
			rest -= shares[number]
		}
		shares[a.doc.Version] += rest
	} else {
		shares[qualifier] = n
	}
	maps.DeleteFunc(shares, func(number string, n int) bool { return n == 0 || s.versions[number] == nil })
	return shares
}

// provision tells Capacity of a target, once there is something to run and
// unless another target has taken its place. Where there is not, it tries again.
func (s *Service) provision(scope scopeKey, name string, t *target) {
	if t.of.settled != nil {
		select {
		case <-t.of.settled:
		case <-s.ctx.Done():
			return
		}
	}
	for pause := s.capacity.pause; ; pause = min(2*pause, maxPause) {
		f, err := s.ready(s.ctx, t.of)
		if s.tell(scope, name, t, f, err) {
			return
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
	}
}

// tell reports whether there is no more to tell.
func (s *Service) tell(scope scopeKey, name string, t *target, f *function.Version, err error) bool {
	c := &s.capacity
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.scopes[scope][name]; s.ctx.Err() != nil || a == nil || a.targets[t.of.doc.Version] != t {
		return true
	}
	if err != nil {
		t.failure = "The function's code is not ready."
		s.log.Warn("provisioned concurrency cannot be had", "function", t.of.proto.ARN, "error", err)
		return false
	}
	t.told, t.failure = true, ""
	s.opts.Capacity.Provision(f, t.n)
	return true
}

// keep is called with the lock held.
func (c *capacity) keep(scope scopeKey, name string, a *allowance) {
	if a.reserved == nil && a.provisioned == 0 {
		delete(c.scopes[scope], name)
		return
	}
	if c.scopes == nil {
		c.scopes = map[scopeKey]map[string]*allowance{}
	}
	if c.scopes[scope] == nil {
		c.scopes[scope] = map[string]*allowance{}
	}
	c.scopes[scope][name] = a
}

// allotFor is allot for the functions that documents belong to, once each.
func (s *Service) allotFor(docs []store.Document) error {
	type function struct {
		scope scopeKey
		name  string
	}
	done := map[function]bool{}
	for _, d := range docs {
		k, ok := parseKey(d.Key)
		f := function{scopeKey{k.account, k.region}, k.name}
		if !ok || done[f] || !allotsBy(k, d.Value == nil) {
			continue
		}
		done[f] = true
		if err := s.allot(f.scope, f.name); err != nil {
			return err
		}
	}
	return nil
}

// setAside is what an account's functions take out of its concurrency, one of
// them left out.
func (s *Service) setAside(scope scopeKey, except string) (sum int) {
	s.capacity.mu.Lock()
	defer s.capacity.mu.Unlock()
	for name, a := range s.capacity.scopes[scope] {
		if name != except {
			sum += a.aside()
		}
	}
	return sum
}

// leaves reports whether an account that has all but n set aside keeps what its
// other functions need, and how much that is.
func (s *Service) leaves(unreserved int) (bool, int) {
	least := min(minUnreserved, s.opts.Concurrency)
	return unreserved >= least, least
}
