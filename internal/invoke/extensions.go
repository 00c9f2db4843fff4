package invoke

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// External extensions are programs of the function's layers that run beside its
// runtime: they start before it, hear of every invocation, and have the last word
// when the environment ends.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html

// extensionFolder is where they are, in a layer and under /opt.
const extensionFolder = "extensions"

// crew is the external extensions of an environment. Only boot and end change it,
// with the environment's lock held.
type crew struct {
	members []*member
	// launch is what became of one that could not be started: it has no process.
	launch      *member
	launchError string // "PermissionDenied"
}

// member is one external extension.
type member struct {
	name string
	proc sandbox.Process
	boot int // which Init it is of
	// failed is what it reported itself; guarded by the environment's lock.
	failed string
}

// extensions names a version's external extensions: every file in the folder, of
// the layers as they cover each other, or of its image.
func extensions(v *function.Version) ([]string, error) {
	if v.Image != nil {
		return v.Image.Extensions, nil
	}
	found := make(map[string]bool) // whether it is a file
	for _, layer := range v.LayerDirs {
		entries, err := os.ReadDir(filepath.Join(layer, extensionFolder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			found[entry.Name()] = !entry.IsDir()
		}
	}
	var names []string
	for name, file := range found {
		if file {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// hidden are the variables that extensions do not get.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-api-reg
var hidden = []string{
	"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
	"AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

// startExtensions starts the external extensions, and waits until all have
// registered: the runtime starts after that.
func (e *environment) startExtensions(ctx context.Context, names []string, variables []string, deadline <-chan time.Time) *failure {
	env := slices.DeleteFunc(slices.Clone(variables), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "_") || slices.Contains(hidden, name)
	})
	e.mu.Lock()
	e.crew = &crew{}
	boot := e.boots
	e.mu.Unlock()
	e.api.Expect(names[:min(len(names), runtimeapi.MaxExtensions)])
	for n, name := range names {
		m := &member{name: name, boot: boot}
		if n == runtimeapi.MaxExtensions {
			e.crew.launch, e.crew.launchError = m, "TooManyExtensions"
			return &failure{errorType: runtimeapi.ErrorExtensionLaunch, message: fmt.Sprintf("there are more than %d extensions", runtimeapi.MaxExtensions)}
		}
		if f := e.startExtension(ctx, m, env); f != nil {
			return f
		}
	}
	select {
	case <-e.registered:
		return nil
	case f := <-e.booted:
		return f
	case <-deadline:
		return errBootDeadline
	case <-ctx.Done():
		return &failure{err: function.ErrShuttingDown}
	}
}

// errBootDeadline stands for boot's time limit, which only boot knows.
var errBootDeadline = &failure{}

func (e *environment) startExtension(ctx context.Context, m *member, env []string) *failure {
	r, w, err := os.Pipe()
	if err != nil {
		return &failure{err: err}
	}
	layout := e.box.Layout()
	file := path.Join(layout.Opt, extensionFolder, m.name)
	m.proc, err = e.box.Start(ctx, &sandbox.Command{
		Path: file, Args: []string{file}, Env: env, Dir: "/",
		Stdout: w, Stderr: w, // one pipe, so that what was written keeps its order
	})
	_ = w.Close() // nothing was written
	if err != nil {
		_ = r.Close()
		var exec *sandbox.ExecError
		if !errors.As(err, &exec) {
			return &failure{err: err}
		}
		e.crew.launch, e.crew.launchError = m, "UnknownError"
		if errors.Is(err, fs.ErrPermission) {
			e.crew.launchError = "PermissionDenied"
		}
		return &failure{errorType: runtimeapi.ErrorExtensionLaunch, message: lambdaPaths(exec.Error(), layout)}
	}
	e.mu.Lock()
	e.crew.members = append(e.crew.members, m)
	e.mu.Unlock()
	go e.watchExtension(m)
	if err := e.log.read(r, &lines{}, runtimeapi.KindExtension); err != nil {
		return &failure{err: err}
	}
	return nil
}

// watchExtension waits for an extension to end, which it should do only after it
// was told to.
func (e *environment) watchExtension(m *member) {
	<-m.proc.Done()
	e.mu.Lock()
	f := &failure{errorType: runtimeapi.ErrorExtensionCrash, message: extensionEnd(m.proc.Exit())}
	if m.failed != "" {
		f.errorType = m.failed
	}
	e.collapse(m.boot, f)
}

// extensionEnd words how an extension ended.
func extensionEnd(x sandbox.Exit) string {
	switch {
	case x.Signal != 0:
		return "signal: " + x.Signal.String()
	case x.Code != 0:
		return fmt.Sprintf("exit status %d", x.Code)
	}
	return "exit code 0"
}

// Registered implements runtimeapi.Handler.
func (e *environment) Registered() { e.registered <- struct{}{} }

// ExtensionError implements runtimeapi.Handler: an extension cannot start or go
// on, and is about to end. The environment ends with it.
func (e *environment) ExtensionError(err *runtimeapi.ExtensionError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	boot := e.boots
	after := time.Duration(0)
	if e.crew != nil {
		for _, m := range e.crew.members {
			if m.name == err.Name {
				m.failed = err.Type
				after = settleTime // it ends before that, mostly, and watchExtension says how
			}
		}
	}
	time.AfterFunc(after, func() {
		e.mu.Lock()
		e.collapse(boot, &failure{errorType: err.Type, message: "the extension " + err.Name + " reported an error"})
	})
}

// collapse ends an environment one of whose extensions has failed, since that
// Init. It is called with the lock held, and releases it.
func (e *environment) collapse(boot int, f *failure) {
	switch r := e.run; {
	case e.boots != boot:
		e.mu.Unlock()
	case e.phase == phaseInit:
		e.phase = phaseReady
		e.mu.Unlock()
		e.booted <- f
	case e.phase == phaseIdle && e.proc != nil:
		e.phase = phaseDead
		e.mu.Unlock()
		e.inv.log.Debug("an extension failed while its environment was idle", "environment", e.id, "function", e.v.ARN, "reason", f.message)
		e.pool.gone(e, false)
		e.close(runtimeapi.ReasonFailure)
	case r != nil && (e.phase == phaseBusy || e.phase == phaseAnswered):
		if e.phase == phaseBusy {
			r.duration = time.Since(r.started)
		}
		r.status, r.errorType, r.reported = f.status(), f.errorType, false
		e.die(r, f, e.says.crashed(r.inv, f))
	default:
		e.mu.Unlock()
	}
}

// RuntimeDone implements runtimeapi.Handler: the extensions may be at work still.
func (e *environment) RuntimeDone() {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.phase {
	case phaseInit:
		e.tell("platform.initRuntimeDone", e.says.initRuntimeDoneRecord(e.initPhase(), nil))
	case phaseAnswered:
		e.run.runtimeDone = time.Now()
		e.tell("platform.runtimeDone", e.says.runtimeDoneRecord(e.run))
	}
}

// initPhase is "invoke" for an Init that is done again, within an invocation.
func (e *environment) initPhase() string {
	if e.run != nil {
		return "invoke"
	}
	return "init"
}

// sayExtensions tells the log of the extensions, at the end of Init.
func (e *environment) sayExtensions() {
	if e.api == nil {
		return
	}
	all := e.api.Extensions()
	if c := e.crew; c != nil && c.launch != nil {
		all = slices.DeleteFunc(all, func(x runtimeapi.Extension) bool { return x.Name == c.launch.name })
		all = append(all, runtimeapi.Extension{Name: c.launch.name, External: true, State: "LaunchError", ErrorType: c.launchError})
	}
	for _, x := range all {
		e.log.say(e.says.extension(&x))
		e.tell("platform.extension", extensionRecord(&x))
	}
}
