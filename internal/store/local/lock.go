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
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == syscall.EWOULDBLOCK {
		// Its holder may be about to write its PID, which is only told.
		text, readErr := io.ReadAll(io.LimitReader(f, 32))
		pid, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if readErr != nil || parseErr != nil {
			pid = 0
		}
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
