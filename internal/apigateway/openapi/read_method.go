package openapi

import (
	"regexp"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

var statusCode = regexp.MustCompile(`^[1-5]\d\d$`)

// method reads an operation.
func (r *reader) method(resource *restapi.Resource, name string, item, op cursor, shared []cursor) *restapi.Method {
	m := &restapi.Method{HTTPMethod: name, OperationName: op.text("operationId")}
	r.security(m, item, op)
	switch {
	case op.has(ext("request-validator")):
		m.RequestValidatorID = op.validator()
	case r.root.has(ext("request-validator")):
		m.RequestValidatorID = r.root.validator()
	}
	r.describe(Location{Type: "METHOD", Path: resource.Path, Method: name}, op, "summary", "description", "tags", "externalDocs")

	title := name + " " + resource.Path
	r.parameters(m, resource, op, shared, title)
	if r.v3 {
		r.requestBody(m, resource, op.child("requestBody").resolve(), title)
	}
	for code, c := range op.children("responses") {
		if !strings.HasPrefix(code, "x-") {
			r.methodResponse(m, resource, code, op, c.resolve(), title)
		}
	}
	if c := op.child(ext("integration")); c.there() {
		m.Integration = r.integration(c, "'"+name+"' for resource at path '"+resource.Path+"'")
	}
	return m
}

// describe makes a documentation part of an object's members.
func (r *reader) describe(l Location, c cursor, members ...string) {
	properties := newObject()
	for _, k := range members {
		if v := c.get(k); v != nil && v != "" && r.spend(cost(v)) {
			properties.set(k, v)
		}
	}
	r.parts.add(l, properties)
}

// parameters reads an operation's parameters, and those of its path that it does
// not replace.
func (r *reader) parameters(m *restapi.Method, resource *restapi.Resource, op cursor, shared []cursor, title string) {
	type key struct{ in, name string }
	seen := map[key]bool{}
	for _, c := range append(op.items("parameters"), shared...) {
		if c = c.resolve(); !c.there() {
			continue
		}
		k := key{c.text("in"), c.text("name")}
		if seen[k] {
			continue
		}
		seen[k] = true
		r.parameter(m, resource, op, c, k.in, k.name, title)
	}
}

func (r *reader) parameter(m *restapi.Method, resource *restapi.Resource, op, c cursor, in, name, title string) {
	place, part := "", ""
	switch in {
	case "query":
		place, part = "querystring", "QUERY_PARAMETER"
	case "header":
		place, part = "header", "REQUEST_HEADER"
	case "path":
		place, part = "path", "PATH_PARAMETER"
	case "body":
		r.describe(Location{Type: "REQUEST_BODY", Path: resource.Path, Method: m.HTTPMethod}, c, "description")
		model := r.modelFor(c.get("schema"), "body of method '"+title+"'")
		if model == "" {
			return
		}
		m.RequestModels = map[string]string{}
		for _, media := range r.mediaTypes(op, "consumes") {
			m.RequestModels[media] = model
		}
		return
	default:
		r.warn("Unsupported parameter type '%s' of parameter '%s' in method '%s'. Ignoring.", in, name, title)
		return
	}
	if name == "" {
		r.warn("Parse issue: attribute %s.name is missing", c.at)
		return
	}
	if m.RequestParameters == nil {
		m.RequestParameters = map[string]bool{}
	}
	m.RequestParameters["method.request."+place+"."+name] = c.flag("required") || in == "path"
	r.describe(Location{Type: part, Path: resource.Path, Method: m.HTTPMethod, Name: name}, c, "description")
}

// mediaTypes are those of a Swagger 2.0 operation, or the document's.
func (r *reader) mediaTypes(op cursor, key string) []string {
	from := op
	if !op.has(key) {
		from = r.root
	}
	if types := from.texts(key); len(types) > 0 {
		return types
	}
	return []string{"application/json"}
}

func (r *reader) requestBody(m *restapi.Method, resource *restapi.Resource, body cursor, title string) {
	if !body.there() {
		return
	}
	r.describe(Location{Type: "REQUEST_BODY", Path: resource.Path, Method: m.HTTPMethod}, body, "description")
	m.RequestModels = r.content(body, "body of method '"+title+"'")
}

// content reads the models of an OpenAPI 3.0 body, by media type; nil: none.
func (r *reader) content(c cursor, where string) map[string]string {
	var out map[string]string
	for media, body := range c.children("content") {
		if model := r.modelFor(body.get("schema"), where); model != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[media] = model
		}
	}
	return out
}

func (r *reader) methodResponse(m *restapi.Method, resource *restapi.Resource, code string, op, c cursor, title string) {
	if !c.there() {
		return
	}
	where := code + " response to method '" + title + "'"
	if !statusCode.MatchString(code) {
		r.warn("Unsupported status code '%s' of a response to method '%s'. Ignoring.", code, title)
		return
	}
	out := &restapi.MethodResponse{StatusCode: code}
	at := Location{Type: "RESPONSE", Path: resource.Path, Method: m.HTTPMethod, StatusCode: code}
	if c.text("description") != defaultDescription(code) {
		r.describe(at, c, "description")
	}
	for name, h := range c.children("headers") {
		if out.Parameters == nil {
			out.Parameters = map[string]bool{}
		}
		out.Parameters["method.response.header."+name] = false
		at := at
		at.Type, at.Name = "RESPONSE_HEADER", name
		r.describe(at, h.resolve(), "description")
	}
	if r.v3 {
		out.Models = r.content(c, where)
	} else if model := r.modelFor(c.get("schema"), where); model != "" {
		out.Models = map[string]string{}
		for _, media := range r.mediaTypes(op, "produces") {
			out.Models[media] = model
		}
	}
	if m.Responses == nil {
		m.Responses = map[string]*restapi.MethodResponse{}
	}
	m.Responses[code] = out
}

// defaultDescription is what a written response has whose documentation is none:
// the specification requires it. It is no documentation when it is read again.
func defaultDescription(code string) string { return code + " response" }
