// Package clients runs one scenario in the clients that people use: boto3, the
// AWS SDK for JavaScript v3 and the AWS CLI. (test/e2e has the SDK for Go.)
package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// function says what it is called with: an event's name, or an HTTP request.
const function = `
import json, os
def handler(event, context):
    print("called with", json.dumps(event))
    if event.get("fail"):
        raise ValueError("as you wish")
    if "rawPath" in event:
        return {"statusCode": 200, "body": json.dumps({"path": event["rawPath"]})}
    return {"message": os.environ["GREETING"] + ", " + event["name"] + "!"}
`

func TestPython(t *testing.T) {
	root := top(t)
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	run(t, python, filepath.Join(root, "test/clients/py/scenario.py"))
}

func TestJavaScript(t *testing.T) {
	root := top(t)
	node := need.Program(t, "node")
	modules := filepath.Join(root, ".deps", "node")
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "@aws-sdk", "client-lambda")); err != nil {
		need.Missing(t, "the AWS SDK for JavaScript in .deps/node (make deps installs it)")
	}
	// Node.js looks for packages where the importing file is.
	source, err := os.ReadFile(filepath.Join(root, "test/clients/js/scenario.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(modules, fmt.Sprintf("scenario-%d.mjs", os.Getpid()))
	if err := os.WriteFile(script, source, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(script) })
	run(t, node, script)
}

func TestCLI(t *testing.T) {
	root := top(t)
	need.Program(t, filepath.Join(root, ".deps", "python", "bin", "aws"))
	need.Program(t, "curl")
	run(t, need.Program(t, "bash"), filepath.Join(root, "test/clients/cli/scenario.sh"))
}

func top(t *testing.T) string {
	t.Helper()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func run(t *testing.T, program, script string) {
	t.Helper()
	d := daemon.Shared(t)
	dir := t.TempDir()
	archive := filepath.Join(dir, "function.zip")
	if err := os.WriteFile(archive, sdk.Zip(t, map[string]string{"app.py": function}), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(sdk.Context(t), program, script)
	cmd.Dir = dir
	cmd.Env = d.Env("NAME="+sdk.Name(t), "FUNCTION_ZIP="+archive,
		"PATH="+filepath.Join(top(t), ".deps", "python", "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "ok\n") {
		t.Errorf("%s: %v\n%s", filepath.Base(script), err, out)
	}
}
