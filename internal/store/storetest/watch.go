package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

func next(t *testing.T, w store.Watch) []store.Document {
	t.Helper()
	docs, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) == 0 {
		t.Fatal("Next returned no change")
	}
	return docs
}

// until reads a watch until the change of key at revision has come, and returns
// all changes.
func until(t *testing.T, w store.Watch, key string, revision int64) []store.Document {
	t.Helper()
	var all []store.Document
	for {
		all = append(all, next(t, w)...)
		for _, d := range all {
			if d.Key == key && d.Revision == revision {
				return all
			}
		}
	}
}

func show(docs []store.Document) []string {
	var s []string
	for _, d := range docs {
		if d.Value == nil {
			s = append(s, fmt.Sprintf("%s deleted at %d", d.Key, d.Revision))
		} else {
			s = append(s, fmt.Sprintf("%s=%s at %d", d.Key, d.Value, d.Revision))
		}
	}
	return s
}

func watch(t *testing.T, d store.Documents) {
	put(t, d, "f/old", "0") // before the watch
	w := d.Watch(t.Context(), "f/")
	other := d.Watch(t.Context(), "g/")
	everything := d.Watch(t.Context(), "")

	r1 := put(t, d, "f/a", "1")
	r2 := put(t, d, "f/b", "")
	put(t, d, "f", "1")
	r3 := put(t, d, "g/a", "1")
	r4 := del(t, d, "f/old")
	_, err := d.Write(t.Context(), store.Write{Key: "f/a", Value: []byte("x"), If: store.Absent})
	wantErr(t, err, store.ErrConflict)
	del(t, d, "f/absent")
	r5, err := d.Write(t.Context(),
		store.Write{Key: "f/z", Value: []byte("1")},
		store.Write{Key: "f/c", Value: []byte("1")},
		store.Write{Key: "f/a", Check: true, If: store.Present})
	wantErr(t, err, nil)

	want := []string{
		fmt.Sprintf("f/a=1 at %d", r1), fmt.Sprintf("f/b= at %d", r2), fmt.Sprintf("f/old deleted at %d", r4),
		fmt.Sprintf("f/z=1 at %d", r5), fmt.Sprintf("f/c=1 at %d", r5),
	}
	if got := show(until(t, w, "f/c", r5)); !slices.Equal(got, want) {
		t.Errorf("watch of f/ saw\n%q, want\n%q", got, want)
	}
	if got := show(until(t, other, "g/a", r3)); len(got) != 1 {
		t.Errorf("watch of g/ saw %q", got)
	}
	if got := show(until(t, everything, "f/c", r5)); len(got) != 7 {
		t.Errorf("watch of everything saw %q", got)
	}
	r6 := put(t, d, "f/a", "2")
	if got, want := show(next(t, w)), fmt.Sprintf("f/a=2 at %d", r6); len(got) != 1 || got[0] != want {
		t.Errorf("watch of f/ saw %q, want %s", got, want)
	}
}

func watchCoalesces(t *testing.T, d store.Documents) {
	w := d.Watch(t.Context(), "")
	put(t, d, "a", "0")
	rb := put(t, d, "b", "only")
	var ra int64
	for i := range 50 {
		ra = put(t, d, "a", strconv.Itoa(i))
	}
	put(t, d, "c", "0")
	rc := del(t, d, "c")
	docs := until(t, w, "c", rc)
	want := []string{fmt.Sprintf("b=only at %d", rb), fmt.Sprintf("a=49 at %d", ra), fmt.Sprintf("c deleted at %d", rc)}
	if got := show(docs); !slices.Equal(got, want) {
		t.Errorf("a slow reader sees %q, want %q", got, want)
	}
}

