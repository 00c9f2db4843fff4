package sandboxtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// Words of the errors that an attempt may be refused with.
var (
	noSuchFile  = []string{"no such file or directory"}
	readOnly    = []string{"read-only file system", "permission denied"}
	unreadable  = []string{"no such file or directory", "permission denied"}
	unreachable = []string{"connection refused", "no route to host", "network is unreachable", "permission denied"}
	notAllowed  = []string{"operation not permitted", "permission denied", "function not implemented"}
)

func testFileSystem(t *testing.T, driver sandbox.Driver) {
	secret := folder(t, map[string]string{"secret": "of the host"})
	s := create(t, driver, sandbox.Spec{EphemeralMB: 16, Layers: []string{secret}})
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(secret, "secret"), "/etc/shadow", "/etc/ssh/sshd_config", "/etc/sudoers", "/etc/machine-id",
		"/var/lib/dpkg/status", "/proc/1/environ", "/proc/1/root/etc/shadow", "/proc/1/cwd/etc/shadow",
		fmt.Sprintf("/proc/%d/environ", os.Getpid()), "/proc/kcore", "/dev/mem", "/sys/kernel/notes",
	} {
		refused(t, s, unreadable, "read", path)
	}
	for _, path := range []string{home, "/home", "/srv", "/boot", secret, "/sys/fs/cgroup", "/etc/ssl/private"} {
		refused(t, s, noSuchFile, "list", path)
	}
	layout := s.Layout()
	for _, dir := range []string{
		layout.Task, layout.Opt, layout.Lang, layout.Runtime, "/", "/usr", "/usr/bin", "/etc", "/etc/ssl/certs",
		"/var", "/var/tmp", "/run", "/dev", "/var/rapid", "/proc/sys/kernel",
	} {
		refused(t, s, append([]string{"no such file or directory"}, readOnly...), "write", dir+"/attempt")
		if dir != "/proc/sys/kernel" { // where no file can be made by anyone
			refused(t, s, readOnly, "write", dir+"/attempt")
		}
	}
	for _, file := range []string{"/etc/passwd", "/usr/bin/env", layout.Task + "/" + program, "/var/rapid/init"} {
		refused(t, s, append([]string{"text file busy"}, readOnly...), "write", file)
	}
	refused(t, s, unreadable, "write", "/proc/sysrq-trigger") // not every kernel has it
	if got, _ := run(t, s, "read", "/etc/passwd"); !strings.Contains(got, "sbx_user1051:x:993:990:") {
		t.Errorf("/etc/passwd: %q", got)
	}

	// Not only for want of permission.
	open := folder(t, map[string]string{"file": "text"})
	if err := errors.Join(os.Chmod(open, 0o777), os.Chmod(filepath.Join(open, "file"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, layers := range [][]string{{open}, {open, secret}} {
		lax := create(t, driver, sandbox.Spec{Layers: layers, Lang: open, Bootstrap: open})
		for _, dir := range []string{layout.Opt, layout.Lang, layout.Runtime} {
			refused(t, lax, []string{"read-only file system"}, "write", dir+"/file")
			refused(t, lax, []string{"read-only file system"}, "write", dir+"/attempt")
		}
	}

	// A full /tmp is an error to the function, of the size that was asked for.
	got, exit := run(t, s, "fill", layout.Tmp+"/big", "64")
	if exit != (sandbox.Exit{}) || !strings.Contains(got, "no space left on device") {
		t.Errorf("filling %s: %q, %+v", layout.Tmp, got, exit)
	}
	if written, err := strconv.Atoi(strings.TrimPrefix(strings.SplitN(got, " MB", 2)[0], "error: after ")); err != nil || written < 14 || written > 16 {
		t.Errorf("%s of 16 MB took %q", layout.Tmp, got)
	}
	if got, _ := run(t, create(t, driver, sandbox.Spec{EphemeralMB: 16}), "write", layout.Tmp+"/file"); got != "written" {
		t.Errorf("%s of another environment: %q", layout.Tmp, got)
	}
}

func testProcesses(t *testing.T, driver sandbox.Driver, can Capabilities) {
	other := create(t, driver, sandbox.Spec{})
	victim, out := start(t, other, "tick")
	s := create(t, driver, sandbox.Spec{})

	names, _ := run(t, s, "list", "/proc")
	var pids []string
	for name := range strings.SplitSeq(names, " ") {
		if _, err := strconv.Atoi(name); err == nil {
			pids = append(pids, name)
		}
	}
	if len(pids) != 2 || pids[0] != "1" {
		t.Errorf("the subject sees processes %v, want process 1 and itself", pids)
	}
	for _, pid := range []int{victim.PID(), os.Getpid()} {
		refused(t, s, []string{"no such process"}, "kill", strconv.Itoa(pid))
	}
	if can.OneUser {
		run(t, s, "kill", "1") // what follows shows that nothing came of it
	} else {
		refused(t, s, notAllowed, "kill", "1")
	}
	// All that it may signal: itself.
	if _, exit := run(t, s, "kill", "-1"); exit.Signal != 0 {
		t.Errorf("kill -1: %+v", exit)
	}
	ticking(t, out, true)
	if got, _ := run(t, s, "exit", "0"); got != "" {
		t.Errorf("after the attempts: %q", got)
	}
}

func testPrivileges(t *testing.T, driver sandbox.Driver, can Capabilities) {
	s := create(t, driver, sandbox.Spec{ID: "the-id"})
	out, exit := run(t, s, "forbidden")
	if exit != (sandbox.Exit{}) {
		t.Fatalf("the subject failed: %+v", exit)
	}
	attempts := decode[map[string]string](t, out)
	if len(attempts) < 25 {
		t.Fatalf("only %d attempts were made", len(attempts))
	}
	for _, name := range sorted(attempts) {
		if can.OneUser && name == "become root" && attempts[name] == "invalid argument" {
			continue // there is none
		}
		if !slices.Contains(notAllowed, attempts[name]) {
			t.Errorf("%s: %q, want one of %q", name, attempts[name], notAllowed)
		}
	}
	// The errors above are the filter's: none came from wrong arguments.
	status, _ := run(t, s, "read", "/proc/self/status")
	for key, want := range map[string]string{
		"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
		"CapBnd": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
		"Uid": "993\t993\t993\t993", "Gid": "990\t990\t990\t990", "Groups": "",
	} {
		_, after, found := strings.Cut(status, "\n"+key+":")
		line, _, _ := strings.Cut(after, "\n")
		if got := strings.TrimSpace(line); !found || got != want {
			t.Errorf("%s in /proc/self/status: %q, want %q", key, got, want)
		}
	}
	self := decode[self](t, first(run(t, s, "self")))
	if self.UID != 993 || self.Host != "the-id" {
		t.Errorf("user %d on host %q, want 993 on the-id", self.UID, self.Host)
	}
}

func first[A, B any](a A, _ B) A { return a }

func testMemory(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{MemoryMB: 64})
	if out, exit := run(t, s, "allocate", "20"); exit != (sandbox.Exit{}) || out != "allocated 20 MB" {
		t.Errorf("allocating 20 of 64 MB: %+v, %q", exit, out)
	}
	usage, err := s.Usage()
	if err != nil || usage.MaxMemoryBytes < 20<<20 || usage.MaxMemoryBytes > 64<<20 || usage.OOMKills != 0 {
		t.Errorf("usage after 20 MB: %+v, %v", usage, err)
	}
	// A child's end does not end the process that the daemon started.
	if out, exit := run(t, s, "child", "allocate", "200"); exit != (sandbox.Exit{}) || out != "error: signal: killed" {
		t.Errorf("a child allocating 200 of 64 MB: %+v, %q", exit, out)
	}
	if usage, err := s.Usage(); err != nil || usage.OOMKills != 1 {
		t.Errorf("usage after a child's OOM kill: %+v, %v", usage, err)
	}
	for range 3 {
		fresh := create(t, driver, sandbox.Spec{MemoryMB: 64})
		if out, exit := run(t, fresh, "allocate", "200"); !exit.OOM || exit.Code != -1 || exit.Signal != 9 || out != "" {
			t.Errorf("allocating 200 of 64 MB: %+v, %q", exit, out)
		}
		if usage, err := fresh.Usage(); err != nil || usage.OOMKills != 1 {
			t.Errorf("usage after an OOM kill: %+v, %v", usage, err)
		}
		if out, exit := run(t, fresh, "raise", "9"); exit.OOM {
			t.Errorf("SIGKILL by the process itself: %+v, %q", exit, out)
		}
	}
}

func testForks(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{Processes: 100})
	out, _ := run(t, s, "fork", "1000")
	if !strings.HasPrefix(out, "error: after ") || !strings.Contains(out, "resource temporarily unavailable") {
		t.Fatalf("starting 1000 processes where 100 may be: %q", out)
	}
	if started, err := strconv.Atoi(strings.Fields(out)[2][:len(strings.Fields(out)[2])-1]); err != nil || started < 5 || started > 100 {
		t.Errorf("%q, want some tens (each has several threads)", out)
	}
	if err := s.Destroy(); err != nil {
		t.Errorf("Destroy: %v", err)
	}
	if out, exit := run(t, create(t, driver, sandbox.Spec{}), "fork", "20"); out != "started all" {
		t.Errorf("starting 20 processes in another environment: %q, %+v", out, exit)
	}
}

