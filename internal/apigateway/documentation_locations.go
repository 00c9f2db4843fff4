package apigateway

import (
	"cmp"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/apigateway/openapi"
	"github.com/paddock-run/paddock/internal/restapi"
)

// undocumented are the locations of an API that have no documentation part: parts
// without an ID.
func undocumented(d *restapi.Definition, parts map[string]*docPart) []*docPart {
	have := map[openapi.Location]bool{}
	for _, p := range parts {
		have[p.Location] = true
	}
	var out []*docPart
	for _, l := range locations(d) {
		if !have[l] {
			out = append(out, &docPart{Part: openapi.Part{Location: l}})
		}
	}
	return out
}

// locations are all that can be documented of an API, in order.
func locations(d *restapi.Definition) []openapi.Location {
	out := []openapi.Location{{Type: "API"}}
	for _, a := range d.Authorizers {
		out = append(out, openapi.Location{Type: "AUTHORIZER", Name: a.Name})
	}
	for name := range d.Models {
		out = append(out, openapi.Location{Type: "MODEL", Name: name})
	}
	for _, r := range d.Resources {
		out = append(out, openapi.Location{Type: "RESOURCE", Path: r.Path})
		for _, m := range r.Methods {
			out = append(out, methodLocations(r.Path, m)...)
		}
	}
	slices.SortFunc(out, func(a, b openapi.Location) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(locationText(a), locationText(b)))
	})
	return out
}

// parameterTypes are the types of a method's parameters by where they stand.
var parameterTypes = map[string]string{
	"path": "PATH_PARAMETER", "querystring": "QUERY_PARAMETER", "multivaluequerystring": "QUERY_PARAMETER",
	"header": "REQUEST_HEADER", "multivalueheader": "REQUEST_HEADER",
}

func methodLocations(path string, m *restapi.Method) []openapi.Location {
	at := func(kind, status, name string) openapi.Location {
		return openapi.Location{Type: kind, Path: path, Method: m.HTTPMethod, StatusCode: status, Name: name}
	}
	out := []openapi.Location{at("METHOD", "", ""), at("REQUEST_BODY", "", "")}
	for p := range m.RequestParameters {
		// method.request.{place}.{name}
		if parts := strings.SplitN(p, ".", 4); len(parts) == 4 && parameterTypes[parts[2]] != "" {
			out = append(out, at(parameterTypes[parts[2]], "", parts[3]))
		}
	}
	for status, r := range m.Responses {
		out = append(out, at("RESPONSE", status, ""), at("RESPONSE_BODY", status, ""))
		for p := range r.Parameters {
			if name, ok := strings.CutPrefix(p, "method.response.header."); ok {
				out = append(out, at("RESPONSE_HEADER", status, name))
			}
		}
	}
	return out
}
