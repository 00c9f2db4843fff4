package authorizer

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
)

const (
	denied       = `{"Message":"User is not authorized to access this resource"}`
	deniedLoudly = `{"Message":"User is not authorized to access this resource with an explicit deny"}`
	unknown      = `{"message":"Unauthorized"}`
	noMessage    = `{"message":null}`
	goodAnswer   = "user|a1|||"
)

func tokenAuthorizer(ttl int32) *restapi.Authorizer {
	return &restapi.Authorizer{ID: "auth1", Name: "a", Type: "TOKEN", URI: auth, IdentitySource: "method.request.header.X-Token", ResultTTLSeconds: &ttl,
		ValidationExpression: `[a-z][\w-]*`}
}

// AWS's sample: the token says what is to happen.
func TestTokenAuthorizer(t *testing.T) {
	w := newWorld(t, Options{}, "CUSTOM", tokenAuthorizer(0))
	w.function = func(event map[string]any) (string, bool) {
		if event["type"] != "TOKEN" || event["methodArn"] != methods+"prod/GET/pets/7" {
			return `{"errorMessage":"what an event"}`, true
		}
		switch event["authorizationToken"] {
		case "allow":
			return allows("Allow", methods+"*", `,"context":{"key":"value","nothing":null}`), false
		case "number":
			return allows("Allow", methods+"*", `,"context":{"key":12345678901234567890}`), false
		case "deny":
			return allows("Deny", methods+"*", ""), false
		case "elsewhere":
			return allows("Allow", methods+"prod/GET/dogs", ""), false
		case "unauthorized":
			return `{"errorMessage":"Unauthorized"}`, true
		case "list":
			return allows("Allow", "*", `,"context":{"key":["a"]}`), false
		case "nobody":
			return strings.Replace(allows("Allow", "*", ""), "principalId", "principal", 1), false
		case "nopolicy":
			return `{"principalId":"a"}`, false
		case "badpolicy":
			return allows("ALLOW", "*", ""), false
		case "text":
			return `"hello"`, false
		case "large":
			return allows("Allow", "*", `,"context":{"key":"`+strings.Repeat("x", maxAnswer)+`"}`), false
		}
		return `{"errorMessage":"boom"}`, true
	}
	for _, c := range []struct {
		token     string
		status    int
		body      string
		errorType string
		calls     int32
	}{
		{"allow", 200, "user|a1|value||", "", 1},
		{"number", 200, "user|a1|12345678901234567890||", "", 1},
		{"deny", 403, deniedLoudly, "AccessDeniedException", 1},
		{"elsewhere", 403, denied, "AccessDeniedException", 1},
		{"unauthorized", 401, unknown, "UnauthorizedException", 1},
		{"list", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"nobody", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"nopolicy", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"badpolicy", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"text", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"large", 500, noMessage, "AuthorizerConfigurationException", 1},
		{"boom", 500, noMessage, "AuthorizerFailureException", 1},
		{"allow!", 401, unknown, "UnauthorizedException", 0}, // not of the form
		{"", 401, unknown, "UnauthorizedException", 0},
	} {
		w.want(c.token, c.status, c.body, c.errorType, "X-Token", c.token)
		w.wantCalls(c.token, c.calls)
	}
	w.want("no header", 401, unknown, "UnauthorizedException")
	w.wantCalls("no header", 0)
	if arn := *w.invoked.Load(); arn != "arn:aws:lambda:us-east-1:123456789012:function:fn" {
		t.Errorf("the function is %s", arn)
	}
	w.change(func(s *restapi.ServedStage) { s.Variables = map[string]string{"fn": "other"} })
	w.want("no such function", 500, noMessage, "AuthorizerConfigurationException", "X-Token", "allow")
}

