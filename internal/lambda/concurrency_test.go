package lambda

import (
	"sync"
	"sync/atomic"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

func (w *world) reserve(name string, n int32) error {
	_, err := w.PutFunctionConcurrency(ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: new(name), ReservedConcurrentExecutions: new(n)})
	return err
}

func (w *world) unreserved() int32 {
	w.t.Helper()
	out, err := w.GetAccountSettings(ctx(), &api.GetAccountSettingsRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.AccountLimit.UnreservedConcurrentExecutions
}

func TestReservedConcurrency(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.create("g")
	shown := func(name string) string {
		t.Helper()
		out, err := w.GetFunction(ctx(), &api.GetFunctionRequest{FunctionName: new(name)})
		if err != nil {
			t.Fatal(err)
		}
		one, err := w.GetFunctionConcurrency(ctx(), &api.GetFunctionConcurrencyRequest{FunctionName: new(name)})
		if err != nil {
			t.Fatal(err)
		}
		return asJSON(t, out.Concurrency) + asJSON(t, one)
	}
	if got := shown("f"); got != "null{}" {
		t.Error(got)
	}
	before := *w.get("f").RevisionId
	if err := w.reserve("f", 900); err != nil {
		t.Fatal(err)
	}
	if got := shown("f"); got != `{"ReservedConcurrentExecutions":900}{"ReservedConcurrentExecutions":900}` || w.unreserved() != 100 {
		t.Error(got, w.unreserved())
	}
	if *w.get("f").RevisionId != before {
		t.Error("a reservation changed the function's revision")
	}
	const tooMuch = "InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
	wantErr(t, w.reserve("f", 901), tooMuch)
	wantErr(t, w.reserve("g", 1), tooMuch)
	wantErr(t, w.reserve("g", 0), "")
	wantErr(t, w.reserve("f", 899), "")
	wantErr(t, w.reserve("g", 1), "")
	if got := w.invoker.told(); got != "map[f:899 g:1]" {
		t.Error(got)
	}
	wantErr(t, w.reserve("missing", 1), "ResourceNotFoundException: Function not found: "+arnBase+"missing")
	wantErr(t, w.reserve("f:1", 1), "InvalidParameterValueException: This operation is permitted on Lambda functions only…")
	_, err := w.DeleteFunctionConcurrency(ctx(), &api.DeleteFunctionConcurrencyRequest{FunctionName: new("missing")})
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"missing")

	// Another region has its own.
	other := ctxFor(account, "eu-west-1")
	if _, err := w.CreateFunction(other, createRequest(t, "f")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutFunctionConcurrency(other, &api.PutFunctionConcurrencyRequest{FunctionName: new("f"), ReservedConcurrentExecutions: new(int32(900))}); err != nil {
		t.Error(err)
	}

	w.invoker.aside = nil
	w.restart()
	if w.unreserved() != 100 || w.invoker.told() != "map[f:899 g:1]" {
		t.Error(w.unreserved(), w.invoker.told())
	}
	for range 2 { // the second time there is none
		if _, err := w.DeleteFunctionConcurrency(ctx(), &api.DeleteFunctionConcurrencyRequest{FunctionName: new("f")}); err != nil {
			t.Error(err)
		}
	}
	if got := shown("f"); got != "null{}" || w.unreserved() != 999 || w.invoker.told() != "map[g:1]" {
		t.Error(got, w.unreserved(), w.invoker.told())
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("g")}); err != nil {
		t.Error(err)
	}
	if w.unreserved() != 1000 || w.invoker.told() != "map[]" {
		t.Error(w.unreserved(), w.invoker.told())
	}
	w.create("g")
	if got := shown("g"); got != "null{}" {
		t.Error("the name's new function has", got)
	}
}

// Reservations that come together do not take more than there is.
func TestReservationsTogether(t *testing.T) {
	w := newWorld(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		w.create(name)
	}
	var wg sync.WaitGroup
	var taken atomic.Int32
	for _, name := range names {
		wg.Go(func() {
			if w.reserve(name, 250) == nil {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if got := w.unreserved(); got != 250 || taken.Load() != 3 {
		t.Errorf("%d were taken, %d are left", taken.Load(), got)
	}
}

// An account with a small limit can still throttle its functions.
func TestReservedConcurrencyOfASmallAccount(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.opts.Concurrency = 10
	wantErr(t, w.reserve("f", 0), "")
	wantErr(t, w.reserve("f", 1), "InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [10].")
}

// A reservation that another process makes is told too.
func TestReservationOfAnotherProcess(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	opts := w.opts
	theirs := &invoker{}
	opts.Capacity = theirs
	other, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := w.reserve("f", 7); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the reservation", func() bool { return theirs.told() == "map[f:7]" })
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its end", func() bool { return theirs.told() == "map[]" })
}
