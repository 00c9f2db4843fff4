//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
)

var drivers = sandboxtest.Drivers{
	"private": func() (sandbox.Driver, error) { return New(Options{Network: NetworkPrivate, Spare: 4}) },
	"host":    func() (sandbox.Driver, error) { return New(Options{Network: NetworkHost, Spare: 4}) },
	"none":    func() (sandbox.Driver, error) { return New(Options{Network: NetworkNone, Spare: 4}) },
	// As on hosts that have no cgroups for us, where signals stop processes.
	"without cgroups": func() (sandbox.Driver, error) {
		return newDriver(Options{Network: NetworkNone, Spare: 4}, func() (hierarchy, error) { return noHierarchy{}, nil })
	},
	"version 2": func() (sandbox.Driver, error) { return newDriver(Options{Network: NetworkHost, Spare: 4}, findCgroup2) },
}

// notRootless is why Rootless did nothing for a test as an ordinary user.
var notRootless error

func TestMain(m *testing.M) {
	if sandboxtest.IsUser() {
		notRootless = Rootless(Options{Network: NetworkNone})
	}
	os.Exit(sandboxtest.Main(m, drivers))
}

// TestRootless runs the suite as an ordinary user's daemon does.
func TestRootless(t *testing.T) {
	if !sandboxtest.IsUser() {
		needsRoot(t) // to become another user
	}
	if !sandboxtest.AsUser(t, 65534) {
		return
	}
	if notRootless != nil {
		t.Skipf("users may not make user namespaces here: %v", notRootless)
	}
	h, why := findHierarchy()
	t.Logf("cgroups: %v", why)
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	can := claims(h, NetworkNone)
	can.OneUser, can.Disk = true, false
	drivers.Run(t, "none", can)
	findings, usable := Examine(Options{Spare: 1})
	if !usable {
		t.Errorf("Examine says that the driver does not work: %+v", findings)
	}
	for _, f := range findings {
		t.Logf("%+v", f)
		if (f.Name == "user" || f.Name == "network") && (!f.Lacking || f.Remedy == "") {
			t.Errorf("not said to be lacking: %+v", f)
		}
	}
}

// findCgroup2 is findHierarchy for version 2 also where version 1 has the
// controllers.
func findCgroup2() (hierarchy, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return noHierarchy{}, err
	}
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return noHierarchy{}, err
	}
	found := mounts(string(mountinfo), string(cgroup))
	for _, m := range found {
		sweep(m)
	}
	h, err := newCgroup2(found)
	if h == nil {
		return noHierarchy{}, err
	}
	return h, err
}

// needsRoot skips what cannot be tried as another user. What root lacks is a
// failure.
func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the driver needs root")
	}
}

func TestDriver(t *testing.T) {
	needsRoot(t)
	h, why := findHierarchy()
	if why != nil {
		t.Logf("cgroups: %v", why)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	for _, network := range []Network{NetworkHost, NetworkNone} {
		t.Run(string(network), func(t *testing.T) { drivers.Run(t, string(network), claims(h, network)) })
	}
}

// claims are what a driver enforces on this host with a hierarchy.
func claims(h hierarchy, network Network) sandboxtest.Capabilities {
	return sandboxtest.Capabilities{
		FileSystem: true,
		Processes:  true,
		Privileges: true,
		Memory:     h.has(memoryController),
		Forks:      h.has(pidsController),
		CPU:        h.has(cpuController),
		OpenFiles:  true,
		Network:    network != NetworkHost,
		Disk:       hasDisks(),
	}
}

// hasDisks tells whether this host has what newDisks needs, by other means.
func hasDisks() bool {
	_, err := os.Stat("/dev/loop-control")
	_, missing := findProgram("mkfs.ext4", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
	return err == nil && missing == nil
}

func TestWithoutCgroups(t *testing.T) {
	needsRoot(t)
	drivers.Run(t, "without cgroups", claims(noHierarchy{}, NetworkNone))
}

func TestCgroup2(t *testing.T) {
	needsRoot(t)
	h, err := findCgroup2()
	if err != nil {
		t.Logf("cgroups version 2: %v", err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	if _, none := h.(noHierarchy); none {
		t.Skip("no cgroups version 2 on this host")
	}
	drivers.Run(t, "version 2", claims(h, NetworkHost))
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{Network: "bridge"}); err == nil {
		t.Error("an unknown network was accepted")
	}
	needsRoot(t)
	driver, err := New(Options{Spare: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, id := range []string{"", "../x", "a/b", "a b", "a\x00"} {
		if _, err := driver.New(t.Context(), &sandbox.Spec{ID: id}); err == nil {
			t.Errorf("the ID %q was accepted", id)
		}
	}
	if _, err := driver.New(t.Context(), &sandbox.Spec{ID: "x", Code: "/no/such/folder"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New with a missing code folder: %v", err)
	}
}

// TestResolverFollowsTheHost changes the template's idea of what it has copied.
func TestResolverFollowsTheHost(t *testing.T) {
	needsRoot(t)
	driver, err := newDriver(Options{Network: NetworkHost, Spare: 4}, func() (hierarchy, error) { return noHierarchy{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := driver.New(t.Context(), &sandbox.Spec{ID: "early"})
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.template.replace(ownFolder[1:]+"/resolv.conf", []byte("stale")); err != nil {
		t.Fatal(err)
	}
	inside := func() string {
		t.Helper()
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Start(t.Context(), &sandbox.Command{Path: "/bin/cat", Args: []string{"cat", "/etc/resolv.conf"}, Stdout: write})
		if err := errors.Join(err, write.Close()); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(read)
		if err := errors.Join(err, read.Close()); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		return string(text)
	}
	if got := inside(); got != "stale" {
		t.Fatalf("a running environment reads %q", got)
	}
	delete(driver.template.copied, "resolv.conf") // as if the host's had changed
	if _, err := driver.New(t.Context(), &sandbox.Spec{ID: "late"}); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	if got := inside(); got != string(want) {
		t.Errorf("a running environment reads %q, want the host's %q", got, want)
	}
}

func BenchmarkDriver(b *testing.B) {
	needsRoot(b)
	for _, network := range []Network{NetworkHost, NetworkNone, NetworkPrivate} {
		b.Run(string(network), func(b *testing.B) { sandboxtest.Benchmark(b, drivers[string(network)]) })
	}
}