func TestRequestAuthorizer(t *testing.T) {
	w := newWorld(t, Options{}, "CUSTOM", &restapi.Authorizer{
		ID: "auth1", Name: "a", Type: "REQUEST", URI: auth, ResultTTLSeconds: new(int32(60)),
		IdentitySource: "method.request.header.X-A, method.request.querystring.b,stageVariables.fn, context.httpMethod",
	})
	w.function = func(map[string]any) (string, bool) {
		return allows("Allow", methods+"prod/*/pets/*", `,"usageIdentifierKey":"key-1","context":{"key":true}`), false
	}
	w.wantOf("all there", w.request("GET", "/prod/pets/7?b=1&b=2", "", "X-A", "x", "User-Agent", "me"), 200, "user|a1|true||", "")
	var event struct {
		Type, MethodArn, Resource, Path, HTTPMethod        string
		Headers, QueryStringParameters, PathParameters     map[string]string
		StageVariables                                     map[string]string
		MultiValueHeaders, MultiValueQueryStringParameters map[string][]string
		RequestContext                                     map[string]any
		Body                                               *string
		IsBase64Encoded                                    *bool
	}
	if err := json.Unmarshal([]byte(*w.event.Load()), &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "REQUEST" || event.MethodArn != methods+"prod/GET/pets/7" || event.Resource != "/pets/{id}" || event.Path != "/pets/7" || event.HTTPMethod != "GET" ||
		event.Headers["X-A"] != "x" || event.QueryStringParameters["b"] != "2" || len(event.MultiValueQueryStringParameters["b"]) != 2 ||
		event.PathParameters["id"] != "7" || event.StageVariables["fn"] != "fn" || event.RequestContext["stage"] != "prod" || event.Body != nil || event.IsBase64Encoded != nil {
		t.Errorf("the event is %s", *w.event.Load())
	}
	w.wantCalls("all there", 1)
	w.wantOf("the same again, of another pet", w.request("GET", "/prod/pets/8?b=1&b=2", "", "X-A", "x"), 200, "user|a1|true||", "")
	w.wantCalls("the same again", 0)
	for name, r := range map[string]struct{ target, header string }{
		"another query": {"/prod/pets/7?b=1", "x"}, "another header": {"/prod/pets/7?b=1&b=2", "y"}, "the parts divided otherwise": {"/prod/pets/7?b=12", "x"},
	} {
		w.wantOf(name, w.request("GET", r.target, "", "X-A", r.header), 200, "user|a1|true||", "")
		w.wantCalls(name, 1)
	}
	w.wantOf("another method", w.request("DELETE", "/prod/pets/7?b=1&b=2", "", "X-A", "x"), 200, "user|a1|true||", "")
	w.wantCalls("another method", 1)
	w.wantOf("no query", w.request("GET", "/prod/pets/7", "", "X-A", "x"), 401, unknown, "UnauthorizedException")
	w.wantOf("an empty header", w.request("GET", "/prod/pets/7?b=1", "", "X-A", ""), 401, unknown, "UnauthorizedException")
	w.wantCalls("missing sources", 0)
}

// A kept answer is asked about the method that is called now.
func TestKeptAnswers(t *testing.T) {
	w := newWorld(t, Options{}, "CUSTOM", tokenAuthorizer(300))
	w.function = func(map[string]any) (string, bool) { return allows("Allow", methods+"prod/GET/*", ""), false }
	w.want("first", 200, goodAnswer, "", "X-Token", "t")
	w.want("again", 200, goodAnswer, "", "X-Token", "t")
	w.wantOf("what the policy does not allow", w.request("DELETE", "/prod/pets/7", "", "X-Token", "t"), 403, denied, "AccessDeniedException")
	w.wantCalls("kept", 1)
	w.want("another token", 200, goodAnswer, "", "X-Token", "u")
	w.wantCalls("another token", 1)
	w.change(func(s *restapi.ServedStage) { s.AuthorizersEpoch++ })
	w.want("flushed", 200, goodAnswer, "", "X-Token", "t")
	w.wantCalls("flushed", 1)
	w.function = func(map[string]any) (string, bool) { return `{"errorMessage":"Unauthorized"}`, true }
	w.want("refused", 401, unknown, "UnauthorizedException", "X-Token", "v")
	w.want("refused again", 401, unknown, "UnauthorizedException", "X-Token", "v")
	w.wantCalls("refusals are not kept", 2)
}

func TestOneCallForMany(t *testing.T) {
	w := newWorld(t, Options{}, "CUSTOM", tokenAuthorizer(300))
	begun, release := make(chan struct{}), make(chan struct{})
	w.function = func(map[string]any) (string, bool) {
		close(begun) // a second call would panic
		<-release
		return allows("Allow", "*", ""), false
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { w.want("together", 200, goodAnswer, "", "X-Token", "t") })
	}
	<-begun
	close(release)
	group.Wait()
	w.wantCalls("together", 1)
}

