package invoke

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// shell is a sandbox with its listeners, before any process runs in it.
type shell struct {
	box sandbox.Sandbox
	api net.Listener // of the Runtime API
	aws net.Listener // of the AWS endpoint; nil: there is none
}

// newShell makes a sandbox. Its listeners end with it.
func (i *Invoker) newShell(ctx context.Context, spec *sandbox.Spec) (s shell, err error) {
	if s.box, err = i.opts.Driver.New(ctx, spec); err != nil {
		return s, err
	}
	s.api, err = s.box.Listen(apiPort)
	if err == nil && i.opts.AWS != nil {
		s.aws, err = s.box.Listen(i.opts.AWSPort)
	}
	if err != nil {
		err = errors.Join(err, s.box.Destroy())
	}
	return s, err
}

// program is a runtime's process, and what connects it to the daemon.
type program struct {
	proc sandbox.Process
	link *runtimeapi.Link // nil: it speaks HTTP
	// What it writes, plain and framed, until a journal reads it.
	out, telemetry *os.File
}

// startProgram starts a runtime's process. The error is a *sandbox.ExecError
// where none of cmd's programs can be run.
func startProgram(ctx context.Context, box sandbox.Sandbox, cmd *runtimes.Command, env []string, dir string) (_ *program, err error) {
	p := &program{} // with what is there so far
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close() // nothing was written
		}
		if err != nil {
			p.close()
		}
	}()
	for _, ours := range []**os.File{&p.out, &p.telemetry} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		*ours = r
		theirs = append(theirs, w)
	}
	process := &sandbox.Command{
		Path: cmd.Path, Args: cmd.Args, Dir: dir, Env: env,
		Stdout: theirs[0], Stderr: theirs[0], // one pipe, so that what was written keeps its order
		Extra: theirs[1:], // telemetryFD
	}
	if cmd.Framed {
		link, end, err := runtimeapi.NewLink()
		if err != nil {
			return nil, err
		}
		p.link = link
		theirs = append(theirs, end)
		process.Extra = theirs[1:] // runtimes.FramesDescriptor, too
	}
	p.proc, err = box.Start(ctx, process)
	for _, other := range cmd.Fallback {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		process.Path = other
		p.proc, err = box.Start(ctx, process)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// close lets go of what nobody has taken over.
func (p *program) close() {
	if p.link != nil {
		p.link.Close()
	}
	for _, f := range []*os.File{p.out, p.telemetry} {
		if f != nil {
			_ = f.Close() // the read end of a pipe
		}
	}
}

// spec is the sandbox of a function of this environment.
func (e *environment) spec(rt *runtimes.Runtime) *sandbox.Spec {
	if image := e.v.Image; image != nil {
		return &sandbox.Spec{ID: e.id, Root: image.Layers, MemoryMB: e.v.MemoryMB, EphemeralMB: e.v.EphemeralMB}
	}
	return &sandbox.Spec{
		ID: e.id, Code: e.v.CodeDir, Layers: e.v.LayerDirs, Lang: rt.Lang, Bootstrap: rt.Bootstrap,
		MemoryMB: e.v.MemoryMB, EphemeralMB: e.v.EphemeralMB,
	}
}

// runtime is what runs a version.
func (i *Invoker) runtime(v *function.Version) (*runtimes.Runtime, error) {
	if v.Image != nil {
		return runtimes.Image(), nil
	}
	return i.opts.Runtimes.Resolve(v.Runtime)
}

// missClient says, where an image's entry point has never asked for an event and
// did not say why, what it may lack.
func (e *environment) missClient(f *failure) {
	if e.v.Image == nil {
		return
	}
	hint := "the image's entry point did not ask the Runtime API for an event; if it has no runtime interface client, add one: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html"
	f.message += " (" + hint + ")"
	e.log.say("Paddock: " + hint + "\n")
}

// boot makes the sandbox, starts the runtime in it, or takes one that was started
// ahead, and waits until it asks for its first event, fails, ends, or takes longer
// than limit. After a failure nothing is left of what it made.
func (e *environment) boot(ctx context.Context, limit time.Duration) (f *failure) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	rt, err := e.inv.runtime(e.v)
	if err != nil {
		return &failure{err: err}
	}
	if rt.Notice != "" {
		e.log.say(rt.Notice + "\n")
	}
	began := time.Now()
	defer func() {
		e.sayExtensions()
		if t := e.log.telemetry.Load(); t != nil {
			if f != nil {
				e.tell("platform.initRuntimeDone", e.says.initRuntimeDoneRecord(e.initPhase(), f))
			}
			e.tell("platform.initReport", e.says.initReportRecord(e.initPhase(), time.Since(began), f))
			t.initialized()
		}
		if f != nil {
			e.mu.Lock()
			e.phase = phaseReady // what its processes do from now on is known
			e.mu.Unlock()
			e.readMemory()
			if f.err == nil {
				e.close(f.reason())
			} else {
				e.end()
			}
		}
	}()
	if f := e.launch(ctx, rt, timer.C); f == errBootDeadline {
		return timedOut(limit)
	} else if f != nil {
		return f
	}
	select {
	case f = <-e.booted:
		if f != nil { // it is about to end; let it say its last words
			ended(e.proc, time.Now().Add(settleTime))
		}
	case <-e.proc.Done():
		e.api.Settle(settleTime)
		select {
		case f = <-e.booted: // it said why before it ended
		default:
		}
		if f == nil {
			f = exited(e.proc.Exit())
			e.missClient(f)
		}
	case <-timer.C:
		f = timedOut(limit)
		e.missClient(f)
	case <-ctx.Done():
		f = &failure{err: function.ErrShuttingDown}
	}
	if f != nil {
		return f
	}
	e.mu.Lock()
	e.extended = e.crew != nil || len(e.api.Extensions()) > 0
	e.mu.Unlock()
	e.limitCPU()
	go e.watch(e.proc)
	return nil
}

