package xmlcodec

import (
	"bytes"
	"encoding/xml"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Decode reads the document data, whatever its root element is called, into v,
// a value of the member f. Of a structure only the given fields are read.
// Unknown elements are ignored. Errors are awserr's MalformedXML, which
// is S3's code for them.
//
// What it allocates is bounded by a multiple of len(data): neither entities nor
// anything outside the document is ever resolved.
func Decode(data []byte, f *plan.Field, v reflect.Value, fields []int) error {
	d := decoder{xml: xml.NewDecoder(bytes.NewReader(data)), budget: plan.Budget(len(data))}
	for {
		tok, err := d.xml.Token()
		if err != nil {
			return malformed()
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := d.value(t, f, v, fields); err != nil {
				return err
			}
			return d.end()
		case xml.Directive:
			return noDirectives()
		}
	}
}

// malformed is S3's answer to what encoding/xml cannot read. It says no more
// than S3 does.
func malformed() error {
	return awserr.New(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func invalid(format string, args ...any) error {
	return awserr.New(400, "MalformedXML", "The XML you provided did not validate against our published schema: "+format, args...)
}

func noDirectives() error { return invalid("document type declarations are not allowed") }

type decoder struct {
	xml    *xml.Decoder
	budget int
	depth  int
}

func (d *decoder) spend(n int) error {
	d.budget -= n
	if d.budget < 0 {
		return invalid("the document holds too many elements for its size")
	}
	return nil
}

// end checks that nothing but space and comments follows the root element.
func (d *decoder) end() error {
	for {
		tok, err := d.xml.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return malformed()
		}
		switch t := tok.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return invalid("text after the root element")
			}
		case xml.StartElement:
			return invalid("a second root element")
		case xml.Directive:
			return noDirectives()
		}
	}
}

// children calls child for every element in the one just opened, up to its
// end. child reads the element to its end.
func (d *decoder) children(child func(xml.StartElement) error) error {
	d.depth++
	if d.depth > maxDepth {
		return invalid("nested deeper than %d levels", maxDepth)
	}
	for {
		tok, err := d.xml.Token()
		if err != nil {
			return malformed()
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := child(t); err != nil {
				return err
			}
		case xml.EndElement:
			d.depth--
			return nil
		case xml.Directive:
			return noDirectives()
		}
	}
}

// skip reads an element to its end. Unlike xml.Decoder's own it goes by
// maxDepth.
func (d *decoder) skip(xml.StartElement) error { return d.children(d.skip) }

// text reads the text of the element just opened, to its end.
func (d *decoder) text() (string, error) {
	var out []byte
	for {
		tok, err := d.xml.Token()
		if err != nil {
			return "", malformed()
		}
		switch t := tok.(type) {
		case xml.CharData:
			out = append(out, t...)
		case xml.StartElement:
			return "", invalid("element %.64q where text was expected", t.Name.Local)
		case xml.EndElement:
			return string(out), nil
		}
	}
}

// value reads the element start into v. Of a structure it reads only the given
// fields.
func (d *decoder) value(start xml.StartElement, f *plan.Field, v reflect.Value, only []int) error {
	switch f.Kind {
	case schema.KindStructure:
		return d.structure(start, f.Node, v, only)
	case schema.KindUnion:
		if err := d.structure(start, f.Node, v, f.All()); err != nil {
			return err
		}
		if _, ok := f.Set(f.Target(v)); !ok {
			return invalid("union %s must have exactly one member set", f.Shape.Name)
		}
		return nil
	case schema.KindList:
		begin(f, v)
		return d.children(func(el xml.StartElement) error { return d.item(el, f, v) })
	case schema.KindMap:
		begin(f, v)
		return d.children(func(xml.StartElement) error { return d.entry(f, v) })
	}
	s, err := d.text()
	if err != nil {
		return err
	}
	return set(f, v, s)
}

// begin makes the list or map in v present, if empty.
func begin(f *plan.Field, v reflect.Value) {
	t := f.Target(v)
	if !t.IsNil() {
		return
	}
	if f.Kind == schema.KindList {
		t.Set(reflect.MakeSlice(t.Type(), 0, 0))
	} else {
		t.Set(reflect.MakeMap(t.Type()))
	}
}

