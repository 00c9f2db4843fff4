package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// NewDriver makes a driver.
type NewDriver func() (sandbox.Driver, error)

// Drivers are those that a package tests, by a name of its choice.
type Drivers map[string]NewDriver

// Run runs the suite against a driver of that name, which Main must know too.
func (d Drivers) Run(t *testing.T, name string, can Capabilities) {
	newDriver := d[name]
	driver, err := newDriver()
	if err != nil {
		t.Fatalf("make the driver: %v", err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Logf("%s", driver.Isolation())

	contract := map[string]func(*testing.T, sandbox.Driver){
		"attach":          testAttach,
		"attach refuses":  testAttachRefuses,
		"exit":            testExit,
		"exec error":      testExecError,
		"process":         testProcess,
		"layout":          testLayout,
		"listen":          testListen,
		"freeze":          testFreeze,
		"freeze at rest":  testFreezeAtRest,
		"destroy":         testDestroy,
		"destroy frozen":  testDestroyFrozen,
		"destroy twice":   testDestroyTwice,
		"usage":           testUsage,
		"set CPU":         testSetCPU,
		"many at once":    testManyAtOnce,
		"nothing is left": testNothingIsLeft,
	}
	for _, name := range sorted(contract) {
		t.Run(name, func(t *testing.T) { contract[name](t, driver) })
	}
	for _, claim := range []struct {
		name    string
		claimed bool
		test    func(*testing.T, sandbox.Driver)
	}{
		{"file system", can.FileSystem, testFileSystem},
		{"attach: file system", can.FileSystem, testAttachFileSystem},
		{"attach: memory", can.Memory, testAttachMemory},
		{"attach: forks", can.Forks, testAttachForks},
		{"image", can.FileSystem, func(t *testing.T, driver sandbox.Driver) { testImage(t, driver, can) }},
		{"image: refused", !can.FileSystem, testNoImages},
		{"image: processes", can.FileSystem && can.Processes, testImageProcesses},
		{"image: privileges", can.FileSystem && can.Privileges, func(t *testing.T, driver sandbox.Driver) { testImagePrivileges(t, driver, can) }},
		{"processes", can.Processes, func(t *testing.T, driver sandbox.Driver) { testProcesses(t, driver, can) }},
		{"privileges", can.Privileges, func(t *testing.T, driver sandbox.Driver) { testPrivileges(t, driver, can) }},
		{"memory", can.Memory, testMemory},
		{"forks", can.Forks, testForks},
		{"processors", can.CPU, testCPU},
		{"disk", can.Disk, testDisk},
		{"open files", can.OpenFiles, testOpenFiles},
		{"network", can.Network, func(t *testing.T, driver sandbox.Driver) { testNetwork(t, driver, can) }},
	} {
		t.Run(claim.name, func(t *testing.T) {
			if !claim.claimed {
				t.Skipf("the %s driver does not claim it here", driver.Name())
			}
			claim.test(t, driver)
		})
	}
	t.Run("daemon killed", func(t *testing.T) { testDaemonKilled(t, name, newDriver, can.Processes) })
	t.Run("close", func(t *testing.T) { testClose(t, newDriver) })
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func testExit(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	for _, c := range []struct {
		args []string
		want sandbox.Exit
	}{
		{[]string{"exit", "0"}, sandbox.Exit{}},
		{[]string{"exit", "7"}, sandbox.Exit{Code: 7}},
		{[]string{"exit", "255"}, sandbox.Exit{Code: 255}},
		{[]string{"raise", "15"}, sandbox.Exit{Code: -1, Signal: syscall.SIGTERM}},
		{[]string{"raise", "9"}, sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}},
		{[]string{"raise", "6"}, sandbox.Exit{Code: 2}}, // Go's runtime prints its stacks on SIGABRT and exits
	} {
		if _, got := run(t, s, c.args...); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.args, got, c.want)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p, _ := start(t, s, "sleep")
		select {
		case <-p.Done():
			t.Fatalf("the process ended by itself: %+v", p.Exit())
		default:
		}
		if err := p.Signal(sig); err != nil {
			t.Fatalf("Signal(%v): %v", sig, err)
		}
		wait(t, p)
		if want := (sandbox.Exit{Code: -1, Signal: sig}); p.Exit() != want {
			t.Errorf("after %v: %+v, want %+v", sig, p.Exit(), want)
		}
		if err := p.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Signal to an ended process: %v, want os.ErrProcessDone", err)
		}
	}
}

