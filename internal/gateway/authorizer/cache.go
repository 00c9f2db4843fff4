package authorizer

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/rest"
)

// Bounds of one authorizer's cache.
const (
	shardCount = 16
	// shardWeight is how many bytes a shard may hold, as its entries say they have.
	shardWeight = 512 << 10
)

// key is what an answer is kept under.
type key struct {
	stage    string
	epoch    int64  // of the stage's authorizers
	function string // the ARN, once its stage variables are filled in
	identity string
}

// cache keeps what an authorizer answered until it expires. Several requests that
// want the same at a time ask once.
type cache[V any] struct {
	seed   maphash.Seed
	now    func() time.Time
	shards [shardCount]shard[V]
}

type shard[V any] struct {
	mu      sync.RWMutex
	entries map[key]*entry[V]
	flights map[key]*flight[V]
	// ring holds the entries in the order of a clock's hand: it passes by those that
	// were used since it came last, and drops the others.
	ring   []*entry[V]
	hand   int
	weight int
}

type entry[V any] struct {
	key     key
	value   V
	expires time.Time
	weight  int
	used    atomic.Bool
}

// flight is a question that is being asked.
type flight[V any] struct {
	done    chan struct{}
	value   V
	failure *rest.Failure
}

func newCache[V any]() *cache[V] { return &cache[V]{seed: maphash.MakeSeed(), now: time.Now} }

// loaded is an answer to be kept.
type loaded[V any] struct {
	value   V
	weight  int // bytes
	expires time.Time
}

// get returns what is kept, or asks. fresh says that this call did ask.
func (c *cache[V]) get(ctx context.Context, k key, load func(context.Context) (loaded[V], *rest.Failure)) (v V, fresh bool, f *rest.Failure) {
	s := &c.shards[maphash.Comparable(c.seed, k)%shardCount]
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	if e != nil && c.now().Before(e.expires) {
		if !e.used.Load() {
			e.used.Store(true)
		}
		return e.value, false, nil
	}
	s.mu.Lock()
	if running := s.flights[k]; running != nil {
		s.mu.Unlock()
		select {
		case <-running.done:
			if running.failure != nil {
				return v, false, new(*running.failure) // failures are changed by who answers with them
			}
			return running.value, false, nil
		case <-ctx.Done():
			return v, false, failed(rest.TypeAuthorizerFailure, "The caller went away while the authorizer was asked")
		}
	}
	mine := &flight[V]{done: make(chan struct{}), failure: failed(rest.TypeAuthorizerFailure, "The authorizer could not be asked")}
	if s.flights == nil {
		s.flights = map[key]*flight[V]{}
	}
	s.flights[k] = mine
	s.mu.Unlock()
	defer func() { // in any case, a panic's too: others wait
		s.mu.Lock()
		delete(s.flights, k)
		s.mu.Unlock()
		close(mine.done)
	}()
	// Whoever waits for this answer must not lose it with this caller.
	l, f := load(context.WithoutCancel(ctx))
	if f != nil {
		mine.failure = new(*f)
		return v, true, f
	}
	mine.value, mine.failure = l.value, nil
	s.put(&entry[V]{key: k, value: l.value, expires: l.expires, weight: l.weight + len(k.identity) + len(k.function) + 256}, c.now())
	return l.value, true, nil
}

// put keeps an entry and drops what is too much.
func (s *shard[V]) put(e *entry[V], now time.Time) {
	if e.weight > shardWeight || !now.Before(e.expires) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[key]*entry[V]{}
	}
	if old := s.entries[e.key]; old != nil { // it expired: the new one takes its place in the ring
		for i, other := range s.ring {
			if other == old {
				s.ring[i] = e
			}
		}
		s.weight -= old.weight
	} else {
		s.ring = append(s.ring, e)
	}
	s.entries[e.key] = e
	s.weight += e.weight
	e.used.Store(true)
	for s.weight > shardWeight {
		s.hand %= len(s.ring)
		victim := s.ring[s.hand]
		if victim == e || victim.used.Swap(false) && now.Before(victim.expires) {
			s.hand++
			continue
		}
		delete(s.entries, victim.key)
		s.weight -= victim.weight
		last := len(s.ring) - 1
		s.ring[s.hand] = s.ring[last]
		s.ring[last] = nil
		s.ring = s.ring[:last]
	}
}
