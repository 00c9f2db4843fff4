package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/restapi"
)

// ids makes identifiers that count.
func ids() func(int) string {
	n := 0
	return func(int) string { n++; return fmt.Sprintf("id%d", n) }
}

func mustRead(t *testing.T, text string, o ReadOptions) *Document {
	t.Helper()
	o.APIID, o.NewID = "abc", ids()
	d, err := Read([]byte(text), o)
	if err != nil {
		t.Fatalf("%v\nin:\n%.300s", err, text)
	}
	return d
}

// plain is a document as JSON, with paths and names in place of identifiers.
func plain(t *testing.T, d *Document) string {
	t.Helper()
	c := *d
	c.Warnings, c.given = nil, given{}
	def := *d.Definition
	names := map[string]string{"": ""}
	for id, r := range def.Resources {
		names[id] = r.Path
	}
	for id, a := range def.Authorizers {
		names[id] = a.Name
	}
	for id, v := range def.Validators {
		names[id] = v.Name
	}
	def.RootResourceID = names[def.RootResourceID]
	c.Definition = &def

	resources := map[string]*restapi.Resource{}
	for _, r := range def.Resources {
		r := *r
		r.ID, r.ParentID = names[r.ID], names[r.ParentID]
		methods := map[string]*restapi.Method{}
		for k, m := range r.Methods {
			m := *m
			m.AuthorizerID, m.RequestValidatorID = names[m.AuthorizerID], names[m.RequestValidatorID]
			methods[k] = &m
		}
		r.Methods = methods
		resources[r.Path] = &r
	}
	authorizers := map[string]*restapi.Authorizer{}
	for _, a := range def.Authorizers {
		a := *a
		a.ID = ""
		authorizers[a.Name] = &a
	}
	validators := map[string]*restapi.RequestValidator{}
	for _, v := range def.Validators {
		v := *v
		v.ID = ""
		validators[v.Name] = &v
	}
	models := map[string]*restapi.Model{}
	for k, m := range def.Models {
		m := *m
		m.ID = ""
		models[k] = &m
	}
	def.Resources, def.Authorizers, def.Validators, def.Models = resources, authorizers, validators, models
	out, err := json.MarshalIndent(&c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func all(format string, yaml bool) WriteOptions {
	return WriteOptions{
		Format: format, YAML: yaml, Scheme: "https", Host: "abc.execute-api.us-east-1.amazonaws.com", Stage: "prod", Region: "us-east-1",
		Integrations: true, Authorizers: true, Documentation: true, Postman: true,
	}
}

// roundTrip writes a document in every form of its own version and reads it again.
func roundTrip(t *testing.T, text string) {
	t.Helper()
	first := mustRead(t, text, ReadOptions{})
	format := OpenAPI30
	if strings.Contains(text[:min(len(text), 200)], "swagger") {
		format = Swagger20
	}
	want := plain(t, first)
	for _, yaml := range []bool{false, true} {
		out, err := Write(first, all(format, yaml))
		if err != nil {
			t.Fatal(err)
		}
		if got := plain(t, mustRead(t, string(out), ReadOptions{})); got != want {
			t.Errorf("yaml %v: %s\nwritten as\n%.2000s", yaml, firstDifference(want, got), out)
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			lo := max(0, i-8)
			return fmt.Sprintf("line %d: want\n%s\ngot\n%s", i, strings.Join(w[lo:min(len(w), i+4)], "\n"), strings.Join(g[lo:min(len(g), i+4)], "\n"))
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// examples are documents that nobody here wrote: make deps brings them.
const examples = "../../../.deps/openapi-examples/node_modules/@readme/oas-examples"

// refused are those examples that API Gateway does not take, and why.
var refused = map[string]string{
	"3.0/circular-paths":               "Model reference must be in canonical form",
	"3.0/parameters-style":             "Unable to create resource at path '/cookies#formNonExploded'",
	"3.0/readme-legacy":                "Model name must be alphanumeric: error_APIKEY_EMPTY",
	"3.0/schema-additional-properties": "Model name must be alphanumeric: ref-with-ref",
	"3.0/schema-deprecated":            "Model name must be alphanumeric: Tag_deprecated",
	"3.0/schema-types":                 "Model name must be alphanumeric: string_enum",
}

func TestDocumentsOfOthersComeBackTheSame(t *testing.T) {
	if _, err := os.Stat(examples); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: run make deps", err)
		}
		t.Skipf("%v: run make deps", err)
	}
	read := 0
	for _, version := range []string{"2.0", "3.0"} {
		err := filepath.WalkDir(filepath.Join(examples, version), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".yaml") {
				return err
			}
			name, err := filepath.Rel(examples, path)
			if err != nil {
				return err
			}
			t.Run(name, func(t *testing.T) {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				key := strings.NewReplacer("/json/", "/", "/yaml/", "/", ".json", "", ".yaml", "").Replace(name)
				if why := refused[key]; why != "" {
					_, err := Read(text, ReadOptions{APIID: "abc", NewID: ids()})
					if err == nil || !strings.Contains(err.Error(), why) {
						t.Errorf("error %v, want %q", err, why)
					}
					return
				}
				read++
				roundTrip(t, string(text))
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 40 {
		t.Errorf("only %d documents were read", read)
	}
}

func extensions(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/extensions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExtensionsComeBackTheSame(t *testing.T) { roundTrip(t, extensions(t)) }

// What both formats can say survives a change of format.
func TestExtensionsSurviveSwagger(t *testing.T) {
	first := mustRead(t, extensions(t), ReadOptions{})
	for _, m := range methodsOf(first) {
		delete(m.RequestModels, "application/xml") // one model a body in Swagger 2.0
	}
	out, err := Write(first, all(Swagger20, false))
	if err != nil {
		t.Fatal(err)
	}
	second := mustRead(t, string(out), ReadOptions{})
	second.Documentation, first.Documentation = nil, nil
	if want, got := plain(t, first), plain(t, second); want != got {
		t.Error(firstDifference(want, got))
	}
}

func methodsOf(d *Document) map[string]*restapi.Method {
	out := map[string]*restapi.Method{}
	for _, r := range d.Definition.Resources {
		for name, m := range r.Methods {
			out[name+" "+r.Path] = m
		}
	}
	return out
}

func TestExtensions(t *testing.T) {
	d := mustRead(t, extensions(t), ReadOptions{})
	def := d.Definition
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", what, got, want)
		}
	}
	check("name", []string{d.Name, d.Description, d.Version}, []string{"Library", "Books and who has them", "1.0"})
	check("endpoint", d.Endpoint, &Endpoint{VPCEndpointIDs: []string{"vpce-0123456789abcdef0"}})
	check("disabled", def.ExecuteAPIDisabled, true)
	check("key source", def.APIKeySource, "AUTHORIZER")
	check("compression", *def.MinimumCompressionSize, int32(1024))
	check("policy", def.Policy, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"}]}`)
	check("security policy", d.SecurityPolicy, "TLS_1_2")
	check("gateway response", def.GatewayResponses["UNAUTHORIZED"].StatusCode, "403")

	methods := methodsOf(d)
	mock := methods["ANY /"]
	check("mock", mock.Integration.Type, "MOCK")
	check("validator by default", def.Validators[mock.RequestValidatorID].Name, "parameters")

	lend := methods["POST /books"]
	check("validator", def.Validators[lend.RequestValidatorID].Body, true)
	check("operation", lend.OperationName, "lend")
	check("parameters", lend.RequestParameters, map[string]bool{"method.request.querystring.lang": false, "method.request.header.X-Trace": true})
	check("key", lend.APIKeyRequired, true)
	check("authorization", lend.AuthorizationType, "CUSTOM")
	token := def.Authorizers[lend.AuthorizerID]
	check("identity source", token.IdentitySource, "method.request.header.X-Token")
	check("TTL", *token.ResultTTLSeconds, int32(60))
	check("body", lend.RequestModels["application/json"], "Book")
	check("inline body", len(lend.RequestModels["application/xml"]), len("MODEL123456"))
	check("response", *lend.Responses["201"], restapi.MethodResponse{
		StatusCode: "201", Parameters: map[string]bool{"method.response.header.Location": false}, Models: map[string]string{"application/json": "Shelf"},
	})
	i := lend.Integration
	check("type", i.Type, "AWS")
	check("passthrough", i.Passthrough, "WHEN_NO_TEMPLATES")
	check("timeout", i.TimeoutMillis, int32(5000))
	check("cache", []any{i.CacheNamespace, i.CacheKeyParameters}, []any{"books", []string{"method.request.querystring.lang"}})
	check("pattern", i.Responses["404"].SelectionPattern, ".*NotFound.*")
	check("default", i.Responses["201"].SelectionPattern, "")

	get := methods["GET /books/{isbn}"]
	check("scopes", get.AuthorizationScopes, []string{"books/read"})
	check("pool", get.AuthorizationType, "COGNITO_USER_POOLS")
	check("streamed", []any{get.Integration.TransferMode, get.Integration.InsecureTLS, get.Integration.ConnectionType}, []any{"STREAM", true, "VPC_LINK"})
	check("iam", methods["DELETE /books/{isbn}"].AuthorizationType, "AWS_IAM")
	check("auth", methods["OPTIONS /books/{isbn}"].AuthorizationType, "AWS_IAM")

	book := def.Models["Book"].Schema
	for _, want := range []string{`"$ref" : "https://apigateway.amazonaws.com/restapis/abc/models/Shelf"`, `"example" : {`} {
		if !strings.Contains(book, want) {
			t.Errorf("%s has no %s", book, want)
		}
	}
	if strings.Contains(book, "978") {
		t.Errorf("%s has an example", book)
	}
	parts := map[Location]string{}
	for _, p := range d.Documentation {
		parts[p.Location] = p.Properties
	}
	check("explicit part", parts[Location{Type: "METHOD", Path: "/books", Method: "POST"}], `{"summary":"Lends","tags":["lending"],"secret":"kept"}`)
	check("parameter's part", parts[Location{Type: "QUERY_PARAMETER", Path: "/books", Method: "POST", Name: "lang"}], `{"description":"Language"}`)
	check("API's part", parts[Location{Type: "API"}], `{"info":{"description":"Books and who has them","termsOfService":"https://example.org/terms"}}`)
	check("version", d.DocumentationVersion, "7")
	if d := mustRead(t, extensions(t), ReadOptions{IgnoreDocumentation: true}); d.Documentation != nil {
		t.Errorf("documentation %v, want none", d.Documentation)
	}
}

func TestBasePath(t *testing.T) {
	swagger := `{"swagger":"2.0","info":{"title":"a","version":"1"},"basePath":"/a/b/c","paths":{"/e":{"get":{"responses":{}}},"/f":{}}}`
	openapi := `{"openapi":"3.0.0","info":{"title":"a","version":"1"},"servers":[{"url":"https://h/{basePath}","variables":{"basePath":{"default":"a/b/c"}}}],"paths":{"/e":{"get":{"responses":{}}},"/f":{}}}`
	for mode, want := range map[string]string{
		"":        "/ /e /f",
		"ignore":  "/ /e /f",
		"prepend": "/ /a /a/b /a/b/c /a/b/c/e /a/b/c/f",
		"split":   "/ /b /b/c /b/c/e /b/c/f",
	} {
		for _, text := range []string{swagger, openapi} {
			var got []string
			for _, r := range sortedResources(mustRead(t, text, ReadOptions{BasePath: mode}).Definition) {
				got = append(got, r.Path)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q of %.20s: %v, want %s", mode, text, got, want)
			}
		}
	}
}

const head = `{"swagger":"2.0","info":{"title":"a","version":"1"},`

func TestErrors(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "Invalid OpenAPI input."},
		"no object":       {"[1]", "Invalid OpenAPI input."},
		"broken":          {`{"swagger":`, "Invalid OpenAPI input."},
		"no UTF-8":        {"{\"swagger\":\"\xff\"}", "Invalid OpenAPI input."},
		"no version":      {`{"info":{}}`, "Invalid OpenAPI input."},
		"3.1":             {`{"openapi":"3.1.0"}`, "Unsupported OpenAPI version '3.1.0'"},
		"too deep":        {deep, "nested too deep"},
		"too large":       {`{"a":"` + strings.Repeat("x", MaxSize) + `"}`, "larger than"},
		"twice":           {"swagger: '2.0'\nswagger: '2.0'\n", "line 2"},
		"YAML cycle":      {"a: &a [*a]\n", "Invalid OpenAPI input."},
		"no title":        {`{"swagger":"2.0","info":{"version":"1"},"paths":{}}`, "API name is missing"},
		"bad path":        {head + `"paths":{"/a b":{}}}`, "Unable to create resource at path '/a b': Resource's path part only allow"},
		"below greedy":    {head + `"paths":{"/{p+}/a":{}}}`, "Cannot create a child of a resource with a greedy path variable"},
		"two variables":   {head + `"paths":{"/{a}":{},"/{b}":{}}}`, "Errors found during import:\n\tUnable to create resource at path '/{b}': A sibling ({a}) of this resource already has a variable path part -- only one is allowed"},
		"model name":      {head + `"paths":{},"definitions":{"a_b":{"type":"object"}}}`, "Unable to create model for 'a_b': Model name must be alphanumeric: a_b"},
		"foreign schema":  {head + `"paths":{},"definitions":{"A":{"$ref":"other.json#/A"}}}`, "Unable to create model for 'A': Invalid model specified: Validation Result: warnings : [], errors : [Model reference must be in canonical form]"},
		"no method":       {head + `"paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":"arn:aws:x"}}}}}`, "Unable to put integration on 'GET' for resource at path '/a': Enumeration value for HttpMethod must be non-empty"},
		"integration":     {head + `"paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"ftp"}}}}}`, "'ftp'"},
		"timeout":         {head + `"paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"mock","timeoutInMillis":1}}}}}`, "Timeout should be between 50 ms and 29000 ms"},
		"validator":       {head + `"paths":{"/a":{"get":{"x-amazon-apigateway-request-validator":"no"}}}}`, "Unable to find request validator 'no'"},
		"authorizer":      {head + `"paths":{},"securityDefinitions":{"a":{"type":"apiKey","x-amazon-apigateway-authorizer":{"type":"token"}}}}`, "Authorizer URI cannot be empty"},
		"also warnings":   {head + `"paths":{"/a b":{},"/c":{"get":{"security":[{"x":[]}]}}}}`, "\nAdditionally, these warnings were found:\n\tReference to security definition 'x' not found. Ignoring."},
		"warning refused": {head + `"paths":{"/c":{"get":{"parameters":[{"$ref":"#/parameters/x"}]}}}}`, "Warnings found during import:\n\tReference '#/parameters/x'"},
	} {
		_, err := Read([]byte(c.text), ReadOptions{APIID: "abc", NewID: ids(), FailOnWarnings: name == "warning refused"})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestYAMLBombIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1)
	}
	if _, err := Read([]byte(b.String()), ReadOptions{NewID: ids()}); err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("error %v", err)
	}
}

// A few bytes of references stand for as many copies of what they name.
func TestReferencesDoNotMultiply(t *testing.T) {
	var b strings.Builder
	b.WriteString(head + `"big":{"get":{"description":"` + strings.Repeat("x", 1<<20) + `"}},"paths":{"/a":{"$ref":"#/big"}`)
	for i := range 1000 {
		fmt.Fprintf(&b, `,"/b%d":{"$ref":"#/big"}`, i)
	}
	b.WriteString("}}")
	if _, err := Read([]byte(b.String()), ReadOptions{NewID: ids()}); err == nil || !strings.Contains(err.Error(), "too large once its references are followed") {
		t.Errorf("error %.200v", err)
	}
}

func TestWarnings(t *testing.T) {
	d := mustRead(t, head+`"paths":{"/a":{"get":{
		"parameters":[{"name":"f","in":"formData"}],
		"responses":{"200":{"description":"x","schema":{"type":"string"}},"201":{"description":"y","schema":{"$ref":"#/definitions/No"}},"default":{"description":"z"}}},"parameters":{}}},
		"securityDefinitions":{"o":{"type":"oauth2"}},"definitions":{"A":{"type":"object","discriminator":"k"}}}`, ReadOptions{})
	for _, want := range []string{
		"Unsupported parameter type 'formData'",
		"Unsupported model type 'StringSchema' in 200 response to method 'GET /a'. Ignoring.",
		"Reference to model 'No' not found. Ignoring.",
		"Unsupported status code 'default'",
		"Unsupported security definition type 'oauth2' for 'o'. Ignoring.",
		`Unsupported keyword(s) of model 'A': ["discriminator"]. Ignoring.`,
		"Parse issue: attribute paths.'/a'.parameters is not of type `array`",
	} {
		if !strings.Contains(strings.Join(d.Warnings, "\n"), want) {
			t.Errorf("no warning %q in %q", want, d.Warnings)
		}
	}
}

func TestMergeAndOverwrite(t *testing.T) {
	base := mustRead(t, extensions(t), ReadOptions{}).Definition
	text := head + `"x-amazon-apigateway-binary-media-types":["text/x"],"paths":{
		"/books":{"post":{"operationId":"new","security":[{"token":[]}]},"get":{}},"/more":{"get":{}}},
		"securityDefinitions":{"token":{"type":"apiKey","name":"T","in":"header","x-amazon-apigateway-authorizer":{"type":"token","authorizerUri":"arn:x"}}},
		"definitions":{"Book":{"type":"string"}}}`
	d := mustRead(t, text, ReadOptions{})
	byPath := func(def *restapi.Definition, path string) *restapi.Resource {
		for _, r := range def.Resources {
			if r.Path == path {
				return r
			}
		}
		return nil
	}
	merged, err := d.Merge(base)
	if err != nil {
		t.Fatal(err)
	}
	books, was := byPath(merged, "/books"), byPath(base, "/books")
	if books.ID != was.ID || books.Methods["POST"].OperationName != "new" || books.Methods["GET"] == nil {
		t.Errorf("books %+v", books)
	}
	if a := merged.Authorizers[books.Methods["POST"].AuthorizerID]; a.ID != base.Authorizers[was.Methods["POST"].AuthorizerID].ID || a.IdentitySource != "method.request.header.T" {
		t.Errorf("authorizer %+v", a)
	}
	if was.Methods["POST"].OperationName != "lend" {
		t.Error("the definition that was merged into has changed")
	}
	if byPath(merged, "/books/{isbn}") == nil || byPath(merged, "/more") == nil || len(merged.Authorizers) != 3 {
		t.Errorf("merged %+v", merged)
	}
	if merged.APIKeySource != "AUTHORIZER" || !reflect.DeepEqual(merged.BinaryMediaTypes, []string{"text/x"}) {
		t.Errorf("settings %q %v", merged.APIKeySource, merged.BinaryMediaTypes)
	}

	over := d.Overwrite(base)
	if byPath(over, "/books").ID != was.ID || byPath(over, "/books/{isbn}") != nil || over.APIKeySource != "" || over.Models["Book"].ID != base.Models["Book"].ID || over.RootResourceID != base.RootResourceID {
		t.Errorf("overwritten %+v", over)
	}

	clash := mustRead(t, head+`"paths":{"/books/{other}":{}}}`, ReadOptions{})
	if _, err := clash.Merge(base); err == nil || !strings.Contains(err.Error(), "A sibling ({isbn})") {
		t.Errorf("error %v", err)
	}
}

func TestExportWithoutExtensions(t *testing.T) {
	d := mustRead(t, extensions(t), ReadOptions{})
	out, err := Write(d, WriteOptions{Format: OpenAPI30, Scheme: "https", Host: "h", Stage: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"x-amazon-apigateway-integration", "x-amazon-apigateway-authorizer", "x-amazon-apigateway-policy", "x-amazon-apigateway-documentation", "x-postman"} {
		if strings.Contains(string(out), never) {
			t.Errorf("%s is there", never)
		}
	}
	for _, want := range []string{`"x-amazon-apigateway-any-method"`, `"url" : "https://h/{basePath}"`, `"title" : "Library"`, `"summary" : "Lends"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not there", want)
		}
	}
	out, err = Write(d, WriteOptions{Format: Swagger20, Postman: true, Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"currentHelper" : "awsSigV4"`) {
		t.Errorf("nothing for Postman in %s", out)
	}
}

func TestReadDocumentation(t *testing.T) {
	parts, _, err := ReadDocumentation([]byte(`{"swagger":"2.0","x-amazon-apigateway-documentation":{"documentationParts":[
		{"location":{"type":"API"},"properties":{"a":1}},{"location":{"type":"METHOD","name":"x"},"properties":{"a":1}}]}}`), false)
	if err != nil || len(parts) != 1 || parts[0].Properties != `{"a":1}` {
		t.Errorf("parts %v, error %v", parts, err)
	}
}

// FuzzRead looks for documents that bring the reader down, or that do not come
// back the same once they were written.
func FuzzRead(f *testing.F) {
	text, err := os.ReadFile("testdata/extensions.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(head + `"paths":{"/{a}":{"get":{"parameters":[{"name":"a","in":"path"}],"responses":{"200":{"schema":{"type":"array","items":{"$ref":"#/definitions/A"}}}}}}},"definitions":{"A":{"type":"object"}}}`))
	f.Add([]byte("swagger: '2.0'\ninfo: &i {title: x, version: 1}\n<<: *i\npaths: {/a: {get: {}}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Read(text, ReadOptions{APIID: "abc", NewID: ids()})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for _, format := range []string{OpenAPI30, Swagger20} {
			for _, yaml := range []bool{false, true} {
				out, err := Write(d, all(format, yaml))
				if err != nil {
					continue // a policy that is no JSON
				}
				if len(out) > MaxSize {
					continue
				}
				if _, err := Read(out, ReadOptions{APIID: "abc", NewID: ids()}); err != nil {
					t.Fatalf("what was written cannot be read: %v\n%s", err, out)
				}
			}
		}
	})
}
