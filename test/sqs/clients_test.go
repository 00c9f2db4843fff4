package sqs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestBoto3(t *testing.T) {
	root := top(t)
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	run(t, python, filepath.Join(root, "test", "sqs", "scenario.py"))
}

// TestQuery is TestBoto3 with a botocore from before SQS spoke JSON.
func TestQuery(t *testing.T) {
	root := top(t)
	python := need.Program(t, filepath.Join(root, ".deps", "python-query", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "a boto3 that speaks Query in .deps/python-query (make deps installs it)")
	}
	run(t, python, filepath.Join(root, "test", "sqs", "query.py"))
}

func TestCLI(t *testing.T) {
	root := top(t)
	aws := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "aws"))
	t.Setenv("PATH", filepath.Dir(aws)+string(os.PathListSeparator)+os.Getenv("PATH"))
	run(t, need.Program(t, "bash"), filepath.Join(root, "test", "sqs", "scenario.sh"))
}

func TestJavaScript(t *testing.T) {
	root := top(t)
	node := need.Program(t, "node")
	modules := filepath.Join(root, ".deps", "node")
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "@aws-sdk", "client-sqs")); err != nil {
		need.Missing(t, "the AWS SDK for JavaScript in .deps/node (make deps installs it)")
	}
	// Node.js looks for packages where the importing file is.
	source, err := os.ReadFile(filepath.Join(root, "test", "sqs", "scenario.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(modules, fmt.Sprintf("sqs-%d.mjs", os.Getpid()))
	if err := os.WriteFile(script, source, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(script) })
	run(t, node, script)
}

func top(t *testing.T) string {
	t.Helper()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(sdk.Context(t), program, append(args, name(t))...)
	cmd.Env = daemon.Shared(t).Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
