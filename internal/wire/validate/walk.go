package validate

import (
	"cmp"
	"reflect"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// An input of megabytes may be wrong in millions of places. What is reported
// of one is limited, so that an answer stays small: AWS's own limits are not
// known, and no honest client meets these.
const (
	maxFound   = 100 // violations in an input
	maxFoundIn = 32  // violations in one list or map, before the rest of it is left alone
)

// A walk goes through one input.
type walk struct {
	svc    *schema.Service
	root   *schema.Shape
	path   []Step
	found  []Violation
	hidden int // how many of the shapes around are sensitive
}

// A within is the list or map that a value is an element, key or value of; its
// zero is none.
type within struct {
	node *node
	v    reflect.Value
}

var walks = sync.Pool{New: func() any { return new(walk) }}

func (w *walk) free() {
	clear(w.path[:cap(w.path)])
	w.path, w.found, w.svc, w.root = w.path[:0], nil, nil, nil
	walks.Put(w)
}

// check returns nil where v is right, else a walk with what it found; the
// caller frees it.
func check(svc *schema.Service, id schema.ShapeID, v any) *walk {
	if id == schema.NoShape {
		return nil
	}
	rv := reflect.ValueOf(v).Elem()
	n := planFor(svc, id, rv.Type())
	if !n.checked {
		return nil
	}
	w := walks.Get().(*walk)
	w.svc, w.root = svc, n.shape
	w.structure(n, rv)
	if w.found == nil {
		w.free()
		return nil
	}
	return w
}

func (w *walk) push(s Step) { w.path = append(w.path, s) }
func (w *walk) pop()        { w.path = w.path[:len(w.path)-1] }

func (w *walk) structure(n *node, v reflect.Value) {
	for i := range n.fields {
		f := &n.fields[i]
		fv := v.Field(f.index)
		absent := false
		switch fv.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
			absent = fv.IsNil()
		}
		if absent && !f.required {
			continue
		}
		w.push(Step{Kind: ToMember, Member: f.member})
		if absent {
			w.add(Violation{Kind: NotNull, Shape: f.shape, Sensitive: f.shape.Traits.Has(schema.Sensitive)}, within{})
		} else if f.node != nil {
			if fv.Kind() == reflect.Pointer {
				fv = fv.Elem()
			}
			w.value(f.node, fv, within{})
		}
		w.pop()
	}
}

// value checks a value, which is not nil, and all that it holds.
func (w *walk) value(n *node, v reflect.Value, in within) {
	if c := n.shape.Constraint; c != nil {
		w.constraint(n, c, v, in)
	}
	sensitive := n.shape.Traits.Has(schema.Sensitive)
	if sensitive {
		w.hidden++
	}
	switch n.shape.Kind {
	case schema.KindString:
		if n.shape.Enum != nil && !slices.Contains(n.shape.Enum, v.String()) {
			w.violated(Enum, n, v, in)
		}
	case schema.KindStructure, schema.KindUnion:
		w.structure(n, v)
	case schema.KindList:
		w.list(n, v)
	case schema.KindMap:
		w.mapping(n, v)
	}
	if sensitive {
		w.hidden--
	}
}

func (w *walk) constraint(n *node, c *schema.Constraint, v reflect.Value, in within) {
	kind, low, high := Length, false, false
	switch n.shape.Kind {
	case schema.KindString:
		s := v.String()
		if c.Regexp != "" && !n.pattern().MatchString(s) {
			w.violated(Pattern, n, v, in)
		}
		if !c.HasMin && !c.HasMax {
			return
		}
		low, high = outside(c, int64(utf8.RuneCountInString(s)))
	case schema.KindBlob, schema.KindList, schema.KindMap:
		low, high = outside(c, int64(v.Len()))
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		kind = Range
		low, high = outside(c, v.Int())
	case schema.KindFloat, schema.KindDouble:
		kind = Range
		f := v.Float()
		// Written so that NaN is outside of every range.
		low, high = c.HasMin && !(f >= float64(c.Min)), c.HasMax && !(f <= float64(c.Max))
	}
	if low || high {
		w.violated(kind, n, v, in)
	}
}

func outside(c *schema.Constraint, n int64) (low, high bool) {
	return c.HasMin && n < c.Min, c.HasMax && n > c.Max
}

func (w *walk) list(n *node, v reflect.Value) {
	if n.elem == nil && !n.pointers {
		return
	}
	before := len(w.found)
	for i := range v.Len() {
		if len(w.found)-before >= maxFoundIn {
			break
		}
		w.push(Step{Kind: ToElement, Index: i})
		w.element(n, v.Index(i), within{n, v})
		w.pop()
	}
}

func (w *walk) mapping(n *node, v reflect.Value) {
	if n.key == nil && n.elem == nil && !n.pointers || v.Len() == 0 {
		return
	}
	s := n.scratch.Get().(*mapScratch)
	s.iter.Reset(v)
	before := len(w.found)
	for s.iter.Next() && len(w.found)-before < maxFoundIn {
		s.key.SetIterKey(&s.iter)
		key := s.key.String()
		if n.key != nil {
			w.push(Step{Kind: ToKey, Key: key})
			w.value(n.key, s.key, within{n, v})
			w.pop()
		}
		if n.elem != nil || n.pointers {
			s.val.SetIterValue(&s.iter)
			w.push(Step{Kind: ToValue, Key: key})
			w.element(n, s.val, within{n, v})
			w.pop()
		}
	}
	s.iter.Reset(reflect.Value{})
	s.key.SetZero()
	s.val.SetZero()
	n.scratch.Put(s)
	// Go's maps have no order; answers should have one.
	depth := len(w.path)
	slices.SortStableFunc(w.found[before:], func(a, b Violation) int {
		return cmp.Compare(a.Path[depth].Key, b.Path[depth].Key)
	})
}

// element checks an element of a list or a value of a map.
func (w *walk) element(n *node, v reflect.Value, in within) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			if n.pointers {
				w.add(Violation{Kind: NotNull, Shape: n.elemShape, Sensitive: n.elemShape.Traits.Has(schema.Sensitive)}, in)
			}
			return
		}
		v = v.Elem()
	}
	if n.elem != nil {
		w.value(n.elem, v, in)
	}
}

func (w *walk) violated(kind Kind, n *node, v reflect.Value, in within) {
	w.add(Violation{Kind: kind, Shape: n.shape, Value: plain(v), Sensitive: n.sensitive}, in)
}

func (w *walk) add(v Violation, in within) {
	if len(w.found) >= maxFound {
		return
	}
	v.svc, v.root, v.Path = w.svc, w.root, slices.Clone(w.path)
	v.Sensitive = v.Sensitive || w.hidden > 0
	if in.node != nil {
		v.holder = &holder{
			// A copy: in.v may be the scratch space of the map that it is in.
			node: in.node, value: reflect.ValueOf(in.v.Interface()), depth: len(w.path) - 1,
			sensitive: in.node.sensitive || w.hidden > 0,
		}
	}
	w.found = append(w.found, v)
}

// plain is v as an interface, an enum's value as a plain string.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}
