package rest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

// openAPIExamples are documents that nobody here wrote (make deps brings them).
func openAPIExamples(t *testing.T, root string) []string {
	t.Helper()
	dir := filepath.Join(root, ".deps", "openapi-examples", "node_modules", "@readme", "oas-examples")
	var out []string
	for _, name := range []string{
		"2.0/json/petstore.json", "2.0/yaml/petstore-expanded.yaml", "3.0/json/petstore-expanded.json", "3.0/yaml/uspto.yaml",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(path); err != nil {
			need.Missing(t, "%v (make deps installs it)", err)
		}
		out = append(out, path)
	}
	return out
}

// What boto3 makes of keys, plans, domain names, and of import and export.
func TestAccountByBoto3(t *testing.T) {
	t.Parallel()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	args := append([]string{filepath.Join(root, "test", "rest", "account.py")}, openAPIExamples(t, root)...)
	cmd := exec.CommandContext(sdk.Context(t), python, args...)
	cmd.Env = daemon.Shared(t).Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// The AWS CLI imports a file, and exports into one.
func TestImportAndExportByCLI(t *testing.T) {
	t.Parallel()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	aws := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "aws"))
	env := daemon.Shared(t).Env()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(sdk.Context(t), aws, append([]string{"apigateway"}, args...)...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(bytes.TrimSpace(out))
	}
	document := filepath.Join(t.TempDir(), "api.yaml")
	text := `swagger: "2.0"
info: {title: cli, version: 1.0}
paths:
  /a:
    get:
      responses: {200: {description: fine}}
      x-amazon-apigateway-integration: {type: mock}
`
	if err := os.WriteFile(document, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	id := run("import-rest-api", "--body", "fileb://"+document, "--parameters", "endpointConfigurationTypes=REGIONAL,ignore=documentation", "--query", "id", "--output", "text")
	run("create-deployment", "--rest-api-id", id, "--stage-name", "test")
	exported := filepath.Join(t.TempDir(), "exported.json")
	run("get-export", "--rest-api-id", id, "--stage-name", "test", "--export-type", "swagger", "--parameters", "extensions=integrations", exported)
	out, err := os.ReadFile(exported)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version" : "1.0"`, `"x-amazon-apigateway-integration"`, `"basePath" : "/test"`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	run("put-rest-api", "--rest-api-id", id, "--mode", "overwrite", "--body", "fileb://"+exported)
	run("delete-rest-api", "--rest-api-id", id)
}
