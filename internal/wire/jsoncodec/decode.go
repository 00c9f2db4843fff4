package jsoncodec

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// Decode reads the document data into v, a structure of node n: only the
// members of the body are read. Unknown members are ignored, null
// members are absent, and of a name that stands twice the last counts. Errors
// are awserr's SerializationException.
//
// What it allocates is bounded by a multiple of len(data), whatever the
// document declares.
func Decode(data []byte, n *plan.Node, v reflect.Value) error {
	return decode(data, n, v, false)
}

// DecodeAll is Decode for a structure of which every member is in the
// document, wherever the model binds it: that is how the JSON RPC protocols
// read an input.
func DecodeAll(data []byte, n *plan.Node, v reflect.Value) error {
	return decode(data, n, v, true)
}

// DecodeValue reads the document data, one value of the member f, into v. A
// null leaves v as it is.
func DecodeValue(data []byte, f *plan.Field, v reflect.Value) error {
	d := decoder{reader: reader{b: data}, budget: plan.Budget(len(data))}
	if d.peek() == kindNull && f.Kind != schema.KindDocument {
		if err := d.literal("null"); err != nil {
			return err
		}
		return d.end()
	}
	if err := d.value(f, v); err != nil {
		return err
	}
	return d.end()
}

func decode(data []byte, n *plan.Node, v reflect.Value, all bool) error {
	d := decoder{reader: reader{b: data}, budget: plan.Budget(len(data))}
	if d.peek() != kindObject {
		return d.mismatch(n)
	}
	if err := d.structure(n, v, all); err != nil {
		return err
	}
	return d.end()
}

// end checks that nothing follows the document.
func (d *decoder) end() error {
	if d.space(); d.p != len(d.b) {
		return d.unexpected()
	}
	return nil
}

type decoder struct {
	reader
	budget int
}

// spend accounts for bytes that are about to be allocated.
func (d *decoder) spend(n int) error {
	d.budget -= n
	if d.budget < 0 {
		return awserr.Serialization("The document holds too many elements for its size")
	}
	return nil
}

// mismatch is the error of a value that is not of n's kind, in the words of
// AWS's own front end.
func (d *decoder) mismatch(n *plan.Node) error {
	var got string
	switch d.peek() {
	case kindObject:
		return awserr.Serialization("Start of structure or map found where not expected.")
	case kindArray:
		return awserr.Serialization("Start of list found where not expected")
	case kindString:
		got = "STRING_VALUE"
	case kindNumber:
		got = "NUMBER_VALUE"
	case kindTrue:
		got = "TRUE_VALUE"
	case kindFalse:
		got = "FALSE_VALUE"
	case kindNull:
		got = "NULL_VALUE"
	default:
		return d.unexpected()
	}
	var want string
	switch n.Kind {
	case schema.KindStructure, schema.KindUnion, schema.KindMap:
		return awserr.Serialization("Unexpected token (%s), expected start of structure or map", got)
	case schema.KindList:
		return awserr.Serialization("Expected list or null")
	case schema.KindBoolean:
		want = "a Boolean"
	case schema.KindByte:
		want = "a Byte"
	case schema.KindShort:
		want = "a Short"
	case schema.KindInteger:
		want = "an Integer"
	case schema.KindLong:
		want = "a Long"
	case schema.KindFloat:
		want = "a Float"
	case schema.KindDouble:
		want = "a Double"
	case schema.KindBlob:
		want = "a Blob"
	case schema.KindTimestamp:
		want = "a Timestamp"
	default:
		want = "a String"
	}
	return awserr.Serialization("%s can not be converted to %s", got, want)
}

func (d *decoder) structure(n *plan.Node, v reflect.Value, all bool) error {
	if err := d.open(); err != nil {
		return err
	}
	if n.Ptr && v.IsNil() {
		if err := d.spend(n.Size); err != nil {
			return err
		}
	}
	t := n.Target(v)
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		i := n.Wired(key)
		if i >= 0 && !all && n.Fields[i].Member.Location != schema.InBody {
			i = -1
		}
		if i < 0 || d.peek() == kindNull {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		f := &n.Fields[i]
		slot := t.Field(i)
		if f.Kind == schema.KindStructure || f.Kind == schema.KindUnion {
			slot.SetZero() // a second value replaces the first, not merges with it
		}
		if err := d.value(f, slot); err != nil {
			return err
		}
	}
	n.FillDefaults(t)
	return nil
}

