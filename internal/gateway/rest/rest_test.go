package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/restapi"
)

// world is what a gateway of a test lives in.
type world struct {
	t       testing.TB
	gateway *Gateway
	api     *restapi.API
	invoke  func(inv *function.Invocation) (*function.Result, error)
	stream  func(inv *function.Invocation) (*function.Stream, error)
	events  []*function.Invocation
	mu      sync.Mutex
	logs    map[string][]string
	figures map[string]float64
}

func (w *world) RESTAPI(id string) *restapi.API {
	if id == "api1" {
		return w.api
	}
	return nil
}

func (w *world) Resolve(_ context.Context, _, _, arn string) (*function.Version, string, error) {
	if !strings.Contains(arn, ":function:fn") {
		return nil, "", errors.New("no such function: " + arn)
	}
	return &function.Version{ARN: arn}, arn, nil
}

func (w *world) Invoke(ctx context.Context, inv *function.Invocation) (*function.Result, error) {
	return w.invoke(inv)
}

func (w *world) InvokeStream(_ context.Context, inv *function.Invocation) (*function.Stream, error) {
	return w.stream(inv)
}

func (w *world) InvokeEvent(_ context.Context, inv *function.Invocation) error {
	w.events = append(w.events, inv)
	return nil
}

func (w *world) Retire(string) {}

func (w *world) Append(_, _, group, _ string, events []LogEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.logs[group] = append(w.logs[group], e.Message)
	}
}

func (w *world) Series(id metrics.ID) metrics.Series {
	name := id.Name
	for _, d := range id.Dimensions {
		name += " " + d.Name + "=" + d.Value
	}
	return &series{w, name}
}

type series struct {
	w    *world
	name string
}

func (s *series) Add(v float64) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.figures[s.name] += v
}

