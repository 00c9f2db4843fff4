package apigateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func (f *fixture) model(name, schema string) error {
	_, err := f.CreateModel(f.ctx, &api.CreateModelRequest{RestApiId: f.api, Name: &name, ContentType: new("application/json"), Schema: &schema})
	return err
}

func ref(f *fixture, name string) string {
	return "https://apigateway.amazonaws.com/restapis/" + *f.api + "/models/" + name
}

func TestModelsAreChecked(t *testing.T) {
	f := setup(t)
	const invalid = "Invalid model specified: Validation Result: warnings : [], errors : ["
	for _, c := range []struct{ name, schema, kind, want string }{
		{"", "{}", "BadRequestException", "Model name must be non-empty"},
		{"my-model", "{}", "BadRequestException", "Model name must be alphanumeric: my-model"},
		{"Empty", "{}", "ConflictException", "Model name already exists for this REST API"},
		{"m", "", "BadRequestException", "Model schema must have at least 1 property or array items defined"},
		{"m", "{", "BadRequestException", invalid + "Invalid model schema specified]"},
		{"m", "[]", "BadRequestException", invalid + "Invalid model schema specified]"},
		{"m", `{"type": "nosuch"}`, "BadRequestException", invalid},
		{"m", `{"$ref": "` + ref(f, "Nosuch") + `"}`, "BadRequestException", invalid + "Invalid model reference specified: " + ref(f, "Nosuch")},
		{"m", `{"$ref": "file:///etc/passwd"}`, "BadRequestException", invalid + "Invalid model reference specified: file:///etc/passwd"},
		{"m", `{"pattern": "("}`, "BadRequestException", invalid},
	} {
		wantError(t, f.model(c.name, c.schema), c.kind, c.want)
	}
	if list := must(f.GetModels(f.ctx, &api.GetModelsRequest{RestApiId: f.api}))(t); len(list.Items) != 2 {
		t.Errorf("a refused model is there: %v", list.Items)
	}
	for name, schema := range map[string]string{
		"Lookahead": `{"type": "string", "pattern": "^(?!x)[a-z]+$"}`,
		"Draft4":    `{"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 1, "exclusiveMinimum": true}`,
	} {
		if err := f.model(name, schema); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(f.CreateModel(f.ctx, &api.CreateModelRequest{RestApiId: f.api, Name: new("Xml"), ContentType: new("application/xml"), Schema: new("<xs:schema/>")}))(t)
}

func TestModelsReferToEachOther(t *testing.T) {
	f := setup(t)
	for _, m := range [][2]string{
		{"Toy", `{"type": "object", "properties": {"name": {"type": "string", "enum": ["ball", "bone"]}}}`},
		{"Pet", `{"type": "object", "properties": {"id": {"type": "integer"}, "price": {"type": "number"}, "ok": {"type": "boolean"}, "toys": {"type": "array", "items": {"$ref": "` + ref(f, "Toy") + `"}}}}`},
		{"Pets", `{"type": "array", "items": {"$ref": "` + ref(f, "Pet") + `"}}`},
	} {
		if err := f.model(m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	_, err := f.DeleteModel(f.ctx, &api.DeleteModelRequest{RestApiId: f.api, ModelName: new("Toy")})
	wantError(t, err, "ConflictException", "Cannot delete model 'Toy', is referenced in model: Pet")

	flat := *must(f.GetModel(f.ctx, &api.GetModelRequest{RestApiId: f.api, ModelName: new("Pets"), Flatten: new(true)}))(t).Schema
	if strings.Contains(flat, "amazonaws") {
		t.Errorf("flat: %s", flat)
	}
	doc := must(jsonschema.UnmarshalJSON(strings.NewReader(flat)))(t)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///m", doc); err != nil {
		t.Fatal(err)
	}
	sch := must(c.Compile("mem:///m"))(t)
	for instance, ok := range map[string]bool{
		`[{"id": 1, "toys": [{"name": "ball"}]}]`:  true,
		`[{"id": 1, "toys": [{"name": "other"}]}]`: false,
		`[{"id": "x"}]`: false,
	} {
		v := must(jsonschema.UnmarshalJSON(strings.NewReader(instance)))(t)
		if err := sch.Validate(v); (err == nil) != ok {
			t.Errorf("%s: %v", instance, err)
		}
	}

	template := *must(f.GetModelTemplate(f.ctx, &api.GetModelTemplateRequest{RestApiId: f.api, ModelName: new("Pets")}))(t).Value
	want := `#set($inputRoot = $input.path('$'))
[
##TODO: Update this foreach loop to reference array from input json
#foreach($elem in $inputRoot)
  {
    "id" : 42,
    "ok" : true,
    "price" : 42.0,
    "toys" : [
##TODO: Update this foreach loop to reference array from input json
#foreach($elem1 in $elem.toys)
      {
        "name" : "ball"
      }
#if($foreach.hasNext),#end
#end
    ]
  }
#if($foreach.hasNext),#end
#end
]
`
	if template != want {
		t.Errorf("template:\n%s\nwant:\n%s", template, want)
	}
}

// A model that holds itself has a template that ends, and is flattened.
func TestAModelMayHoldItself(t *testing.T) {
	f := setup(t)
	if err := f.model("Tree", `{"type": "object", "properties": {"child": {"$ref": "`+ref(f, "Tree")+`"}}}`); err != nil {
		t.Fatal(err)
	}
	template := *must(f.GetModelTemplate(f.ctx, &api.GetModelTemplateRequest{RestApiId: f.api, ModelName: new("Tree")}))(t).Value
	if want := "#set($inputRoot = $input.path('$'))\n{\n  \"child\" : {\n    \"child\" : {}\n  }\n}\n"; template != want {
		t.Errorf("template:\n%s", template)
	}
	flat := *must(f.GetModel(f.ctx, &api.GetModelRequest{RestApiId: f.api, ModelName: new("Tree"), Flatten: new(true)}))(t).Schema
	var doc struct {
		Properties struct {
			Child struct {
				Ref string `json:"$ref"`
			}
		}
	}
	if err := json.Unmarshal([]byte(flat), &doc); err != nil || doc.Properties.Child.Ref != "#" {
		t.Errorf("%v %s", err, flat)
	}
}

func TestAModelInUseStays(t *testing.T) {
	f := setup(t)
	if err := f.model("Pet", `{"type": "object"}`); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		_, err := f.DeleteModel(f.ctx, &api.DeleteModelRequest{RestApiId: f.api, ModelName: new("Pet")})
		return err
	}
	in := &api.PutMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("ANY"), AuthorizationType: new("NONE"), RequestModels: map[string]string{"application/json": "Pet"}}
	must(f.PutMethod(f.ctx, in))(t)
	wantError(t, remove(), "ConflictException", "Cannot delete model 'Pet', is referenced in method request: //ANY")
	must(f.UpdateMethod(f.ctx, &api.UpdateMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("ANY"), PatchOperations: patch("remove", "/requestModels/application~1json", "")}))(t)
	must(f.PutMethodResponse(f.ctx, &api.PutMethodResponseRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("ANY"), StatusCode: new("200"), ResponseModels: map[string]string{"application/json": "Pet"}}))(t)
	wantError(t, remove(), "ConflictException", "is referenced in method response: //ANY/200")
	must(f.DeleteMethod(f.ctx, &api.DeleteMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("ANY")}))(t)

	update := func(triples ...string) error {
		_, err := f.UpdateModel(f.ctx, &api.UpdateModelRequest{RestApiId: f.api, ModelName: new("Pet"), PatchOperations: patch(triples...)})
		return err
	}
	wantError(t, update("replace", "/name", "x"), "BadRequestException", "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]")
	wantError(t, update("add", "/wrong-path", "x"), "BadRequestException", "Invalid patch path  '/wrong-path' specified for op 'add'. Please choose supported operations")
	wantError(t, update("replace", "/schema", ""), "BadRequestException", "Model schema must have")
	if err := update("replace", "/schema", `{"type": "array"}`); err != nil {
		t.Error(err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	wantError(t, remove(), "NotFoundException", "Invalid model name specified: Pet")
}

// Models that describe an endless sample have a template that ends.
func TestTemplatesAreBounded(t *testing.T) {
	f := setup(t)
	for i := 'A'; i < 'L'; i++ {
		next := `{"type": "string"}`
		if i > 'A' {
			next = `{"$ref": "` + ref(f, string(i-1)) + `"}`
		}
		var properties []string
		for j := range 9 {
			properties = append(properties, fmt.Sprintf(`"p%d": %s`, j, next))
		}
		if err := f.model(string(i), `{"type": "object", "properties": {`+strings.Join(properties, ",")+`}}`); err != nil {
			t.Fatal(err)
		}
	}
	template := *must(f.GetModelTemplate(f.ctx, &api.GetModelTemplateRequest{RestApiId: f.api, ModelName: new("K")}))(t).Value
	if len(template) > 2*maxTemplate {
		t.Errorf("%d bytes", len(template))
	}
}
