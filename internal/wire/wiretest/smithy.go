// Package wiretest runs the codecs of internal/wire against the protocol tests
// that AWS publishes: Smithy's and botocore's. It makes services of their
// models at run time, with Go types by reflection.
package wiretest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/awsmodel"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// AST is a Smithy model in its JSON form.
// https://smithy.io/2.0/spec/json-ast.html
type AST struct {
	Shapes map[string]ASTShape `json:"shapes"`
}

// ASTShape is a shape of a Smithy model.
type ASTShape struct {
	Type       string                      `json:"type"`
	Members    awsmodel.Ordered[ASTMember] `json:"members"`
	Member     *ASTMember                  `json:"member"`
	Key        *ASTMember                  `json:"key"`
	Value      *ASTMember                  `json:"value"`
	Input      *ASTMember                  `json:"input"`
	Output     *ASTMember                  `json:"output"`
	Errors     []ASTMember                 `json:"errors"`
	Operations []ASTMember                 `json:"operations"`
	Resources  []ASTMember                 `json:"resources"`
	Version    string                      `json:"version"`
	Traits     Traits                      `json:"traits"`
}

// ASTMember is a member, or any other reference to a shape.
type ASTMember struct {
	Target string `json:"target"`
	Traits Traits `json:"traits"`
}

// Traits are the traits of a shape or member, by their absolute names.
type Traits map[string]json.RawMessage

func (t Traits) has(name string) bool { return t[name] != nil }

