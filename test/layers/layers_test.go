// Package layers tests layers with the built Paddock, through the AWS SDK for Go
// v2, with functions that find what their layers have, in both kinds of sandbox.
package layers

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// pack makes a layer's archive. What is in bin may be executed.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") || name == "bootstrap" {
			mode = 0o755
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// publish makes a version of a layer and returns its ARN.
func publish(t testing.TB, c *sdk.Clients, name string, files map[string]string) string {
	t.Helper()
	out, err := c.Lambda.PublishLayerVersion(sdk.Context(t), &lambda.PublishLayerVersionInput{
		LayerName: new(name), Content: &types.LayerVersionContentInput{ZipFile: pack(t, files)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.LayerVersionArn
}

// remove deletes the version of a layer with that ARN.
func remove(t testing.TB, c *sdk.Clients, arn string) {
	t.Helper()
	v, err := c.Lambda.GetLayerVersionByArn(sdk.Context(t), &lambda.GetLayerVersionByArnInput{Arn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lambda.DeleteLayerVersion(sdk.Context(t), &lambda.DeleteLayerVersionInput{LayerName: v.LayerArn, VersionNumber: &v.Version}); err != nil {
		t.Fatal(err)
	}
}

func configure(t testing.TB, c *sdk.Clients, function string, layers ...string) {
	t.Helper()
	if layers == nil {
		layers = []string{}
	}
	if _, err := c.Lambda.UpdateFunctionConfiguration(sdk.Context(t), &lambda.UpdateFunctionConfigurationInput{FunctionName: &function, Layers: layers}); err != nil {
		t.Fatal(err)
	}
	c.WaitUpdated(t, function)
}

func call(t testing.TB, c *sdk.Clients, function string) map[string]string {
	t.Helper()
	var got map[string]string
	text := c.Call(t, function, "{}")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return got
}

func want(t testing.TB, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
}

// sandboxes runs a test in each kind of sandbox.
func sandboxes(t *testing.T, f func(t *testing.T, c *sdk.Clients)) {
	for _, kind := range []string{"auto", "process"} {
		t.Run(kind, func(t *testing.T) { f(t, sdk.For(t, daemon.Own(t, "--sandbox", kind))) })
	}
}

const pythonFunction = `
import ctypes, os, subprocess
import deep, greet, top

def attempt(f):
    try:
        f()
        return "done"
    except OSError as e:
        return "refused"

def write(path):
    with open(path, "w") as f:
        f.write("x")

opt = os.path.dirname(os.path.dirname(os.path.abspath(greet.__file__)))

def read(name):
    with open(os.path.join(opt, name)) as f:
        return f.read()

def handler(event, context):
    return {
        "greet": greet.text,
        "deep": deep.text,
        "top": top.text,
        "opt": opt,
        "both": read("both.txt"),
        "first": read("first.txt"),
        "listed": ",".join(sorted(os.listdir(os.path.join(opt, "folder")))),
        "program": subprocess.check_output(["layer-tool"], text=True).strip(),
        "library": str(ctypes.CDLL("libanswer.so").answer()) if os.environ.get("LIBRARY") else "",
        "new": attempt(lambda: write(os.path.join(opt, "new"))),
        "change": attempt(lambda: write(os.path.join(opt, "both.txt"))),
    }
`

// library is a shared library with a function that answers 42; empty where there
// is no compiler.
func library(t *testing.T) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return ""
	}
	dir := t.TempDir()
	source, object := filepath.Join(dir, "answer.c"), filepath.Join(dir, "libanswer.so")
	if err := os.WriteFile(source, []byte("int answer(void) { return 42; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cc, "-shared", "-fPIC", "-o", object, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPython(t *testing.T) {
	so := library(t)
	sandboxes(t, func(t *testing.T, c *sdk.Clients) {
		files := map[string]string{
			"python/greet.py": "text = 'from the first'\n",
			"python/top.py":   "text = 'of the layer'\n",
			"both.txt":        "first", "first.txt": "only in the first", "folder/a": "", "folder/b": "",
			"bin/layer-tool": "#!/bin/sh\necho tool of the first\n",
		}
		for _, release := range []string{"3.9", "3.10", "3.11", "3.12", "3.13", "3.14"} { // whichever the host has
			files["python/lib/python"+release+"/site-packages/deep.py"] = "text = 'from site-packages'\n"
		}
		if so != "" {
			files["lib/libanswer.so"] = so
		}
		first := publish(t, c, "first", files)
		second := publish(t, c, "second", map[string]string{
			"python/greet.py": "text = 'from the second'\n", "both.txt": "second", "folder/c": "",
		})
		in := sdk.Python(t, pythonFunction)
		// The function's own modules come before its layers'.
		in.Code.ZipFile = pack(t, map[string]string{"app.py": pythonFunction, "top.py": "text = 'of the function'\n"})
		in.Layers = []string{first, second}
		wanted := map[string]string{
			"greet": "from the second", "deep": "from site-packages", "top": "of the function", "both": "second",
			"first": "only in the first", "listed": "a,b,c", "program": "tool of the first",
		}
		if so != "" {
			in.Environment = &types.Environment{Variables: map[string]string{"LIBRARY": "yes"}}
			wanted["library"] = "42"
		}
		f := c.Create(t, in)
		got := call(t, c, f)
		want(t, got, wanted)
		if got["opt"] == "/opt" { // a file system of its own
			want(t, got, map[string]string{"new": "refused", "change": "refused"})
		}

		// Another order, another winner.
		configure(t, c, f, second, first)
		want(t, call(t, c, f), map[string]string{"greet": "from the first", "both": "first", "listed": "a,b,c"})
	})
}

const nodeFunction = `
const fs = require("fs"), path = require("path");
const greet = require("greet"), versioned = require("versioned");
exports.handler = async () => ({
  greet: greet.text, versioned: versioned.text,
  both: fs.readFileSync(path.join(path.dirname(require.resolve("greet")), "../../../both.txt"), "utf8"),
  program: require("child_process").execFileSync("layer-tool").toString().trim(),
});
`

func TestNode(t *testing.T) {
	need.Program(t, "node")
	sandboxes(t, func(t *testing.T, c *sdk.Clients) {
		first := publish(t, c, "first", map[string]string{
			"nodejs/node_modules/greet/index.js":            "exports.text = 'from the first';\n",
			"nodejs/node_modules/versioned/index.js":        "exports.text = 'for any';\n",
			"nodejs/node22/node_modules/versioned/index.js": "exports.text = 'for 22';\n",
			"nodejs/node20/node_modules/versioned/index.js": "exports.text = 'for 20';\n",
			"both.txt":       "first",
			"bin/layer-tool": "#!/bin/sh\necho tool of the first\n",
		})
		second := publish(t, c, "second", map[string]string{
			"nodejs/node_modules/greet/index.js": "exports.text = 'from the second';\n", "both.txt": "second",
		})
		in := sdk.New(t, types.RuntimeNodejs22x, "index.handler", map[string]string{"index.js": nodeFunction})
		in.Layers = []string{first, second}
		f := c.Create(t, in)
		want(t, call(t, c, f), map[string]string{
			"greet": "from the second", "versioned": "for 22", "both": "second", "program": "tool of the first",
		})
		configure(t, c, f, first)
		want(t, call(t, c, f), map[string]string{"greet": "from the first", "both": "first"})
	})
}

// A runtime may come from a layer.
func TestRuntimeInLayer(t *testing.T) {
	need.Program(t, "curl")
	sandboxes(t, func(t *testing.T, c *sdk.Clients) {
		layer := publish(t, c, "runtime", map[string]string{"bootstrap": `#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  headers=$(mktemp)
  curl -sS -o /dev/null -D "$headers" "$api/next"
  id=$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *//p' "$headers" | tr -d '\r')
  rm -f "$headers"
  curl -sS -o /dev/null -d "{\"by\":\"$(cat "$LAMBDA_TASK_ROOT/name")\"}" "$api/$id/response"
done
`})
		in := sdk.New(t, types.RuntimeProvidedal2023, "any", map[string]string{"name": "the layer's runtime"})
		in.Layers = []string{layer}
		want(t, call(t, c, c.Create(t, in)), map[string]string{"by": "the layer's runtime"})
	})
}

const tellLayer = `
import which
def handler(event, context):
    return {"which": which.text}
`

func which(text string) map[string]string {
	return map[string]string{"python/which.py": "text = '" + text + "'\n"}
}

// A function's layers, its published versions' and deleted ones outlive a
// restart, and go when the last function does.
func TestLayersSurvive(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	ctx, c := sdk.Context(t), sdk.For(t, d)
	one := publish(t, c, "l", which("one"))
	two := publish(t, c, "l", which("two"))
	in := sdk.Python(t, tellLayer)
	in.FunctionName, in.Layers, in.Publish = new("kept"), []string{one}, true
	if _, err := c.Lambda.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	c.WaitActive(t, "kept")
	want(t, call(t, c, "kept"), map[string]string{"which": "one"})
	configure(t, c, "kept", two)
	want(t, call(t, c, "kept"), map[string]string{"which": "two"})
	want(t, call(t, c, "kept:1"), map[string]string{"which": "one"})
	remove(t, c, one)
	remove(t, c, two)
	check := func(c *sdk.Clients) {
		t.Helper()
		want(t, call(t, c, "kept"), map[string]string{"which": "two"})
		want(t, call(t, c, "kept:1"), map[string]string{"which": "one"})
		for name, arn := range map[string]string{"kept": two, "kept:1": one} {
			got, err := c.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: new(name)})
			if err != nil || len(got.Layers) != 1 || *got.Layers[0].Arn != arn || got.Layers[0].CodeSize == 0 {
				t.Errorf("%s shows %+v: %v", name, got, err)
			}
		}
		_, err := c.Lambda.GetLayerVersionByArn(ctx, &lambda.GetLayerVersionByArnInput{Arn: &two})
		sdk.Expect(t, err, "ResourceNotFoundException", http.StatusNotFound)
		_, err = c.Lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: new("kept"), Layers: []string{one}})
		sdk.Expect(t, err, "InvalidParameterValueException", http.StatusBadRequest)
	}
	check(c)
	d.Stop(t)
	d = daemon.StartOn(t, data)
	check(sdk.For(t, d))
	d.Kill(t)
	// The unpacked trees are gone too, as after a start of the host.
	if err := os.RemoveAll(filepath.Join(data, "code")); err != nil {
		t.Fatal(err)
	}
	d = daemon.StartOn(t, data)
	c = sdk.For(t, d)
	check(c)
	if third := publish(t, c, "l", which("three")); !strings.HasSuffix(third, ":3") {
		t.Errorf("the next version is %s", third)
	}
	configure(t, c, "kept") // an empty list takes them all away
	got, err := c.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: new("kept")})
	if err != nil || len(got.Layers) != 0 {
		t.Errorf("without layers it shows %+v: %v", got, err)
	}
	if out := c.Invoke(t, "kept", "{}"); out.FunctionError == nil {
		t.Errorf("without layers it returns %s", out.Payload)
	}
}

