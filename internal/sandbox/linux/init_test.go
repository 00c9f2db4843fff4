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
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
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
// returns what it reported and how the process ended. Without a command the gate
// gets none.
func gateTest(t *testing.T, runner []string, program []byte, command *sandbox.Command, limits ...gateLimit) (gateStatus, int, error) {
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
	args := append(append([]string{}, runner...), file, "gate")
	process, err := os.StartProcess(args[0], args, &os.ProcAttr{Files: []*os.File{far, nil, os.Stderr}, Env: []string{}})
	if err := errors.Join(err, far.Close()); err != nil {
		t.Fatal(err)
	}
	if command == nil {
		err = unix.Shutdown(pair[0], unix.SHUT_WR)
	} else {
		var message []byte
		if message, err = gateMessage(command, limits); err != nil {
			t.Fatal(err)
		}
		err = (&gate{socket: pair[0]}).send(message, []int{int(os.Stdin.Fd()), int(os.Stdout.Fd())})
	}
	if err != nil && !errors.Is(err, unix.EPIPE) {
		t.Fatal(err)
	}
	var status gateStatus
	statusErr := readStatus(pair[0], &status)
	state, err := process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return status, state.ExitCode(), statusErr
}

var someLimit = gateLimit{unix.RLIMIT_CORE, 0, 0}

// gateCases are what a gate is told and what comes of it.
func gateCases(t *testing.T, runner []string, program []byte) {
	t.Helper()
	long := strings.Repeat("x", 100_000) // comes in several pieces
	shell := func(dir string) *sandbox.Command {
		return &sandbox.Command{
			Path: "/bin/sh", Args: []string{"sh", "-c", `test "$(pwd)" = "$WHERE" && test ${#LONG} = 100000 && exit $CODE`}, Dir: dir,
			Env: []string{"CODE=5", "WHERE=" + dir, "LONG=" + long, "PATH=/bin"},
		}
	}
	if status, code, err := gateTest(t, runner, program, shell("/usr"), someLimit, someLimit, someLimit, someLimit); !errors.Is(err, io.EOF) || code != 5 {
		t.Errorf("a program that can be started: %+v, %v, exit code %d", status, err, code)
	}
	for name, c := range map[string]struct {
		command *sandbox.Command
		limits  []gateLimit
		want    gateStatus
	}{
		"missing program": {&sandbox.Command{Path: "/missing"}, []gateLimit{someLimit}, gateStatus{uint32(unix.ENOENT), gateExec}},
		"missing folder":  {shell("/missing"), []gateLimit{someLimit}, gateStatus{uint32(unix.ENOENT), gateChdir}},
		"unknown limit":   {shell("/usr"), []gateLimit{someLimit, {999, 1, 1}}, gateStatus{uint32(unix.EINVAL), gateSetLimits}},
	} {
		if status, code, err := gateTest(t, runner, program, c.command, c.limits...); err != nil || status != c.want || code != 127 {
			t.Errorf("%s: %+v, %v, exit code %d; want %+v and 127", name, status, err, code, c.want)
		}
	}
	if _, code, err := gateTest(t, runner, program, nil); !errors.Is(err, io.EOF) || code != 127 {
		t.Errorf("without a go-ahead: %v, exit code %d", err, code)
	}
}

func TestGate(t *testing.T) {
	needsRoot(t) // else a filter needs no-new-privileges, which the driver's thread sets
	allow, err := initProgram(initMachine, initCode, []unix.SockFilter{ret(retAllow)})
	if err != nil {
		t.Fatal(err)
	}
	gateCases(t, nil, allow)
	broken, err := initProgram(initMachine, initCode, []unix.SockFilter{load(dataNumber)})
	if err != nil {
		t.Fatal(err)
	}
	want := gateStatus{uint32(unix.EINVAL), gateSeccomp}
	if status, code, err := gateTest(t, nil, broken, &sandbox.Command{Path: "/bin/sh"}); err != nil || status != want || code != 127 {
		t.Errorf("a broken filter: %+v, %v, exit code %d; want %+v and 127", status, err, code, want)
	}
}

func TestGateMessage(t *testing.T) {
	for name, c := range map[string]struct {
		command sandbox.Command
		want    error
	}{
		"too long":              {sandbox.Command{Path: "/x", Env: []string{"A=" + strings.Repeat("x", gateRoom)}}, unix.E2BIG},
		"zero in the path":      {sandbox.Command{Path: "/x\x00"}, unix.EINVAL},
		"zero in the folder":    {sandbox.Command{Path: "/x", Dir: "/\x00"}, unix.EINVAL},
		"zero in an argument":   {sandbox.Command{Path: "/x", Args: []string{"\x00"}}, unix.EINVAL},
		"zero in a variable":    {sandbox.Command{Path: "/x", Env: []string{"A=\x00"}}, unix.EINVAL},
		"nothing but a program": {sandbox.Command{Path: "/x"}, nil},
	} {
		if _, err := gateMessage(&c.command, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestARM64InitUnderQEMU runs the code for arm64 in user-mode emulation. That knows
// no seccomp: it stops there, and with another system call in its place goes on.
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
	if status, code, err := gateTest(t, []string{qemu}, program, &sandbox.Command{Path: "/bin/sh"}, someLimit); err != nil ||
		status != (gateStatus{uint32(unix.ENOSYS), gateSeccomp}) || code != 127 {
		t.Errorf("gate: %+v, %v, exit code %d; want ENOSYS of seccomp and 127", status, err, code)
	}
	move := func(call uint32) []byte { return binary.LittleEndian.AppendUint32(nil, 0xd2800008|call<<5) } // mov x8, #call
	const seccomp, schedYield = 277, 124
	if n := bytes.Count(code, move(seccomp)); n != 1 {
		t.Fatalf("%d calls of seccomp in the code", n)
	}
	if program, err = initProgram(elf.EM_AARCH64, bytes.ReplaceAll(code, move(seccomp), move(schedYield)), nil); err != nil {
		t.Fatal(err)
	}
	gateCases(t, []string{qemu}, program)
	file := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(qemu, file, "probe").CombinedOutput(); err != nil {
		t.Errorf("probe: %v: %s", err, out)
	}
}
