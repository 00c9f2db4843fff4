//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// thawEvery is how many looks at a group that is freezing pass until it is thawed
// for a moment; with the pauses of until, 5 ms in the beginning.
const thawEvery = 9

// cpuPeriod is the period, in microseconds, that a CPU quota is a part of.
// In a shorter one a small function's quota is less than a scheduler's tick, and
// every tenth short invocation waited (95th percentile 11 ms with 20 ms, 1.2 ms
// with 100).
const cpuPeriod = 100_000

// cpuQuota is a part of the period in microseconds; the kernel takes no less than
// one millisecond.
func cpuQuota(milli int) int { return max(1000, milli*cpuPeriod/1000) }

// cgroup1 is cgroups version 1: a hierarchy for each controller.
type cgroup1 struct {
	base map[string]string   // controller → the driver's own group
	home map[string]*os.File // controller → tasks of the daemon's group
	// thawer ends what is frozen with this process; nil: the next driver does.
	thawer *thawer
}

var _ hierarchy = (*cgroup1)(nil)

// newCgroup1 returns nil where the host has none of the controllers in version 1.
func newCgroup1(found []mount) (_ *cgroup1, err error) {
	name := newBase()
	h := &cgroup1{base: map[string]string{}, home: map[string]*os.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cgroups version 1: %w", err), h.close())
		}
	}()
	for _, controller := range []string{memoryController, pidsController, cpuController, freezerController} {
		at := slices.IndexFunc(found, func(m mount) bool { return !m.v2 && slices.Contains(m.controllers, controller) })
		if at < 0 {
			continue
		}
		base := filepath.Join(found[at].own, name)
		// Controllers may share a hierarchy, and then a group.
		if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		h.base[controller] = base
		if h.home[controller], err = os.OpenFile(filepath.Join(found[at].own, "tasks"), os.O_WRONLY, 0); err != nil {
			return nil, err
		}
	}
	if len(h.base) == 0 {
		return nil, nil
	}
	if base := h.base[freezerController]; base != "" {
		if h.thawer, err = newThawer(base); err != nil {
			slog.Warn("frozen environments will outlive this process if it is killed, until the next one starts", "error", err)
			err = nil
		}
	}
	return h, nil
}

func (h *cgroup1) name() string { return "cgroups version 1" }

func (h *cgroup1) has(controller string) bool { return h.base[controller] != "" }

func (h *cgroup1) close() error {
	var errs []error
	if h.thawer != nil {
		errs = append(errs, h.thawer.close())
	}
	for _, file := range h.home {
		errs = append(errs, file.Close())
	}
	for _, dir := range h.base {
		errs = append(errs, until(func() (bool, error) { return tryRemove(dir) }))
	}
	return errors.Join(errs...)
}

// group1 is a group in each of the controllers' hierarchies.
type group1 struct {
	hierarchy *cgroup1
	dir       map[string]string
	tasks     map[string]*os.File // opened early: the thread does not see them
}

var _ group = (*group1)(nil)

func (h *cgroup1) create(name string) (_ group, err error) {
	g := &group1{hierarchy: h, dir: map[string]string{}, tasks: map[string]*os.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.remove())
		}
	}()
	for controller, base := range h.base {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		g.dir[controller] = dir
		if g.tasks[controller], err = os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *group1) limit(l limits) error {
	if dir := g.dir[memoryController]; dir != "" && l.memory > 0 {
		if err := limitMemory(dir, strconv.FormatInt(l.memory, 10)); err != nil {
			return err
		}
	}
	if dir := g.dir[pidsController]; dir != "" && l.pids > 0 {
		if err := put(dir, "pids.max", strconv.Itoa(l.pids)); err != nil {
			return err
		}
	}
	return nil
}

// limitMemory limits memory, and memory and swap together. The first must never
// be more than the second, which is without limit in a new group.
func limitMemory(dir, value string) error {
	const memory, both = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
	err := put(dir, memory, value)
	larger := errors.Is(err, unix.EINVAL)
	if err != nil && !larger {
		return err
	}
	// Not there when the kernel does not count swap.
	if err := put(dir, both, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if larger {
		return put(dir, memory, value)
	}
	return nil
}

func (g *group1) setCPU(milli int) error {
	dir := g.dir[cpuController]
	switch {
	case dir == "":
		return nil
	case milli == 0:
		return put(dir, "cpu.cfs_quota_us", "-1")
	}
	if err := put(dir, "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)); err != nil {
		return err
	}
	return put(dir, "cpu.cfs_quota_us", strconv.Itoa(cpuQuota(milli)))
}

// start moves the calling thread into the group, forks and moves it back. Writing
// another process's ID would take milliseconds: the kernel waits for all
// processors to see it.
func (g *group1) start(_ *syscall.SysProcAttr, fork func() error) (err error) {
	defer func() {
		for controller := range g.tasks {
			if _, moveErr := g.hierarchy.home[controller].WriteString("0"); moveErr != nil {
				err = errors.Join(err, fmt.Errorf("leave the environment's cgroup: %w", moveErr))
			}
		}
	}()
	for _, tasks := range g.tasks {
		if _, err := tasks.WriteString("0"); err != nil {
			return fmt.Errorf("enter the environment's cgroup: %w", err)
		}
	}
	return fork()
}

func (g *group1) freeze() error {
	dir := g.dir[freezerController]
	if dir == "" {
		return errNoFreezer
	}
	tries := 0
	return until(func() (bool, error) {
		// A group can stay half frozen when one of its processes was just starting
		// another; it needs to be woken to try again.
		if tries++; tries%thawEvery == 0 {
			if err := put(dir, "freezer.state", "THAWED"); err != nil {
				return false, err
			}
		}
		if err := put(dir, "freezer.state", "FROZEN"); err != nil {
			return false, err
		}
		state, err := os.ReadFile(filepath.Join(dir, "freezer.state"))
		return strings.TrimSpace(string(state)) == "FROZEN", err
	})
}

func (g *group1) thaw() error {
	dir := g.dir[freezerController]
	if dir == "" {
		return errNoFreezer
	}
	return put(dir, "freezer.state", "THAWED")
}

func (g *group1) usage() (sandbox.Usage, error) {
	dir := g.dir[memoryController]
	if dir == "" {
		return sandbox.Usage{}, nil
	}
	peak, err := number(dir, "memory.max_usage_in_bytes")
	if err != nil {
		return sandbox.Usage{}, err
	}
	kills, err := keyed(dir, "memory.oom_control", "oom_kill")
	return sandbox.Usage{MaxMemoryBytes: peak, OOMKills: int(kills)}, err
}

func (g *group1) remove() error {
	var errs []error
	for _, tasks := range g.tasks {
		errs = append(errs, tasks.Close())
	}
	for _, dir := range g.dir {
		errs = append(errs, until(func() (bool, error) { return tryRemove(dir) }))
	}
	return errors.Join(errs...)
}
