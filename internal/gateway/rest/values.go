package rest

import (
	"net/http"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
	"github.com/paddock-run/paddock/internal/gateway/params"
)

// requestValues are what request mappings are evaluated against.
type requestValues struct{ *call }

var _ params.Values = requestValues{}

func (v requestValues) Parameter(in params.Location, name string) []string {
	switch in {
	case params.Path:
		if value, ok := v.PathParameter(name); ok {
			return []string{value}
		}
	case params.Query:
		return v.Query()[name]
	case params.Header:
		return v.Header(name)
	}
	return nil
}

func (v requestValues) Body(path *jsonpath.Path) (string, bool) { return selectBody(v.body, path) }

func (v requestValues) StageVariable(name string) (string, bool) {
	value, ok := v.StageVariables[name]
	return value, ok
}

func (v requestValues) Context(name string) (string, bool) { return v.variable(name) }

// responseValues are what the mappings of an integration response are evaluated
// against.
type responseValues struct {
	requestValues
	header http.Header
	body   []byte
}

func (v responseValues) Parameter(_ params.Location, name string) []string {
	return v.header[http.CanonicalHeaderKey(name)]
}

func (v responseValues) Body(path *jsonpath.Path) (string, bool) { return selectBody(v.body, path) }
