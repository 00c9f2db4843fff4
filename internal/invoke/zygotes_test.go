package invoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/test/need"
)

// pythonVersion is a Python function that any zygote of its kind can become.
func pythonVersion(t testing.TB, code string) *function.Version {
	t.Helper()
	return version(t, "", func(v *function.Version) {
		v.Runtime, v.Handler, v.MemoryMB, v.Environment = "python3.13", "app.handler", 512, map[string]string{"GREETING": "hi", "NODE_ENV": "x"}
		if err := os.WriteFile(filepath.Join(v.CodeDir, "app.py"), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

func newZygoteFixture(t testing.TB, runtime string, change func(*Options)) *fixture {
	t.Helper()
	f := newFixture(t, func(o *Options) {
		o.Zygotes = 2
		if change != nil {
			change(o)
		}
	})
	if _, err := f.opts.Runtimes.Resolve(runtime); errors.Is(err, function.ErrNoRuntime) {
		need.Missing(t, "%v", err)
	}
	return f
}

const pythonPID = "import os\ndef handler(event, context): return os.getpid()\n"

// Each zygote becomes one function, and others follow, up to the limit.
func TestZygoteOfOneFunction(t *testing.T) {
	f := newZygoteFixture(t, "python3.13", nil)
	v := pythonVersion(t, pythonPID)
	f.Expect(v)
	seen := make(map[string]bool)
	for n := range 4 {
		f.awaitZygotes(min(n+1, 2))
		other := *v
		other.Name = fmt.Sprint("f", n)
		other.ARN += fmt.Sprint(n)
		pid := string(f.invoke(invocation(&other, 1)).Payload)
		if again := string(f.invoke(invocation(&other, 1)).Payload); again != pid || seen[pid] {
			t.Errorf("process %s, then %s; before: %v", pid, again, seen)
		}
		seen[pid] = true
	}
	if n := f.zygotes.taken.Load(); n != 4 {
		t.Errorf("%d zygotes were taken", n)
	}
	f.awaitZygotes(2)
	if n := f.readyZygotes(); n > 2 {
		t.Errorf("%d zygotes", n)
	}
}

// What a function sees of itself is the same whichever way its process began.
func TestZygoteLooksLikeAnyOther(t *testing.T) {
	for runtime, c := range map[string]struct{ file, code string }{
		"python3.13": {"app.py", `
import os, sys
def handler(event, context):
    env = dict(os.environ)
    return {"env": env, "cwd": os.getcwd(), "path": sys.path, "argv": sys.argv, "executable": sys.executable, "flags": str(sys.flags),
            "fds": os.popen("ls /proc/self/fd | wc -l").read(), "child": os.popen("env | grep -v ^_= | grep -v ^SHLVL= | sort").read()}
`},
		"nodejs22.x": {"app.js", `
exports.handler = async () => ({
  env: {...process.env}, cwd: process.cwd(), argv: process.argv, execArgv: process.execArgv, paths: module.paths,
  global: require("module").globalPaths, globals: Object.keys(globalThis).sort(),
  child: require("child_process").execSync("env | grep -v ^_= | grep -v ^SHLVL= | sort; ls /proc/self/fd | wc -l").toString(),
});
`},
	} {
		t.Run(runtime, func(t *testing.T) {
			f := newZygoteFixture(t, runtime, nil)
			v := version(t, "", func(v *function.Version) {
				v.Runtime, v.Handler, v.MemoryMB, v.Environment = runtime, "app.handler", 512, map[string]string{"GREETING": "hi", "PATH": "/bin:/usr/bin"}
				if err := os.WriteFile(filepath.Join(v.CodeDir, c.file), []byte(c.code), 0o600); err != nil {
					t.Fatal(err)
				}
			})
			// Told apart are only those of the environment itself.
			own := []string{"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
				"AWS_LAMBDA_RUNTIME_API", "TMPDIR", "PADDOCK_SANDBOX", "_X_AMZN_TRACE_ID"}
			var got [2]map[string]any
			for i := range got {
				if i == 1 {
					f.awaitZygotes(1)
				}
				res := f.invoke(invocation(v, 1))
				if res.FunctionError != "" {
					t.Fatalf("%s", res.Payload)
				}
				if err := json.Unmarshal(res.Payload, &got[i]); err != nil {
					t.Fatal(err)
				}
				env := got[i]["env"].(map[string]any)
				for name := range env {
					if slices.Contains(own, name) {
						if name != "_X_AMZN_TRACE_ID" && env[name] == "" {
							t.Errorf("no %s", name)
						}
						delete(env, name)
					}
				}
				if goruntime.GOOS == "linux" && !strings.Contains(got[i]["child"].(string), "PADDOCK_SANDBOX=") {
					t.Error("the sandbox would not know its children")
				}
				got[i]["child"] = dropLines(got[i]["child"].(string), own)
				f.Retire(v.ARN)
				await(t, "the environment to end", func() bool { return f.count() == 0 })
			}
			if n := f.zygotes.taken.Load(); n != 1 {
				t.Fatalf("%d zygotes were taken", n)
			}
			for name, want := range got[0] {
				// Folders under the environment's own one differ with the process driver.
				a, _ := json.Marshal(want)
				b, _ := json.Marshal(got[1][name])
				if normal(a) != normal(b) {
					t.Errorf("%s:\n%s\n%s", name, a, b)
				}
			}
		})
	}
}

func dropLines(text string, names []string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(names, name)
	}), "\n")
}

// sandboxFolder is an environment's own folder with the process driver.
var sandboxFolder = regexp.MustCompile(`/\d+/(tmp|opt)`)

func normal(b []byte) string { return sandboxFolder.ReplaceAllString(string(b), "/N/$1") }

// A zygote that ends is replaced, but not at once.
func TestZygoteEnds(t *testing.T) {
	f := newZygoteFixture(t, "python3.13", nil)
	v := pythonVersion(t, pythonPID)
	f.Expect(v)
	f.awaitZygotes(1)
	f.zygotes.mu.Lock()
	var k *zygoteKind
	for _, k = range f.zygotes.kinds {
	}
	first := k.ready[0]
	f.zygotes.mu.Unlock()
	began := time.Now()
	if err := first.program.proc.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "its end to be seen", func() bool { return f.readyZygotes() == 0 })
	f.awaitZygotes(1)
	if waited := time.Since(began); waited < zygoteFirstRetry {
		t.Errorf("the next one came after %s", waited)
	}
	if _, err := first.box.Usage(); err == nil {
		t.Error("its sandbox is still there")
	}
	if res := f.invoke(invocation(v, 1)); res.FunctionError != "" {
		t.Errorf("%s", res.Payload)
	}
}

