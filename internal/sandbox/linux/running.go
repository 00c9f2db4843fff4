//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// process implements sandbox.Process.
type process struct {
	sandbox *Sandbox
	pid     int
	done    chan struct{}
	exit    sandbox.Exit // before done is closed

	mu     sync.Mutex
	reaped bool // its ID may belong to another process
	killed bool // Signal sent SIGKILL
}

var _ sandbox.Process = (*process)(nil)

func newProcess(s *Sandbox, pid int) *process {
	p := &process{sandbox: s, pid: pid, done: make(chan struct{})}
	go p.await()
	return p
}

func (p *process) await() {
	defer close(p.done)
	status, err := p.wait()
	if err != nil {
		// Only possible when something else in this program reaped the child.
		slog.Error("wait for a function's process", "pid", p.pid, "error", err)
		p.exit = sandbox.Exit{Code: -1}
		return
	}
	if !status.Signaled() {
		p.exit = sandbox.Exit{Code: status.ExitStatus()}
		return
	}
	p.exit = sandbox.Exit{Code: -1, Signal: status.Signal()}
	p.exit.OOM = status.Signal() == unix.SIGKILL && p.killedByLimit()
}

// wait returns when the process has ended. It is reaped under the lock, so that
// Signal never reaches a stranger with the same ID.
func (p *process) wait() (status unix.WaitStatus, err error) {
	if err := p.ended(); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	for {
		_, err = unix.Wait4(p.pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return status, err
		}
	}
}

// ended returns when the process has ended, without a thread that waits for it
// where it can: hundreds of environments are idle at a time.
func (p *process) ended() error {
	fd, err := unix.PidfdOpen(p.pid, unix.PIDFD_NONBLOCK)
	if err != nil { // out of descriptors, or Linux before 5.10
		return awaitEnd(unix.P_PID, p.pid, 0)
	}
	file := os.NewFile(uintptr(fd), "pidfd") // the runtime's poller has it
	defer file.Close()                       // nothing was written
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var waited error
	err = conn.Read(func(fd uintptr) bool { // again when it can be read: at the end
		waited = awaitEnd(unix.P_PIDFD, int(fd), unix.WNOHANG)
		return !errors.Is(waited, unix.EAGAIN)
	})
	return errors.Join(err, waited)
}

// awaitEnd waits for the end of a child, which is not reaped. With WNOHANG it
// returns EAGAIN while the child lives.
func awaitEnd(kind, id, options int) error {
	for {
		var info unix.Siginfo
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && options&unix.WNOHANG != 0 && info.Signo == 0:
			return unix.EAGAIN
		}
		return err
	}
}

// killedByLimit tells whether the SIGKILL that ended the process was the memory
// limit's: nobody else's that is known, and the group has counted one more.
func (p *process) killedByLimit() bool {
	p.mu.Lock()
	killed := p.killed
	p.mu.Unlock()
	if killed || p.sandbox.ending.Load() {
		return false
	}
	usage, err := p.sandbox.group.usage()
	if err != nil {
		slog.Error("read the OOM kills of an environment", "environment", p.sandbox.id(), "error", err)
		return false
	}
	kills := int64(usage.OOMKills)
	return p.sandbox.ooms.Swap(kills) < kills
}

func (p *process) PID() int              { return p.pid }
func (p *process) Done() <-chan struct{} { return p.done }

// Exit returns the zero Exit before Done is closed.
func (p *process) Exit() sandbox.Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return sandbox.Exit{}
	}
}

func (p *process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	if err := unix.Kill(p.pid, sig); err != nil {
		return err
	}
	p.killed = p.killed || sig == unix.SIGKILL
	return nil
}