// testDisk writes more files than there is memory.
func testDisk(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{MemoryMB: 64, EphemeralMB: 256})
	tmp := s.Layout().Tmp
	if out, exit := run(t, s, "fill", tmp+"/big", "200"); out != "filled" {
		t.Errorf("writing 200 MB with 64 MB of memory: %q, %+v", out, exit)
	}
	if out, exit := run(t, s, "fill", tmp+"/more", "200"); exit != (sandbox.Exit{}) || !strings.Contains(out, "no space left on device") {
		t.Errorf("writing 400 MB into 256 MB: %q, %+v", out, exit)
	}
	if usage, err := s.Usage(); err != nil || usage.OOMKills != 0 {
		t.Errorf("%+v, %v", usage, err)
	}
	if out, _ := run(t, s, "execute", tmp+"/missing"); !strings.Contains(out, "no such file") {
		t.Errorf("%q", out)
	}
}

// testCPU burns 400 ms with limits and without.
func testCPU(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	burn := func(milli int) int {
		t.Helper()
		if err := s.SetCPU(milli); err != nil {
			t.Fatalf("SetCPU(%d): %v", milli, err)
		}
		out, exit := run(t, s, "burn", "400")
		used, err := strconv.Atoi(out)
		if err != nil {
			t.Fatalf("%q, %+v", out, exit)
		}
		return used
	}
	limited := burn(100)
	if limited > 120 {
		t.Errorf("with a tenth of a processor, 400 ms of burning took %d ms of one", limited)
	}
	free := burn(0)
	for range 10 { // others may keep the processors busy
		if free >= 2*limited {
			return
		}
		free = max(free, burn(0))
	}
	t.Errorf("without a limit burning took %d ms of a processor, with a tenth %d", free, limited)
}

