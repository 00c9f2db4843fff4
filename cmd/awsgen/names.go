package main

import (
	"fmt"
	"strings"

	"github.com/paddock-run/paddock/internal/awsmodel"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// hasType reports whether a shape is a Go type of its own.
func hasType(s *schema.Shape) bool {
	switch s.Kind {
	case schema.KindStructure, schema.KindUnion:
		return true
	case schema.KindString:
		return s.Enum != nil
	}
	return false
}

// chooseNames names the types and the shapes' constants. A type that would
// take the name of something every package has gets "Shape" behind its own.
func (p *pkg) chooseNames() error {
	taken := map[string]string{"Handler": "", "Unimplemented": "", "Service": ""}
	ids := map[string]string{}
	p.types = make([]string, len(p.svc.Shapes))
	p.ids = make([]string, len(p.svc.Shapes))
	for i := range p.svc.Shapes {
		s := &p.svc.Shapes[i]
		id := "shape" + strings.TrimLeft(s.Name, "_")
		if ids[id] != "" {
			id = "shape_" + s.Name
		}
		if ids[id] != "" {
			return fmt.Errorf("shapes %s and %s make the same constant", s.Name, ids[id])
		}
		ids[id], p.ids[i] = s.Name, id
		if !hasType(s) {
			continue
		}
		name := awsmodel.ExportName(s.Name)
		if _, ok := taken[name]; ok {
			name += "Shape"
		}
		if other, ok := taken[name]; ok {
			return fmt.Errorf("shapes %s and %s make the same type", s.Name, other)
		}
		taken[name], p.types[i] = s.Name, name
	}
	return nil
}

// enumNames names the constants of the i-th shape, an enum. Where two values
// make the same name, or one makes a type's, numbers tell them apart.
func (p *pkg) enumNames(i int, taken map[string]bool) []string {
	var names []string
	for _, v := range p.svc.Shapes[i].Enum {
		base := awsmodel.EnumName(p.types[i], v)
		if base == p.types[i] {
			base += "Value"
		}
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[name] = true
		names = append(names, name)
	}
	return names
}

// fieldNames names the fields of a structure or union.
func fieldNames(s *schema.Shape) ([]string, error) {
	var names []string
	taken := map[string]bool{}
	if s.Traits.Has(schema.Exception) {
		// The methods of a generated error.
		taken["Error"], taken["ErrorShape"], taken["ErrorMessage"] = true, true, true
	}
	for _, m := range s.Members {
		n := awsmodel.ExportName(m.Name)
		if taken[n] {
			n += "Field"
		}
		if taken[n] {
			return nil, fmt.Errorf("shape %s has two members that are %s in Go", s.Name, n)
		}
		taken[n] = true
		names = append(names, n)
	}
	return names, nil
}

// goType is the Go type of a member: see the constants of schema.Kind.
func (p *pkg) goType(src *source, m *schema.Member, input bool) (string, error) {
	s := p.svc.Shape(m.Target)
	switch s.Kind {
	case schema.KindBlob:
		if m.Traits.Has(schema.Streaming) {
			src.imports["io"] = true
			if input {
				return "io.ReadCloser", nil
			}
			return "io.Reader", nil
		}
		return "[]byte", nil
	case schema.KindUnion:
		if s.Traits.Has(schema.EventStream) {
			if input {
				return "", fmt.Errorf("member %s is an event stream in an input, which no Go type stands for", m.Name)
			}
			src.imports[schemaPath] = true
			return "schema.EventStreamOf[" + p.types[m.Target] + "]", nil
		}
	}
	return p.pointerType(src, m.Target), nil
}

// pointerType is the Go type of a shape where it may be absent.
func (p *pkg) pointerType(src *source, id schema.ShapeID) string {
	t := p.valueType(src, id)
	switch p.svc.Shape(id).Kind {
	case schema.KindBlob, schema.KindDocument, schema.KindList, schema.KindMap, schema.KindStructure, schema.KindUnion:
		return t
	}
	return "*" + t
}

// valueType is the Go type of a shape as the element of a list.
func (p *pkg) valueType(src *source, id schema.ShapeID) string {
	s := p.svc.Shape(id)
	switch s.Kind {
	case schema.KindBoolean:
		return "bool"
	case schema.KindByte:
		return "int8"
	case schema.KindShort:
		return "int16"
	case schema.KindInteger:
		return "int32"
	case schema.KindLong:
		return "int64"
	case schema.KindFloat:
		return "float32"
	case schema.KindDouble:
		return "float64"
	case schema.KindString:
		if s.Enum != nil {
			return p.types[id]
		}
		return "string"
	case schema.KindBlob:
		return "[]byte"
	case schema.KindTimestamp:
		src.imports["time"] = true
		return "time.Time"
	case schema.KindDocument:
		return "any"
	case schema.KindList:
		return "[]" + p.elementType(src, s, s.Members[0].Target)
	case schema.KindMap:
		return "map[string]" + p.elementType(src, s, s.Members[1].Target)
	case schema.KindStructure, schema.KindUnion:
		return "*" + p.types[id]
	}
	panic("awsgen: unknown kind of " + s.Name)
}

func (p *pkg) elementType(src *source, container *schema.Shape, id schema.ShapeID) string {
	if container.Traits.Has(schema.Sparse) {
		return p.pointerType(src, id)
	}
	return p.valueType(src, id)
}
