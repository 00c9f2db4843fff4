package lambda

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

func (w *world) blobCount() int {
	w.t.Helper()
	list, err := w.blobs.List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func (w *world) docCount() int {
	w.t.Helper()
	list, err := w.docs.List(w.t.Context(), "", "", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func TestDeleteFunction(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.publish("f")
	w.update("f", "two")
	w.settled("f")
	if _, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("a"), FunctionVersion: new("1")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.AddPermission(ctx(), &api.AddPermissionRequest{FunctionName: new("f:a"), StatementId: new("s"), Action: new("lambda:*"), Principal: new("*")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f"), Qualifier: new("$LATEST")})
	wantErr(t, err, "InvalidParameterValueException: $LATEST version cannot be deleted without deleting the function.")
	_, err = w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("g"), Qualifier: new("1")})
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"g")
	if n := w.blobCount(); n != 2 {
		t.Fatalf("%d archives", n)
	}

	out, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")})
	if err != nil || *out.StatusCode != 204 {
		t.Fatalf("%v %v", out, err)
	}
	_, err = w.invoke("f")
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:$LATEST")
	_, err = w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")})
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f")
	if n := w.docCount(); n != 0 {
		t.Errorf("%d documents are left", n)
	}
	waitFor(t, "the archives to go", func() bool { return w.blobCount() == 0 })
	slices.Sort(w.invoker.retired)
	if got := w.invoker.retired; !slices.Equal(got, []string{arnBase + "f", arnBase + "f:1"}) {
		t.Errorf("retired %v", got)
	}
	w.invoker.mu.Lock() // the watch may tell it again
	if got := w.invoker.forgotten; len(got) == 0 || got[0] != (function.ID{Account: account, Region: region, Name: "f"}) {
		t.Errorf("forgotten %v", got)
	}
	w.invoker.mu.Unlock()
	// The name is free, and nothing of the old function shows.
	w.create("f")
	if v := w.publish("f"); v != "1" {
		t.Errorf("published %s", v)
	}
	list, err := w.ListAliases(ctx(), &api.ListAliasesRequest{FunctionName: new("f")})
	if err != nil || len(list.Aliases) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

func TestDeleteVersion(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.publish("f")
	w.update("f", "two")
	w.settled("f")
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f:1")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.invoke("f:1")
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:1")
	if _, err := w.invoke("f"); err != nil {
		t.Error(err)
	}
	if got := w.invoker.retired; !slices.Equal(got, []string{arnBase + "f:1"}) {
		t.Errorf("retired %v", got)
	}
	waitFor(t, "the version's archive to go", func() bool { return w.blobCount() == 1 })
}

// meanwhile lets something happen right before the next write.
type meanwhile struct {
	store.Documents
	do func()
}

func (d *meanwhile) Write(ctx context.Context, writes ...store.Write) (int64, error) {
	if f := d.do; f != nil {
		d.do = nil
		f()
	}
	return d.Documents.Write(ctx, writes...)
}

// What is added to an alias while it is deleted goes with it, or is refused: an
// alias that is made again under its name does not inherit it.
func TestDeleteAliasMeanwhile(t *testing.T) {
	w := newWorld(t)
	opts := w.opts
	docs := &meanwhile{Documents: w.docs}
	opts.Documents = docs
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateFunction(ctx(), createRequest(t, "f")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f")}); err != nil {
		t.Fatal(err)
	}
	gone := "ResourceNotFoundException: Cannot find alias arn: " + arnBase + "f:a"
	for name, tt := range map[string]struct {
		add  func() error
		want string
	}{
		"policy": {func() error {
			_, err := s.AddPermission(ctx(), &api.AddPermissionRequest{FunctionName: new("f:a"), StatementId: new("s"), Action: new("lambda:*"), Principal: new("*")})
			return err
		}, gone},
		"events": {func() error {
			_, err := s.PutFunctionEventInvokeConfig(ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: new("f"), Qualifier: new("a"), MaximumRetryAttempts: new(int32(1))})
			return err
		}, "ResourceNotFoundException: The function doesn't exist."},
		"provisioned": {func() error {
			_, err := s.PutProvisionedConcurrencyConfig(ctx(), &api.PutProvisionedConcurrencyConfigRequest{FunctionName: new("f"), Qualifier: new("a"), ProvisionedConcurrentExecutions: new(int32(1))})
			return err
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			remove := func() {
				if _, err := s.DeleteAlias(ctx(), &api.DeleteAliasRequest{FunctionName: new("f"), Name: new("a")}); err != nil {
					t.Error(err)
				}
			}
			for _, c := range []struct {
				first, second func()
			}{
				{func() { wantErr(t, tt.add(), tt.want) }, remove},
				{remove, func() {
					if err := tt.add(); err != nil {
						t.Error(err)
					}
				}},
			} {
				if _, err := s.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("a"), FunctionVersion: new("1")}); err != nil {
					t.Fatal(err)
				}
				docs.do = c.second
				c.first()
				list, err := w.docs.List(t.Context(), keyPrefix, "", 0)
				if err != nil || len(list) != 2 {
					t.Errorf("%d documents are left, want the function and its version: %v (%v)", len(list), list, err)
				}
			}
		})
	}
}

