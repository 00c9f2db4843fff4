package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/paddock-run/paddock/internal/store"
)

// Blobs tests a driver of the shape of blobs.
func Blobs(t *testing.T, open func(t *testing.T) store.Blobs) {
	for name, test := range map[string]func(*testing.T, store.Blobs){
		"PutOpenDelete":     putOpenDelete,
		"Sizes":             blobSizes,
		"Reader":            blobReader,
		"StoredOnce":        storedOnce,
		"FailingSource":     failingSource,
		"CancelledContext":  blobsCancelled,
		"ReadersGoOn":       readersGoOn,
		"NamesAreNoPaths":   namesAreNoPaths,
		"ConcurrentPuts":    concurrentPuts,
		"BuffersAreNotKept": buffersAreNotKept,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// sizes lie around the limits between one way of keeping a blob and another.
var sizes = []int{0, 1, 4096, 65_536, 128<<10 - 1, 128 << 10, 128<<10 + 1, 1 << 20, 5<<20 + 17}

// content returns size bytes that are not a repetition, different for each seed.
func content(seed string, size int) []byte {
	b := make([]byte, 0, size+sha256.Size)
	for sum := sha256.Sum256([]byte(seed)); len(b) < size; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:size]
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func putBlob(t *testing.T, b store.Blobs, content []byte) string {
	t.Helper()
	blob, err := b.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if want := (store.Blob{SHA256: sumOf(content), Size: int64(len(content))}); blob != want {
		t.Fatalf("put %+v, want %+v", blob, want)
	}
	return blob.SHA256
}

func wantBlob(t *testing.T, b store.Blobs, content []byte) {
	t.Helper()
	r, err := b.Open(t.Context(), sumOf(content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) || r.Size() != int64(len(content)) {
		t.Fatalf("%d bytes (Size %d) came back of %d, or other ones", len(got), r.Size(), len(content))
	}
}

func wantNoBlob(t *testing.T, b store.Blobs, sum string) {
	t.Helper()
	r, err := b.Open(t.Context(), sum)
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("open %q: %v, %v, want ErrNotFound", sum, r, err)
	}
}

func wantBlobs(t *testing.T, b store.Blobs, contents ...[]byte) {
	t.Helper()
	want := []store.Blob{}
	for _, c := range contents {
		want = append(want, store.Blob{SHA256: sumOf(c), Size: int64(len(c))})
	}
	slices.SortFunc(want, func(a, b store.Blob) int { return strings.Compare(a.SHA256, b.SHA256) })
	got, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %v, want %v", got, want)
	}
}

func putOpenDelete(t *testing.T, b store.Blobs) {
	wantBlobs(t, b)
	small, large := content("small", 100), content("large", 300_000)
	wantNoBlob(t, b, sumOf(small))
	putBlob(t, b, small)
	putBlob(t, b, large)
	wantBlob(t, b, small)
	wantBlob(t, b, large)
	wantBlobs(t, b, small, large)
	for range 2 { // an absent one is no error
		for _, c := range [][]byte{small, large} {
			if err := b.Delete(t.Context(), sumOf(c)); err != nil {
				t.Fatal(err)
			}
			wantNoBlob(t, b, sumOf(c))
		}
	}
	wantBlobs(t, b)
	putBlob(t, b, small)
	wantBlob(t, b, small)
}

func blobSizes(t *testing.T, b store.Blobs) {
	var all [][]byte
	for _, size := range sizes {
		c := content("size", size)
		all = append(all, c)
		// Sources that give a byte or half at a time are read to their end.
		for _, r := range []io.Reader{iotest.HalfReader(bytes.NewReader(c)), iotest.DataErrReader(bytes.NewReader(c))} {
			if blob, err := b.Put(t.Context(), r); err != nil || blob.SHA256 != sumOf(c) {
				t.Fatalf("%d bytes: %v, %v", size, blob, err)
			}
		}
		wantBlob(t, b, c)
	}
	wantBlobs(t, b, all...)
}

func blobReader(t *testing.T, b store.Blobs) {
	for _, size := range sizes {
		if size > 200_000 {
			continue // byte by byte takes long, and these are kept no differently
		}
		c := content("reader", size)
		r, err := b.Open(t.Context(), putBlob(t, b, c))
		if err != nil {
			t.Fatal(err)
		}
		// Reader, Seeker and ReaderAt in every mixture.
		if err := iotest.TestReader(r, c); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func storedOnce(t *testing.T, b store.Blobs) {
	for _, size := range []int{10, 200_000} {
		c := content("once", size)
		putBlob(t, b, c)
		putBlob(t, b, c)
		wantBlob(t, b, c)
		blobs, err := b.List(t.Context())
		if err != nil || len(blobs) != 1 {
			t.Fatalf("listed %v, %v, want one", blobs, err)
		}
		if err := b.Delete(t.Context(), sumOf(c)); err != nil {
			t.Fatal(err)
		}
		wantNoBlob(t, b, sumOf(c))
	}
}

func failingSource(t *testing.T, b store.Blobs) {
	broken := errors.New("the upload broke off")
	for _, size := range []int{0, 10, 200_000, 3 << 20} {
		c := content("broken", size)
		_, err := b.Put(t.Context(), io.MultiReader(bytes.NewReader(c), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%d bytes and an error: %v", size, err)
		}
		// A source that ends early says so by this error, and is not at its end.
		_, err = b.Put(t.Context(), io.MultiReader(bytes.NewReader(c), iotest.ErrReader(io.ErrUnexpectedEOF)))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of a source that was cut off: %v", size, err)
		}
	}
	wantBlobs(t, b)
}

func blobsCancelled(t *testing.T, b store.Blobs) {
	kept := content("kept", 10)
	sum := putBlob(t, b, kept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, size := range []int{10, 200_000} {
		if _, err := b.Put(ctx, bytes.NewReader(content("never", size))); !errors.Is(err, context.Canceled) {
			t.Errorf("put: %v", err)
		}
	}
	if _, err := b.Open(ctx, sum); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if err := b.Delete(ctx, sum); !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v", err)
	}
	wantBlobs(t, b, kept)

	// While the source is being read.
	ctx, cancel = context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) { cancel(); clear(p); return len(p), nil })
	if _, err := b.Put(ctx, endless); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	wantBlobs(t, b, kept)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func readersGoOn(t *testing.T, b store.Blobs) {
	for _, size := range []int{100, 300_000} {
		c := content("deleted", size)
		r, err := b.Open(t.Context(), putBlob(t, b, c))
		if err != nil {
			t.Fatal(err)
		}
		half := make([]byte, size/2)
		if _, err := io.ReadFull(r, half); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), sumOf(c)); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(append(half, rest...), c) {
			t.Errorf("reading a deleted blob to its end: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func namesAreNoPaths(t *testing.T, b store.Blobs) {
	c := content("names", 200_000)
	sum := putBlob(t, b, c)
	for _, name := range []string{"", ".", "..", "a", "../../etc/passwd", strings.ToUpper(sum), sum[:63], sum + "0",
		strings.Repeat("z", 64), strings.Repeat("../", 21) + "x", sum[:2] + "/" + sum[:61], "\x00" + sum[1:]} {
		wantNoBlob(t, b, name)
		if err := b.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	wantBlobs(t, b, c)
}

func concurrentPuts(t *testing.T, b store.Blobs) {
	// Two workers each put the same ones, small and large.
	blob := func(worker, i int) []byte { return content(fmt.Sprint(worker/2, i), 1+i*20_000) }
	inParallel(t, 8, func(worker int) error {
		for i := range 12 {
			c := blob(worker, i)
			got, err := b.Put(t.Context(), bytes.NewReader(c))
			if err != nil {
				return err
			}
			r, err := b.Open(t.Context(), got.SHA256)
			if err != nil {
				return err
			}
			back, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				return err
			}
			if !bytes.Equal(back, c) {
				return fmt.Errorf("blob %s came back changed", got.SHA256)
			}
		}
		return nil
	})
	var all [][]byte
	for worker := 0; worker < 8; worker += 2 {
		for i := range 12 {
			all = append(all, blob(worker, i))
		}
	}
	wantBlobs(t, b, all...)
}

func buffersAreNotKept(t *testing.T, b store.Blobs) {
	c := content("buffer", 1000)
	want := bytes.Clone(c)
	putBlob(t, b, c)
	clear(c)
	r, err := b.Open(t.Context(), sumOf(want))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wantBlob(t, b, want)
}