func (d *decoder) structure(start xml.StartElement, n *plan.Node, v reflect.Value, only []int) error {
	if n.Ptr && v.IsNil() {
		if err := d.spend(n.Size); err != nil {
			return err
		}
	}
	t := n.Target(v)
	for i := range n.Fields {
		f := &n.Fields[i]
		if !f.Member.Traits.Has(schema.XMLAttribute) {
			continue
		}
		_, local, ok := strings.Cut(f.XML, ":")
		if !ok {
			local = f.XML
		}
		for _, a := range start.Attr {
			if a.Name.Local == local {
				if err := set(f, t.Field(i), a.Value); err != nil {
					return err
				}
			}
		}
	}
	err := d.children(func(el xml.StartElement) error {
		i := n.InXML(el.Name.Local)
		if i < 0 || n.Fields[i].Member.Traits.Has(schema.XMLAttribute) || len(only) < len(n.Fields) && !slices.Contains(only, i) {
			return d.skip(el)
		}
		f, slot := &n.Fields[i], t.Field(i)
		if f.Flattened {
			begin(f, slot)
			if f.Kind == schema.KindList {
				return d.item(el, f, slot)
			}
			if f.Kind == schema.KindMap {
				return d.entry(f, slot)
			}
		}
		if f.Kind == schema.KindStructure || f.Kind == schema.KindUnion {
			slot.SetZero() // a second element replaces the first, not merges with it
		}
		return d.value(el, f, slot, f.All())
	})
	n.FillDefaults(t)
	return err
}

// item appends the element el to the list in v.
func (d *decoder) item(el xml.StartElement, f *plan.Field, v reflect.Value) error {
	t := f.Target(v)
	if t.Len() == t.Cap() {
		grown := max(4, 2*t.Cap())
		if err := d.spend(grown * int(t.Type().Elem().Size())); err != nil {
			return err
		}
		t.Grow(grown - t.Len())
	}
	t.SetLen(t.Len() + 1)
	return d.value(el, f.Elem, t.Index(t.Len()-1), f.Elem.All())
}

// entryCost is about what one more entry costs a map beside its value.
const entryCost = 48

// entry adds the entry of the element just opened to the map in v.
func (d *decoder) entry(f *plan.Field, v reflect.Value) error {
	t := f.Target(v)
	elem := t.Type().Elem()
	if err := d.spend(entryCost + int(elem.Size())); err != nil {
		return err
	}
	key := reflect.New(t.Type().Key()).Elem()
	slot := reflect.New(elem).Elem()
	hasKey, hasValue := false, false
	err := d.children(func(el xml.StartElement) error {
		switch el.Name.Local {
		case f.Key.XML:
			hasKey = true
			s, err := d.text()
			key.SetString(s)
			return err
		case f.Elem.XML:
			hasValue = true
			return d.value(el, f.Elem, slot, f.Elem.All())
		}
		return d.skip(el)
	})
	if err != nil {
		return err
	}
	if !hasKey || !hasValue {
		return invalid("an entry of %s lacks its %s or %s", f.XML, f.Key.XML, f.Elem.XML)
	}
	t.SetMapIndex(key, slot)
	return nil
}

// set reads the text s into v.
func set(f *plan.Field, v reflect.Value, s string) error {
	bad := func() error { return invalid("value %.64q of %s is no %s", s, f.XML, f.Shape.Name) }
	if f.Kind == schema.KindString {
		f.Target(v).SetString(s)
		return nil
	}
	s = strings.TrimSpace(s)
	switch f.Kind {
	case schema.KindBoolean:
		// XML Schema's boolean has four words.
		switch s {
		case "true", "1":
			f.Target(v).SetBool(true)
		case "false", "0":
			f.Target(v).SetBool(false)
		default:
			return bad()
		}
	default:
		if !httpbind.SetText(f, v, s, schema.TimestampDefault) {
			return bad()
		}
	}
	return nil
}
