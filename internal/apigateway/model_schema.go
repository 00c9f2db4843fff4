package apigateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/paddock-run/paddock/internal/restapi"
)

// modelRef is how a schema refers to another model of its API.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html
var modelRef = regexp.MustCompile(`^https?://apigateway[^/]*/restapis/[^/]+/models/([A-Za-z0-9]+)(?:#.*)?$`)

// maxModel is how large a model may be, in bytes.
const maxModel = 400 << 10

// checkModel checks a model's schema and what it refers to.
func checkModel(apiID string, d *restapi.Definition, m *restapi.Model) error {
	if strings.TrimSpace(m.Schema) == "" {
		return badRequest("Model schema must have at least 1 property or array items defined")
	}
	if len(m.Schema) > maxModel {
		return badRequest("Invalid model specified: Validation Result: warnings : [], errors : [Model is larger than %d bytes]", maxModel)
	}
	if !isJSON(m.ContentType) {
		return nil
	}
	if err := compileModel(apiID, d, m); err != nil {
		return badRequest("Invalid model specified: Validation Result: warnings : [], errors : [%s]", oneLine(err))
	}
	return nil
}

func isJSON(contentType string) bool {
	ct, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	ct = strings.TrimSpace(ct)
	return ct == "application/json" || strings.HasSuffix(ct, "+json")
}

var errNoSchema = errors.New("Invalid model schema specified")

// compileModel compiles a model's schema, with those it refers to. Nothing but
// models of the API can be referred to: no file, no other host.
func compileModel(apiID string, d *restapi.Definition, m *restapi.Model) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(m.Schema))
	if err != nil {
		return errNoSchema
	}
	if _, ok := doc.(map[string]any); !ok {
		return errNoSchema
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(modelLoader{d})
	c.UseRegexpEngine(compilePattern)
	self := "https://apigateway.amazonaws.com/restapis/" + apiID + "/models/" + m.Name
	if err := c.AddResource(self, doc); err != nil {
		return errNoSchema
	}
	_, err = c.Compile(self)
	return err
}

// modelLoader finds the models that a schema refers to.
type modelLoader struct{ d *restapi.Definition }

// Load returns the model that a reference names.
func (l modelLoader) Load(url string) (any, error) {
	match := modelRef.FindStringSubmatch(url)
	if match == nil || l.d.Models[match[1]] == nil {
		return nil, fmt.Errorf("Invalid model reference specified: %s", url)
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(l.d.Models[match[1]].Schema))
}

// pattern is a regular expression of a schema: those of ECMA 262, as JSON Schema
// has them.
type pattern struct{ *regexp2.Regexp }

func (p pattern) MatchString(s string) bool {
	ok, err := p.Regexp.MatchString(s)
	return ok && err == nil
}

func compilePattern(s string) (jsonschema.Regexp, error) {
	re, err := regexp2.Compile(s, regexp2.ECMAScript)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = time.Second
	return pattern{re}, nil
}

// oneLine makes a text for a client of a compiler's error: its last cause.
func oneLine(err error) string {
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return load.Err.Error()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// modelRefs are the names of the models that a model's schema refers to.
func modelRefs(m *restapi.Model) []string {
	var doc any
	if json.Unmarshal([]byte(m.Schema), &doc) != nil {
		return nil
	}
	found := map[string]bool{}
	eachRef(doc, func(object map[string]any, name string) { found[name] = true })
	return slices.Sorted(maps.Keys(found))
}

// eachRef calls fn for every object of a schema that refers to a model.
func eachRef(node any, fn func(object map[string]any, name string)) {
	switch n := node.(type) {
	case map[string]any:
		if ref, ok := n["$ref"].(string); ok {
			if match := modelRef.FindStringSubmatch(ref); match != nil {
				fn(n, match[1])
			}
		}
		for _, v := range n {
			eachRef(v, fn)
		}
	case []any:
		for _, v := range n {
			eachRef(v, fn)
		}
	}
}

// flatten returns a model's schema with what it refers to among its definitions.
func flatten(d *restapi.Definition, m *restapi.Model) (string, error) {
	var root any
	if err := json.Unmarshal([]byte(m.Schema), &root); err != nil {
		return m.Schema, nil // no JSON: there is nothing to put in
	}
	object, ok := root.(map[string]any)
	if !ok {
		return m.Schema, nil
	}
	definitions, _ := object["definitions"].(map[string]any)
	if definitions == nil {
		definitions = map[string]any{}
	}
	added := map[string]bool{}
	var local func(node any) error
	local = func(node any) (err error) {
		eachRef(node, func(object map[string]any, name string) {
			if name == m.Name {
				object["$ref"] = "#"
				return
			}
			object["$ref"] = "#/definitions/" + name
			if added[name] || d.Models[name] == nil {
				return
			}
			added[name] = true
			var doc any
			if e := json.Unmarshal([]byte(d.Models[name].Schema), &doc); e != nil {
				err = errors.Join(err, e)
				return
			}
			err = errors.Join(err, local(doc))
			definitions[name] = doc
		})
		return err
	}
	if err := local(root); err != nil {
		return "", err
	}
	if len(definitions) > 0 {
		object["definitions"] = definitions
	}
	out, err := json.MarshalIndent(object, "", "  ")
	return string(out), err
}
