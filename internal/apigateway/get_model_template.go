package apigateway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// GetModelTemplate makes a sample mapping template for a model: its form with a
// value of each type, and a loop for each array.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModelTemplate.html
func (s *Service) GetModelTemplate(ctx context.Context, in *api.GetModelTemplateRequest) (*api.Template, error) {
	a, m, err := s.model(ctx, in.RestApiId, in.ModelName)
	if err != nil {
		return nil, err
	}
	var root any
	if err := json.Unmarshal([]byte(m.Schema), &root); err != nil {
		return nil, badRequest("Invalid model specified: no template can be made of a schema that is not JSON")
	}
	w := templateWriter{d: a.Definition}
	w.WriteString("#set($inputRoot = $input.path('$'))\n")
	w.value(&schemaRoot{m.Name, root}, root, "$inputRoot", 0, 0)
	w.WriteByte('\n')
	return &api.Template{Value: new(w.String())}, nil
}

// maxTemplate is how long a template gets, in bytes, before the rest of it is
// left out: schemas that refer to each other can describe endless ones.
const maxTemplate = 256 << 10

type templateWriter struct {
	strings.Builder
	d *restapi.Definition
	// open are the references that are being followed: one that leads back into
	// itself ends there.
	open []string
}

// schemaRoot is the schema that local references are relative to.
type schemaRoot struct {
	model string
	doc   any
}

// value writes a sample of what a schema describes: at is the Velocity
// expression of where it stands in the input, indent in steps of two spaces.
func (w *templateWriter) value(root *schemaRoot, node any, at string, indent, loops int) {
	opened := len(w.open)
	defer func() { w.open = w.open[:opened] }()
	for {
		object, _ := node.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			break
		}
		key := root.model + " " + ref
		if slices.Contains(w.open, key) {
			w.WriteString("{}")
			return
		}
		w.open = append(w.open, key)
		root, node = w.follow(root, ref)
	}
	object, _ := node.(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	switch kind := typeOf(object); {
	case w.Len() > maxTemplate:
		w.WriteString("{}")
	case kind == "array":
		w.array(root, object["items"], at, indent, loops)
	case kind == "object" || properties != nil:
		w.object(root, properties, at, indent, loops)
	case kind == "integer":
		w.WriteString("42")
	case kind == "number":
		w.WriteString("42.0")
	case kind == "boolean":
		w.WriteString("true")
	case kind == "null":
		w.WriteString("null")
	default:
		w.sample(object)
	}
}

// sample writes a text: one of those that are allowed, or "foo".
func (w *templateWriter) sample(object map[string]any) {
	value := any("foo")
	if options, ok := object["enum"].([]any); ok && len(options) > 0 {
		value = options[0]
	}
	b, err := json.Marshal(value)
	if err != nil {
		b = []byte(`"foo"`)
	}
	w.Write(b)
}

func (w *templateWriter) object(root *schemaRoot, properties map[string]any, at string, indent, loops int) {
	if len(properties) == 0 {
		w.WriteString("{}")
		return
	}
	w.WriteString("{\n")
	for i, name := range slices.Sorted(maps.Keys(properties)) {
		if i > 0 {
			w.WriteString(",\n")
		}
		w.WriteString(strings.Repeat("  ", indent+1) + strconv.Quote(name) + " : ")
		w.value(root, properties[name], at+"."+name, indent+1, loops)
	}
	w.WriteString("\n" + strings.Repeat("  ", indent) + "}")
}

func (w *templateWriter) array(root *schemaRoot, items any, at string, indent, loops int) {
	elem := "$elem"
	if loops > 0 {
		elem += strconv.Itoa(loops)
	}
	w.WriteString("[\n##TODO: Update this foreach loop to reference array from input json\n")
	w.WriteString("#foreach(" + elem + " in " + at + ")\n" + strings.Repeat("  ", indent+1))
	w.value(root, items, elem, indent+1, loops+1)
	w.WriteString("\n#if($foreach.hasNext),#end\n#end\n" + strings.Repeat("  ", indent) + "]")
}

// follow leads from a reference to what it names: another model, or a part of
// the schema that it stands in.
func (w *templateWriter) follow(root *schemaRoot, ref string) (*schemaRoot, any) {
	if match := modelRef.FindStringSubmatch(ref); match != nil {
		next := &schemaRoot{model: match[1]}
		if m := w.d.Models[match[1]]; m == nil || json.Unmarshal([]byte(m.Schema), &next.doc) != nil {
			return next, nil
		}
		return next, next.doc
	}
	node := root.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if part != "" {
			object, _ := node.(map[string]any)
			node = object[unescapePointer(part)]
		}
	}
	return root, node
}

// typeOf is a schema's type; of several the first.
func typeOf(object map[string]any) string {
	switch t := object["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			s, _ := t[0].(string)
			return s
		}
	}
	if object["items"] != nil {
		return "array"
	}
	return ""
}
