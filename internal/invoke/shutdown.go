package invoke

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// The Shutdown phase of an environment with extensions: the runtime gets SIGTERM
// and a share of the time to end, then the extensions get their SHUTDOWN event and
// what is left of it, and whatever still runs then is killed.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-lifecycle-extensions-shutdown
const (
	shutdownExternal = 2 * time.Second
	shutdownInternal = 500 * time.Millisecond
	// Of shutdownExternal, for the runtime: more where it has an internal extension.
	shutdownRuntime         = 300 * time.Millisecond
	shutdownRuntimeInternal = 500 * time.Millisecond
)

// close ends an environment that was given up, for that reason: with its
// extensions' Shutdown phase where it has any.
func (e *environment) close(reason string) {
	e.rest.Stop()
	if e.api != nil {
		if all := e.api.Extensions(); len(all) > 0 {
			e.windDown(reason, all)
		}
	}
	e.end()
}

func (e *environment) windDown(reason string, all []runtimeapi.Extension) {
	began := time.Now()
	e.thawing.Lock()
	e.thaw() // which is nothing where it runs
	internal := slices.ContainsFunc(all, func(x runtimeapi.Extension) bool { return !x.External })
	limit, ofRuntime := shutdownInternal, shutdownInternal
	if e.crew != nil {
		limit, ofRuntime = shutdownExternal, shutdownRuntime
		if internal {
			ofRuntime = shutdownRuntimeInternal
		}
	}
	deadline := began.Add(limit)
	if e.proc != nil {
		e.signal(e.proc, syscall.SIGTERM)
		if !ended(e.proc, began.Add(ofRuntime)) {
			e.signal(e.proc, syscall.SIGKILL)
		}
	}
	e.log.telemetry.Load().flush(min(telemetryFlush, time.Until(deadline)))
	if e.crew == nil {
		return
	}
	e.api.Shutdown(reason, deadline)
	for _, m := range e.crew.members {
		subscribed := slices.ContainsFunc(all, func(x runtimeapi.Extension) bool { return x.Name == m.name && x.Subscribed() })
		if !subscribed {
			e.signal(m.proc, syscall.SIGKILL)
		}
	}
	for _, m := range e.crew.members {
		if !ended(m.proc, deadline) {
			e.inv.log.Debug("an extension did not end in time", "environment", e.id, "function", e.v.ARN, "extension", m.name)
		}
	}
}

// ended waits until a process has ended, and reports whether it did in time.
func ended(p sandbox.Process, deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.Done():
		return true
	case <-timer.C:
		return false
	}
}

func (e *environment) signal(p sandbox.Process, sig syscall.Signal) {
	select {
	case <-p.Done():
		return
	default:
	}
	if err := p.Signal(sig); err != nil && !errors.Is(err, sandbox.ErrDestroyed) && !errors.Is(err, syscall.ESRCH) {
		e.inv.log.Debug("signal a process", "environment", e.id, "function", e.v.ARN, "signal", sig.String(), "error", err)
	}
}
