//go:build !linux

package process

import (
	"os"
	"syscall"

	"github.com/paddock-run/paddock/internal/sandbox"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func sealDescriptors() error { return nil }

// child is a direct child of this process. Other than on Linux its ID is free
// from its end on, so that a later signal to its group can in theory hit another
// one; systems count through all IDs before they use one again.
type child struct{ process *os.Process }

func adopt(pid int, _ *sandbox.Spec) (*child, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	return &child{process: p}, nil
}

func (c *child) await() (sandbox.Exit, int64, error) {
	state, err := c.process.Wait()
	if err != nil {
		return sandbox.Exit{}, 0, err
	}
	var peak int64
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		peak = int64(usage.Maxrss) * maxrssUnit
	}
	exit := sandbox.Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit, peak, nil
}

// awaitStop does nothing: the stop follows the signal within microseconds, and
// this system has no way to wait for it that would not disturb await.
func (c *child) awaitStop() {}

func (c *child) signal(sig syscall.Signal) error { return c.process.Signal(sig) }

func (c *child) release() error { return nil }
