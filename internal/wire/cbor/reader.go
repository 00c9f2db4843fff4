// Package cbor is the server's side of rpcv2Cbor, which CloudWatch's clients
// speak first, and the part of CBOR (RFC 8949) that it needs.
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
package cbor

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/awserr"
)

// maxDepth bounds the nesting of a document: each level costs a frame of the
// goroutine's stack.
const maxDepth = 200

// The major types of RFC 8949, section 3.1.
const (
	majorUint byte = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// The simple values and floats of major type 7.
const (
	simpleFalse     = 20
	simpleTrue      = 21
	simpleNull      = 22
	simpleUndefined = 23
	float16         = 25
	float32Bits     = 26
	float64Bits     = 27
	indefinite      = 31
	breakByte       = 0xFF
)

// reader reads CBOR items from a whole document.
type reader struct {
	b     []byte
	p     int
	depth int
}

// head is the first part of an item: its major type, the five bits beside it,
// and the argument. Arguments of floats are their bits.
type head struct {
	major byte
	info  byte
	arg   uint64
}

func (h head) indefinite() bool { return h.info == indefinite }

func (r *reader) truncated() error {
	return awserr.Serialization("Unexpected end of the CBOR document at byte %d", len(r.b))
}

func (r *reader) head() (head, error) {
	if r.p >= len(r.b) {
		return head{}, r.truncated()
	}
	h := head{major: r.b[r.p] >> 5, info: r.b[r.p] & 31}
	r.p++
	size := 0
	switch {
	case h.info < 24:
		h.arg = uint64(h.info)
		return h, nil
	case h.info <= 27:
		size = 1 << (h.info - 24)
	case h.info == indefinite && (h.major >= majorBytes && h.major <= majorMap || h.major == majorSimple):
		return h, nil
	default:
		return h, awserr.Serialization("Invalid CBOR item at byte %d", r.p-1)
	}
	if len(r.b)-r.p < size {
		return h, r.truncated()
	}
	var buf [8]byte
	copy(buf[8-size:], r.b[r.p:r.p+size])
	h.arg = binary.BigEndian.Uint64(buf[:])
	r.p += size
	return h, nil
}

// peekNull steps over a null or undefined, which both mean absent, if one comes
// next.
func (r *reader) peekNull() bool {
	if r.p < len(r.b) && (r.b[r.p] == majorSimple<<5|simpleNull || r.b[r.p] == majorSimple<<5|simpleUndefined) {
		r.p++
		return true
	}
	return false
}

// take returns the next n bytes of the document.
func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)-r.p) {
		return nil, r.truncated()
	}
	b := r.b[r.p : r.p+int(n) : r.p+int(n)]
	r.p += int(n)
	return b, nil
}

// str reads the bytes of a byte or text string whose head was h. They are the
// document's own where the string is in one piece.
func (r *reader) str(h head) ([]byte, error) {
	if !h.indefinite() {
		b, err := r.take(h.arg)
		if err == nil && h.major == majorText && !utf8.Valid(b) {
			return nil, awserr.Serialization("Invalid UTF-8 in a CBOR string")
		}
		return b, err
	}
	out := []byte{}
	for !r.atBreak() {
		part, err := r.head()
		if err != nil {
			return nil, err
		}
		if part.major != h.major || part.indefinite() {
			return nil, awserr.Serialization("Invalid chunk of a CBOR string at byte %d", r.p)
		}
		b, err := r.str(part)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// atBreak steps over the end of an item of indefinite length, if it comes next.
func (r *reader) atBreak() bool {
	if r.p < len(r.b) && r.b[r.p] == breakByte {
		r.p++
		return true
	}
	return false
}

// open steps into an array or map.
func (r *reader) open() error {
	r.depth++
	if r.depth > maxDepth {
		return awserr.Serialization("The document is nested deeper than %d levels", maxDepth)
	}
	return nil
}

// each calls entry for every entry of the array or map whose head was h.
func (r *reader) each(h head, entry func() error) error {
	if err := r.open(); err != nil {
		return err
	}
	defer func() { r.depth-- }()
	if h.indefinite() {
		for !r.atBreak() {
			if err := entry(); err != nil {
				return err
			}
		}
		return nil
	}
	// Every entry has at least one byte: no need to count to 2^64.
	if h.arg > uint64(len(r.b)-r.p) {
		return r.truncated()
	}
	for range h.arg {
		if err := entry(); err != nil {
			return err
		}
	}
	return nil
}

// skip reads over one item, checking its form.
func (r *reader) skip() error {
	h, err := r.head()
	if err != nil {
		return err
	}
	switch h.major {
	case majorBytes, majorText:
		_, err := r.str(h)
		return err
	case majorArray:
		return r.each(h, r.skip)
	case majorMap:
		return r.each(h, func() error {
			if err := r.skip(); err != nil {
				return err
			}
			return r.skip()
		})
	case majorTag:
		if err := r.open(); err != nil {
			return err
		}
		defer func() { r.depth-- }()
		return r.skip()
	case majorSimple:
		if h.indefinite() {
			return awserr.Serialization("Unexpected end of a CBOR item at byte %d", r.p-1)
		}
	}
	return nil
}

// number is the value of a float's head, and false for any other head.
func number(h head) (float64, bool) {
	switch h.major {
	case majorUint:
		return float64(h.arg), true
	case majorNegative:
		return -1 - float64(h.arg), true
	case majorSimple:
		switch h.info {
		case float16:
			return half(uint16(h.arg)), true
		case float32Bits:
			return float64(math.Float32frombits(uint32(h.arg))), true
		case float64Bits:
			return math.Float64frombits(h.arg), true
		}
	}
	return 0, false
}

// half is the value of an IEEE 754 half-precision float.
func half(bits uint16) float64 {
	sign, exp, frac := bits>>15, bits>>10&31, float64(bits&0x3FF)
	var x float64
	switch {
	case exp == 31 && frac != 0:
		return math.NaN()
	case exp == 31:
		x = math.Inf(1)
	case exp == 0:
		x = math.Ldexp(frac, -24)
	default:
		x = math.Ldexp(1024+frac, int(exp)-25)
	}
	if sign == 1 {
		x = -x
	}
	return x
}
