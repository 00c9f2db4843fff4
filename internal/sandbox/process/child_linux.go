package process

import (
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

const (
	defaultOpenFiles = 1024
	// stopWait bounds how long Freeze waits for a process to have stopped: a
	// process in the middle of vfork stops only once its child, itself stopped,
	// has called exec. It does not run either.
	stopWait = 100 * time.Millisecond
)

// Values of si_code for SIGCHLD, waitid(2).
const (
	codeExited = 1
	codeKilled = 2
	codeDumped = 3
)

// attributes of a new process. The parent-death signal reaches it when the
// daemon is killed, but not what it starts itself; see killOrphans.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// sealDescriptors keeps from functions the descriptors that this process
// inherited without close-on-exec. Go opens its own with it.
func sealDescriptors() error {
	err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return nil // Linux before 5.11: nothing is lost that it ever had
	}
	return err
}

// child is a direct child of this process. It is not reaped before release: until
// then no other process or process group can get its ID, so that a signal never
// hits a stranger.
type child struct{ pid int }

// adopt sets the limits that a running process can be given.
func adopt(pid int, spec *sandbox.Spec) (*child, error) {
	c := &child{pid: pid}
	files := uint64(spec.OpenFiles)
	if files == 0 {
		files = defaultOpenFiles
	}
	var hard unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &hard)
	if err == nil {
		files = min(files, hard.Max) // raising it is a privilege
		err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files}, nil)
	}
	if err == nil {
		err = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
		err = fmt.Errorf("set resource limits: %w", err)
		_ = unix.Kill(-pid, unix.SIGKILL)
		_, _, waitErr := c.await()
		return nil, errors.Join(err, waitErr, c.release())
	}
	return c, nil
}

// await returns when the child has ended, with its peak of resident bytes.
func (c *child) await() (sandbox.Exit, int64, error) {
	var info unix.Siginfo
	var usage unix.Rusage
	for {
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT, &usage)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return sandbox.Exit{}, 0, fmt.Errorf("waitid: %w", err)
		}
	}
	// Signo, Errno and Code are followed, aligned to a pointer, by si_pid, si_uid
	// and si_status of four bytes each.
	offset := (unsafe.Offsetof(info.Code) + 4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), offset+8))
	peak := usage.Maxrss * 1024
	switch info.Code {
	case codeExited:
		return sandbox.Exit{Code: int(status)}, peak, nil
	case codeKilled, codeDumped:
		return sandbox.Exit{Code: -1, Signal: syscall.Signal(status)}, peak, nil
	}
	return sandbox.Exit{}, 0, fmt.Errorf("waitid: unexpected code %d", info.Code)
}

// awaitStop returns when the child has stopped or ended, or after stopWait.
func (c *child) awaitStop() {
	pause := 20 * time.Microsecond
	for waited := time.Duration(0); waited < stopWait; waited += pause {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err != nil && !errors.Is(err, unix.EINTR) || info.Signo != 0 {
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 5*time.Millisecond)
	}
}

func (c *child) signal(sig syscall.Signal) error { return unix.Kill(c.pid, sig) }

// release frees the ID of the child, which has ended.
func (c *child) release() error {
	for {
		_, err := unix.Wait4(c.pid, nil, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
