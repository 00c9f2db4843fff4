package blobfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/sqlite"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func openBlobs(t testing.TB, dir string, withSmall bool) *Blobs {
	t.Helper()
	var small Small
	if withSmall {
		db, err := sqlite.Open(filepath.Join(dir, "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		if small, err = sqlite.NewContents(db); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Open(filepath.Join(dir, "blobs"), small)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlobs(t *testing.T) {
	for _, withSmall := range []bool{false, true} {
		t.Run(fmt.Sprintf("small=%t", withSmall), func(t *testing.T) {
			storetest.Blobs(t, func(t *testing.T) store.Blobs { return openBlobs(t, t.TempDir(), withSmall) })
		})
	}
}

func putBytes(t *testing.T, b *Blobs, content []byte) string {
	t.Helper()
	blob, err := b.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return blob.SHA256
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	b := openBlobs(t, dir, false)
	sum := putBytes(t, b, []byte("content"))
	// What a crash leaves: half a blob, and a folder without one.
	leftover := filepath.Join(dir, "blobs", incoming, "blob-123")
	if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "00"), 0o700); err != nil {
		t.Fatal(err)
	}
	b = openBlobs(t, dir, false)
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	blobs, err := b.List(t.Context())
	if err != nil || len(blobs) != 1 || blobs[0].SHA256 != sum {
		t.Errorf("after reopening: %v, %v", blobs, err)
	}
}

func TestNothingIsLeftInIncoming(t *testing.T) {
	dir := t.TempDir()
	b := openBlobs(t, dir, false)
	putBytes(t, b, []byte("content"))
	if _, err := b.Put(t.Context(), io.MultiReader(bytes.NewReader([]byte("x")), failing{})); err == nil {
		t.Fatal("put of a failing source passed")
	}
	entries, err := os.ReadDir(filepath.Join(dir, "blobs", incoming))
	if err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("fails") }

// damaged returns a store whose one blob was changed behind its back.
func damaged(t *testing.T, change func(path string) error) (*Blobs, []byte, string) {
	t.Helper()
	b := openBlobs(t, t.TempDir(), false)
	content := bytes.Repeat([]byte("0123456789"), 20_000)
	sum := putBytes(t, b, content)
	if err := change(b.path(sum)); err != nil {
		t.Fatal(err)
	}
	return b, content, sum
}

func flipAByte(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{'X'}, 100_000)
	return errors.Join(err, f.Close())
}

func TestDamageIsNoticed(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"flipped":   flipAByte,
		"truncated": func(path string) error { return os.Truncate(path, 199_999) },
		"emptied":   func(path string) error { return os.Truncate(path, 0) },
		"longer":    func(path string) error { return os.Truncate(path, 200_001) },
	} {
		t.Run(name, func(t *testing.T) {
			b, content, sum := damaged(t, change)
			r, err := b.Open(t.Context(), sum)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if n, err := io.Copy(io.Discard, r); !errors.Is(err, ErrDamaged) {
				t.Errorf("read %d bytes, %v; want ErrDamaged", n, err)
			}
			// Storing it again mends it.
			if putBytes(t, b, content) != sum {
				t.Fatal("another hash")
			}
			mended, err := b.Open(t.Context(), sum)
			if err != nil {
				t.Fatal(err)
			}
			defer mended.Close()
			if got, err := io.ReadAll(mended); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after storing it again: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestDamageIsNoticedAfterSeeks reads as an HTTP server does: to the end for
// the size, the start for the type, and then from the start.
func TestDamageIsNoticedAfterSeeks(t *testing.T) {
	b, _, sum := damaged(t, flipAByte)
	r, err := b.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if size, err := r.Seek(0, io.SeekEnd); err != nil || size != r.Size() {
		t.Fatal(size, err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 512); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want ErrDamaged", err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{2 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20} {
		for _, withSmall := range []bool{true, false} {
			if withSmall && size > SmallLimit {
				continue
			}
			b.Run(fmt.Sprintf("bytes=%d/small=%t/clients=16", size, withSmall), func(b *testing.B) {
				blobs := openBlobs(b, b.TempDir(), withSmall)
				content := make([]byte, size)
				random := rand.NewChaCha8(sha256.Sum256(nil))
				if _, err := random.Read(content); err != nil {
					b.Fatal(err)
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				b.SetBytes(int64(size))
				b.ResetTimer()
				for range 16 {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							id := bytes.NewReader(fmt.Appendf(nil, "%020d", i))
							if _, err := blobs.Put(b.Context(), io.MultiReader(id, bytes.NewReader(content[20:]))); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}
