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
