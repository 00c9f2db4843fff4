// Package eventstream writes the frames of application/vnd.amazon.eventstream
// and the outputs whose body is a stream of events.
// https://smithy.io/2.0/aws/amazon-eventstream.html
package eventstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// ContentType is the media type of a stream of events.
const ContentType = "application/vnd.amazon.eventstream"

// MaxPayload is the largest payload that a frame may carry, in bytes. Splitting
// what is larger is for whoever emits the events: where to cut is theirs to
// know. https://smithy.io/2.0/aws/amazon-eventstream.html allows 24 MiB, less
// the headers.
const MaxPayload = 24<<20 - 128<<10

// The types of a header's value.
const (
	typeTrue byte = iota
	typeFalse
	typeByte
	typeShort
	typeInteger
	typeLong
	typeBytes
	typeString
	typeTimestamp
)

// frame builds one message.
type frame struct {
	b   []byte
	err error
}

const prelude = 12

func newFrame(b []byte) frame {
	return frame{b: append(b[:0], make([]byte, prelude)...)}
}

func (f *frame) name(name string, typ byte) {
	if len(name) == 0 || len(name) > math.MaxUint8 {
		f.err = fmt.Errorf("eventstream: header name of %d bytes", len(name))
		return
	}
	f.b = append(f.b, byte(len(name)))
	f.b = append(f.b, name...)
	f.b = append(f.b, typ)
}

func (f *frame) str(name, value string) {
	f.name(name, typeString)
	f.sized(value)
}

func (f *frame) bytes(name string, value []byte) {
	f.name(name, typeBytes)
	f.sized(string(value))
}

func (f *frame) sized(value string) {
	if len(value) > math.MaxInt16 {
		f.err = fmt.Errorf("eventstream: header value of %d bytes", len(value))
		return
	}
	f.b = binary.BigEndian.AppendUint16(f.b, uint16(len(value)))
	f.b = append(f.b, value...)
}

func (f *frame) boolean(name string, value bool) {
	if value {
		f.name(name, typeTrue)
	} else {
		f.name(name, typeFalse)
	}
}

func (f *frame) integer(name string, bits int, value int64) {
	switch bits {
	case 8:
		f.name(name, typeByte)
		f.b = append(f.b, byte(value))
	case 16:
		f.name(name, typeShort)
		f.b = binary.BigEndian.AppendUint16(f.b, uint16(value))
	case 32:
		f.name(name, typeInteger)
		f.b = binary.BigEndian.AppendUint32(f.b, uint32(value))
	default:
		f.name(name, typeLong)
		f.b = binary.BigEndian.AppendUint64(f.b, uint64(value))
	}
}

func (f *frame) timestamp(name string, t time.Time) {
	f.name(name, typeTimestamp)
	f.b = binary.BigEndian.AppendUint64(f.b, uint64(t.UnixMilli()))
}

// finish adds the payload and the checksums and returns the whole message.
func (f *frame) finish(payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		f.err = fmt.Errorf("eventstream: payload of %d bytes", len(payload))
	}
	if f.err != nil {
		return nil, f.err
	}
	headers := len(f.b) - prelude
	f.b = append(f.b, payload...)
	binary.BigEndian.PutUint32(f.b, uint32(len(f.b)+4))
	binary.BigEndian.PutUint32(f.b[4:], uint32(headers))
	binary.BigEndian.PutUint32(f.b[8:], crc32.ChecksumIEEE(f.b[:8]))
	return binary.BigEndian.AppendUint32(f.b, crc32.ChecksumIEEE(f.b)), nil
}
