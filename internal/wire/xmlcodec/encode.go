// Package xmlcodec reads and writes shapes as XML: the bodies of restXml, and
// the answers of awsQuery.
// https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings
package xmlcodec

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// maxDepth bounds the nesting of a document: each level costs a frame of the
// goroutine's stack.
const maxDepth = 200

// Names says by which names members go.
type Names uint8

const (
	XML   Names = iota // restXml's
	Query              // awsQuery's, which some services have beside another protocol's
)

func (k Names) of(f *plan.Field) string {
	if k == Query {
		return f.Query
	}
	return f.XML
}

// Encoder writes XML elements to B.
type Encoder struct {
	B     []byte
	Names Names
	depth int
}

// Open writes a start tag with a namespace, where there is one.
func (e *Encoder) Open(name, prefix, namespace string) {
	e.B = append(append(e.B, '<'), name...)
	e.namespace(prefix, namespace)
	e.B = append(e.B, '>')
}

func (e *Encoder) namespace(prefix, namespace string) {
	if namespace == "" {
		return
	}
	e.B = append(e.B, " xmlns"...)
	if prefix != "" {
		e.B = append(append(e.B, ':'), prefix...)
	}
	e.B = append(e.B, '=', '"')
	e.B = appendEscaped(e.B, namespace)
	e.B = append(e.B, '"')
}

// Close writes an end tag.
func (e *Encoder) Close(name string) {
	e.B = append(append(append(e.B, '<', '/'), name...), '>')
}

// Text writes an element that holds text.
func (e *Encoder) Text(name, text string) {
	e.Open(name, "", "")
	e.B = appendEscaped(e.B, text)
	e.Close(name)
}

// Chars writes text within an element.
func (e *Encoder) Chars(text string) { e.B = appendEscaped(e.B, text) }

// Members writes the given fields of the structure v as elements, one after
// the other, without those that are absent.
func (e *Encoder) Members(n *plan.Node, v reflect.Value, fields []int) error {
	e.depth++
	if e.depth > maxDepth {
		return fmt.Errorf("xml: %s is nested deeper than %d levels", n.Shape.Name, maxDepth)
	}
	for _, i := range fields {
		f := &n.Fields[i]
		slot := v.Field(i)
		if _, ok := f.Value(slot); !ok || f.Member.Traits.Has(schema.XMLAttribute) {
			continue
		}
		if err := e.field(f, slot); err != nil {
			return err
		}
	}
	e.depth--
	return nil
}

// Element writes the structure or union v as an element called name.
func (e *Encoder) Element(name, prefix, namespace string, n *plan.Node, v reflect.Value, fields []int) error {
	e.B = append(append(e.B, '<'), name...)
	e.namespace(prefix, namespace)
	for _, i := range fields {
		f := &n.Fields[i]
		if !f.Member.Traits.Has(schema.XMLAttribute) {
			continue
		}
		if a, ok := f.Value(v.Field(i)); ok {
			s, err := text(f, a)
			if err != nil {
				return err
			}
			e.B = append(append(append(e.B, ' '), e.Names.of(f)...), '=', '"')
			e.B = appendEscaped(e.B, s)
			e.B = append(e.B, '"')
		}
	}
	e.B = append(e.B, '>')
	if err := e.Members(n, v, fields); err != nil {
		return err
	}
	e.Close(name)
	return nil
}

// field writes a member that is present.
func (e *Encoder) field(f *plan.Field, slot reflect.Value) error {
	name := e.Names.of(f)
	v, _ := f.Value(slot)
	switch f.Kind {
	case schema.KindList:
		if f.Flattened {
			// Each item has the namespace that items of the list have anywhere.
			m := f.Member
			if f.Elem.Member.XMLNamespace != "" {
				m = f.Elem.Member
			}
			return e.items(name, m, f.Node, v)
		}
		e.Open(name, f.Member.XMLPrefix, f.Member.XMLNamespace)
		if err := e.items(e.Names.of(f.Elem), f.Elem.Member, f.Node, v); err != nil {
			return err
		}
		e.Close(name)
		return nil
	case schema.KindMap:
		if f.Flattened {
			return e.entries(name, f.Member, f.Node, v)
		}
		e.Open(name, f.Member.XMLPrefix, f.Member.XMLNamespace)
		if err := e.entries("entry", nil, f.Node, v); err != nil {
			return err
		}
		e.Close(name)
		return nil
	}
	return e.value(name, f.Member, f, v)
}

