package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a killed process was starting may hold its lock a moment longer.
func TestLockOfTheDead(t *testing.T) {
	dir := t.TempDir()
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := flock(f); err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(f, dead.Process.Pid); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		l, err := acquire(dir)
		if err == nil {
			err = l.release()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatal("did not wait: ", err)
	default:
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	// One that lives is told of at once.
	held, err := acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := acquire(dir); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Error(err)
	}
	if err := held.release(); err != nil {
		t.Error(err)
	}
}
