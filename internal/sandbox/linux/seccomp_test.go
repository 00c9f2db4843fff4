//go:build linux && (amd64 || arm64)

package linux

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// evaluate runs a filter as the kernel would, for a system call.
func evaluate(t *testing.T, filter []unix.SockFilter, arch, number, argument uint32) uint32 {
	t.Helper()
	data := map[uint32]uint32{dataNumber: number, dataArch: arch, dataArg0: argument}
	var accumulator uint32
	for at := 0; at < len(filter); at++ {
		i := filter[at]
		jump := func(yes bool) {
			if yes {
				at += int(i.Jt)
			} else {
				at += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			value, known := data[i.K]
			if !known {
				t.Fatalf("instruction %d loads from %d", at, i.K)
			}
			accumulator = value
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(accumulator == i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(accumulator >= i.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(accumulator&i.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		default:
			t.Fatalf("instruction %d has unknown code %#x", at, i.Code)
		}
	}
	t.Fatal("the filter ends without a verdict")
	return 0
}

func TestSeccompFilter(t *testing.T) {
	filter, err := seccompFilter()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions", len(filter))
	for number := uint32(0); number <= lastKnown+100; number++ {
		want := uint32(retAllow)
		switch {
		case number > lastKnown, number == unix.SYS_CLONE3:
			want = retENOSYS
		case slices.Contains(denied, number):
			want = retEPERM
		}
		if got := evaluate(t, filter, auditArch, number, 0); got != want {
			t.Errorf("system call %d: %#x, want %#x", number, got, want)
		}
		if got := evaluate(t, filter, 0x40000003, number, 0); got != retKill {
			t.Errorf("system call %d of another architecture: %#x", number, got)
		}
	}
	for name, c := range map[string]struct{ number, argument, want uint32 }{
		"fork":                {unix.SYS_CLONE, uint32(unix.SIGCHLD), retAllow},
		"thread":              {unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD, retAllow},
		"user namespace":      {unix.SYS_CLONE, unix.CLONE_NEWUSER | uint32(unix.SIGCHLD), retEPERM},
		"network namespace":   {unix.SYS_CLONE, unix.CLONE_NEWNET, retEPERM},
		"unix socket":         {unix.SYS_SOCKET, unix.AF_UNIX, retAllow},
		"internet socket":     {unix.SYS_SOCKET, unix.AF_INET6, retAllow},
		"netlink socket":      {unix.SYS_SOCKET, unix.AF_NETLINK, retAllow},
		"packet socket":       {unix.SYS_SOCKET, unix.AF_PACKET, retEPERM},
		"cryptography socket": {unix.SYS_SOCKET, unix.AF_ALG, retEPERM},
		"last of the denied":  {unix.SYS_SOCKET, deniedFamilies[len(deniedFamilies)-1], retEPERM},
		"x32":                 {0x40000000 | unix.SYS_PTRACE, 0, retENOSYS},
	} {
		if got := evaluate(t, filter, auditArch, c.number, c.argument); got != c.want {
			t.Errorf("%s: %#x, want %#x", name, got, c.want)
		}
	}
}
