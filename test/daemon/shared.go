package daemon

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// shared is the Paddock that the tests of a package share.
var shared struct {
	once   sync.Once
	daemon *Daemon
	data   string
	err    error
	flags  []string
}

// Main is a TestMain for packages whose tests share one Paddock: it runs them and
// stops what Shared has started, which must end cleanly.
func Main(m *testing.M, flags ...string) {
	flag.Parse()
	shared.flags = flags
	code := m.Run()
	if err := endShared(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Shared is the Paddock of the package's tests, or the one that -target-url
// names. The first call starts it.
func Shared(t testing.TB) *Daemon {
	t.Helper()
	if *target != "" {
		return &Daemon{URL: strings.TrimRight(*target, "/")}
	}
	shared.once.Do(func() {
		if shared.data, shared.err = os.MkdirTemp("", "paddock-test-"); shared.err != nil {
			return
		}
		if shared.err = os.Chmod(shared.data, 0o755); shared.err != nil {
			return
		}
		shared.daemon, shared.err = start(shared.data, shared.flags...)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.daemon
}

func endShared(show bool) error {
	if shared.data != "" {
		defer os.RemoveAll(shared.data)
	}
	d := shared.daemon
	if d == nil {
		return nil
	}
	err := d.stop()
	if err == nil {
		err = d.ended()
	}
	if show || err != nil {
		fmt.Fprintf(os.Stderr, "The Paddock that the tests shared printed:\n%s\n", d.log)
	}
	return err
}

// Ours reports whether the daemon is a Paddock that the tests have started, so
// that they know its flags and can read its output.
func (d *Daemon) Ours() bool { return d.cmd != nil }
