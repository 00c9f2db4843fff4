package sandboxtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// userVariable is set in a test that AsUser has started, to the subject's folder.
const userVariable = "SANDBOXTEST_USER"

// IsUser reports whether this process is one that AsUser has started.
func IsUser() bool { return os.Getenv(userVariable) != "" }

// AsUser runs the calling test once more, in a process of an ordinary user. It
// reports whether this is that process; in the other one the test is over. It
// needs root.
func AsUser(t *testing.T, uid int) bool {
	t.Helper()
	if IsUser() {
		return true
	}
	// Neither the test's program nor its folders can be reached by others.
	dir, tmp := folder(t, nil), folder(t, nil)
	program := filepath.Join(dir, "test")
	text, err := os.ReadFile(os.Args[0])
	if err := errors.Join(err, os.WriteFile(program, text, 0o755), os.Chown(tmp, uid, uid)); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.count=1"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = tmp
	cmd.Env = []string{userVariable + "=" + code(t), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "HOME=" + tmp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
	return false
}