func (d *decoder) union(n *plan.Node, v reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	if err := d.spend(n.Size); err != nil {
		return err
	}
	t := n.Target(v)
	set := 0
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		i := n.Wired(key)
		typeHint := string(key) == "__type"
		if d.peek() == kindNull || typeHint {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		set++
		if i < 0 {
			return awserr.Serialization("Unknown member of union %s", n.Shape.Name)
		}
		if err := d.value(&n.Fields[i], t.Field(i)); err != nil {
			return err
		}
	}
	if set != 1 {
		return awserr.Serialization("Union %s must have exactly one member set, not %d", n.Shape.Name, set)
	}
	return nil
}

// value reads one value that is not null.
func (d *decoder) value(f *plan.Field, v reflect.Value) error {
	n := f.Node
	k := d.peek()
	switch n.Kind {
	case schema.KindStructure:
		if k == kindObject {
			return d.structure(n, v, true)
		}
	case schema.KindUnion:
		if k == kindObject {
			return d.union(n, v)
		}
	case schema.KindList:
		if k == kindArray {
			return d.list(n, v)
		}
	case schema.KindMap:
		if k == kindObject {
			return d.mapping(n, v)
		}
	case schema.KindString:
		if k == kindString {
			s, err := d.str()
			if err != nil {
				return err
			}
			n.Target(v).SetString(string(s))
			return nil
		}
	case schema.KindBoolean:
		if k == kindTrue {
			n.Target(v).SetBool(true)
			return d.literal("true")
		}
		if k == kindFalse {
			n.Target(v).SetBool(false)
			return d.literal("false")
		}
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		if k == kindNumber {
			return d.integer(n, v)
		}
	case schema.KindFloat, schema.KindDouble:
		if k == kindNumber || k == kindString {
			return d.float(n, v, k)
		}
	case schema.KindBlob:
		if k == kindString {
			return d.blob(n, v)
		}
	case schema.KindTimestamp:
		if k == kindNumber || k == kindString {
			return d.time(f, v, k)
		}
	case schema.KindDocument:
		doc, err := d.document()
		if err != nil {
			return err
		}
		if doc != nil {
			n.Target(v).Set(reflect.ValueOf(doc))
		}
		return nil
	}
	return d.mismatch(n)
}

func (d *decoder) integer(n *plan.Node, v reflect.Value) error {
	text, integer, err := d.number()
	if err != nil {
		return err
	}
	if !integer {
		return awserr.Serialization("DECIMAL_VALUE can not be converted to an integer number")
	}
	i, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || !n.SetInt(v, i) {
		return awserr.Serialization("Numeric value (%.40s) out of range of %d bits", text, plan.Bits(n.Kind))
	}
	return nil
}

