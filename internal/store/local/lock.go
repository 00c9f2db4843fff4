//go:build unix

package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// LockedError says that another process has the data folder open.
type LockedError struct {
	Dir string
	PID int // of that process; 0 where it is not known
}

// Error says what is wrong and what to do about it.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("another process (PID %d)", e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop it, or choose another folder with --data", e.Dir, who)
}

// lock is an exclusive lock on a data folder. The kernel gives it free when the
// process ends, however it ends; the file stays.
type lock struct{ f *os.File }

func acquire(dir string) (*lock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the data folder %s is another user's (was Paddock started with sudo before?): give it to this user, or choose another folder with --data: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	pid := 0
	for end := time.Now().Add(orphanWait); ; time.Sleep(orphanLook) {
		if err = flock(f); err != syscall.EWOULDBLOCK {
			break
		}
		pid = holder(f)
		if pid == 0 || alive(pid) || time.Now().After(end) {
			break
		}
	}
	if err == syscall.EWOULDBLOCK {
		if err := f.Close(); err != nil {
			return nil, err
		}
		return nil, &LockedError{Dir: dir, PID: pid}
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return &lock{f}, nil
}

// A process that was killed while it started another leaves the lock with that one
// until it runs its own program, or dies of its parent's death.
const (
	orphanWait = 5 * time.Second
	orphanLook = 10 * time.Millisecond
)

func flock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EINTR {
			return err
		}
	}
}

// holder is the PID in the file, 0 where there is none: its holder may be about to
// write it.
func holder(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// alive says whether there is a process of that PID, as far as can be told.
func alive(pid int) bool { return syscall.Kill(pid, 0) != syscall.ESRCH }

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// release gives the folder free. The PID goes first: it would be another's.
func (l *lock) release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}
