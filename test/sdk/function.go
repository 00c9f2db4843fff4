package sdk

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
)

// Role is what the functions are created with: any will do.
const Role = "arn:aws:iam::000000000000:role/any"

func asError[T any](err error, target *T) bool { return errors.As(err, target) }

// Zip makes an archive of files by name. Those named bootstrap may be executed.
func Zip(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, content := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		mode := fs.FileMode(0o644)
		if name == "bootstrap" {
			mode = 0o755
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(content))
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

// New is a CreateFunction request without a name: Create gives it one.
func New(t testing.TB, runtime types.Runtime, handler string, files map[string]string) *lambda.CreateFunctionInput {
	t.Helper()
	return &lambda.CreateFunctionInput{
		Runtime: runtime, Handler: new(handler), Role: new(Role),
		Code: &types.FunctionCode{ZipFile: Zip(t, files)},
		// Interpreters are slow to start on a busy machine: what is not about time
		// has plenty.
		Timeout: new(int32(60)),
	}
}

// Python is a function whose handler is "handler" in a Python source.
func Python(t testing.TB, source string) *lambda.CreateFunctionInput {
	t.Helper()
	return New(t, types.RuntimePython313, "app.handler", map[string]string{"app.py": source})
}

// Node is a function whose handler is "handler" in an ES module.
func Node(t testing.TB, source string) *lambda.CreateFunctionInput {
	t.Helper()
	need.Program(t, "node")
	return New(t, types.RuntimeNodejs22x, "index.handler", map[string]string{"index.mjs": source})
}

// Shell is a function on the custom runtime whose bootstrap is a script.
func Shell(t testing.TB, script string) *lambda.CreateFunctionInput {
	t.Helper()
	return New(t, types.RuntimeProvidedal2023, "any.handler", map[string]string{"bootstrap": script})
}

// Go is a function on the custom runtime: the program in a folder of the
// repository, compiled.
func Go(t testing.TB, folder string) *lambda.CreateFunctionInput {
	t.Helper()
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.CommandContext(Context(t), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./"+folder)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", folder, err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return New(t, types.RuntimeProvidedal2023, "bootstrap", map[string]string{"bootstrap": string(program)})
}

var (
	names  atomic.Int64
	unfit  = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
	series = fmt.Sprintf("%x", time.Now().UnixNano()&0xffffff)
)

// Name makes a name that no other test, or run of this one, uses.
func Name(t testing.TB) string {
	t.Helper()
	name := unfit.ReplaceAllString(t.Name(), "-")
	return fmt.Sprintf("%.40s-%s-%d", strings.TrimPrefix(name, "Test"), series, names.Add(1))
}

// Create creates a function, waits until it is active, and deletes it when the
// test ends. It returns the function's name.
func (c *Clients) Create(t testing.TB, in *lambda.CreateFunctionInput) string {
	t.Helper()
	ctx := Context(t)
	if in.FunctionName == nil {
		in.FunctionName = new(Name(t))
	}
	if _, err := c.Lambda.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A Paddock that the test has ended has nothing to delete from; a function
		// that the test has deleted is gone.
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		_, err := c.Lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: in.FunctionName})
		if Status(err) != 0 && Code(err) != "ResourceNotFoundException" {
			t.Errorf("%s cannot be deleted: %v", *in.FunctionName, err)
		}
	})
	c.WaitActive(t, *in.FunctionName)
	return *in.FunctionName
}

// WaitActive waits until a function can be invoked.
func (c *Clients) WaitActive(t testing.TB, name string) {
	t.Helper()
	w := lambda.NewFunctionActiveV2Waiter(c.Lambda, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 200*time.Millisecond
	})
	if err := w.Wait(Context(t), &lambda.GetFunctionInput{FunctionName: &name}, Patience); err != nil {
		t.Fatalf("%s does not become active: %v", name, err)
	}
}

// WaitUpdated waits until a function's update has been made.
func (c *Clients) WaitUpdated(t testing.TB, name string) {
	t.Helper()
	w := lambda.NewFunctionUpdatedV2Waiter(c.Lambda, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 200*time.Millisecond
	})
	if err := w.Wait(Context(t), &lambda.GetFunctionInput{FunctionName: &name}, Patience); err != nil {
		t.Fatalf("%s is not updated: %v", name, err)
	}
}

// Invoke invokes a function and returns its answer, which may be the function's
// own error.
func (c *Clients) Invoke(t testing.TB, name, payload string) *lambda.InvokeOutput {
	t.Helper()
	out, err := c.Lambda.Invoke(Context(t), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Call is Invoke for functions that are to succeed: it returns the payload.
func (c *Clients) Call(t testing.TB, name, payload string) string {
	t.Helper()
	out := c.Invoke(t, name, payload)
	if out.FunctionError != nil {
		t.Fatalf("%s failed (%s): %s", name, *out.FunctionError, out.Payload)
	}
	return string(out.Payload)
}
