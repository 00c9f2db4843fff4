package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/codestore"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/blobfile"
	"github.com/paddock-run/paddock/internal/store/sqlite"
)

// invoker records what it is asked and answers with what a test sets.
type invoker struct {
	mu      sync.Mutex
	calls   []*function.Invocation
	retired []string
	aside   map[string]string // what Capacity was told, by function or version

	provisioned map[string]function.Provisioned
	forgotten   []function.ID
	expected    []string

	result *function.Result
	stream *function.Stream
	err    error
}

func (f *invoker) took(inv *function.Invocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, inv)
}

func (f *invoker) last() *function.Invocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		return nil
	}
	return f.calls[len(f.calls)-1]
}

func (f *invoker) Invoke(_ context.Context, inv *function.Invocation) (*function.Result, error) {
	f.took(inv)
	if f.err != nil {
		return nil, f.err
	}
	if f.result != nil {
		return f.result, nil
	}
	return &function.Result{Payload: []byte(`"` + inv.Version.Version + `"`), LogTail: []byte("tail")}, nil
}

func (f *invoker) InvokeStream(_ context.Context, inv *function.Invocation) (*function.Stream, error) {
	f.took(inv)
	return f.stream, f.err
}

func (f *invoker) InvokeEvent(_ context.Context, inv *function.Invocation) error {
	f.took(inv)
	return f.err
}

func (f *invoker) Retire(arn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retired = append(f.retired, arn)
}

func (f *invoker) tell(of, what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.aside == nil {
		f.aside = map[string]string{}
	}
	if f.aside[of] = what; what == "" {
		delete(f.aside, of)
	}
}

func (f *invoker) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.aside)
}

func (f *invoker) Reserve(id function.ID, n *int) {
	what := ""
	if n != nil {
		what = fmt.Sprint(*n)
	}
	f.tell(id.Name, what)
}

func (f *invoker) Forget(id function.ID) {
	f.tell(id.Name, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotten = append(f.forgotten, id)
}

func (f *invoker) Expect(v *function.Version) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected = append(f.expected, v.Name+" "+v.Runtime)
}

func (f *invoker) Provision(v *function.Version, n int) {
	what := ""
	if n > 0 {
		what = fmt.Sprint(n)
	}
	f.tell(v.ARN, what)
}

func (f *invoker) Provisioned(arn string) function.Provisioned {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.provisioned[arn]
}

// provides says what there is of a version's provisioned concurrency.
func (f *invoker) provides(arn string, p function.Provisioned) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.provisioned == nil {
		f.provisioned = map[string]function.Provisioned{}
	}
	f.provisioned[arn] = p
}

// gate holds Ensure back while it is closed, and lets it fail with a fault.
type gate struct {
	*codestore.Store
	mu        sync.Mutex
	shut      chan struct{}
	fault     error
	meanwhile func() // runs once, before the next Ensure
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = err
}

func (g *gate) during(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meanwhile = f
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *gate) Ensure(ctx context.Context, sha string) (string, error) {
	g.mu.Lock()
	shut, fault, meanwhile := g.shut, g.fault, g.meanwhile
	g.meanwhile = nil
	g.mu.Unlock()
	if fault != nil {
		return "", fault
	}
	if meanwhile != nil {
		meanwhile()
	}
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return g.Store.Ensure(ctx, sha)
}

// world is a service on real stores, and what a test looks at.
type world struct {
	*Service
	t       testing.TB
	dir     string
	db      *sqlite.DB
	docs    store.Documents
	blobs   store.Blobs
	code    *gate
	invoker *invoker
	images  Images // set before a restart
	now     time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), invoker: &invoker{}, now: time.Date(2026, 11, 22, 16, 38, 45, 123e6, time.UTC)}
	w.start()
	t.Cleanup(w.stopAll)
	return w
}

