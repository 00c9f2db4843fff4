package edge

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// entropy keeps random bytes at hand: one system call makes 64 request IDs.
type entropy struct {
	bytes [64 * 16]byte
	used  int
}

var entropies = sync.Pool{New: func() any { return &entropy{used: len(entropy{}.bytes)} }}

// newRequestID makes a UUID, version 4 (RFC 9562).
func newRequestID() string {
	e := entropies.Get().(*entropy)
	if e.used == len(e.bytes) {
		_, _ = rand.Read(e.bytes[:]) // it never fails: it ends the program instead
		e.used = 0
	}
	id := [16]byte(e.bytes[e.used:])
	e.used += 16
	entropies.Put(e)

	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
