package main

import "github.com/paddock-run/paddock/internal/wire/schema"

// writeErrors writes the exceptions with the methods of schema.ModeledError.
func (p *pkg) writeErrors(src *source) error {
	for i := range p.svc.Shapes {
		s := &p.svc.Shapes[i]
		if !s.Traits.Has(schema.Exception) {
			continue
		}
		src.imports[schemaPath] = true
		t := p.types[i]
		src.f("// %s is an error of the model of %s, sent with HTTP status %d.\n", t, p.svc.FullName, s.Error.Status)
		if err := p.writeStruct(src, i, false); err != nil {
			return err
		}
		src.f("// ErrorMessage is the text for the client; empty where there is none.\n")
		src.f("func (e *%s) ErrorMessage() string {\nif e.Message == nil {\nreturn \"\"\n}\nreturn string(*e.Message)\n}\n\n", t)
		src.f("func (e *%s) Error() string { return %q + e.ErrorMessage() }\n\n", t, s.Name+": ")
		src.f("// ErrorShape is the exception's place in Service.Shapes.\n")
		src.f("func (e *%s) ErrorShape() schema.ShapeID { return %s }\n\n", t, p.ids[i])
	}
	return nil
}
