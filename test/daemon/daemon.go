// Package daemon runs the built Paddock for tests: the real binary, on a free
// port, with a data folder of its own. With -target-url the tests run against an
// endpoint that is there already, Paddock or not.
package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	target = flag.String("target-url", "", "run against this endpoint instead of a Paddock of our own")
	binary = flag.String("paddock-binary", "", "run this Paddock instead of building one")
)

// Daemon is a running Paddock.
type Daemon struct {
	URL  string // "http://127.0.0.1:49152"
	Data string // empty for a target of somebody else's
	cmd  *exec.Cmd
	done chan struct{}
	log  *output
	told bool // to end: a second SIGTERM would end it at once
	// aborted: by the test, which its exit code says.
	aborted bool
}

// output keeps what the daemon prints, for the failing test to show.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start starts Paddock with these flags and waits until it answers. It is
// stopped, and must have stopped cleanly, when the test ends.
func Start(t testing.TB, flags ...string) *Daemon {
	t.Helper()
	if *target != "" {
		return &Daemon{URL: strings.TrimRight(*target, "/")}
	}
	return StartOn(t, Folder(t), flags...)
}

// Own is Start for tests that need a Paddock of their own: they are skipped
// where there is a target.
func Own(t testing.TB, flags ...string) *Daemon {
	t.Helper()
	if *target != "" {
		t.Skip("needs a Paddock of its own, and -target-url names another")
	}
	return StartOn(t, Folder(t), flags...)
}

// Folder makes a data folder that functions, which run as another user, may
// reach, and that outlives Paddock.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "paddock-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("the data folder cannot be removed: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// StartOn is Own with a data folder.
func StartOn(t testing.TB, data string, flags ...string) *Daemon {
	t.Helper()
	if *target != "" {
		t.Skip("needs a Paddock of its own, and -target-url names another")
	}
	d, err := start(data, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.finish(t) })
	return d
}

// start starts the built binary and waits until it answers.
func start(data string, flags ...string) (*Daemon, error) {
	path, err := path()
	if err != nil {
		return nil, fmt.Errorf("Paddock does not build: %w", err)
	}
	d := &Daemon{Data: data, log: &output{}, done: make(chan struct{})}
	args := append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, flags...)
	d.cmd = exec.Command(path, args...)
	d.cmd.Stderr = d.log
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go func() {
		defer close(d.done)
		out := io.TeeReader(stdout, d.log)
		s := bufio.NewScanner(out)
		for s.Scan() {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(s.Text()), "listening"); ok {
				listening <- strings.TrimSpace(rest)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out) // to the end of its output, as Wait wants
		_ = d.cmd.Wait()                // its state says how it ended
	}()
	select {
	case d.URL = <-listening:
	case <-d.done:
	case <-time.After(60 * time.Second):
	}
	if d.URL == "" {
		_ = d.cmd.Process.Kill() // it may have ended by itself
		<-d.done
		return nil, fmt.Errorf("Paddock does not start:\n%s", d.log)
	}
	return d, nil
}

// Kill ends Paddock with SIGKILL and waits for it.
func (d *Daemon) Kill(t testing.TB) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.done
}

// Abort ends Paddock as if it had crashed, which makes it print all goroutines, and
// waits for it.
func (d *Daemon) Abort(t testing.TB) {
	t.Helper()
	d.aborted = true
	if err := d.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-d.done
}

// Terminate sends SIGTERM and does not wait: Stop does.
func (d *Daemon) Terminate(t testing.TB) {
	t.Helper()
	if err := d.terminate(); err != nil {
		t.Fatal(err)
	}
}

func (d *Daemon) terminate() error {
	if d.told {
		return nil
	}
	d.told = true
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Stop asks Paddock to end and waits for it.
func (d *Daemon) Stop(t testing.TB) {
	t.Helper()
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}

func (d *Daemon) stop() error {
	if err := d.terminate(); err != nil {
		return err
	}
	select {
	case <-d.done:
		return nil
	case <-time.After(60 * time.Second):
		_ = d.cmd.Process.Kill() // it may have ended now
		return fmt.Errorf("Paddock does not stop:\n%s", d.log)
	}
}

// ended says what was wrong with the way in which Paddock ended.
func (d *Daemon) ended() error {
	if d.aborted {
		return nil
	}
	if status := d.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() != syscall.SIGKILL || status.ExitStatus() > 0 {
		return fmt.Errorf("Paddock ended with %s", d.cmd.ProcessState)
	}
	return nil
}

func (d *Daemon) finish(t testing.TB) {
	d.Stop(t)
	if err := d.ended(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("Paddock printed:\n%s", d.log)
	}
}

// Log is what Paddock has printed so far.
func (d *Daemon) Log() string { return d.log.String() }

// PID is the daemon's process.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Do sends a request and returns the answer with its body.
func (d *Daemon) Do(t testing.TB, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// Env is the environment of a client process that is to use this Paddock.
func (d *Daemon) Env(more ...string) []string {
	env := append(os.Environ(),
		"AWS_ENDPOINT_URL="+d.URL, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true")
	return append(env, more...)
}

// Port is the port that the daemon listens on.
func (d *Daemon) Port(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

var build = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "paddock")
	unlock, err := lock(filepath.Join(root, "bin"))
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/paddock")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// lock keeps apart the test binaries that build at a time: go build writes its
// output in place.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // which unlocks it
}

func path() (string, error) {
	if *binary != "" {
		return *binary, nil
	}
	return build()
}

// Binary builds Paddock, once, and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := path()
	if err != nil {
		t.Fatalf("Paddock does not build: %v", err)
	}
	return path
}

// Root is the repository's top folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
