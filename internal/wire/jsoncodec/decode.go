package jsoncodec

import (
	"reflect"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
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
