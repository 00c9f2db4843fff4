package snapshot_test

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/local"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

func open(t *testing.T) (store.Documents, *snapshot.Map[string], chan error) {
	t.Helper()
	state, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	if _, err := state.Documents.Write(t.Context(), store.Write{Key: "p/before", Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	faults := make(chan error, 10)
	compile := func(d store.Document) (string, error) {
		if string(d.Value) == "bad" {
			return "", errors.New("does not compile")
		}
		return string(d.Value), nil
	}
	m, err := snapshot.Open(t.Context(), state.Documents, "p/", compile, func(err error) { faults <- err })
	if err != nil {
		t.Fatal(err)
	}
	return state.Documents, m, faults
}

// wait returns once key has that value; "" is none.
func wait(t *testing.T, m *snapshot.Map[string], key, value string) {
	t.Helper()
	for t.Context().Err() == nil {
		if got, ok := m.Get(key); got == value && ok == (value != "") {
			return
		}
		runtime.Gosched()
	}
}

func TestFollowsTheStore(t *testing.T) {
	docs, m, faults := open(t)
	wait(t, m, "p/before", "1")
	write := func(key, value string) int64 {
		w := store.Write{Key: key}
		if value != "" {
			w.Value = []byte(value)
		}
		r, err := docs.Write(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write("p/a", "1")
	write("q/other", "1")
	wait(t, m, "p/a", "1")
	write("p/a", "bad")
	if err := <-faults; err == nil {
		t.Error("a document that does not compile is not told of")
	}
	wait(t, m, "p/a", "1")
	write("p/a", "2")
	wait(t, m, "p/a", "2")
	write("p/a", "")
	wait(t, m, "p/a", "")
	if _, ok := m.Get("q/other"); ok {
		t.Error("holds what is not under its prefix")
	}
	if got := slices.Collect(m.Values()); !slices.Equal(got, []string{"1"}) {
		t.Errorf("values %q", got)
	}
}

func TestOwnWritesAreSeenAtOnceAndOldOnesNever(t *testing.T) {
	_, m, _ := open(t)
	apply := func(value []byte, revision int64) {
		if err := m.Apply(store.Document{Key: "p/x", Value: value, Revision: revision}); err != nil {
			t.Fatal(err)
		}
	}
	apply([]byte("new"), 1000)
	if got, _ := m.Get("p/x"); got != "new" {
		t.Errorf("own write: %q", got)
	}
	apply([]byte("old"), 999)
	if got, _ := m.Get("p/x"); got != "new" {
		t.Errorf("an older value came through: %q", got)
	}
	apply(nil, 1001)
	apply([]byte("old"), 1000)
	if got, ok := m.Get("p/x"); ok {
		t.Errorf("a deleted key came back: %q", got)
	}
}
