package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

// markerVariable is inherited by all that an environment's processes start, also
// by what leaves their process group. It is not found in a process that cleared
// or overwrote its environment, nor in one that this user may not inspect.
const markerVariable = "PADDOCK_SANDBOX"

// killWait bounds how long killStrays chases processes that keep forking.
const killWait = 10 * time.Second

// killRounds ends, and waits for, the processes that find returns.
func killRounds(find func(marker string) bool) error {
	for deadline := time.Now().Add(killWait); ; {
		left := 0
		err := eachMarked(find, func(_ int, p *os.Process) error {
			left++
			return p.Signal(syscall.SIGKILL)
		})
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes are still alive %v after SIGKILL", left, killWait)
		}
		time.Sleep(time.Millisecond)
	}
}

// killStrays ends, and waits for, what is left of an environment outside of the
// process groups that the driver knows.
func killStrays(marker string) error {
	return killRounds(func(m string) bool { return m == marker })
}

// killOrphans ends what is left of the environments of daemons that were killed:
// the processes that theirs had started.
func killOrphans() error {
	return killRounds(func(marker string) bool {
		name, ours := strings.CutPrefix(marker, folderPrefix)
		name, _, hasRandom := strings.Cut(name, "-")
		return ours && hasRandom && !owner.Alive(name)
	})
}

// strays are processes that left the process groups that the driver knows.
type strays struct{ stopped []*os.Process }

// stop stops every process of the environment, and remembers those that are in
// none of the groups.
func (s *strays) stop(marker string, groups map[int]bool) error {
	if err := s.forget(); err != nil { // it finds them again
		return err
	}
	return eachMarked(func(m string) bool { return m == marker }, func(pid int, p *os.Process) error {
		group, err := syscall.Getpgid(pid)
		if err != nil || groups[group] {
			return err
		}
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		kept, err := os.FindProcess(pid)
		s.stopped = append(s.stopped, kept)
		return err
	})
}

// resume lets go on what stop has stopped.
func (s *strays) resume() error {
	var errs []error
	for _, p := range s.stopped {
		if err := p.Signal(syscall.SIGCONT); err != nil && !gone(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.forget())...)
}

// forget lets the handles of processes go.
func (s *strays) forget() error {
	var errs []error
	for _, p := range s.stopped {
		errs = append(errs, p.Release())
	}
	s.stopped = nil
	return errors.Join(errs...)
}

// residentPeak sums the peaks, in bytes, of the environment's living processes.
func residentPeak(marker string) (int64, error) {
	var sum int64
	err := eachMarked(func(m string) bool { return m == marker }, func(pid int, _ *os.Process) error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return os.ErrProcessDone
		}
		_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
		line, _, _ := bytes.Cut(after, []byte("\n"))
		fields := bytes.Fields(line) // "1234 kB"; absent when it is just ending
		if len(fields) == 2 {
			kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
			if err != nil {
				return fmt.Errorf("VmHWM of process %d: %w", pid, err)
			}
			sum += kib * 1024
		}
		return nil
	})
	return sum, err
}

// eachMarked calls do for every living process whose marker want accepts. The
// handle was opened before the marker was read: it cannot be another process
// that got the same ID.
func eachMarked(want func(marker string) bool, do func(int, *os.Process) error) error {
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
		if err != nil || !want(markerOf(pid)) {
			continue
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		if want(markerOf(pid)) {
			if err := do(pid, p); err != nil && !gone(err) {
				return errors.Join(fmt.Errorf("process %d: %w", pid, err), p.Release())
			}
		}
		if err := p.Release(); err != nil {
			return err
		}
	}
	return nil
}

// markerOf is empty for a process without one, a zombie, and one that cannot be
// inspected.
func markerOf(pid int) string {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(markerVariable+"=")); ok {
			return string(value)
		}
	}
	return ""
}
