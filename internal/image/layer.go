package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// layer makes sure that a layer is unpacked, and returns how many bytes it has.
// folders are those below it; limit is how many it may have.
func (s *Store) layer(ctx context.Context, r reference, l layer, chain string, folders []string, limit int64) (size int64, err error) {
	release, err := s.turn(ctx, chain)
	if err != nil {
		return 0, err
	}
	defer release()
	folder := s.at(layersFolder, chain)
	if _, err := os.Lstat(folder); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.sizes[chain], nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	aside := s.aside()
	if err := os.Mkdir(aside, 0o755); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			s.remove(aside)
		}
	}()
	if err := os.Chmod(aside, 0o755); err != nil { // whatever the umask
		return 0, err
	}
	if size, err = s.unpack(ctx, r, l, aside, folders, limit); err != nil {
		return 0, err
	}
	if err := syncTree(aside); err != nil {
		return 0, err
	}
	if err := os.Rename(aside, folder); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.sizes[chain] = size
	s.mu.Unlock()
	return size, syncFolder(s.at(layersFolder))
}

// turn waits until nobody else unpacks the layer.
func (s *Store) turn(ctx context.Context, chain string) (release func(), err error) {
	for {
		s.mu.Lock()
		other := s.making[chain]
		if other == nil {
			mine := make(chan struct{})
			s.making[chain] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.making, chain)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// unpack reads a layer to its end into an empty folder and compares it with its
// digests.
func (s *Store) unpack(ctx context.Context, r reference, l layer, dir string, folders []string, limit int64) (size int64, err error) {
	rc, err := l.open(ctx)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNotFound) {
		return 0, damaged(r, "its layer %s is missing", l.name())
	}
	if err != nil {
		return 0, err
	}
	defer rc.Close() // was only read
	stored := &hashed{r: rc, sum: sha256.New(), left: 1<<63 - 1, over: errLonger}
	if l.size >= 0 {
		stored.left = l.size
	}
	plain, closePlain, err := decompress(stored)
	if err != nil {
		return 0, s.layerFault(r, l, err)
	}
	defer closePlain()
	// A tar has headers besides its files: a thousandth for these, and 64 MB.
	unpacked := &hashed{r: plain, sum: sha256.New(), left: limit + limit/1000 + 64<<20, over: errTooLong}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close() // files were closed before
	under, err := openBelow(folders)
	if err != nil {
		return 0, err
	}
	defer func() { _ = under.close() }() // were only read
	if err := newUnpacker(root, under, s.opts.OwnFiles).unpack(ctx, unpacked); err != nil {
		return 0, s.layerFault(r, l, err)
	}
	// What follows the archive's end is part of what was hashed.
	for _, rest := range []io.Reader{unpacked, stored} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return 0, s.layerFault(r, l, err)
		}
	}
	switch {
	case l.size >= 0 && stored.n < l.size:
		return 0, damaged(r, "its layer %s is truncated: %d of %d bytes are there", l.name(), stored.n, l.size)
	case l.digest != "" && stored.digest() != l.digest:
		return 0, damaged(r, "its layer %s has the wrong digest %s", l.name(), stored.digest())
	case unpacked.digest() != l.diffID:
		return 0, damaged(r, "its layer %s unpacks to the wrong digest %s; its configuration says %s", l.name(), unpacked.digest(), l.diffID)
	}
	return unpacked.n, nil
}

// name is what a layer is known by.
func (l *layer) name() string {
	if l.digest != "" {
		return l.digest
	}
	return l.diffID
}

// layerFault tells a layer's faults from this machine's.
func (s *Store) layerFault(r reference, l layer, err error) error {
	var bad *malformed
	var path *fs.PathError
	var link *os.LinkError
	var known *function.ImageError
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, errTooLong):
		return s.tooLarge(r)
	case errors.As(err, &bad):
		return damaged(r, "its layer %s has %v", l.name(), err)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return damaged(r, "its layer %s is truncated", l.name())
	case errors.As(err, &path) || errors.As(err, &link):
		return fmt.Errorf("unpack layer %s of image %s: %w", l.name(), r, err)
	}
	return damaged(r, "its layer %s cannot be read: %v", l.name(), err)
}

var (
	errTooLong = errors.New("over the limit")
	errLonger  = errors.New("it is longer than its manifest says")
)

// hashed counts and hashes what is read through it.
type hashed struct {
	r    io.Reader
	sum  hash.Hash
	n    int64
	left int64
	over error // of who reads more than left
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n]) // never fails
	h.n += int64(n)
	if h.n > h.left {
		return n, h.over
	}
	return n, err
}

func (h *hashed) digest() string { return "sha256:" + hex.EncodeToString(h.sum.Sum(nil)) }

// decompress reads what a layer's stream begins like: gzip, Zstandard or a plain
// tar, whatever its media type says.
func decompress(r io.Reader) (_ io.Reader, end func(), err error) {
	b := bufio.NewReaderSize(r, 256<<10)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil // its errors are those of Read
	case slices.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// A window of 128 MB is the most that zstd itself takes unasked.
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return b, func() {}, nil
}

// extensions lists the files in an image's /opt/extensions, sorted.
func extensions(folders []string) (names []string, err error) {
	b, err := openBelow(folders)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.close() }() // were only read
	all, err := b.list("opt/extensions")
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		info, there, err := b.lstat("opt/extensions/" + name)
		if err != nil {
			return nil, err
		}
		if there && !info.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}
