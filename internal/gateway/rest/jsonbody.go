package rest

import (
	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// selectBody is the whole of a body, or what a JSONPath selects of it: a string as
// it is, anything else as JSON. ok is false where there is nothing.
func selectBody(body []byte, path *jsonpath.Path) (text string, ok bool) {
	if path == nil {
		return string(body), len(body) > 0
	}
	root, err := vtl.ParseJSON(body)
	if err != nil {
		return "", false
	}
	v, found, err := path.Get(root)
	if err != nil || !found || v == nil {
		return "", false
	}
	if s, isString := v.(string); isString {
		return s, true
	}
	encoded, err := vtl.AppendJSON(nil, v)
	if err != nil {
		return "", false
	}
	return string(encoded), true
}