// An invocation whose code is let go of before it is unpacked finds what there
// is instead.
func TestChangeBeforeUnpacking(t *testing.T) {
	w := newWorld(t)
	letGo := func(sha string) {
		waitFor(t, "the archive to go", func() bool {
			w.refs.mu.Lock()
			defer w.refs.mu.Unlock()
			return w.refs.m[sha] == nil
		})
	}
	hash := func(name string) string {
		snap, err := w.index.lookup(account, region, name)
		if err != nil {
			t.Fatal(err)
		}
		return snap.latest.doc.CodeSHA256
	}
	if err := w.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.create("f")
	old := hash("f")
	w.code.during(func() {
		w.update("f", "new")
		letGo(old)
	})
	if _, err := w.invoke("f"); err != nil || codeFile(t, w.invoker.last().Version) != "new" {
		t.Errorf("updated meanwhile: %v", err)
	}

	w.create("g")
	old = hash("g")
	w.code.during(func() {
		if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("g")}); err != nil {
			t.Error(err)
		}
		letGo(old)
	})
	_, err := w.invoke("g")
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"g:$LATEST")

	// An archive that is lost is our fault, and the function is still there.
	w.create("h")
	if err := w.blobs.Delete(t.Context(), hash("h")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.invoke("h"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its archive is lost: %v", err)
	}
}

// Functions that share an archive come and go at once: whoever is left has it.
func TestSharedCodeStays(t *testing.T) {
	w := newWorld(t)
	zip := zipOf(t, "shared")
	create := func(name string) error {
		in := createRequest(t, name)
		in.Code.ZipFile = zip
		_, err := w.CreateFunction(ctx(), in)
		return err
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 25 {
				if err := create(name); err != nil {
					t.Error(err)
				}
				if _, err := w.invoke(name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new(name)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := create("last"); err != nil {
		t.Fatal(err)
	}
	w.settled("last")
	waitFor(t, "only one archive", func() bool { return w.blobCount() == 1 })
	if fn, _, err := w.Resolve(t.Context(), account, region, "last"); err != nil || codeFile(t, fn) != "shared" {
		t.Errorf("%v %v", fn, err)
	}
	// Deleted functions leave nothing in memory once the watch has told of them.
	waitFor(t, "deleted names to be forgotten", func() bool {
		n := 0
		w.index.all(func(*entry) bool { n++; return true })
		return n == 1
	})
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *api.CreateFunctionRequest) { in.Tags = map[string]string{"k": "v"} })
	w.publish("f")
	if _, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("a"), FunctionVersion: new("1")}); err != nil {
		t.Fatal(err)
	}
	before := asJSON(t, w.get("f"))
	orphan, err := w.blobs.Put(t.Context(), bytesReader("left by a crash between archive and function"))
	if err != nil {
		t.Fatal(err)
	}
	w.restart()
	if after := asJSON(t, w.get("f")); after != before {
		t.Errorf("after a restart\n%s\nbefore\n%s", after, before)
	}
	for _, name := range []string{"f", "f:1", "f:a"} {
		if _, err := w.invoke(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	waitFor(t, "the orphan to be swept", func() bool {
		_, err := w.blobs.Open(t.Context(), orphan.SHA256)
		return err != nil
	})
	if n := w.blobCount(); n != 1 {
		t.Errorf("%d archives", n)
	}

	// An update before the first invocation after a start.
	w.restart()
	w.update("f", "new")
	if _, err := w.invoke("f"); err != nil {
		t.Error(err)
	}
	if got := codeFile(t, w.invoker.last().Version); got != "new" {
		t.Errorf("code %q", got)
	}
}

// Another process writes to the same store: the watch brings it in.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	other, err := New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(77))}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the change", func() bool { return *w.get("f").Timeout == 77 })
	if _, err := w.invoke("f"); err != nil || w.invoker.last().Version.Timeout.Seconds() != 77 {
		t.Errorf("%v", err)
	}
	if _, err := other.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the deletion", func() bool { _, err := w.invoke("f"); return err != nil })
}

