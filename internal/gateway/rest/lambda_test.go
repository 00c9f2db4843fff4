package rest

import (
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

func TestTheProxyEvent(t *testing.T) {
	w := newWorld(t, map[string]methods{"/pets/{id}": {"ANY": proxied()}}, func(s *restapi.ServedStage) {
		s.Variables = map[string]string{"v": "1"}
		s.Definition.BinaryMediaTypes = []string{"image/*"}
	})
	var payload []byte
	w.invoke = func(inv *function.Invocation) (*function.Result, error) {
		payload = inv.Payload
		return &function.Result{Payload: []byte(`{"statusCode":201,"headers":{"x-a":"1","n":2},"multiValueHeaders":{"X-A":["1","3"]},"body":"made"}`)}, nil
	}
	got := w.ask("POST", "/test/pets/a%20b?q=1&q=2&e=%26", `{"k":1}`, "Content-Type", "application/json", "X-Two", "1", "X-Two", "2",
		"Authorization", "AWS4-HMAC-SHA256 secret", "User-Agent", "tester", "X-Amzn-Trace-Id", "Root=1-x")
	want(t, got, 201, "made", "X-A", "1|3", "N", "2", "Content-Type", "application/json", "X-Amzn-Trace-Id", "Root=1-x")
	event := jsonOf(t, payload).(map[string]any)
	context := event["requestContext"].(map[string]any)
	for _, volatile := range []string{"requestTime", "requestTimeEpoch", "extendedRequestId"} {
		if context[volatile] == nil {
			t.Errorf("no %s", volatile)
		}
		delete(context, volatile)
	}
	wanted := jsonOf(t, []byte(`{
		"resource": "/pets/{id}", "path": "/pets/a b", "httpMethod": "POST",
		"headers": {"Content-Type": "application/json", "X-Two": "2", "User-Agent": "tester", "Host": "api1.execute-api.us-east-1.localhost:4566",
			"X-Amzn-Trace-Id": "Root=1-x", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Port": "4566", "X-Forwarded-Proto": "http"},
		"multiValueHeaders": {"Content-Type": ["application/json"], "X-Two": ["1", "2"], "User-Agent": ["tester"], "Host": ["api1.execute-api.us-east-1.localhost:4566"],
			"X-Amzn-Trace-Id": ["Root=1-x"], "X-Forwarded-For": ["192.0.2.1"], "X-Forwarded-Port": ["4566"], "X-Forwarded-Proto": ["http"]},
		"queryStringParameters": {"q": "2", "e": "&"}, "multiValueQueryStringParameters": {"q": ["1", "2"], "e": ["&"]},
		"pathParameters": {"id": "a b"}, "stageVariables": {"v": "1"}, "body": "{\"k\":1}", "isBase64Encoded": false,
		"requestContext": {"resourceId": "id-/pets/{id}", "resourcePath": "/pets/{id}", "httpMethod": "POST", "path": "/test/pets/a b",
			"accountId": "123456789012", "protocol": "HTTP/1.1", "stage": "test", "domainPrefix": "api1", "requestId": "11111111-2222-4333-8444-555555555555",
			"domainName": "api1.execute-api.us-east-1.localhost", "deploymentId": "dep1", "apiId": "api1",
			"identity": {"cognitoIdentityPoolId": null, "accountId": null, "cognitoIdentityId": null, "caller": null, "sourceIp": "192.0.2.1",
				"principalOrgId": null, "accessKey": null, "cognitoAuthenticationType": null, "cognitoAuthenticationProvider": null, "userArn": null,
				"userAgent": "tester", "user": null}}}`))
	if !reflect.DeepEqual(any(event), wanted) {
		t.Errorf("got %s", payload)
	}
	w.ask("GET", "/test/pets/1", "")
	event = jsonOf(t, payload).(map[string]any)
	for _, null := range []string{"queryStringParameters", "multiValueQueryStringParameters", "body"} {
		if v, ok := event[null]; v != nil || !ok {
			t.Errorf("%s is %v", null, v)
		}
	}
	w.ask("PUT", "/test/pets/1", "\xff\x00", "Content-Type", "image/png")
	event = jsonOf(t, payload).(map[string]any)
	if event["body"] != base64.StdEncoding.EncodeToString([]byte("\xff\x00")) || event["isBase64Encoded"] != true {
		t.Errorf("a binary body: %v", event["body"])
	}
}

func TestProxyResponses(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"GET": proxied()}}, func(s *restapi.ServedStage) { s.Definition.BinaryMediaTypes = []string{"image/png"} })
	for _, c := range []struct {
		payload string
		status  int // 502: malformed
		body    string
	}{
		{`{}`, 200, ""},
		{`{"statusCode":"204"}`, 204, ""},
		{`{"statusCode":200.0,"body":null,"headers":null}`, 200, ""},
		{`{"body":5}`, 200, "5"},
		{`{"body":"aGk=","isBase64Encoded":true}`, 200, "aGk="},
		{`{"body":{"a":1}}`, 502, ""},
		{`{"statusCode":200,"location":"x"}`, 502, ""},
		{`{"statusCode":100}`, 502, ""},
		{`{"statusCode":"many"}`, 502, ""},
		{`{"headers":{"a":["1"]}}`, 502, ""},
		{`{"headers":{"a":"1\r\nb: 2"}}`, 502, ""},
		{`{"headers":{"a b":"1"}}`, 502, ""},
		{`{"multiValueHeaders":{"a":"1"}}`, 502, ""},
		{`{"cookies":["a=1"]}`, 502, ""},
		{`"text"`, 502, ""},
		{`null`, 502, ""},
		{`[]`, 502, ""},
		{`{`, 502, ""},
		{``, 502, ""},
	} {
		w.invoke = func(*function.Invocation) (*function.Result, error) {
			return &function.Result{Payload: []byte(c.payload)}, nil
		}
		got := w.ask("GET", "/test", "")
		if c.status == 502 {
			want(t, got, 502, `{"message":"Internal server error"}`, "X-Amzn-Errortype", "InternalServerErrorException")
		} else {
			want(t, got, c.status, c.body)
		}
		if t.Failed() {
			t.Fatalf("payload %s", c.payload)
		}
	}
	w.invoke = func(*function.Invocation) (*function.Result, error) {
		return &function.Result{Payload: []byte(`{"body":"aGk=","isBase64Encoded":true,"headers":{"Content-Length":"99","Transfer-Encoding":"chunked","Date":"then"}}`)}, nil
	}
	want(t, w.ask("GET", "/test", "", "Accept", "image/png,*/*"), 200, "hi", "Content-Length", "2", "X-Amzn-Remapped-Content-Length", "99", "Transfer-Encoding", "", "X-Amzn-Remapped-Date", "then")
}

