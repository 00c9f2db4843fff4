package mapping

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// input is $input.
type input struct {
	event  *Event
	parsed bool
	root   vtl.Value
	params *vtl.Map
}

var _ vtl.Object = (*input)(nil)

func (in *input) String() string { return "$input" }

func (in *input) Property(name string) (vtl.Value, error) {
	switch name {
	case "body":
		return in.body(), nil
	case "params":
		return nil, nil
	}
	return nil, nil
}

// body is the payload as it came; API Gateway has {} for an empty one.
func (in *input) body() string {
	if len(in.event.Body) == 0 {
		return "{}"
	}
	return string(in.event.Body)
}

func (in *input) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	switch {
	case name == "path" && len(args) == 1:
		v, _, err := in.selected(args[0])
		return v, true, err
	case name == "json" && len(args) == 1:
		v, err := in.json(args[0])
		return v, true, err
	case name == "params" && len(args) == 0:
		return in.all(), true, nil
	case name == "params" && len(args) == 1:
		name, ok := args[0].(string)
		if !ok {
			return nil, true, nil
		}
		return in.param(name), true, nil
	case name == "getBody" && len(args) == 0:
		return in.body(), true, nil
	}
	return nil, false, nil
}

// value is the payload parsed, once. One that is no JSON is a string.
func (in *input) value() vtl.Value {
	if in.parsed {
		return in.root
	}
	in.parsed = true
	if len(in.event.Body) == 0 {
		in.root = vtl.NewMap(0)
		return in.root
	}
	v, err := vtl.ParseJSON(in.event.Body)
	if err != nil {
		v = string(in.event.Body)
	}
	in.root = v
	return in.root
}

func (in *input) selected(expression vtl.Value) (vtl.Value, bool, error) {
	text, err := vtl.Text(expression)
	if err != nil {
		return nil, false, err
	}
	p, err := compilePath(text)
	if err != nil {
		return nil, false, err
	}
	return p.Get(in.value())
}

// json is what the path selects as JSON; of nothing, the empty string's.
func (in *input) json(expression vtl.Value) (vtl.Value, error) {
	v, ok, err := in.selected(expression)
	if err != nil {
		return nil, err
	}
	if !ok {
		return `""`, nil
	}
	b, err := vtl.AppendJSON(nil, v)
	return string(b), err
}

// all is $input.params(): three maps.
func (in *input) all() *vtl.Map {
	if in.params == nil {
		in.params = vtl.NewMap(3)
		in.params.Put("path", toMap(in.event.Path))
		in.params.Put("querystring", toMap(in.event.Query))
		in.params.Put("header", toMap(in.event.Header))
	}
	return in.params
}

func toMap(params []Parameter) *vtl.Map {
	m := vtl.NewMap(len(params))
	for _, p := range params {
		m.Put(p.Name, p.Value)
	}
	return m
}

// param looks for a parameter in the path, the query string and the headers. The
// names of these are groups where there is no such parameter.
func (in *input) param(name string) vtl.Value {
	for _, group := range [...][]Parameter{in.event.Path, in.event.Query, in.event.Header} {
		for i := len(group) - 1; i >= 0; i-- {
			if group[i].Name == name {
				return group[i].Value
			}
		}
	}
	for i := len(in.event.Header) - 1; i >= 0; i-- {
		if strings.EqualFold(in.event.Header[i].Name, name) {
			return in.event.Header[i].Value
		}
	}
	return in.all().Get(name)
}

// maxPaths is how many compiled paths are kept.
const maxPaths = 4096

var (
	paths     sync.Map // expression to *jsonpath.Path
	pathCount atomic.Int64
)

// compilePath compiles a path, or finds it compiled.
func compilePath(expression string) (*jsonpath.Path, error) {
	if p, ok := paths.Load(expression); ok {
		return p.(*jsonpath.Path), nil
	}
	p, err := jsonpath.Compile(expression)
	if err != nil {
		return nil, err
	}
	if pathCount.Add(1) > maxPaths {
		// Expressions that are made anew for each request would fill the store.
		paths.Clear()
		pathCount.Store(1)
	}
	paths.Store(expression, p)
	return p, nil
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
