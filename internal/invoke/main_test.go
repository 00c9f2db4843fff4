package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox/process"
)

// TestMain lets this test binary be a Lambda function too: the functions of
// these tests, and their extensions, are links to it, so that nothing has to be
// built.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("_HANDLER") {
	case "":
		extend(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	case "loop":
		loop(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	default:
		lambda.Start(handle)
	}
}

// request is what the Go function of these tests is asked to do.
type request struct {
	Do    string
	Text  string
	N     int
	Start string // a file to make when begun
	Wait  string // a file to wait for
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var q request
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &q); err != nil {
			return nil, err
		}
	}
	if q.Start != "" {
		if err := os.WriteFile(q.Start, nil, 0o600); err != nil {
			return nil, err
		}
	}
	for q.Wait != "" {
		if _, err := os.Stat(q.Wait); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	switch q.Do {
	case "fail":
		return nil, errors.New(q.Text)
	case "exit":
		os.Exit(q.N)
	case "print":
		fmt.Print(q.Text)
	case "big":
		return strings.Repeat("x", q.N), nil
	case "pid":
		return os.Getpid(), nil
	case "env":
		return os.Environ(), nil
	case "stream":
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "one ")
			for q.Text != "" {
				if _, err := os.Stat(q.Text); err == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if q.N > 0 {
				_ = w.CloseWithError(errors.New("halfway"))
				return
			}
			_, _ = io.WriteString(w, "two")
			_ = w.Close()
		}()
		return r, nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).Milliseconds(),
			"trace": os.Getenv("_X_AMZN_TRACE_ID"), "client": lc.ClientContext.Custom,
		}, nil
	}
	return raw, nil
}

// loop is the smallest runtime there can be.
func loop(api string) {
	nc, err := net.Dial("tcp", api)
	if err != nil {
		panic(err)
	}
	buf := make([]byte, 64<<10)
	for {
		if _, err := io.WriteString(nc, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return
		}
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		_, id, _ := strings.Cut(string(buf[:n]), "Request-Id: ")
		id, _, _ = strings.Cut(id, "\r\n")
		if _, err := fmt.Fprintf(nc, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", id); err != nil {
			return
		}
		if _, err := nc.Read(buf); err != nil {
			return
		}
	}
}

// memoryLogs keeps what is logged, by stream.
type memoryLogs struct {
	mu     sync.Mutex
	events map[string][]LogEvent
	order  []string
}

func (m *memoryLogs) Append(account, region, group, stream string, events []LogEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := account + " " + region + " " + group + " " + stream
	if m.events == nil {
		m.events = make(map[string][]LogEvent)
	}
	if m.events[key] == nil {
		m.order = append(m.order, key)
	}
	m.events[key] = append(m.events[key], events...)
}

// text is all that was logged, stream by stream.
func (m *memoryLogs) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, key := range m.order {
		for _, e := range m.events[key] {
			b.WriteString(e.Message)
		}
	}
	return b.String()
}

// noLogs is for benchmarks.
type noLogs struct{}

func (noLogs) Append(string, string, string, string, []LogEvent) {}

type fixture struct {
	*Invoker
	t    testing.TB
	logs *memoryLogs
}

func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	driver, err := process.New(process.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	rts, err := runtimes.New(runtimes.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	logs := &memoryLogs{}
	opts := Options{Driver: driver, Runtimes: rts, Logs: logs, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&opts)
	}
	f := &fixture{Invoker: New(opts), t: t, logs: logs}
	f.grace = 10 * time.Second // so that the number of environments does not depend on the machine
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := f.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

var revision atomic.Int64

// version is a function whose bootstrap is a shell script, or where that is
// empty this test binary.
func version(t testing.TB, script string, change func(*function.Version)) *function.Version {
	t.Helper()
	dir := t.TempDir()
	bootstrap := filepath.Join(dir, "bootstrap")
	if script == "" {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(exe, bootstrap); err != nil {
			t.Fatal(err)
		}
	} else if err := os.WriteFile(bootstrap, []byte("#!/bin/bash\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	v := &function.Version{
		Account: "000000000000", Region: "us-east-1", Name: "f", Version: "$LATEST",
		ARN:        "arn:aws:lambda:us-east-1:000000000000:function:f",
		RevisionID: fmt.Sprint("revision-", revision.Add(1)), Runtime: "provided.al2023", Handler: "h",
		CodeDir: dir, Timeout: 20 * time.Second, MemoryMB: 128, EphemeralMB: 512,
		LogGroup: "/aws/lambda/f", LogFormat: "Text",
		Environment: map[string]string{"GREETING": "hi", "AWS_REGION": "mars", "LANG": "C"},
	}
	if change != nil {
		change(v)
	}
	return v
}

var lastID int
var lastIDLock sync.Mutex

func invocation(v *function.Version, payload any) *function.Invocation {
	b, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	lastIDLock.Lock()
	defer lastIDLock.Unlock()
	lastID++
	return &function.Invocation{Version: v, RequestID: fmt.Sprintf("00000000-0000-4000-8000-%012d", lastID), Payload: b}
}

func (f *fixture) invoke(inv *function.Invocation) *function.Result {
	f.t.Helper()
	res, err := f.Invoke(context.Background(), inv)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

// awaitFile waits until a function has made a file.
func awaitFile(t testing.TB, path string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the function did not make ", path)
		}
		time.Sleep(time.Millisecond) // until the file is there
	}
}

// await waits until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
		time.Sleep(time.Millisecond) // until it is so
	}
}

// count is how many environments there are.
func (f *fixture) count() (n int) {
	f.living.each(func(*environment) { n++ })
	return n
}

// running is how much concurrency is in use: the function's, and the account's
// where that is more.
func (f *fixture) running(v *function.Version) int64 {
	c := f.concurrency(v.ID())
	return max(c.running.Load(), c.account.running.Load())
}

func sorted(env []string) map[string]string {
	m := make(map[string]string)
	slices.Sort(env)
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		m[k] = v
	}
	return m
}
