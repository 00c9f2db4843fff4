package lambda

import (
	"context"
	"fmt"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// fill stores n functions that share an archive, without the service.
func (w *world) fill(n int) {
	w.t.Helper()
	w.create("f")
	snap, err := w.index.lookup(account, region, "f")
	if err != nil {
		w.t.Fatal(err)
	}
	var writes []store.Write
	for i := range n {
		r := ref{account: account, region: region, name: fmt.Sprintf("function-%05d", i)}
		writes = append(writes, put(r.key(kindFunction, ""), snap.doc, store.Absent))
		if len(writes) == 500 || i == n-1 {
			if _, err := w.docs.Write(w.t.Context(), writes...); err != nil {
				w.t.Fatal(err)
			}
			writes = nil
		}
	}
}

// A client that hangs up does not leave a function without its code.
func TestCallerGoesAway(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		c, cancel := context.WithCancel(ctx())
		name := fmt.Sprintf("f%d", i)
		go func() {
			<-time.After(time.Duration(i*40) * time.Microsecond)
			cancel()
		}()
		_, err := w.CreateFunction(c, createRequest(t, name))
		cancel()
		snap, lerr := w.index.lookup(account, region, name)
		if lerr != nil || (err == nil) != (snap != nil) {
			t.Fatalf("%s: error %v, function %v (%v)", name, err, snap, lerr)
		}
	}
	w.restart()
	list, err := w.ListFunctions(ctx(), &api.ListFunctionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list.Functions {
		if _, err := w.invoke(*f.FunctionName); err != nil {
			t.Errorf("%s: %v", *f.FunctionName, err)
		}
	}
}

// slowLoad holds back the list of all functions, as it was when it was asked for.
type slowLoad struct {
	store.Documents
	asked, release chan struct{}
}

func (d *slowLoad) List(ctx context.Context, prefix, after string, limit int) ([]store.Document, error) {
	docs, err := d.Documents.List(ctx, prefix, after, limit)
	if prefix == keyPrefix {
		close(d.asked)
		select {
		case <-d.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return docs, err
}

// Functions can be used while the others are loaded, and what happens to them
// meanwhile is not undone by what was read before.
func TestBeforeLoaded(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"kept", "changed", "gone"} {
		w.create(name)
		w.publish(name)
	}
	slow := &slowLoad{Documents: w.docs, asked: make(chan struct{}), release: make(chan struct{})}
	opts := w.opts
	opts.Documents = slow
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-slow.asked

	if _, err := s.Invoke(ctx(), &api.InvocationRequest{FunctionName: new("kept:1")}); err != nil {
		t.Error(err)
	}
	_, err = s.CreateFunction(ctx(), createRequest(t, "kept"))
	wantErr(t, err, "ResourceConflictException: Function already exist: kept")
	if _, err := s.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("changed"), Timeout: new(int32(9))}); err != nil {
		t.Error(err)
	}
	if _, err := s.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("gone")}); err != nil {
		t.Error(err)
	}
	if _, err := s.CreateFunction(ctx(), createRequest(t, "new")); err != nil {
		t.Error(err)
	}
	close(slow.release)
	list, err := s.ListFunctions(ctx(), &api.ListFunctionsRequest{FunctionVersion: new(api.FunctionVersionAll)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range list.Functions {
		got = append(got, fmt.Sprintf("%s:%s:%d", *f.FunctionName, *f.Version, *f.Timeout))
	}
	want := "[changed:$LATEST:9 changed:1:3 kept:$LATEST:3 kept:1:3 new:$LATEST:3]"
	if fmt.Sprint(got) != want {
		t.Errorf("functions %v, want %s", got, want)
	}
}

// BenchmarkStart10000 is the time from New to the first answer about one of ten
// thousand functions.
func BenchmarkStart10000(b *testing.B) {
	w := newWorld(b)
	w.fill(10000)
	c := ctx()
	for b.Loop() {
		s, err := New(w.opts)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.GetFunction(c, &api.GetFunctionRequest{FunctionName: new("function-09999")}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
}