func testOpenFiles(t *testing.T, driver sandbox.Driver) {
	for want, spec := range map[uint64]sandbox.Spec{1024: {}, 64: {OpenFiles: 64}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, out := startCommand(t, create(t, driver, spec), &sandbox.Command{
			Args: []string{program, "self", "extra"}, Extra: []*os.File{read},
		})
		if err := errors.Join(read.Close(), write.Close()); err != nil {
			t.Fatal(err)
		}
		text, _ := finish(t, p, out)
		if got := decode[self](t, text); got.Files != want {
			t.Errorf("limit of descriptors %d, want %d", got.Files, want)
		}
	}
}

func testNetwork(t *testing.T, driver sandbox.Driver, can Capabilities) {
	host, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, host, "the host")
	var environments []sandbox.Sandbox
	for _, name := range []string{"one", "two"} {
		s := create(t, driver, sandbox.Spec{ID: name})
		for _, port := range []int{9001, 9002} {
			listener, err := s.Listen(port)
			if err != nil {
				t.Fatalf("Listen: %v", err)
			}
			if got, want := listener.Addr().String(), fmt.Sprintf("127.0.0.1:%d", port); got != want {
				t.Errorf("address %s, want %s", got, want)
			}
			serve(t, listener, fmt.Sprint(name, port))
		}
		environments = append(environments, s)
	}
	one, two := environments[0], environments[1]
	for i, name := range []string{"one", "two"} {
		for _, port := range []int{9001, 9002} {
			if got, _ := run(t, environments[i], "dial", fmt.Sprintf("127.0.0.1:%d", port)); got != fmt.Sprint(name, port) {
				t.Errorf("%s reaches %q", name, got)
			}
		}
		refused(t, environments[i], []string{"connection refused"}, "dial", host.Addr().String())
	}
	only, err := one.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, only, "only in one")
	if got, _ := run(t, one, "dial", only.Addr().String()); got != "only in one" {
		t.Errorf("one reaches %q", got)
	}
	refused(t, two, []string{"connection refused"}, "dial", only.Addr().String())
	if conn, err := net.Dial("tcp4", only.Addr().String()); err == nil {
		t.Error("the host reaches an environment's listener")
		err = conn.Close()
		if err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}

	// What listens on all addresses of an environment is for it alone.
	_, out := start(t, two, "serve", "0.0.0.0:7777", "inside two")
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got, _ := run(t, two, "dial", "127.0.0.1:7777"); got != "inside two" {
		t.Errorf("two reaches %q", got)
	}
	if got, _ := run(t, two, "dial", "sandbox.localdomain:7777"); got != "inside two" {
		t.Errorf("two reaches %q as sandbox.localdomain", got)
	}
	if conn, err := one.Dial(7777); err == nil {
		_ = conn.Close()
		t.Error("Dial reaches what listens in another environment")
	}
	addresses, _ := run(t, two, "addresses")
	for address := range strings.FieldsSeq(addresses) {
		target := net.JoinHostPort(address, "7777")
		refused(t, one, unreachable, "dial", target)
		if conn, err := net.DialTimeout("tcp", target, time.Second); err == nil {
			t.Errorf("the host reaches %s", target)
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}

	for _, target := range can.Hidden {
		conn, err := net.DialTimeout("tcp", target, patience)
		if err != nil {
			t.Fatalf("the host does not reach %s itself: %v", target, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		refused(t, one, unreachable, "dial", target)
	}
	if can.Remote == "" {
		refused(t, one, []string{"network is unreachable"}, "dial", "192.0.2.1:80")
		return
	}
	if len(strings.Fields(addresses)) == 0 {
		t.Error("an environment that reaches other machines has no address")
	}
	if got, _ := run(t, one, "dial", can.Remote); got != RemoteText {
		t.Errorf("one reaches %q at %s", got, can.Remote)
	}
	if got, _ := run(t, one, "datagram", can.Remote, "hello"); got != "hello" {
		t.Errorf("one gets %q from %s over UDP", got, can.Remote)
	}
}

func testUsage(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	if out, exit := run(t, s, "allocate", "30"); exit != (sandbox.Exit{}) {
		t.Fatalf("%+v, %q", exit, out)
	}
	usage, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	// 0 is for drivers that cannot tell.
	if usage.MaxMemoryBytes != 0 && (usage.MaxMemoryBytes < 30<<20 || usage.MaxMemoryBytes > 200<<20) {
		t.Errorf("peak of a process that took 30 MB: %d bytes", usage.MaxMemoryBytes)
	}
	if usage.OOMKills != 0 {
		t.Errorf("%d OOM kills", usage.OOMKills)
	}
}

// testSetCPU is what all drivers do, also those that limit nothing.
func testSetCPU(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	start(t, s, "sleep")
	for _, milli := range []int{1, 72, 1000, 6000, 0} {
		if err := s.SetCPU(milli); err != nil {
			t.Errorf("SetCPU(%d): %v", milli, err)
		}
	}
	if err := errors.Join(s.Freeze(), s.SetCPU(100), s.Thaw()); err != nil {
		t.Errorf("SetCPU while frozen: %v", err)
	}
	if err := s.Destroy(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCPU(100); !errors.Is(err, sandbox.ErrDestroyed) {
		t.Errorf("SetCPU after Destroy: %v", err)
	}
}
