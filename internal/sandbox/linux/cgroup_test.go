//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

func TestMounts(t *testing.T) {
	for name, c := range map[string]struct {
		mountinfo, cgroup string
		want              []mount
	}{
		"version 2, a service": {
			"24 1 8:1 / / rw - ext4 /dev/sda rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/system.slice/paddock.service\n",
			[]mount{{v2: true, point: "/sys/fs/cgroup", own: "/sys/fs/cgroup/system.slice/paddock.service"}},
		},
		"version 2, a container with a cgroup namespace": {
			"30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/\n",
			[]mount{{v2: true, point: "/sys/fs/cgroup", own: "/sys/fs/cgroup"}},
		},
		"version 1, a container that sees its own group only": {
			"31 24 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"32 24 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
			"5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc/below\n",
			[]mount{
				{controllers: []string{"memory"}, point: "/sys/fs/cgroup/memory", own: "/sys/fs/cgroup/memory"},
				{controllers: []string{"cpu", "cpuacct"}, point: "/sys/fs/cgroup/cpu,cpuacct", own: "/sys/fs/cgroup/cpu,cpuacct/below"},
			},
		},
		"hybrid, with a group outside of what is mounted": {
			"31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n" +
				"33 24 0:29 /other /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"1:name=systemd:/user\n0::/user\nnot a line\n",
			[]mount{
				{controllers: []string{"name=systemd"}, point: "/sys/fs/cgroup/systemd", own: "/sys/fs/cgroup/systemd/user"},
				{v2: true, point: "/sys/fs/cgroup/unified", own: "/sys/fs/cgroup/unified"},
			},
		},
		"none": {"24 1 8:1 / / rw - ext4 /dev/sda rw\ngarbage\n", "", nil},
	} {
		if got := mounts(c.mountinfo, c.cgroup); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// fakeCgroups is a folder that looks like cgroups version 2.
type fakeCgroups struct {
	t    *testing.T
	root string
	// without are files that this kernel does not have.
	without []string
}

func newFake(t *testing.T, controllers string) *fakeCgroups {
	f := &fakeCgroups{t: t, root: t.TempDir()}
	f.fill(f.root)
	f.write(f.root, "cgroup.controllers", controllers)
	return f
}

func (f *fakeCgroups) write(dir, name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeCgroups) read(dir, name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// fill puts the files into a group that the kernel would.
func (f *fakeCgroups) fill(dir string) {
	for name, text := range map[string]string{
		"cgroup.controllers": "", "cgroup.subtree_control": "", "cgroup.procs": "", "cgroup.freeze": "0\n",
		"cgroup.events": "populated 0\nfrozen 0\n", "memory.max": "max\n", "memory.swap.max": "max\n",
		"memory.peak": "0\n", "memory.current": "0\n", "memory.events": "low 0\nhigh 0\noom 0\noom_kill 0\noom_group_kill 0\n",
		"pids.max": "max\n", "cpu.max": "max 100000\n",
	} {
		f.write(dir, name, text)
	}
	for _, name := range f.without {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fakeCgroups) control() control {
	return control{
		mkdir: func(dir string) error {
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			f.fill(dir)
			return nil
		},
		remove: func(dir string) (bool, error) { return true, os.RemoveAll(dir) },
	}
}

func TestCgroup2Limits(t *testing.T) {
	f := newFake(t, "cpuset cpu io memory hugetlb pids\n")
	h, err := openCgroup2(mount{v2: true, point: f.root, own: f.root}, f.control())
	if err != nil {
		t.Fatal(err)
	}
	base := h.base
	if filepath.Dir(base) != f.root || !strings.HasPrefix(filepath.Base(base), cgroupPrefix+owner.Self()+"-") {
		t.Errorf("settled in %s", base)
	}
	for _, dir := range []string{f.root, base} {
		if got := f.read(dir, "cgroup.subtree_control"); got != "+memory +pids +cpu" {
			t.Errorf("%s hands on %q", dir, got)
		}
	}
	if lacking := missing(h, memoryController, pidsController, cpuController, freezerController); len(lacking) > 0 {
		t.Errorf("missing: %v", lacking)
	}
	g, err := createLimited(h, "7", limits{memory: 128 << 20, pids: 1025})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "7")
	for name, want := range map[string]string{
		"memory.max": "134217728", "memory.swap.max": "0", "pids.max": "1025", "cpu.max": "max 100000\n",
	} {
		if got := f.read(dir, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		milli int
		want  string
	}{{72, "7200 100000"}, {2500, "250000 100000"}, {1, "1000 100000"}, {0, "max 100000"}} {
		if err := g.setCPU(c.milli); err != nil {
			t.Fatal(err)
		}
		if got := f.read(dir, "cpu.max"); got != c.want {
			t.Errorf("cpu.max of %d thousandths is %q, want %q", c.milli, got, c.want)
		}
	}
	var attr syscall.SysProcAttr
	forked := false
	if err := g.start(&attr, func() error { forked = true; return nil }); err != nil {
		t.Fatal(err)
	}
	var opened, named unix.Stat_t
	if err := errors.Join(unix.Fstat(attr.CgroupFD, &opened), unix.Stat(dir, &named)); err != nil {
		t.Fatal(err)
	}
	if !forked || !attr.UseCgroupFD || opened.Ino != named.Ino {
		t.Errorf("start: forked %v, %+v", forked, attr)
	}

	f.write(dir, "memory.peak", "52428800\n")
	f.write(dir, "memory.events", "low 0\nhigh 0\nmax 12\noom 4\noom_kill 3\noom_group_kill 9\n")
	if got, err := g.usage(); err != nil || got != (sandbox.Usage{MaxMemoryBytes: 50 << 20, OOMKills: 3}) {
		t.Errorf("usage %+v, %v", got, err)
	}
	if err := errors.Join(g.remove(), h.close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(base); !os.IsNotExist(err) {
		t.Errorf("%s is left", base)
	}
}

func TestCgroup2WithoutLimits(t *testing.T) {
	f := newFake(t, "memory pids cpu\n")
	h, err := openCgroup2(mount{v2: true, point: f.root, own: f.root}, f.control())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := createLimited(h, "1", limits{}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(h.base, "1")
	for name, want := range map[string]string{"memory.max": "max\n", "memory.swap.max": "max\n", "pids.max": "max\n", "cpu.max": "max 100000\n"} {
		if got := f.read(dir, name); got != want {
			t.Errorf("%s was changed to %q", name, got)
		}
	}
}

func TestCgroup2OfOlderKernels(t *testing.T) {
	f := newFake(t, "memory pids cpu\n")
	f.without = []string{"memory.peak", "memory.swap.max"}
	h, err := openCgroup2(mount{v2: true, point: f.root, own: f.root}, f.control())
	if err != nil {
		t.Fatal(err)
	}
	g, err := createLimited(h, "1", limits{memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f.write(filepath.Join(h.base, "1"), "memory.current", "4096\n")
	if got, err := g.usage(); err != nil || got.MaxMemoryBytes != 4096 {
		t.Errorf("usage %+v, %v", got, err)
	}
}

func TestCgroup2WithFewerControllers(t *testing.T) {
	f := newFake(t, "cpuset pids\n")
	h, err := openCgroup2(mount{v2: true, point: f.root, own: f.root}, f.control())
	if err != nil {
		t.Fatal(err)
	}
	if h.has(memoryController) || h.has(cpuController) || !h.has(pidsController) {
		t.Errorf("controllers %v", h.controllers)
	}
	g, err := createLimited(h, "1", limits{memory: 1, pids: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.setCPU(100); err != nil {
		t.Errorf("without a CPU controller: %v", err)
	}
	if got := f.read(filepath.Join(h.base, "1"), "memory.max"); got != "max\n" {
		t.Errorf("memory.max was changed to %q", got)
	}
	if got, err := g.usage(); err != nil || got != (sandbox.Usage{}) {
		t.Errorf("usage %+v, %v", got, err)
	}
}

// TestCgroup2PrefersTheDaemonsGroup unless that cannot hand on controllers.
func TestCgroup2PrefersTheDaemonsGroup(t *testing.T) {
	for _, c := range []struct{ controllers, want string }{
		{"memory pids cpu", "own"},
		{"", "."},
	} {
		f := newFake(t, "memory pids cpu")
		own := filepath.Join(f.root, "own")
		if err := f.control().mkdir(own); err != nil {
			t.Fatal(err)
		}
		f.write(own, "cgroup.controllers", c.controllers)
		h, err := openCgroup2(mount{v2: true, point: f.root, own: own}, f.control())
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Dir(h.base); got != filepath.Join(f.root, c.want) {
			t.Errorf("where the daemon's group has %q: settled in %s, want %s", c.controllers, got, c.want)
		}
		if left, err := filepath.Glob(filepath.Join(f.root, "*", cgroupPrefix+"*")); err != nil || c.want == "." && len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestCgroup2MovesTheDaemon out of its group, which then may hand on controllers.
func TestCgroup2MovesTheDaemon(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	f := newFake(t, "memory")
	h := &cgroup2{base: filepath.Join(f.root, "base"), fs: f.control()}
	if err := h.fs.mkdir(h.base); err != nil {
		t.Fatal(err)
	}
	f.write(f.root, "cgroup.procs", pid+"\n1\n2\n")
	if err := h.moveDaemon(f.root); err == nil || !strings.Contains(err.Error(), "2 other processes") {
		t.Errorf("with others in the group: %v", err)
	}
	f.write(f.root, "cgroup.procs", pid+"\n")
	if err := h.moveDaemon(f.root); err != nil {
		t.Fatal(err)
	}
	if got := f.read(filepath.Join(h.base, "daemon"), "cgroup.procs"); got != pid {
		t.Errorf("moved %q, want %s", got, pid)
	}
	f.write(f.root, "cgroup.procs", "")
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	if got := f.read(f.root, "cgroup.procs"); got != pid {
		t.Errorf("moved back %q, want %s", got, pid)
	}
}

func TestCgroup2Freeze(t *testing.T) {
	f := newFake(t, "memory pids cpu\n")
	h, err := openCgroup2(mount{v2: true, point: f.root, own: f.root}, f.control())
	if err != nil {
		t.Fatal(err)
	}
	g, err := createLimited(h, "1", limits{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(h.base, "1")
	done := make(chan error, 1)
	go func() { done <- g.freeze() }()
	for f.read(dir, "cgroup.freeze") != "1" {
		time.Sleep(time.Millisecond) // between two looks
	}
	select {
	case err := <-done:
		t.Fatalf("freeze returned before the group was frozen: %v", err)
	default:
	}
	f.write(dir, "cgroup.events", "populated 1\nfrozen 1\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := g.thaw(); err != nil || f.read(dir, "cgroup.freeze") != "0" {
		t.Errorf("thaw: %v, %q", err, f.read(dir, "cgroup.freeze"))
	}
}

func createLimited(h hierarchy, name string, l limits) (group, error) {
	g, err := h.create(name)
	if err != nil {
		return nil, err
	}
	return g, g.limit(l)
}
