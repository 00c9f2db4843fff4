package lambda

import (
	"sync"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// minUnreserved is how much concurrency of an account functions without a
// reservation keep (in an account that has that much).
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const minUnreserved = 100

// Capacity is told what is set aside for functions. *invoke.Invoker is one.
type Capacity interface {
	// Reserve limits a function's concurrency and takes as much out of what the
	// account's other functions share; nil takes the reservation back.
	Reserve(id function.ID, n *int)
}

// capacity is what functions have set aside, as Capacity was told. It follows
// the index: after each change of a function, allot compares the two.
type capacity struct {
	// put is held by operations that take something out of an account's
	// concurrency, from looking at what is left until it is written.
	put sync.Mutex

	mu     sync.Mutex // index locks are taken under it
	scopes map[scopeKey]map[string]*allowance
}

// allowance is what is set aside for one function.
type allowance struct {
	reserved *int32
}

// aside is what the function takes out of its account's concurrency.
func (a *allowance) aside() int {
	if a.reserved != nil {
		return int(*a.reserved)
	}
	return 0
}

// allotsBy reports whether a write to k may change what is set aside.
func allotsBy(k docKey, deleted bool) bool {
	switch k.kind {
	case kindConcurrency:
		return true
	case kindFunction:
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
	next := &allowance{}
	if snap != nil && snap.concurrency != nil {
		next.reserved = &snap.concurrency.doc.Reserved
	}
	old := c.scopes[scope][name]
	if old == nil {
		old = &allowance{}
	}
	if (old.reserved == nil) != (next.reserved == nil) || deref(old.reserved) != deref(next.reserved) {
		var n *int
		if next.reserved != nil {
			n = new(int(*next.reserved))
		}
		s.opts.Capacity.Reserve(function.ID{Account: scope.account, Region: scope.region, Name: name}, n)
	}
	c.keep(scope, name, next)
	return nil
}

// keep is called with the lock held.
func (c *capacity) keep(scope scopeKey, name string, a *allowance) {
	if a.reserved == nil {
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
