package e2e

import (
	"github.com/paddock-run/paddock/test/need"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// shellEcho is a runtime in a few lines of shell.
const shellEcho = `#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "$api/next")
  id=$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *//p' "$headers" | tr -d '\r')
  rm -f "$headers"
  curl -sS -o /dev/null -d "$event" "$api/$id/response"
done
`

func TestRuntimes(t *testing.T) {
	_, c := open(t)
	const event = `{"name":"Ada","list":[1,2.5,null,true],"text":"zażółć 🐎"}`
	t.Run("Python", func(t *testing.T) {
		name := c.Create(t, sdk.Python(t, echo))
		want := decode[map[string]any](t, event)
		got := decode[map[string]any](t, c.Call(t, name, event))
		if len(got) != len(want) || got["text"] != want["text"] {
			t.Errorf("the event comes back as %v", got)
		}
	})
	t.Run("Node.js, ES module", func(t *testing.T) {
		name := c.Create(t, sdk.Node(t, "export const handler = async (event, context) => ({ event, memory: context.memoryLimitInMB, left: context.getRemainingTimeInMillis() });\n"))
		got := decode[struct {
			Event  map[string]any
			Memory any
			Left   float64
		}](t, c.Call(t, name, event))
		if got.Event["text"] != "zażółć 🐎" || got.Memory != "128" || got.Left <= 0 || got.Left > 60_000 {
			t.Errorf("the function sees %+v", got)
		}
	})
	t.Run("Node.js, CommonJS with a callback", func(t *testing.T) {
		need.Program(t, "node")
		name := c.Create(t, sdk.New(t, types.RuntimeNodejs22x, "lib/main.run", map[string]string{
			"lib/main.js": "exports.run = (event, context, done) => { setTimeout(() => done(null, event.name), 5); };\n",
		}))
		if got := c.Call(t, name, event); got != `"Ada"` {
			t.Errorf("the function returned %s", got)
		}
	})
	t.Run("Go", func(t *testing.T) {
		name := c.Create(t, sdk.Go(t, "examples/hello/go"))
		if got := c.Call(t, name, event); !strings.Contains(got, "Ada") {
			t.Errorf("the function returned %s", got)
		}
	})
	t.Run("shell", func(t *testing.T) {
		need.Program(t, "curl")
		name := c.Create(t, sdk.Shell(t, shellEcho))
		if got := c.Call(t, name, event); got != event {
			t.Errorf("the function returned %s", got)
		}
		if got := c.Call(t, name, "[1]"); got != "[1]" {
			t.Errorf("the second time the function returned %s", got)
		}
	})
}

// probe tells a function's surroundings.
const probe = `
import os, tempfile

def attempt(f):
    try:
        f()
        return "done"
    except OSError as e:
        return type(e).__name__ + " " + str(e.errno)

def write(path):
    with open(path, "w") as f:
        f.write("x")

def handler(event, context):
    here = os.path.dirname(os.path.abspath(__file__))
    return {
        "env": dict(os.environ),
        "cwd": os.getcwd(),
        "here": here,
        "uid": os.getuid(),
        "task": attempt(lambda: write(os.path.join(here, "new"))),
        "change": attempt(lambda: write(os.path.abspath(__file__))),
        "etc": attempt(lambda: write("/etc/paddock-test")),
        "tmp": attempt(lambda: write(os.path.join(tempfile.gettempdir(), "new"))),
        "processes": len([p for p in os.listdir("/proc") if p.isdigit()]) if os.path.isdir("/proc") else 0,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
    }
`

func TestSurroundings(t *testing.T) {
	d := daemon.Shared(t)
	_, c := open(t)
	in := sdk.Python(t, probe)
	in.MemorySize = new(int32(256))
	in.Environment = &types.Environment{Variables: map[string]string{"GREETING": "hello wörld", "EMPTY": "", "PATH_LIKE": "a:b=c"}}
	name := c.Create(t, in)
	got := decode[struct {
		Env                    map[string]string
		Cwd, Here, Name        string
		UID                    int
		Task, Change, Etc, Tmp string
		Processes              int
		Memory                 any
		Left                   int
	}](t, c.Call(t, name, "{}"))
	for key, want := range map[string]string{
		"GREETING": "hello wörld", "EMPTY": "", "PATH_LIKE": "a:b=c",
		"AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_REGION": sdk.Region, "AWS_DEFAULT_REGION": sdk.Region, "_HANDLER": "app.handler", "TZ": ":UTC",
		"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + name,
	} {
		if value, ok := got.Env[key]; !ok || value != want {
			t.Errorf("%s is %q, want %q", key, value, want)
		}
	}
	for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_STREAM_NAME"} {
		if _, ok := got.Env[key]; !ok {
			t.Errorf("%s is not set", key)
		}
	}
	if got.Env["LAMBDA_TASK_ROOT"] != got.Here || got.Cwd != got.Here {
		t.Errorf("the code is in %s, LAMBDA_TASK_ROOT is %s, the working directory %s", got.Here, got.Env["LAMBDA_TASK_ROOT"], got.Cwd)
	}
	if got.Tmp != "done" {
		t.Errorf("writing to the temporary folder: %s", got.Tmp)
	}
	if got.Left <= 0 || got.Left > 60_000 || got.Name != name {
		t.Errorf("the context says %d ms are left of %s", got.Left, got.Name)
	}
	if !d.Ours() || !strings.Contains(d.Log(), "isolation   linux") {
		t.Log("the isolation is not linux's: nothing more is promised")
		return
	}
	if got.Cwd != "/var/task" || got.UID == 0 {
		t.Errorf("the function runs as user %d in %s", got.UID, got.Cwd)
	}
	for what, result := range map[string]string{"a new file beside the code": got.Task, "the code": got.Change, "a file in /etc": got.Etc} {
		if result == "done" {
			t.Errorf("the function can write %s", what)
		}
	}
	if got.Processes > 4 {
		t.Errorf("the function sees %d processes", got.Processes)
	}
	for key := range got.Env {
		if strings.HasPrefix(key, "PADDOCK_") || key == "HOME" && got.Env[key] == "/root" {
			t.Errorf("%s of the daemon's environment is in the function's", key)
		}
	}
}

// A function finds Paddock itself as its AWS endpoint, with credentials that
// Paddock takes.
func TestFunctionCallsPaddock(t *testing.T) {
	_, c := open(t)
	callee := c.Create(t, returning(t, "'called ' + event['by']"))
	caller := c.Create(t, sdk.Python(t, `
import json, os, urllib.request
def handler(event, context):
    url = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/" + event["callee"] + "/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps({"by": context.function_name}).encode())) as r:
        return json.load(r)
`))
	if got := c.Call(t, caller, `{"callee":"`+callee+`"}`); got != `"called `+caller+`"` {
		t.Errorf("the caller returned %s", got)
	}
}
