package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// writeSchema writes the service's table. Everything in it is a constant or a
// function that captures nothing, so the linker lays it out and nothing runs
// at program start (TestTablesAreStatic).
func (p *pkg) writeSchema(src *source) error {
	src.doc = fmt.Sprintf("// Package %s is %s: the shapes of its model, its errors, and the Handler that\n// implements it.\n", p.name, p.svc.FullName)
	src.imports["context"], src.imports[schemaPath] = true, true
	s := p.svc
	src.f("// Service is the model of %s.\nvar Service = schema.Service{\n", s.FullName)
	for _, f := range []struct{ name, value string }{
		{"ID", s.ID}, {"FullName", s.FullName}, {"APIVersion", s.APIVersion}, {"SigningName", s.SigningName},
		{"EndpointPrefix", s.EndpointPrefix}, {"TargetPrefix", s.TargetPrefix},
		{"JSONVersion", s.JSONVersion}, {"XMLNamespace", s.XMLNamespace},
		{"ValidationCode", s.ValidationCode},
	} {
		if f.value != "" {
			src.f("%s: %q,\n", f.name, f.value)
		}
	}
	src.f("Protocols: []schema.Protocol{")
	for i, pr := range s.Protocols {
		c, ok := protocolNames[pr]
		if !ok {
			return fmt.Errorf("unknown protocol %q", pr)
		}
		if i > 0 {
			src.f(", ")
		}
		src.f("%s", c)
	}
	src.f("},\n")
	if s.QueryCompatible {
		src.f("QueryCompatible: true,\n")
	}
	if s.WrapsBody {
		src.f("WrapsBody: true,\n")
	}
	src.f("Shapes: []schema.Shape{\n")
	for i := range s.Shapes {
		p.writeShape(src, i)
	}
	src.f("},\nOperations: []schema.Operation{\n")
	for i := range s.Operations {
		p.writeOperation(src, &s.Operations[i])
	}
	src.f("},\n}\n\n")
	src.f("// The shapes' places in Service.Shapes.\nconst (\n")
	for i, id := range p.ids {
		if i == 0 {
			src.f("%s schema.ShapeID = iota\n", id)
		} else {
			src.f("%s\n", id)
		}
	}
	src.f(")\n")
	return nil
}

var protocolNames = map[schema.Protocol]string{
	schema.RestJSON: "schema.RestJSON", schema.RestXML: "schema.RestXML", schema.AWSJSON: "schema.AWSJSON",
	schema.Query: "schema.Query", schema.CBOR: "schema.CBOR",
}

var kindNames = map[schema.Kind]string{
	schema.KindBoolean: "Boolean", schema.KindByte: "Byte", schema.KindShort: "Short", schema.KindInteger: "Integer",
	schema.KindLong: "Long", schema.KindFloat: "Float", schema.KindDouble: "Double", schema.KindString: "String",
	schema.KindBlob: "Blob", schema.KindTimestamp: "Timestamp", schema.KindDocument: "Document", schema.KindList: "List",
	schema.KindMap: "Map", schema.KindStructure: "Structure", schema.KindUnion: "Union",
}

var timestampNames = map[schema.TimestampFormat]string{
	schema.TimestampEpoch: "schema.TimestampEpoch", schema.TimestampISO8601: "schema.TimestampISO8601",
	schema.TimestampHTTP: "schema.TimestampHTTP",
}

var locationNames = map[schema.Location]string{
	schema.InURI: "schema.InURI", schema.InQuery: "schema.InQuery", schema.InQueryParams: "schema.InQueryParams",
	schema.InHeader: "schema.InHeader", schema.InHeaders: "schema.InHeaders", schema.InStatusCode: "schema.InStatusCode",
}

var shapeTraitNames = []string{
	"Sensitive", "Flattened", "Sparse", "EventStream", "EventShape", "Wrapper", "Exception", "RequiresLength",
	"JSONValue", "Unwrapped", "NotNullElements",
}

var memberTraitNames = []string{
	"Required", "Payload", "Streaming", "MemberFlattened", "XMLAttribute", "IdempotencyToken", "EventPayload",
	"EventHeader", "HostLabel", "MemberJSONValue", "Unchecked",
}

// literal collects the fields of a composite literal that are not zero.
type literal []string

func (l *literal) str(field, v string) {
	if v != "" {
		*l = append(*l, field+": "+goString(v))
	}
}

func (l *literal) raw(field, v string) {
	if v != "" {
		*l = append(*l, field+": "+v)
	}
}

func (l *literal) bool(field string, v bool) {
	if v {
		*l = append(*l, field+": true")
	}
}

func (l literal) String() string { return strings.Join(l, ", ") }

