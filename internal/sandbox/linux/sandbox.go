//go:build linux && (amd64 || arm64)

package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// endWait bounds how long Destroy waits for killed processes. Only a process that
// hangs inside of the kernel (a dead network file system) takes longer than
// milliseconds.
const endWait = 30 * time.Second

// dialTime bounds Dial where a listener takes no more connections: else the kernel
// answers at once.
const dialTime = 100 * time.Millisecond

var errFrozen = errors.New("sandbox: frozen")

// layout is that of AWS Lambda.
var layout = sandbox.Layout{Task: "/var/task", Opt: "/opt", Lang: "/var/lang", Runtime: "/var/runtime", Tmp: "/tmp"}

// Sandbox implements sandbox.Sandbox.
type Sandbox struct {
	driver *Driver
	spec   atomic.Pointer[sandbox.Spec] // changed by Attach, under mu
	thread *thread
	group  group
	init   int // ID of process 1 on the host; 0: not started

	// mu is held while processes start, freeze, thaw and are destroyed. Nothing
	// may start in a frozen environment: the thread would freeze with it.
	mu        sync.Mutex
	spare     *gate // what the first process comes from
	started   []*process
	listeners []net.Listener
	frozen    bool
	destroyed bool
	err       error // of Destroy

	ending atomic.Bool  // Destroy has begun
	ooms   atomic.Int64 // OOM kills that Exits have accounted for
}

var _ sandbox.Sandbox = (*Sandbox)(nil)

// newSandbox makes an environment of one that is ready, or of a new one.
func (d *Driver) newSandbox(spec *sandbox.Spec) (*Sandbox, error) {
	// Before a shell is used up for a specification that cannot be.
	folders, err := d.openFolders(&sandbox.Spec{}, spec)
	if err != nil {
		return nil, err
	}
	var s *Sandbox
	if d.shells != nil {
		s, err = d.shells.take()
	} else {
		s, err = d.newShell()
	}
	if err != nil {
		folders.close()
		return nil, err
	}
	if err := s.furnish(spec, folders); err != nil {
		return nil, errors.Join(err, s.Destroy())
	}
	return s, nil
}

// newShell makes what is the same for all environments: one without folders,
// limits and name.
func (d *Driver) newShell() (*Sandbox, error) {
	d.mu.Lock()
	d.made++
	name := strconv.Itoa(d.made)
	d.mu.Unlock()
	s := &Sandbox{driver: d, group: noGroup{}}
	s.spec.Store(&sandbox.Spec{ID: "shell-" + name})
	g, err := d.cgroups.create(name)
	if err != nil {
		return nil, err
	}
	s.group = g
	s.thread = newThread()
	if err := s.thread.do(s.build); err != nil {
		return nil, errors.Join(err, s.Destroy())
	}
	return s, nil
}

// furnish makes a shell, or a zygote, what spec says. The folders are what it
// lacks of that so far. Nobody else uses the environment meanwhile.
func (s *Sandbox) furnish(spec *sandbox.Spec, folders folders) error {
	s.spec.Store(spec)
	err := s.group.limit(limits{memory: int64(spec.MemoryMB) << 20, pids: s.processes() + 1}) // process 1
	if err != nil {
		folders.close()
		return err
	}
	return s.thread.do(func() error {
		err := unix.Sethostname([]byte(spec.ID[:min(len(spec.ID), 64)]))
		if err != nil {
			err = fmt.Errorf("set the host name: %w", err)
		}
		at := ""
		if root, ok := folders["/"]; ok {
			delete(folders, "/")
			at = imageRoot
			err = errors.Join(err, attach(root, at))
		}
		for path, fd := range folders {
			err = errors.Join(err, attach(fd, at+path))
		}
		if at == "" || err != nil {
			return err
		}
		return enterImage(at)
	})
}

