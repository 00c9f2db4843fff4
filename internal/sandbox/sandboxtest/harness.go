// Package sandboxtest is the conformance suite of sandbox drivers. It runs a
// small program of its own (folder subject) inside of environments, also to break
// out of them.
package sandboxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// Capabilities are what a driver claims to enforce. What it does not claim is not
// tried: a driver that isolates nothing would let the suite harm the host.
type Capabilities struct {
	FileSystem bool // the host's files are hidden, code is read-only, /tmp limited
	Processes  bool // no others are seen; all end with the daemon, at once
	Privileges bool // none, and dangerous system calls are refused
	Memory     bool // Spec.MemoryMB is a limit, and usage is counted
	Forks      bool // Spec.Processes is a limit
	CPU        bool // SetCPU limits
	Disk       bool // files in Layout.Tmp do not count as memory
	OpenFiles  bool // Spec.OpenFiles is a limit
	// OneUser says that process 1 of an environment has its functions' user: what
	// these send to it is ignored, not refused.
	OneUser bool
	// Network: environments have ports of their own, and reach neither the host
	// nor each other.
	Network bool
	// Remote is the address (host:port) of a service on another machine that
	// environments reach; empty: they reach no other machine. It answers over TCP
	// with RemoteText, and over UDP with what it is sent. Only with Network.
	Remote string
	// Hidden are addresses of TCP services that the host reaches and environments
	// must not. Only with Network.
	Hidden []string
}

// RemoteText is what the service at Capabilities.Remote says.
const RemoteText = "another machine"

// Settler is what a driver may be that prepares things in the background: Settle
// returns when it has nothing more to do until the next New, so that what it
// holds can be counted.
type Settler interface{ Settle() }

// patience bounds every wait of the suite.
const patience = 20 * time.Second

// program is the name of the subject in the code folder.
const program = "subject"

// builtDir is the folder of the subject, for Main to remove; empty: not built.
var builtDir string

// buildSubject builds the subject once for all tests of a package.
var buildSubject = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "sandboxtest-")
	if err != nil {
		return err
	}
	builtDir = dir
	// Others must be able to read it: environments have a user of their own.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, program),
		"github.com/paddock-run/paddock/internal/sandbox/sandboxtest/subject")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // no libraries needed inside
	if out, err := build.CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
})

// code returns a folder with the subject.
func code(tb testing.TB) string {
	tb.Helper()
	if dir := os.Getenv("SANDBOXTEST_USER"); dir != "" { // see AsUser
		return dir
	}
	if err := buildSubject(); err != nil {
		tb.Fatalf("build the subject: %v", err)
	}
	return builtDir
}

// folder makes a folder that environments can read, of names and contents.
func folder(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	// TempDir makes folders that only their owner can enter.
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// create makes an environment that the test's end destroys.
func create(tb testing.TB, driver sandbox.Driver, spec sandbox.Spec) sandbox.Sandbox {
	tb.Helper()
	if spec.ID == "" {
		spec.ID = "test"
	}
	if spec.Code == "" {
		spec.Code = code(tb)
	}
	return made(tb, driver, &spec)
}

func made(tb testing.TB, driver sandbox.Driver, spec *sandbox.Spec) sandbox.Sandbox {
	tb.Helper()
	s, err := driver.New(context.Background(), spec)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Destroy(); err != nil {
			tb.Errorf("Destroy: %v", err)
		}
	})
	return s
}

// start starts the subject; its standard output is read from the returned pipe.
func start(tb testing.TB, s sandbox.Sandbox, args ...string) (sandbox.Process, *os.File) {
	tb.Helper()
	return startCommand(tb, s, &sandbox.Command{Args: append([]string{program}, args...)})
}

func startCommand(tb testing.TB, s sandbox.Sandbox, cmd *sandbox.Command) (sandbox.Process, *os.File) {
	tb.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = read.Close() }) // a second time when the test closed it
	if cmd.Path == "" {
		cmd.Path = filepath.Join(s.Layout().Task, program)
	}
	if cmd.Dir == "" {
		cmd.Dir = s.Layout().Task
	}
	cmd.Stdout = write
	p, err := s.Start(context.Background(), cmd)
	if closeErr := write.Close(); closeErr != nil {
		tb.Fatal(closeErr)
	}
	if err != nil {
		tb.Fatalf("Start %q: %v", cmd.Args, err)
	}
	return p, read
}

// run runs the subject to its end.
func run(tb testing.TB, s sandbox.Sandbox, args ...string) (string, sandbox.Exit) {
	tb.Helper()
	p, out := start(tb, s, args...)
	return finish(tb, p, out)
}

func finish(tb testing.TB, p sandbox.Process, out *os.File) (string, sandbox.Exit) {
	tb.Helper()
	if err := out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		tb.Fatalf("read the subject's output: %v", err)
	}
	wait(tb, p)
	return string(text), p.Exit()
}

func wait(tb testing.TB, p sandbox.Process) {
	tb.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		tb.Fatalf("process %d did not end within %v", p.PID(), patience)
	}
}

// refused fails the test unless the subject reported an error that contains one
// of the reasons.
func refused(tb testing.TB, s sandbox.Sandbox, reasons []string, args ...string) {
	tb.Helper()
	out, _ := run(tb, s, args...)
	for _, reason := range reasons {
		if strings.HasPrefix(out, "error: ") && strings.Contains(out, reason) {
			return
		}
	}
	tb.Errorf("%q: %q, want one of the errors %q", args, out, reasons)
}

// ended fails the test unless all that held the other end of the pipe has ended.
func ended(tb testing.TB, out *os.File) {
	tb.Helper()
	if err := out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		tb.Errorf("a process of the environment is still alive: %v", err)
	}
}

// ticking fails the test unless the subject's ticks go on or do not, as wanted.
func ticking(tb testing.TB, out *os.File, want bool) {
	tb.Helper()
	const quiet = 100 * time.Millisecond
	limit := quiet
	if want {
		limit = patience
	}
	if err := out.SetReadDeadline(time.Now().Add(limit)); err != nil {
		tb.Fatal(err)
	}
	_, err := out.Read(make([]byte, 1))
	switch {
	case want && err != nil:
		tb.Errorf("the process does not run: %v", err)
	case !want && err == nil:
		tb.Error("the process runs")
	case !want && !errors.Is(err, os.ErrDeadlineExceeded):
		tb.Errorf("read: %v", err)
	}
}

// drain reads what is in the pipe.
func drain(tb testing.TB, out *os.File) {
	tb.Helper()
	buffer := make([]byte, 1<<16)
	for {
		// Long enough to find what is there, and nothing writes any more.
		if err := out.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			tb.Fatal(err)
		}
		if _, err := out.Read(buffer); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				tb.Fatal(err)
			}
			return
		}
	}
}

// eventually waits until problem returns nothing.
func eventually(tb testing.TB, problem func() string) {
	tb.Helper()
	for deadline := time.Now().Add(patience); ; {
		found := problem()
		if found == "" {
			return
		}
		if time.Now().After(deadline) {
			tb.Error(found)
			return
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

func decode[T any](tb testing.TB, text string) (value T) {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := decoder.Decode(&value); err != nil {
		tb.Fatalf("decode %q: %v", text, err)
	}
	return value
}
