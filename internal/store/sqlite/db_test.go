package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

func write(t testing.TB, d *Documents, key, value string) int64 {
	t.Helper()
	r, err := d.Write(t.Context(), store.Write{Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCloseMergesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := openDB(t, path)
	d := newDocuments(t, db)
	write(t, d, "a", "1")
	if _, err := d.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v): a connection stayed open", suffix, err)
		}
	}
}

func TestDurability(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "state.db"))
	newDocuments(t, db)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		if err := db.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", pragma, got, err, want)
		}
	}
	if _, err := db.readers.ExecContext(t.Context(), `DELETE FROM documents`); err == nil {
		t.Error("a reader can write")
	}
}

func TestClosed(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "state.db"))
	d, c, l := newDocuments(t, db), newContents(t, db), newLogs(t, db)
	w := d.Watch(t.Context(), "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := d.Get(t.Context(), "a")
	_, listErr := d.List(t.Context(), "", "", 0)
	_, writeErr := d.Write(t.Context(), store.Write{Key: "a", Value: []byte("1")})
	_, nextErr := w.Next(t.Context())
	_, laterErr := d.Watch(t.Context(), "").Next(t.Context())
	_, contentErr := c.Get(t.Context(), [32]byte{})
	_, readErr := l.Read(t.Context(), store.LogQuery{Group: "g", Limit: 1})
	_, streamsErr := l.Streams(t.Context(), "g", "", "", false, false, 1)
	for i, err := range []error{getErr, listErr, writeErr, nextErr, laterErr, contentErr, readErr, streamsErr,
		c.Put(t.Context(), [32]byte{}, nil), l.Append(t.Context(), "g", "s", nil)} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%d: %v, want ErrClosed", i, err)
		}
	}
}

func newContents(t testing.TB, db *DB) *Contents {
	t.Helper()
	c, err := NewContents(db)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCloseFinishesWhatIsQueued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := openDB(t, path)
	d := newDocuments(t, db)
	held, release := block(t, db)
	<-held
	results := make(chan error)
	for i := range 5 {
		go func() {
			_, err := d.Write(t.Context(), store.Write{Key: fmt.Sprint(i), Value: []byte("x")})
			results <- err
		}()
	}
	waitForQueue(t, db, 5)
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	<-db.writer.closing
	if _, err := d.Write(t.Context(), store.Write{Key: "late", Value: []byte("x")}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a write after Close began: %v", err)
	}
	release()
	for range 5 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	d = newDocuments(t, openDB(t, path))
	if docs, err := d.List(t.Context(), "", "", 0); err != nil || len(docs) != 5 {
		t.Errorf("%d documents, %v", len(docs), err)
	}
}

// block occupies the writer, from when held is closed until release is called.
func block(t *testing.T, db *DB) (held chan struct{}, release func()) {
	held, done := make(chan struct{}), make(chan struct{})
	errs := make(chan error, 1)
	go func() {
		errs <- db.writer.do(context.Background(), &request{apply: func() error {
			close(held)
			<-done
			return nil
		}})
	}()
	return held, func() {
		close(done)
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// waitForQueue waits until so many writes wait for the writer.
func waitForQueue(t *testing.T, db *DB, n int) {
	t.Helper()
	for len(db.writer.queue) < n {
		runtime.Gosched()
	}
}

func TestAbandonedWrites(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "state.db"))
	d := newDocuments(t, db)
	held, release := block(t, db)
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	value := []byte("before")
	go func() {
		_, err := d.Write(ctx, store.Write{Key: "a", Value: value})
		result <- err
	}()
	waitForQueue(t, db, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled at once", err)
	}
	copy(value, "after.")
	release()
	write(t, d, "b", "1")
	// It had not begun, and so did not happen.
	if doc, err := d.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%q, %v", doc.Value, err)
	}
}

func TestWritesShareACommit(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "state.db"))
	d := newDocuments(t, db)
	commits := 0
	db.writer.beforeCommit = append(db.writer.beforeCommit, func() error { commits++; return nil })
	held, release := block(t, db)
	<-held
	results := make(chan error)
	const n = 100
	for i := range n {
		go func() {
			_, err := d.Write(t.Context(), store.Write{Key: fmt.Sprint(i % 10), Value: []byte("x"), If: store.Absent})
			results <- err
		}()
	}
	waitForQueue(t, db, n)
	release()
	conflicts := 0
	for range n {
		if err := <-results; errors.Is(err, store.ErrConflict) {
			conflicts++
		} else if err != nil {
			t.Error(err)
		}
	}
	if conflicts != n-10 {
		t.Errorf("%d of %d writes conflict, want %d", conflicts, n, n-10)
	}
	if err := db.Close(); err != nil { // the counter is the writer's
		t.Fatal(err)
	}
	if commits != 2 { // one for the blocker
		t.Errorf("%d commits, want 2", commits)
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := openDB(t, path)
	newDocuments(t, db)
	if _, err := db.conn.ExecContext(t.Context(), `UPDATE shapes SET version = 99`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := NewDocuments(openDB(t, path))
	if err == nil || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want an error that names the file and its format", err)
	}
}

// TestSlowReaderMemory has a watch that is not read while much more changes
// than it keeps.
func TestSlowReaderMemory(t *testing.T) {
	d := newDocuments(t, openDB(t, filepath.Join(t.TempDir(), "state.db")))
	w := d.hub.watch(t.Context(), "")
	w.limit = 10_000
	value := strings.Repeat("x", 1000)
	for i := range 50 {
		write(t, d, fmt.Sprint(i%25), value)
		held := 0
		for _, c := range w.pending {
			held += len(c.Value)
		}
		if held != w.bytes || held > w.limit {
			t.Fatalf("the watch holds %d bytes, counts %d, and may hold %d", held, w.bytes, w.limit)
		}
	}
	seen := map[string]bool{}
	for len(seen) < 25 {
		docs, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			if string(doc.Value) != value || seen[doc.Key] {
				t.Errorf("%s: %d bytes, seen before: %t", doc.Key, len(doc.Value), seen[doc.Key])
			}
			seen[doc.Key] = true
		}
	}
	if w.bytes != 0 || len(w.pending) != 0 {
		t.Errorf("%d bytes and %d keys are left", w.bytes, len(w.pending))
	}
}

// TestWatchKeepsWhatItCouldNotRead has a reader that fails once: the changes
// come with the next Next.
func TestWatchKeepsWhatItCouldNotRead(t *testing.T) {
	d := newDocuments(t, openDB(t, filepath.Join(t.TempDir(), "state.db")))
	w := d.hub.watch(t.Context(), "")
	w.limit = 1
	a, b := write(t, d, "a", "1"), write(t, d, "b", "22")
	broken := errors.New("broken disk")
	get := d.hub.get
	d.hub.get = func(context.Context, string) (store.Document, error) { return store.Document{}, broken }
	if docs, err := w.Next(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("%v, %v, want the error of reading", docs, err)
	}
	d.hub.get = get
	var docs []store.Document
	for len(docs) < 2 {
		more, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, more...)
	}
	if docs[0].Revision != a || string(docs[0].Value) != "1" || docs[1].Revision != b || string(docs[1].Value) != "22" {
		t.Errorf("%v", docs)
	}
}
