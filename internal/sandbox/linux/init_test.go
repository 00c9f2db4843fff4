//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/test/need"
)

// TestInitCodeIsAssembled rebuilds the committed code from its source.
func TestInitCodeIsAssembled(t *testing.T) {
	for _, tool := range []string{"x86_64-linux-gnu-as", "aarch64-linux-gnu-as"} {
		need.Program(t, tool)
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "initcode/generate.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"amd64.bin", "arm64.bin"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("initcode", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its source assembles to: run go generate", name)
		}
	}
}

func TestInitProgramIsELF(t *testing.T) {
	program, err := initProgram(initMachine, initCode, []unix.SockFilter{ret(retAllow)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if file.Machine != initMachine || file.Type != elf.ET_EXEC || len(file.Progs) != 2 {
		t.Errorf("%+v", file.FileHeader)
	}
	load := file.Progs[0]
	if load.Filesz != uint64(len(program)) || load.Flags != elf.PF_R|elf.PF_X || file.Entry <= load.Vaddr {
		t.Errorf("%+v", load.ProgHeader)
	}
}

// gateTest starts the gate of a program with a shell command as its target, and
// returns what it reported and how the process ended.
func gateTest(t *testing.T, runner []string, program []byte, path string, limits ...gateLimit) (gateStatus, int, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(pair[0])
	far := os.NewFile(uintptr(pair[1]), "far end")
	// os/exec gives the first extra file descriptor 3.
	args := append(append([]string{}, runner...), file, "\x03", path, "sh", "-c", "exit $CODE")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"CODE=5"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.ExtraFiles = []*os.File{far}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	var message []byte
	for _, limit := range limits {
		if message, err = binary.Append(message, binary.LittleEndian, limit); err != nil {
			t.Fatal(err)
		}
	}
	if len(message) > 0 {
		if _, err := unix.Write(pair[0], message); err != nil {
			t.Fatal(err)
		}
	} else if err := unix.Shutdown(pair[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	var status gateStatus
	statusErr := readStatus(pair[0], &status)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return status, cmd.ProcessState.ExitCode(), statusErr
}

var someLimit = gateLimit{unix.RLIMIT_CORE, 0, 0}

func TestGate(t *testing.T) {
	needsRoot(t) // else a filter needs no-new-privileges, which the driver's thread sets
	allow, err := initProgram(initMachine, initCode, []unix.SockFilter{ret(retAllow)})
	if err != nil {
		t.Fatal(err)
	}
	broken, err := initProgram(initMachine, initCode, []unix.SockFilter{load(dataNumber)})
	if err != nil {
		t.Fatal(err)
	}
	if status, code, err := gateTest(t, nil, allow, "/bin/sh", someLimit, someLimit, someLimit, someLimit); !errors.Is(err, io.EOF) || code != 5 {
		t.Errorf("a program that can be started: %+v, %v, exit code %d", status, err, code)
	}
	for name, c := range map[string]struct {
		program []byte
		path    string
		limits  []gateLimit
		want    gateStatus
	}{
		"missing program": {allow, "/missing", []gateLimit{someLimit}, gateStatus{uint32(unix.ENOENT), gateExec}},
		"broken filter":   {broken, "/bin/sh", []gateLimit{someLimit}, gateStatus{uint32(unix.EINVAL), gateSeccomp}},
		"unknown limit":   {allow, "/bin/sh", []gateLimit{someLimit, {999, 1, 1}}, gateStatus{uint32(unix.EINVAL), gateSetLimits}},
	} {
		if status, code, err := gateTest(t, nil, c.program, c.path, c.limits...); err != nil || status != c.want || code != 127 {
			t.Errorf("%s: %+v, %v, exit code %d; want %+v and 127", name, status, err, code, c.want)
		}
	}
	if _, code, err := gateTest(t, nil, allow, "/bin/sh"); !errors.Is(err, io.EOF) || code != 127 {
		t.Errorf("without a go-ahead: %v, exit code %d", err, code)
	}
}

// TestARM64InitUnderQEMU runs the code for arm64 as far as user-mode emulation,
// which knows no seccomp, lets it.
func TestARM64InitUnderQEMU(t *testing.T) {
	qemu := need.Program(t, "qemu-aarch64-static")
	code, err := os.ReadFile("initcode/arm64.bin")
	if err != nil {
		t.Fatal(err)
	}
	program, err := initProgram(elf.EM_AARCH64, code, []unix.SockFilter{ret(retAllow)})
	if err != nil {
		t.Fatal(err)
	}
	if status, code, err := gateTest(t, []string{qemu}, program, "/bin/sh", someLimit, someLimit); err != nil ||
		status != (gateStatus{uint32(unix.ENOSYS), gateSeccomp}) || code != 127 {
		t.Errorf("gate: %+v, %v, exit code %d; want ENOSYS of seccomp and 127", status, err, code)
	}
	if _, code, err := gateTest(t, []string{qemu}, program, "/bin/sh"); !errors.Is(err, io.EOF) || code != 127 {
		t.Errorf("without a go-ahead: %v, exit code %d", err, code)
	}
	file := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(qemu, file, "probe").CombinedOutput(); err != nil {
		t.Errorf("probe: %v: %s", err, out)
	}
}
