// Package cache keeps the answers of REST APIs' stages in memory: each stage has
// a Cache of its own size, and all of them share a Budget.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
package cache

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// MaxEntry is how large an answer may be that is kept, in bytes.
const MaxEntry = 1 << 20

// overhead is what an entry takes besides its key and what it says it measures.
const overhead = 256

// Budget is how many bytes all its caches may hold together. It is safe for
// concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64

	mu     sync.Mutex
	caches map[evicter]struct{}
}

// evicter is a Cache of whatever it holds.
type evicter interface {
	size() int64
	evict() bool
}

// NewBudget makes a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{limit: bytes, caches: map[evicter]struct{}{}}
}

// fit removes the oldest entries of the largest caches until the budget holds.
func (b *Budget) fit() {
	for b.used.Load() > b.limit {
		b.mu.Lock()
		var largest evicter
		for c := range b.caches {
			if largest == nil || c.size() > largest.size() {
				largest = c
			}
		}
		b.mu.Unlock()
		if largest == nil || !largest.evict() {
			return // others have made room
		}
	}
}

// Cache holds values for a while, the most recently used for longest. Values
// must not be changed once they are put. It is safe for concurrent use.
type Cache[V any] struct {
	budget *Budget
	limit  int64

	bytes   atomic.Int64
	mu      sync.Mutex
	entries map[string]*list.Element // of *entry[V]
	order   list.List                // the most recently used first
	closed  bool
}

type entry[V any] struct {
	key   string
	value V
	size  int64
	until time.Time
}

// New makes a cache of so many bytes at most, which counts into a budget until it
// is closed.
func New[V any](b *Budget, bytes int64) *Cache[V] {
	c := &Cache[V]{budget: b, limit: bytes, entries: map[string]*list.Element{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.caches[c] = struct{}{}
	return c
}

// Get returns the value of a key that is still good at a time.
func (c *Cache[V]) Get(key string, now time.Time) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none V
	at := c.entries[key]
	if at == nil {
		return none, false
	}
	e := at.Value.(*entry[V])
	if !now.Before(e.until) {
		c.remove(at)
		return none, false
	}
	c.order.MoveToFront(at)
	return e.value, true
}

// Put keeps a value of so many bytes until a time. What is larger than MaxEntry,
// or than the cache, is not kept, and what was there under the key goes.
func (c *Cache[V]) Put(key string, value V, bytes int64, until time.Time) {
	size := bytes + int64(len(key)) + overhead
	c.mu.Lock()
	if at := c.entries[key]; at != nil {
		c.remove(at)
	}
	if bytes <= MaxEntry && size <= min(c.limit, c.budget.limit) && !c.closed {
		c.entries[key] = c.order.PushFront(&entry[V]{key, value, size, until})
		c.add(size)
		for c.bytes.Load() > c.limit {
			c.remove(c.order.Back())
		}
	}
	c.mu.Unlock()
	c.budget.fit()
}

// Close empties the cache for good: nothing is kept any more.
func (c *Cache[V]) Close() {
	c.mu.Lock()
	c.closed = true
	for c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
	c.mu.Unlock()
	c.budget.mu.Lock()
	delete(c.budget.caches, c)
	c.budget.mu.Unlock()
}

func (c *Cache[V]) size() int64 { return c.bytes.Load() }

// evict removes the oldest entry.
func (c *Cache[V]) evict() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.order.Len() == 0 {
		return false
	}
	c.remove(c.order.Back())
	return true
}

// remove removes an entry. c.mu is held.
func (c *Cache[V]) remove(at *list.Element) {
	e := c.order.Remove(at).(*entry[V])
	delete(c.entries, e.key)
	c.add(-e.size)
}

func (c *Cache[V]) add(n int64) {
	c.bytes.Add(n)
	c.budget.used.Add(n)
}