// goString quotes with backquotes where that is easier to read: patterns.
func goString(s string) string {
	if strings.Contains(s, `\`) && strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func traits(set uint16, names []string) string {
	var on []string
	for i, n := range names {
		if set&(1<<i) != 0 {
			on = append(on, "schema."+n)
		}
	}
	return strings.Join(on, " | ")
}

func (p *pkg) writeShape(src *source, i int) {
	s := &p.svc.Shapes[i]
	var l literal
	l.str("Name", s.Name)
	l.raw("Kind", "schema.Kind"+kindNames[s.Kind])
	l.raw("Traits", traits(uint16(s.Traits), shapeTraitNames))
	l.raw("TimestampFormat", timestampNames[s.TimestampFormat])
	if c := s.Constraint; c != nil {
		var cl literal
		if c.HasMin {
			if c.Min != 0 {
				cl.raw("Min", strconv.FormatInt(c.Min, 10))
			}
			cl.bool("HasMin", true)
		}
		if c.HasMax {
			if c.Max != 0 {
				cl.raw("Max", strconv.FormatInt(c.Max, 10))
			}
			cl.bool("HasMax", true)
		}
		cl.str("Pattern", c.Pattern)
		cl.str("Regexp", c.Regexp)
		l.raw("Constraint", "&schema.Constraint{"+cl.String()+"}")
	}
	if s.Enum != nil {
		var vs []string
		for _, v := range s.Enum {
			vs = append(vs, strconv.Quote(v))
		}
		l.raw("Enum", "[]string{"+strings.Join(vs, ", ")+"}")
	}
	if e := s.Error; e != nil {
		var el literal
		el.str("Code", e.Code)
		el.raw("Status", strconv.Itoa(e.Status))
		el.bool("SenderFault", e.SenderFault)
		l.raw("Error", "&schema.ErrorTrait{"+el.String()+"}")
	}
	l.str("XMLName", s.XMLName)
	l.str("XMLNamespace", s.XMLNamespace)
	l.str("XMLPrefix", s.XMLPrefix)
	switch {
	case len(s.Members) == 0:
		src.f("{%s},\n", l)
	case s.Kind == schema.KindList || s.Kind == schema.KindMap:
		var ms []string
		for j := range s.Members {
			ms = append(ms, p.memberLiteral(&s.Members[j]))
		}
		src.f("{%s, Members: []schema.Member{%s}},\n", l, strings.Join(ms, ", "))
	default:
		src.f("{%s, Members: []schema.Member{\n", l)
		for j := range s.Members {
			src.f("%s,\n", p.memberLiteral(&s.Members[j]))
		}
		src.f("}},\n")
	}
}

func (p *pkg) memberLiteral(m *schema.Member) string {
	var l literal
	l.str("Name", m.Name)
	l.str("LocationName", m.LocationName)
	l.raw("Target", p.ids[m.Target])
	l.raw("Location", locationNames[m.Location])
	l.raw("Traits", traits(uint16(m.Traits), memberTraitNames))
	l.raw("TimestampFormat", timestampNames[m.TimestampFormat])
	l.str("XMLNamespace", m.XMLNamespace)
	l.str("XMLPrefix", m.XMLPrefix)
	l.str("QueryName", m.QueryName)
	return "{" + l.String() + "}"
}

func (p *pkg) writeOperation(src *source, op *schema.Operation) {
	var l literal
	l.str("Name", op.Name)
	l.str("Method", op.Method)
	l.str("URI", op.URI)
	if op.Status != 0 {
		l.raw("Status", strconv.Itoa(op.Status))
	}
	l.raw("Input", p.shapeConst(op.Input))
	l.raw("Output", p.shapeConst(op.Output))
	l.str("ResultWrapper", op.ResultWrapper)
	l.str("InputName", op.InputName)
	l.str("InputNamespace", op.InputNamespace)
	l.bool("ChecksumRequired", op.ChecksumRequired)
	l.bool("NoAuth", op.NoAuth)
	src.f("{\n%s,\n", l)
	if op.Errors != nil {
		var es []string
		for _, e := range op.Errors {
			es = append(es, p.ids[e])
		}
		src.f("Errors: []schema.ShapeID{%s},\n", strings.Join(es, ", "))
	}
	in, _ := p.opTypes(op)
	src.f("NewInput: func() any { return new(%s) },\n", in)
	src.f("Call: func(ctx context.Context, h, in any) (any, error) { return h.(Handler).%s(ctx, in.(*%s)) },\n},\n", op.Name, in)
}

func (p *pkg) shapeConst(id schema.ShapeID) string {
	if id == schema.NoShape {
		return "schema.NoShape"
	}
	return p.ids[id]
}
