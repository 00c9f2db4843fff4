package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

func TestMockChoosesByStatus(t *testing.T) {
	m := mocked("ok")
	m.Integration.Templates["application/json"] = `{"statusCode": $input.params('s')}`
	m.Integration.Responses["404"] = &restapi.IntegrationResponse{StatusCode: "404", SelectionPattern: "4\\d{2}",
		Parameters: map[string]string{"method.response.header.X-Why": "'because'", "method.response.header.X-Id": "context.requestId"},
		Templates:  map[string]string{"application/json": "#set($context.responseOverride.status = 410)#set($context.responseOverride.header.X-Why = \"gone\")none"}}
	w := newWorld(t, map[string]methods{"/": {"GET": m}})
	want(t, w.ask("GET", "/test?s=200", ""), 200, "ok")
	want(t, w.ask("GET", "/test?s=499", ""), 410, "none", "X-Why", "gone", "X-Id", "11111111-2222-4333-8444-555555555555")
	for _, bad := range []string{"", "99", "600", `"x"`, "1e9"} {
		want(t, w.ask("GET", "/test?s="+bad, ""), 500, `{"message":"Internal server error"}`)
	}
	for text, status := range map[string]int{`{statusCode: 200}`: 200, `{'statusCode': 503}`: 503, ` {"statusCode":"404"}`: 404} {
		if got, ok := mockStatus([]byte(text)); got != status || !ok {
			t.Errorf("%s: %d %v", text, got, ok)
		}
	}
}

func TestPassthrough(t *testing.T) {
	for _, c := range []struct {
		behaviour, template, contentType string
		want                             int
	}{
		{"WHEN_NO_MATCH", "application/json", "", 200}, {"WHEN_NO_MATCH", "application/json", "application/json; charset=utf-8", 200},
		{"WHEN_NO_MATCH", "application/xml", "application/json", 201}, {"", "application/xml", "", 201},
		{"WHEN_NO_TEMPLATES", "application/xml", "application/json", 415}, {"WHEN_NO_TEMPLATES", "", "text/plain", 201},
		{"NEVER", "application/json", "application/xml", 415}, {"NEVER", "", "", 415}, {"NEVER", "application/json", "", 200},
	} {
		m := mocked("")
		m.Integration.Passthrough, m.Integration.Templates = c.behaviour, map[string]string{}
		if c.template != "" {
			m.Integration.Templates[c.template] = `{"statusCode": 200}`
		}
		m.Integration.Responses["201"] = &restapi.IntegrationResponse{StatusCode: "201", SelectionPattern: "201"}
		w := newWorld(t, map[string]methods{"/": {"POST": m}})
		var header []string
		if c.contentType != "" {
			header = []string{"Content-Type", c.contentType}
		}
		got := w.ask("POST", "/test", `{"statusCode": 201}`, header...)
		if got.Code != c.want {
			t.Errorf("%+v: got %d %s", c, got.Code, got.Body)
		}
	}
}

func TestABrokenMethodBreaksNoOther(t *testing.T) {
	broken := mocked("x")
	broken.Integration.Templates["application/json"] = "#if(" // no template
	w := newWorld(t, map[string]methods{"/broken": {"GET": broken}, "/none": {"GET": {}}, "/whole": {"GET": mocked("whole")}})
	want(t, w.ask("GET", "/test/broken", ""), 500, `{"message":"Internal server error"}`)
	want(t, w.ask("GET", "/test/none", ""), 500, `{"message":"Internal server error"}`)
	want(t, w.ask("GET", "/test/whole", ""), 200, "whole")
}

