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
	w := templateWriter{d: a.Definition, root: root}
	w.WriteString("#set($inputRoot = $input.path('$'))\n")
	w.value(root, root, "$inputRoot", 0, 0)
	w.WriteByte('\n')
	return &api.Template{Value: new(w.String())}, nil
}

// maxTemplateDepth ends the template of a schema that holds itself.
const maxTemplateDepth = 12

type templateWriter struct {
	strings.Builder
	d    *restapi.Definition
	root any
}

// value writes a sample of what a schema describes: at is the Velocity
// expression of where it stands in the input, indent in steps of two spaces.
func (w *templateWriter) value(root, node any, at string, indent, depth int) {
	root, node = w.follow(root, node)
	object, _ := node.(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	switch kind := typeOf(object); {
	case depth > maxTemplateDepth:
		w.WriteString("{}")
	case kind == "array":
		w.array(root, object["items"], at, indent, depth)
	case kind == "object" || properties != nil:
		w.object(root, properties, at, indent, depth)
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

func (w *templateWriter) object(root any, properties map[string]any, at string, indent, depth int) {
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
		w.value(root, properties[name], at+"."+name, indent+1, depth+1)
	}
	w.WriteString("\n" + strings.Repeat("  ", indent) + "}")
}

func (w *templateWriter) array(root, items any, at string, indent, depth int) {
	elem := "$elem"
	if depth > 0 {
		elem += strconv.Itoa(depth)
	}
	w.WriteString("[\n##TODO: Update this foreach loop to reference array from input json\n")
	w.WriteString("#foreach(" + elem + " in " + at + ")\n" + strings.Repeat("  ", indent+1))
	w.value(root, items, elem, indent+1, depth+1)
	w.WriteString("\n#if($foreach.hasNext),#end\n#end\n" + strings.Repeat("  ", indent) + "]")
}

// follow leads from a reference to what it names: another model, or a definition
// of the schema's own.
func (w *templateWriter) follow(root, node any) (any, any) {
	for range maxTemplateDepth {
		object, _ := node.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return root, node
		}
		if match := modelRef.FindStringSubmatch(ref); match != nil {
			m := w.d.Models[match[1]]
			if m == nil || json.Unmarshal([]byte(m.Schema), &root) != nil {
				return root, nil
			}
			node = root
			continue
		}
		node = root
		for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
			if part == "" {
				continue
			}
			object, _ := node.(map[string]any)
			node = object[unescapePointer(part)]
		}
	}
	return root, nil
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
