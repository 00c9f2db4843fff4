package codestore_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/codestore"
	"github.com/paddock-run/paddock/internal/store"
)

// blobs is an Opener over a map; gate, when set, holds Open back.
type blobs struct {
	mu    sync.Mutex
	m     map[string][]byte
	opens atomic.Int32
	gate  chan struct{}
}

func (b *blobs) put(data []byte) string {
	sum := sha256.Sum256(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = map[string][]byte{}
	}
	b.m[hex.EncodeToString(sum[:])] = data
	return hex.EncodeToString(sum[:])
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (b *blobs) Open(ctx context.Context, sha string) (store.BlobReader, error) {
	b.opens.Add(1)
	if b.gate != nil {
		select {
		case <-b.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.m[sha]
	if !ok {
		return nil, store.ErrNotFound
	}
	return reader{bytes.NewReader(data)}, nil
}

func archiveOf(t *testing.T, name, body string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte(body))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func newStore(t *testing.T, dir string, b *blobs, grace time.Duration) *codestore.Store {
	t.Helper()
	s, err := codestore.New(codestore.Options{Dir: dir, Blobs: b, Grace: grace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestEnsureUnpacksOnce(t *testing.T) {
	b := &blobs{gate: make(chan struct{})}
	sha := b.put(archiveOf(t, "index.py", "x"))
	dir := t.TempDir()
	s := newStore(t, dir, b, 0)

	const callers = 20
	dirs := make([]string, callers)
	var wg sync.WaitGroup
	for i := range dirs {
		wg.Go(func() {
			d, err := s.Ensure(t.Context(), sha)
			if err != nil {
				t.Error(err)
			}
			dirs[i] = d
		})
	}
	close(b.gate)
	wg.Wait()
	for _, d := range dirs {
		if d != dirs[0] || !filepath.IsAbs(d) {
			t.Errorf("folders %q and %q", d, dirs[0])
		}
	}
	if got, err := os.ReadFile(filepath.Join(dirs[0], "index.py")); err != nil || string(got) != "x" {
		t.Errorf("content %q, %v", got, err)
	}
	if n := b.opens.Load(); n != 1 {
		t.Errorf("opened the blob %d times", n)
	}

	// Another process of the same boot finds the tree.
	s.Close()
	s2 := newStore(t, dir, b, 0)
	if d, err := s2.Ensure(t.Context(), sha); err != nil || d != dirs[0] {
		t.Errorf("after a restart: %q, %v", d, err)
	}
	if n := b.opens.Load(); n != 1 {
		t.Errorf("a restart unpacked again")
	}
}

func TestCallerGivesUp(t *testing.T) {
	b := &blobs{gate: make(chan struct{})}
	sha := b.put(archiveOf(t, "a", ""))
	s := newStore(t, t.TempDir(), b, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Ensure(ctx, sha); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	close(b.gate)
	if _, err := s.Ensure(t.Context(), sha); err != nil {
		t.Errorf("the work did not go on: %v", err)
	}
	if n := b.opens.Load(); n != 1 {
		t.Errorf("unpacked %d times", n)
	}
}

func TestFailures(t *testing.T) {
	b := &blobs{}
	dir := t.TempDir()
	s := newStore(t, dir, b, 0)

	bad := b.put([]byte("not a zip"))
	_, err := s.Ensure(t.Context(), bad)
	var ae *archive.Error
	if !errors.As(err, &ae) || ae.Kind != archive.Corrupt {
		t.Errorf("error %v, want a corrupt archive", err)
	}
	late := archiveOf(t, "a", "late")
	sum := sha256.Sum256(late)
	sha := hex.EncodeToString(sum[:])
	if _, err := s.Ensure(t.Context(), sha); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	b.put(late)
	if _, err := s.Ensure(t.Context(), sha); err != nil {
		t.Errorf("a failure is remembered: %v", err)
	}
	if _, err := s.Ensure(t.Context(), "../../etc"); err == nil {
		t.Error("took a path for a hash")
	}
	// Nothing half made stays.
	s.Close()
	temps, err := filepath.Glob(filepath.Join(dir, "*", "tmp-*"))
	if err != nil || len(temps) != 0 {
		t.Errorf("left %v (%v)", temps, err)
	}
	if _, err := s.Ensure(t.Context(), bad); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestReleaseAndEnsureAgain(t *testing.T) {
	b := &blobs{}
	sha := b.put(archiveOf(t, "a", "x"))
	s := newStore(t, t.TempDir(), b, time.Millisecond)
	dir, err := s.Ensure(t.Context(), sha)
	if err != nil {
		t.Fatal(err)
	}
	s.Release(sha)
	waitGone(t, dir)
	if _, err := s.Ensure(t.Context(), sha); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("not unpacked again: %v", err)
	}
}

func TestEnsureCancelsRelease(t *testing.T) {
	b := &blobs{}
	kept, gone := b.put(archiveOf(t, "a", "kept")), b.put(archiveOf(t, "a", "gone"))
	s := newStore(t, t.TempDir(), b, 20*time.Millisecond)
	keptDir, _ := s.Ensure(t.Context(), kept)
	goneDir, _ := s.Ensure(t.Context(), gone)
	s.Release(kept)
	if _, err := s.Ensure(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	s.Release(gone) // its timer began later: once it has run, kept's would have
	waitGone(t, goneDir)
	if _, err := os.Stat(keptDir); err != nil {
		t.Errorf("removed although asked for again: %v", err)
	}
}

// waitGone waits until a path is no more.
func waitGone(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is still there", path)
		}
	}
}

func TestSweepAndLeftOvers(t *testing.T) {
	b := &blobs{}
	used, unused, asked := b.put(archiveOf(t, "a", "1")), b.put(archiveOf(t, "a", "2")), b.put(archiveOf(t, "a", "3"))
	dir := t.TempDir()
	s := newStore(t, dir, b, 0)
	paths := map[string]string{}
	for _, sha := range []string{used, unused, asked} {
		p, err := s.Ensure(t.Context(), sha)
		if err != nil {
			t.Fatal(err)
		}
		paths[sha] = p
	}
	s.Close()
	half := filepath.Join(filepath.Dir(paths[used]), "tmp-1-KILLED")
	old := filepath.Join(dir, "boot-0000000000000000")
	for _, d := range []string{half, filepath.Join(old, used)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	s = newStore(t, dir, b, 0)
	if _, err := s.Ensure(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), func(sha string) bool { return sha == used }); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{half, old, paths[unused]} {
		waitGone(t, p)
	}
	for _, sha := range []string{used, asked} {
		if _, err := os.Stat(paths[sha]); err != nil {
			t.Errorf("swept what is in use: %v", err)
		}
	}
}
