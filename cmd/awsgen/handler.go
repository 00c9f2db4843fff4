package main

import "github.com/paddock-run/paddock/internal/wire/schema"

// opTypes are the Go types of an operation's input and output.
func (p *pkg) opTypes(op *schema.Operation) (in, out string) {
	in, out = "schema.Unit", "schema.Unit"
	if op.Input != schema.NoShape {
		in = p.types[op.Input]
	}
	if op.Output != schema.NoShape {
		out = p.types[op.Output]
	}
	return in, out
}

// writeHandler writes the interface of the service and its empty implementation.
func (p *pkg) writeHandler(src *source) error {
	src.imports["context"], src.imports[schemaPath] = true, true
	src.f("// Handler is %s: one method an operation. An input is never nil, and\n", p.svc.FullName)
	src.f("// an output must not be where the error is.\ntype Handler interface {\n")
	for i := range p.svc.Operations {
		op := &p.svc.Operations[i]
		in, out := p.opTypes(op)
		src.f("%s(ctx context.Context, in *%s) (*%s, error)\n", op.Name, in, out)
	}
	src.f("}\n\n")
	src.f("// Unimplemented answers every operation with schema.NotImplementedError. A\n")
	src.f("// service embeds it and has methods of its own for what it does implement.\n")
	src.f("type Unimplemented struct{}\n\nvar _ Handler = Unimplemented{}\n\n")
	for i := range p.svc.Operations {
		op := &p.svc.Operations[i]
		in, out := p.opTypes(op)
		src.f("// %s is not implemented.\n", op.Name)
		src.f("func (Unimplemented) %s(context.Context, *%s) (*%s, error) {\n", op.Name, in, out)
		src.f("return nil, &schema.NotImplementedError{Service: %q, Operation: %q}\n}\n\n", p.svc.ID, op.Name)
	}
	return nil
}
