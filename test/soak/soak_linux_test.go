package soak

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

var length = flag.Duration("length", 10*time.Second, "how long the soak is")

const (
	callers = 4
	// crowd is how many environments of one function start at once before the soak:
	// what is kept ready has grown by then.
	crowd = 40
	// flat is how much more memory the daemon may have after the soak, in MB.
	flat = 64
	// alike is how many goroutines may have been begun by the same line once
	// nothing runs: there is one for each environment that is kept ready.
	alike = 2 * readyMost
)

const python = `
import os, subprocess, time
def handler(event, context):
    do, n = event["Do"], event["N"]
    if do == "crash":
        os._exit(3)
    if do in ("sleep", "hang"):
        time.sleep(0.5 if do == "sleep" else 3600)
    if do == "fill":
        held = []
        while True:
            held.append(bytearray(os.urandom(1 << 20)) * 16)
    if do == "leave":
        subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True)
    if do == "write":
        with open("/tmp/file-%%d" %% (n %% 4), "wb") as f:
            f.write(bytes(16 << 20))
    return n
# %d
`

const node = `
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
export const handler = async ({ Do, N }) => {
  if (Do === "crash") process.exit(3);
  if (Do === "sleep" || Do === "hang") await new Promise((r) => setTimeout(r, Do === "sleep" ? 500 : 3600000));
  if (Do === "fill") for (const held = []; ; ) held.push(Buffer.alloc(16 << 20, 1));
  if (Do === "leave") spawn("/bin/sleep", ["3600"], { detached: true, stdio: "ignore" });
  if (Do === "write") writeFileSync("/tmp/file-" + (N %% 4), Buffer.alloc(16 << 20));
  return N;
};
// %d
`

// subject is a function that the soak uses.
type subject struct {
	name string
	// code is an archive for it that differs with n.
	code func(n int) []byte
}

// soak is the load on a daemon.
type soak struct {
	t        *testing.T
	clients  *sdk.Clients
	subjects []subject
	number   atomic.Int64
	mu       sync.Mutex
	done     map[string]int // what was done, by its name
}

// TestSoak is to be run for ten minutes; a shorter run finds what happens often.
func TestSoak(t *testing.T) {
	need.Program(t, "node")
	if os.Getuid() != 0 {
		t.Skip("needs root, for all that the linux driver makes")
	}
	data := daemon.Folder(t)
	flags := []string{"--sandbox", "linux", "--idle-expiry", "2s", "--cpu-quota=false"}
	d := daemon.StartOn(t, data, flags...)
	s := &soak{t: t, clients: sdk.For(t, d), done: map[string]int{}}
	program := sdk.Go(t, "test/soak/function")

	s.create(program)
	s.crowd()
	s.run(min(*length/4, 30*time.Second))
	s.remove()
	before := settled(t, d, nil)
	t.Logf("before the soak: %s", before)

	s.create(program)
	s.run(*length)
	s.remove()
	after := settled(t, d, before)
	t.Logf("after the soak: %s", after)
	t.Logf("done: %v", s.done)
	if more := after["memory (MB)"] - before["memory (MB)"]; more > flat {
		t.Errorf("the daemon has %d MB more than before", more)
	}

	// What is left frozen when a daemon is killed ends at the latest with the next
	// one's start.
	s.create(program)
	for _, f := range s.subjects {
		s.invoke(f, "", "")
	}
	killed := d.PID()
	d.Abort(t)
	goroutines(t, d.Log())
	next := daemon.StartOn(t, data, flags...)
	s.clients = sdk.For(t, next)
	sdk.Eventually(t, "what the daemon before left is cleaned up", func() bool {
		return len(cgroups(fmt.Sprintf(`^paddock-[0-9]+\.%d\.`, killed))) == 0
	})
	for _, f := range s.subjects {
		s.invoke(f, "", "")
	}
	pid := next.PID()
	next.Stop(t)
	if left := cgroups(fmt.Sprintf(`^paddock-[0-9]+\.%d\.`, pid)); len(left) > 0 {
		t.Errorf("cgroups of a daemon that has ended: %v", left)
	}
	if n := loops(t, data); n > 0 {
		t.Errorf("%d loop devices of a daemon that has ended", n)
	}
	if n := processesOf(t, data); n > 0 {
		t.Errorf("%d processes run code from the data folder of a daemon that has ended", n)
	}
}