// Attach implements sandbox.Sandbox.
func (s *Sandbox) Attach(ctx context.Context, spec *sandbox.Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !safeName(spec.ID) {
		return errorOfName(spec.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.spec.Load()
	switch {
	case s.destroyed:
		return sandbox.ErrDestroyed
	case had.Code != "" || len(had.Root) > 0:
		return sandbox.ErrAttached
	}
	whole, err := had.Complete(spec)
	if err != nil {
		return err
	}
	if err := s.driver.template.refresh(); err != nil {
		return fmt.Errorf("copy the host's resolver settings: %w", err)
	}
	folders, err := s.driver.openFolders(had, whole)
	if err != nil {
		return err
	}
	if err := s.furnish(whole, folders); err != nil {
		return fmt.Errorf("attach a function to environment %s: %w", whole.ID, err)
	}
	return nil
}

// id is the environment's, for people.
func (s *Sandbox) id() string { return s.spec.Load().ID }

func (s *Sandbox) processes() int { return cmp.Or(s.spec.Load().Processes, defaultProcesses) }

// Layout implements sandbox.Sandbox: as on AWS Lambda.
func (s *Sandbox) Layout() sandbox.Layout { return layout }

// Listen implements sandbox.Sandbox. Where the environment has a
// network of its own, only its processes reach the listener. With NetworkHost it
// is on the host's loopback interface, where other processes of the host reach
// it too, and the system chooses the port.
func (s *Sandbox) Listen(port int) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return nil, sandbox.ErrDestroyed
	}
	if s.driver.network == NetworkHost {
		port = 0
	}
	var listener net.Listener
	// A socket belongs for good to the network of the thread that made it.
	err := s.thread.do(func() (err error) {
		var config net.ListenConfig
		config.SetMultipathTCP(false) // loopback has one path
		listener, err = config.Listen(context.Background(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		return err
	})
	if err != nil {
		return nil, err
	}
	s.listeners = append(s.listeners, listener)
	return listener, nil
}

// Dial implements sandbox.Sandbox.
func (s *Sandbox) Dial(port int) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return nil, sandbox.ErrDestroyed
	}
	var conn net.Conn
	err := s.thread.do(func() (err error) {
		dialer := net.Dialer{Timeout: dialTime}
		dialer.SetMultipathTCP(false) // loopback has one path
		conn, err = dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		return err
	})
	return conn, err
}

// Start implements sandbox.Sandbox. It returns when the program runs or has
// failed to.
func (s *Sandbox) Start(ctx context.Context, cmd *sandbox.Command) (sandbox.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
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
	var pid int
	err := s.thread.do(func() (err error) {
		pid, err = s.start(cmd)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := newProcess(s, pid)
	s.started = append(s.started, p)
	return p, nil
}

// SetCPU implements sandbox.Sandbox.
func (s *Sandbox) SetCPU(milli int) error {
	if milli < 0 {
		return fmt.Errorf("sandbox: %d thousandths of a CPU", milli)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	if err := s.group.setCPU(milli); err != nil {
		return fmt.Errorf("limit the processors of environment %s: %w", s.id(), err)
	}
	return nil
}

// Freeze implements sandbox.Sandbox with the cgroup's freezer, or SIGSTOP.
func (s *Sandbox) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	err := s.group.freeze()
	if errors.Is(err, errNoFreezer) {
		err = s.stop()
	}
	if err != nil {
		return fmt.Errorf("freeze environment %s: %w", s.id(), errors.Join(err, s.thaw()))
	}
	s.frozen = true
	return nil
}

// Thaw implements sandbox.Sandbox.
func (s *Sandbox) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.ErrDestroyed
	}
	if err := s.thaw(); err != nil {
		return fmt.Errorf("thaw environment %s: %w", s.id(), err)
	}
	s.frozen = false
	return nil
}

func (s *Sandbox) thaw() error {
	err := s.group.thaw()
	if errors.Is(err, errNoFreezer) {
		err = s.signalAll(unix.SIGCONT)
	}
	return err
}

// Usage implements sandbox.Sandbox, from the cgroup: all zero without one that
// counts memory.
func (s *Sandbox) Usage() (sandbox.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return sandbox.Usage{}, sandbox.ErrDestroyed
	}
	return s.group.usage()
}

// Destroy implements sandbox.Sandbox. The mounts and the network end with the
// thread and the last process, without being undone one by one.
func (s *Sandbox) Destroy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return s.err
	}
	s.destroyed = true
	s.ending.Store(true)
	defer s.driver.forget(s)

	var errs []error
	if s.frozen {
		errs = append(errs, s.thaw()) // version 1 keeps SIGKILL from the frozen
	}
	errs = append(errs, s.endProcesses())
	for _, listener := range s.listeners {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.thread.end()
	errs = append(errs, s.group.remove())
	if err := errors.Join(errs...); err != nil {
		s.err = fmt.Errorf("destroy environment %s: %w", s.id(), err)
	}
	return s.err
}

// endProcesses kills process 1, whereupon the kernel kills all others. It stays
// until its siblings, which are this process's children, have been waited for.
func (s *Sandbox) endProcesses() error {
	if s.init == 0 {
		return nil
	}
	if err := unix.Kill(s.init, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process 1: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		for _, p := range s.started {
			<-p.done
		}
		var err error
		if s.spare != nil {
			err = s.spare.end()
		}
		ended <- errors.Join(err, reap(s.init))
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(endWait):
		return fmt.Errorf("processes are still alive %v after SIGKILL", endWait)
	}
}

// reap waits for a child of this process and lets its ID go.
func reap(pid int) error {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				err = fmt.Errorf("wait for process %d: %w", pid, err)
			}
			return err
		}
	}
}