// newWorld serves resources, by path, as stage "test" of the API api1.
func newWorld(t testing.TB, resources map[string]map[string]*restapi.Method, change ...func(*restapi.ServedStage)) *world {
	t.Helper()
	d := &restapi.Definition{Resources: map[string]*restapi.Resource{}}
	for path, methods := range resources {
		for name, m := range methods {
			m.HTTPMethod = name
			if m.AuthorizationType == "" {
				m.AuthorizationType = "NONE"
			}
		}
		part := path[strings.LastIndexByte(path, '/')+1:]
		d.Resources["id-"+path] = &restapi.Resource{ID: "id-" + path, Path: path, PathPart: part, Methods: methods}
	}
	stage := &restapi.ServedStage{Definition: d}
	stage.Name, stage.DeploymentID = "test", "dep1"
	for _, c := range change {
		c(stage)
	}
	w := &world{t: t, logs: map[string][]string{}, figures: map[string]float64{}, invoke: func(*function.Invocation) (*function.Result, error) {
		return nil, errors.New("the test has no function")
	}}
	w.api = &restapi.API{Account: "123456789012", Region: "us-east-1", ID: "api1", Name: "the API", Stages: map[string]*restapi.ServedStage{"test": stage}}
	w.gateway = New(Options{APIs: w, Functions: w, Invoker: w, Logs: w, Metrics: w, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(w.gateway.Close)
	return w
}

// ask sends a request to the stage; header is name, value, name, value.
func (w *world) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://api1.execute-api.us-east-1.localhost:4566"+target, reader)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", Region: "us-east-1", RequestID: "11111111-2222-4333-8444-555555555555"}))
	out := httptest.NewRecorder()
	w.gateway.ServeAPI(out, r, Target{APIID: "api1", Path: r.URL.EscapedPath()})
	return out
}

// want checks a response.
func want(t testing.TB, got *httptest.ResponseRecorder, status int, body string, header ...string) {
	t.Helper()
	if got.Code != status || body != "*" && got.Body.String() != body {
		t.Errorf("got %d %q, want %d %q", got.Code, got.Body, status, body)
	}
	for i := 0; i < len(header); i += 2 {
		if v := strings.Join(got.Header()[header[i]], "|"); v != header[i+1] {
			t.Errorf("%s: %q, want %q", header[i], v, header[i+1])
		}
	}
}

// mocked is a method that answers with its own name.
func mocked(text string) *restapi.Method {
	return &restapi.Method{Integration: &restapi.Integration{
		Type: "MOCK", Templates: map[string]string{"application/json": `{"statusCode": 200}`},
		Responses: map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200", Templates: map[string]string{"application/json": text}}},
	}}
}

const functionURI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:fn/invocations"

func proxied() *restapi.Method {
	return &restapi.Method{Integration: &restapi.Integration{Type: "AWS_PROXY", HTTPMethod: "POST", URI: functionURI}}
}

type methods = map[string]*restapi.Method

func TestRoutes(t *testing.T) {
	w := newWorld(t, map[string]methods{
		"/":                  {"GET": mocked("root")},
		"/pets":              {"GET": mocked("pets"), "ANY": mocked("any pets")},
		"/pets/{id}":         {"GET": mocked("pet $input.params('id')")},
		"/pets/mine":         {"GET": mocked("mine")},
		"/pets/{id}/toys":    {"GET": mocked("toys of $input.params('id')")},
		"/pets/{proxy+}":     {"GET": mocked("below pets: $input.params('proxy')"), "OPTIONS": mocked("options")},
		"/test":              {"POST": mocked("POST")},
		"/test/any":          {"ANY": mocked("ANY")},
		"/{proxy+}":          {"OPTIONS": mocked("OPTIONS $input.params('proxy')")},
		"/structure/of/path": {"GET": mocked("deep")},
	})
	for _, c := range []struct {
		method, path string
		want         string // "" for a missing token
	}{
		{"GET", "/test", "root"},
		{"GET", "/test/", "root"},
		{"GET", "/test//", "root"},
		{"GET", "/test/pets", "pets"},
		{"GET", "/test/pets/", "pets"},
		{"DELETE", "/test/pets", "any pets"},
		{"GET", "/test/pets/7", "pet 7"},
		{"GET", "/test/pets/mine", "mine"},
		{"GET", "/test/pets/m%69ne", "mine"},
		{"GET", "/test/pets/a%2Fb", "pet a/b"},
		{"GET", "/test/pets/a%20b%252F", "pet a b%2F"},
		{"GET", "/test/pets/..", "pet .."},
		{"GET", "/test/pets/%ff%fe", "*"},
		{"GET", "/test/pets/7/toys", "toys of 7"},
		{"GET", "/test/pets/mine/toys", "toys of mine"},
		{"GET", "/test/pets/7/toys/1", "below pets: 7/toys/1"},
		{"GET", "/test/pets/7/x/", "below pets: 7/x"},
		{"OPTIONS", "/test/pets/7", "options"},
		{"OPTIONS", "/test/test", "OPTIONS test"},
		{"POST", "/test/test", "POST"},
		{"OPTIONS", "/test/test/any", "ANY"},
		{"OPTIONS", "/test/structure/of", "OPTIONS structure/of"},
		{"GET", "/test/structure/of", ""},
		{"GET", "/test/structure/of/path", "deep"},
		{"GET", "/test/nowhere", ""},
		{"POST", "/test/pets/7", ""},
	} {
		got := w.ask(c.method, c.path, "")
		if c.want == "" {
			want(t, got, 403, `{"message":"Missing Authentication Token"}`, "X-Amzn-Errortype", "MissingAuthenticationTokenException", "Content-Type", "application/json")
		} else {
			want(t, got, 200, c.want, "X-Amzn-Requestid", "11111111-2222-4333-8444-555555555555")
		}
		if t.Failed() {
			t.Fatalf("%s %s", c.method, c.path)
		}
	}
	want(t, w.ask("GET", "/nostage/pets", ""), 403, `{"message":"Forbidden"}`, "X-Amzn-Errortype", "ForbiddenException")
	want(t, w.ask("GET", "/test/pets/mine", "", "X-HTTP-Method-Override", "PATCH"), 403, "*")
	if id := w.ask("GET", "/test", "").Header().Get("X-Amz-Apigw-Id"); len(id) != 16 || !strings.HasSuffix(id, "=") {
		t.Errorf("the extended ID is %q", id)
	}
}

func TestNothingIsLetThroughThatNobodyChecks(t *testing.T) {
	iam, custom, keyed := mocked("in"), mocked("in"), mocked("in")
	iam.AuthorizationType, custom.AuthorizationType, keyed.APIKeyRequired = "AWS_IAM", "CUSTOM", true
	custom.AuthorizerID = "auth1"
	w := newWorld(t, map[string]methods{"/iam": {"GET": iam}, "/custom": {"GET": custom}, "/keyed": {"GET": keyed}}, func(s *restapi.ServedStage) {
		s.Definition.Authorizers = map[string]*restapi.Authorizer{"auth1": {ID: "auth1", Type: "TOKEN"}}
	})
	for _, path := range []string{"/test/iam", "/test/custom", "/test/keyed"} {
		if got := w.ask("GET", path, ""); got.Code != 501 || !strings.Contains(got.Body.String(), "does not enforce") {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	w = newWorld(t, map[string]methods{"/": {"GET": mocked("in")}}, func(s *restapi.ServedStage) { s.Definition.Policy = `{"Statement":[]}` })
	want(t, w.ask("GET", "/test", ""), 501, "*")
}

// jsonOf compares JSON texts by their values.
func jsonOf(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestChangesAreServed(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"GET": mocked("one")}})
	want(t, w.ask("GET", "/test", ""), 200, "one")
	next := *w.api
	stage := &restapi.ServedStage{Stage: w.api.Stages["test"].Stage, Definition: &restapi.Definition{Resources: map[string]*restapi.Resource{
		"r": {ID: "r", Path: "/", Methods: methods{"GET": mocked("two")}}}}}
	next.Stages = map[string]*restapi.ServedStage{"test": stage, "old": w.api.Stages["test"]}
	w.api = &next
	want(t, w.ask("GET", "/test", ""), 200, "two")
	want(t, w.ask("GET", "/old", ""), 200, "one")
	w.api = nil
	want(t, w.ask("GET", "/test", ""), 403, `{"message":"Forbidden"}`)
}

func TestCanary(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"GET": mocked("main $stageVariables.v")}}, func(s *restapi.ServedStage) {
		s.Variables = map[string]string{"v": "1"}
		s.Canary = &restapi.Canary{DeploymentID: "dep2", Percent: 100, Variables: map[string]string{"v": "2"}}
		s.CanaryDefinition = &restapi.Definition{Resources: map[string]*restapi.Resource{
			"r": {ID: "r", Path: "/", Methods: methods{"GET": mocked("canary $stageVariables.v $context.deploymentId")}}}}
	})
	want(t, w.ask("GET", "/test", ""), 200, "canary 2 dep2")
	w.api.Stages["test"].Canary.Percent = 0
	want(t, w.ask("GET", "/test", ""), 200, "main 1")
}

func TestTheTimeoutOfSlowClients(t *testing.T) {
	w := newWorld(t, map[string]methods{"/": {"POST": mocked("in")}})
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("half"), brokenReader{}))
	r.ContentLength = -1
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{RequestID: "x"}))
	out := httptest.NewRecorder()
	w.gateway.ServeAPI(out, r, Target{APIID: "api1", Path: "/test"})
	want(t, out, 400, "*")
	big := httptest.NewRequest("POST", "/", io.LimitReader(zeros{}, maxPayload+1))
	big.ContentLength = -1
	big = big.WithContext(r.Context())
	out = httptest.NewRecorder()
	w.gateway.ServeAPI(out, big, Target{APIID: "api1", Path: "/test"})
	want(t, out, 413, `{"message":"Request Too Long"}`)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
