package failure

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// marked is the processes in whose environment a marker stands.
func marked(t *testing.T, marker string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !bytes.Contains(env, []byte(marker)) {
			continue // it has ended, or is another user's
		}
		out = append(out, e.Name())
	}
	return out
}

// kill -9 ends the functions with the daemon, and what they have started. Those
// that are frozen may outlive it: with cgroups of version 1 a frozen process takes
// no signal, and a daemon that is killed cannot thaw it. They do nothing, and the
// next daemon ends them.
func TestKillLeavesNoProcess(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data, sdk.ReachGates...)
	c := sdk.For(t, d)
	gate := sdk.NewGate(t)
	markers := map[string]string{"running": rand.Text(), "frozen": rand.Text()}

	running := gate.Waiting(t)
	frozen := sdk.Python(t, `
import subprocess
child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
def handler(event, context):
    return child.pid > 0
`)
	for name, in := range map[string]*lambda.CreateFunctionInput{"running": running, "frozen": frozen} {
		in.FunctionName, in.Timeout = &name, new(int32(600))
		in.Environment = &types.Environment{Variables: map[string]string{"MARKER": markers[name]}}
		if _, err := c.Lambda.CreateFunction(sdk.Context(t), in); err != nil {
			t.Fatal(err)
		}
		c.WaitActive(t, name)
	}
	if got := c.Call(t, "frozen", "{}"); got != "true" {
		t.Fatalf("the function that is to be frozen returned %s", got)
	}
	const n = 3
	ctx := sdk.Context(t)
	failed := make(chan error, n)
	for range n {
		go func() {
			_, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: new("running")})
			failed <- err
		}()
	}
	gate.Await(t, n)
	if running, frozen := len(marked(t, markers["running"])), len(marked(t, markers["frozen"])); running < n || frozen < 2 {
		t.Fatalf("%d processes run and %d are frozen, there should be %d and 2: the test sees nothing", running, frozen, n)
	}
	d.Kill(t)
	for range n {
		if err := <-failed; err == nil || sdk.Status(err) != 0 {
			t.Errorf("an invocation at the time of the kill: %v", err)
		}
	}
	sdk.Eventually(t, "no function runs on after its daemon was killed", func() bool { return len(marked(t, markers["running"])) == 0 })

	d = daemon.StartOn(t, data, sdk.ReachGates...)
	c = sdk.For(t, d)
	sdk.Eventually(t, "the next daemon ends what was frozen", func() bool { return len(marked(t, markers["frozen"])) == 0 })
	gate.Open()
	if got := c.Call(t, "running", "{}"); got != `"through"` {
		t.Errorf("after the kill the function returned %s", got)
	}
	d.Stop(t)
	for what, marker := range markers {
		if left := marked(t, marker); len(left) != 0 {
			t.Errorf("after an orderly stop the processes %v are left (%s)", left, what)
		}
	}
}

// On a full disk nothing is acknowledged that cannot be kept, nothing is lost,
// and all is well when there is space again.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := daemon.Folder(t)
	if err := syscall.Mount("paddock-test", dir, "tmpfs", 0, "size=32m,mode=0755"); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting is not allowed here")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(dir, "data")
	d := daemon.StartOn(t, data)
	c := sdk.For(t, d)
	archives := map[string][]byte{}
	create := func(n, ballast int) error {
		in := numbered(t, n, ballast)
		_, err := c.Lambda.CreateFunction(sdk.Context(t), in)
		if err == nil {
			archives[*in.FunctionName] = in.Code.ZipFile
		}
		return err
	}
	for i, ballast := range []int{0, 600 << 10} {
		if err := create(1+i, ballast); err != nil {
			t.Fatal(err)
		}
	}
	c.WaitActive(t, "numbered-001")
	if got := c.Call(t, "numbered-001", "{}"); got != "1" {
		t.Fatalf("the function returned %s", got)
	}

	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	refused := map[string]bool{}
	for i := range 8 {
		n, ballast := 10+i, 0
		if i%2 == 0 {
			ballast = 600 << 10
		}
		err := create(n, ballast)
		if err == nil {
			continue // there was space for it yet
		}
		refused["numbered-0"+strconv.Itoa(n)] = true
		if status := sdk.Status(err); status < 500 || status > 599 || sdk.RequestID(err) == "" {
			t.Errorf("on a full disk a creation is answered with %d: %v", status, err)
		}
		for _, leak := range []string{"no space", "disk", dir, "sqlite", "SQLITE"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("the answer tells %q: %v", leak, err)
			}
		}
	}
	if len(refused) == 0 {
		t.Fatal("all creations were acknowledged: the disk is not full")
	}
	if got := c.Call(t, "numbered-001", "{}"); got != "1" {
		t.Errorf("on a full disk the function returned %s", got)
	}
	check := func(when string) {
		t.Helper()
		there := listed(t, c)
		for name, code := range archives {
			if !there[name] {
				t.Errorf("%s %s is lost", when, name)
				continue
			}
			whole(t, d, c, name, code)
		}
		for name := range there {
			if archives[name] == nil {
				t.Errorf("%s there is %s, whose creation was refused", when, name)
			}
		}
	}
	check("on a full disk")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := create(30, 600<<10); err != nil {
		t.Errorf("with space again: %v", err)
	}
	c.WaitActive(t, "numbered-030")
	if got := c.Call(t, "numbered-030", "{}"); got != "30" {
		t.Errorf("with space again the function returned %s", got)
	}
	check("with space again")
	d.Stop(t)
	d = daemon.StartOn(t, data)
	c = sdk.For(t, d)
	check("after a restart")
}

// fill writes a file until the disk is full to the last page.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		page := make([]byte, size)
		for err == nil {
			_, err = f.Write(page)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}
