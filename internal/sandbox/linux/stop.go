//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// stopWait bounds how long stop waits for processes to have stopped: one in the
// middle of vfork stops only once its child, itself stopped, has called exec. It
// does not run either.
const stopWait = 100 * time.Millisecond

// stop is Freeze on hosts without a freezer.
func (s *Sandbox) stop() error {
	for deadline := time.Now().Add(stopWait); ; {
		// Again in every round: a process may have forked before it stopped.
		if err := s.signalAll(unix.SIGSTOP); err != nil {
			return err
		}
		running := false
		err := s.eachProcess(func(pid int) error {
			running = running || !stopped(pid)
			return nil
		})
		if err != nil || !running || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (s *Sandbox) signalAll(sig unix.Signal) error {
	return s.eachProcess(func(pid int) error {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
		return nil
	})
}

// eachProcess calls f for the processes of the environment's PID namespace,
// process 1 excepted, which never runs.
func (s *Sandbox) eachProcess(f func(pid int) error) error {
	var own unix.Stat_t
	path := fmt.Sprintf("/proc/%d/ns/pid", s.init)
	if err := unix.Stat(path, &own); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	names, err := proc.Readdirnames(-1)
	if err := errors.Join(err, proc.Close()); err != nil {
		return err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == s.init {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+name+"/ns/pid", &st) != nil || st.Ino != own.Ino {
			continue // it has ended, or is another's
		}
		if err := f(pid); err != nil {
			return err
		}
	}
	return nil
}

// stopped tells whether a process has stopped or ended.
func stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	return len(after) > 0 && bytes.IndexByte([]byte("TtZX"), after[0]) >= 0
}
