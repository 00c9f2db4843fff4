package sandboxtest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// zygote makes an environment without a function, in which the subject is the
// managed runtime's.
func zygote(tb testing.TB, driver sandbox.Driver, spec sandbox.Spec) sandbox.Sandbox {
	tb.Helper()
	spec.Bootstrap = code(tb)
	if spec.ID == "" {
		spec.ID = "zygote"
	}
	return made(tb, driver, &spec)
}

// waiting is a process that has started and does something only later.
type waiting struct {
	process sandbox.Process
	out, in *os.File
}

// await starts the subject, and returns when it waits for do.
func await(tb testing.TB, s sandbox.Sandbox) *waiting {
	tb.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = write.Close() }) // a second time after do
	p, out := startCommand(tb, s, &sandbox.Command{
		Path: filepath.Join(s.Layout().Runtime, program), Args: []string{program, "await"},
		Dir: s.Layout().Runtime, Extra: []*os.File{read},
	})
	if err := read.Close(); err != nil {
		tb.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		tb.Fatalf("the subject does not wait: %v", err)
	}
	return &waiting{process: p, out: out, in: write}
}

// do lets the process run a command to its end.
func (w *waiting) do(tb testing.TB, args ...string) (string, sandbox.Exit) {
	tb.Helper()
	if err := errors.Join(json.NewEncoder(w.in).Encode(args), w.in.Close()); err != nil {
		tb.Fatal(err)
	}
	return finish(tb, w.process, w.out)
}

func attachTo(tb testing.TB, s sandbox.Sandbox, spec sandbox.Spec) {
	tb.Helper()
	if err := s.Attach(context.Background(), &spec); err != nil {
		tb.Fatalf("Attach: %v", err)
	}
}

