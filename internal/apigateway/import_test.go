package apigateway

import (
	"os"
	"slices"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/store"
)

// extensions is a document with every extension that package openapi reads.
func extensions(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("openapi/testdata/extensions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (f *fixture) export(id *string, format, accept, extensions string) string {
	f.t.Helper()
	in := &api.GetExportRequest{RestApiId: id, StageName: new("dev"), ExportType: &format, Accepts: &accept}
	if extensions != "" {
		in.Parameters = map[string]string{"extensions": extensions}
	}
	return string(must(f.GetExport(f.ctx, in))(f.t).Body)
}

func TestImportDeployExportImport(t *testing.T) {
	f := setup(t)
	first := must(f.ImportRestApi(f.ctx, &api.ImportRestApiRequest{Body: extensions(t), Parameters: map[string]string{
		"endpointConfigurationTypes": "PRIVATE", "basepath": "ignore"}}))(t)
	if *first.Name != "Library" || *first.Version != "1.0" || first.EndpointConfiguration.Types[0] != api.EndpointTypePrivate ||
		first.EndpointConfiguration.VpcEndpointIds[0] != "vpce-0123456789abcdef0" || *first.ApiKeySource != api.ApiKeySourceTypeAuthorizer || !*first.DisableExecuteApiEndpoint {
		t.Errorf("imported %+v", first)
	}
	f.api = first.Id
	want := []string{"/", "/books", "/books/{isbn}"}
	if got := f.paths(); !slices.Equal(got, want) {
		t.Errorf("paths %v, want %v", got, want)
	}
	model := must(f.GetModel(f.ctx, &api.GetModelRequest{RestApiId: f.api, ModelName: new("Book")}))(t)
	if !strings.Contains(*model.Schema, "/restapis/"+*f.api+"/models/Shelf") {
		t.Errorf("schema %s", *model.Schema)
	}
	// What a deployment refuses: methods without an integration.
	for path, methods := range map[string][]string{"/books/{isbn}": {"DELETE", "OPTIONS", "PATCH"}} {
		for _, r := range must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: f.api}))(t).Items {
			if *r.Path == path {
				for _, m := range methods {
					must(f.PutIntegration(f.ctx, &api.PutIntegrationRequest{RestApiId: f.api, ResourceId: r.Id, HttpMethod: new(m), Type: new(api.IntegrationTypeMock)}))(t)
				}
			}
		}
	}
	f.deploy("dev")
	must(f.updateStage(patch("replace", "/documentationVersion", "7")...))(t)

	for _, format := range []string{"oas30", "swagger"} {
		for _, accept := range []string{"application/json", "application/yaml"} {
			text := f.export(f.api, format, accept, "apigateway")
			if plain := f.export(f.api, format, accept, ""); strings.Contains(plain, "x-amazon-apigateway-integration") || !strings.Contains(text, "x-amazon-apigateway-integration") {
				t.Error("extensions make no difference")
			}
			again := must(f.ImportRestApi(f.ctx, &api.ImportRestApiRequest{Body: []byte(text), Parameters: map[string]string{"endpointConfigurationTypes": "PRIVATE"}}))(t)
			f.api = again.Id
			f.deploy("dev")
			must(f.updateStage(patch("replace", "/documentationVersion", "7")...))(t)
			if got := strings.ReplaceAll(f.export(again.Id, format, accept, "apigateway"), *again.Id, *first.Id); got != text {
				t.Errorf("%s %s: exported again it is another document:\n%s\nand before\n%s", format, accept, got, text)
			}
			f.api = first.Id
		}
	}
	out := must(f.GetExport(f.ctx, &api.GetExportRequest{RestApiId: f.api, StageName: new("dev"), ExportType: new("swagger")}))(t)
	if *out.ContentType != "application/json" || !strings.HasPrefix(*out.ContentDisposition, `attachment; filename="swagger_`) {
		t.Errorf("export %+v", out)
	}
	for _, c := range []struct {
		in         api.GetExportRequest
		kind, want string
	}{
		{api.GetExportRequest{ExportType: new("raml")}, "BadRequestException", "Invalid export type"},
		{api.GetExportRequest{ExportType: new("oas30"), Accepts: new("text/html")}, "BadRequestException", "Accept"},
		{api.GetExportRequest{ExportType: new("oas30"), StageName: new("no")}, "NotFoundException", "Invalid stage identifier specified"},
		{api.GetExportRequest{ExportType: new("oas30"), Parameters: map[string]string{"extensions": "all"}}, "BadRequestException", "Invalid export extension"},
	} {
		c.in.RestApiId = f.api
		if c.in.StageName == nil {
			c.in.StageName = new("dev")
		}
		_, err := f.GetExport(f.ctx, &c.in)
		wantError(t, err, c.kind, c.want)
	}
}

const small = `{"swagger":"2.0","info":{"title":"small","version":"2"},"paths":{"/a":{"get":{"responses":{"200":{"description":"fine"}},
	"x-amazon-apigateway-integration":{"type":"mock"}}}}}`

