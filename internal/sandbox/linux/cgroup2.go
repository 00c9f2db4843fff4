//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// cgroup2 is cgroups version 2: one hierarchy, in which a group with processes
// of its own cannot hand controllers on to groups below it (the root excepted).
type cgroup2 struct {
	base        string // the driver's own group
	controllers []string
	// parent is set when the daemon had to move out of it, into base/daemon.
	parent string
	fs     control
}

var _ hierarchy = (*cgroup2)(nil)

// control makes and removes groups; tests put plain folders in its place, in
// which nothing appears and disappears by itself.
type control struct {
	mkdir  func(dir string) error
	remove func(dir string) (done bool, err error)
}

var kernel = control{
	mkdir:  func(dir string) error { return os.Mkdir(dir, 0o755) },
	remove: tryRemove,
}

// newCgroup2 returns nil where the host has no hierarchy of version 2 that this
// process may write to, and an error beside a hierarchy that lacks controllers
// which the host has.
func newCgroup2(found []mount) (*cgroup2, error) {
	at := slices.IndexFunc(found, func(m mount) bool { return m.v2 })
	if at < 0 {
		return nil, nil
	}
	return openCgroup2(found[at], kernel)
}

// openCgroup2 settles below the daemon's own group, so that limits on the daemon
// hold for all, or, where that has other processes, below the root of what is
// visible.
func openCgroup2(m mount, fs control) (*cgroup2, error) {
	var best *cgroup2
	var errs []error
	for _, parent := range slices.Compact([]string{m.own, m.point}) {
		h, err := settle(parent, fs)
		if err != nil {
			errs = append(errs, fmt.Errorf("cgroup %s: %w", parent, err))
		}
		if h == nil {
			continue
		}
		if best == nil || len(h.controllers) > len(best.controllers) {
			best, h = h, best
		}
		if h != nil {
			errs = append(errs, h.close())
		}
		if len(missing(best, memoryController, pidsController, cpuController)) == 0 {
			return best, nil
		}
	}
	return best, errors.Join(errs...)
}

// settle makes the driver's group below parent. Beside an error it may return a
// hierarchy that can freeze, but lacks controllers.
func settle(parent string, ctl control) (*cgroup2, error) {
	h := &cgroup2{base: filepath.Join(parent, newBase()), fs: ctl}
	if err := ctl.mkdir(h.base); err != nil {
		return nil, err
	}
	available, err := words(parent, "cgroup.controllers")
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	wanted := slices.DeleteFunc([]string{memoryController, pidsController, cpuController},
		func(c string) bool { return !slices.Contains(available, c) })
	if err := h.enable(parent, wanted); err != nil {
		return h, err
	}
	h.controllers = wanted
	return h, nil
}

// enable hands controllers on from parent to the environments' groups.
func (h *cgroup2) enable(parent string, controllers []string) error {
	if len(controllers) == 0 {
		return nil
	}
	value := "+" + strings.Join(controllers, " +")
	err := put(parent, "cgroup.subtree_control", value)
	if errors.Is(err, unix.EBUSY) {
		if err := h.moveDaemon(parent); err != nil {
			return err
		}
		err = put(parent, "cgroup.subtree_control", value)
	}
	if err != nil {
		return err
	}
	return put(h.base, "cgroup.subtree_control", value)
}

// moveDaemon moves this process from parent into a group below it, if it is
// alone there.
func (h *cgroup2) moveDaemon(parent string) error {
	members, err := words(parent, "cgroup.procs")
	if err != nil {
		return err
	}
	if len(members) != 1 || members[0] != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("%d other processes are in the daemon's cgroup: run it as a service, or as a container's only process", len(members)-1)
	}
	leaf := filepath.Join(h.base, "daemon")
	if err := h.fs.mkdir(leaf); err != nil {
		return err
	}
	h.parent = parent
	return put(leaf, "cgroup.procs", strconv.Itoa(os.Getpid()))
}

func (h *cgroup2) name() string { return "cgroups version 2" }

func (h *cgroup2) has(controller string) bool {
	return controller == freezerController || slices.Contains(h.controllers, controller)
}

func (h *cgroup2) close() error {
	var errs []error
	if h.parent != "" {
		// The parent takes processes again when it hands nothing on.
		if len(h.controllers) > 0 {
			value := "-" + strings.Join(h.controllers, " -")
			errs = append(errs, put(h.base, "cgroup.subtree_control", value), put(h.parent, "cgroup.subtree_control", value))
		}
		errs = append(errs, put(h.parent, "cgroup.procs", strconv.Itoa(os.Getpid())))
		leaf := filepath.Join(h.base, "daemon")
		errs = append(errs, until(func() (bool, error) { return h.fs.remove(leaf) }))
	}
	errs = append(errs, until(func() (bool, error) { return h.fs.remove(h.base) }))
	return errors.Join(errs...)
}

// group2 is a group of version 2.
type group2 struct {
	hierarchy *cgroup2
	dir       string
	handle    *os.File // of dir, for clone3
}

var _ group = (*group2)(nil)

func (h *cgroup2) create(name string) (_ group, err error) {
	g := &group2{hierarchy: h, dir: filepath.Join(h.base, name)}
	if err := h.fs.mkdir(g.dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.remove())
		}
	}()
	if g.handle, err = os.Open(g.dir); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *group2) limit(l limits) error {
	if g.hierarchy.has(memoryController) && l.memory > 0 {
		if err := put(g.dir, "memory.max", strconv.FormatInt(l.memory, 10)); err != nil {
			return err
		}
		// Not there when the kernel does not count swap.
		if err := put(g.dir, "memory.swap.max", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if g.hierarchy.has(pidsController) && l.pids > 0 {
		if err := put(g.dir, "pids.max", strconv.Itoa(l.pids)); err != nil {
			return err
		}
	}
	return nil
}

func (g *group2) setCPU(milli int) error {
	if !g.hierarchy.has(cpuController) {
		return nil
	}
	quota := "max"
	if milli > 0 {
		quota = strconv.Itoa(cpuQuota(milli))
	}
	return put(g.dir, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
}

func (g *group2) start(attr *syscall.SysProcAttr, fork func() error) error {
	attr.UseCgroupFD = true
	attr.CgroupFD = int(g.handle.Fd())
	return fork()
}

func (g *group2) freeze() error {
	if err := put(g.dir, "cgroup.freeze", "1"); err != nil {
		return err
	}
	return until(func() (bool, error) {
		frozen, err := keyed(g.dir, "cgroup.events", "frozen")
		return frozen == 1, err
	})
}

func (g *group2) thaw() error { return put(g.dir, "cgroup.freeze", "0") }

func (g *group2) usage() (sandbox.Usage, error) {
	if !g.hierarchy.has(memoryController) {
		return sandbox.Usage{}, nil
	}
	peak, err := number(g.dir, "memory.peak")
	if errors.Is(err, fs.ErrNotExist) { // Linux before 5.19
		peak, err = number(g.dir, "memory.current")
	}
	if err != nil {
		return sandbox.Usage{}, err
	}
	kills, err := keyed(g.dir, "memory.events", "oom_kill")
	return sandbox.Usage{MaxMemoryBytes: peak, OOMKills: int(kills)}, err
}

func (g *group2) remove() error {
	var errs []error
	if g.handle != nil {
		errs = append(errs, g.handle.Close())
	}
	errs = append(errs, until(func() (bool, error) { return g.hierarchy.fs.remove(g.dir) }))
	return errors.Join(errs...)
}

// words reads a control file that is a list.
func words(dir, file string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}
