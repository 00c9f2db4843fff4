package runtimes

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/test/need"
)

// wait is for what a process is to do; it is only reached by a test that fails.
const wait = 20 * time.Second

// event is an invocation that the fake Runtime API hands out.
type event struct {
	body    string
	headers map[string]string
}

// result is what a runtime posted.
type result struct {
	kind    string // "response", "error", "init"
	id      string
	body    string
	header  http.Header
	trailer http.Header
}

// runtimeAPI is a Runtime API that is as small as it can be, over HTTP and over
// frames.
type runtimeAPI struct {
	t       testing.TB
	server  *httptest.Server
	events  chan event
	results chan result
	asked   chan struct{} // a next is waiting
	n       atomic.Int64  // events
}

func newRuntimeAPI(t testing.TB) *runtimeAPI {
	a := &runtimeAPI{t: t, events: make(chan event), results: make(chan result, 16), asked: make(chan struct{}, 16)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		a.asks()
		select {
		case e := <-a.events:
			h := w.Header()
			for name, value := range a.headers(e) {
				h.Set(name, value)
			}
			io.WriteString(w, e.body)
		case <-r.Context().Done():
		}
	})
	post := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("read %s: %v", kind, err)
			}
			if text := r.Trailer.Get("Lambda-Runtime-Function-Error-Body"); text != "" {
				plain, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					t.Errorf("the trailer %q: %v", text, err)
				}
				r.Trailer.Set("Lambda-Runtime-Function-Error-Body", string(plain))
			}
			a.results <- result{kind, r.PathValue("id"), string(body), r.Header, r.Trailer}
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, `{"status":"OK"}`)
		}
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", post("response"))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", post("error"))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", post("init"))
	a.server = httptest.NewServer(mux)
	t.Cleanup(a.server.Close)
	return a
}

func (a *runtimeAPI) asks() {
	select {
	case a.asked <- struct{}{}:
	default: // nobody counts them
	}
}

// headers are those of an event.
func (a *runtimeAPI) headers(e event) map[string]string {
	h := map[string]string{
		"Content-Type":                        "application/json",
		"Lambda-Runtime-Aws-Request-Id":       fmt.Sprint("request-", a.n.Add(1)),
		"Lambda-Runtime-Deadline-Ms":          fmt.Sprint(time.Now().Add(3 * time.Second).UnixMilli()),
		"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
	}
	maps.Copy(h, e.headers)
	return h
}

// socketPair makes the daemon's end of a framed connection, and the file that the
// process gets.
func socketPair(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	ours := os.NewFile(uintptr(fds[0]), "ours")
	defer ours.Close()
	nc, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	return nc, os.NewFile(uintptr(fds[1]), "theirs")
}

// putFrame writes a frame of the daemon's.
func putFrame(nc net.Conn, kind byte, fields, body string) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|uint32(len(fields)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	_, err := nc.Write(append(append(b, fields...), body...))
	return err
}

// frames serves a bootstrap: it boots it when boot is closed, and ends with the
// connection.
func (a *runtimeAPI) frames(nc net.Conn, boot <-chan []byte) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	stream := result{kind: "response"}
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(head[:]) & 0xffffff)
		rest := make([]byte, n+int(binary.BigEndian.Uint32(head[4:])))
		if _, err := io.ReadFull(r, rest); err != nil {
			return
		}
		fields, body := strings.Split(string(rest[:n]), "\n"), string(rest[n:])
		switch head[0] {
		case 'R':
			if err := putFrame(nc, 'B', "", string(<-boot)); err != nil {
				a.t.Error(err)
			}
		case 'N':
			a.asks()
			go func() { // beside it, crashes may be reported
				e, ok := <-a.events
				if !ok {
					return
				}
				h := a.headers(e)
				values := make([]string, 7)
				for i, name := range []string{"Aws-Request-Id", "Deadline-Ms", "Invoked-Function-Arn", "Trace-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id"} {
					values[i] = h["Lambda-Runtime-"+name]
				}
				if err := putFrame(nc, 'E', strings.Join(values, "\n"), e.body); err != nil {
					a.t.Logf("send an event: %v", err)
				}
			}()
		case 'A':
			a.results <- result{"response", fields[0], body, http.Header{"Content-Type": {fields[1]}}, nil}
		case 'F':
			a.results <- result{"error", fields[0], body, http.Header{"Lambda-Runtime-Function-Error-Type": {fields[1]}}, nil}
		case 'I':
			a.results <- result{"init", "", body, http.Header{"Lambda-Runtime-Function-Error-Type": {fields[0]}}, nil}
		case 'S':
			stream = result{kind: "response", id: fields[0], header: http.Header{"Content-Type": {fields[1]}}, trailer: http.Header{}}
		case 'D':
			stream.body += body
		case 'Z':
			if fields[0] != "" {
				stream.trailer.Set("Lambda-Runtime-Function-Error-Type", fields[0])
				stream.trailer.Set("Lambda-Runtime-Function-Error-Body", body)
			}
			a.results <- stream
		default:
			a.t.Errorf("a frame of kind %q", head[0])
			return
		}
	}
}

