//go:build linux && (amd64 || arm64)

package linux

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

const (
	// cgroupPrefix begins the name of the cgroup that a driver keeps its
	// environments' groups in; the owner and the driver's number follow.
	cgroupPrefix = "paddock-"
	// kernelWait bounds the waits for what the kernel does in the background, to a
	// group mostly: freezing it, letting go of its last process.
	kernelWait = 5 * time.Second
)

// Controllers that limits need.
const (
	memoryController  = "memory"
	pidsController    = "pids"
	cpuController     = "cpu"
	freezerController = "freezer" // of version 1; version 2 freezes without
)

// hierarchies counts those that this process has settled in.
var hierarchies atomic.Int64

// newBase is a name for a driver's own group.
func newBase() string {
	return fmt.Sprintf("%s%s-%d", cgroupPrefix, owner.Self(), hierarchies.Add(1))
}

// limits of a group; 0: none.
type limits struct {
	memory int64 // bytes
	pids   int
}

// hierarchy is what the driver uses of the host's cgroups.
type hierarchy interface {
	// name says which version, for people.
	name() string
	// has reports whether a controller is there.
	has(controller string) bool
	create(name string) (group, error)
	// close removes the driver's own group; those of environments are gone.
	close() error
}

// group is the group of one environment.
type group interface {
	// start calls fork, with attr changed as needed, so that the process it makes
	// belongs to the group from its first instruction on. It runs on a locked
	// thread, which must not see the host's file system any more.
	start(attr *syscall.SysProcAttr, fork func() error) error
	// limit sets what all processes may have together from now on, also those
	// that run.
	limit(l limits) error
	// setCPU limits processors, in thousandths of one; 0: no limit.
	setCPU(milli int) error
	freeze() error
	thaw() error
	usage() (sandbox.Usage, error)
	// remove removes the group, whose processes have all been reaped.
	remove() error
}

// errNoFreezer makes the driver stop the processes by signals.
var errNoFreezer = errors.New("no freezer in the host's cgroups")

// mount is a mounted cgroup hierarchy.
type mount struct {
	v2          bool
	controllers []string // of version 1
	point       string   // where it is mounted
	own         string   // folder of this process's group
}

// mounts reads what /proc/self/mountinfo and /proc/self/cgroup, given as texts,
// say about cgroups.
func mounts(mountinfo, cgroup string) []mount {
	ownV1, ownV2 := map[string]string{}, "/"
	for line := range strings.Lines(cgroup) { // 4:memory:/path or 0::/path
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) != 3 {
			continue
		}
		if part[0] == "0" && part[1] == "" {
			ownV2 = part[2]
		}
		for controller := range strings.SplitSeq(part[1], ",") {
			ownV1[controller] = part[2]
		}
	}
	var found []mount
	scan := bufio.NewScanner(strings.NewReader(mountinfo))
	for scan.Scan() {
		// 36 35 98:0 /root /point rw,noatime master:1 - cgroup source rw,memory
		before, after, ok := strings.Cut(scan.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		m := mount{point: left[4]}
		path := ownV2
		switch right[0] {
		case "cgroup2":
			m.v2 = true
		case "cgroup":
			for option := range strings.SplitSeq(right[2], ",") {
				if own, ok := ownV1[option]; ok && option != "" {
					m.controllers = append(m.controllers, option)
					path = own
				}
			}
			if len(m.controllers) == 0 {
				continue
			}
		default:
			continue
		}
		// A container may see the hierarchy from its own group on.
		m.own = m.point
		if below, err := filepath.Rel(left[3], path); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			m.own = filepath.Join(m.point, below)
		}
		found = append(found, m)
	}
	return found
}

// findHierarchy chooses the version that has the memory controller, and sweeps
// what dead daemons have left. It returns a hierarchy without anything where the
// host has no cgroups that this process may use; why says what went wrong.
func findHierarchy() (h hierarchy, why error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return noHierarchy{}, err
	}
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return noHierarchy{}, err
	}
	found := mounts(string(mountinfo), string(cgroup))
	// In version 1 no process ends before the freezer lets it go.
	slices.SortStableFunc(found, func(a, b mount) int {
		return cmp.Compare(slices.Index(b.controllers, freezerController), slices.Index(a.controllers, freezerController))
	})
	for _, m := range found {
		sweep(m)
	}
	h1, err1 := newCgroup1(found)
	h2, err2 := newCgroup2(found)
	switch {
	case h2 != nil && (h2.has(memoryController) || h1 == nil):
		if h1 != nil {
			err1 = h1.close()
		}
		return h2, errors.Join(err1, err2)
	case h1 != nil:
		if h2 != nil {
			err2 = h2.close()
		}
		return h1, errors.Join(err1, err2)
	}
	return noHierarchy{}, errors.Join(err1, err2)
}