func testExecError(t *testing.T, driver sandbox.Driver) {
	dir := folder(t, map[string]string{"plain": "text", "garbage": "\x01\x02 no program", "noshell": "#!/no/such/interpreter\n"})
	for _, name := range []string{"garbage", "noshell"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := create(t, driver, sandbox.Spec{Code: dir})
	task := s.Layout().Task
	for name, want := range map[string]error{
		"missing": fs.ErrNotExist, "plain": fs.ErrPermission, "garbage": syscall.ENOEXEC,
		"noshell": fs.ErrNotExist, "plain/below": syscall.ENOTDIR, ".": fs.ErrPermission,
	} {
		path := task + "/" + name
		_, err := s.Start(context.Background(), &sandbox.Command{Path: path, Args: []string{name}, Dir: task})
		var execErr *sandbox.ExecError
		if !errors.As(err, &execErr) || execErr.Path != path || !errors.Is(err, want) {
			t.Errorf("Start %s: %v, want an *ExecError with %v", name, err, want)
		}
	}
	var execErr *sandbox.ExecError
	_, err := s.Start(context.Background(), &sandbox.Command{Path: task + "/plain", Dir: "/no/such/folder"})
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &execErr) {
		t.Errorf("Start in a missing folder: %v, want fs.ErrNotExist that is no *ExecError", err)
	}
	if _, err := s.Start(context.Background(), &sandbox.Command{Path: "plain"}); err == nil {
		t.Error("Start of a relative path succeeded")
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Start(canceled, &sandbox.Command{Path: task + "/plain"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a canceled context: %v", err)
	}
}

// self is what the subject says about itself.
type self struct {
	Args  []string
	Env   []string
	Dir   string
	Stdin string
	Extra []string
	FDs   []string
	UID   int
	Files uint64
	Host  string
}

func testProcess(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{ID: "the-id"})
	var extra []*os.File
	for _, text := range []string{"one", "two"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = read.Close() }()
		if _, err := write.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := write.Close(); err != nil {
			t.Fatal(err)
		}
		extra = append(extra, read)
	}
	p, out := startCommand(t, s, &sandbox.Command{
		Args:  []string{"any name", "self", "extra", "extra", "", "ünï\ncode"},
		Env:   []string{"A=1", "EMPTY=", "B=x=y"},
		Dir:   s.Layout().Tmp,
		Extra: extra,
	})
	text, exit := finish(t, p, out)
	if exit != (sandbox.Exit{}) {
		t.Fatalf("the subject failed: %+v", exit)
	}
	got := decode[self](t, text)
	if want := []string{"any name", "self", "extra", "extra", "", "ünï\ncode"}; !slices.Equal(got.Args, want) {
		t.Errorf("arguments %q, want %q", got.Args, want)
	}
	for _, want := range []string{"A=1", "EMPTY=", "B=x=y"} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("%q is missing in the environment %q", want, got.Env)
		}
	}
	for _, entry := range got.Env {
		if strings.HasPrefix(entry, "HOME=") || strings.HasPrefix(entry, "PATH=") {
			t.Errorf("the daemon's %q is in the environment", entry)
		}
	}
	if tmp, err := filepath.EvalSymlinks(s.Layout().Tmp); err != nil || driver.Name() != "process" {
		tmp = s.Layout().Tmp
		if got.Dir != tmp {
			t.Errorf("working directory %s, want %s", got.Dir, tmp)
		}
	} else if got.Dir != tmp {
		t.Errorf("working directory %s, want %s", got.Dir, tmp)
	}
	if got.Stdin != "" {
		t.Errorf("standard input %q, want none", got.Stdin)
	}
	if !slices.Equal(got.Extra, []string{"one", "two"}) {
		t.Errorf("extra files %q", got.Extra)
	}
	slices.Sort(got.FDs)
	if want := []string{"0", "1", "2", "3", "4"}; got.FDs != nil && !slices.Equal(got.FDs, want) {
		t.Errorf("open descriptors %v, want %v: others of the daemon leak", got.FDs, want)
	}
	if p.PID() <= 1 || p.PID() == os.Getpid() {
		t.Errorf("PID() = %d", p.PID())
	}
}