// Functions that want something of an interpreter's start get one of their own.
func TestZygoteIsNotForAll(t *testing.T) {
	f := newZygoteFixture(t, "python3.13", nil)
	for _, name := range []string{"LANG", "TZ", "LD_PRELOAD", "PYTHONPATH", "PYTHONUNBUFFERED", "AWS_LAMBDA_EXEC_WRAPPER"} {
		v := pythonVersion(t, pythonPID)
		f.Expect(v)
		f.awaitZygotes(1)
		v.ARN += name
		v.Environment = map[string]string{name: ""}
		if res := f.invoke(invocation(v, 1)); res.FunctionError != "" {
			t.Errorf("%s: %s", name, res.Payload)
		}
	}
	// The process driver's layout changes: the linker would not look there.
	v := pythonVersion(t, pythonPID)
	if err := os.Mkdir(filepath.Join(v.CodeDir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if res := f.invoke(invocation(v, 1)); res.FunctionError != "" {
		t.Errorf("%s", res.Payload)
	}
	if n := f.zygotes.taken.Load(); n != 0 {
		t.Errorf("%d zygotes were taken", n)
	}
}

// Zygotes are within the machine's memory, and the first to make room.
func TestZygotesMakeRoom(t *testing.T) {
	f := newZygoteFixture(t, "python3.13", func(o *Options) { o.MemoryMB = unmeasured + zygoteMB - 1 })
	v := pythonVersion(t, pythonPID)
	f.Expect(v)
	f.awaitZygotes(1)
	goFunction := version(t, "", nil)
	if res := f.invoke(invocation(goFunction, "x")); res.FunctionError != "" {
		t.Errorf("%s", res.Payload)
	}
	f.starts.mu.Lock()
	used := f.starts.used
	f.starts.mu.Unlock()
	if n := int64(f.readyZygotes()); used > f.starts.limit {
		t.Errorf("%d MB are used, with %d zygotes", used, n)
	}
	if f.zygotes.made.Load() < 1 {
		t.Error("there was none")
	}
}

// Where no function of a kind has started for long, nothing of it is kept.
func TestZygotesGivenUp(t *testing.T) {
	f := newZygoteFixture(t, "python3.13", func(o *Options) { o.IdleExpiry = 50 * time.Millisecond })
	f.Expect(pythonVersion(t, pythonPID))
	f.awaitZygotes(1)
	await(t, "it to be given up", func() bool {
		f.zygotes.tend() // as its timer does
		f.zygotes.mu.Lock()
		defer f.zygotes.mu.Unlock()
		return len(f.zygotes.kinds) == 0
	})
}