// environment is a running runtime process.
type environment struct {
	*runtimeAPI
	t    testing.TB
	task string
	cmd  *exec.Cmd
	out  *buffer  // stdout and stderr
	log  *buffer  // frames, if they were asked for
	link net.Conn // the daemon's end; nil: it speaks HTTP
	done chan struct{}
	exit error
}

// options of start; the zero value will do.
type options struct {
	handler string // default "app.handler"
	env     []string
	frames  bool // give it a telemetry descriptor
	layer   map[string]string
}

// aheadVariable makes all tests start their processes before they say what
// function they are to be.
const aheadVariable = "PADDOCK_TEST_AHEAD"

// wrappedVariable makes all tests start their processes by a wrapper.
const wrappedVariable = "PADDOCK_TEST_WRAPPED"

// TestAhead runs the suites of the bootstraps once more, on processes that were
// started before their function was known.
func TestAhead(t *testing.T) { again(t, aheadVariable) }

// TestWrapped runs them on processes that a wrapper starts, which speak HTTP.
func TestWrapped(t *testing.T) { again(t, wrappedVariable) }

func again(t *testing.T, variable string) {
	if os.Getenv(aheadVariable)+os.Getenv(wrappedVariable) != "" {
		t.Skip("this is it")
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run", "^(TestPython|TestNode|TestExamples)", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.WaitDelay = wait
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestPython")) {
		t.Errorf("%v\n%s", err, out)
	}
}

