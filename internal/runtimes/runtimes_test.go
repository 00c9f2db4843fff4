package runtimes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/test/need"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		id      string
		lang    language
		version Version
		err     string // part of the error
	}{
		{id: "python3.8", lang: langPython, version: Version{3, 8, 0}},
		{id: "python3.14", lang: langPython, version: Version{3, 14, 0}},
		{id: "nodejs16.x", lang: langNode, version: Version{16, 0, 0}},
		{id: "nodejs24.x", lang: langNode, version: Version{24, 0, 0}},
		{id: "provided.al2", lang: langProvided},
		{id: "provided.al2023", lang: langProvided},
		{id: "python3.7", err: "python3.7 is older than the oldest that Paddock runs, python3.8"},
		{id: "nodejs14.x", err: "nodejs14.x is older than the oldest that Paddock runs, nodejs16.x"},
		{id: "java21", err: "Paddock cannot run java21 yet"},
		{id: "ruby3.4", err: "Paddock cannot run ruby3.4 yet"},
		{id: "dotnet8", err: "Paddock cannot run dotnet8 yet"},
		{id: "provided", err: `"provided" is no runtime that Paddock knows`},
		{id: "python3", err: `"python3" is no runtime`},
		{id: "nodejs20", err: `"nodejs20" is no runtime`},
		{id: "", err: `"" is no runtime`},
	} {
		got, err := parse(tt.id)
		if tt.err != "" {
			if !errors.Is(err, function.ErrNoRuntime) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v", tt.id, err)
			}
			continue
		}
		if err != nil || got.lang != tt.lang || got.version != tt.version || got.id != tt.id {
			t.Errorf("%q: %+v, %v", tt.id, got, err)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		want, have, nearest, exact string
	}{
		{"python3.12", "3.11.1 3.12.4 3.13.0", "3.12.4", "3.12.4"},
		{"python3.12", "3.11.1 3.13.0 3.14.0", "3.13.0", ""},
		{"python3.13", "3.9.1 3.11.2", "3.11.2", ""},
		{"python3.13", "3.7.1", "", ""},
		{"python3.13", "", "", ""},
		{"nodejs20.x", "18.1.0 20.2.0 22.3.0", "20.2.0", "20.2.0"},
		{"nodejs20.x", "18.1.0 22.3.0 23.0.0", "22.3.0", ""},
		{"nodejs24.x", "18.1.0 20.2.0", "20.2.0", ""},
		{"nodejs16.x", "14.1.0", "", ""},
		{"nodejs20.x", "20.9.0 20.11.1", "20.9.0", "20.9.0"}, // the first of one release
	} {
		want, err := parse(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		var found []Interpreter
		for _, v := range strings.Fields(tt.have) {
			i := Interpreter{Language: string(want.lang)}
			fmt.Sscanf(v, "%d.%d.%d", &i.Version.Major, &i.Version.Minor, &i.Version.Patch)
			found = append(found, i)
		}
		for exact, wanted := range map[bool]string{false: tt.nearest, true: tt.exact} {
			got, ok := choose(found, want, exact)
			if ok != (wanted != "") || ok && got.Version.String() != wanted {
				t.Errorf("%s of %q (exact %t): %v, %t; want %q", tt.want, tt.have, exact, got.Version, ok, wanted)
			}
		}
	}
}