func testAttach(t *testing.T, driver sandbox.Driver) {
	layers := []string{folder(t, map[string]string{"both": "first", "a": "a"}), folder(t, map[string]string{"both": "second"})}
	lang := folder(t, map[string]string{"version": "3.14"})
	for _, name := range []string{"one", "two"} {
		task := folder(t, map[string]string{"file": "of " + name})
		s := zygote(t, driver, sandbox.Spec{})
		runs := make([]*waiting, 6)
		for i := range runs {
			runs[i] = await(t, s)
		}
		if name == "two" { // it may be frozen meanwhile
			if err := s.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		attachTo(t, s, sandbox.Spec{ID: name, Code: task, Layers: layers, Lang: lang, MemoryMB: 256})
		if err := s.Thaw(); err != nil {
			t.Fatal(err)
		}
		layout := s.Layout()
		for i, c := range []struct {
			want string
			args []string
		}{
			{"of " + name, []string{"read", layout.Task + "/file"}},
			{"second", []string{"read", layout.Opt + "/both"}},
			{"a", []string{"read", layout.Opt + "/a"}},
			{"3.14", []string{"read", layout.Lang + "/version"}},
			{"", []string{"list", layout.Tmp}}, // not what the one before wrote
			{"written", []string{"write", layout.Tmp + "/file"}},
		} {
			if got, exit := runs[i].do(t, c.args...); got != c.want || exit != (sandbox.Exit{}) {
				t.Errorf("%s, in a process that ran before: %q is %q, %+v, want %q", name, c.args, got, exit, c.want)
			}
		}
		p, out := startCommand(t, s, &sandbox.Command{
			Path: layout.Runtime + "/" + program, Args: []string{program, "read", layout.Task + "/file"},
		})
		if got, _ := finish(t, p, out); got != "of "+name {
			t.Errorf("%s, in a process that started later: %q", name, got)
		}
		if err := s.Attach(t.Context(), &sandbox.Spec{ID: "again", Code: code(t)}); !errors.Is(err, sandbox.ErrAttached) {
			t.Errorf("a second Attach: %v, want ErrAttached", err)
		}
		if s.Layout() != layout {
			t.Errorf("a second Attach changed the layout to %+v", s.Layout())
		}
	}
}

func testAttachRefuses(t *testing.T, driver sandbox.Driver) {
	full := create(t, driver, sandbox.Spec{})
	if err := full.Attach(t.Context(), &sandbox.Spec{ID: "full", Code: code(t)}); !errors.Is(err, sandbox.ErrAttached) {
		t.Errorf("Attach to one that was made with code: %v, want ErrAttached", err)
	}
	s := zygote(t, driver, sandbox.Spec{})
	if err := s.Attach(t.Context(), &sandbox.Spec{ID: "none"}); err == nil {
		t.Error("Attach without code succeeded")
	}
	other := folder(t, nil)
	if err := s.Attach(t.Context(), &sandbox.Spec{ID: "other", Code: code(t), Bootstrap: other}); err == nil {
		t.Error("Attach with another runtime succeeded")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Attach(canceled, &sandbox.Spec{ID: "late", Code: code(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Attach with a canceled context: %v", err)
	}
	attachTo(t, s, sandbox.Spec{ID: "one", Code: code(t), Bootstrap: code(t)}) // as none of that was one
	if err := s.Destroy(); err != nil {
		t.Fatal(err)
	}
	if err := s.Attach(t.Context(), &sandbox.Spec{ID: "gone", Code: code(t)}); !errors.Is(err, sandbox.ErrDestroyed) {
		t.Errorf("Attach after Destroy: %v, want ErrDestroyed", err)
	}
}

// testAttachFileSystem is what holds where environments have one of their own.
func testAttachFileSystem(t *testing.T, driver sandbox.Driver) {
	s := zygote(t, driver, sandbox.Spec{ID: "before"})
	layout := s.Layout()
	for _, dir := range []string{layout.Task, layout.Opt, layout.Tmp} {
		if got, _ := await(t, s).do(t, "list", dir); got != "" {
			t.Errorf("%s of a zygote holds %q", dir, got)
		}
	}
	fill, write, host := await(t, s), await(t, s), await(t, s)
	open := folder(t, map[string]string{"file": "text"})
	if err := errors.Join(os.Chmod(open, 0o777), os.Chmod(filepath.Join(open, "file"), 0o666)); err != nil {
		t.Fatal(err)
	}
	attachTo(t, s, sandbox.Spec{ID: "after", Code: open, EphemeralMB: 16})
	out, exit := fill.do(t, "fill", layout.Tmp+"/big", "64")
	written, err := strconv.Atoi(strings.TrimPrefix(strings.SplitN(out, " MB", 2)[0], "error: after "))
	if err != nil || written < 14 || written > 16 || !strings.Contains(out, "no space left on device") {
		t.Errorf("filling %s of 16 MB: %q, %+v", layout.Tmp, out, exit)
	}
	if got, _ := write.do(t, "write", layout.Task+"/file"); !strings.Contains(got, "read-only file system") {
		t.Errorf("writing to %s: %q", layout.Task, got)
	}
	text, _ := host.do(t, "self")
	if got := decode[self](t, text).Host; got != "after" {
		t.Errorf("host name %q, want that of the function's environment", got)
	}
}

// testAttachMemory is what holds where Spec.MemoryMB is a limit.
func testAttachMemory(t *testing.T, driver sandbox.Driver) {
	for _, before := range []int{0, 128, 1024} {
		s := zygote(t, driver, sandbox.Spec{MemoryMB: before})
		little, much := await(t, s), await(t, s)
		attachTo(t, s, sandbox.Spec{ID: "limited", Code: code(t), MemoryMB: 256})
		if out, exit := little.do(t, "allocate", "180"); out != "allocated 180 MB" || exit != (sandbox.Exit{}) {
			t.Errorf("limit raised from %d: 180 of 256 MB: %q, %+v", before, out, exit)
		}
		if out, exit := much.do(t, "allocate", "400"); !exit.OOM || out != "" {
			t.Errorf("limit changed from %d: 400 of 256 MB in a process that ran before: %q, %+v", before, out, exit)
		}
	}
}

// testAttachForks is what holds where Spec.Processes is a limit.
func testAttachForks(t *testing.T, driver sandbox.Driver) {
	s := zygote(t, driver, sandbox.Spec{})
	forks := await(t, s)
	attachTo(t, s, sandbox.Spec{ID: "limited", Code: code(t), Processes: 60})
	if out, _ := forks.do(t, "fork", "1000"); !strings.Contains(out, "resource temporarily unavailable") {
		t.Errorf("starting 1000 processes where 60 may be: %q", out)
	}
}
