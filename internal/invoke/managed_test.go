package invoke

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/test/need"
)

// eachStart runs a test with a program that starts when its function is known,
// and with one that was started ahead.
func eachStart(t *testing.T, runtime string, test func(*testing.T, *fixture)) {
	for _, ahead := range []bool{false, true} {
		t.Run(fmt.Sprintf("%s ahead=%t", runtime, ahead), func(t *testing.T) {
			f := newFixture(t, func(o *Options) {
				o.Zygotes = -1
				if ahead {
					o.Zygotes = 2
				}
			})
			if _, err := f.opts.Runtimes.Resolve(runtime); errors.Is(err, function.ErrNoRuntime) {
				need.Missing(t, "%v", err)
			}
			if !ahead {
				test(t, f)
				return
			}
			v := version(t, "", func(v *function.Version) { v.Runtime, v.MemoryMB, v.Environment = runtime, 512, nil })
			f.Expect(v)
			f.awaitZygotes(1)
			test(t, f)
			if n := f.zygotes.taken.Load(); n == 0 {
				t.Error("none of its environments was a zygote")
			}
		})
	}
}

// awaitZygotes waits until n are ready.
func (f *fixture) awaitZygotes(n int) {
	f.t.Helper()
	await(f.t, fmt.Sprint(n, " zygotes"), func() bool { return f.readyZygotes() >= n })
}

func (f *fixture) readyZygotes() (n int) {
	f.zygotes.mu.Lock()
	defer f.zygotes.mu.Unlock()
	for _, k := range f.zygotes.kinds {
		n += len(k.ready)
	}
	return n
}

// The managed runtimes, with whatever interpreter this host has.
func TestManagedRuntimes(t *testing.T) {
	for runtime, c := range map[string]struct{ file, code string }{
		"python3.13": {"app.py", `
import sys
def handler(event, context):
    print("printed", flush=False)
    sys.stderr.write("to stderr\n")
    if event.get("fail"):
        raise ValueError("no luck")
    return {"id": context.aws_request_id, "name": context.function_name}
`},
		"nodejs22.x": {"app.js", `
exports.handler = async (event, context) => {
  console.log("printed");
  process.stderr.write("to stderr\n");
  if (event.fail) throw new TypeError("no luck");
  return {id: context.awsRequestId, name: context.functionName};
};
`},
	} {
		eachStart(t, runtime, func(t *testing.T, f *fixture) {
			v := version(t, "", func(v *function.Version) {
				v.Runtime, v.Handler, v.MemoryMB, v.Environment = runtime, "app.handler", 512, map[string]string{"GREETING": "hi"}
				if err := os.WriteFile(filepath.Join(v.CodeDir, c.file), []byte(c.code), 0o600); err != nil {
					t.Fatal(err)
				}
			})
			for range 3 {
				inv := invocation(v, map[string]bool{})
				inv.Tail = true
				res := f.invoke(inv)
				got := strings.ReplaceAll(string(res.Payload), " ", "")
				if want := `{"id":"` + inv.RequestID + `","name":"f"}`; got != want || res.FunctionError != "" {
					t.Fatalf("%s\n%s", res.Payload, f.logs.text())
				}
				tail := string(res.LogTail)
				end := strings.Index(tail, "END ")
				for _, want := range []string{"printed", "to stderr"} {
					if i := strings.Index(tail, want); i < 0 || i > end {
						t.Errorf("%q is not in %s", want, tail)
					}
				}
			}
			res := f.invoke(invocation(v, map[string]bool{"fail": true}))
			if got := string(res.Payload); res.FunctionError != "Unhandled" || !strings.Contains(got, "no luck") || !strings.Contains(got, "rror") {
				t.Errorf("%s", got)
			}
			broken := *v
			broken.Handler, broken.RevisionID = "nowhere.handler", "broken "+runtime
			res = f.invoke(invocation(&broken, 1))
			if got := string(res.Payload); res.FunctionError != "Unhandled" || !strings.Contains(got, "Runtime.ImportModuleError") {
				t.Errorf("%s\n%s", got, f.logs.text())
			}
		})
	}
}

// The levels of a function's LoggingConfig decide what reaches its log.
func TestManagedLogLevels(t *testing.T) {
	for runtime, c := range map[string]struct{ file, code string }{
		"python3.13": {"app.py", `
import logging
def handler(event, context):
    logging.getLogger().info("the info line")
    logging.getLogger().error("the error line")
`},
		"nodejs22.x": {"app.js", `
exports.handler = async () => {
  console.info("the info line");
  console.error("the error line");
};
`},
	} {
		for _, level := range []struct{ application, system string }{{"ERROR", "WARN"}, {"INFO", "INFO"}} {
			eachStart(t, runtime, func(t *testing.T, f *fixture) {
				v := version(t, "", func(v *function.Version) {
					v.Runtime, v.Handler, v.MemoryMB, v.Environment = runtime, "app.handler", 512, map[string]string{"GREETING": "hi"}
					v.LogFormat, v.ApplicationLogLevel, v.SystemLogLevel = "JSON", level.application, level.system
					if err := os.WriteFile(filepath.Join(v.CodeDir, c.file), []byte(c.code), 0o600); err != nil {
						t.Fatal(err)
					}
				})
				if res := f.invoke(invocation(v, 1)); res.FunctionError != "" {
					t.Fatalf("%s", res.Payload)
				}
				await(t, "the error line", func() bool { return strings.Contains(f.logs.text(), "the error line") })
				log := f.logs.text()
				if strings.Contains(log, "the info line") != (level.application == "INFO") {
					t.Errorf("application level %s:\n%s", level.application, log)
				}
				if strings.Contains(log, "platform.start") != (level.system == "INFO") {
					t.Errorf("system level %s:\n%s", level.system, log)
				}
			})
		}
	}
}
