package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/paddock-run/paddock/internal/gateway/params"
	"github.com/paddock-run/paddock/internal/restapi"
)

// validator checks a method's requests.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
type validator struct {
	required []requirement
	models   map[string]*jsonschema.Schema // by lower-case content type
}

// requirement is a parameter that must be there and not be blank.
type requirement struct {
	in   params.Location
	name string
}

func newValidator(d *restapi.Definition, m *restapi.Method) (*validator, error) {
	if m.RequestValidatorID == "" {
		return nil, nil
	}
	rv := d.Validators[m.RequestValidatorID]
	if rv == nil {
		return nil, fmt.Errorf("the method's request validator %s does not exist", m.RequestValidatorID)
	}
	v := &validator{}
	if rv.Parameters {
		for _, name := range slices.Sorted(maps.Keys(m.RequestParameters)) {
			s, ok := params.RequestSource(name)
			if m.RequestParameters[name] && ok && s.Kind == params.Parameter {
				v.required = append(v.required, requirement{s.In, s.Name})
			}
		}
	}
	if rv.Body && len(m.RequestModels) > 0 {
		models := newModels(d)
		v.models = map[string]*jsonschema.Schema{}
		for contentType, name := range m.RequestModels {
			schema, err := models.compile(name)
			if err != nil {
				return nil, fmt.Errorf("the model %s: %w", name, err)
			}
			v.models[strings.ToLower(contentType)] = schema
		}
	}
	return v, nil
}

// validate checks the request's parameters, then its body.
func (c *call) validate() *Failure {
	v := c.method.validator
	if v == nil {
		return nil
	}
	if f := v.parameters(c); f != nil {
		return f
	}
	return v.body(c)
}

func (v *validator) parameters(c *call) *Failure {
	var missing []string
	for _, r := range v.required {
		values := requestValues{c}.Parameter(r.in, r.name)
		if !slices.ContainsFunc(values, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			missing = append(missing, r.name)
		}
	}
	if missing == nil {
		return nil
	}
	f := fail(badParameters, "")
	f.Message = "Missing required request parameters: [" + strings.Join(missing, ", ") + "]"
	f.Validation, f.Detail = f.Message, "Request parameters invalid: "+f.Message
	return f
}

// body checks the body against the model of its content type; "$default" is that
// of all others. A type without a model is not checked.
func (v *validator) body(c *call) *Failure {
	t := mediaType(c.HTTP.Header.Get("Content-Type"))
	if t == "" {
		t = "application/json"
	}
	schema := v.models[t]
	if schema == nil {
		schema = v.models["$default"]
	}
	if schema == nil {
		return nil
	}
	text := c.body
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}") // no body is checked as an empty object
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return invalidBody([]string{"Unable to parse the body as JSON"})
	}
	if err := schema.Validate(value); err != nil {
		return invalidBody(violations(err, value))
	}
	return nil
}

func invalidBody(what []string) *Failure {
	f := fail(badBody, "")
	f.Validation = "[" + strings.Join(what, ", ") + "]"
	f.Detail = "Request body does not match model schema for content type: " + f.Validation
	return f
}

// models compiles an API's models, which may refer to each other.
type models struct {
	definition *restapi.Definition
	compiler   *jsonschema.Compiler
}

// modelBase is where models stand for the compiler: in references, the host and
// the API's ID before /models/ mean nothing.
const modelBase = "https://apigateway.amazonaws.com/restapis/models/"

func newModels(d *restapi.Definition) *models {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	m := &models{definition: d, compiler: c}
	c.UseLoader(m)
	return m
}

func (m *models) compile(name string) (*jsonschema.Schema, error) {
	return m.compiler.Compile(modelBase + name)
}

// Load finds a model by its URL: it is the compiler's only way to get at anything,
// so that a schema cannot make the gateway read a file or call a server.
func (m *models) Load(url string) (any, error) {
	name := url[strings.LastIndexByte(url, '/')+1:]
	model := m.definition.Models[name]
	if model == nil {
		switch name {
		case "Empty", "Error": // what every API begins with
			return map[string]any{}, nil
		}
		return nil, fmt.Errorf("there is no model %q", name)
	}
	if strings.TrimSpace(model.Schema) == "" {
		return map[string]any{}, nil
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(model.Schema))
	if err != nil {
		return nil, fmt.Errorf("the model %q is not JSON: %w", name, err)
	}
	normalize(doc)
	return doc, nil
}

// normalize makes a schema one that the compiler takes as draft 4: whatever
// dialect it says it is of, API Gateway reads it so; and references to models of
// any API and host are to this one's.
func normalize(doc any) {
	switch doc := doc.(type) {
	case map[string]any:
		if _, ok := doc["$schema"].(string); ok {
			delete(doc, "$schema")
		}
		if ref, ok := doc["$ref"].(string); ok {
			if i := strings.LastIndex(ref, "/models/"); i >= 0 {
				doc["$ref"] = modelBase + ref[i+len("/models/"):]
			}
		}
		// An id would move the base that references are resolved against.
		if id, ok := doc["id"].(string); ok && strings.Contains(id, "/") {
			delete(doc, "id")
		}
		for _, v := range doc {
			normalize(v)
		}
	case []any:
		for _, v := range doc {
			normalize(v)
		}
	}
}

// number is a JSON number as the model writes it.
func number(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
