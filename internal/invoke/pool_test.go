package invoke

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// A request that waits for an environment of its own takes another's that is
// free earlier.
func TestLateBinding(t *testing.T) {
	f := newFixture(t, nil)
	dir := t.TempDir()
	slow := filepath.Join(dir, "slow")
	// From the second environment on, Init waits for a file.
	v := version(t, `if ! mkdir `+dir+`/first 2>/dev/null; then touch `+slow+`; while [ ! -e `+dir+`/go ]; do sleep 0.01; done; fi
`+curl(""), nil)
	f.invoke(invocation(v, request{}))
	p := f.pool(v)

	first, err := p.acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *environment)
	go func() {
		e, err := p.acquire(context.Background())
		if err != nil {
			t.Error(err)
		}
		got <- e
	}()
	awaitFile(t, slow) // the second environment initializes, and does not get ready
	p.release(first)
	if e := <-got; e != first {
		t.Error("the request did not take the environment that was free first")
	}
	p.release(first)
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the second environment to be idle", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.idle) == 2 && p.starting == 0
	})
	if e, _ := p.acquire(context.Background()); e == first {
		t.Error("not the environment that was used last")
	} else {
		p.release(e)
	}
}

// Requests that follow each other run in one environment, although the runtime
// has not always asked for the next event when the next request comes.
func TestSequentialRequestsShareAnEnvironment(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", func(v *function.Version) { v.Handler = "loop" })
	for range 500 {
		f.invoke(invocation(v, request{}))
	}
	if n := f.count(); n != 1 {
		t.Errorf("%d environments", n)
	}
}

// A runtime that answered and then does not ask for more holds its next request
// up for a moment, not for long.
func TestLingeringRuntime(t *testing.T) {
	f := newFixture(t, nil)
	f.grace = 10 * time.Millisecond
	dir := t.TempDir()
	v := version(t, curl(`curl -sS -o /dev/null -d "{}" $api/invocation/$id/response; mkdir `+dir+`/first 2>/dev/null && exec sleep 100`),
		func(v *function.Version) { v.Timeout = time.Second })
	f.invoke(invocation(v, request{}))
	f.invoke(invocation(v, request{}))
	if n := f.count(); n != 2 {
		t.Errorf("%d environments", n)
	}
	// The first invocation lasts until its runtime asks for more: here, for too long.
	await(t, "the first environment to end", func() bool { return f.count() == 1 })
	await(t, "its report", func() bool { return strings.Contains(f.logs.text(), "\tStatus: timeout\n") })
}

func TestConcurrentRequests(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			for m := range 40 {
				text := strconv.Itoa(n*1000 + m)
				res, err := f.Invoke(context.Background(), invocation(v, text))
				if err != nil || string(res.Payload) != `"`+text+`"` {
					t.Errorf("%s: %+v %v", text, res, err)
				}
			}
		})
	}
	wg.Wait()
	if n := f.count(); n > 6 {
		t.Errorf("%d environments for 6 callers", n)
	}
	p := f.pool(v)
	await(t, "every environment to be idle", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.idle) == f.count() && p.freeing == 0 && p.starting == 0
	})
	if n := f.running(v); n != 0 {
		t.Error("concurrency is", n)
	}
}

// A burst of short requests is served by the environments that are ready first,
// and does not start one for each.
func TestBurst(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Starts = 2 })
	v := version(t, "", nil)
	const requests = 100
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			if res, err := f.Invoke(context.Background(), invocation(v, "x")); err != nil || string(res.Payload) != `"x"` {
				t.Errorf("%+v %v", res, err)
			}
		})
	}
	wg.Wait()
	await(t, "the starts to end", func() bool {
		p := f.pool(v)
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.starting == 0
	})
	if n := f.count(); n > requests/4 {
		t.Errorf("%d environments", n)
	}
}