// launch brings the runtime to where it loads the function, after the external
// extensions. A zygote and a new process go the same way, but that the zygote gets
// its variables as it boots.
func (e *environment) launch(ctx context.Context, rt *runtimes.Runtime, deadline <-chan time.Time) *failure {
	e.api = nil // of the time before
	names, err := extensions(e.v)
	if err != nil {
		return &failure{err: err}
	}
	var shell shell
	var p *program
	z := e.inv.zygotes.take(ctx, rt, e)
	if z != nil {
		shell, p = z.shell, z.program
	} else {
		if shell, err = e.inv.newShell(ctx, e.spec(rt)); err != nil {
			return &failure{err: err}
		}
	}
	e.box = shell.box
	e.mu.Lock()
	e.phase = phaseInit
	e.boots++
	e.mu.Unlock()
	e.api = runtimeapi.Serve(shell.api, e, runtimeapi.Function{
		Name: e.v.Name, Version: e.v.Version, Handler: e.v.Handler, Account: e.v.Account,
	})
	e.openEndpoint(shell.aws)
	if len(names) > 0 {
		e.log.telemetry.Store(newTelemetry(e.box.Dial))
		e.tell("platform.initStart", e.says.initStartRecord(e.initPhase()))
	}
	layout := e.box.Layout()
	cmd := rt.Command(layout, e.v)
	variables := e.variables(cmd.Env, layout, shell.api.Addr().String())
	if len(names) > 0 {
		if f := e.startExtensions(ctx, names, variables, deadline); f != nil {
			if p != nil {
				p.close()
			}
			return f
		}
	}
	if p == nil {
		if cmd.Path == "" {
			return &failure{errorType: "Runtime.InvalidEntrypoint", message: "the image has no ENTRYPOINT and no CMD, and the function's ImageConfig gives none"}
		}
		if p, err = startProgram(ctx, e.box, cmd, variables, cmp.Or(cmd.Dir, layout.Task)); err != nil {
			return notStarted(err, layout, cmd.InvalidEntrypoint)
		}
		variables = nil // it was started with them
	}
	e.proc = p.proc
	if p.link != nil {
		e.api.ServeFrames(p.link)
	}
	if err := errors.Join(e.log.read(p.out, &lines{}, runtimeapi.KindFunction), e.log.read(p.telemetry, &frames{}, runtimeapi.KindFunction)); err != nil {
		return &failure{err: err}
	}
	if p.link == nil {
		return nil
	}
	doc, err := rt.Boot(layout, variables)
	if err != nil {
		return &failure{err: err}
	}
	if err := p.link.Boot(doc); err != nil { // the process has ended, which is seen next
		e.inv.log.Debug("boot a runtime", "environment", e.id, "error", err)
	}
	return nil
}