var shared struct {
	once sync.Once
	dir  string
	r    *Runtimes
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// hostRuntimes is one Runtimes for all tests, so that the host is looked
// through once.
func hostRuntimes(t testing.TB) *Runtimes {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "runtimes-test-"); shared.err == nil {
			shared.r, shared.err = New(Options{Dir: shared.dir, Logger: slog.New(slog.DiscardHandler)})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.r
}

// start runs a function of those files.
func start(t testing.TB, runtime string, files map[string]string, o options) *environment {
	t.Helper()
	rt, err := hostRuntimes(t).Resolve(runtime)
	if err != nil {
		need.Missing(t, "%v", err)
	}
	if o.handler == "" {
		o.handler = "app.handler"
	}
	e := &environment{runtimeAPI: newRuntimeAPI(t), t: t, task: t.TempDir(), out: &buffer{}, log: &buffer{}, done: make(chan struct{})}
	write(t, e.task, files)
	layout := sandbox.Layout{Task: e.task, Opt: t.TempDir(), Lang: rt.Lang, Runtime: rt.Bootstrap, Tmp: t.TempDir()}
	write(t, layout.Opt, o.layer)
	v := &function.Version{Handler: o.handler, MemoryMB: 128}
	wrapped := os.Getenv(wrappedVariable) != ""
	if wrapped {
		// One that inserts an argument as AWS's own do, and leaves its descriptor closed.
		write(t, layout.Opt, map[string]string{"wrapper": `#!/bin/bash
exec "${@:1:$#-1}" "${@: -1}" 4>&-
`})
		v.Environment = map[string]string{wrapperVariable: "/opt/wrapper"}
	}
	c := rt.Command(layout, v)
	env := append(c.Env,
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(e.server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_VERSION=7", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f", "AWS_LAMBDA_LOG_STREAM_NAME=stream")
	env = append(env, o.env...)
	var frames sync.WaitGroup
	var telemetry *os.File
	if o.frames {
		env = append(env, "_LAMBDA_TELEMETRY_LOG_FD=3")
	}
	var read *os.File
	if read, telemetry, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	frames.Go(func() {
		defer read.Close()
		io.Copy(e.log, read)
	})
	if wrapped == c.Framed && rt.Bootstrap != "" {
		t.Errorf("framed: %t", c.Framed)
	}
	v.Environment = map[string]string{}
	for _, entry := range o.env {
		name, value, _ := strings.Cut(entry, "=")
		v.Environment[name] = value
	}
	var bootEnv []string
	ahead := os.Getenv(aheadVariable) != "" && rt.Kind(v) != ""
	if ahead {
		c, bootEnv = rt.Ahead(layout, v), env
		env = c.Env
	}
	e.cmd = &exec.Cmd{Path: c.Path, Args: c.Args, Env: env, Dir: e.task, Stdout: e.out, Stderr: e.out, ExtraFiles: []*os.File{telemetry}}
	var theirs *os.File
	if c.Framed {
		var nc net.Conn
		nc, theirs = socketPair(t)
		e.link = nc
		e.cmd.ExtraFiles = append(e.cmd.ExtraFiles, theirs)
		if ahead {
			e.cmd.Dir = "/"
		}
		doc, err := rt.Boot(layout, bootEnv)
		if err != nil {
			t.Fatal(err)
		}
		boot := make(chan []byte, 1)
		boot <- doc
		frames.Go(func() { e.runtimeAPI.frames(nc, boot) })
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	telemetry.Close()
	if theirs != nil {
		theirs.Close()
	}
	go func() {
		e.exit = e.cmd.Wait()
		frames.Wait()
		close(e.done)
	}()
	t.Cleanup(func() {
		e.cmd.Process.Kill()
		<-e.done
		if t.Failed() {
			t.Logf("output:\n%s", e.out)
		}
	})
	return e
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		// Executable, for the sake of provided.*'s bootstrap.
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// send hands out an invocation once the runtime asks for one.
func (e *environment) send(ev event) {
	e.t.Helper()
	select {
	case e.events <- ev:
	case r := <-e.results:
		e.t.Fatalf("instead of asking for an invocation: %+v", r)
	case <-e.done:
		e.t.Fatalf("the runtime ended: %v\n%s", e.exit, e.out)
	case <-time.After(wait):
		e.t.Fatal("the runtime does not ask for an invocation")
	}
}

func (e *environment) result() result {
	e.t.Helper()
	select {
	case r := <-e.results:
		return r
	case <-e.done:
		// What it posted last and its end may come at once.
		select {
		case r := <-e.results:
			return r
		default:
		}
		e.t.Fatalf("the runtime ended: %v\n%s", e.exit, e.out)
	case <-time.After(wait):
		e.t.Fatalf("no result\n%s", e.out)
	}
	panic("unreachable")
}

// invoke is send and result.
func (e *environment) invoke(body string) result {
	e.t.Helper()
	e.send(event{body: body})
	return e.result()
}

// ended waits for the process to end and returns its exit code.
func (e *environment) ended() int {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(wait):
		e.t.Fatal("the runtime does not end")
	}
	return e.cmd.ProcessState.ExitCode()
}

// stop ends the process, so that all it wrote has been read.
func (e *environment) stop() {
	e.t.Helper()
	e.cmd.Process.Kill()
	e.ended()
}

// errorReport is the body of an error.
type errorReport struct {
	ErrorMessage string   `json:"errorMessage"`
	ErrorType    string   `json:"errorType"`
	RequestID    *string  `json:"requestId"`
	StackTrace   []string `json:"stackTrace"`
	Trace        []string `json:"trace"`
}

func (r result) report(t testing.TB) errorReport {
	t.Helper()
	var e errorReport
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatalf("%s is no error report: %v", r.body, err)
	}
	if got := r.header.Get("Lambda-Runtime-Function-Error-Type"); got != e.ErrorType {
		t.Errorf("the header says %q, the body %q", got, e.ErrorType)
	}
	return e
}

// frame is a record of the telemetry descriptor.
type frame struct {
	kind    uint32
	at      time.Time
	message string
}

func frames(t testing.TB, data []byte) []frame {
	t.Helper()
	var all []frame
	for len(data) > 0 {
		if len(data) < 16 {
			t.Fatalf("%d bytes behind the last frame: %q", len(data), data)
		}
		n := 16 + int(binary.BigEndian.Uint32(data[4:]))
		if n > len(data) {
			t.Fatalf("a frame of %d bytes, of which there are %d", n, len(data))
		}
		all = append(all, frame{
			kind:    binary.BigEndian.Uint32(data),
			at:      time.UnixMicro(int64(binary.BigEndian.Uint64(data[8:]))),
			message: string(data[16:n]),
		})
		data = data[n:]
	}
	return all
}

// messages are those of the frames of a stopped environment; all must be of the
// one type and of this minute.
func (e *environment) messages() []string {
	e.t.Helper()
	var all []string
	for _, f := range frames(e.t, []byte(e.log.String())) {
		if f.kind != 0xa55a0003 {
			e.t.Errorf("frame type %#x", f.kind)
		}
		if age := time.Since(f.at); age < -time.Second || age > time.Minute {
			e.t.Errorf("a frame of %s ago", age)
		}
		all = append(all, f.message)
	}
	return all
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
