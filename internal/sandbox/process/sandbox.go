package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// textBusyWait bounds how long Start retries a program that is still open for
// writing: a process forked at the wrong moment by any part of the daemon holds
// a copy of the descriptor that wrote the file until its own exec.
const textBusyWait = 200 * time.Millisecond

var errFrozen = errors.New("sandbox: frozen")

// Sandbox implements sandbox.Sandbox.
type Sandbox struct {
	driver *Driver
	spec   sandbox.Spec
	layout sandbox.Layout
	dir    string // holds tmp, and opt when there is no layer
	marker string // value of markerVariable in the environment of its processes

	mu        sync.Mutex // held while processes start, freeze, thaw and are destroyed
	processes []*process
	listeners []net.Listener
	frozen    bool
	stopped   strays // while frozen
	peak      int64
	destroyed bool
	err       error // of Destroy
}

var _ sandbox.Sandbox = (*Sandbox)(nil)

func (d *Driver) newSandbox(spec *sandbox.Spec, number int) (_ *Sandbox, err error) {
	name := strconv.Itoa(number)
	s := &Sandbox{
		driver: d,
		spec:   *spec,
		dir:    filepath.Join(d.dir, name),
		marker: filepath.Base(d.dir) + "/" + name,
	}
	s.layout = sandbox.Layout{
		Lang:    spec.Lang,
		Runtime: spec.Bootstrap,
		Tmp:     filepath.Join(s.dir, "tmp"),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(s.dir))
		}
	}()
	if err := os.MkdirAll(s.layout.Tmp, 0o700); err != nil {
		return nil, err
	}
	if spec.Code == "" {
		return s, nil
	}
	return s, s.place(spec)
}

// place puts the function's code and layers into the layout.
func (s *Sandbox) place(spec *sandbox.Spec) (err error) {
	opt := filepath.Join(s.dir, "opt")
	switch len(spec.Layers) {
	case 0:
		err = os.Mkdir(opt, 0o755)
	case 1:
		opt = spec.Layers[0]
	default:
		opt, err = s.driver.merged.folder(spec.Layers)
	}
	if err != nil {
		return err
	}
	s.layout.Task, s.layout.Opt = spec.Code, opt
	return nil
}

// Layout implements sandbox.Sandbox: host folders. Tmp is private to the
// environment; nothing makes programs use it but a TMPDIR that the caller sets.
func (s *Sandbox) Layout() sandbox.Layout {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.layout
}

// Attach implements sandbox.Sandbox: the layout has the function's folders from
// then on. Of the limits only OpenFiles means anything to this driver.
func (s *Sandbox) Attach(ctx context.Context, spec *sandbox.Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.destroyed:
		return sandbox.ErrDestroyed
	case s.spec.Code != "":
		return sandbox.ErrAttached
	}
	whole, err := s.spec.Complete(spec)
	if err != nil {
		return err
	}
	s.spec = *whole
	s.layout.Lang, s.layout.Runtime = whole.Lang, whole.Bootstrap
	if err := s.place(whole); err != nil {
		return fmt.Errorf("attach a function to environment %s: %w", s.spec.ID, err)
	}
	return nil
}

// Listen implements sandbox.Sandbox. Every process of this host can reach the
// listener. The port is always one the system chooses: all environments share
// the host's ports.
func (s *Sandbox) Listen(int) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return nil, sandbox.ErrDestroyed
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.listeners = append(s.listeners, listener)
	return listener, nil
}

// dialTime bounds Dial where a listener takes no more connections: else the kernel
// answers at once.
const dialTime = 100 * time.Millisecond

// Dial implements sandbox.Sandbox. All environments share the host's ports.
func (s *Sandbox) Dial(port int) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return nil, sandbox.ErrDestroyed
	}
	dialer := net.Dialer{Timeout: dialTime}
	return dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
}