// Requests that last get as many environments as they are.
func TestBurstOfLongRequests(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Starts = 2 })
	v := version(t, "", nil)
	dir := t.TempDir()
	wait := filepath.Join(dir, "wait")
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() { f.invoke(invocation(v, request{Start: filepath.Join(dir, strconv.Itoa(n)), Wait: wait})) })
	}
	for n := range 8 {
		awaitFile(t, filepath.Join(dir, strconv.Itoa(n)))
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func TestConcurrencyLimit(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Concurrency = 1 })
	v := version(t, "", nil)
	dir := t.TempDir()
	start, wait := filepath.Join(dir, "start"), filepath.Join(dir, "wait")
	var wg sync.WaitGroup
	wg.Go(func() { f.invoke(invocation(v, request{Start: start, Wait: wait})) })
	awaitFile(t, start)
	_, err := f.Invoke(context.Background(), invocation(v, request{}))
	var throttled *function.ErrThrottled
	if !errors.As(err, &throttled) || throttled.Reason != "ConcurrentInvocationLimitExceeded" {
		t.Error(err)
	}
	other := version(t, "", func(v *function.Version) { v.Region, v.ARN = "eu-west-1", "other" })
	f.invoke(invocation(other, request{}))
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for range 20 { // the slot is free as soon as the caller has its answer
		f.invoke(invocation(v, request{}))
	}
}

func TestNewRevisionReplacesEnvironments(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	dir := t.TempDir()
	start, wait := filepath.Join(dir, "start"), filepath.Join(dir, "wait")
	old := string(f.invoke(invocation(v, request{Do: "pid"})).Payload)
	var wg sync.WaitGroup
	wg.Go(func() {
		if res := f.invoke(invocation(v, request{Do: "pid", Start: start, Wait: wait})); string(res.Payload) != old {
			t.Errorf("%s", res.Payload)
		}
	})
	awaitFile(t, start)
	changed := *v
	changed.RevisionID = "another"
	fresh := string(f.invoke(invocation(&changed, request{Do: "pid"})).Payload)
	if fresh == old {
		t.Error("the new revision ran in an old environment")
	}
	// A request that still has the old revision neither runs the new code nor
	// brings the old environments back.
	if late := string(f.invoke(invocation(v, request{Do: "pid"})).Payload); late == fresh || late == old {
		t.Error("the late request ran in", late)
	}
	if again := string(f.invoke(invocation(&changed, request{Do: "pid"})).Payload); again != fresh {
		t.Error("the late request ended the new environment")
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	await(t, "the old environments to end", func() bool { return f.count() == 1 })
	f.Retire(v.ARN)
	f.Retire("unknown")
	await(t, "the retired environment to end", func() bool { return f.count() == 0 })
	f.invoke(invocation(&changed, request{}))
}

func TestIdleExpiry(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.IdleExpiry = 30 * time.Millisecond })
	f.invoke(invocation(version(t, "", nil), request{}))
	await(t, "the environment to expire", func() bool { return f.count() == 0 })
}

func TestFreezeAndThaw(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.FreezeAfter = time.Millisecond })
	v := version(t, "", nil)
	f.invoke(invocation(v, request{}))
	p := f.pool(v)
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = 'x'
	}
	for range 3 {
		for _, payload := range []any{"small", string(big)} {
			await(t, "the environment to be frozen", func() bool {
				p.mu.Lock()
				idle := append([]*environment(nil), p.idle...)
				p.mu.Unlock()
				if len(idle) != 1 {
					return false
				}
				idle[0].mu.Lock()
				defer idle[0].mu.Unlock()
				return idle[0].frozen
			})
			if res := f.invoke(invocation(v, payload)); res.FunctionError != "" || len(res.Payload) != len(payload.(string))+2 {
				t.Errorf("%.100s", res.Payload)
			}
		}
	}
	if n := f.count(); n != 1 {
		t.Errorf("%d environments", n)
	}
}