// The API as the SDK sees it: shapes, paging, the archive's link, policies.
func TestAPI(t *testing.T) {
	c := sdk.For(t, daemon.Shared(t))
	ctx := sdk.Context(t)
	name := sdk.Name(t)
	zipped := pack(t, which("x"))
	for i := range 3 {
		out, err := c.Lambda.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
			LayerName: &name, Description: new("d"), LicenseInfo: new("MIT"), Content: &types.LayerVersionContentInput{ZipFile: zipped},
			CompatibleRuntimes: []types.Runtime{types.RuntimePython313}, CompatibleArchitectures: []types.Architecture{types.ArchitectureArm64},
		})
		if err != nil || out.Version != int64(i+1) || *out.Description != "d" || *out.LicenseInfo != "MIT" || len(out.CompatibleRuntimes) != 1 {
			t.Fatalf("%+v %v", out, err)
		}
		t.Cleanup(func() {
			_, err := c.Lambda.DeleteLayerVersion(context.Background(), &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: &out.Version})
			if err != nil {
				t.Error(err)
			}
		})
	}
	got, err := c.Lambda.GetLayerVersion(ctx, &lambda.GetLayerVersionInput{LayerName: &name, VersionNumber: new(int64(2))})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *got.Content.Location, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(body, zipped) {
		t.Errorf("the link answers %s with %d bytes: %v", resp.Status, len(body), err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}

	var numbers []int64
	pages := lambda.NewListLayerVersionsPaginator(c.Lambda, &lambda.ListLayerVersionsInput{LayerName: &name, MaxItems: new(int32(1)), CompatibleArchitecture: types.ArchitectureArm64})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.LayerVersions {
			numbers = append(numbers, v.Version)
		}
	}
	if len(numbers) != 3 || numbers[0] != 3 || numbers[2] != 1 {
		t.Errorf("the versions are %v", numbers)
	}
	found := false
	layers := lambda.NewListLayersPaginator(c.Lambda, &lambda.ListLayersInput{CompatibleRuntime: types.RuntimePython313})
	for layers.HasMorePages() {
		page, err := layers.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Layers {
			found = found || *l.LayerName == name && l.LatestMatchingVersion.Version == 3
		}
	}
	if !found {
		t.Error("the layer is not listed")
	}

	added, err := c.Lambda.AddLayerVersionPermission(ctx, &lambda.AddLayerVersionPermissionInput{
		LayerName: &name, VersionNumber: new(int64(1)), StatementId: new("s"), Action: new("lambda:GetLayerVersion"), Principal: new("*"),
	})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := c.Lambda.GetLayerVersionPolicy(ctx, &lambda.GetLayerVersionPolicyInput{LayerName: &name, VersionNumber: new(int64(1))})
	if err != nil || *policy.RevisionId != *added.RevisionId || !strings.Contains(*policy.Policy, *added.Statement) {
		t.Errorf("%+v %v", policy, err)
	}
	if _, err := c.Lambda.RemoveLayerVersionPermission(ctx, &lambda.RemoveLayerVersionPermissionInput{LayerName: &name, VersionNumber: new(int64(1)), StatementId: new("s")}); err != nil {
		t.Error(err)
	}
	_, err = c.Lambda.GetLayerVersionPolicy(ctx, &lambda.GetLayerVersionPolicyInput{LayerName: &name, VersionNumber: new(int64(1))})
	sdk.Expect(t, err, "ResourceNotFoundException", http.StatusNotFound)
	_, err = c.Lambda.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: []byte("no")}})
	sdk.Expect(t, err, "InvalidParameterValueException", http.StatusBadRequest)
}
