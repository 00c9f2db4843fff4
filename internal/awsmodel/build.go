package awsmodel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Build makes the schema of a model: the shapes that its operations reach,
// sorted by name, and its operations, sorted by name. id becomes Service.ID.
// Operation.NewInput and Call are left nil. It fails on a model that refers to
// shapes it does not have, on traits that contradict each other, and on
// patterns that RewritePattern cannot rewrite.
func Build(id string, m *Model, o Overlay) (*schema.Service, error) {
	b := &builder{model: m, shapes: maps.Clone(m.Shapes), overlay: o, ids: map[string]schema.ShapeID{}}
	ops, err := b.chooseOperations()
	if err != nil {
		return nil, err
	}
	if err := b.collect(ops); err != nil {
		return nil, err
	}
	svc := &schema.Service{
		ID:              id,
		FullName:        m.Metadata.ServiceFullName,
		APIVersion:      m.Metadata.APIVersion,
		SigningName:     cmp.Or(m.Metadata.SigningName, m.Metadata.EndpointPrefix),
		EndpointPrefix:  m.Metadata.EndpointPrefix,
		TargetPrefix:    m.Metadata.TargetPrefix,
		JSONVersion:     m.Metadata.JSONVersion,
		XMLNamespace:    cmp.Or(m.Metadata.XMLNamespace.URI, o.XMLNamespace),
		Protocols:       o.Protocols,
		QueryCompatible: m.Metadata.AWSQueryCompatible != nil,
		ValidationCode:  o.ValidationCode,
		WrapsBody:       o.WrapsBody,
	}
	if svc.Protocols == nil {
		for _, p := range m.Metadata.Protocols {
			svc.Protocols = append(svc.Protocols, schema.Protocol(p))
		}
	}
	if svc.Protocols == nil {
		svc.Protocols = []schema.Protocol{schema.Protocol(m.Metadata.Protocol)}
	}
	for _, name := range b.names {
		s, err := b.shape(name)
		if err != nil {
			return nil, fmt.Errorf("awsmodel: %s: shape %s: %w", id, name, err)
		}
		svc.Shapes = append(svc.Shapes, s)
	}
	for _, name := range ops {
		svc.Operations = append(svc.Operations, b.operation(name))
	}
	if err := b.unusedOverlay(); err != nil {
		return nil, fmt.Errorf("awsmodel: %s: %w", id, err)
	}
	return svc, nil
}

type builder struct {
	model   *Model
	shapes  map[string]Shape // the model's, and those made for members with enums
	overlay Overlay
	names   []string // of the reachable shapes, sorted
	ids     map[string]schema.ShapeID
}

func (b *builder) chooseOperations() ([]string, error) {
	if b.overlay.Operations == nil {
		return slices.Sorted(maps.Keys(b.model.Operations)), nil
	}
	ops := slices.Sorted(slices.Values(b.overlay.Operations))
	for _, op := range ops {
		if _, ok := b.model.Operations[op]; !ok {
			return nil, fmt.Errorf("awsmodel: no operation %q in %s", op, b.model.Metadata.ServiceID)
		}
	}
	return slices.Compact(ops), nil
}

// memberEnumShape names the shape made for a member that limits its values
// itself, as a few of API Gateway's do, instead of through its shape.
func memberEnumShape(shape, member string) string { return shape + ExportName(member) }

// collect finds the shapes that the operations reach and numbers them.
func (b *builder) collect(ops []string) error {
	seen := map[string]bool{}
	var visit func(from, name string) error
	visit = func(from, name string) error {
		if seen[name] {
			return nil
		}
		s, ok := b.shapes[name]
		if !ok {
			return fmt.Errorf("awsmodel: %s refers to shape %q, which is not there", from, name)
		}
		seen[name] = true
		for _, r := range []*ShapeRef{s.Member, s.Key, s.Value} {
			if r == nil {
				continue
			}
			if err := visit(name, r.Shape); err != nil {
				return err
			}
		}
		for _, e := range s.Members {
			target := e.Value.Shape
			if e.Value.Enum != nil {
				base, ok := b.shapes[target]
				if !ok || base.Type != "string" {
					return fmt.Errorf("awsmodel: %s.%s has an enum and is no string", name, e.Name)
				}
				target = memberEnumShape(name, e.Name)
				if _, taken := b.shapes[target]; taken && !seen[target] {
					return fmt.Errorf("awsmodel: shape %s is in the way of an enum's", target)
				}
				base.Enum = e.Value.Enum
				b.shapes[target] = base
			}
			if err := visit(name, target); err != nil {
				return err
			}
		}
		return nil
	}
	for _, op := range ops {
		o := b.model.Operations[op]
		for _, r := range append([]ShapeRef{deref(o.Input), deref(o.Output)}, o.Errors...) {
			if r.Shape == "" {
				continue
			}
			if err := visit(op, r.Shape); err != nil {
				return err
			}
		}
	}
	b.names = slices.Sorted(maps.Keys(seen))
	if len(b.names) >= int(schema.NoShape) {
		return fmt.Errorf("awsmodel: %d shapes are too many", len(b.names))
	}
	for i, n := range b.names {
		b.ids[n] = schema.ShapeID(i)
	}
	return nil
}

