// Package doctor tests "paddock doctor" through the built binary.
package doctor

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
)

// doctor runs the command.
func doctor(t *testing.T, data string, flags ...string) (text string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), daemon.Binary(t), append([]string{"doctor", "--listen", "127.0.0.1:0", "--data", data}, flags...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestDoctor(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Missing(t, "root, who can have all that Paddock offers")
	}
	text, code := doctor(t, t.TempDir())
	for _, part := range []string{"kernel       Linux", "user         root", "namespaces", "seccomp", "cgroups", "sandbox", "network      private: ", "driver", "Python", "Node.js", "data", "port"} {
		if !strings.Contains(text, " "+part) {
			t.Errorf("nothing is said of %q", part)
		}
	}
	// What this machine lacks is not the test's to know, but the code must say it.
	if (code == 0) != !strings.Contains(text, "LACKING") || (code == 0) != strings.Contains(text, "Everything is here") || code > 1 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(text, "LACKING  user") || strings.Contains(text, "LACKING  kernel") || strings.Contains(text, "LACKING  data") {
		t.Error("root lacks what it has")
	}
	t.Logf("%s", text)
}

func TestDoctorWithoutPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Missing(t, "root, to become another user")
	}
	const nobody = 65534
	// The binary stands where another user may not reach it.
	binary, err := os.ReadFile(daemon.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := daemon.Folder(t)
	if err := os.WriteFile(dir+"/paddock", binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), dir+"/paddock", "doctor", "--listen", "127.0.0.1:0", "--data", dir)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	wanted := []string{"LACKING  user", "run Paddock as root", "LACKING  data"}
	if strings.Contains(string(out), "in a user namespace") {
		wanted = append(wanted, "LACKING  cgroups", "ok       sandbox", "LACKING  /tmp", "LACKING  network", "ok       driver       linux")
	} else { // a host that forbids them
		wanted = append(wanted, "user 65534", "LACKING  sandbox", "it needs root", "LACKING  driver       process: no isolation")
	}
	for _, want := range wanted {
		if !strings.Contains(string(out), want) {
			t.Errorf("not said: %q", want)
		}
	}
	t.Logf("%s", out)
}
