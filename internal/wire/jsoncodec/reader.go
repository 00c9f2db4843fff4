// Package jsoncodec reads and writes shapes as JSON documents: the bodies of
// restJson1 and of awsJson 1.0 and 1.1.
package jsoncodec

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/awserr"
)

// maxDepth bounds the nesting of a document. AWS's own limits lie lower
// (DynamoDB takes 32), and each level costs a frame of the goroutine's stack.
const maxDepth = 200

// reader is a strict JSON reader (RFC 8259) over a whole document.
type reader struct {
	b     []byte
	p     int
	depth int
	// scratch holds the last string that had escapes.
	scratch []byte
}

// kind says what stands at the reader's position.
type kind byte

const (
	kindEOF    kind = 0
	kindObject kind = '{'
	kindArray  kind = '['
	kindString kind = '"'
	kindNumber kind = '0'
	kindTrue   kind = 't'
	kindFalse  kind = 'f'
	kindNull   kind = 'n'
	kindBad    kind = '?'
)

func (r *reader) space() {
	for r.p < len(r.b) {
		switch r.b[r.p] {
		case ' ', '\t', '\n', '\r':
			r.p++
		default:
			return
		}
	}
}

// peek skips white space and says what comes next.
func (r *reader) peek() kind {
	r.space()
	if r.p >= len(r.b) {
		return kindEOF
	}
	switch c := r.b[r.p]; c {
	case '{', '[', '"', 't', 'f', 'n':
		return kind(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return kindNumber
	}
	return kindBad
}

func (r *reader) unexpected() error {
	if r.p >= len(r.b) {
		return awserr.Serialization("Unexpected end-of-input at byte %d", r.p)
	}
	return awserr.Serialization("Unexpected character (%s) at byte %d", strconv.QuoteRune(rune(r.b[r.p])), r.p)
}

// open steps into an object or array.
func (r *reader) open() error {
	r.p++
	r.depth++
	if r.depth > maxDepth {
		return awserr.Serialization("The document is nested deeper than %d levels", maxDepth)
	}
	return nil
}

// more steps to the next entry of an object or array that end closes, over the
// comma before it, and reports whether there is one.
func (r *reader) more(first bool, end byte) (bool, error) {
	r.space()
	if r.p >= len(r.b) {
		return false, r.unexpected()
	}
	if r.b[r.p] == end {
		r.p++
		r.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if r.b[r.p] != ',' {
		return false, r.unexpected()
	}
	r.p++
	return true, nil
}

// key reads a member's name and the colon after it. The bytes are valid until
// the next string is read.
func (r *reader) key() ([]byte, error) {
	if r.peek() != kindString {
		return nil, r.unexpected()
	}
	k, err := r.str()
	if err != nil {
		return nil, err
	}
	r.space()
	if r.p >= len(r.b) || r.b[r.p] != ':' {
		return nil, r.unexpected()
	}
	r.p++
	return k, nil
}

// str reads a string. The bytes are valid until the next string is read.
func (r *reader) str() ([]byte, error) {
	start := r.p + 1
	ascii := true
	for i := start; i < len(r.b); i++ {
		c := r.b[i]
		switch {
		case c == '"':
			s := r.b[start:i]
			if !ascii && !utf8.Valid(s) {
				return nil, awserr.Serialization("Invalid UTF-8 in a string at byte %d", start)
			}
			r.p = i + 1
			return s, nil
		case c == '\\':
			return r.escaped(start, i)
		case c < 0x20:
			r.p = i
			return nil, r.unexpected()
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.p = len(r.b)
	return nil, r.unexpected()
}

// escaped reads the rest of a string that began at start and has its first
// escape at i.
func (r *reader) escaped(start, i int) ([]byte, error) {
	out := append(r.scratch[:0], r.b[start:i]...)
	for i < len(r.b) {
		c := r.b[i]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return nil, awserr.Serialization("Invalid UTF-8 in a string at byte %d", start)
			}
			r.scratch = out
			r.p = i + 1
			return out, nil
		case c < 0x20:
			r.p = i
			return nil, r.unexpected()
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(r.b) {
			break
		}
		i += 2
		switch e := r.b[i-1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c1, ok := r.hex4(i)
			if !ok {
				r.p = i
				return nil, awserr.Serialization("Invalid \\u escape at byte %d", i)
			}
			i += 4
			if utf16.IsSurrogate(c1) {
				c1 = utf8.RuneError
				if i+1 < len(r.b) && r.b[i] == '\\' && r.b[i+1] == 'u' {
					first, _ := r.hex4(i - 4)
					second, ok := r.hex4(i + 2)
					if full := utf16.DecodeRune(first, second); ok && full != utf8.RuneError {
						c1 = full
						i += 6
					}
				}
			}
			out = utf8.AppendRune(out, c1)
		default:
			r.p = i - 1
			return nil, r.unexpected()
		}
	}
	r.p = len(r.b)
	return nil, r.unexpected()
}

func (r *reader) hex4(i int) (rune, bool) {
	if i+4 > len(r.b) {
		return 0, false
	}
	var v rune
	for _, c := range r.b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// number reads a number and reports whether it is written as an integer.
func (r *reader) number() (text []byte, integer bool, err error) {
	start := r.p
	i := r.p
	digits := func() bool {
		from := i
		for i < len(r.b) && r.b[i] >= '0' && r.b[i] <= '9' {
			i++
		}
		return i > from
	}
	if r.b[i] == '-' {
		i++
	}
	lead := i
	if !digits() || (r.b[lead] == '0' && i > lead+1) {
		r.p = lead
		return nil, false, r.unexpected()
	}
	integer = true
	if i < len(r.b) && r.b[i] == '.' {
		integer = false
		i++
		if !digits() {
			r.p = i
			return nil, false, r.unexpected()
		}
	}
	if i < len(r.b) && (r.b[i] == 'e' || r.b[i] == 'E') {
		integer = false
		i++
		if i < len(r.b) && (r.b[i] == '+' || r.b[i] == '-') {
			i++
		}
		if !digits() {
			r.p = i
			return nil, false, r.unexpected()
		}
	}
	r.p = i
	return r.b[start:i], integer, nil
}

// literal reads the word w: true, false or null.
func (r *reader) literal(w string) error {
	if len(r.b)-r.p < len(w) || string(r.b[r.p:r.p+len(w)]) != w {
		return r.unexpected()
	}
	r.p += len(w)
	return nil
}

// skip reads over one value, checking its syntax.
func (r *reader) skip() error {
	switch r.peek() {
	case kindString:
		_, err := r.str()
		return err
	case kindNumber:
		_, _, err := r.number()
		return err
	case kindTrue:
		return r.literal("true")
	case kindFalse:
		return r.literal("false")
	case kindNull:
		return r.literal("null")
	case kindObject:
		if err := r.open(); err != nil {
			return err
		}
		for first := true; ; first = false {
			more, err := r.more(first, '}')
			if err != nil || !more {
				return err
			}
			if _, err := r.key(); err != nil {
				return err
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	case kindArray:
		if err := r.open(); err != nil {
			return err
		}
		for first := true; ; first = false {
			more, err := r.more(first, ']')
			if err != nil || !more {
				return err
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	}
	return r.unexpected()
}