// tree makes a host of files (a name ending in * is executable) and links
// ("name -> target").
func tree(t *testing.T, entries ...string) host {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		name, executable := strings.CutSuffix(name, "*")
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		if link {
			err = os.Symlink(target, file)
		} else {
			err = os.WriteFile(file, []byte(name), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return host{root: root, home: root + "/home/u", path: []string{root + "/home/u/.pyenv/shims", root + "/first", "relative", root + "/usr/bin"},
		env: func(string) string { return "" }}
}

func TestCandidates(t *testing.T) {
	h := tree(t,
		"usr/bin/python3.11*", "usr/bin/python3 -> python3.11", "usr/bin/python3.11-config*", "usr/bin/python2.7*", "usr/bin/python3.10",
		"usr/bin/python3.9 -> gone",
		"first/python3.13*", "first/python3.1/x",
		"opt/homebrew/bin/python3.12*", "opt/homebrew/opt/python@3.14/bin/python3.14*",
		"home/u/.pyenv/shims/python3.12*",
		"home/u/.pyenv/versions/3.8.1/bin/python3.8*", "home/u/.pyenv/versions/3.8.1/bin/python3 -> python3.8",
		"home/u/.pyenv/versions/3.9.1/bin/python3.9*",
		"home/u/.local/share/uv/python/cpython-3.13.1-linux/bin/python3.13*",
		"home/u/.local/share/mise/installs/python/3.12.0/bin/python3.12*",
		"home/u/.asdf/installs/python/3.10.2/bin/python3.10*",
		"usr/bin/node*", "usr/bin/nodejs -> node", "usr/bin/node-gyp*",
		"home/u/.nvm/versions/node/v20.1.0/bin/node*", "home/u/.nvm/versions/node/v22.1.0/bin/node*",
		"home/u/.local/share/fnm/node-versions/v18.0.0/installation/bin/node*",
		"home/u/.volta/tools/image/node/16.0.0/bin/node*",
		"home/u/.local/share/mise/installs/node/24.0.0/bin/node*",
		"home/u/.asdf/installs/nodejs/21.0.0/bin/node*",
		"opt/homebrew/opt/node@20/bin/node*",
	)
	for lang, want := range map[language][]string{
		langPython: {
			"first/python3.13", "usr/bin/python3.11", "opt/homebrew/bin/python3.12", "opt/homebrew/opt/python@3.14/bin/python3.14",
			"home/u/.pyenv/versions/3.9.1/bin/python3.9", "home/u/.pyenv/versions/3.8.1/bin/python3.8",
			"home/u/.local/share/uv/python/cpython-3.13.1-linux/bin/python3.13",
			"home/u/.local/share/mise/installs/python/3.12.0/bin/python3.12", "home/u/.asdf/installs/python/3.10.2/bin/python3.10",
		},
		langNode: {
			"usr/bin/node", "opt/homebrew/opt/node@20/bin/node",
			"home/u/.nvm/versions/node/v22.1.0/bin/node", "home/u/.nvm/versions/node/v20.1.0/bin/node",
			"home/u/.local/share/fnm/node-versions/v18.0.0/installation/bin/node", "home/u/.volta/tools/image/node/16.0.0/bin/node",
			"home/u/.local/share/mise/installs/node/24.0.0/bin/node", "home/u/.asdf/installs/nodejs/21.0.0/bin/node",
		},
	} {
		var got []string
		for _, c := range h.candidates(lang) {
			got = append(got, strings.TrimPrefix(c, h.root+"/"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", lang, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	// The managers' own variables move their folders.
	h.env = func(name string) string {
		if name == "PYENV_ROOT" {
			return h.root + "/elsewhere"
		}
		return ""
	}
	moved := filepath.Join(h.root, "elsewhere/versions/3.9.9/bin/python3.9")
	write(t, h.root, map[string]string{"elsewhere/versions/3.9.9/bin/python3.9": ""})
	if err := os.Chmod(moved, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := h.candidates(langPython); !slices.Contains(got, moved) || slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, ".pyenv") }) {
		t.Errorf("with PYENV_ROOT: %q", got)
	}
	// A daemon without a home folder looks at the system's.
	h.home, h.env = "", func(string) string { return "" }
	if got := h.candidates(langNode); len(got) != 2 {
		t.Errorf("without a home folder: %q", got)
	}
}

// asker stands in for running candidates: their version is in their path.
type asker struct {
	mu    sync.Mutex
	asked []string
	err   error
}

func (a *asker) ask(_ context.Context, lang language, path string) (Interpreter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, path)
	if a.err != nil {
		return Interpreter{}, a.err
	}
	i := Interpreter{Language: string(lang), Path: path, Prefix: filepath.Dir(filepath.Dir(path))}
	for _, part := range strings.Split(path, "/") {
		part = strings.TrimPrefix(strings.TrimPrefix(part, "python"), "v")
		if n, err := fmt.Sscanf(part, "%d.%d.%d", &i.Version.Major, &i.Version.Minor, &i.Version.Patch); n >= 2 && (err == nil || n == 2) {
			return i, nil
		}
	}
	return Interpreter{}, errors.New("no version in " + path)
}

func newFake(t *testing.T, dir, match string, h host) (*Runtimes, *asker) {
	t.Helper()
	r, err := New(Options{Dir: dir, Match: match, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a := &asker{}
	r.host, r.probed.run = h, a.ask
	return r, a
}

func TestResolve(t *testing.T) {
	h := tree(t,
		"home/u/.pyenv/versions/3.11.2/bin/python3.11*", "home/u/.pyenv/versions/3.9.1/bin/python3.9*",
		"home/u/.nvm/versions/node/v20.1.0/bin/node*")
	python := h.root + "/home/u/.pyenv/versions/3.11.2"
	for _, tt := range []struct {
		id, match string
		path      string
		notice    string
		err       []string // parts of it
	}{
		{id: "python3.11", match: "nearest", path: python + "/bin/python3.11"},
		{id: "python3.11", match: "exact", path: python + "/bin/python3.11"},
		{id: "python3.13", match: "nearest", path: python + "/bin/python3.11",
			notice: "runtime python3.13 is not installed; using python3.11 (" + python + "/bin/python3.11)"},
		{id: "python3.10", path: python + "/bin/python3.11",
			notice: "runtime python3.10 is not installed; using python3.11 (" + python + "/bin/python3.11)"},
		{id: "python3.13", match: "exact", err: []string{"runtime python3.13 needs Python 3.13 exactly", "has only python3.11 (" + python + "/bin/python3.11), python3.9 (",
			"looked in PATH", "uv python install 3.13"}},
		{id: "nodejs22.x", path: h.root + "/home/u/.nvm/versions/node/v20.1.0/bin/node",
			notice: "runtime nodejs22.x is not installed; using node20 (" + h.root + "/home/u/.nvm/versions/node/v20.1.0/bin/node)"},
		{id: "nodejs22.x", match: "exact", err: []string{"needs Node.js 22 exactly", "nvm install 22"}},
		{id: "java21", err: []string{"cannot run java21 yet"}},
	} {
		t.Run(tt.id+" "+tt.match, func(t *testing.T) {
			dir := t.TempDir()
			r, _ := newFake(t, dir, tt.match, h)
			got, err := r.Resolve(tt.id)
			if tt.err != nil {
				if !errors.Is(err, function.ErrNoRuntime) {
					t.Fatalf("%v", err)
				}
				for _, part := range tt.err {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q is not in: %v", part, err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Interpreter.Path != tt.path || got.Notice != tt.notice || got.ID != tt.id || got.ExecutionEnv != "AWS_Lambda_"+tt.id {
				t.Errorf("%+v", got)
			}
			if got.Lang != filepath.Dir(filepath.Dir(tt.path)) {
				t.Errorf("lang %s", got.Lang)
			}
			if _, err := os.Stat(filepath.Join(got.Bootstrap, map[bool]string{true: pythonEntry, false: nodeEntry}[strings.HasPrefix(tt.id, "python")])); err != nil {
				t.Error(err)
			}
			if again, err := r.Resolve(tt.id); err != nil || again != got {
				t.Errorf("again: %p of %p, %v", again, got, err)
			}
		})
	}
	t.Run("nothing installed", func(t *testing.T) {
		r, _ := newFake(t, t.TempDir(), "", tree(t))
		_, err := r.Resolve("python3.13")
		if !errors.Is(err, function.ErrNoRuntime) || !strings.Contains(err.Error(), "needs Python 3.13 or another release from python3.8 on, and this machine has none;") {
			t.Error(err)
		}
	})
	t.Run("provided", func(t *testing.T) {
		r, a := newFake(t, t.TempDir(), "", h)
		got, err := r.Resolve("provided.al2023")
		if err != nil || got.Bootstrap != "" || got.Lang != "" || got.ExecutionEnv != "" || len(a.asked) != 0 {
			t.Errorf("%+v, %v, asked %q", got, err, a.asked)
		}
	})
}

// TestResolveLater: an interpreter that is installed after a refusal is found.
func TestResolveLater(t *testing.T) {
	h := tree(t)
	r, _ := newFake(t, t.TempDir(), "exact", h)
	if _, err := r.Resolve("nodejs20.x"); err == nil {
		t.Fatal("found one in an empty tree")
	}
	file := filepath.Join(h.root, "home/u/.nvm/versions/node/v20.1.0/bin/node")
	write(t, h.root, map[string]string{"home/u/.nvm/versions/node/v20.1.0/bin/node": "x"})
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	if rt, err := r.Resolve("nodejs20.x"); err != nil || rt.Interpreter.Path != file {
		t.Errorf("%+v, %v", rt, err)
	}
}

func TestProbeCache(t *testing.T) {
	h := tree(t, "first/python3.12.0/bin/python3.12*", "first/node*")
	h.path = []string{h.root + "/first/python3.12.0/bin", h.root + "/first"}
	dir := t.TempDir()
	list := func(err error) (found, asked int) {
		r, a := newFake(t, dir, "", h)
		a.err = err
		found = len(r.List(t.Context()))
		return found, len(a.asked)
	}
	if found, asked := list(context.DeadlineExceeded); found != 0 || asked != 2 {
		t.Errorf("timeouts: %d found, %d asked", found, asked)
	}
	if found, asked := list(nil); found != 1 || asked != 2 {
		t.Errorf("first: %d found, %d asked", found, asked)
	}
	// What it is, and that node is none, is known now.
	if found, asked := list(nil); found != 1 || asked != 0 {
		t.Errorf("second: %d found, %d asked", found, asked)
	}
	changed := time.Now().Add(-time.Hour)
	if err := os.Chtimes(h.root+"/first/python3.12.0/bin/python3.12", changed, changed); err != nil {
		t.Fatal(err)
	}
	if found, asked := list(nil); found != 1 || asked != 1 {
		t.Errorf("one changed: %d found, %d asked", found, asked)
	}
	if err := os.WriteFile(filepath.Join(dir, "interpreters.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if found, asked := list(nil); found != 1 || asked != 2 {
		t.Errorf("spoilt file: %d found, %d asked", found, asked)
	}
}

// TestAsk runs this host's Python, through what else one finds under its name.
func TestAsk(t *testing.T) {
	all := hostRuntimes(t).List(t.Context())
	n := slices.IndexFunc(all, func(i Interpreter) bool { return i.Language == string(langPython) })
	if n < 0 {
		need.Missing(t, "Python")
	}
	python := all[n]
	h := tree(t, "venv/bin/python3 -> "+python.Path, "none/python3*", "slow/python3*")
	for name, text := range map[string]string{
		"wrapper": "exec " + python.Path + ` "$@"`, "noise": "echo hello", "fails": "echo wrong >&2; exit 3",
	} {
		write(t, h.root, map[string]string{name: "#!/bin/sh\n" + text + "\n"})
		if err := os.Chmod(filepath.Join(h.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, h.root, map[string]string{"venv/pyvenv.cfg": "home = " + filepath.Dir(python.Path) + "\n"})
	for _, path := range []string{python.Path, h.root + "/venv/bin/python3", h.root + "/wrapper"} {
		if got, err := ask(t.Context(), langPython, path); err != nil || got != python {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, python)
		}
	}
	for path, want := range map[string]string{
		"noise": "an answer of 1 lines", "fails": "exit status 3: wrong", "none/python3": "exec format error",
	} {
		if got, err := ask(t.Context(), langPython, filepath.Join(h.root, path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(ctx, langPython, python.Path); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "made")
	if _, err := New(Options{Dir: dir}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New has touched the disk: %v", err)
	}
	if _, err := New(Options{Dir: dir, Match: "closest"}); err == nil {
		t.Error("took a match of its own")
	}
	if _, err := New(Options{}); err == nil {
		t.Error("took no folder")
	}
}

func TestUnpack(t *testing.T) {
	r, _ := newFake(t, t.TempDir(), "", tree(t))
	dir, err := r.unpack(langPython)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, pythonEntry)
	before, err := os.Stat(file)
	if err != nil || before.Mode() != 0o644 {
		t.Fatalf("%v, %v", before, err)
	}
	if again, err := r.unpack(langPython); err != nil || again != dir {
		t.Errorf("%s, %v", again, err)
	}
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("written again: %v", err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := r.unpack(langPython); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(whole) {
		t.Errorf("not repaired: %q, %v", got, err)
	}
	node, err := r.unpack(langNode)
	if err != nil || node == dir {
		t.Errorf("%s, %v", node, err)
	}
}