// Start implements sandbox.Sandbox. On Linux the process finds one variable more
// than cmd.Env names, by which Destroy recognises its descendants, and its limits
// are set when Start returns, not from its first instruction on.
func (s *Sandbox) Start(ctx context.Context, cmd *sandbox.Command) (sandbox.Process, error) {
	if !filepath.IsAbs(cmd.Path) {
		return nil, fmt.Errorf("sandbox: path of the program is not absolute: %q", cmd.Path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.destroyed:
		return nil, sandbox.ErrDestroyed
	case s.frozen:
		return nil, errFrozen
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }() // nothing was written
	if cmd.Dir != "" {
		// The fork reports a missing folder as if the program were missing.
		if info, err := os.Stat(cmd.Dir); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, &os.PathError{Op: "chdir", Path: cmd.Dir, Err: syscall.ENOTDIR}
		}
	}

	attr := &syscall.ProcAttr{
		Dir:   cmd.Dir,
		Env:   append([]string{markerVariable + "=" + s.marker}, cmd.Env...),
		Files: []uintptr{null.Fd(), fdOr(cmd.Stdout, null), fdOr(cmd.Stderr, null)},
		Sys:   attributes(),
	}
	for _, file := range cmd.Extra {
		attr.Files = append(attr.Files, file.Fd())
	}
	pid, err := s.fork(ctx, cmd, attr)
	if err != nil {
		return nil, err
	}
	p, err := newProcess(pid, &s.spec)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	return p, nil
}

// fork starts the program on the spawner's thread.
func (s *Sandbox) fork(ctx context.Context, cmd *sandbox.Command, attr *syscall.ProcAttr) (pid int, err error) {
	for deadline := time.Now().Add(textBusyWait); ; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		s.driver.spawner.do(func() { pid, err = syscall.ForkExec(cmd.Path, cmd.Args, attr) })
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	switch {
	case err == nil:
		return pid, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return 0, fmt.Errorf("start %s: %w", cmd.Path, err) // the host's lack, not the program's fault
	}
	return 0, &sandbox.ExecError{Path: cmd.Path, Err: err}
}

func fdOr(file, otherwise *os.File) uintptr {
	if file == nil {
		file = otherwise
	}
	return file.Fd()
}

// SetCPU implements sandbox.Sandbox: this driver limits no processors.
func (s *Sandbox) SetCPU(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	return nil
}

// Freeze implements sandbox.Sandbox with SIGSTOP.
func (s *Sandbox) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	s.frozen = true
	if err := s.signalGroups(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := s.stopped.stop(s.marker, s.groups()); err != nil {
		return err
	}
	for _, p := range s.processes {
		p.child.awaitStop()
	}
	return nil
}

// Thaw implements sandbox.Sandbox with SIGCONT. An invocation waits for it, so it
// does not look for processes again, but remembers what Freeze found.
func (s *Sandbox) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	s.frozen = false
	return errors.Join(s.signalGroups(syscall.SIGCONT), s.stopped.resume())
}

// groups are the IDs of the process groups that the environment's processes lead.
func (s *Sandbox) groups() map[int]bool {
	groups := make(map[int]bool, len(s.processes))
	for _, p := range s.processes {
		groups[p.pid] = true
	}
	return groups
}

func (s *Sandbox) signalGroups(sig syscall.Signal) error {
	for group := range s.groups() {
		if err := syscall.Kill(-group, sig); err != nil && !gone(err) {
			return fmt.Errorf("signal process group %d: %w", group, err)
		}
	}
	return nil
}

// gone tells that a signal found no living process: macOS says EPERM for a group
// of which only zombies are left.
func gone(err error) bool {
	return errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.EPERM)
}

// Usage implements sandbox.Sandbox: the largest sum of the peaks of the
// processes that were alive together at an earlier call, or the peak of one that
// has ended. On systems other than Linux only ended processes count.
func (s *Sandbox) Usage() (sandbox.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.Usage{}, sandbox.ErrDestroyed
	}
	running, err := residentPeak(s.marker)
	if err != nil {
		return sandbox.Usage{}, err
	}
	s.peak = max(s.peak, running)
	for _, p := range s.processes {
		s.peak = max(s.peak, p.peak.Load())
	}
	return sandbox.Usage{MaxMemoryBytes: s.peak}, nil
}

// Destroy implements sandbox.Sandbox.
func (s *Sandbox) Destroy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return s.err
	}
	s.destroyed = true
	defer s.driver.forget(s)

	errs := []error{s.signalGroups(syscall.SIGKILL), s.stopped.forget()}
	for _, p := range s.processes {
		<-p.done
	}
	errs = append(errs, killStrays(s.marker))
	for _, p := range s.processes {
		errs = append(errs, p.child.release())
	}
	for _, listener := range s.listeners {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, removeAll(s.dir))
	if err := errors.Join(errs...); err != nil {
		s.err = fmt.Errorf("destroy environment %s: %w", s.spec.ID, err)
	}
	return s.err
}
