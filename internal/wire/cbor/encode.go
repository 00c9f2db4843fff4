package cbor

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// AppendFields writes the given fields of the structure v as a map of definite
// length, without those that are absent. The error is of a value that has no
// CBOR form, a server's fault.
func AppendFields(b []byte, n *plan.Node, v reflect.Value, fields []int) ([]byte, error) {
	e := encoder{b: b}
	err := e.fields(n, v, fields)
	return e.b, err
}

type encoder struct {
	b     []byte
	depth int
}

func appendHead(b []byte, major byte, arg uint64) []byte {
	m := major << 5
	switch {
	case arg < 24:
		return append(b, m|byte(arg))
	case arg <= math.MaxUint8:
		return append(b, m|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, m|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, m|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(b, m|27), arg)
}

// appendText writes a text string. Bytes that are no UTF-8 become U+FFFD: a
// client refuses the whole answer otherwise.
func appendText(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendInt(b []byte, i int64) []byte {
	if i < 0 {
		return appendHead(b, majorNegative, uint64(-1-i))
	}
	return appendHead(b, majorUint, uint64(i))
}

func appendFloat64(b []byte, x float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, majorSimple<<5|float64Bits), math.Float64bits(x))
}

// appendTime writes tag 1: whole seconds as an integer, others as a double of
// millisecond precision.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, majorTag<<5|1)
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return appendInt(b, ms/1000)
	}
	return appendFloat64(b, float64(ms)/1000)
}

// text is an entry of a map that is no member.
type text struct{ key, value string }

// fields writes a map of the given fields that are present, and of more.
func (e *encoder) fields(n *plan.Node, t reflect.Value, fields []int, more ...text) error {
	e.depth++
	if e.depth > maxDepth {
		return fmt.Errorf("cbor: %s is nested deeper than %d levels", n.Shape.Name, maxDepth)
	}
	defer func() { e.depth-- }()
	count := len(more)
	for range present(n, t, fields) {
		count++
	}
	e.b = appendHead(e.b, majorMap, uint64(count))
	for _, m := range more {
		e.b = appendText(appendText(e.b, m.key), m.value)
	}
	for f, v := range present(n, t, fields) {
		e.b = appendText(e.b, f.Wire)
		if err := e.value(f, v); err != nil {
			return err
		}
	}
	return nil
}

// present yields the fields of t that are there, or have a default; of the
// given ones, or of all where fields is nil.
func present(n *plan.Node, t reflect.Value, fields []int) iter.Seq2[*plan.Field, reflect.Value] {
	return func(yield func(*plan.Field, reflect.Value) bool) {
		count := len(n.Fields)
		if fields != nil {
			count = len(fields)
		}
		for j := range count {
			i := j
			if fields != nil {
				i = fields[j]
			}
			f, v := &n.Fields[i], t.Field(i)
			if _, ok := f.Value(v); !ok {
				if !f.Default.IsValid() || f.Default.IsZero() {
					continue
				}
				v = f.Default
			}
			if !yield(f, v) {
				return
			}
		}
	}
}

func (e *encoder) value(f *plan.Field, v reflect.Value) error {
	n := f.Node
	t, ok := n.Value(v)
	if !ok {
		e.b = append(e.b, majorSimple<<5|simpleNull)
		return nil
	}
	switch n.Kind {
	case schema.KindStructure:
		return e.fields(n, t, nil)
	case schema.KindUnion:
		i, ok := n.Set(t)
		if !ok {
			return fmt.Errorf("cbor: union %s must have exactly one member set", n.Shape.Name)
		}
		e.b = appendText(appendHead(e.b, majorMap, 1), n.Fields[i].Wire)
		return e.value(&n.Fields[i], t.Field(i))
	case schema.KindList:
		e.b = appendHead(e.b, majorArray, uint64(t.Len()))
		for i := range t.Len() {
			if err := e.value(n.Elem, t.Index(i)); err != nil {
				return err
			}
		}
	case schema.KindMap:
		e.b = appendHead(e.b, majorMap, uint64(t.Len()))
		for _, k := range plan.Keys(t) {
			e.b = appendText(e.b, k.String())
			if err := e.value(n.Elem, t.MapIndex(k)); err != nil {
				return err
			}
		}
	case schema.KindString:
		e.b = appendText(e.b, t.String())
	case schema.KindBoolean:
		e.b = append(e.b, majorSimple<<5|simpleFalse)
		if t.Bool() {
			e.b[len(e.b)-1] = majorSimple<<5 | simpleTrue
		}
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		e.b = appendInt(e.b, t.Int())
	case schema.KindFloat:
		e.b = binary.BigEndian.AppendUint32(append(e.b, majorSimple<<5|float32Bits), math.Float32bits(float32(t.Float())))
	case schema.KindDouble:
		e.b = appendFloat64(e.b, t.Float())
	case schema.KindTimestamp:
		e.b = appendTime(e.b, plan.Time(t))
	case schema.KindBlob:
		if t.Kind() != reflect.Slice {
			return fmt.Errorf("cbor: %s is a stream and stands in no document", n.Shape.Name)
		}
		e.b = append(appendHead(e.b, majorBytes, uint64(t.Len())), t.Bytes()...)
	default:
		return fmt.Errorf("cbor: shape %s has no CBOR form", n.Shape.Name)
	}
	return nil
}
