package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

// childMode is what TestMain does instead of the tests, in a process that a
// test started.
const childMode = "PADDOCK_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch dir := os.Getenv("PADDOCK_STORE_TEST_DIR"); os.Getenv(childMode) {
	case "write":
		writeUntilKilled(dir)
	case "messages":
		passMessagesUntilKilled(dir)
	case "open":
		openOnce(dir)
	default:
		os.Exit(m.Run())
	}
}

func open(t testing.TB, dir string) *State {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The suites of the parts run on the whole too: what one shape does must not
// depend on what shares its file.
func TestConformance(t *testing.T) {
	t.Run("Documents", func(t *testing.T) {
		storetest.Documents(t, func(t *testing.T) store.Documents { return open(t, t.TempDir()).Documents })
	})
	t.Run("Blobs", func(t *testing.T) {
		storetest.Blobs(t, func(t *testing.T) store.Blobs { return open(t, t.TempDir()).Blobs })
	})
	t.Run("Logs", func(t *testing.T) {
		storetest.Logs(t, func(t *testing.T) store.Logs { return open(t, t.TempDir()).Logs })
	})
	t.Run("Messages", func(t *testing.T) {
		storetest.Messages(t, func(t *testing.T) store.Messages { return open(t, t.TempDir()).Messages })
	})
}

func put(t *testing.T, s *State, key, value string) int64 {
	t.Helper()
	r, err := s.Documents.Write(t.Context(), store.Write{Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func putBlob(t *testing.T, s *State, content []byte) string {
	t.Helper()
	b, err := s.Blobs.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return b.SHA256
}

func readBlob(ctx context.Context, s *State, sum string) ([]byte, error) {
	r, err := s.Blobs.Open(ctx, sum)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not yet", "there? #1%20")
	s := open(t, dir)
	put(t, s, "a", "1")
	put(t, s, "b", "2")
	rd, err := s.Documents.Write(t.Context(), store.Write{Key: "b"})
	if err != nil {
		t.Fatal(err)
	}
	small, large := []byte("small"), bytes.Repeat([]byte("large"), 100_000)
	sums := map[string][]byte{putBlob(t, s, small): small, putBlob(t, s, large): large}
	event := []store.LogEvent{{Time: time.UnixMilli(5), Message: "m"}}
	if err := s.Logs.Append(t.Context(), "g", "s", event); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}

	s = open(t, dir)
	if doc, err := s.Documents.Get(t.Context(), "a"); err != nil || string(doc.Value) != "1" {
		t.Errorf("document: %v, %v", doc, err)
	}
	for sum, want := range sums {
		if got, err := readBlob(t.Context(), s, sum); err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob %s: %d bytes, %v", sum, len(got), err)
		}
	}
	if err := s.Logs.Append(t.Context(), "g", "s", event); err != nil {
		t.Fatal(err)
	}
	events, err := s.Logs.Read(t.Context(), store.LogQuery{Group: "g", Limit: 5})
	if err != nil || len(events) != 2 || events[0].ID >= events[1].ID {
		t.Errorf("log events: %v, %v", events, err)
	}
	// The highest revision was that of a deletion: no document remembers it.
	if r := put(t, s, "c", "3"); r != rd+1 {
		t.Errorf("revision %d after %d", r, rd)
	}
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	put(t, s, "a", "1")
	putBlob(t, s, bytes.Repeat([]byte("x"), 1<<20))
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has permissions %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Dir != dir {
		t.Fatalf("opening it twice: %v", err)
	}
	text := locked.Error()
	for _, part := range []string{dir, fmt.Sprint(os.Getpid()), "--data", "stop"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
	// Another process meets the same, and leaves everything as it is.
	out, err := child(t, "open", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), text) {
		t.Errorf("another process: %v, %q, want %q", err, out, text)
	}
	put(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "open", dir).CombinedOutput(); err != nil {
		t.Errorf("another process, after it was closed: %v, %s", err, out)
	}
	open(t, dir)
}

func openOnce(dir string) {
	s, err := Open(dir)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Others on the machine are to read nothing of what is put into a folder that
// somebody made for Paddock with the usual permissions. One that is in use for
// something else stays as it is.
func TestEmptyFolderBecomesPrivate(t *testing.T) {
	empty, used := t.TempDir(), t.TempDir()
	for _, dir := range []string{empty, used} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(used, "notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]os.FileMode{empty: 0o700, used: 0o755} {
		open(t, dir)
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", dir, info.Mode(), err, want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "state.db")
	if err := os.WriteFile(damaged, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(dir); err == nil || !strings.Contains(err.Error(), damaged) {
		t.Fatalf("a damaged database: %v, %v", s, err)
	}
	// Nothing is left behind: neither the lock nor an open logs.db.
	if err := os.Remove(damaged); err != nil {
		t.Fatal(err)
	}
	open(t, dir)

	if _, err := Open(filepath.Join(dir, "lock", "below a file")); err == nil {
		t.Error("a folder below a file could be opened")
	}
}

func TestReset(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	if err := s.Reset(ctx); err != nil {
		t.Fatalf("with nothing there: %v", err)
	}
	w := s.Documents.Watch(ctx, "a/")
	put(t, s, "a/1", "1")
	put(t, s, "a/2", "1")
	last := put(t, s, "b", "1")
	small, large := putBlob(t, s, []byte("small")), putBlob(t, s, bytes.Repeat([]byte("large"), 100_000))
	event := []store.LogEvent{{Time: time.UnixMilli(5), Message: "m"}}
	if err := s.Logs.Append(ctx, "g", "s", event); err != nil {
		t.Fatal(err)
	}
	lastID := logs(t, s)[0].ID
	if _, err := w.Next(ctx); err != nil {
		t.Fatal(err)
	}

	if err := s.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	changes, err := w.Next(ctx)
	if err != nil || len(changes) != 2 || changes[0].Key != "a/1" || changes[1].Key != "a/2" {
		t.Fatalf("the watch saw %v, %v", changes, err)
	}
	for _, c := range changes {
		if c.Value != nil || c.Revision <= last {
			t.Errorf("the watch saw %+v, want a deletion after %d", c, last)
		}
	}
	if docs, err := s.Documents.List(ctx, "", "", 0); err != nil || len(docs) != 0 {
		t.Errorf("documents: %v, %v", docs, err)
	}
	for _, sum := range []string{small, large} {
		blob, err := s.Blobs.Open(ctx, sum)
		if err != nil {
			t.Errorf("blob %s, which a document may be about to refer to: %v", sum, err)
			continue
		}
		blob.Close()
	}
	if n, err := s.Logs.StoredBytes(ctx, "g"); err != nil || n != 0 || len(logs(t, s)) != 0 {
		t.Errorf("logs: %d bytes, %v", n, err)
	}
	if streams, err := s.Logs.Streams(ctx, "g", "", "", false, false, 0); err != nil || len(streams) != 0 {
		t.Errorf("streams: %v, %v", streams, err)
	}

	// It goes on as before.
	if r := put(t, s, "a/1", "2"); r <= changes[0].Revision {
		t.Errorf("revision %d after %d", r, changes[0].Revision)
	}
	if err := s.Logs.Append(ctx, "g", "s", event); err != nil {
		t.Fatal(err)
	}
	if events := logs(t, s); len(events) != 1 || events[0].ID <= lastID {
		t.Errorf("log events %v, want one with an ID over %d", events, lastID)
	}
	if putBlob(t, s, []byte("small")) != small {
		t.Error("another hash")
	}
}

func logs(t *testing.T, s *State) []store.LogEvent {
	t.Helper()
	events, err := s.Logs.Read(t.Context(), store.LogQuery{Group: "g", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func BenchmarkOpen(b *testing.B) {
	b.Run("fresh", func(b *testing.B) {
		for i := range b.N {
			openAndClose(b, filepath.Join(b.TempDir(), fmt.Sprint(i)))
		}
	})
	b.Run("10,000 documents", func(b *testing.B) {
		dir := b.TempDir()
		s, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		var writes []store.Write
		for i := range 10_000 {
			writes = append(writes, store.Write{Key: fmt.Sprint("k", i), Value: bytes.Repeat([]byte("x"), 2000)})
		}
		if _, err := s.Documents.Write(b.Context(), writes...); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N {
			openAndClose(b, dir)
		}
	})
}

// openAndClose times the opening only.
func openAndClose(b *testing.B, dir string) {
	s, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}