// The key of the authorizer's answer reaches the limits where the API says so.
func TestUsageKeyAndAuthorizerThatIsNone(t *testing.T) {
	d := &restapi.Authorizer{ID: "auth1", Name: "a", Type: "TOKEN", URI: "arn:aws:apigateway:us-east-1:sqs:path/x", IdentitySource: "method.request.header.A"}
	w := newWorld(t, Options{}, "CUSTOM", d)
	w.want("a URI that is no function's", 500, `{"message":"Internal server error"}`, "InternalServerErrorException", "A", "x")
	a, err := parseAnswer([]byte(allows("Allow", "*", `,"usageIdentifierKey":"k"`)))
	if err != nil || a.decision(true).UsageKey != "k" {
		t.Errorf("the usage key is %+v, %v", a, err)
	}
}

func TestTestInvokeAuthorizer(t *testing.T) {
	def := tokenAuthorizer(300)
	w := newWorld(t, Options{}, "CUSTOM", def)
	a, err := New(Options{Functions: w, Invoker: w})
	if err != nil {
		t.Fatal(err)
	}
	w.function = func(event map[string]any) (string, bool) {
		if event["authorizationToken"] == "bad" {
			return `{"errorMessage":"Unauthorized"}`, true
		}
		return allows("Deny", "*", `,"context":{"key":1,"flag":true,"s":"x"}`), false
	}
	test := func(token string) (*Tested, string) {
		t.Helper()
		r, log, err := w.gateway.TestRequest(t.Context(), &rest.Test{
			Account: account, Region: "us-east-1", APIID: "api1", Definition: w.definition, Headers: map[string][]string{"X-Token": {token}},
			StageVariables: map[string]string{"fn": "fn"}, PathWithQuery: "/pets/9?x=1",
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Test(t.Context(), def, r)
		if err != nil {
			t.Fatal(err)
		}
		return got, log()
	}
	got, log := test("good")
	if got.ClientStatus != 0 || got.PrincipalID != "user|a1" || !strings.Contains(got.Policy, `"Effect":"Deny"`) ||
		got.Authorization["key"][0] != "1" || got.Authorization["flag"][0] != "true" || got.Authorization["s"][0] != "x" {
		t.Errorf("got %+v", got)
	}
	for _, line := range []string{"Starting authorizer: auth1", methods + "ESTestInvoke-stage/GET/pets/9", "Using valid authorizer policy for principal: *****a1", "Successfully completed authorizer execution"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
	if got, log = test("bad"); got.ClientStatus != 401 || !strings.Contains(log, "Unauthorized request") {
		t.Errorf("got %+v\n%s", got, log)
	}
	if got, _ = test("b!d"); got.ClientStatus != 401 {
		t.Errorf("got %+v", got)
	}
	w.wantCalls("tests are not kept, and the form is checked", 2)
}

// FuzzAnswer: whatever a function answers, it is an answer or an error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(allows("Allow", "*", `,"context":{"a":1},"usageIdentifierKey":null`)))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := parseAnswer(payload)
		if err == nil && (a.policy == nil || a.principal == "" || !json.Valid([]byte(a.document))) {
			t.Errorf("an answer without its parts: %+v", a)
		}
	})
}

// What a kept answer costs, besides what the same method costs without.
func BenchmarkAuthorizers(b *testing.B) {
	for _, c := range []struct {
		name, kind string
		def        *restapi.Authorizer
	}{{"none", "NONE", nil}, {"kept", "CUSTOM", tokenAuthorizer(3600)}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, Options{}, c.kind, c.def)
			w.function = func(map[string]any) (string, bool) { return allows("Allow", methods+"*/GET/*", ""), false }
			r := w.request("GET", "/prod/pets/7", "", "X-Token", "allow")
			b.ReportAllocs()
			for b.Loop() {
				if got := w.send(r); got.Code != 200 {
					b.Fatal(got.Code)
				}
			}
		})
	}
}

// The authorizer's own part of it.
func BenchmarkKeptAnswer(b *testing.B) {
	w := newWorld(b, Options{}, "CUSTOM", tokenAuthorizer(3600))
	w.function = func(map[string]any) (string, bool) { return allows("Allow", methods+"*/GET/*", ""), false }
	a, err := New(Options{Functions: w, Invoker: w})
	if err != nil {
		b.Fatal(err)
	}
	z, err := a.Compile(tokenAuthorizer(3600))
	if err != nil {
		b.Fatal(err)
	}
	r, _, err := w.gateway.TestRequest(b.Context(), &rest.Test{
		Account: account, Region: "us-east-1", APIID: "api1", Definition: w.definition, Headers: map[string][]string{"X-Token": {"allow"}}, StageVariables: map[string]string{"fn": "fn"},
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, f := z.Authorize(b.Context(), r); f != nil {
			b.Fatal(f)
		}
	}
}
