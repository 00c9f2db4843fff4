package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

func (w *writer) method(r *restapi.Resource, m *restapi.Method) *object {
	op := newObject()
	w.describe(op, w.docs[Location{Type: "METHOD", Path: r.Path, Method: m.HTTPMethod}], "tags", "summary", "description", "externalDocs")
	if m.OperationName != "" {
		op.set("operationId", m.OperationName)
	}
	produces := map[string]bool{}
	for _, response := range m.Responses {
		for media := range response.Models {
			produces[media] = true
		}
	}
	if !w.v3() {
		if len(m.RequestModels) > 0 {
			op.set("consumes", texts(slices.Sorted(maps.Keys(m.RequestModels))))
		}
		if len(produces) > 0 {
			op.set("produces", texts(slices.Sorted(maps.Keys(produces))))
		}
	}
	if parameters := w.parameters(r, m); len(parameters) > 0 {
		op.set("parameters", parameters)
	}
	if w.v3() {
		if body := w.requestBody(r, m); body != nil {
			op.set("requestBody", body)
		}
	}
	responses := newObject()
	for _, code := range slices.Sorted(maps.Keys(m.Responses)) {
		responses.set(code, w.response(r, m, m.Responses[code]))
	}
	op.set("responses", responses)
	if security := w.security(m); len(security) > 0 {
		op.set("security", security)
	}
	if w.o.Integrations {
		if v := w.def.Validators[m.RequestValidatorID]; v != nil {
			op.set(ext("request-validator"), v.Name)
		}
		if m.Integration != nil {
			op.set(ext("integration"), integration(r, m.Integration))
		}
	}
	if w.o.Postman {
		w.postman(op, m)
	}
	return op
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

var parameterPlaces = []struct{ prefix, in, part string }{
	{"method.request.path.", "path", "PATH_PARAMETER"},
	{"method.request.querystring.", "query", "QUERY_PARAMETER"},
	{"method.request.header.", "header", "REQUEST_HEADER"},
}

func (w *writer) parameters(r *restapi.Resource, m *restapi.Method) []any {
	var out []any
	names := slices.Sorted(maps.Keys(m.RequestParameters))
	for _, place := range parameterPlaces {
		for _, full := range names {
			name, ok := strings.CutPrefix(full, place.prefix)
			if !ok {
				continue
			}
			p := newObject().set("name", name).set("in", place.in)
			w.describe(p, w.docs[Location{Type: place.part, Path: r.Path, Method: m.HTTPMethod, Name: name}], "description")
			if required := m.RequestParameters[full] || place.in == "path"; required || !w.v3() {
				p.set("required", required)
			}
			if w.v3() {
				p.set("schema", newObject().set("type", "string"))
			} else {
				p.set("type", "string")
			}
			out = append(out, p)
		}
	}
	if !w.v3() {
		// One schema for all media types: Swagger 2.0 has no more.
		for _, media := range slices.Sorted(maps.Keys(m.RequestModels)) {
			model := m.RequestModels[media]
			p := newObject().set("in", "body").set("name", model)
			w.describe(p, w.docs[Location{Type: "REQUEST_BODY", Path: r.Path, Method: m.HTTPMethod}], "description")
			return append(out, p.set("required", true).set("schema", newObject().set("$ref", w.modelRef(model))))
		}
	}
	return out
}

func (w *writer) requestBody(r *restapi.Resource, m *restapi.Method) *object {
	about := w.docs[Location{Type: "REQUEST_BODY", Path: r.Path, Method: m.HTTPMethod}]
	if len(m.RequestModels) == 0 && !about.has("description") {
		return nil
	}
	body := newObject()
	w.describe(body, about, "description")
	body.set("content", w.content(m.RequestModels))
	if len(m.RequestModels) > 0 {
		body.set("required", true)
	}
	return body
}

func (w *writer) content(models map[string]string) *object {
	out := newObject()
	for _, media := range slices.Sorted(maps.Keys(models)) {
		out.set(media, newObject().set("schema", newObject().set("$ref", w.modelRef(models[media]))))
	}
	return out
}

func (w *writer) response(r *restapi.Resource, m *restapi.Method, response *restapi.MethodResponse) *object {
	at := Location{Type: "RESPONSE", Path: r.Path, Method: m.HTTPMethod, StatusCode: response.StatusCode}
	out := newObject().set("description", defaultDescription(response.StatusCode))
	w.describe(out, w.docs[at], "description")
	headers := newObject()
	for _, full := range slices.Sorted(maps.Keys(response.Parameters)) {
		name, ok := strings.CutPrefix(full, "method.response.header.")
		if !ok {
			continue
		}
		h := newObject()
		at := at
		at.Type, at.Name = "RESPONSE_HEADER", name
		w.describe(h, w.docs[at], "description")
		if w.v3() {
			h.set("schema", newObject().set("type", "string"))
		} else {
			h.set("type", "string")
		}
		headers.set(name, h)
	}
	if headers.len() > 0 {
		out.set("headers", headers)
	}
	if w.v3() {
		return out.set("content", w.content(response.Models))
	}
	for _, media := range slices.Sorted(maps.Keys(response.Models)) {
		return out.set("schema", newObject().set("$ref", w.modelRef(response.Models[media])))
	}
	return out
}

func (w *writer) security(m *restapi.Method) []any {
	var out []any
	require := func(name string, scopes []string) {
		out = append(out, newObject().set(name, texts(scopes)))
	}
	if m.AuthorizationType == "AWS_IAM" {
		w.usesIAM = true
		require(w.iamName, nil)
	} else if a := w.def.Authorizers[m.AuthorizerID]; a != nil {
		require(a.Name, m.AuthorizationScopes)
	}
	if m.APIKeyRequired {
		w.usesKey = true
		require(w.keyName, nil)
	}
	return out
}

// postman tells the Postman tool to sign what needs a signature.
func (w *writer) postman(op *object, m *restapi.Method) {
	if m.AuthorizationType != "AWS_IAM" {
		return
	}
	op.set("x-postman-meta", newObject().set("currentHelper", "awsSigV4").
		set("helperAttributes", newObject().
			set("accessKey", "").set("secretKey", "").set("region", w.o.Region).
			set("service", "execute-api").set("saveToRequest", true)))
}