func deref(r *ShapeRef) ShapeRef {
	if r == nil {
		return ShapeRef{}
	}
	return *r
}

func (b *builder) id(r *ShapeRef) schema.ShapeID {
	if r == nil {
		return schema.NoShape
	}
	return b.ids[r.Shape]
}

func (b *builder) operation(name string) schema.Operation {
	o := b.model.Operations[name]
	op := schema.Operation{
		Name:             name,
		Method:           o.HTTP.Method,
		URI:              o.HTTP.RequestURI,
		Status:           o.HTTP.ResponseCode,
		Input:            b.id(o.Input),
		Output:           b.id(o.Output),
		ChecksumRequired: o.HTTPChecksum.RequestChecksumRequired || o.HTTPChecksumRequired,
		NoAuth:           o.AuthType == "none" || slices.Contains(o.Auth, "smithy.api#noAuth"),
	}
	if o.Input != nil {
		op.InputName, op.InputNamespace = o.Input.LocationName, o.Input.XMLNamespace.URI
	}
	if o.Output != nil && o.Output.ResultWrapper != name+"Result" {
		op.ResultWrapper = o.Output.ResultWrapper
	}
	for i := range o.Errors {
		op.Errors = append(op.Errors, b.id(&o.Errors[i]))
	}
	return op
}

var kinds = map[string]schema.Kind{
	"boolean": schema.KindBoolean, "byte": schema.KindByte, "short": schema.KindShort,
	"integer": schema.KindInteger, "long": schema.KindLong, "float": schema.KindFloat,
	"double": schema.KindDouble, "string": schema.KindString, "character": schema.KindString,
	"blob": schema.KindBlob, "timestamp": schema.KindTimestamp, "list": schema.KindList,
	"map": schema.KindMap, "structure": schema.KindStructure,
}

var timestampFormats = map[string]schema.TimestampFormat{
	"":              schema.TimestampDefault,
	"unixTimestamp": schema.TimestampEpoch,
	"iso8601":       schema.TimestampISO8601,
	"rfc822":        schema.TimestampHTTP,
}

func (b *builder) shape(name string) (schema.Shape, error) {
	s := b.shapes[name]
	out := schema.Shape{
		Name:         name,
		Kind:         kinds[s.Type],
		Enum:         s.Enum,
		XMLName:      cmp.Or(b.overlay.XMLNames[name], s.LocationName),
		XMLNamespace: s.XMLNamespace.URI,
		XMLPrefix:    s.XMLNamespace.Prefix,
	}
	switch {
	case out.Kind == schema.KindInvalid:
		return out, fmt.Errorf("unknown type %q", s.Type)
	case s.Document:
		out.Kind = schema.KindDocument
	case s.Union || s.EventStream:
		out.Kind = schema.KindUnion
	}
	for _, t := range []struct {
		set   bool
		trait schema.ShapeTrait
	}{
		{s.Sensitive, schema.Sensitive},
		{s.Flattened, schema.Flattened},
		{s.Sparse, schema.Sparse},
		{s.EventStream, schema.EventStream},
		{s.Event, schema.EventShape},
		{s.Wrapper, schema.Wrapper},
		{s.Exception, schema.Exception},
		{s.RequiresLength, schema.RequiresLength},
		{s.JSONValue, schema.JSONValue},
		{slices.Contains(b.overlay.Unwrapped, name), schema.Unwrapped},
		{(out.Kind == schema.KindList || out.Kind == schema.KindMap) && !s.Sparse && b.overlay.NotNullElements && !slices.Contains(b.overlay.NullElements, name), schema.NotNullElements},
	} {
		if t.set {
			out.Traits |= t.trait
		}
	}
	var ok bool
	if out.TimestampFormat, ok = timestampFormats[s.TimestampFormat]; !ok {
		return out, fmt.Errorf("unknown timestampFormat %q", s.TimestampFormat)
	}
	var err error
	if out.Constraint, err = constraint(s, out.Kind); err != nil {
		return out, err
	}
	if s.Exception {
		out.Error = b.errorTrait(name, s)
	}
	refs := s.Members
	switch out.Kind {
	case schema.KindList:
		if s.Member == nil {
			return out, fmt.Errorf("a list without a member")
		}
		refs = Ordered[ShapeRef]{{Name: "member", Value: *s.Member}}
	case schema.KindMap:
		if s.Key == nil || s.Value == nil {
			return out, fmt.Errorf("a map without a key or a value")
		}
		refs = Ordered[ShapeRef]{{Name: "key", Value: *s.Key}, {Name: "value", Value: *s.Value}}
	case schema.KindDocument:
		refs = nil
	}
	for _, e := range refs {
		m, err := b.member(name, s, e.Name, e.Value)
		if err != nil {
			return out, fmt.Errorf("member %s: %w", e.Name, err)
		}
		out.Members = append(out.Members, m)
	}
	return out, nil
}

