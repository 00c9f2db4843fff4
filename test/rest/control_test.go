package rest

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

// What boto3 makes of the control plane: every answer passes its parsers.
func TestControlPlaneByBoto3(t *testing.T) {
	t.Parallel()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	cmd := exec.CommandContext(sdk.Context(t), python, filepath.Join(root, "test", "rest", "control.py"))
	cmd.Env = daemon.Shared(t).Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