func TestValidation(t *testing.T) {
	m := mocked("ok")
	m.RequestValidatorID = "v"
	m.RequestParameters = map[string]bool{"method.request.querystring.page": true, "method.request.header.X-Req": true, "method.request.header.X-Opt": false}
	m.RequestModels = map[string]string{"application/json": "Pet"}
	w := newWorld(t, map[string]methods{"/": {"POST": m}}, func(s *restapi.ServedStage) {
		s.Definition.Validators = map[string]*restapi.RequestValidator{"v": {ID: "v", Body: true, Parameters: true}}
		s.Definition.Models = map[string]*restapi.Model{
			"Pet": {Name: "Pet", ContentType: "application/json", Schema: `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["name"],
				"properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"exclusiveMinimum":true},"kind":{"$ref":"https://apigateway.amazonaws.com/restapis/other/models/Kind"}}}`},
			"Kind": {Name: "Kind", Schema: `{"enum":["cat","dog"]}`},
		}
		s.Definition.GatewayResponses = map[string]*restapi.GatewayResponse{"BAD_REQUEST_BODY": {Type: "BAD_REQUEST_BODY", StatusCode: "422",
			Parameters: map[string]string{"gatewayresponse.header.X-Path": "method.request.querystring.page", "gatewayresponse.header.X-Static": "'s'"},
			Templates:  map[string]string{"application/json": `{"m":$context.error.messageString,"t":"$context.error.responseType","v":"$context.error.validationErrorString","r":"$context.requestId"}`}}}
	})
	want(t, w.ask("POST", "/test", "{}"), 400, `{"message":"Missing required request parameters: [X-Req, page]"}`, "X-Amzn-Errortype", "BadRequestException")
	want(t, w.ask("POST", "/test?page=%20", "{}", "X-Req", "1"), 400, `{"message":"Missing required request parameters: [page]"}`)
	for body, violation := range map[string]string{
		`{}`:                        `[object has missing required properties (["name"])]`,
		``:                          `[object has missing required properties (["name"])]`,
		`{"name":5}`:                `[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]`,
		`{"name":5.5}`:              `[instance type (number) does not match any allowed primitive type (allowed: ["string"])]`,
		`{"name":"a","kind":"cow"}`: `[instance value ("cow") not found in enum (possible values: ["cat","dog"])]`,
		`nonsense`:                  `[Unable to parse the body as JSON]`,
	} {
		want(t, w.ask("POST", "/test?page=1", body, "X-Req", "1"), 422,
			`{"m":"Invalid request body","t":"BAD_REQUEST_BODY","v":"`+violation+`","r":"11111111-2222-4333-8444-555555555555"}`, "X-Path", "1", "X-Static", "s")
	}
	want(t, w.ask("POST", "/test?page=1", `{"name":"a","age":0}`, "X-Req", "1"), 422, "*")
	want(t, w.ask("POST", "/test?page=1", `{"name":"a","age":1,"kind":"dog"}`, "X-Req", "1"), 200, "ok")
	want(t, w.ask("POST", "/test?page=1", `<xml/>`, "X-Req", "1", "Content-Type", "application/xml"), 500, "*") // not checked; MOCK wants JSON
}

func TestASchemaReachesNothingOutside(t *testing.T) {
	for _, ref := range []string{"file:///etc/passwd", "http://127.0.0.1:1/x", "https://apigateway.amazonaws.com/restapis/x/models/None"} {
		m := mocked("ok")
		m.RequestValidatorID, m.RequestModels = "v", map[string]string{"application/json": "M"}
		w := newWorld(t, map[string]methods{"/": {"POST": m}}, func(s *restapi.ServedStage) {
			s.Definition.Validators = map[string]*restapi.RequestValidator{"v": {Body: true}}
			s.Definition.Models = map[string]*restapi.Model{"M": {Name: "M", Schema: `{"$ref":"` + ref + `"}`}}
		})
		want(t, w.ask("POST", "/test", "{}"), 500, `{"message":"Internal server error"}`)
	}
}

func TestGatewayResponsesFallBack(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"GET": proxied()}}, func(s *restapi.ServedStage) {
		s.Definition.GatewayResponses = map[string]*restapi.GatewayResponse{
			"DEFAULT_4XX": {StatusCode: "404", Templates: map[string]string{"application/xml": "<e>$context.error.message at $context.path of $stageVariables.none</e>"}},
			"DEFAULT_5XX": {Parameters: map[string]string{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
		}
	})
	want(t, w.ask("GET", "/test/none", ""), 404, "<e>Missing Authentication Token at /test/none of </e>", "Content-Type", "application/xml")
	w.invoke = func(*function.Invocation) (*function.Result, error) {
		return &function.Result{Payload: []byte(`[]`)}, nil
	}
	want(t, w.ask("GET", "/test", ""), 502, `{"message":"Internal server error"}`, "Access-Control-Allow-Origin", "*")
}