// create makes one function of each kind.
func (s *soak) create(program *lambda.CreateFunctionInput) {
	s.t.Helper()
	s.subjects = nil
	ofSource := func(source, file string) func(int) []byte {
		return func(n int) []byte { return sdk.Zip(s.t, map[string]string{file: fmt.Sprintf(source, n)}) }
	}
	archive := program.Code.ZipFile
	for _, c := range []struct {
		in   *lambda.CreateFunctionInput
		code func(int) []byte
	}{
		{program, func(int) []byte { return archive }},
		{sdk.Python(s.t, fmt.Sprintf(python, 0)), ofSource(python, "app.py")},
		{sdk.Node(s.t, fmt.Sprintf(node, 0)), ofSource(node, "index.mjs")},
	} {
		in := *c.in
		in.FunctionName = new(sdk.Name(s.t))
		in.Timeout, in.MemorySize = new(int32(8)), new(int32(192))
		ctx := sdk.Context(s.t)
		if _, err := s.clients.Lambda.CreateFunction(ctx, &in); err != nil {
			s.t.Fatal(err)
		}
		s.clients.WaitActive(s.t, *in.FunctionName)
		_, err := s.clients.Lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
			FunctionName: in.FunctionName, MaximumRetryAttempts: new(int32(0)),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.subjects = append(s.subjects, subject{*in.FunctionName, c.code})
	}
}

func (s *soak) remove() {
	s.t.Helper()
	for _, f := range s.subjects {
		if _, err := s.clients.Lambda.DeleteFunction(sdk.Context(s.t), &lambda.DeleteFunctionInput{FunctionName: &f.name}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// crowd has many environments start at once.
func (s *soak) crowd() {
	var wg sync.WaitGroup
	for range crowd {
		wg.Go(func() { s.invoke(s.subjects[0], "sleep", "") })
	}
	wg.Wait()
}

// run has callers do one thing after another.
func (s *soak) run(length time.Duration) {
	var wg sync.WaitGroup
	end := time.Now().Add(length)
	for caller := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 1)) // the order of one caller is the same each time
			for time.Now().Before(end) && !s.t.Failed() {
				s.step(random)
			}
		})
	}
	wg.Wait()
}

// step does one thing: mostly what functions are for, now and then what goes wrong.
func (s *soak) step(random *rand.Rand) {
	f := s.subjects[random.IntN(len(s.subjects))]
	switch n := random.IntN(100); {
	case n < 60:
		s.invoke(f, "work", "")
	case n < 68:
		s.invoke(f, "crash", `Runtime\.ExitError`)
	case n < 69:
		s.invoke(f, "hang", `Sandbox\.Timedout`)
	case n < 74:
		s.invoke(f, "fill", `Runtime\.|Sandbox\.Timedout`) // on a busy machine its time is over first
	case n < 80:
		s.invoke(f, "leave", "")
	case n < 86:
		s.invoke(f, "write", "")
	case n < 94:
		s.event(f, []string{"work", "crash", "leave"}[random.IntN(3)])
	case n < 97:
		s.update(f)
	default:
		s.configure(f, random.IntN(1000))
	}
}

func (s *soak) payload(do string) (int64, []byte) {
	n := s.number.Add(1)
	return n, fmt.Appendf(nil, `{"Do":%q,"N":%d}`, do, n)
}

