package invoke

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// usedMB is the memory that environments are taken to use.
func (f *fixture) usedMB() int64 {
	f.starts.mu.Lock()
	defer f.starts.mu.Unlock()
	return f.starts.used
}

// Idle environments make room for others, those that were used longest ago first.
func TestEviction(t *testing.T) {
	f := newFixture(t, nil)
	one, two, three := named(t, "one", "1"), named(t, "two", "1"), named(t, "three", "1")
	three.MemoryMB = 8
	f.starts.limit = 10_000
	for _, v := range []*function.Version{one, two, one} {
		f.invoke(invocation(v, request{}))
	}
	f.Provision(named(t, "kept", "1"), 1)
	await(t, "three environments", func() bool { return f.count() == 3 && f.Provisioned(named(t, "kept", "1").ARN).Complete })
	await(t, "them to be idle", func() bool { e := f.oldestIdle(); return e != nil && e.v.Name == "two" })
	f.starts.mu.Lock()
	f.starts.limit = f.starts.used + 1
	f.starts.mu.Unlock()
	f.invoke(invocation(three, request{}))
	await(t, "the one that was used longest ago to end", func() bool {
		left := map[string]bool{}
		f.living.each(func(e *environment) { left[e.v.Name] = true })
		return !left["two"] && left["kept"] && left["three"]
	})
}

// The memory of environments is what they are seen to use, until they are gone.
func TestMemoryIsMeasured(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MemoryMB = 10_000 })
	v := named(t, "f", "1")
	v.MemoryMB = 2048
	f.invoke(invocation(v, request{}))
	await(t, "a reading", func() bool { used := f.usedMB(); return used > 0 && used != unmeasured })
	if need := f.pool(v).need(); need != f.usedMB()+f.usedMB()/4 {
		t.Errorf("another one would need %d MB, this has %d", need, f.usedMB())
	}
	if res := f.invoke(invocation(v, request{Do: "exit"})); res.FunctionError == "" {
		t.Errorf("%s", res.Payload)
	}
	await(t, "nothing to be used", func() bool { return f.usedMB() == 0 })
	f.invoke(invocation(v, request{}))
	f.Retire(v.ARN)
	await(t, "nothing to be used", func() bool { return f.usedMB() == 0 && f.count() == 0 })
}

// A function does not starve because another one has all the memory, and work
// for all its environments without end.
func TestNoStarvation(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MemoryMB = 2 * unmeasured })
	greedy, modest := named(t, "greedy", "1"), named(t, "modest", "1")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var throttled *function.ErrThrottled
				if _, err := f.Invoke(context.Background(), invocation(greedy, request{})); err != nil && !errors.As(err, &throttled) {
					t.Error(err)
				}
			}
		})
	}
	await(t, "the greedy one to have it all", func() bool { return f.usedMB() > 0 && f.pool(greedy).peak.Load() > 0 })
	f.starts.mu.Lock()
	f.starts.limit = max(f.starts.used, unmeasured)
	f.starts.mu.Unlock()
	for range 3 {
		if res, err := f.Invoke(context.Background(), invocation(modest, "x")); err != nil || string(res.Payload) != `"x"` {
			t.Errorf("%+v %v", res, err)
		}
	}
	close(stop)
	wg.Wait()
}

// Where no memory can be had, a request is throttled and not kept waiting, and a
// provisioned environment is a failure.
func TestNoMemory(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MemoryMB = unmeasured - 1 })
	v := named(t, "f", "1")
	began := time.Now()
	_, err := f.Invoke(context.Background(), invocation(v, request{}))
	var throttled *function.ErrThrottled
	if !errors.As(err, &throttled) || throttled.Reason != reasonAccount || throttled.Detail == "" || time.Since(began) > placeWait/2 {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	f.Provision(v, 1)
	await(t, "the failure", func() bool { return f.Provisioned(v.ARN).Reason == throttled.Detail })
	if f.count() != 0 || f.running(v) != 0 {
		t.Errorf("%d environments, %d are counted", f.count(), f.running(v))
	}
}

func TestScalingRate(t *testing.T) {
	f := newFixture(t, nil)
	f.scale = 2
	v, other := named(t, "f", "1"), named(t, "g", "1")
	dir := t.TempDir()
	wait := filepath.Join(dir, "wait")
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		wg.Go(func() { f.invoke(invocation(v, request{Start: filepath.Join(dir, name), Wait: wait})) })
	}
	awaitFile(t, filepath.Join(dir, "a"))
	awaitFile(t, filepath.Join(dir, "b"))
	if got := f.throttled(v); got != reasonRate {
		t.Errorf("%q", got)
	}
	f.Reserve(v.ID(), new(10))
	if got := f.throttled(v); got != reasonReservedRate {
		t.Errorf("%q", got)
	}
	if got := f.throttled(other); got != "" {
		t.Errorf("another function: %q", got)
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := f.throttled(v); got != "" { // there are environments
		t.Errorf("%q", got)
	}
}

// Many functions share a little memory: each request is answered or throttled,
// and nothing is left on the books.
func TestMemoryUnderLoad(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MemoryMB, o.FreezeAfter = 2*unmeasured, time.Millisecond })
	var versions []*function.Version
	for n := range 6 {
		versions = append(versions, named(t, "f"+strconv.Itoa(n), "1"))
	}
	var wg sync.WaitGroup
	for n, v := range versions {
		for range 2 {
			wg.Go(func() {
				for m := range 20 {
					q := request{Do: "pid"}
					if (n+m)%7 == 0 {
						q = request{Do: "exit", N: 1}
					}
					res, err := f.Invoke(context.Background(), invocation(v, q))
					var throttled *function.ErrThrottled
					if err != nil && !errors.As(err, &throttled) {
						t.Error(err)
					} else if err == nil && (res.FunctionError != "") != (q.Do == "exit") {
						t.Errorf("%s: %s", q.Do, res.Payload)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, v := range versions {
		f.Retire(v.ARN)
	}
	await(t, "nothing to be used", func() bool { return f.usedMB() == 0 && f.count() == 0 })
	f.starts.mu.Lock()
	defer f.starts.mu.Unlock()
	if len(f.starts.turns) != 0 || f.starts.slots != f.opts.Starts {
		t.Errorf("%d functions wait, %d slots of %d are free", len(f.starts.turns), f.starts.slots, f.opts.Starts)
	}
	for _, v := range versions {
		if c := f.concurrency(v.ID()); c.memory.Load() != 0 || c.running.Load() != 0 {
			t.Errorf("%s: %d MB, %d running", v.Name, c.memory.Load(), c.running.Load())
		}
	}
}