func TestCompression(t *testing.T) {
	long := strings.Repeat("a", 1000)
	w := newWorld(t, map[string]methods{"/": {"GET": mocked(long), "POST": proxied()}}, func(s *restapi.ServedStage) { s.Definition.MinimumCompressionSize = new(int32(100)) })
	want(t, w.ask("GET", "/test", ""), 200, long, "Content-Encoding", "")
	want(t, w.ask("GET", "/test", "", "Accept-Encoding", "br;q=1.0, gzip;q=0.5"), 200, long, "Content-Encoding", "")
	got := w.ask("GET", "/test", "", "Accept-Encoding", "deflate;q=0.5, gzip;q=1.0")
	z, err := gzip.NewReader(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); string(plain) != long || err != nil || got.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("got %q %v", plain, err)
	}
	w.invoke = func(inv *function.Invocation) (*function.Result, error) {
		return &function.Result{Payload: []byte(`{"body":"` + jsonOf(t, inv.Payload).(map[string]any)["body"].(string) + `"}`)}, nil
	}
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	io.WriteString(zw, "plain")
	zw.Close()
	want(t, w.ask("POST", "/test", packed.String(), "Content-Encoding", "gzip"), 200, "plain")
	want(t, w.ask("POST", "/test", "plain", "Content-Encoding", "gzip"), 415, "*")
	want(t, w.ask("POST", "/test", "plain", "Content-Encoding", "br"), 415, "*")
	packed.Reset()
	zw = gzip.NewWriter(&packed)
	io.Copy(zw, io.LimitReader(zeros{}, maxPayload+1))
	zw.Close()
	want(t, w.ask("POST", "/test", packed.String(), "Content-Encoding", "gzip"), 413, "*")
}

func TestLogsAndFigures(t *testing.T) {
	w := newWorld(t, map[string]methods{"/pets/{id}": {"GET": proxied()}}, func(s *restapi.ServedStage) {
		s.AccessLog = &restapi.AccessLog{DestinationARN: "arn:aws:logs:us-east-1:123456789012:log-group:access", Format: "$context.requestId $context.httpMethod $context.resourcePath $context.status $context.responseLength $context.identity.caller $context.integration.status ${context.path}, $unknown $context.nothing."}
		s.Methods = map[string]*restapi.MethodSettings{
			"*/*":              {LoggingLevel: new("INFO")},
			"~1pets~1{id}/GET": {DataTraceEnabled: new(true), MetricsEnabled: new(true)},
		}
	})
	w.invoke = func(*function.Invocation) (*function.Result, error) {
		return &function.Result{Payload: []byte(`{"statusCode":404,"body":"no"}`)}, nil
	}
	w.ask("GET", "/test/pets/1", "", "Authorization", "Bearer abcdefghijkl")
	const id = "11111111-2222-4333-8444-555555555555"
	if got, wanted := strings.Join(w.logs["access"], "\n"), id+" GET /pets/{id} 404 2 - 404 /test/pets/1, $unknown -."; got != wanted {
		t.Errorf("access log: %q, want %q", got, wanted)
	}
	log := strings.Join(w.logs["API-Gateway-Execution-Logs_api1/test"], "\n")
	for _, line := range []string{"Starting execution for request: " + id, "HTTP Method: GET, Resource Path: /pets/{id}", "Method request path: {id=1}",
		"Authorization=*************ghijkl", "Received response. Status: 200, Integration latency: ", `Endpoint response body before transformations: {"statusCode":404,"body":"no"}`,
		"Method completed with status: 404"} {
		if !strings.Contains(log, "("+id+") ") || !strings.Contains(log, line) {
			t.Errorf("the execution log has no %q:\n%s", line, log)
		}
	}
	for name, value := range map[string]float64{
		"Count ApiName=the API": 1, "4XXError ApiName=the API Stage=test": 1, "5XXError ApiName=the API": 0,
		"Count ApiName=the API Method=GET Resource=/pets/{id} Stage=test": 1,
	} {
		if got, ok := w.figures[name]; !ok || got != value {
			t.Errorf("%s: %v, want %v", name, got, value)
		}
	}
}