func (b *builder) member(shape string, s Shape, name string, r ShapeRef) (schema.Member, error) {
	target := b.shapes[r.Shape]
	m := schema.Member{
		Name:         name,
		Target:       b.ids[r.Shape],
		QueryName:    cmp.Or(b.overlay.QueryNames[shape+"."+name], r.QueryName),
		XMLNamespace: r.XMLNamespace.URI,
		XMLPrefix:    r.XMLNamespace.Prefix,
	}
	if r.Enum != nil {
		m.Target = b.ids[memberEnumShape(shape, name)]
	}
	if r.LocationName != name {
		m.LocationName = r.LocationName
	}
	switch r.Location {
	case "":
	case "uri":
		m.Location = schema.InURI
	case "querystring":
		m.Location = schema.InQuery
		if target.Type == "map" {
			m.Location = schema.InQueryParams
		}
	case "header":
		m.Location = schema.InHeader
	case "headers":
		m.Location = schema.InHeaders
	case "statusCode":
		m.Location = schema.InStatusCode
	default:
		return m, fmt.Errorf("unknown location %q", r.Location)
	}
	payload := s.Payload == name && m.Location == schema.InBody
	for _, t := range []struct {
		set   bool
		trait schema.MemberTrait
	}{
		{slices.Contains(s.Required, name), schema.Required},
		{payload, schema.Payload},
		{(r.Streaming || target.Streaming) && target.Type == "blob", schema.Streaming},
		{r.Flattened, schema.MemberFlattened},
		{r.XMLAttribute, schema.XMLAttribute},
		{r.IdempotencyToken, schema.IdempotencyToken},
		{r.EventPayload, schema.EventPayload},
		{r.EventHeader, schema.EventHeader},
		{r.HostLabel, schema.HostLabel},
		{r.JSONValue, schema.MemberJSONValue},
		{slices.Contains(b.overlay.Unchecked, shape+"."+name), schema.Unchecked},
	} {
		if t.set {
			m.Traits |= t.trait
		}
	}
	var ok bool
	if m.TimestampFormat, ok = timestampFormats[r.TimestampFormat]; !ok {
		return m, fmt.Errorf("unknown timestampFormat %q", r.TimestampFormat)
	}
	return m, nil
}

// errorTrait fills in the status that Smithy's rules give where the model has none.
func (b *builder) errorTrait(name string, s Shape) *schema.ErrorTrait {
	t := &schema.ErrorTrait{SenderFault: !s.Fault}
	for _, e := range []*ShapeError{s.Error, overlayError(b.overlay.Errors, name)} {
		if e == nil {
			continue
		}
		t.Code = cmp.Or(e.Code, t.Code)
		t.Status = cmp.Or(e.HTTPStatusCode, t.Status)
	}
	if t.Status >= 500 {
		t.SenderFault = false
	}
	if t.Code == name {
		t.Code = ""
	}
	if t.Status == 0 {
		t.Status = 400
		if !t.SenderFault {
			t.Status = 500
		}
	}
	return t
}

func constraint(s Shape, k schema.Kind) (*schema.Constraint, error) {
	var c schema.Constraint
	var err error
	if s.Min != nil {
		c.HasMin = true
		if c.Min, err = bound(*s.Min); err != nil {
			return nil, err
		}
	}
	if s.Max != nil {
		c.HasMax = true
		if c.Max, err = bound(*s.Max); err != nil {
			return nil, err
		}
	}
	if s.Pattern != "" && k == schema.KindString {
		c.Pattern = s.Pattern
		if c.Regexp, err = RewritePattern(c); err != nil {
			return nil, err
		}
	}
	if c == (schema.Constraint{}) {
		return nil, nil
	}
	return &c, nil
}

// bound reads a limit. Models write a few as floats (1.0); one with a real
// fraction is not representable, and none has.
func bound(n json.Number) (int64, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return 0, err
	}
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, fmt.Errorf("limit %s is no whole number", n)
	}
	return int64(f), nil
}