func (d *decoder) float(n *plan.Node, v reflect.Value, k kind) error {
	if k == kindString {
		s, err := d.str()
		if err != nil {
			return err
		}
		switch string(s) {
		case "NaN":
			n.SetFloat(v, math.NaN())
		case "Infinity":
			n.SetFloat(v, math.Inf(1))
		case "-Infinity":
			n.SetFloat(v, math.Inf(-1))
		default:
			return awserr.Serialization("STRING_VALUE can not be converted to a %s", n.Shape.Name)
		}
		return nil
	}
	text, _, err := d.number()
	if err != nil {
		return err
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !n.SetFloat(v, x) {
		return awserr.Serialization("Numeric value (%.40s) out of range of a floating-point number", text)
	}
	return nil
}

func (d *decoder) blob(n *plan.Node, v reflect.Value) error {
	s, err := d.str()
	if err != nil {
		return err
	}
	// Not DecodedLen exactly, but an upper bound: padding is cut below.
	out := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	m, err := base64.StdEncoding.Decode(out, s)
	if err != nil {
		return awserr.Serialization("Invalid base64 in a blob")
	}
	n.Target(v).SetBytes(out[:m:m])
	return nil
}

func (d *decoder) time(f *plan.Field, v reflect.Value, k kind) error {
	format := f.Format
	if format == schema.TimestampDefault {
		format = schema.TimestampEpoch
	}
	if (k == kindNumber) != (format == schema.TimestampEpoch) {
		return d.mismatch(f.Node)
	}
	var text []byte
	var err error
	if k == kindNumber {
		text, _, err = d.number()
	} else {
		text, err = d.str()
	}
	if err != nil {
		return err
	}
	t, err := timestamp.Parse(string(text), format)
	if err != nil {
		return awserr.Serialization("Invalid timestamp: %.64q", text)
	}
	f.SetTime(v, t)
	return nil
}

func (d *decoder) list(n *plan.Node, v reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	t := n.Target(v)
	t.Set(reflect.MakeSlice(t.Type(), 0, 0))
	for first := true; ; first = false {
		more, err := d.more(first, ']')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if t.Len() == t.Cap() {
			grown := max(4, 2*t.Cap())
			if err := d.spend(grown * int(t.Type().Elem().Size())); err != nil {
				return err
			}
			t.Grow(grown - t.Len())
		}
		t.SetLen(t.Len() + 1)
		slot := t.Index(t.Len() - 1)
		if d.peek() == kindNull && n.Elem.Kind != schema.KindDocument {
			if !n.Sparse {
				return awserr.Serialization("NULL_VALUE found in a list that may hold none")
			}
			if err := d.literal("null"); err != nil {
				return err
			}
			slot.SetZero()
			continue
		}
		if err := d.value(n.Elem, slot); err != nil {
			return err
		}
	}
	return nil
}

// entryCost is about what one more entry costs a map beside its value.
const entryCost = 48

func (d *decoder) mapping(n *plan.Node, v reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	t := n.Target(v)
	if m, ok := t.Addr().Interface().(*map[string]string); ok {
		return d.strings(n, m)
	}
	out := reflect.MakeMap(t.Type())
	key := reflect.New(t.Type().Key()).Elem()
	elem := t.Type().Elem()
	slot := reflect.New(elem).Elem()
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		key.SetString(string(k))
		if err := d.spend(entryCost + int(elem.Size())); err != nil {
			return err
		}
		slot.SetZero()
		if d.peek() == kindNull && n.Elem.Kind != schema.KindDocument {
			if !n.Sparse {
				return awserr.Serialization("NULL_VALUE found in a map that may hold none")
			}
			if err := d.literal("null"); err != nil {
				return err
			}
		} else if err := d.value(n.Elem, slot); err != nil {
			return err
		}
		out.SetMapIndex(key, slot)
	}
	t.Set(out)
	return nil
}

// strings is mapping for the commonest map, which needs no reflection.
func (d *decoder) strings(n *plan.Node, m *map[string]string) error {
	out := map[string]string{}
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		key := string(k)
		if err := d.spend(entryCost); err != nil {
			return err
		}
		if d.peek() != kindString {
			return d.mismatch(n.Elem.Node)
		}
		s, err := d.str()
		if err != nil {
			return err
		}
		out[key] = string(s)
	}
	*m = out
	return nil
}

// document reads free JSON as encoding/json does with UseNumber.
func (d *decoder) document() (any, error) {
	switch d.peek() {
	case kindString:
		s, err := d.str()
		return string(s), err
	case kindNumber:
		text, _, err := d.number()
		return json.Number(text), err
	case kindTrue:
		return true, d.literal("true")
	case kindFalse:
		return false, d.literal("false")
	case kindNull:
		return nil, d.literal("null")
	case kindArray:
		if err := d.open(); err != nil {
			return nil, err
		}
		out := []any{}
		for first := true; ; first = false {
			more, err := d.more(first, ']')
			if err != nil {
				return nil, err
			}
			if !more {
				return out, nil
			}
			if err := d.spend(entryCost); err != nil {
				return nil, err
			}
			v, err := d.document()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	case kindObject:
		if err := d.open(); err != nil {
			return nil, err
		}
		out := map[string]any{}
		for first := true; ; first = false {
			more, err := d.more(first, '}')
			if err != nil {
				return nil, err
			}
			if !more {
				return out, nil
			}
			k, err := d.key()
			if err != nil {
				return nil, err
			}
			key := string(k)
			if err := d.spend(2 * entryCost); err != nil {
				return nil, err
			}
			v, err := d.document()
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
	}
	return nil, d.unexpected()
}