func testLayout(t *testing.T, driver sandbox.Driver) {
	first := folder(t, map[string]string{"both": "first", "a": "a of first", "lib/x": "x"})
	second := folder(t, map[string]string{"both": "second", "lib/y": "y"})
	odd := folder(t, map[string]string{"with:colon,and\\/both": "third", "with:colon,and\\/z": "z"}) + "/with:colon,and\\"
	lang := folder(t, map[string]string{"version": "3.14"})
	bootstrap := folder(t, map[string]string{"bootstrap.py": "code"})
	for _, c := range []struct {
		name   string
		layers []string
		want   map[string]string
	}{
		{"no layer", nil, map[string]string{"a": "error: "}},
		{"one", []string{first}, map[string]string{"both": "first"}},
		{"two", []string{first, second}, map[string]string{"both": "second", "a": "a of first", "lib/x": "x", "lib/y": "y"}},
		{"two turned round", []string{second, first}, map[string]string{"both": "first", "lib/y": "y"}},
		{"odd names", []string{first, second, odd}, map[string]string{"both": "third", "a": "a of first", "z": "z"}},
	} {
		s := create(t, driver, sandbox.Spec{Layers: c.layers, Lang: lang, Bootstrap: bootstrap})
		layout := s.Layout()
		for name, want := range c.want {
			if got, _ := run(t, s, "read", layout.Opt+"/"+name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s/%s is %q, want %q", c.name, layout.Opt, name, got, want)
			}
		}
		for path, want := range map[string]string{layout.Lang + "/version": "3.14", layout.Runtime + "/bootstrap.py": "code"} {
			if got, _ := run(t, s, "read", path); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, path, got, want)
			}
		}
		if got, _ := run(t, s, "write", layout.Tmp+"/file"); got != "written" {
			t.Errorf("%s: write to %s: %q", c.name, layout.Tmp, got)
		}
		if got, _ := run(t, s, "read", layout.Tmp+"/file"); got != "x" {
			t.Errorf("%s: what was written to %s is %q in the next process", c.name, layout.Tmp, got)
		}
	}
	other := create(t, driver, sandbox.Spec{})
	if got, _ := run(t, other, "list", other.Layout().Tmp); got != "" {
		t.Errorf("%s of a new environment is not empty: %q", other.Layout().Tmp, got)
	}
}

// serve answers every connection with a text.
func serve(t *testing.T, listener net.Listener, text string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			if _, err := io.WriteString(conn, text); err != nil {
				t.Errorf("answer: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close() // the environment may have closed it already
		<-done
	})
}

func testListen(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	for _, port := range []int{9001, 0} {
		listener, err := s.Listen(port)
		if err != nil {
			t.Fatalf("Listen(%d): %v", port, err)
		}
		serve(t, listener, fmt.Sprintf("hello from %d", port))
		if got, _ := run(t, s, "dial", listener.Addr().String()); got != fmt.Sprintf("hello from %d", port) {
			t.Errorf("Listen(%d): the subject got %q from %v", port, got, listener.Addr())
		}
	}
	_, out := start(t, s, "serve", "127.0.0.1:7778", "inside")
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	conn, err := s.Dial(7778)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if got, err := io.ReadAll(conn); string(got) != "inside" || err != nil {
		t.Errorf("Dial: %q, %v", got, err)
	}
	_ = conn.Close()
	if _, err := s.Dial(7779); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial where nobody listens: %v", err)
	}
	left, err := s.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := left.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Destroy: %v, want net.ErrClosed", err)
	}
}
