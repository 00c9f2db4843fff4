package main

import (
	"fmt"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// writeTypes writes the structures, unions and enums that are no exceptions.
func (p *pkg) writeTypes(src *source) error {
	inputs, outputs := map[schema.ShapeID]bool{}, map[schema.ShapeID]bool{}
	for _, op := range p.svc.Operations {
		inputs[op.Input], outputs[op.Output] = true, true
	}
	taken := map[string]bool{}
	for _, t := range p.types {
		taken[t] = true
	}
	for i := range p.svc.Shapes {
		s, id := &p.svc.Shapes[i], schema.ShapeID(i)
		if p.types[i] == "" || s.Traits.Has(schema.Exception) {
			continue
		}
		src.f("// %s is a shape of the model of %s.\n", p.types[i], p.svc.FullName)
		if s.Kind == schema.KindString {
			p.writeEnum(src, i, taken)
			continue
		}
		if inputs[id] && outputs[id] && p.streams(s) {
			return fmt.Errorf("shape %s streams and is both an input and an output", s.Name)
		}
		if err := p.writeStruct(src, i, inputs[id]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pkg) streams(s *schema.Shape) bool {
	for _, m := range s.Members {
		if m.Traits.Has(schema.Streaming) || p.svc.Shape(m.Target).Traits.Has(schema.EventStream) {
			return true
		}
	}
	return false
}

func (p *pkg) writeEnum(src *source, i int, taken map[string]bool) {
	s := &p.svc.Shapes[i]
	src.f("type %s string\n\nconst (\n", p.types[i])
	for j, name := range p.enumNames(i, taken) {
		src.f("%s %s = %q\n", name, p.types[i], s.Enum[j])
	}
	src.f(")\n\n")
}

// writeStruct writes a structure, one field a member in the order of Members.
func (p *pkg) writeStruct(src *source, i int, input bool) error {
	s := &p.svc.Shapes[i]
	names, err := fieldNames(s)
	if err != nil {
		return err
	}
	src.f("type %s struct {\n", p.types[i])
	for j := range s.Members {
		t, err := p.goType(src, &s.Members[j], input)
		if err != nil {
			return fmt.Errorf("shape %s: %w", s.Name, err)
		}
		src.f("%s %s\n", names[j], t)
	}
	if s.Traits.Has(schema.Exception) && messageField(names) == "" {
		src.f("// Message is not in the model; the protocols send it all the same.\nMessage *string\n")
	}
	src.f("}\n\n")
	return nil
}

// messageField is the field that holds an exception's text.
func messageField(names []string) string {
	for _, n := range names {
		if n == "Message" {
			return n
		}
	}
	return ""
}
