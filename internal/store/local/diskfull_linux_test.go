package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if errors.Is(err, fs.ErrPermission) && os.Getenv("CI") != "true" {
		t.Skipf("mounting a small file system is not permitted here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// outcome is what callers were told of their writes.
type outcome struct {
	mu             sync.Mutex
	stored, failed map[string]string
}

// attempt writes 2 KB each from several goroutines and notes which got an error.
func (o *outcome) attempt(t *testing.T, s *State, name string, n int) (failures int) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range n / 8 {
				key := fmt.Sprintf("%s/%d/%d", name, worker, i)
				value := strings.Repeat(key+" ", 2000/len(key))
				_, err := s.Documents.Write(t.Context(), store.Write{Key: key, Value: []byte(value), If: store.Absent})
				o.mu.Lock()
				if err == nil {
					o.stored[key] = value
				} else {
					o.failed[key] = err.Error()
					failures++
				}
				o.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failures
}

// verify sees that exactly what was acknowledged is there.
func (o *outcome) verify(t *testing.T, s *State) {
	t.Helper()
	docs, err := s.Documents.List(t.Context(), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != len(o.stored) {
		t.Errorf("%d documents are there, %d were acknowledged", len(docs), len(o.stored))
	}
	for _, doc := range docs {
		if want, ok := o.stored[doc.Key]; !ok || string(doc.Value) != want {
			t.Errorf("%s is there with %d bytes; its caller was told %q", doc.Key, len(doc.Value), o.failed[doc.Key])
		}
	}
}

func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, 24<<20)
	dir := filepath.Join(disk, "data")
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	o := &outcome{stored: map[string]string{}, failed: map[string]string{}}

	if n := o.attempt(t, s, "full", 8000); n == 0 || n == 8000 {
		t.Fatalf("%d of 8000 writes failed: the disk should have become full on the way", n)
	}
	for key, err := range o.failed {
		if !strings.Contains(err, "full") && !strings.Contains(err, "I/O") && !strings.Contains(err, "no space") {
			t.Errorf("%s failed with %q, which does not say why", key, err)
		}
	}
	o.verify(t, s)

	// A large blob that does not fit leaves nothing.
	large := bytes.Repeat([]byte("large"), 3<<20)
	if _, err := s.Blobs.Put(t.Context(), bytes.NewReader(large)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a large blob on a full disk: %v", err)
	}
	if blobs, err := s.Blobs.List(t.Context()); err != nil || len(blobs) != 0 {
		t.Errorf("blobs: %v, %v", blobs, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "blobs", "incoming")); err != nil || len(left) != 0 {
		t.Errorf("left of the blob: %v, %v", left, err)
	}
	// Log events, until they fail too.
	events := []store.LogEvent{{Time: time.UnixMilli(1), Message: strings.Repeat("m", 50_000)}}
	appended := 0
	for ; s.Logs.Append(t.Context(), "g", "s", events) == nil; appended++ {
		if appended > 24<<20/50_000 {
			t.Fatal("more log events were stored than the disk is large")
		}
	}
	wantEvents(t, s, appended)

	// Space is back, and everything works again, without being opened again.
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if n := o.attempt(t, s, "space", 400); n != 0 {
		t.Errorf("%d of 400 writes failed although there was space again: %v", n, o.failed)
	}
	if err := s.Logs.Append(t.Context(), "g", "s", events); err != nil {
		t.Error(err)
	}
	fits := large[:1<<20]
	sum := putBlob(t, s, fits)
	verify := func(s *State) {
		t.Helper()
		o.verify(t, s)
		wantEvents(t, s, appended+1)
		if got, err := readBlob(t.Context(), s, sum); err != nil || !bytes.Equal(got, fits) {
			t.Errorf("the blob: %d bytes, %v", len(got), err)
		}
	}
	verify(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(open(t, dir))
	t.Logf("%d writes were acknowledged and %d refused, %d log events were stored", len(o.stored), len(o.failed), appended+1)
}

func wantEvents(t *testing.T, s *State, want int) {
	t.Helper()
	events, err := s.Logs.Read(t.Context(), store.LogQuery{Group: "g", Limit: 10_000})
	if err != nil || len(events) != want {
		t.Errorf("%d log events are there (%v), want %d", len(events), err, want)
	}
}