// value writes one element; m is the member whose namespace it has.
func (e *Encoder) value(name string, m *schema.Member, f *plan.Field, v reflect.Value) error {
	prefix, namespace := m.XMLPrefix, m.XMLNamespace
	switch f.Kind {
	case schema.KindStructure, schema.KindUnion:
		// A shape's own namespace is a root element's; only a prefix, which its
		// members are named by, has to be declared wherever it stands.
		if namespace == "" && f.Shape.XMLPrefix != "" {
			prefix, namespace = f.Shape.XMLPrefix, f.Shape.XMLNamespace
		}
		if f.Kind == schema.KindUnion {
			if _, ok := f.Set(v); !ok {
				return fmt.Errorf("xml: union %s must have exactly one member set", f.Shape.Name)
			}
		}
		return e.Element(name, prefix, namespace, f.Node, v, f.All())
	case schema.KindList, schema.KindMap:
		e.Open(name, prefix, namespace)
		var err error
		if f.Kind == schema.KindList {
			err = e.items(e.Names.of(f.Elem), f.Elem.Member, f.Node, v)
		} else {
			err = e.entries("entry", nil, f.Node, v)
		}
		e.Close(name)
		return err
	}
	s, err := text(f, v)
	if err != nil {
		return err
	}
	e.Open(name, prefix, namespace)
	e.B = appendEscaped(e.B, s)
	e.Close(name)
	return nil
}

// items writes the elements of a list, each called name.
func (e *Encoder) items(name string, m *schema.Member, n *plan.Node, v reflect.Value) error {
	for i := range v.Len() {
		item, ok := n.Elem.Value(v.Index(i))
		if !ok {
			e.Open(name, m.XMLPrefix, m.XMLNamespace)
			e.Close(name)
			continue
		}
		if err := e.value(name, m, n.Elem, item); err != nil {
			return err
		}
	}
	return nil
}

// entries writes the entries of a map, each called name.
func (e *Encoder) entries(name string, m *schema.Member, n *plan.Node, v reflect.Value) error {
	for _, k := range plan.Keys(v) {
		if m != nil {
			e.Open(name, m.XMLPrefix, m.XMLNamespace)
		} else {
			e.Open(name, "", "")
		}
		if err := e.value(e.Names.of(n.Key), n.Key.Member, n.Key, k); err != nil {
			return err
		}
		valueName := e.Names.of(n.Elem)
		if item, ok := n.Elem.Value(v.MapIndex(k)); ok {
			if err := e.value(valueName, n.Elem.Member, n.Elem, item); err != nil {
				return err
			}
		} else {
			e.Open(valueName, "", "")
			e.Close(valueName)
		}
		e.Close(name)
	}
	return nil
}

// text is the text of a simple value.
func text(f *plan.Field, v reflect.Value) (string, error) {
	switch f.Kind {
	case schema.KindString:
		return v.String(), nil
	case schema.KindBoolean:
		return strconv.FormatBool(v.Bool()), nil
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		return strconv.FormatInt(v.Int(), 10), nil
	case schema.KindFloat:
		return httpbind.FormatFloat(v.Float(), 32), nil
	case schema.KindDouble:
		return httpbind.FormatFloat(v.Float(), 64), nil
	case schema.KindTimestamp:
		return timestamp.Format(plan.Time(v), f.Format), nil
	case schema.KindBlob:
		if v.Kind() == reflect.Slice {
			return base64.StdEncoding.EncodeToString(v.Bytes()), nil
		}
	}
	return "", fmt.Errorf("xml: shape %s has no XML form", f.Shape.Name)
}

// appendEscaped writes s as text or as an attribute's value. What XML 1.0
// cannot hold at all, control characters, becomes U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		var esc string
		size := 1
		switch c := s[i]; {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&quot;"
		case c == '\r':
			esc = "&#xD;"
		case c == '\n':
			esc = "&#xA;"
		case c < 0x20 && c != '\t':
			esc = "\uFFFD"
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1, r == 0xFFFE, r == 0xFFFF:
				esc = "\uFFFD"
			case r == 0x85:
				esc = "&#x85;"
			case r == 0x2028:
				esc = "&#x2028;"
			}
		}
		if esc != "" {
			b = append(b, s[start:i]...)
			b = append(b, esc...)
			start = i + size
		}
		i += size
	}
	return append(b, s[start:]...)
}