func TestCrashWhileIdle(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	f.invoke(invocation(v, request{}))
	pid := 0
	f.living.each(func(e *environment) {
		e.mu.Lock()
		defer e.mu.Unlock()
		pid = e.proc.PID()
	})
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the environment to be gone", func() bool { return f.count() == 0 })
	if res := f.invoke(invocation(v, request{})); res.FunctionError != "" {
		t.Errorf("%s", res.Payload)
	}
}

func TestClose(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	dir := t.TempDir()
	start, wait := filepath.Join(dir, "start"), filepath.Join(dir, "wait")
	var wg sync.WaitGroup
	wg.Go(func() {
		if res := f.invoke(invocation(v, request{Do: "big", Start: start, Wait: wait})); res.FunctionError != "" {
			t.Errorf("%s", res.Payload)
		}
	})
	awaitFile(t, start)
	closed := make(chan error)
	go func() { closed <- f.Close(context.Background()) }()
	await(t, "the Invoker to close", f.closing.Load)
	if _, err := f.Invoke(context.Background(), invocation(v, request{})); !errors.Is(err, function.ErrShuttingDown) {
		t.Error(err)
	}
	if err := f.InvokeEvent(context.Background(), invocation(v, request{})); !errors.Is(err, function.ErrShuttingDown) {
		t.Error(err)
	}
	select {
	case err := <-closed:
		t.Fatal("closed while a function ran: ", err)
	default:
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	wg.Wait()
	if n := f.count(); n != 0 {
		t.Errorf("%d environments are left", n)
	}
}

func TestCloseDoesNotWaitForever(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	start := filepath.Join(t.TempDir(), "start")
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.Invoke(context.Background(), invocation(v, request{Start: start, Wait: "/nonexistent"})); !errors.Is(err, function.ErrShuttingDown) {
			t.Error(err)
		}
	})
	awaitFile(t, start)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := f.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	wg.Wait()
	if n := f.count(); n != 0 {
		t.Errorf("%d environments are left", n)
	}
}

// Whatever functions do, every request gets its own answer, and nothing is left
// behind.
func TestMixedLoad(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.FreezeAfter, o.IdleExpiry = time.Millisecond, 20*time.Millisecond
	})
	v := version(t, "", func(v *function.Version) { v.Timeout = time.Second })
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for m := range 25 {
				q, want := request{Do: "pid"}, ""
				switch (n + m) % 8 {
				case 0:
					q, want = request{Do: "exit", N: 1}, "Runtime.ExitError"
				case 1:
					q, want = request{Do: "fail", Text: "no luck"}, "no luck"
				case 2:
					if m < 8 {
						q, want = request{Wait: "/nonexistent"}, "Sandbox.Timedout"
					}
				case 3:
					time.Sleep(time.Duration(m) * time.Millisecond) // some environments freeze, some expire
				}
				inv := invocation(v, q)
				inv.Tail = m%3 == 0
				res, err := f.Invoke(context.Background(), inv)
				if err != nil {
					t.Error(err)
					continue
				}
				if want == "" != (res.FunctionError == "") || !strings.Contains(string(res.Payload), want) {
					t.Errorf("%+v: %s", q, res.Payload)
				}
				if inv.Tail != strings.Contains(string(res.LogTail), "REPORT RequestId: "+inv.RequestID) {
					t.Errorf("%+v: tail %s", q, res.LogTail)
				}
			}
		})
	}
	wg.Wait()
	await(t, "every environment to expire", func() bool { return f.count() == 0 })
	if n := f.running(v); n != 0 {
		t.Error("concurrency is", n)
	}
	log := f.logs.text()
	for _, kind := range []string{"START RequestId: ", "END RequestId: ", "REPORT RequestId: "} {
		if n := strings.Count(log, kind); n != 100 {
			t.Errorf("%d lines of %s", n, kind)
		}
	}
	p := f.pool(v)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freeing != 0 || p.starting != 0 || len(p.waiting) != 0 {
		t.Errorf("freeing %d, starting %d, waiting %d", p.freeing, p.starting, len(p.waiting))
	}
}
