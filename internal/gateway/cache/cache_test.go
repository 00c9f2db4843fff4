package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

var start = time.Unix(1e9, 0)

func (c *Cache[V]) has(key string) bool {
	_, ok := c.Get(key, start)
	return ok
}

func TestEntriesExpire(t *testing.T) {
	c := New[string](NewBudget(1<<20), 1<<20)
	c.Put("a", "1", 1, start.Add(time.Second))
	if v, ok := c.Get("a", start); !ok || v != "1" {
		t.Fatalf("got %q, %v", v, ok)
	}
	if _, ok := c.Get("a", start.Add(time.Second)); ok {
		t.Fatal("an entry outlived its time")
	}
	if c.size() != 0 {
		t.Fatalf("%d bytes are left", c.size())
	}
}

func TestTheLeastRecentlyUsedGo(t *testing.T) {
	later := start.Add(time.Hour)
	c := New[string](NewBudget(1<<20), 3*(1000+1+overhead))
	for _, key := range []string{"a", "b", "c"} {
		c.Put(key, key, 1000, later)
	}
	c.has("a")
	c.Put("d", "d", 1000, later)
	if !c.has("a") || c.has("b") || !c.has("c") || !c.has("d") {
		t.Fatal("it was not the least recently used that went")
	}
	c.Put("c", "c2", 1000, later) // in its own place
	if v, _ := c.Get("c", start); v != "c2" || !c.has("a") || !c.has("d") {
		t.Fatalf("c is %q", v)
	}
	c.Put("a", "huge", MaxEntry+1, later)
	if c.has("a") {
		t.Fatal("what a key had before outlived a value that is too large")
	}
}

func TestCachesShareABudget(t *testing.T) {
	later := start.Add(time.Hour)
	const one = 1000 + 1 + overhead
	b := NewBudget(4 * one)
	big, small := New[int](b, 1<<20), New[int](b, 1<<20)
	for i := range 4 {
		big.Put(fmt.Sprint(i), i, 1000, later)
	}
	small.Put("x", 1, 1000, later)
	if !small.has("x") || big.has("0") || !big.has("3") {
		t.Fatal("the larger cache did not make room")
	}
	big.Close()
	if big.has("3") || b.used.Load() != one {
		t.Fatalf("a closed cache holds on to %d bytes", b.used.Load()-one)
	}
	big.Put("late", 1, 1000, later)
	if big.has("late") {
		t.Fatal("a closed cache keeps values")
	}
}

func TestConcurrentUseKeepsCount(t *testing.T) {
	b := NewBudget(20_000)
	caches := []*Cache[int]{New[int](b, 1<<20), New[int](b, 10_000)}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 500 {
				c := caches[(w+i)%2]
				c.Put(fmt.Sprint(i%40), i, int64(100+i), start.Add(time.Hour))
				c.has(fmt.Sprint((i * 7) % 40))
			}
		})
	}
	all.Wait()
	var sum int64
	for _, c := range caches {
		var own int64
		for _, at := range c.entries {
			own += at.Value.(*entry[int]).size
		}
		if own != c.size() || own > c.limit {
			t.Errorf("a cache of at most %d bytes says %d, and holds %d", c.limit, c.size(), own)
		}
		sum += own
	}
	if sum != b.used.Load() || sum > b.limit {
		t.Errorf("the budget of %d says %d, and %d are held", b.limit, b.used.Load(), sum)
	}
}

func BenchmarkGet(b *testing.B) {
	c := New[int](NewBudget(1<<30), 1<<30)
	for i := range 1000 {
		c.Put(fmt.Sprint(i), i, 1000, start.Add(time.Hour))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !c.has("500") {
				b.Error("gone")
			}
		}
	})
}
