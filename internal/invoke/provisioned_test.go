package invoke

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// provisioned is a version with n initialized environments.
func (f *fixture) provisioned(n int) *function.Version {
	f.t.Helper()
	v := named(f.t, "f", "1")
	f.Provision(v, n)
	f.awaitProvisioned(v, n)
	return v
}

func (f *fixture) awaitProvisioned(v *function.Version, n int) {
	f.t.Helper()
	want := function.Provisioned{Wanted: n, Initialized: n, Complete: true}
	await(f.t, "the provisioned environments", func() bool { return f.Provisioned(v.ARN) == want && f.ready(v) == n })
}

func (f *fixture) ready(v *function.Version) int {
	p := f.pool(v)
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept.ready)
}

// initializationType is that of the environment that the next request runs in.
func (f *fixture) initializationType(v *function.Version) string {
	f.t.Helper()
	var env []string
	if err := json.Unmarshal(f.invoke(invocation(v, request{Do: "env"})).Payload, &env); err != nil {
		f.t.Fatal(err)
	}
	return sorted(env)["AWS_LAMBDA_INITIALIZATION_TYPE"]
}

func TestProvisioned(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.IdleExpiry, o.FreezeAfter = time.Millisecond, time.Millisecond })
	v := f.provisioned(2)
	if n := f.count(); n != 2 {
		t.Errorf("%d environments", n)
	}
	if got := f.initializationType(v); got != "provisioned-concurrency" {
		t.Error(got)
	}
	// When all are at work, others are started; those expire, and the
	// provisioned ones stay.
	first, second := f.hold(v), f.hold(v)
	if got := f.initializationType(v); got != "on-demand" {
		t.Error(got)
	}
	first()
	second()
	await(t, "the other environment to expire", func() bool { return f.count() == 2 })
	f.awaitProvisioned(v, 2)
	if got := f.initializationType(v); got != "provisioned-concurrency" {
		t.Error(got)
	}

	// One that ends is replaced.
	if res := f.invoke(invocation(v, request{Do: "exit", N: 1})); res.FunctionError == "" {
		t.Errorf("%s", res.Payload)
	}
	f.awaitProvisioned(v, 2)

	// More, fewer, none.
	f.Provision(v, 3)
	f.awaitProvisioned(v, 3)
	busy := f.hold(v)
	f.Provision(v, 1)
	await(t, "the surplus to end", func() bool { return f.count() == 1 })
	busy()
	f.awaitProvisioned(v, 1)
	f.Provision(v, 0)
	await(t, "all to end", func() bool { return f.count() == 0 })
	if got := f.initializationType(v); got != "on-demand" {
		t.Error(got)
	}
	f.Provision(named(t, "unknown", "1"), 0)
	if got := f.Provisioned("unknown"); got != (function.Provisioned{}) {
		t.Errorf("%+v", got)
	}
}

// What is provisioned is taken out of the account's concurrency, and its
// requests do not count there; a retired version gives it back.
func TestProvisionedConcurrencyCounts(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Concurrency = 3 })
	v, other := f.provisioned(2), named(t, "g", "1")
	kept, shared := []func(){f.hold(v), f.hold(v)}, f.hold(other)
	for _, each := range []*function.Version{v, other} {
		if got := f.throttled(each); got != reasonAccount {
			t.Errorf("%s: %q", each.Name, got)
		}
	}
	shared()
	kept = append(kept, f.hold(v)) // beyond what is provisioned
	if got := f.throttled(other); got != reasonAccount {
		t.Errorf("%q", got)
	}
	f.Reserve(v.ID(), new(2)) // which has what is provisioned in it
	if got := f.throttled(v); got != reasonReserved {
		t.Errorf("%q", got)
	}
	for _, end := range kept {
		end()
	}
	f.Reserve(v.ID(), nil)
	f.Retire(v.ARN)
	for range 3 {
		defer f.hold(other)()
	}
	if got := f.throttled(other); got != reasonAccount {
		t.Errorf("%q", got)
	}
}

// An Init that fails is told, and tried again later; a request that comes
// meanwhile is answered as without.
func TestProvisionedInitFails(t *testing.T) {
	f := newFixture(t, nil)
	good := filepath.Join(t.TempDir(), "good")
	v := version(t, "[ -e "+good+" ] || exit 1\n"+curl(""), func(v *function.Version) { v.Version, v.ARN = "1", v.ARN+":1" })
	f.Provision(v, 2)
	await(t, "the failure", func() bool { return f.Provisioned(v.ARN).Reason != "" && f.count() == 0 })
	if got := f.Provisioned(v.ARN); got != (function.Provisioned{Wanted: 2, Reason: "FUNCTION_ERROR_INIT_FAILURE"}) {
		t.Errorf("%+v", got)
	}
	if res := f.invoke(invocation(v, request{})); !strings.Contains(string(res.Payload), "Runtime.ExitError") {
		t.Errorf("%s", res.Payload)
	}
	if err := os.WriteFile(good, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := f.pool(v)
	p.mu.Lock()
	if p.kept.retry == nil {
		t.Error("it is not tried again")
	}
	p.kept.retry.Reset(0)
	p.mu.Unlock()
	f.awaitProvisioned(v, 2)
	f.invoke(invocation(v, request{}))
}

func TestProvisionedWithoutARuntime(t *testing.T) {
	f := newFixture(t, nil)
	v := named(t, "f", "1")
	v.Runtime = "cobol85"
	f.Provision(v, 1)
	await(t, "the failure", func() bool { return strings.Contains(f.Provisioned(v.ARN).Reason, "cobol85") })
	f.Retire(v.ARN)
}

// Provisioned environments that end while they are idle, before they were of any
// use, are not started again without pause.
func TestProvisionedThatEndsAtOnce(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.FreezeAfter = time.Hour })
	dir := t.TempDir()
	v := version(t, "mktemp "+dir+"/XXXXXX; (sleep 0.05; kill -9 $$) &\n"+curl(""), func(v *function.Version) { v.Version, v.ARN = "1", v.ARN+":1" })
	f.Provision(v, 1)
	p := f.pool(v)
	await(t, "its end", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.kept.retry != nil && p.kept.live.Load() == 0
	})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("started %d times, %v", len(files), err)
	}
}

// A Close while environments begin leaves none.
func TestCloseWhileProvisioning(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Starts = 1 })
	v := version(t, "sleep 100", func(v *function.Version) { v.Version, v.ARN = "1", v.ARN+":1" })
	f.Provision(v, 5)
	if err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d environments are left", n)
	}
}
