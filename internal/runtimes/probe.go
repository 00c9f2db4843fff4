package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// probeTimeout is for one candidate to say its version. An interpreter takes
// tens of milliseconds; what takes longer than this is something else.
const probeTimeout = 5 * time.Second

// The questions: version, program, prefix, a line each. sys.base_prefix and
// sys._base_executable look through a virtual environment.
const (
	askPython = `import sys
if sys.implementation.name != "cpython": sys.exit("not CPython but " + sys.implementation.name)
print("%d.%d.%d" % sys.version_info[:3])
print(getattr(sys, "_base_executable", None) or sys.executable)
print(sys.base_prefix)`
	askNode = `const path = require("path");
console.log(process.versions.node);
console.log(process.execPath);
console.log(path.dirname(path.dirname(process.execPath)));`
)

// probe is what one candidate turned out to be.
type probe struct {
	Candidate   stamp
	Interpreter Interpreter // Path is empty when it is none
	Program     stamp       // of Interpreter.Path, which a wrapper script may lead to
}

// stamp tells whether a file is still the one it was.
type stamp struct {
	Path    string
	Size    int64
	ModTime time.Time
}

func stampOf(path string) (stamp, error) {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{Path: path, Size: st.Size(), ModTime: st.ModTime().UTC()}, nil
}

func (s stamp) current() bool {
	now, err := stampOf(s.Path)
	return err == nil && now == s
}

// probeCache keeps what candidates turned out to be, on disk too, so that a
// daemon that starts again runs none of them.
type probeCache struct {
	file string
	log  *slog.Logger
	// run asks a candidate; tests count its calls.
	run func(ctx context.Context, lang language, path string) (Interpreter, error)

	mu     sync.Mutex
	loaded bool
	dirty  bool
	known  map[string]probe // by candidate
}

func newProbeCache(file string, log *slog.Logger) *probeCache {
	return &probeCache{file: file, log: log, run: ask, known: make(map[string]probe)}
}

// get asks the candidate at path, unless it is known. What is no interpreter is
// remembered as well, except when that may be the moment's fault (a timeout).
func (c *probeCache) get(ctx context.Context, lang language, path string) probe {
	at, err := stampOf(path)
	if err != nil {
		c.log.Debug("interpreter vanished", slog.String("path", path), slog.Any("err", err))
		return probe{}
	}
	c.mu.Lock()
	c.load()
	known, ok := c.known[path]
	c.mu.Unlock()
	if ok && known.Candidate == at && (known.Interpreter.Path == "" || known.Program.current()) {
		return known
	}

	p := probe{Candidate: at}
	p.Interpreter, err = c.run(ctx, lang, path)
	if err == nil {
		p.Program, err = stampOf(p.Interpreter.Path)
	}
	if err != nil {
		c.log.Warn("cannot use an interpreter", slog.String("path", path), slog.Any("err", err))
		p.Interpreter = Interpreter{}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return p
		}
	}
	c.mu.Lock()
	c.known[path] = p
	c.dirty = true
	c.mu.Unlock()
	return p
}

// load reads the file once. A file that cannot be read costs the probes again.
func (c *probeCache) load() {
	if c.loaded {
		return
	}
	c.loaded = true
	data, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []probe
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		c.log.Warn("cannot read what is known of interpreters", slog.String("file", c.file), slog.Any("err", err))
		return
	}
	for _, p := range list {
		c.known[p.Candidate.Path] = p
	}
}

// save writes the file if there is something new.
func (c *probeCache) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty {
		return
	}
	list := make([]probe, 0, len(c.known))
	for _, p := range c.known {
		list = append(list, p)
	}
	data, err := json.MarshalIndent(list, "", "\t")
	if err == nil {
		err = writeFile(c.file, data)
	}
	if err != nil {
		c.log.Warn("cannot keep what is known of interpreters", slog.String("file", c.file), slog.Any("err", err))
		return
	}
	c.dirty = false
}

// ask runs a candidate to learn what it is.
func ask(ctx context.Context, lang language, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	// Neither the environment's settings (PYTHONHOME, NODE_OPTIONS) nor the
	// user's site-packages have a say.
	args := []string{"-I", "-S", "-c", askPython}
	if lang == langNode {
		args = []string{"-e", askNode}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return Interpreter{}, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return Interpreter{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return Interpreter{}, err
	}
	return answer(lang, string(out))
}

// answer reads what a candidate printed.
func answer(lang language, out string) (Interpreter, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 {
		return Interpreter{}, fmt.Errorf("an answer of %d lines", len(lines))
	}
	i := Interpreter{Language: string(lang)}
	if _, err := fmt.Sscanf(lines[0], "%d.%d.%d", &i.Version.Major, &i.Version.Minor, &i.Version.Patch); err != nil {
		return Interpreter{}, fmt.Errorf("version %q: %w", lines[0], err)
	}
	for n, to := range []*string{&i.Path, &i.Prefix} {
		if !filepath.IsAbs(lines[n+1]) {
			return Interpreter{}, fmt.Errorf("%q is no absolute path", lines[n+1])
		}
		real, err := filepath.EvalSymlinks(lines[n+1])
		if err != nil {
			return Interpreter{}, err
		}
		*to = real
	}
	return i, nil
}
