package sandboxtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// imageRun runs the subject, which stands in the root of an image, to its end.
func imageRun(tb testing.TB, s sandbox.Sandbox, args ...string) (string, sandbox.Exit) {
	tb.Helper()
	p, out := startCommand(tb, s, &sandbox.Command{Path: "/" + program, Args: append([]string{program}, args...), Dir: "/"})
	return finish(tb, p, out)
}

// imageRefused is refused for imageRun.
func imageRefused(tb testing.TB, s sandbox.Sandbox, reasons []string, args ...string) {
	tb.Helper()
	out, _ := imageRun(tb, s, args...)
	if !strings.HasPrefix(out, "error: ") || !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(out, r) }) {
		tb.Errorf("%q: %q, want one of the errors %q", args, out, reasons)
	}
}

// testNoImages is for drivers without a file system of their own.
func testNoImages(t *testing.T, driver sandbox.Driver) {
	_, err := driver.New(context.Background(), &sandbox.Spec{ID: "test", Root: []string{code(t)}})
	if !errors.Is(err, sandbox.ErrNoImages) {
		t.Errorf("New with the root of an image: %v, want ErrNoImages", err)
	}
}

func testImage(t *testing.T, driver sandbox.Driver, can Capabilities) {
	lower := folder(t, map[string]string{"both": "lower", "etc/app.conf": "of the image", "tmp/old": "hidden", "opt/x": "x", "proc": "no folder"})
	upper := folder(t, map[string]string{"both": "upper", "etc/resolv.conf": "of the image", "private/file": "secret", "closed": "secret"})
	closed := os.FileMode(0o700)
	if can.OneUser { // functions are the owner
		closed = 0
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(upper, "private"), 0o700) }) // for who removes it
	}
	if err := errors.Join(os.Chmod(filepath.Join(upper, "private"), closed), os.Chmod(filepath.Join(upper, "closed"), closed&0o600),
		os.Symlink("/both", filepath.Join(upper, "link")), os.Symlink("nowhere", filepath.Join(lower, "dev"))); err != nil {
		t.Fatal(err)
	}
	spec := sandbox.Spec{ID: "image", Root: []string{lower, code(t), upper}, EphemeralMB: 16}
	s := made(t, driver, &spec)

	for path, want := range map[string]string{"/both": "upper", "/link": "upper", "/etc/app.conf": "of the image", "/opt/x": "x"} {
		if got, _ := imageRun(t, s, "read", path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got, _ := imageRun(t, s, "read", "/etc/resolv.conf"); got == "of the image" || strings.HasPrefix(got, "error:") {
		t.Errorf("/etc/resolv.conf: %q, want the sandbox's own", got)
	}
	if got, _ := imageRun(t, s, "list", "/"); got != "both closed dev etc link opt private proc "+program+" sys tmp var" {
		t.Errorf("the root has %q", got)
	}
	if got, _ := imageRun(t, s, "list", "/tmp"); got != "" && got != "lost+found" {
		t.Errorf("/tmp has %q", got)
	}
	// Nothing of the host, and of the environment's root before this one.
	for _, path := range []string{"/usr", "/etc/passwd", "/run", "/var/task", lower, "/etc/shadow"} {
		imageRefused(t, s, noSuchFile, "list", path)
	}
	for _, path := range []string{"/proc/1/root/etc/shadow", "/proc/1/environ", "/dev/mem", "/proc/kcore"} {
		imageRefused(t, s, unreadable, "read", path)
	}
	mounts, _ := imageRun(t, s, "read", "/proc/self/mountinfo")
	for line := range strings.Lines(mounts) {
		if at := strings.Fields(line)[4]; at != "/" && !slices.ContainsFunc([]string{"/proc", "/dev", "/tmp", "/var/rapid"}, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") }) {
			t.Errorf("a mount at %s", at)
		}
	}
	// What its owner alone may read, functions may not, and nothing can be written.
	for _, path := range []string{"/closed", "/private/file"} {
		imageRefused(t, s, []string{"permission denied"}, "read", path)
	}
	for _, path := range []string{"/attempt", "/both", "/etc/attempt", "/opt/x", "/dev/attempt", "/var/rapid/attempt", "/var/attempt", "/sys/attempt"} {
		imageRefused(t, s, readOnly, "write", path)
	}
	for _, path := range []string{"/tmp/file", "/dev/null", "/dev/shm/file"} {
		if got, _ := imageRun(t, s, "write", path); got != "written" {
			t.Errorf("writing %s: %q", path, got)
		}
	}
	if got, _ := imageRun(t, s, "fill", "/tmp/big", "64"); !strings.Contains(got, "no space left on device") {
		t.Errorf("filling /tmp of 16 MB: %q", got)
	}
	if err := s.Attach(context.Background(), &sandbox.Spec{ID: "other", Code: code(t)}); !errors.Is(err, sandbox.ErrAttached) {
		t.Errorf("Attach: %v, want ErrAttached", err)
	}
	// The layers are another environment's too, and stay as they were.
	other := made(t, driver, &spec)
	if got, _ := imageRun(t, other, "list", "/tmp"); got != "" && got != "lost+found" {
		t.Errorf("another environment's /tmp has %q", got)
	}
	var exec *sandbox.ExecError
	if _, err := other.Start(context.Background(), &sandbox.Command{Path: "/missing", Dir: "/"}); !errors.As(err, &exec) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
	if _, err := other.Start(context.Background(), &sandbox.Command{Path: "/closed", Dir: "/"}); !errors.As(err, &exec) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("a closed program: %v", err)
	}
	if _, err := driver.New(context.Background(), &sandbox.Spec{ID: "test", Root: spec.Root, Code: code(t)}); err == nil {
		t.Error("an image with code besides is made")
	}
	z := zygote(t, driver, sandbox.Spec{})
	if err := z.Attach(context.Background(), &spec); err == nil {
		t.Error("a zygote became the environment of an image")
	}
}

func testImageProcesses(t *testing.T, driver sandbox.Driver) {
	s := made(t, driver, &sandbox.Spec{ID: "image", Root: []string{code(t)}})
	names, _ := imageRun(t, s, "list", "/proc")
	var pids []string
	for name := range strings.SplitSeq(names, " ") {
		if _, err := strconv.Atoi(name); err == nil {
			pids = append(pids, name)
		}
	}
	if len(pids) != 2 || pids[0] != "1" {
		t.Errorf("the subject sees processes %v, want process 1 and itself", pids)
	}
}

func testImagePrivileges(t *testing.T, driver sandbox.Driver, can Capabilities) {
	s := made(t, driver, &sandbox.Spec{ID: "image", Root: []string{code(t)}})
	out, exit := imageRun(t, s, "forbidden")
	if exit != (sandbox.Exit{}) {
		t.Fatalf("the subject failed: %+v", exit)
	}
	attempts := decode[map[string]string](t, out)
	for _, name := range sorted(attempts) {
		if can.OneUser && name == "become root" && attempts[name] == "invalid argument" {
			continue
		}
		if !slices.Contains(notAllowed, attempts[name]) {
			t.Errorf("%s: %q, want one of %q", name, attempts[name], notAllowed)
		}
	}
	status, _ := imageRun(t, s, "read", "/proc/self/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t993\t993\t993\t993"} {
		if !strings.Contains(status, line+"\n") {
			t.Errorf("no %q in %s", line, status)
		}
	}
}
