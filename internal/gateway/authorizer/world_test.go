package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
)

const (
	account = "123456789012"
	auth    = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:${stageVariables.fn}/invocations"
	methods = "arn:aws:execute-api:us-east-1:123456789012:api1/"
)

// world is a gateway whose methods have authorizers.
type world struct {
	t          testing.TB
	gateway    *rest.Gateway
	api        *restapi.API
	definition *restapi.Definition
	stage      *restapi.ServedStage
	// function answers authorizers' invocations; calls counts them.
	function func(event map[string]any) (answer string, failed bool)
	calls    atomic.Int32
	invoked  atomic.Pointer[string] // the ARN
	event    atomic.Pointer[string] // the payload
	identity identity.Identity
}

func (w *world) RESTAPI(string) *restapi.API { return w.api }

func (w *world) Resolve(_ context.Context, _, _, arn string) (*function.Version, string, error) {
	if !strings.HasSuffix(arn, ":fn") {
		return nil, "", errors.New("no such function: " + arn)
	}
	return &function.Version{ARN: arn, Name: "fn", Role: "arn:aws:iam::123456789012:role/service/runner"}, arn, nil
}

func (w *world) Invoke(_ context.Context, inv *function.Invocation) (*function.Result, error) {
	w.calls.Add(1)
	w.invoked.Store(&inv.InvokedARN)
	w.event.Store(new(string(inv.Payload)))
	var event map[string]any
	if err := json.Unmarshal(inv.Payload, &event); err != nil {
		return nil, err
	}
	answer, failed := w.function(event)
	out := &function.Result{Payload: []byte(answer)}
	if failed {
		out.FunctionError = "Unhandled"
	}
	return out, nil
}

func (*world) InvokeStream(context.Context, *function.Invocation) (*function.Stream, error) {
	return nil, errors.New("nothing streams here")
}
func (*world) InvokeEvent(context.Context, *function.Invocation) error {
	return errors.New("no events here")
}
func (*world) Retire(string) {}

// newWorld serves GET and DELETE of /pets/{id}, which the authorizer def guards
// and which answer with what they know of it; kind is their authorization type.
func newWorld(t testing.TB, o Options, kind string, def *restapi.Authorizer) *world {
	t.Helper()
	w := &world{t: t, identity: identity.Identity{Account: account, Region: "us-east-1", RequestID: "11111111-2222-4333-8444-555555555555"}}
	method := func(name string) *restapi.Method {
		m := &restapi.Method{HTTPMethod: name, AuthorizationType: kind, Integration: &restapi.Integration{
			Type: "MOCK", Templates: map[string]string{"application/json": `{"statusCode": 200}`},
			Responses: map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200", Templates: map[string]string{
				"application/json": `$context.authorizer.principalId|$context.authorizer.key|$context.authorizer.claims.sub|$context.identity.userArn`,
			}}},
		}}
		if def != nil {
			m.AuthorizerID = def.ID
		}
		return m
	}
	w.definition = &restapi.Definition{RootResourceID: "root", Authorizers: map[string]*restapi.Authorizer{}, Resources: map[string]*restapi.Resource{
		"pet": {ID: "pet", Path: "/pets/{id}", PathPart: "{id}", Methods: map[string]*restapi.Method{"GET": method("GET"), "DELETE": method("DELETE"), "POST": method("POST")}},
	}}
	if def != nil {
		w.definition.Authorizers[def.ID] = def
	}
	w.stage = &restapi.ServedStage{Definition: w.definition}
	w.stage.Name, w.stage.Variables = "prod", map[string]string{"fn": "fn"}
	w.api = &restapi.API{Account: account, Region: "us-east-1", ID: "api1", Name: "the API", Stages: map[string]*restapi.ServedStage{"prod": w.stage}}
	o.Functions, o.Invoker, o.Logger = w, w, slog.New(slog.DiscardHandler)
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.gateway = rest.New(rest.Options{APIs: w, Functions: w, Invoker: w, Authorize: a, Policies: Policies{}, Logger: o.Logger})
	t.Cleanup(w.gateway.Close)
	return w
}

// change hands the gateway another snapshot.
func (w *world) change(f func(*restapi.ServedStage)) {
	stage, api := *w.stage, *w.api
	f(&stage)
	w.stage = &stage
	api.Stages = map[string]*restapi.ServedStage{"prod": &stage}
	w.api = &api
}

// policy gives the API a resource policy.
func (w *world) policy(statements string) {
	w.change(func(s *restapi.ServedStage) {
		d := *s.Definition
		d.Policy = `{"Version":"2012-10-17","Statement":[` + statements + `]}`
		s.Definition = &d
	})
}

// request makes one; header is name, value, name, value.
func (w *world) request(method, target, body string, header ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://api1.execute-api.us-east-1.localhost:4566"+target, reader)
	r.RemoteAddr = "203.0.113.9:4711"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r.WithContext(identity.With(r.Context(), &w.identity))
}

func (w *world) send(r *http.Request) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	w.gateway.ServeAPI(out, r, rest.Target{APIID: "api1", Path: r.URL.EscapedPath()})
	return out
}

// want sends a GET and checks its answer.
func (w *world) want(name string, status int, body, errorType string, header ...string) {
	w.t.Helper()
	w.wantOf(name, w.request("GET", "/prod/pets/7", "", header...), status, body, errorType)
}

func (w *world) wantOf(name string, r *http.Request, status int, body, errorType string) {
	w.t.Helper()
	got := w.send(r)
	if got.Code != status || body != "*" && got.Body.String() != body || got.Header().Get("X-Amzn-Errortype") != errorType {
		w.t.Errorf("%s: got %d %s %q, want %d %s %q", name, got.Code, got.Body, got.Header().Get("X-Amzn-Errortype"), status, body, errorType)
	}
}

func (w *world) wantCalls(name string, n int32) {
	w.t.Helper()
	if got := w.calls.Swap(0); got != n {
		w.t.Errorf("%s: the function was called %d times, want %d", name, got, n)
	}
}

// allows is an authorizer's answer.
func allows(effect, resource, more string) string {
	return `{"principalId":"user|a1","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"` + resource + `"}]}` + more + `}`
}