func TestFunctionsThatFail(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"GET": proxied()}, "/gone": {"GET": {Integration: &restapi.Integration{Type: "AWS_PROXY",
		URI: strings.Replace(functionURI, "function:fn", "function:${stageVariables.name}", 1)}}}})
	internal := `{"message":"Internal server error"}`
	for _, c := range []struct {
		err    error
		result *function.Result
		status int
	}{
		{nil, &function.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no"}`)}, 502},
		{&function.ErrThrottled{Reason: "x"}, nil, 500},
		{errors.New("a fault"), nil, 500},
	} {
		w.invoke = func(*function.Invocation) (*function.Result, error) { return c.result, c.err }
		want(t, w.ask("GET", "/test", ""), c.status, internal, "X-Amzn-Errortype", "InternalServerErrorException")
	}
	want(t, w.ask("GET", "/test/gone", ""), 500, internal, "X-Amzn-Errortype", "InternalServerErrorException")
	if len(w.logs) != 0 {
		t.Errorf("nothing was to be logged: %v", w.logs)
	}
}

// A Java function's inner exception becomes a redirect: AWS's own example.
func TestAnErrorMessageBecomesARedirect(t *testing.T) {
	m := &restapi.Method{Integration: &restapi.Integration{Type: "AWS", HTTPMethod: "POST", URI: functionURI,
		Templates: map[string]string{"application/json": `{"name": "$input.params('name')"}`},
		Responses: map[string]*restapi.IntegrationResponse{
			"200": {StatusCode: "200", Templates: map[string]string{"application/json": `{"got": $input.json('$.greeting')}`}},
			"302": {StatusCode: "302", SelectionPattern: `^https?://.*`, Parameters: map[string]string{"method.response.header.Location": "integration.response.body.errorMessage"}},
			"400": {StatusCode: "400", SelectionPattern: `(?!http).*Bad (.|\n)*`},
		}}}
	w := newWorld(t, map[string]methods{"/": {"POST": m}})
	var payload string
	answer := func(failed, body string) {
		w.invoke = func(inv *function.Invocation) (*function.Result, error) {
			payload = string(inv.Payload)
			return &function.Result{FunctionError: failed, Payload: []byte(body)}, nil
		}
	}
	answer("", `{"greeting":"hello"}`)
	want(t, w.ask("POST", "/test?name=Ann", "{}"), 200, `{"got": "hello"}`, "Content-Type", "application/json")
	if payload != `{"name": "Ann"}` {
		t.Errorf("the event was %s", payload)
	}
	answer("Unhandled", `{"errorMessage":"http://example.com/a?b","errorType":"x.Redirect"}`)
	want(t, w.ask("POST", "/test", "{}"), 302, "*", "Location", "http://example.com/a?b")
	answer("Unhandled", `{"errorMessage":"Bad\nthing"}`)
	want(t, w.ask("POST", "/test", "{}"), 200, "*") // the dot stops at the line's end before Bad has its blank
	answer("Unhandled", `{"errorMessage":"so Bad \nthing"}`)
	want(t, w.ask("POST", "/test", "{}"), 400, "*")
	answer("Unhandled", `{"errorMessage":"http://x\r\nSet-Cookie: a"}`)
	if got := w.ask("POST", "/test", "{}"); got.Header().Get("Location") != "" || got.Header().Get("Set-Cookie") != "" {
		t.Errorf("a message broke the head apart: %v", got.Header())
	}
}

