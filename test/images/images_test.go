// Package images tests functions of container images with the built Paddock:
// images that buildah makes from scratch, pushed into its registry by buildah and
// skopeo, or taken from files.
package images

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

var large = flag.Bool("large", false, "test an image of 2 GB too: it takes a minute and 5 GB of disk")

func TestMain(m *testing.M) { daemon.Main(m) }

const region, account = "us-east-1", "000000000000"

// tools are what makes and pushes images.
type tools struct {
	t               testing.TB
	buildah, skopeo string
	dir             string // of the storage, and of what goes into images
}

func newTools(t testing.TB) *tools {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("images are run on Linux; buildah is used as root")
	}
	return &tools{t: t, buildah: need.Program(t, "buildah"), skopeo: need.Program(t, "skopeo"), dir: t.TempDir()}
}

var buildOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "images-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "main"), "./function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "main"))
})

// file writes what is to go into an image.
func (x *tools) file(name string, content []byte, mode os.FileMode) string {
	x.t.Helper()
	path := filepath.Join(x.dir, "files", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		x.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		x.t.Fatal(err)
	}
	return path
}

func (x *tools) program() string {
	x.t.Helper()
	program, err := buildOnce()
	if err != nil {
		x.t.Fatal(err)
	}
	return x.file("main", program, 0o755)
}

