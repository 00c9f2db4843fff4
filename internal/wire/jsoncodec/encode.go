package jsoncodec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// Append writes the structure v of node n to b as JSON: the members of a
// response's body, without those that are absent. The error is of a value that no document
// can hold, a server's fault.
func Append(b []byte, n *plan.Node, v reflect.Value) ([]byte, error) {
	t, ok := n.Value(v)
	if !ok {
		return append(b, '{', '}'), nil
	}
	e := encoder{b: append(b, '{')}
	err := e.fields(n, t, n.BodyOut, true)
	return append(e.b, '}'), err
}

// AppendValue writes v, a value of the member f. An absent structure is {},
// any other absent value null.
func AppendValue(b []byte, f *plan.Field, v reflect.Value) ([]byte, error) {
	if _, ok := f.Value(v); !ok && f.Kind == schema.KindStructure {
		return append(b, '{', '}'), nil
	}
	e := encoder{b: b}
	err := e.value(f, v)
	return e.b, err
}

// AppendMembers writes every member of the structure v, whatever the model
// binds it to, without the braces; where first is false, with a comma before
// each. It is for the documents of the JSON RPC protocols and for errors, which
// put more beside the members.
func AppendMembers(b []byte, n *plan.Node, v reflect.Value, first bool) ([]byte, error) {
	t, ok := n.Value(v)
	if !ok {
		return b, nil
	}
	e := encoder{b: b}
	err := e.fields(n, t, everything, first)
	return e.b, err
}

// AppendFields writes the given fields of the structure v as a document.
func AppendFields(b []byte, n *plan.Node, v reflect.Value, fields []int) ([]byte, error) {
	e := encoder{b: append(b, '{')}
	if fields == nil {
		fields = []int{}
	}
	err := e.fields(n, v, fields, true)
	return append(e.b, '}'), err
}

// everything stands for all the fields of a node.
var everything []int

type encoder struct {
	b     []byte
	depth int
}

// fields writes the members of t that only lists, or everything.
func (e *encoder) fields(n *plan.Node, t reflect.Value, only []int, first bool) error {
	e.depth++
	if e.depth > maxDepth {
		return fmt.Errorf("json: %s is nested deeper than %d levels", n.Shape.Name, maxDepth)
	}
	count := len(n.Fields)
	if only != nil {
		count = len(only)
	}
	for j := range count {
		i := j
		if only != nil {
			i = only[j]
		}
		f := &n.Fields[i]
		slot := t.Field(i)
		if _, ok := f.Value(slot); !ok {
			if !f.Default.IsValid() || f.Default.IsZero() {
				continue
			}
			slot = f.Default
		}
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		e.b = AppendString(e.b, f.Wire)
		e.b = append(e.b, ':')
		if err := e.value(f, slot); err != nil {
			return err
		}
	}
	e.depth--
	return nil
}

func (e *encoder) value(f *plan.Field, v reflect.Value) error {
	n := f.Node
	t, ok := n.Value(v)
	if !ok {
		e.b = append(e.b, "null"...)
		return nil
	}
	switch n.Kind {
	case schema.KindStructure:
		e.b = append(e.b, '{')
		err := e.fields(n, t, everything, true)
		e.b = append(e.b, '}')
		return err
	case schema.KindUnion:
		i, ok := n.Set(t)
		if !ok {
			return fmt.Errorf("json: union %s must have exactly one member set", n.Shape.Name)
		}
		e.b = append(e.b, '{')
		e.b = AppendString(e.b, n.Fields[i].Wire)
		e.b = append(e.b, ':')
		err := e.value(&n.Fields[i], t.Field(i))
		e.b = append(e.b, '}')
		return err
	case schema.KindList:
		e.b = append(e.b, '[')
		for i := range t.Len() {
			if i > 0 {
				e.b = append(e.b, ',')
			}
			if err := e.value(n.Elem, t.Index(i)); err != nil {
				return err
			}
		}
		e.b = append(e.b, ']')
	case schema.KindMap:
		return e.mapping(n, t)
	case schema.KindString:
		e.b = AppendString(e.b, t.String())
	case schema.KindBoolean:
		e.b = strconv.AppendBool(e.b, t.Bool())
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		e.b = strconv.AppendInt(e.b, t.Int(), 10)
	case schema.KindFloat:
		e.b = appendFloat(e.b, t.Float(), 32)
	case schema.KindDouble:
		e.b = appendFloat(e.b, t.Float(), 64)
	case schema.KindBlob:
		if t.Kind() != reflect.Slice {
			return fmt.Errorf("json: %s is a stream and stands in no document", n.Shape.Name)
		}
		e.b = append(e.b, '"')
		e.b = base64.StdEncoding.AppendEncode(e.b, t.Bytes())
		e.b = append(e.b, '"')
	case schema.KindTimestamp:
		e.time(f.Format, t)
	case schema.KindDocument:
		// Marshal, not Encoder: a document is small, and HTML escapes are as
		// valid as what they stand for.
		doc, err := json.Marshal(t.Interface())
		if err != nil {
			return err
		}
		e.b = append(e.b, doc...)
	default:
		return fmt.Errorf("json: shape %s has no JSON form", n.Shape.Name)
	}
	return nil
}

func (e *encoder) time(format schema.TimestampFormat, t reflect.Value) {
	if format == schema.TimestampDefault || format == schema.TimestampEpoch {
		e.b = timestamp.AppendEpoch(e.b, plan.Time(t).UTC())
		return
	}
	e.b = append(e.b, '"')
	e.b = timestamp.Append(e.b, plan.Time(t), format)
	e.b = append(e.b, '"')
}

// mapping writes a map with its keys in order: answers do not change from one
// call to the next for no reason.
func (e *encoder) mapping(n *plan.Node, t reflect.Value) error {
	e.b = append(e.b, '{')
	if m, ok := t.Interface().(map[string]string); ok {
		for i, k := range sortedKeys(m) {
			if i > 0 {
				e.b = append(e.b, ',')
			}
			e.b = AppendString(e.b, k)
			e.b = append(e.b, ':')
			e.b = AppendString(e.b, m[k])
		}
		e.b = append(e.b, '}')
		return nil
	}
	for i, k := range plan.Keys(t) {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = AppendString(e.b, k.String())
		e.b = append(e.b, ':')
		if err := e.value(n.Elem, t.MapIndex(k)); err != nil {
			return err
		}
	}
	e.b = append(e.b, '}')
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

const hex = "0123456789abcdef"

// AppendString writes s to b as a JSON string. Bytes that are no UTF-8 become
// U+FFFD: every client refuses the whole answer otherwise.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