// watchBeyondItsMemory changes more than a watch will keep: its reader still
// sees the last of each key, in order.
func watchBeyondItsMemory(t *testing.T, d store.Documents) {
	w := d.Watch(t.Context(), "")
	const keys = 24
	value := func(i, round int) []byte { return bytes.Repeat([]byte{byte(i), byte(round)}, store.MaxValue/2) }
	for round := range 2 {
		for i := range keys {
			_, err := d.Write(t.Context(), store.Write{Key: strconv.Itoa(i), Value: value(i, round)})
			wantErr(t, err, nil)
		}
	}
	del(t, d, "3")
	last := put(t, d, "end", "x")
	docs := until(t, w, "end", last)
	seen := map[string]store.Document{}
	revision := int64(0)
	for _, doc := range docs {
		if doc.Revision <= revision {
			t.Errorf("%s at %d comes after %d", doc.Key, doc.Revision, revision)
		}
		revision = doc.Revision
		seen[doc.Key] = doc
	}
	for i := range keys {
		want := value(i, 1)
		if i == 3 {
			want = nil
		}
		got, ok := seen[strconv.Itoa(i)]
		if !ok || !bytes.Equal(got.Value, want) || (got.Value == nil) != (want == nil) {
			t.Errorf("the last value of %d was not seen (%t, %d bytes)", i, ok, len(got.Value))
		}
	}
}

func watchEnds(t *testing.T, d store.Documents) {
	ctx, cancel := context.WithCancel(t.Context())
	w := d.Watch(ctx, "")

	// Next's own context ends the wait and not the watch.
	short, stop := context.WithCancel(t.Context())
	stop()
	_, err := w.Next(short)
	wantErr(t, err, context.Canceled)
	r := put(t, d, "a", "1")
	until(t, w, "a", r)

	ended := make(chan error)
	go func() {
		_, err := w.Next(t.Context())
		ended <- err
	}()
	cancel()
	wantErr(t, <-ended, context.Canceled)
	put(t, d, "a", "2")
	_, err = w.Next(t.Context())
	wantErr(t, err, context.Canceled)

	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Watch(done, "").Next(t.Context())
	wantErr(t, err, context.Canceled)
}

func watchWakes(t *testing.T, d store.Documents) {
	w := d.Watch(t.Context(), "")
	got := make(chan []store.Document)
	go func() {
		for range 3 {
			docs, err := w.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- docs
		}
	}()
	for i := range 3 {
		r := put(t, d, "a", strconv.Itoa(i))
		if docs := <-got; len(docs) != 1 || docs[0].Revision != r {
			t.Errorf("woken with %q, want revision %d", show(docs), r)
		}
	}
}

// watchFollows keeps a copy of the store by a watch while writers change it:
// in the end they are the same, and revisions never fell.
func watchFollows(t *testing.T, d store.Documents) {
	w := d.Watch(t.Context(), "k/")
	copied := map[string]string{}
	followed := make(chan error, 1)
	go func() {
		var last int64
		for {
			docs, err := w.Next(t.Context())
			if err != nil {
				followed <- err
				return
			}
			for _, doc := range docs {
				if doc.Revision < last {
					followed <- fmt.Errorf("revision %d after %d", doc.Revision, last)
					return
				}
				last = doc.Revision
				if doc.Key == "k/end" {
					followed <- nil
					return
				}
				if doc.Value == nil {
					delete(copied, doc.Key)
				} else {
					copied[doc.Key] = string(doc.Value)
				}
			}
		}
	}()
	inParallel(t, 8, func(worker int) error {
		for i := range 60 {
			wr := store.Write{Key: fmt.Sprintf("k/%d", (worker+i)%10), Value: fmt.Appendf(nil, "%d %d", worker, i)}
			if i%5 == 4 {
				wr.Value = nil
			}
			if _, err := d.Write(t.Context(), wr); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	docs, err := d.List(t.Context(), "k/", "", 0)
	wantErr(t, err, nil)
	put(t, d, "k/end", "x")
	wantErr(t, <-followed, nil)
	if len(copied) != len(docs) {
		t.Errorf("the copy has %d documents, the store %d", len(copied), len(docs))
	}
	for _, doc := range docs {
		if copied[doc.Key] != string(doc.Value) {
			t.Errorf("%s is %q in the copy, %q in the store", doc.Key, copied[doc.Key], doc.Value)
		}
	}
}
