package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

var modelName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// ignoredKeywords are OpenAPI's additions to JSON Schema, which models do not
// have.
var ignoredKeywords = []string{
	"discriminator", "example", "examples", "readOnly", "writeOnly", "nullable", "deprecated", "xml", "externalDocs",
}

// schemas is where the document has its schemas.
func (r *reader) schemas() cursor {
	if r.v3 {
		return r.root.child("components").child("schemas")
	}
	return r.root.child("definitions")
}

// models reads the document's schemas into models. It makes all of them before
// it reads any, for they refer to each other.
func (r *reader) models() {
	schemas := r.schemas()
	if !schemas.there() {
		return
	}
	for _, name := range schemas.keys {
		if !modelName.MatchString(name) {
			r.fail("Unable to create model for '%s': Model name must be alphanumeric: %s", name, name)
			continue
		}
		r.def.Models[name] = &restapi.Model{ID: r.o.NewID(6), Name: name, ContentType: "application/json"}
	}
	for _, name := range schemas.keys {
		model := r.def.Models[name]
		if model == nil {
			continue
		}
		schema, ok := schemas.get(name).(*object)
		if !ok {
			r.fail("Unable to create model for '%s': Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]", name)
			continue
		}
		model.Description, _ = schema.get("description").(string)
		model.Schema = r.schema(name, schema)
	}
}

// schema turns a schema of the document into that of a model.
func (r *reader) schema(model string, schema *object) string {
	c := conversion{r: r, model: model}
	out := c.convert(schema)
	if c.bad != "" {
		r.fail("Unable to create model for '%s': Invalid model specified: Validation Result: warnings : [], errors : [%s]", model, c.bad)
	}
	if len(c.ignored) > 0 {
		slices.Sort(c.ignored)
		text, err := json.Marshal(slices.Compact(c.ignored))
		if err != nil {
			panic(err) // strings always have JSON
		}
		r.warn("Unsupported keyword(s) of model '%s': %s. Ignoring.", model, text)
	}
	return string(encodeJSON(out))
}

// conversion turns one schema of OpenAPI into JSON Schema, draft 4.
//
// minItems and maxItems stay: AWS documents that its simple request validation
// does not have them, but a document that gives them means them.
type conversion struct {
	r       *reader
	model   string
	ignored []string
	bad     string
}

func (c *conversion) convert(v any) any {
	schema, ok := v.(*object)
	if !ok || !c.r.spend(memberCost*(1+schema.len())) {
		return v
	}
	if ref, ok := schema.get("$ref").(string); ok {
		return newObject().set("$ref", c.reference(ref))
	}
	out := newObject()
	for _, k := range schema.keys {
		v := schema.values[k]
		switch k {
		case "properties", "patternProperties", "definitions", "dependencies":
			out.set(k, c.each(v))
		case "items", "additionalItems", "additionalProperties", "not":
			out.set(k, c.oneOrMore(v))
		case "allOf", "anyOf", "oneOf":
			out.set(k, c.oneOrMore(v))
		default:
			if slices.Contains(ignoredKeywords, k) {
				c.ignored = append(c.ignored, k)
			} else if !strings.HasPrefix(k, "x-") && c.r.spend(cost(v)) {
				out.set(k, copyTree(v))
			}
		}
	}
	return out
}

func (c *conversion) each(v any) any {
	o, ok := v.(*object)
	if !ok {
		c.bad = "Invalid model schema specified"
		return v
	}
	out := newObject()
	for _, k := range o.keys {
		out.set(k, c.convert(o.values[k]))
	}
	return out
}

func (c *conversion) oneOrMore(v any) any {
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = c.convert(e)
		}
		return out
	}
	return c.convert(v)
}

// reference rewrites a reference to a schema of the document.
func (c *conversion) reference(ref string) string {
	name, ok := c.r.schemaOf(ref)
	if !ok {
		c.bad = "Model reference must be in canonical form"
		return ref
	}
	if c.r.def.Models[name] == nil {
		c.bad = "Reference to model '" + name + "' not found"
	}
	return ModelReference(c.r.o.APIID, name)
}

// schemaOf takes the name of a schema out of a reference to it.
func (r *reader) schemaOf(ref string) (string, bool) {
	if name, ok := modelOf(ref); ok {
		return name, true
	}
	for _, prefix := range []string{"#/definitions/", "#/components/schemas/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok && !strings.Contains(name, "/") {
			return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), true
		}
	}
	return "", false
}

// modelFor is the name of the model for the schema of a body, which becomes one
// if it is written there; empty, after a warning, where there can be none.
func (r *reader) modelFor(v any, where string) string {
	schema, ok := v.(*object)
	if !ok {
		return ""
	}
	if ref, ok := schema.get("$ref").(string); ok {
		name, ok := r.schemaOf(ref)
		if !ok {
			name = ref
		}
		if r.def.Models[name] == nil {
			r.warn("Reference to model '%s' not found. Ignoring.", name)
			return ""
		}
		return name
	}
	switch kind, _ := schema.get("type").(string); kind {
	case "string", "integer", "number", "boolean", "file":
		r.warn("Unsupported model type '%sSchema' in %s. Ignoring.", strings.ToUpper(kind[:1])+kind[1:], where)
		return ""
	}
	return r.inlineModel(schema)
}

// inlineModel makes a model of a schema that has no name. The name comes from
// the schema, so that the same document makes the same models.
func (r *reader) inlineModel(schema *object) string {
	text := r.schema("inline schema", schema)
	// The API's ID is no part of what the schema says.
	sum := sha256.Sum256([]byte(strings.ReplaceAll(text, modelURL+r.o.APIID+"/", modelURL)))
	digest := hex.EncodeToString(sum[:])
	for n := 6; ; n++ {
		name := "MODEL" + digest[:n]
		switch m := r.def.Models[name]; {
		case m == nil:
			m = &restapi.Model{ID: r.o.NewID(6), Name: name, ContentType: "application/json", Schema: text}
			m.Description, _ = schema.get("description").(string)
			r.def.Models[name] = m
			return name
		case m.Schema == text || n == len(digest):
			return name
		}
	}
}
