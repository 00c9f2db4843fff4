package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

// counter has workers raise one number by compare-and-swap: none is lost.
func counter(t *testing.T, d store.Documents) {
	const workers, each = 8, 25
	put(t, d, "n", "0")
	var lost sync.Map
	inParallel(t, workers, func(worker int) error {
		for done := 0; done < each; {
			doc, err := d.Get(t.Context(), "n")
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(doc.Value))
			if err != nil {
				return err
			}
			_, err = d.Write(t.Context(), store.Write{
				Key: "n", Value: []byte(strconv.Itoa(n + 1)), If: store.AtRevision(doc.Revision)})
			if errors.Is(err, store.ErrPrecondition) {
				continue
			}
			if err != nil {
				return err
			}
			if _, twice := lost.LoadOrStore(n, worker); twice {
				return fmt.Errorf("two workers replaced %d", n)
			}
			// What was acknowledged is what a reader sees at once.
			after, err := d.Get(t.Context(), "n")
			if err != nil {
				return err
			}
			if m, err := strconv.Atoi(string(after.Value)); err != nil || m <= n {
				return fmt.Errorf("read %q after writing %d", after.Value, n+1)
			}
			done++
		}
		return nil
	})
	doc, err := d.Get(t.Context(), "n")
	wantErr(t, err, nil)
	if want := strconv.Itoa(workers * each); string(doc.Value) != want {
		t.Errorf("counted %s, want %s", doc.Value, want)
	}
}

// oneWinner has workers create the same keys: each has one creator.
func oneWinner(t *testing.T, d store.Documents) {
	const workers, keys = 8, 20
	var mu sync.Mutex
	winners := map[string]string{}
	inParallel(t, workers, func(worker int) error {
		me := strconv.Itoa(worker)
		for i := range keys {
			key := strconv.Itoa(i)
			_, err := d.Write(t.Context(), store.Write{Key: key, Value: []byte(me), If: store.Absent})
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			if w, ok := winners[key]; ok {
				err = fmt.Errorf("%s and %s both created %s", w, me, key)
			}
			winners[key] = me
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	docs, err := d.List(t.Context(), "", "", 0)
	wantErr(t, err, nil)
	if len(docs) != keys {
		t.Fatalf("%d documents, want %d", len(docs), keys)
	}
	for _, doc := range docs {
		if winners[doc.Key] != string(doc.Value) {
			t.Errorf("%s was created by %s and holds %s", doc.Key, winners[doc.Key], doc.Value)
		}
	}
}

// failuresDoNotSpread mixes writes that fail with writes that do not, which
// share commits.
func failuresDoNotSpread(t *testing.T, d store.Documents) {
	const workers, each = 16, 20
	put(t, d, "there", "1")
	inParallel(t, workers, func(worker int) error {
		for i := range each {
			key := fmt.Sprintf("%d/%d", worker, i)
			own := store.Write{Key: key, Value: []byte(key), If: store.Absent}
			if worker%2 == 0 {
				_, err := d.Write(t.Context(), own, store.Write{Key: "there", Value: []byte("2"), If: store.Absent})
				if !errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("%s: %w, want ErrConflict", key, err)
				}
			} else if _, err := d.Write(t.Context(), own); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	})
	docs, err := d.List(t.Context(), "", "", 0)
	wantErr(t, err, nil)
	if len(docs) != workers/2*each+1 {
		t.Errorf("%d documents, want %d", len(docs), workers/2*each+1)
	}
}

// consistentTransfers moves an amount between two keys in transactions, while
// readers, who see both in one List, add them up.
func consistentTransfers(t *testing.T, d store.Documents) {
	const total = 100
	_, err := d.Write(t.Context(),
		store.Write{Key: "acc/a", Value: []byte(strconv.Itoa(total))},
		store.Write{Key: "acc/b", Value: []byte("0")})
	wantErr(t, err, nil)
	inParallel(t, 4, func(worker int) error {
		for range 40 {
			docs, err := d.List(t.Context(), "acc/", "", 0)
			if err != nil {
				return err
			}
			a, errA := strconv.Atoi(string(docs[0].Value))
			b, errB := strconv.Atoi(string(docs[1].Value))
			if err := errors.Join(errA, errB); err != nil {
				return err
			}
			if a+b != total {
				return fmt.Errorf("half of a transaction is seen: %d + %d", a, b)
			}
			if worker > 1 {
				continue // only reads
			}
			_, err = d.Write(t.Context(),
				store.Write{Key: "acc/a", Value: []byte(strconv.Itoa(a - 1)), If: store.AtRevision(docs[0].Revision)},
				store.Write{Key: "acc/b", Value: []byte(strconv.Itoa(b + 1)), If: store.AtRevision(docs[1].Revision)})
			if err != nil && !errors.Is(err, store.ErrPrecondition) {
				return err
			}
		}
		return nil
	})
}

// inParallel runs work in n goroutines and fails the test with their errors.
func inParallel(t *testing.T, n int, work func(worker int) error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
