package blobfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ErrDamaged is what a sequential read ends with when the content is not the
// one that was stored.
var ErrDamaged = errors.New("the stored content is damaged: it does not have its hash")

type source interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// blobReader hashes what is read for the first time in order, wherever else a
// reader may have been before: a server looks at the end, to know the size, and
// at the beginning, to know the type, and reads then.
type blobReader struct {
	source
	sum    [32]byte
	size   int64
	pos    int64
	hash   hash.Hash
	hashed int64 // the bytes from the start that hash has seen
}

func newReader(sum [32]byte, s source, size int64) *blobReader {
	return &blobReader{source: s, sum: sum, size: size, hash: sha256.New()}
}

// Size returns the size in bytes.
func (b *blobReader) Size() int64 { return b.size }

// Read reads on. The last bytes of damaged content are withheld.
func (b *blobReader) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	end := b.pos + int64(n)
	if b.pos <= b.hashed && b.hashed < end {
		b.hash.Write(p[b.hashed-b.pos : n])
		b.hashed = end
	}
	b.pos = end
	atEnd := err == io.EOF || err == nil && end >= b.size
	if atEnd && b.hashed == end && !bytes.Equal(b.hash.Sum(nil), b.sum[:]) {
		return 0, fmt.Errorf("blob %x: %w", b.sum, ErrDamaged)
	}
	return n, err
}

// Seek implements [io.Seeker].
func (b *blobReader) Seek(offset int64, whence int) (int64, error) {
	pos, err := b.source.Seek(offset, whence)
	if err == nil {
		b.pos = pos
	}
	return pos, err
}