func (x *tools) run(name string, args ...string) string {
	x.t.Helper()
	if name == x.buildah {
		args = append([]string{"--storage-driver", "vfs", "--root", filepath.Join(x.dir, "root"), "--runroot", filepath.Join(x.dir, "run")}, args...)
	}
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+x.dir)
	out, err := cmd.Output()
	if err != nil {
		x.t.Fatalf("%s %q: %v\n%s", filepath.Base(name), args, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// build makes an image of copies (host path, path inside) and configuration.
func (x *tools) build(name string, copies [][2]string, config ...string) {
	x.t.Helper()
	container := x.run(x.buildah, "from", "scratch")
	for _, c := range copies {
		x.run(x.buildah, "copy", "-q", container, c[0], c[1])
	}
	x.run(x.buildah, append(append([]string{"config"}, config...), container)...)
	x.run(x.buildah, "commit", "-q", "--rm", container, name)
}

// push pushes a built image with buildah and returns its URI.
func (x *tools) push(d *daemon.Daemon, name, repository string) string {
	x.t.Helper()
	uri := "localhost:" + d.Port(x.t) + "/" + repository
	x.run(x.buildah, "push", "-q", "--tls-verify=false", name, "docker://"+uri)
	return uri
}

// ecr calls an operation of Amazon ECR's.
func ecr(t testing.TB, d *daemon.Daemon, operation string, in any) (out map[string]any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+d.Port(t)+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	resp, text := d.Do(t, req)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", operation, resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

type m = map[string]any

func create(t testing.TB, c *sdk.Clients, name, uri string) (*lambda.CreateFunctionOutput, error) {
	t.Helper()
	return c.Lambda.CreateFunction(sdk.Context(t), &lambda.CreateFunctionInput{
		FunctionName: new(name), PackageType: types.PackageTypeImage, Role: new("arn:aws:iam::" + account + ":role/x"),
		Code: &types.FunctionCode{ImageUri: new(uri)}, Timeout: new(int32(10)),
	})
}

// created makes a function and waits until it is active.
func created(t testing.TB, c *sdk.Clients, name, uri string) {
	t.Helper()
	if _, err := create(t, c, name, uri); err != nil {
		t.Fatal(err)
	}
	settled(t, c, name)
}

func settled(t testing.TB, c *sdk.Clients, name string) {
	t.Helper()
	if err := lambda.NewFunctionUpdatedV2Waiter(c.Lambda).Wait(sdk.Context(t), &lambda.GetFunctionInput{FunctionName: new(name)}, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	Args      []string
	Dir       string
	User      int
	Files     int
	Variables map[string]string
}

func invoke(t testing.TB, c *sdk.Clients, name string) (a answer, raw string) {
	t.Helper()
	out, err := c.Lambda.Invoke(sdk.Context(t), &lambda.InvokeInput{FunctionName: new(name), Payload: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if out.FunctionError == nil {
		if err := json.Unmarshal(out.Payload, &a); err != nil {
			t.Fatal(err)
		}
	}
	return a, string(out.Payload)
}

func TestImages(t *testing.T) {
	x := newTools(t)
	d := daemon.Own(t, "--sandbox", "linux", "--network", "none")
	c := sdk.For(t, d)
	x.build("app", [][2]string{{x.program(), "/main"}}, "--entrypoint", `["/main"]`, "--cmd", "handler", "--workingdir", "/tmp", "--env", "OF_IMAGE=yes")
	ecr(t, d, "CreateRepository", m{"repositoryName": "team/app"})
	uri := x.push(d, "app", "team/app:v1")

	out, err := create(t, c, "one", uri)
	if err != nil {
		t.Fatal(err)
	}
	if out.State != types.StatePending || out.PackageType != types.PackageTypeImage || out.CodeSize != 0 || out.Runtime != "" || out.Handler != nil {
		t.Errorf("created: %+v", out)
	}
	settled(t, c, "one")
	got, err := c.Lambda.GetFunction(sdk.Context(t), &lambda.GetFunctionInput{FunctionName: new("one")})
	if err != nil {
		t.Fatal(err)
	}
	listed := ecr(t, d, "ListImages", m{"repositoryName": "team/app"})["imageIds"].([]any)
	digest := listed[0].(m)["imageDigest"].(string)
	if *got.Code.ImageUri != uri || !strings.HasSuffix(*got.Code.ResolvedImageUri, "/team/app@"+digest) || *got.Code.RepositoryType != "ECR" || "sha256:"+*got.Configuration.CodeSha256 != digest {
		t.Errorf("code %+v of %s, CodeSha256 %s", got.Code, digest, *got.Configuration.CodeSha256)
	}
	a, raw := invoke(t, c, "one")
	if !slices.Equal(a.Args, []string{"/main", "handler"}) || a.Dir != "/tmp" || a.User != 993 || a.Variables["OF_IMAGE"] != "yes" || a.Variables["LAMBDA_TASK_ROOT"] != "/var/task" {
		t.Errorf("the function says %s", raw)
	}
	// ImageConfig goes before the image's own.
	_, err = c.Lambda.UpdateFunctionConfiguration(sdk.Context(t), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: new("one"), ImageConfig: &types.ImageConfig{Command: []string{"other", "more"}, WorkingDirectory: new("/dev")},
	})
	if err != nil {
		t.Fatal(err)
	}
	settled(t, c, "one")
	if a, raw := invoke(t, c, "one"); !slices.Equal(a.Args, []string{"/main", "other", "more"}) || a.Dir != "/dev" {
		t.Errorf("with ImageConfig the function says %s", raw)
	}
	// A tag that moves does not move the function; an update does.
	x.build("app2", [][2]string{{x.program(), "/main"}}, "--entrypoint", `["/main"]`, "--cmd", "second")
	x.push(d, "app2", "team/app:v1")
	created(t, c, "two", uri)
	if a, raw := invoke(t, c, "two"); !slices.Equal(a.Args, []string{"/main", "second"}) || a.Dir != "/" {
		t.Errorf("the second function says %s", raw)
	}
	if a, raw := invoke(t, c, "one"); !slices.Equal(a.Args, []string{"/main", "other", "more"}) {
		t.Errorf("after the tag moved the function says %s", raw)
	}
	if _, err := c.Lambda.UpdateFunctionCode(sdk.Context(t), &lambda.UpdateFunctionCodeInput{FunctionName: new("two"), ImageUri: new("localhost:" + d.Port(t) + "/team/app@" + digest)}); err != nil {
		t.Fatal(err)
	}
	settled(t, c, "two")
	if a, raw := invoke(t, c, "two"); !slices.Equal(a.Args, []string{"/main", "handler"}) {
		t.Errorf("after the update the function says %s", raw)
	}
	// What is unpacked stays, without its repository and after a kill -9.
	ecr(t, d, "DeleteRepository", m{"repositoryName": "team/app", "force": true})
	d.Kill(t)
	d = daemon.StartOn(t, d.Data, "--sandbox", "linux", "--network", "none")
	c = sdk.For(t, d)
	if a, raw := invoke(t, c, "one"); !slices.Equal(a.Args, []string{"/main", "other", "more"}) {
		t.Errorf("after a kill -9 the function says %s", raw)
	}
}

func TestSkopeo(t *testing.T) {
	x := newTools(t)
	d := daemon.Own(t, "--sandbox", "linux", "--network", "none")
	c := sdk.For(t, d)
	x.build("app", [][2]string{{x.program(), "/main"}}, "--entrypoint", `["/main"]`, "--cmd", "handler")
	oci, archive := filepath.Join(x.dir, "oci"), filepath.Join(x.dir, "app.tar")
	x.run(x.buildah, "push", "-q", "app", "oci:"+oci+":latest")
	x.run(x.skopeo, "copy", "-q", "oci:"+oci+":latest", "docker-archive:"+archive+":app:latest")
	ecr(t, d, "CreateRepository", m{"repositoryName": "app"})
	at := "localhost:" + d.Port(t) + "/app"
	for _, tag := range []string{"one", "two"} { // the second time all is there
		x.run(x.skopeo, "copy", "-q", "--dest-tls-verify=false", "oci:"+oci+":latest", "docker://"+at+":"+tag)
	}
	if out := x.run(x.skopeo, "list-tags", "--tls-verify=false", "docker://"+at); !strings.Contains(out, `"two"`) {
		t.Errorf("tags: %s", out)
	}
	back := filepath.Join(x.dir, "back")
	x.run(x.skopeo, "copy", "-q", "--src-tls-verify=false", "docker://"+at+":two", "oci:"+back+":latest")
	x.run(x.skopeo, "copy", "-q", "--dest-tls-verify=false", "docker-archive:"+archive, "docker://"+at+":docker")
	for name, uri := range map[string]string{"pushed": at + ":two", "docker": at + ":docker", "layout": "oci-layout:" + back, "archive": "docker-archive:" + archive} {
		created(t, c, name, uri)
		if a, raw := invoke(t, c, name); !slices.Equal(a.Args, []string{"/main", "handler"}) {
			t.Errorf("%s: %s", name, raw)
		}
	}
	// It deletes what the tag names: the image, with its other tag.
	x.run(x.skopeo, "delete", "--tls-verify=false", "docker://"+at+":one")
	if out := x.run(x.skopeo, "list-tags", "--tls-verify=false", "docker://"+at); strings.Contains(out, `"two"`) || !strings.Contains(out, `"docker"`) {
		t.Errorf("tags after a deletion: %s", out)
	}
}

func TestImagesThatDoNotRun(t *testing.T) {
	x := newTools(t)
	d := daemon.Own(t, "--sandbox", "linux", "--network", "none")
	c := sdk.For(t, d)
	ecr(t, d, "CreateRepository", m{"repositoryName": "app"})
	closed := x.file("closed", []byte("x"), 0o700)
	x.build("app", [][2]string{{x.program(), "/main"}, {closed, "/closed"}}, "--entrypoint", `["/main"]`)
	app := x.push(d, "app", "app:latest")
	for name, test := range map[string]struct {
		config *types.ImageConfig
		want   []string
	}{
		"closed":      {&types.ImageConfig{EntryPoint: []string{"/closed"}}, []string{"Runtime.InvalidEntrypoint", "fork/exec /closed: permission denied"}},
		"missing":     {&types.ImageConfig{EntryPoint: []string{"/missing"}}, []string{"Runtime.InvalidEntrypoint", "fork/exec /missing: no such file or directory"}},
		"not-on-path": {&types.ImageConfig{EntryPoint: []string{"missing"}}, []string{"Runtime.InvalidEntrypoint", `exec: \"missing\": executable file not found in $PATH`}},
		"no-folder":   {&types.ImageConfig{WorkingDirectory: new("/nowhere")}, []string{"Runtime.InvalidWorkingDir", "chdir /nowhere: no such file or directory"}},
		"no-client":   {&types.ImageConfig{Command: []string{"exit"}}, []string{"Runtime.ExitError", "Runtime exited without providing a reason", "no runtime interface client"}},
	} {
		_, err := c.Lambda.CreateFunction(sdk.Context(t), &lambda.CreateFunctionInput{
			FunctionName: new(name), PackageType: types.PackageTypeImage, Role: new("arn:aws:iam::" + account + ":role/x"),
			Code: &types.FunctionCode{ImageUri: new(app)}, ImageConfig: test.config,
		})
		if err != nil {
			t.Fatal(err)
		}
		settled(t, c, name)
		_, raw := invoke(t, c, name)
		for _, part := range test.want {
			if !strings.Contains(raw, part) {
				t.Errorf("%s: %s, want %q in it", name, raw, part)
			}
		}
	}

	x.run(x.skopeo, "copy", "-q", "--dest-tls-verify=false", "--src-tls-verify=false", "docker://"+app, "dir:"+filepath.Join(x.dir, "plain"))
	manifest, err := os.ReadFile(filepath.Join(x.dir, "plain", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	digest := ecr(t, d, "ListImages", m{"repositoryName": "app"})["imageIds"].([]any)[0].(m)["imageDigest"]
	index, err := json.Marshal(m{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []m{
		{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(manifest), "platform": m{"os": "linux", "architecture": runtime.GOARCH}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ecr(t, d, "PutImage", m{"repositoryName": "app", "imageManifest": string(index), "imageTag": "index"})
	x.build("windows", [][2]string{{closed, "/main"}}, "--os", "windows")
	windows := x.push(d, "windows", "app:windows")
	registry := strings.TrimSuffix(app, ":latest")
	for uri, part := range map[string]string{
		registry + ":index":            "media type for the source image " + registry + ":index is not supported",
		windows:                        `It is an image for "windows"`,
		registry + ":none":             "Source image " + registry + ":none does not exist. Provide a valid source image.",
		"docker.io/library/alpine:3":   "--registry docker.io",
		"oci-layout:" + x.dir + "/not": "does not exist",
	} {
		if _, err := create(t, c, "refused", uri); err == nil || !strings.Contains(err.Error(), "InvalidParameterValueException") || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", uri, err, part)
		}
	}
}

func TestNoImagesWithoutTheLinuxDriver(t *testing.T) {
	d := daemon.Own(t, "--sandbox", "process")
	if _, err := create(t, sdk.For(t, d), "refused", "oci-layout:/tmp"); err == nil || !strings.Contains(err.Error(), "need the linux sandbox driver") {
		t.Errorf("an image with the process driver: %v", err)
	}
}

// TestLargeImages compares the first invocations of two functions of one image:
// the second finds everything as the first did.
func TestLargeImages(t *testing.T) {
	x := newTools(t)
	d := daemon.Own(t, "--sandbox", "linux", "--network", "none")
	c := sdk.For(t, d)
	ecr(t, d, "CreateRepository", m{"repositoryName": "app"})
	for i := range 1000 {
		x.file(fmt.Sprintf("many/data/file%04d", i), fmt.Appendf(nil, "number %d", i), 0o644)
	}
	kinds := map[string]string{"thousand": filepath.Join(x.dir, "files", "many")}
	if *large {
		path := x.file("big/data/big", nil, 0o644)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		random, err := os.Open("/dev/urandom")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(f, random, 2<<30); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		kinds["big"] = filepath.Join(x.dir, "files", "big")
	}
	program := x.program()
	for name, folder := range kinds {
		x.build(name, [][2]string{{program, "/main"}, {folder, "/"}}, "--entrypoint", `["/main"]`)
		began := time.Now()
		uri := x.push(d, name, "app:"+name)
		t.Logf("%s: pushed in %v", name, time.Since(began))
		var took []time.Duration
		for _, function := range []string{"first", "second"} {
			began := time.Now()
			created(t, c, name+"-"+function, uri)
			active := time.Now()
			a, raw := invoke(t, c, name+"-"+function)
			took = append(took, time.Since(active))
			if a.Files == 0 {
				t.Errorf("%s: %s", name, raw)
			}
			t.Logf("%s, %s function: active in %v, first invocation in %v", name, function, active.Sub(began), time.Since(active))
		}
		if took[1] > 2*took[0]+time.Second {
			t.Errorf("%s: first invocations took %v", name, took)
		}
	}
}