// faultyWatch has a fault of the machine's before it goes on.
type faultyWatch struct {
	store.Documents
	faults atomic.Int32
}

func (d *faultyWatch) Watch(ctx context.Context, prefix string) store.Watch {
	return &faultyNext{d, d.Documents.Watch(ctx, prefix)}
}

type faultyNext struct {
	of *faultyWatch
	store.Watch
}

func (n *faultyNext) Next(ctx context.Context) ([]store.Document, error) {
	if n.of.faults.Add(-1) >= 0 {
		return nil, errors.New("no more file descriptors")
	}
	return n.Watch.Next(ctx)
}

func TestWatchGoesOnAfterAFault(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	opts := w.opts
	faulty := &faultyWatch{Documents: w.docs}
	faulty.faults.Store(1)
	opts.Documents = faulty
	other, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(77))}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the change", func() bool {
		out, err := other.GetFunctionConfiguration(ctx(), &api.GetFunctionConfigurationRequest{FunctionName: new("f")})
		return err == nil && *out.Timeout == 77 && faulty.faults.Load() < 0
	})
}

// batches is a watch that tells of each batch once, and then ends.
type batches [][]store.Document

func (b *batches) Next(context.Context) ([]store.Document, error) {
	if len(*b) == 0 {
		return nil, store.ErrClosed
	}
	first := (*b)[0]
	*b = (*b)[1:]
	return first, nil
}

// An operation takes what it wrote into the index when the watch has already
// told of another process's deletion: the function must not come back.
func TestLateWriterDoesNotBringBackWhatIsGone(t *testing.T) {
	w := newWorld(t)
	if err := w.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := docKey{"000000000000", "us-east-1", "gone", kindFunction, ""}
	doc := &functionDoc{Latest: versionDoc{Version: latest}}
	made := map[string]*version{latest: newVersion(scopeKey{k.account, k.region}, k.name, &doc.Latest)}
	written := store.Document{Key: k.String(), Value: put(k, doc, store.Absent).Value, Revision: 1000}
	late := func() {
		if err := w.index.apply(written, made); err != nil {
			t.Error(err)
		}
	}
	next := docKey{"000000000000", "us-east-1", "next", kindFunction, ""}
	added := w.index.hooks.added
	w.index.hooks.added = func(v *version) {
		added(v)
		if v.proto.Name == "next" {
			late() // the watch is in the middle of a batch
		}
	}
	// Decoded when it comes, for somebody has looked.
	scope := w.index.scope(scopeKey{next.account, next.region}, true)
	scope.entries.Store("next", &entry{scope: scope, name: "next"})
	if _, err := w.index.lookup(next.account, next.region, "next"); err != nil {
		t.Fatal(err)
	}
	w.follow(&batches{{{Key: k.String(), Revision: 1001}, {Key: next.String(), Value: written.Value, Revision: 1002}}})
	late() // and when it has passed
	if snap, err := w.index.lookup(k.account, k.region, k.name); err != nil || snap != nil {
		t.Errorf("the deleted function is there again: %v, %v", snap, err)
	}
	if snap, err := w.index.lookup(next.account, next.region, "next"); err != nil || snap == nil {
		t.Errorf("the function after it is not there: %v", err)
	}
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.create("g")
	if _, err := w.docsWrite("other/key"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := w.ListFunctions(ctx(), &api.ListFunctionsRequest{})
	if err != nil || len(out.Functions) != 0 || w.docCount() != 1 {
		t.Errorf("%v %v, %d documents", out, err, w.docCount())
	}
	waitFor(t, "the archives to go", func() bool { return w.blobCount() == 0 })
}

func (w *world) docsWrite(key string) (int64, error) {
	return w.docs.Write(w.t.Context(), store.Write{Key: key, Value: []byte("{}")})
}