func (w *world) start() {
	w.t.Helper()
	db, err := sqlite.Open(filepath.Join(w.dir, "state.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	docs, err := sqlite.NewDocuments(db)
	if err != nil {
		w.t.Fatal(err)
	}
	small, err := sqlite.NewContents(db)
	if err != nil {
		w.t.Fatal(err)
	}
	blobs, err := blobfile.Open(filepath.Join(w.dir, "blobs"), small)
	if err != nil {
		w.t.Fatal(err)
	}
	trees, err := codestore.New(codestore.Options{Dir: filepath.Join(w.dir, "code"), Blobs: blobs})
	if err != nil {
		w.t.Fatal(err)
	}
	w.docs, w.blobs, w.code = docs, blobs, &gate{Store: trees}
	w.Service, err = New(Options{
		Documents: docs, Blobs: blobs, Code: w.code, Images: w.images, Invoker: w.invoker, Capacity: w.invoker, Sources: sources{}, Architecture: "x86_64",
		Now: func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stopAll() {
	w.Service.Close()
	w.code.Close()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart ends the service and begins anew on the same data.
func (w *world) restart() {
	w.t.Helper()
	w.stopAll()
	w.start()
}

const (
	account = "111111111111"
	region  = "us-east-1"
	arnBase = "arn:aws:lambda:us-east-1:111111111111:function:"
	role    = "arn:aws:iam::111111111111:role/r"
)

func ctxFor(account, region string) context.Context {
	return identity.With(context.Background(), &identity.Identity{
		Account: account, Region: region, Partition: "aws", RequestID: "rid-1", TraceID: "Root=1-2-3", BaseURL: "http://127.0.0.1:4566",
	})
}

func ctx() context.Context { return ctxFor(account, region) }

func zipOf(t testing.TB, body string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	h := &zip.FileHeader{Name: "index.py"}
	h.SetMode(0o644)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func createRequest(t testing.TB, name string) *api.CreateFunctionRequest {
	return &api.CreateFunctionRequest{
		FunctionName: new(name), Runtime: new(api.RuntimePython313), Handler: new("index.handler"),
		Role: new(role), Code: &api.FunctionCode{ZipFile: zipOf(t, name)},
	}
}

// create makes a function and waits until it is active.
func (w *world) create(name string, change ...func(*api.CreateFunctionRequest)) *api.FunctionConfiguration {
	w.t.Helper()
	in := createRequest(w.t, name)
	for _, f := range change {
		f(in)
	}
	out, err := w.CreateFunction(ctx(), in)
	if err != nil {
		w.t.Fatalf("create %s: %v", name, err)
	}
	w.settled(name)
	return out
}

// settled waits until all versions of a function have ended their activation.
func (w *world) settled(name string) {
	w.t.Helper()
	snap, err := w.index.lookup(account, region, name)
	if err != nil || snap == nil {
		w.t.Fatalf("lookup %s: %v %v", name, snap, err)
	}
	snap.each(func(v *version) {
		if v.settled != nil {
			select {
			case <-v.settled:
			case <-time.After(20 * time.Second):
				w.t.Errorf("%s:%s does not settle", name, v.doc.Version)
			}
		}
	})
}

func (w *world) publish(name string) string {
	w.t.Helper()
	out, err := w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.Version
}

func (w *world) update(name, body string) *api.FunctionConfiguration {
	w.t.Helper()
	out, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new(name), ZipFile: zipOf(w.t, body)})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) get(name string) *api.FunctionConfiguration {
	w.t.Helper()
	out, err := w.GetFunctionConfiguration(ctx(), &api.GetFunctionConfigurationRequest{FunctionName: new(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) invoke(name string) (*api.InvocationResponse, error) {
	return w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new(name)})
}

// describe is an error's code and message.
func describe(err error) string {
	if err == nil {
		return ""
	}
	if e := (*awserr.Error)(nil); errors.As(err, &e) {
		return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message)
	}
	return err.Error()
}

func wantErr(t testing.TB, err error, want string) {
	t.Helper()
	if got := describe(err); got != want && !(strings.HasSuffix(want, "…") && strings.HasPrefix(got, strings.TrimSuffix(want, "…"))) {
		t.Errorf("error\n  %s\nwant\n  %s", got, want)
	}
}

func waitFor(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func codeFile(t testing.TB, f *function.Version) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.CodeDir, "index.py"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
