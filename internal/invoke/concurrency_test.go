package invoke

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
)

// throttled is the Reason of a throttled invocation; "" where it is not.
func (f *fixture) throttled(v *function.Version) string {
	f.t.Helper()
	_, err := f.Invoke(context.Background(), invocation(v, request{}))
	var throttled *function.ErrThrottled
	if err != nil && !errors.As(err, &throttled) {
		f.t.Error(err)
	}
	if throttled == nil {
		return ""
	}
	return throttled.Reason
}

// hold runs an invocation until the returned function is called.
func (f *fixture) hold(v *function.Version) (release func()) {
	f.t.Helper()
	dir := f.t.TempDir()
	start, wait := filepath.Join(dir, "start"), filepath.Join(dir, "wait")
	var wg sync.WaitGroup
	wg.Go(func() { f.invoke(invocation(v, request{Start: start, Wait: wait})) })
	awaitFile(f.t, start)
	return func() {
		f.t.Helper()
		if err := os.WriteFile(wait, nil, 0o600); err != nil {
			f.t.Fatal(err)
		}
		wg.Wait()
	}
}

// named is a version of a function with that name.
func named(t testing.TB, name, number string) *function.Version {
	return version(t, "", func(v *function.Version) {
		v.Name, v.Version, v.ARN = name, number, "arn:aws:lambda:us-east-1:000000000000:function:"+name+":"+number
	})
}

func TestReservedConcurrency(t *testing.T) {
	const reserved, unreserved = "ReservedFunctionConcurrentInvocationLimitExceeded", "ConcurrentInvocationLimitExceeded"
	f := newFixture(t, func(o *Options) { o.Concurrency = 3 })
	one, two, other := named(t, "f", "1"), named(t, "f", "2"), named(t, "g", "1")
	f.Reserve(one.ID(), new(2))

	// The limit is the function's, over all its versions.
	first, second := f.hold(one), f.hold(two)
	for _, v := range []*function.Version{one, two} {
		if got := f.throttled(v); got != reserved {
			t.Errorf("%s: %q", v.ARN, got)
		}
	}
	// What is reserved is not the other functions', and nothing else is taken.
	third := f.hold(other)
	if got := f.throttled(other); got != unreserved {
		t.Errorf("%q", got)
	}
	second()
	if got := f.throttled(one); got != "" {
		t.Errorf("%q", got)
	}
	third()

	// 0 throttles everything, and ends nothing.
	f.Reserve(one.ID(), new(0))
	if got := f.throttled(one); got != reserved {
		t.Errorf("%q", got)
	}
	first()
	if got := f.throttled(one); got != reserved {
		t.Errorf("%q", got)
	}
	f.Reserve(one.ID(), nil)
	var ends []func()
	for range 3 {
		ends = append(ends, f.hold(one))
	}
	if got := f.throttled(other); got != unreserved {
		t.Errorf("%q", got)
	}
	for _, end := range ends {
		end()
	}
	for _, v := range []*function.Version{one, other} {
		if n := f.running(v); n != 0 {
			t.Errorf("%s: %d are still counted", v.Name, n)
		}
	}
}

// However many callers there are, never more run than are reserved, and whoever
// is not throttled is answered.
func TestReservedConcurrencyUnderLoad(t *testing.T) {
	f := newFixture(t, nil)
	v := named(t, "f", "1")
	f.Reserve(v.ID(), new(2))
	var wg sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for n := range 8 {
		wg.Go(func() {
			for m := range 30 {
				res, err := f.Invoke(context.Background(), invocation(v, strconv.Itoa(n*100+m)))
				var throttled *function.ErrThrottled
				switch {
				case errors.As(err, &throttled):
				case err != nil || string(res.Payload) != `"`+strconv.Itoa(n*100+m)+`"`:
					t.Errorf("%+v %v", res, err)
				default:
					mu.Lock()
					served++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if served == 0 {
		t.Error("all were throttled")
	}
	if n := f.count(); n > 2 {
		t.Errorf("%d environments for a concurrency of 2", n)
	}
	if n := f.running(v); n != 0 {
		t.Errorf("%d are still counted", n)
	}
}

func TestForgottenFunction(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Concurrency = 3 })
	v := named(t, "f", "1")
	f.Reserve(v.ID(), new(2))
	a := f.concurrency(v.ID()).account
	end := f.hold(v)
	f.Retire(v.ARN)
	for range 2 {
		f.Forget(v.ID())
	}
	if _, known := f.functions.Load(v.ID()); known || a.unreserved.Load() != 3 {
		t.Errorf("still known: %v; %d are not set aside", known, a.unreserved.Load())
	}
	end()
	if n := f.concurrency(v.ID()); n.reserved.Load() != noReservation || n.running.Load() != 0 {
		t.Error("the name's next function inherits")
	}
}