// str is the trait's value where it is a string.
func (t Traits) str(name string) string {
	var s string
	if raw := t[name]; raw != nil && json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func (t Traits) into(name string, v any) bool {
	return t[name] != nil && json.Unmarshal(t[name], v) == nil
}

const api = "smithy.api#"

// protocols are the traits of the protocols, as schema names them.
var protocols = map[string]schema.Protocol{
	"aws.protocols#restJson1":    schema.RestJSON,
	"aws.protocols#restXml":      schema.RestXML,
	"aws.protocols#awsJson1_0":   schema.AWSJSON,
	"aws.protocols#awsJson1_1":   schema.AWSJSON,
	"aws.protocols#awsQuery":     schema.Query,
	"smithy.protocols#rpcv2Cbor": schema.CBOR,
}

// Service makes the schema of the service name. Operations come without
// NewInput and Call; a recursive shape refers to itself.
func (a *AST) Service(name string) (*schema.Service, error) {
	s, ok := a.Shapes[name]
	if !ok || s.Type != "service" {
		return nil, fmt.Errorf("wiretest: no service %s", name)
	}
	namespace, local, _ := strings.Cut(name, "#")
	svc := &schema.Service{
		ID: local, FullName: local, APIVersion: s.Version, SigningName: strings.ToLower(local),
		TargetPrefix: local, Namespace: namespace, WrappedErrors: true,
		QueryCompatible: s.Traits.has("aws.protocols#awsQueryCompatible"),
	}
	var ns struct{ URI, Prefix string }
	if s.Traits.into(api+"xmlNamespace", &ns) {
		svc.XMLNamespace = ns.URI
	}
	b := &astBuilder{ast: a, svc: svc, ids: map[string]schema.ShapeID{}}
	for trait, p := range protocols {
		if !s.Traits.has(trait) {
			continue
		}
		svc.Protocols = append(svc.Protocols, p)
		b.trait = trait
		if trait == "aws.protocols#awsJson1_1" {
			svc.Namespace = "" // it names errors without
		}
		svc.JSONVersion = strings.ReplaceAll(strings.TrimPrefix(trait, "aws.protocols#awsJson"), "_", ".")
	}
	var rest struct{ NoErrorWrapping bool }
	if s.Traits.into("aws.protocols#restXml", &rest) && rest.NoErrorWrapping {
		svc.WrappedErrors = false
	}
	if len(svc.Protocols) != 1 {
		return nil, fmt.Errorf("wiretest: %s has %d protocols that we speak", name, len(svc.Protocols))
	}
	for _, op := range a.operations(s) {
		if err := b.operation(op); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(svc.Operations, func(a, b schema.Operation) int { return strings.Compare(a.Name, b.Name) })
	return svc, nil
}

// operations lists the service's operations, those of its resources included.
func (a *AST) operations(s ASTShape) []string {
	var out []string
	for _, op := range s.Operations {
		out = append(out, op.Target)
	}
	for _, r := range s.Resources {
		out = append(out, a.operations(a.Shapes[r.Target])...)
	}
	return out
}

type astBuilder struct {
	ast   *AST
	svc   *schema.Service
	trait string // of the protocol
	ids   map[string]schema.ShapeID
}

func localName(id string) string { return id[strings.IndexByte(id, '#')+1:] }

func (b *astBuilder) operation(id string) error {
	s := b.ast.Shapes[id]
	op := schema.Operation{Name: localName(id), Method: "POST", URI: "/", Input: schema.NoShape, Output: schema.NoShape}
	var http struct {
		Method, URI string
		Code        int
	}
	if s.Traits.into(api+"http", &http) {
		op.Method, op.URI, op.Status = http.Method, http.URI, http.Code
	}
	if s.Traits.has("aws.customizations#s3UnwrappedXmlOutput") {
		defer func() { b.svc.Shapes[b.ids[s.Output.Target]].Traits |= schema.Unwrapped }()
	}
	for _, ref := range []struct {
		m  *ASTMember
		to *schema.ShapeID
	}{{s.Input, &op.Input}, {s.Output, &op.Output}} {
		if ref.m == nil || ref.m.Target == api+"Unit" {
			continue
		}
		var err error
		if *ref.to, err = b.shape(ref.m.Target); err != nil {
			return err
		}
	}
	for _, e := range s.Errors {
		shape, err := b.shape(e.Target)
		if err != nil {
			return err
		}
		op.Errors = append(op.Errors, shape)
	}
	b.svc.Operations = append(b.svc.Operations, op)
	return nil
}

// kinds are Smithy's types of shapes.
var kinds = map[string]schema.Kind{
	"boolean": schema.KindBoolean, "byte": schema.KindByte, "short": schema.KindShort,
	"integer": schema.KindInteger, "intEnum": schema.KindInteger, "long": schema.KindLong,
	"float": schema.KindFloat, "double": schema.KindDouble, "string": schema.KindString,
	"enum": schema.KindString, "blob": schema.KindBlob, "timestamp": schema.KindTimestamp,
	"document": schema.KindDocument, "list": schema.KindList, "set": schema.KindList, "map": schema.KindMap,
	"structure": schema.KindStructure, "union": schema.KindUnion,
}

func (b *astBuilder) shape(id string) (schema.ShapeID, error) {
	if sid, ok := b.ids[id]; ok {
		return sid, nil
	}
	s, ok := b.ast.Shapes[id]
	if !ok {
		// The prelude's shapes are not in the document: smithy.api#String.
		s.Type = strings.ToLower(strings.TrimPrefix(localName(id), "Primitive"))
		if s.Type == "unit" {
			s.Type = "structure"
		}
	}
	kind := kinds[s.Type]
	if kind == schema.KindInvalid {
		return 0, fmt.Errorf("wiretest: shape %s of type %q", id, s.Type)
	}
	sid := schema.ShapeID(len(b.svc.Shapes))
	b.ids[id] = sid
	b.svc.Shapes = append(b.svc.Shapes, schema.Shape{})
	out := schema.Shape{
		Name: localName(id), Kind: kind, TimestampFormat: format(s.Traits),
		Constraint: constraint(s.Traits), XMLName: s.Traits.str(api + "xmlName"),
	}
	out.XMLNamespace, out.XMLPrefix = namespace(s.Traits)
	for trait, bit := range map[string]schema.ShapeTrait{
		"sensitive": schema.Sensitive, "sparse": schema.Sparse, "error": schema.Exception, "requiresLength": schema.RequiresLength,
	} {
		if s.Traits.has(api + trait) {
			out.Traits |= bit
		}
	}
	if kind == schema.KindUnion && s.Traits.has(api+"streaming") {
		out.Traits |= schema.EventStream
	}
	// Smithy: a string of a media type is base64 in a header.
	if kind == schema.KindString && s.Traits.has(api+"mediaType") {
		out.Traits |= schema.JSONValue
	}
	out.Error = b.errorTrait(s)
	out.Enum = enum(s)
	if s.Type != "enum" && s.Type != "intEnum" {
		members := s.Members
		for _, m := range []struct {
			name string
			m    *ASTMember
		}{{"member", s.Member}, {"key", s.Key}, {"value", s.Value}} {
			if m.m != nil {
				members = append(members, awsmodel.Entry[ASTMember]{Name: m.name, Value: *m.m})
			}
		}
		for _, m := range members {
			mem, err := b.member(m.Name, m.Value)
			if err != nil {
				return 0, err
			}
			out.Members = append(out.Members, mem)
		}
	}
	b.svc.Shapes[sid] = out
	return sid, nil
}

// enum lists the values of an enumeration but the internal ones, which
// botocore's models do not have either.
func enum(s ASTShape) []string {
	var out []string
	if s.Type == "enum" {
		for _, m := range s.Members {
			if !m.Value.Traits.has(api + "internal") {
				out = append(out, cmp.Or(m.Value.Traits.str(api+"enumValue"), m.Name))
			}
		}
	}
	var old []struct {
		Value string
		Tags  []string
	}
	if s.Traits.into(api+"enum", &old) {
		for _, e := range old {
			if !slices.Contains(e.Tags, "internal") {
				out = append(out, e.Value)
			}
		}
	}
	return out
}

func (b *astBuilder) errorTrait(s ASTShape) *schema.ErrorTrait {
	if !s.Traits.has(api + "error") {
		return nil
	}
	e := &schema.ErrorTrait{SenderFault: s.Traits.str(api+"error") == "client"}
	s.Traits.into(api+"httpError", &e.Status)
	var q struct {
		Code             string
		HTTPResponseCode int
	}
	if s.Traits.into("aws.protocols#awsQueryError", &q) {
		e.Code = q.Code
		if b.trait == "aws.protocols#awsQuery" {
			e.Status = q.HTTPResponseCode
		}
	}
	return e
}

// member builds a member; a trait that the protocol does not have is left out,
// as a generator for that protocol would.
func (b *astBuilder) member(name string, am ASTMember) (schema.Member, error) {
	target, err := b.shape(am.Target)
	if err != nil {
		return schema.Member{}, err
	}
	m := schema.Member{Name: name, Target: target, TimestampFormat: format(am.Traits), QueryName: ""}
	t := am.Traits
	rest := b.trait == "aws.protocols#restJson1" || b.trait == "aws.protocols#restXml"
	if rest {
		httpTraits(&m, t)
	}
	if m.Location == schema.InBody {
		switch b.trait {
		case "aws.protocols#restJson1":
			m.LocationName = t.str(api + "jsonName")
		case "aws.protocols#restXml", "aws.protocols#awsQuery":
			m.LocationName = t.str(api + "xmlName")
			m.XMLNamespace, m.XMLPrefix = namespace(t)
			if t.has(api + "xmlAttribute") {
				m.Traits |= schema.XMLAttribute
			}
			if t.has(api + "xmlFlattened") {
				m.Traits |= schema.MemberFlattened
				// To Smithy the name of a flattened list is the member's alone.
				m.LocationName = cmp.Or(m.LocationName, name)
			}
		}
	}
	for trait, bit := range map[string]schema.MemberTrait{
		"required": schema.Required, "idempotencyToken": schema.IdempotencyToken,
		"eventPayload": schema.EventPayload, "eventHeader": schema.EventHeader, "hostLabel": schema.HostLabel,
	} {
		if t.has(api + trait) {
			m.Traits |= bit
		}
	}
	if b.ast.Shapes[am.Target].Traits.has(api+"streaming") && b.ast.Shapes[am.Target].Type == "blob" {
		m.Traits |= schema.Streaming
	}
	if raw := t[api+"default"]; raw != nil && !t.has(api+"clientOptional") && string(raw) != "null" {
		m.Default = string(raw)
	}
	// A constraint of the member's goes before the shape's: the target is
	// copied with it.
	if c := constraint(t); c != nil {
		shape := b.svc.Shapes[target]
		shape.Constraint = c
		m.Target = schema.ShapeID(len(b.svc.Shapes))
		b.svc.Shapes = append(b.svc.Shapes, shape)
	}
	return m, nil
}

func httpTraits(m *schema.Member, t Traits) {
	for trait, loc := range map[string]schema.Location{
		"httpHeader": schema.InHeader, "httpQuery": schema.InQuery, "httpQueryParams": schema.InQueryParams,
		"httpPrefixHeaders": schema.InHeaders, "httpLabel": schema.InURI, "httpResponseCode": schema.InStatusCode,
	} {
		if t.has(api + trait) {
			m.Location, m.LocationName = loc, t.str(api+trait)
		}
	}
	if t.has(api + "httpPayload") {
		m.Traits |= schema.Payload
	}
}

func namespace(t Traits) (uri, prefix string) {
	var ns struct{ URI, Prefix string }
	t.into(api+"xmlNamespace", &ns)
	return ns.URI, ns.Prefix
}

func format(t Traits) schema.TimestampFormat {
	switch t.str(api + "timestampFormat") {
	case "epoch-seconds":
		return schema.TimestampEpoch
	case "date-time":
		return schema.TimestampISO8601
	case "http-date":
		return schema.TimestampHTTP
	}
	return schema.TimestampDefault
}

// constraint reads length, range and pattern. Bounds that are no integers are
// none: schema, made for botocore's models, cannot hold them.
func constraint(t Traits) *schema.Constraint {
	c := &schema.Constraint{}
	for _, trait := range []string{"length", "range"} {
		var lim struct{ Min, Max *json.Number }
		if !t.into(api+trait, &lim) {
			continue
		}
		if lim.Min != nil {
			v, err := lim.Min.Int64()
			c.Min, c.HasMin = v, err == nil
		}
		if lim.Max != nil {
			v, err := lim.Max.Int64()
			c.Max, c.HasMax = v, err == nil
		}
	}
	if p := t.str(api + "pattern"); p != "" {
		// Smithy's patterns match anywhere unless they say otherwise.
		c.Pattern, c.Regexp = p, p
	}
	if *c == (schema.Constraint{}) {
		return nil
	}
	return c
}