// sweep removes what the environments of dead daemons left in a hierarchy. They
// can no longer be running, but they can be frozen. What cannot be removed is no
// reason not to start.
func sweep(m mount) {
	err := filepath.WalkDir(m.point, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // a group that went away
		}
		name, ours := strings.CutPrefix(entry.Name(), cgroupPrefix)
		name, _, numbered := strings.Cut(name, "-")
		if !ours || !numbered || owner.Alive(name) {
			return nil
		}
		if err := endGroup(path); err != nil {
			slog.Warn("a cgroup that an earlier run left could not be removed", "path", path, "error", err)
		}
		return fs.SkipDir
	})
	if err != nil {
		slog.Warn("look for cgroups that an earlier run left", "path", m.point, "error", err)
	}
}

// endGroup ends the processes of a group and of those below it, and removes them.
func endGroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := endGroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	// Version 1 keeps SIGKILL from frozen processes. One of the files exists, or
	// none where the hierarchy has no freezer.
	for file, value := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
		if err := put(dir, file, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return until(func() (bool, error) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(text)) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				return false, err
			}
			if pid == 0 || pid == os.Getpid() { // 0: of another PID namespace
				return false, fmt.Errorf("%s holds a process that is not ours to end", dir)
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return false, err
			}
		}
		return tryRemove(dir)
	})
}

// until calls f until it says done, for at most kernelWait.
func until(f func() (done bool, err error)) error {
	pause := 20 * time.Microsecond
	for deadline := time.Now().Add(kernelWait); ; {
		done, err := f()
		if done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no change within %v", kernelWait)
		}
		time.Sleep(pause)
		pause = min(2*pause, 5*time.Millisecond)
	}
}

// tryRemove is false while the kernel still counts ended processes of the group.
func tryRemove(dir string) (done bool, err error) {
	switch err := unix.Rmdir(dir); {
	case err == nil, errors.Is(err, unix.ENOENT):
		return true, nil
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINTR):
		return false, nil
	default:
		return false, &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
}

// put writes a control file, which must exist. It is on the way of every start and
// thaw: an os.File would ask whether the file can be polled.
func put(dir, file, value string) error {
	path := filepath.Join(dir, file)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer closeFD(fd) // the kernel has said all at the write
	for {
		n, err := unix.Write(fd, []byte(value))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && n < len(value):
			err = io.ErrShortWrite
			fallthrough
		case err != nil:
			return &os.PathError{Op: "write", Path: path, Err: err}
		}
		return nil
	}
}

// number reads a control file that holds one.
func number(dir, file string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// keyed reads the number of a key from a control file of "key number" lines; a
// key that is not there is 0.
func keyed(dir, file, key string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if field := strings.Fields(line); len(field) == 2 && field[0] == key {
			n, err := strconv.ParseInt(field[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", file, key, err)
			}
			return n, nil
		}
	}
	return 0, nil
}

// missing lists the controllers of wanted that a hierarchy has not.
func missing(h hierarchy, wanted ...string) []string {
	return slices.DeleteFunc(wanted, h.has)
}

// noHierarchy stands for a host without usable cgroups.
type noHierarchy struct{}

func (noHierarchy) name() string                 { return "no cgroups" }
func (noHierarchy) has(string) bool              { return false }
func (noHierarchy) create(string) (group, error) { return noGroup{}, nil }
func (noHierarchy) close() error                 { return nil }

type noGroup struct{}

func (noGroup) start(_ *syscall.SysProcAttr, fork func() error) error { return fork() }
func (noGroup) limit(limits) error                                    { return nil }
func (noGroup) setCPU(int) error                                      { return nil }
func (noGroup) freeze() error                                         { return errNoFreezer }
func (noGroup) thaw() error                                           { return errNoFreezer }
func (noGroup) usage() (sandbox.Usage, error)                         { return sandbox.Usage{}, nil }
func (noGroup) remove() error                                         { return nil }
