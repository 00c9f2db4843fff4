package process

import (
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// process implements sandbox.Process.
type process struct {
	pid   int
	child *child
	peak  atomic.Int64 // resident bytes, known when it has ended
	done  chan struct{}
	exit  sandbox.Exit // before done is closed
}

var _ sandbox.Process = (*process)(nil)

func newProcess(pid int, spec *sandbox.Spec) (*process, error) {
	c, err := adopt(pid, spec)
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, child: c, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		exit, peak, err := c.await()
		if err != nil {
			// Only possible when something else in this program reaped the child.
			slog.Error("wait for a function's process", "pid", pid, "error", err)
			exit = sandbox.Exit{Code: -1}
		}
		p.exit = exit
		p.peak.Store(peak)
	}()
	return p, nil
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
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
		return p.child.signal(sig)
	}
}
