package sandboxtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

// holdings is what of the system this process holds.
type holdings map[string]int

func (h holdings) more(than holdings) string {
	var list []string
	for _, name := range sorted(h) {
		if h[name] > than[name] {
			list = append(list, fmt.Sprintf("%s: %d, before %d", name, h[name], than[name]))
		}
	}
	return strings.Join(list, "; ")
}

// held counts. Threads are not among them: Go keeps those it does not need.
func held(t *testing.T) holdings {
	t.Helper()
	h := holdings{"goroutines": runtime.NumGoroutine()}
	h["descriptors"] = countEntries("/proc/self/fd", "")
	h["folders in the temporary folder"] = countEntries(os.TempDir(), "paddock-"+owner.Self())
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		h["mounts"] = strings.Count(string(mounts), "\n")
	}
	// A thread keeps its namespaces: those that are not this process's count.
	for _, kind := range []string{"mnt", "net", "ipc", "uts", "pid_for_children"} {
		links, err := filepath.Glob("/proc/self/task/*/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		distinct := map[string]bool{}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil { // the thread may have ended
				distinct[target] = true
			}
		}
		h["namespaces of kind "+kind] = len(distinct)
	}
	// Other tests of this process may have a driver too, but not while this runs.
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // it has just gone
		}
		if strings.Contains(path, owner.Self()) {
			h["cgroups"]++
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	children, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range children {
		if text, err := os.ReadFile(file); err == nil {
			h["child processes"] += len(strings.Fields(string(text)))
		}
	}
	return h
}

func countEntries(dir, prefix string) (n int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // not on this system
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			n++
		}
	}
	return n
}

func testNothingIsLeft(t *testing.T, driver sandbox.Driver) {
	round := func() {
		s, err := driver.New(context.Background(), &sandbox.Spec{ID: "round", Code: code(t), Layers: []string{code(t)}, MemoryMB: 256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Listen(0); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"sleep"}, {"daemon", "sleep"}, {"exit", "1"}} {
			_, err := s.Start(context.Background(), &sandbox.Command{
				Path: s.Layout().Task + "/" + program, Args: append([]string{program}, args...), Dir: s.Layout().Tmp,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Start(context.Background(), &sandbox.Command{Path: "/missing"}); err == nil {
			t.Fatal("a missing program started")
		}
		if err := errors.Join(s.Freeze(), s.Thaw(), s.Freeze(), s.Destroy()); err != nil {
			t.Fatal(err)
		}
		// Those that fail must not leave anything either.
		if s, err := driver.New(context.Background(), &sandbox.Spec{ID: "bad", Code: "/no/such/folder"}); err == nil {
			if err := s.Destroy(); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle := func() {
		if s, ok := driver.(Settler); ok {
			s.Settle()
		}
	}
	round() // what is made once
	settle()
	before := held(t)
	for range 20 {
		round()
	}
	settle()
	eventually(t, func() string { return held(t).more(before) })
}

// These variables make Main play the daemon that testDaemonKilled kills.
const (
	modeVariable   = "SANDBOXTEST_DAEMON"
	driverVariable = "SANDBOXTEST_DRIVER"
	codeVariable   = "SANDBOXTEST_CODE"
)

// Main is the TestMain of a package that calls Run.
func Main(m *testing.M, drivers Drivers) int {
	if mode := os.Getenv(modeVariable); mode != "" {
		fmt.Fprintln(os.Stderr, playDaemon(mode, drivers[os.Getenv(driverVariable)]))
		return 1
	}
	code := m.Run()
	if builtDir != "" {
		if err := os.RemoveAll(builtDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// playDaemon starts processes whose standard output is this one's, says so, and
// waits to be killed.
func playDaemon(mode string, newDriver NewDriver) error {
	driver, err := newDriver()
	if err != nil {
		return err
	}
	s, err := driver.New(context.Background(), &sandbox.Spec{ID: "orphan", Code: os.Getenv(codeVariable)})
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"sleep"}, {"child", "sleep"}, {"daemon", "sleep"}} {
		p, err := s.Start(context.Background(), &sandbox.Command{
			Path: s.Layout().Task + "/" + program, Args: append([]string{program}, args...),
			Dir: s.Layout().Tmp, Stdout: os.Stdout,
		})
		if err != nil {
			return err
		}
		if args[0] == "daemon" {
			<-p.Done() // its child has begun
		}
	}
	if mode == "frozen" {
		if err := s.Freeze(); err != nil {
			return err
		}
	}
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	select {}
}

func testDaemonKilled(t *testing.T, name string, newDriver NewDriver, atOnce bool) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing on this system ends processes with their parent")
	}
	for _, mode := range []string{"running", "frozen"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		daemon := exec.Command(os.Args[0])
		daemon.Env = append(os.Environ(), modeVariable+"="+mode, driverVariable+"="+name, codeVariable+"="+code(t))
		daemon.Stdout, daemon.Stderr = write, os.Stderr
		if err := daemon.Start(); err != nil {
			t.Fatal(err)
		}
		if err := write.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = daemon.Process.Kill() }) // where the test fails before it does
		if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the daemon said %q, %v", line, err)
		}
		if err := daemon.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := daemon.Wait(); err == nil {
			t.Fatal("the daemon ended well")
		}
		// The kernel ends them, but for those of a driver without PID namespaces; the
		// next daemon ends these.
		if atOnce {
			ended(t, read)
		}
		next, err := newDriver()
		if err != nil {
			t.Fatal(err)
		}
		ended(t, read)
		if err := errors.Join(next.Close(), read.Close()); err != nil {
			t.Error(err)
		}
	}
}
