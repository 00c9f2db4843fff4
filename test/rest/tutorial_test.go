package rest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

// greeter says what the tutorial's function says.
const greeter = `
export const handler = async (event) => {
  const query = event.queryStringParameters ?? {};
  const time = event.body ? JSON.parse(event.body).time ?? 'day' : 'day';
  const day = event.headers && event.headers['day'];
  let greeting = 'Good ' + time + ', ' + (query.name ?? 'you') + ' of ' + (query.city ?? 'World') + '.';
  if (day) greeting += ' Happy ' + day + '!';
  return { statusCode: 200, headers: { 'x-custom-header': 'my custom header value' }, body: JSON.stringify({ message: greeting, input: event }) };
};
`

func TestTheTutorial(t *testing.T) {
	t.Parallel()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(root, ".deps", "python", "bin")
	need.Program(t, filepath.Join(bin, "aws"))
	need.Program(t, "curl")
	need.Program(t, "node")
	d := daemon.Shared(t)
	dir := t.TempDir()
	archive := filepath.Join(dir, "function.zip")
	if err := os.WriteFile(archive, sdk.Zip(t, map[string]string{"index.mjs": greeter}), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(sdk.Context(t), need.Program(t, "bash"), filepath.Join(root, "test/rest/tutorial.sh"))
	cmd.Dir = dir
	cmd.Env = d.Env("NAME="+sdk.Name(t), "FUNCTION_ZIP="+archive, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "ok\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What boto3 sets up is called over HTTP: every kind of integration but Lambda's.
func TestDataPlaneByBoto3(t *testing.T) {
	t.Parallel()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	cmd := exec.CommandContext(sdk.Context(t), python, filepath.Join(root, "test", "rest", "data.py"))
	cmd.Env = daemon.Shared(t).Env()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "ok\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}