func TestAsynchronousInvocation(t *testing.T) {
	m := &restapi.Method{Integration: &restapi.Integration{Type: "AWS", HTTPMethod: "POST", URI: functionURI,
		Parameters: map[string]string{"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
		Responses:  map[string]*restapi.IntegrationResponse{"202": {StatusCode: "202"}}}}
	w := newWorld(t, map[string]methods{"/": {"POST": m}})
	want(t, w.ask("POST", "/test", `{"a":1}`), 202, "")
	if len(w.events) != 1 || string(w.events[0].Payload) != `{"a":1}` {
		t.Errorf("events: %v", w.events)
	}
}

func TestStreams(t *testing.T) {
	m := proxied()
	m.Integration.TransferMode = "STREAM"
	w := newWorld(t, map[string]methods{"/": {"GET": m}})
	answer := func(text string) {
		w.stream = func(*function.Invocation) (*function.Stream, error) {
			return &function.Stream{Body: io.NopCloser(strings.NewReader(text))}, nil
		}
	}
	const end = "\x00\x00\x00\x00\x00\x00\x00\x00"
	answer(`{"statusCode":203,"headers":{"x-a":"b"},"cookies":["c=1","d=2"]}` + end + "one\x00two")
	want(t, w.ask("GET", "/test", ""), 203, "one\x00two", "X-A", "b", "Set-Cookie", "c=1|d=2", "Content-Length", "")
	for _, malformed := range []string{"", "no prelude", `{"statusCode":200}`, "nonsense" + end + "x", strings.Repeat(" ", maxPrelude+1)} {
		answer(malformed)
		want(t, w.ask("GET", "/test", ""), 502, `{"message":"Internal server error"}`)
	}
	w.stream = func(*function.Invocation) (*function.Stream, error) {
		return &function.Stream{Body: io.NopCloser(io.MultiReader(strings.NewReader(`{}`+end+"half"), brokenReader{}))}, nil
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a stream that broke off ended as if it were whole")
			}
		}()
		w.ask("GET", "/test", "")
	}()
}
