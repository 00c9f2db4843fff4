// Package storetest is the conformance suite of the store: what every driver of
// every shape must do. A driver's test calls the function of each shape that it
// implements, with a function that opens an empty store and closes it by
// t.Cleanup.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

// Documents tests a driver of the shape of documents.
func Documents(t *testing.T, open func(t *testing.T) store.Documents) {
	for name, test := range map[string]func(*testing.T, store.Documents){
		"GetPutDelete":          getPutDelete,
		"Conditions":            conditions,
		"Transactions":          transactions,
		"Revisions":             revisions,
		"ValuesAreCopied":       valuesAreCopied,
		"List":                  list,
		"ListOrder":             listOrder,
		"ListPrefix":            listPrefix,
		"Limits":                documentLimits,
		"BigValues":             bigValues,
		"CancelledContext":      cancelledContext,
		"Counter":               counter,
		"OneWinner":             oneWinner,
		"FailuresDoNotSpread":   failuresDoNotSpread,
		"ConsistentTransfers":   consistentTransfers,
		"Watch":                 watch,
		"WatchCoalesces":        watchCoalesces,
		"WatchBeyondItsMemory":  watchBeyondItsMemory,
		"WatchEnds":             watchEnds,
		"WatchWakes":            watchWakes,
		"WatchFollowsOneWriter": watchFollows,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, d store.Documents, key, value string) int64 {
	t.Helper()
	r, err := d.Write(t.Context(), store.Write{Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return r
}

func del(t *testing.T, d store.Documents, key string) int64 {
	t.Helper()
	r, err := d.Write(t.Context(), store.Write{Key: key})
	if err != nil {
		t.Fatalf("delete %q: %v", key, err)
	}
	return r
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func wantValue(t *testing.T, d store.Documents, key, value string, revision int64) {
	t.Helper()
	doc, err := d.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Key != key || string(doc.Value) != value || doc.Value == nil || doc.Revision != revision {
		t.Fatalf("got %q = %q (nil: %t) at %d, want %q = %q at %d",
			doc.Key, doc.Value, doc.Value == nil, doc.Revision, key, value, revision)
	}
}

func wantAbsent(t *testing.T, d store.Documents, key string) {
	t.Helper()
	_, err := d.Get(t.Context(), key)
	wantErr(t, err, store.ErrNotFound)
}

func getPutDelete(t *testing.T, d store.Documents) {
	wantAbsent(t, d, "a")
	r1 := put(t, d, "a", "1")
	wantValue(t, d, "a", "1", r1)
	r2 := put(t, d, "a", "2")
	wantValue(t, d, "a", "2", r2)
	r3 := put(t, d, "b", "") // empty is a value
	wantValue(t, d, "b", "", r3)
	if !(0 < r1 && r1 < r2 && r2 < r3) {
		t.Errorf("revisions %d, %d, %d do not rise", r1, r2, r3)
	}
	del(t, d, "a")
	wantAbsent(t, d, "a")
	wantValue(t, d, "b", "", r3)
	del(t, d, "a")
}

func conditions(t *testing.T, d store.Documents) {
	write := func(v string, c store.Condition) error {
		w := store.Write{Key: "k", If: c}
		if v != "" {
			w.Value = []byte(v)
		}
		_, err := d.Write(t.Context(), w)
		return err
	}
	wantErr(t, write("x", store.Present), store.ErrNotFound)
	wantErr(t, write("", store.Present), store.ErrNotFound)
	wantErr(t, write("x", store.AtRevision(1)), store.ErrNotFound)
	wantErr(t, write("", store.AtRevision(1)), store.ErrNotFound)
	wantErr(t, write("1", store.Absent), nil)
	err := write("x", store.Absent)
	wantErr(t, err, store.ErrConflict)
	if !strings.Contains(err.Error(), `"k"`) {
		t.Errorf("%q does not say which key", err)
	}
	wantErr(t, write("", store.Absent), store.ErrConflict)
	doc, err := d.Get(t.Context(), "k")
	wantErr(t, err, nil)
	wantErr(t, write("x", store.AtRevision(doc.Revision-1)), store.ErrPrecondition)
	wantErr(t, write("x", store.AtRevision(doc.Revision+1)), store.ErrPrecondition)
	wantErr(t, write("", store.AtRevision(doc.Revision+1)), store.ErrPrecondition)
	wantValue(t, d, "k", "1", doc.Revision)
	wantErr(t, write("2", store.AtRevision(doc.Revision)), nil)
	wantErr(t, write("x", store.AtRevision(doc.Revision)), store.ErrPrecondition)
	wantErr(t, write("3", store.Present), nil)
	doc, err = d.Get(t.Context(), "k")
	wantErr(t, err, nil)
	wantErr(t, write("", store.AtRevision(doc.Revision)), nil)
	wantErr(t, write("", store.Present), store.ErrNotFound)
	wantErr(t, write("", store.Absent), nil)
	wantAbsent(t, d, "k")
}

func transactions(t *testing.T, d store.Documents) {
	ctx := t.Context()
	ra := put(t, d, "a", "1")
	rb := put(t, d, "b", "1")

	// All or nothing, whichever of them fails.
	for i := range 3 {
		writes := []store.Write{
			{Key: "a", Value: []byte("x")},
			{Key: "c", Value: []byte("x")},
			{Key: "b"},
		}
		writes[i].If = store.AtRevision(1 << 40)
		_, err := d.Write(ctx, writes...)
		if err == nil {
			t.Fatal("a transaction passed although a condition does not hold")
		}
	}
	wantValue(t, d, "a", "1", ra)
	wantValue(t, d, "b", "1", rb)
	wantAbsent(t, d, "c")

	r, err := d.Write(ctx,
		store.Write{Key: "a", Value: []byte("2"), If: store.AtRevision(ra)},
		store.Write{Key: "c", Value: []byte("2"), If: store.Absent},
		store.Write{Key: "b", If: store.Present})
	wantErr(t, err, nil)
	wantValue(t, d, "a", "2", r)
	wantValue(t, d, "c", "2", r)
	wantAbsent(t, d, "b")

	// A check changes nothing and can fail the others.
	_, err = d.Write(ctx,
		store.Write{Key: "d", Value: []byte("3")},
		store.Write{Key: "b", Check: true, If: store.Present})
	wantErr(t, err, store.ErrNotFound)
	wantAbsent(t, d, "d")
	r2, err := d.Write(ctx,
		store.Write{Key: "d", Value: []byte("3")},
		store.Write{Key: "a", Check: true, If: store.AtRevision(r), Value: []byte("not written")})
	wantErr(t, err, nil)
	wantValue(t, d, "d", "3", r2)
	wantValue(t, d, "a", "2", r)

	// What changes nothing returns the last revision and uses none.
	for _, nothing := range [][]store.Write{nil, {{Key: "a", Check: true, If: store.Present}}, {{Key: "gone"}}} {
		if got, err := d.Write(ctx, nothing...); err != nil || got != r2 {
			t.Errorf("%v: revision %d, %v; want %d", nothing, got, err, r2)
		}
	}

	// Conditions look at what was there before; the last write of a key stays.
	r3, err := d.Write(ctx,
		store.Write{Key: "e", Value: []byte("4"), If: store.Absent},
		store.Write{Key: "e", Value: []byte("5"), If: store.Absent},
		store.Write{Key: "f", Value: []byte("6")},
		store.Write{Key: "f"},
		store.Write{Key: "a"},
		store.Write{Key: "a", Value: []byte("7"), If: store.Present})
	wantErr(t, err, nil)
	wantValue(t, d, "e", "5", r3)
	wantValue(t, d, "a", "7", r3)
	wantAbsent(t, d, "f")
}

func revisions(t *testing.T, d store.Documents) {
	last := put(t, d, "a", "1")
	for range 5 {
		for _, r := range []int64{del(t, d, "a"), put(t, d, "a", "1")} {
			if r <= last {
				t.Fatalf("revision %d after %d", r, last)
			}
			last = r
		}
	}
	_, err := d.Write(t.Context(), store.Write{Key: "a", Value: []byte("x"), If: store.Absent})
	wantErr(t, err, store.ErrConflict)
	if r := put(t, d, "b", "1"); r <= last {
		t.Fatalf("revision %d after %d", r, last)
	}
}

func valuesAreCopied(t *testing.T, d store.Documents) {
	w := d.Watch(t.Context(), "")
	value := []byte("before")
	r, err := d.Write(t.Context(), store.Write{Key: "a", Value: value})
	wantErr(t, err, nil)
	copy(value, "after.")
	wantValue(t, d, "a", "before", r)
	docs, err := w.Next(t.Context())
	wantErr(t, err, nil)
	if string(docs[0].Value) != "before" {
		t.Errorf("the watch sees %q: the caller's buffer was kept", docs[0].Value)
	}
}

func keysOf(docs []store.Document) []string {
	keys := []string{}
	for _, d := range docs {
		keys = append(keys, d.Key)
	}
	return keys
}

func wantKeys(t *testing.T, d store.Documents, prefix, after string, limit int, want ...string) {
	t.Helper()
	docs, err := d.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := keysOf(docs); !slices.Equal(got, want) {
		t.Errorf("List(%q, %q, %d) = %q, want %q", prefix, after, limit, got, want)
	}
}

func list(t *testing.T, d store.Documents) {
	wantKeys(t, d, "", "", 0)
	revision := map[string]int64{}
	for _, k := range []string{"f/b", "f/a", "g/a", "f", "f/c/x", "f/d", "e/z"} {
		revision[k] = put(t, d, k, "value of "+k)
	}
	docs, err := d.List(t.Context(), "f/", "", 0)
	wantErr(t, err, nil)
	for _, doc := range docs {
		if string(doc.Value) != "value of "+doc.Key || doc.Revision != revision[doc.Key] {
			t.Errorf("listed %q = %q at %d", doc.Key, doc.Value, doc.Revision)
		}
	}
	wantKeys(t, d, "f/", "", 0, "f/a", "f/b", "f/c/x", "f/d")
	wantKeys(t, d, "f/", "", 2, "f/a", "f/b")
	wantKeys(t, d, "f/", "f/b", 2, "f/c/x", "f/d")
	wantKeys(t, d, "f/", "f/bb", 1, "f/c/x") // after need not exist
	wantKeys(t, d, "f/", "f/d", 2)
	wantKeys(t, d, "f/", "a", 1, "f/a") // before the prefix
	wantKeys(t, d, "f/", "z", 1)        // behind it
	wantKeys(t, d, "f", "", 0, "f", "f/a", "f/b", "f/c/x", "f/d")
	wantKeys(t, d, "f", "f", 1, "f/a")
	wantKeys(t, d, "", "f/d", 0, "g/a")
	wantKeys(t, d, "nothing", "", 0)

	// Pages put together are the whole, although it changes meanwhile.
	var all []string
	for after := ""; ; {
		page, err := d.List(t.Context(), "f", after, 2)
		wantErr(t, err, nil)
		if len(page) == 0 {
			break
		}
		all = append(all, keysOf(page)...)
		after = page[len(page)-1].Key
		del(t, d, after)
	}
	if want := []string{"f", "f/a", "f/b", "f/c/x", "f/d"}; !slices.Equal(all, want) {
		t.Errorf("pages give %q, want %q", all, want)
	}
}

// oddKeys hold what other comparisons and encodings trip over.
var oddKeys = []string{
	"\x00", "\x00\x00", "\x01", " ", "%", "'", "*", "A", "A\x00", "A\x00B", "A B", "AB", "Z", "[a]", "_", "a", "a\nb",
	"a%b", "a_b", "b", "é", "ü", "\u4e16\u754c", "\U0001F600", "\xc3", "\xf5", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xffa",
}

func listOrder(t *testing.T, d store.Documents) {
	want := slices.Clone(oddKeys)
	slices.Sort(want)
	for i, k := range oddKeys {
		put(t, d, k, strconv.Itoa(i))
	}
	wantKeys(t, d, "", "", 0, want...)
	for i, k := range want {
		wantKeys(t, d, "", k, 0, want[i+1:]...)
		if _, err := d.Get(t.Context(), k); err != nil {
			t.Errorf("get %q: %v", k, err)
		}
	}
}

func listPrefix(t *testing.T, d store.Documents) {
	for _, k := range oddKeys {
		put(t, d, k, "x")
	}
	under := func(prefix string) []string {
		keys := []string{}
		for _, k := range oddKeys {
			if strings.HasPrefix(k, prefix) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		return keys
	}
	for _, prefix := range append(slices.Clone(oddKeys), "a\xff", "\xfe\xff\xff", "\xff\xff\xff") {
		wantKeys(t, d, prefix, "", 0, under(prefix)...)
	}
	// A key of 1024 times 0xFF is the greatest there is.
	last := strings.Repeat("\xff", store.MaxKey)
	put(t, d, last, "x")
	wantKeys(t, d, last, "", 0, last)
	wantKeys(t, d, last, last, 0)
	wantKeys(t, d, "", last, 0)
}

func documentLimits(t *testing.T, d store.Documents) {
	ctx := t.Context()
	key := strings.Repeat("k", store.MaxKey)
	value := bytes.Repeat([]byte{7}, store.MaxValue)
	_, err := d.Write(ctx, store.Write{Key: key, Value: value})
	wantErr(t, err, nil)
	doc, err := d.Get(ctx, key)
	wantErr(t, err, nil)
	if !bytes.Equal(doc.Value, value) {
		t.Error("a value of 1 MiB came back changed")
	}
	for what, w := range map[string]store.Write{
		"a key too long":    {Key: key + "k", Value: []byte("x")},
		"a deleted key":     {Key: key + "k"},
		"no key":            {Key: "", Value: []byte("x")},
		"a value too large": {Key: "big", Value: append(value, 7)},
	} {
		_, err := d.Write(ctx, store.Write{Key: "other", Value: []byte("x")}, w)
		if !errors.Is(err, store.ErrLimit) {
			t.Errorf("%s: %v, want ErrLimit", what, err)
		}
	}
	wantAbsent(t, d, "other")
	wantAbsent(t, d, key+"k")
	wantAbsent(t, d, "")
}

func bigValues(t *testing.T, d store.Documents) {
	ctx := t.Context()
	var writes []store.Write
	for i, size := range []int{1, 1000, 4000, 4096, 5000, 65_536, 300_000, store.MaxValue} {
		value := bytes.Repeat([]byte{byte(i), 0, 0xff}, size/3+1)[:size]
		writes = append(writes, store.Write{Key: fmt.Sprintf("%07d", size), Value: value})
	}
	_, err := d.Write(ctx, writes...)
	wantErr(t, err, nil)
	docs, err := d.List(ctx, "", "", 0)
	wantErr(t, err, nil)
	if len(docs) != len(writes) {
		t.Fatalf("%d documents, want %d", len(docs), len(writes))
	}
	for i, doc := range docs {
		if doc.Key != writes[i].Key || !bytes.Equal(doc.Value, writes[i].Value) {
			t.Errorf("%s (%d bytes) came back as %s (%d bytes)", writes[i].Key, len(writes[i].Value), doc.Key, len(doc.Value))
		}
	}
}

func cancelledContext(t *testing.T, d store.Documents) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Write(ctx, store.Write{Key: "a", Value: []byte("1")})
	wantErr(t, err, context.Canceled)
	_, err = d.Get(ctx, "a")
	wantErr(t, err, context.Canceled)
	_, err = d.List(ctx, "", "", 0)
	wantErr(t, err, context.Canceled)
	put(t, d, "b", "1")
	wantAbsent(t, d, "a") // it was over before it began
}