func TestPutRestAPI(t *testing.T) {
	f := setup(t)
	f.resource(f.root, "kept")
	merged := must(f.PutRestApi(f.ctx, &api.PutRestApiRequest{RestApiId: f.api, Body: []byte(small), Mode: new(api.PutModeMerge)}))(t)
	if *merged.RootResourceId != *f.root || *merged.Name != "small" {
		t.Errorf("merged %+v", merged)
	}
	if got := f.paths(); !slices.Equal(got, []string{"/", "/a", "/kept"}) && !slices.Equal(got, []string{"/", "/kept", "/a"}) && len(got) != 3 {
		t.Errorf("paths %v", got)
	}
	id := must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: f.api}))(t)
	ids := map[string]string{}
	for _, r := range id.Items {
		ids[*r.Path] = *r.Id
	}
	must(f.PutRestApi(f.ctx, &api.PutRestApiRequest{RestApiId: f.api, Body: []byte(small), Mode: new(api.PutModeOverwrite)}))(t)
	after := must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: f.api}))(t)
	if len(after.Items) != 2 {
		t.Errorf("after the overwrite: %d resources", len(after.Items))
	}
	for _, r := range after.Items {
		if ids[*r.Path] != *r.Id {
			t.Errorf("%s has a new ID", *r.Path)
		}
	}
	f.deploy("dev") // the mock integration came with it
}

func TestImportErrors(t *testing.T) {
	f := setup(t)
	bad := strings.Replace(small, `"type":"mock"`, `"type":"mock","requestTemplates":{"application/json":"BAD"},"requestParameters":{"integration.request.header.X":"method.request.header.No"}`, 1)
	for name, c := range map[string]struct {
		body       string
		parameters map[string]string
		fail       bool
		want       string
	}{
		"nothing":    {"", nil, false, "Invalid OpenAPI input."},
		"mapping":    {bad, nil, false, "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/a': Invalid mapping expression specified"},
		"warnings":   {strings.Replace(small, `"get":{`, `"get":{"security":[{"x":[]}],`, 1), nil, true, "Warnings found during import:\n\tReference to security definition 'x' not found. Ignoring."},
		"parameter":  {small, map[string]string{"colour": "red"}, false, "Invalid parameter specified: colour"},
		"base path":  {small, map[string]string{"basepath": "drop"}, false, "Invalid basepath"},
		"model":      {strings.Replace(small, `"paths"`, `"definitions":{"A":{"type":"nonsense"}},"paths"`, 1), nil, false, "Unable to create model for 'A': Invalid model specified: Validation Result: warnings : [], errors : ["},
		"authorizer": {strings.Replace(small, `"paths"`, `"securityDefinitions":{"z":{"type":"apiKey","name":"A","in":"header","x-amazon-apigateway-authorizer":{"type":"token","authorizerUri":"nowhere"}}},"paths"`, 1), nil, false, "Unable to create authorizer 'z': Invalid Authorizer URI: nowhere."},
		"policy":     {strings.Replace(small, `"paths"`, `"x-amazon-apigateway-policy":{"a":1},"paths"`, 1), nil, false, "Invalid policy document"},
		"gateway":    {strings.Replace(small, `"paths"`, `"x-amazon-apigateway-gateway-responses":{"NO_SUCH":{}},"paths"`, 1), nil, false, "Unable to put gateway response 'NO_SUCH'"},
	} {
		_, err := f.ImportRestApi(f.ctx, &api.ImportRestApiRequest{Body: []byte(c.body), Parameters: c.parameters, FailOnWarnings: &c.fail})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantError(t, err, "BadRequestException", c.want)
	}
	if list := must(f.GetRestApis(f.ctx, &api.GetRestApisRequest{}))(t); len(list.Items) != 1 {
		t.Errorf("%d APIs: a refused import left one behind", len(list.Items))
	}
}

