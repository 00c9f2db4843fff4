// Package params reads the parameter mappings of REST APIs: what fills the
// parameters of an integration's request, of a method's response and of a
// gateway response. The control plane refuses with it what does not parse; the
// gateway parses once, when a deployment is compiled, and evaluates a mapping
// for each request.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
package params

import (
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
)

// Location is where in a request or a response a parameter stands.
type Location uint8

const (
	Path Location = iota + 1
	Query
	Header
)

// Kind is what a mapping takes its value from.
type Kind uint8

const (
	Static        Kind = iota + 1 // Source.Text itself
	Parameter                     // the parameter Source.Name at Source.In
	Body                          // the whole body, or what Source.JSONPath selects of it
	StageVariable                 // the stage variable Source.Name
	Context                       // $context.{Source.Name}
)

// Source is a parsed mapping expression.
type Source struct {
	Kind Kind
	Text string   // of Static: without its quotes
	In   Location // of Parameter
	// Name of a Parameter or a StageVariable; of a Context variable its path, as
	// "identity.sourceIp".
	Name string
	// Multi: all values of the Parameter ("multivalueheader", "multivaluequerystring"),
	// not the last one alone.
	Multi bool
	// JSONPath selects from the body; nil: the whole of it.
	JSONPath *jsonpath.Path
}

// Mapping fills one parameter.
type Mapping struct {
	In     Location
	Name   string
	Source Source
}

// Values is what mappings are evaluated against: a method's request, or the
// backend's response to it, and what is known besides.
type Values interface {
	// Parameter returns a parameter's values, none where it is absent.
	Parameter(in Location, name string) []string
	// Body returns what a JSONPath selects of the body as text: a string as it is,
	// anything else as JSON; or the whole body for nil.
	Body(path *jsonpath.Path) (string, bool)
	StageVariable(name string) (string, bool)
	Context(name string) (string, bool)
}

// Eval returns the values of a mapping's parameter, none where the source has
// none: the parameter is then left out.
func (s *Source) Eval(v Values) []string {
	switch s.Kind {
	case Static:
		return []string{s.Text}
	case Parameter:
		values := v.Parameter(s.In, s.Name)
		if len(values) > 1 && !s.Multi {
			return values[len(values)-1:]
		}
		return values
	case Body:
		return one(v.Body(s.JSONPath))
	case StageVariable:
		return one(v.StageVariable(s.Name))
	case Context:
		return one(v.Context(s.Name))
	}
	return nil
}

func one(value string, ok bool) []string {
	if !ok {
		return nil
	}
	return []string{value}
}

// ParseRequest reads the requestParameters of an integration:
// "integration.request.{path|querystring|header}.{name}" to an expression over
// the method's request. The mappings are in the order of their parameters' names.
func ParseRequest(m map[string]string) ([]Mapping, error) {
	return parse(m, requestTarget, RequestSource)
}

// ParseResponse reads the responseParameters of an integration response:
// "method.response.header.{name}" to an expression over the backend's response.
func ParseResponse(m map[string]string) ([]Mapping, error) {
	return parse(m, func(text string) (Location, string, bool) { return header(text, "method.response.header.") }, ResponseSource)
}

// ParseGatewayResponse reads the responseParameters of a gateway response:
// "gatewayresponse.header.{name}" to an expression over the method's request.
func ParseGatewayResponse(m map[string]string) ([]Mapping, error) {
	return parse(m, func(text string) (Location, string, bool) { return header(text, "gatewayresponse.header.") }, gatewaySource)
}

func parse(m map[string]string, target func(string) (Location, string, bool), source func(string) (Source, bool)) ([]Mapping, error) {
	var out []Mapping
	var bad Error
	for name, expression := range m {
		in, param, ok := target(name)
		if !ok {
			bad.Targets = append(bad.Targets, name)
			continue
		}
		s, ok := source(expression)
		if !ok {
			bad.Sources = append(bad.Sources, expression)
			continue
		}
		out = append(out, Mapping{In: in, Name: param, Source: s})
	}
	if len(bad.Targets)+len(bad.Sources) > 0 {
		slices.Sort(bad.Targets)
		slices.Sort(bad.Sources)
		return nil, &bad
	}
	slices.SortFunc(out, func(a, b Mapping) int {
		if a.In != b.In {
			return int(a.In) - int(b.In)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

// Error is what of a map of mappings is none, in API Gateway's words: those of
// its BadRequestException.
type Error struct {
	Targets []string // parameters that no mapping can fill
	Sources []string // expressions that mean nothing
}

func (e *Error) Error() string {
	messages := make([]string, 0, len(e.Targets)+len(e.Sources))
	for _, t := range e.Targets {
		messages = append(messages, "Invalid mapping expression parameter specified: "+t)
	}
	for _, s := range e.Sources {
		messages = append(messages, "Invalid mapping expression specified: "+s)
	}
	return "Invalid mapping expression specified: Validation Result: warnings : [], errors : [" + strings.Join(messages, ", ") + "]"
}