// invoke calls a function and waits; wrong matches the error that it must end
// with, and is empty where it must answer.
func (s *soak) invoke(f subject, do, wrong string) {
	n, payload := s.payload(do)
	ctx, cancel := context.WithTimeout(context.Background(), sdk.Patience)
	defer cancel()
	out, err := s.clients.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, Payload: payload})
	switch {
	case err != nil:
		s.t.Errorf("%s of %s: %v", do, f.name, err)
	case wrong != "" && (out.FunctionError == nil || !regexp.MustCompile(wrong).Match(out.Payload)):
		s.t.Errorf("%s of %s: %s", do, f.name, out.Payload)
	case wrong == "" && (out.FunctionError != nil || string(out.Payload) != fmt.Sprint(n)):
		s.t.Errorf("%s of %s: %s, want %d", do, f.name, out.Payload, n)
	}
	s.count(do)
}

func (s *soak) event(f subject, do string) {
	_, payload := s.payload(do)
	ctx, cancel := context.WithTimeout(context.Background(), sdk.Patience)
	defer cancel()
	in := &lambda.InvokeInput{FunctionName: &f.name, Payload: payload, InvocationType: types.InvocationTypeEvent}
	if _, err := s.clients.Lambda.Invoke(ctx, in); err != nil {
		s.t.Errorf("event for %s: %v", f.name, err)
	}
	s.count("event: " + do)
}

// update gives a function other code, configure another setting: while another
// update is under way both are refused.
func (s *soak) update(f subject) {
	ctx, cancel := context.WithTimeout(context.Background(), sdk.Patience)
	defer cancel()
	in := &lambda.UpdateFunctionCodeInput{FunctionName: &f.name, ZipFile: f.code(int(s.number.Add(1)))}
	if _, err := s.clients.Lambda.UpdateFunctionCode(ctx, in); err != nil && sdk.Code(err) != "ResourceConflictException" {
		s.t.Errorf("update %s: %v", f.name, err)
	}
	s.count("update")
}

func (s *soak) configure(f subject, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), sdk.Patience)
	defer cancel()
	in := &lambda.UpdateFunctionConfigurationInput{FunctionName: &f.name, Environment: &types.Environment{Variables: map[string]string{"SETTING": fmt.Sprint(n)}}}
	if _, err := s.clients.Lambda.UpdateFunctionConfiguration(ctx, in); err != nil && sdk.Code(err) != "ResourceConflictException" {
		s.t.Errorf("configure %s: %v", f.name, err)
	}
	s.count("configure")
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
}

// settled waits until the daemon has ended all environments, and holds no more
// than before.
func settled(t *testing.T, d *daemon.Daemon, before holdings) (h holdings) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	quiet := 0
	for last := (holdings{}); quiet < 6; last = h {
		h = held(t, d.PID(), d.Data)
		if before != nil && h.over(before) == "" {
			quiet++
		} else if before == nil && h["processes"] == last["processes"] && h["environments"] == last["environments"] {
			quiet++
		} else {
			quiet = 0
		}
		if time.Now().After(deadline) {
			if before == nil {
				return h // it holds what it holds: the second time, this is compared with
			}
			t.Fatalf("the daemon does not let go: %s\nbefore: %s\nafter:  %s", h.over(before), before, h)
		}
		<-tick.C
	}
	return h
}

var begun = regexp.MustCompile(`(?m)^created by (\S+) in goroutine \d+\n\t(\S+)`)

// goroutines looks for many of one kind in what a Go program prints when it gets
// SIGQUIT.
func goroutines(t *testing.T, dump string) {
	t.Helper()
	count := map[string]int{}
	for _, match := range begun.FindAllStringSubmatch(dump, -1) {
		count[match[1]+" "+match[2]]++
	}
	if len(count) == 0 {
		t.Error("the daemon printed no goroutines")
	}
	for where, n := range count {
		if n > alike {
			t.Errorf("%d goroutines were begun by %s", n, where)
		}
	}
}

// processesOf counts the processes of this machine whose program is below a folder.
func processesOf(t *testing.T, folder string) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		if maps, err := os.ReadFile("/proc/" + entry.Name() + "/maps"); err == nil && strings.Contains(string(maps), folder) {
			n++
		}
	}
	return n
}