func TestDocumentation(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	where := &api.DocumentationPartLocation{Type: new(api.DocumentationPartTypeMethod), Path: new("/for-dev"), Method: new("GET")}
	part := must(f.CreateDocumentationPart(f.ctx, &api.CreateDocumentationPartRequest{RestApiId: f.api, Location: where, Properties: new(`{"summary":"Says hello"}`)}))(t)
	_, err := f.CreateDocumentationPart(f.ctx, &api.CreateDocumentationPartRequest{RestApiId: f.api, Location: where, Properties: new(`{}`)})
	wantError(t, err, "ConflictException", "Documentation part already exists for the specified location: type 'METHOD', path '/for-dev', method 'GET'.")
	_, err = f.CreateDocumentationPart(f.ctx, &api.CreateDocumentationPartRequest{RestApiId: f.api, Properties: new(`[]`),
		Location: &api.DocumentationPartLocation{Type: new(api.DocumentationPartTypeApi)}})
	wantError(t, err, "BadRequestException", "valid JSON object")
	_, err = f.CreateDocumentationPart(f.ctx, &api.CreateDocumentationPartRequest{RestApiId: f.api, Properties: new(`{}`),
		Location: &api.DocumentationPartLocation{Type: new(api.DocumentationPartTypeApi), Path: new("/")}})
	wantError(t, err, "BadRequestException", "Path is not a valid location field")
	missing := must(f.GetDocumentationParts(f.ctx, &api.GetDocumentationPartsRequest{RestApiId: f.api, Path: new("/for-dev"), LocationStatus: new(api.LocationStatusTypeUndocumented)}))(t)
	for _, p := range missing.Items {
		if *p.Location.Type == api.DocumentationPartTypeMethod || p.Id != nil {
			t.Errorf("undocumented %+v", p)
		}
	}
	if len(missing.Items) != 2 { // the resource, and the request's body
		t.Errorf("%d locations without documentation", len(missing.Items))
	}
	v := must(f.CreateDocumentationVersion(f.ctx, &api.CreateDocumentationVersionRequest{RestApiId: f.api, DocumentationVersion: new("1.0/a"), StageName: new("dev"), Description: new("d")}))(t)
	_, err = f.CreateDocumentationVersion(f.ctx, &api.CreateDocumentationVersionRequest{RestApiId: f.api, DocumentationVersion: v.Version})
	wantError(t, err, "ConflictException", "already exists")
	// A version keeps what it was made of.
	must(f.UpdateDocumentationPart(f.ctx, &api.UpdateDocumentationPartRequest{RestApiId: f.api, DocumentationPartId: part.Id, PatchOperations: patch("replace", "/properties", `{"summary":"Later"}`)}))(t)
	if text := f.export(f.api, "oas30", "", ""); !strings.Contains(text, `"summary" : "Says hello"`) {
		t.Errorf("exported %s", text)
	}
	_, err = f.DeleteDocumentationVersion(f.ctx, &api.DeleteDocumentationVersionRequest{RestApiId: f.api, DocumentationVersion: v.Version})
	wantError(t, err, "BadRequestException", "associated with stage 'dev'")
	must(f.UpdateDocumentationVersion(f.ctx, &api.UpdateDocumentationVersionRequest{RestApiId: f.api, DocumentationVersion: v.Version, PatchOperations: patch("replace", "/description", "e")}))(t)
	must(f.CreateDocumentationVersion(f.ctx, &api.CreateDocumentationVersionRequest{RestApiId: f.api, DocumentationVersion: new("2")}))(t)
	if list := must(f.GetDocumentationVersions(f.ctx, &api.GetDocumentationVersionsRequest{RestApiId: f.api}))(t); len(list.Items) != 2 || *list.Items[0].Version != "1.0/a" || *list.Items[0].Description != "e" {
		t.Errorf("versions %+v", list.Items)
	}

	parts := []byte(`{"swagger":"2.0","x-amazon-apigateway-documentation":{"documentationParts":[
		{"location":{"type":"METHOD","path":"/for-dev","method":"GET"},"properties":{"summary":"Imported"}},{"location":{"type":"MODEL","name":"Empty"},"properties":{"description":"x"}}]}}`)
	ids := must(f.ImportDocumentationParts(f.ctx, &api.ImportDocumentationPartsRequest{RestApiId: f.api, Body: parts}))(t)
	if len(ids.Ids) != 2 || !slices.Contains(ids.Ids, *part.Id) {
		t.Errorf("imported %+v", ids)
	}
	ids = must(f.ImportDocumentationParts(f.ctx, &api.ImportDocumentationPartsRequest{RestApiId: f.api, Mode: new(api.PutModeOverwrite),
		Body: []byte(`{"swagger":"2.0","x-amazon-apigateway-documentation":{"documentationParts":[{"location":{"type":"API"},"properties":{"a":1}}]}}`)}))(t)
	if list := must(f.GetDocumentationParts(f.ctx, &api.GetDocumentationPartsRequest{RestApiId: f.api}))(t); len(list.Items) != 1 || *list.Items[0].Id != ids.Ids[0] {
		t.Errorf("after the overwrite %+v", list.Items)
	}
	must(f.DeleteDocumentationPart(f.ctx, &api.DeleteDocumentationPartRequest{RestApiId: f.api, DocumentationPartId: &ids.Ids[0]}))(t)
	_, err = f.GetDocumentationPart(f.ctx, &api.GetDocumentationPartRequest{RestApiId: f.api, DocumentationPartId: &ids.Ids[0]})
	wantError(t, err, "NotFoundException", "Invalid Documentation part identifier specified")

	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
	if left := must(f.docs.List(f.ctx, partsPrefix+*f.api+"/", "", 0))(t); len(left) != 0 {
		t.Errorf("left behind: %v", keysIn(left))
	}
}

func keysIn(docs []store.Document) []string {
	var out []string
	for _, d := range docs {
		out = append(out, d.Key)
	}
	return out
}
