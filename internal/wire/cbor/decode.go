package cbor

import (
	"math"
	"reflect"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// Decode reads the document data into v, a structure of node n. Unknown
// members are ignored, null members are absent, and of a key that stands twice
// the last counts. Errors are awserr's SerializationException.
//
// What it allocates is bounded by a multiple of len(data), whatever lengths
// the document declares.
func Decode(data []byte, n *plan.Node, v reflect.Value) error {
	d := decoder{reader: reader{b: data}, budget: plan.Budget(len(data))}
	h, err := d.head()
	if err != nil {
		return err
	}
	if h.major != majorMap {
		return mismatch(h, n)
	}
	if err := d.structure(h, n, v); err != nil {
		return err
	}
	if d.p != len(d.b) {
		return awserr.Serialization("Data after the CBOR document at byte %d", d.p)
	}
	return nil
}

type decoder struct {
	reader
	budget int
}

func (d *decoder) spend(n int) error {
	d.budget -= n
	if d.budget < 0 {
		return awserr.Serialization("The document holds too many elements for its size")
	}
	return nil
}

var majors = [...]string{"integer", "negative integer", "byte string", "text string", "array", "map", "tag", "simple value"}

func mismatch(h head, n *plan.Node) error {
	return awserr.Serialization("CBOR %s can not be converted to a %s", majors[h.major], n.Shape.Name)
}

func (d *decoder) key() ([]byte, error) {
	h, err := d.head()
	if err != nil {
		return nil, err
	}
	if h.major != majorText {
		return nil, awserr.Serialization("A key of a CBOR map must be a text string")
	}
	return d.str(h)
}

func (d *decoder) structure(h head, n *plan.Node, v reflect.Value) error {
	if n.Ptr && v.IsNil() {
		if err := d.spend(n.Size); err != nil {
			return err
		}
	}
	t := n.Target(v)
	err := d.each(h, func() error {
		key, err := d.key()
		if err != nil {
			return err
		}
		i := n.Wired(key)
		if i < 0 {
			return d.skip()
		}
		if d.peekNull() {
			return nil
		}
		f, slot := &n.Fields[i], t.Field(i)
		if f.Kind == schema.KindStructure || f.Kind == schema.KindUnion {
			slot.SetZero() // a second value replaces the first, not merges with it
		}
		return d.value(f, slot)
	})
	if err != nil {
		return err
	}
	n.FillDefaults(t)
	return nil
}

func (d *decoder) union(h head, n *plan.Node, v reflect.Value) error {
	if err := d.spend(n.Size); err != nil {
		return err
	}
	t := n.Target(v)
	set := 0
	err := d.each(h, func() error {
		key, err := d.key()
		if err != nil {
			return err
		}
		typeHint := string(key) == "__type"
		i := n.Wired(key)
		switch {
		case typeHint:
			return d.skip()
		case d.peekNull():
			return nil
		case i < 0:
			return awserr.Serialization("Unknown member of union %s", n.Shape.Name)
		}
		set++
		return d.value(&n.Fields[i], t.Field(i))
	})
	if err != nil {
		return err
	}
	if set != 1 {
		return awserr.Serialization("Union %s must have exactly one member set, not %d", n.Shape.Name, set)
	}
	return nil
}

// value reads one item that is not null.
func (d *decoder) value(f *plan.Field, v reflect.Value) error {
	n := f.Node
	h, err := d.head()
	if err != nil {
		return err
	}
	switch n.Kind {
	case schema.KindStructure:
		if h.major == majorMap {
			return d.structure(h, n, v)
		}
	case schema.KindUnion:
		if h.major == majorMap {
			return d.union(h, n, v)
		}
	case schema.KindList:
		if h.major == majorArray {
			return d.list(h, n, v)
		}
	case schema.KindMap:
		if h.major == majorMap {
			return d.mapping(h, n, v)
		}
	case schema.KindString:
		if h.major == majorText {
			s, err := d.str(h)
			if err != nil {
				return err
			}
			n.Target(v).SetString(string(s))
			return nil
		}
	case schema.KindBlob:
		if h.major == majorBytes && v.Kind() != reflect.Interface {
			s, err := d.str(h)
			if err != nil {
				return err
			}
			n.Target(v).SetBytes(append(make([]byte, 0, len(s)), s...))
			return nil
		}
	case schema.KindBoolean:
		if h.major == majorSimple && (h.info == simpleTrue || h.info == simpleFalse) {
			n.Target(v).SetBool(h.info == simpleTrue)
			return nil
		}
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		if h.major == majorUint || h.major == majorNegative {
			return integer(h, n, v)
		}
	case schema.KindFloat, schema.KindDouble:
		if x, ok := number(h); ok {
			if !n.SetFloat(v, x) {
				return awserr.Serialization("Numeric value %g out of range of a floating-point number", x)
			}
			return nil
		}
	case schema.KindTimestamp:
		if h.major == majorTag && h.arg == 1 {
			return d.time(n, v)
		}
	}
	return mismatch(h, n)
}

func integer(h head, n *plan.Node, v reflect.Value) error {
	if h.arg <= math.MaxInt64 {
		i := int64(h.arg)
		if h.major == majorNegative {
			i = -1 - i
		}
		if n.SetInt(v, i) {
			return nil
		}
	}
	return awserr.Serialization("Numeric value out of range of %d bits", plan.Bits(n.Kind))
}

func (d *decoder) time(n *plan.Node, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	x, ok := number(h)
	if !ok {
		return mismatch(h, n)
	}
	t, err := timestamp.FromEpoch(x)
	if err != nil {
		return awserr.Serialization("Invalid timestamp: %g", x)
	}
	n.SetTime(v, t)
	return nil
}

func (d *decoder) list(h head, n *plan.Node, v reflect.Value) error {
	t := n.Target(v)
	t.Set(reflect.MakeSlice(t.Type(), 0, 0))
	return d.each(h, func() error {
		if t.Len() == t.Cap() {
			grown := max(4, 2*t.Cap())
			if err := d.spend(grown * int(t.Type().Elem().Size())); err != nil {
				return err
			}
			t.Grow(grown - t.Len())
		}
		t.SetLen(t.Len() + 1)
		slot := t.Index(t.Len() - 1)
		if d.peekNull() {
			slot.SetZero()
			if !n.Sparse {
				return awserr.Serialization("null found in a list that may hold none")
			}
			return nil
		}
		return d.value(n.Elem, slot)
	})
}

// entryCost is about what one more entry costs a map beside its value.
const entryCost = 48

func (d *decoder) mapping(h head, n *plan.Node, v reflect.Value) error {
	t := n.Target(v)
	out := reflect.MakeMap(t.Type())
	key := reflect.New(t.Type().Key()).Elem()
	elem := t.Type().Elem()
	slot := reflect.New(elem).Elem()
	err := d.each(h, func() error {
		k, err := d.key()
		if err != nil {
			return err
		}
		key.SetString(string(k))
		if err := d.spend(entryCost + int(elem.Size())); err != nil {
			return err
		}
		slot.SetZero()
		if d.peekNull() {
			if !n.Sparse {
				return awserr.Serialization("null found in a map that may hold none")
			}
		} else if err := d.value(n.Elem, slot); err != nil {
			return err
		}
		out.SetMapIndex(key, slot)
		return nil
	})
	t.Set(out)
	return err
}
