package rest

import (
	"context"
	"fmt"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

// counting serves GET and POST /pets/{id} by a function that says which call it
// is, from a stage with a cache.
func counting(t *testing.T, change ...func(*restapi.ServedStage)) *world {
	t.Helper()
	integration := func() *restapi.Integration {
		return &restapi.Integration{Type: "AWS_PROXY", HTTPMethod: "POST", URI: lambdaURI("fn"),
			CacheKeyParameters: []string{"method.request.path.id", "method.request.querystring.q"}}
	}
	all := func(s *restapi.ServedStage) {
		s.CacheClusterEnabled, s.CacheClusterSize = true, "0.5"
		s.Methods = map[string]*restapi.MethodSettings{"*/*": {CachingEnabled: new(true), MetricsEnabled: new(true)}}
	}
	w := newWorld(t, map[string]map[string]*restapi.Method{"/pets/{id}": {
		"GET": {Integration: integration()}, "POST": {Integration: integration()}, "PUT": {Integration: integration()},
	}}, append([]func(*restapi.ServedStage){all}, change...)...)
	calls := 0
	w.invoke = func(*function.Invocation) (*function.Result, error) {
		calls++
		return &function.Result{Payload: fmt.Appendf(nil, `{"statusCode":%d,"headers":{"X-Call":"%d"},"body":"%d"}`, 200+calls%2, calls, calls)}, nil
	}
	return w
}

func lambdaURI(name string) string {
	return "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:" + name + "/invocations"
}

// restage changes a copy of the stage, as the control plane does.
func (w *world) restage(change func(*restapi.ServedStage)) {
	stage := *w.api.Stages["test"]
	change(&stage)
	api := *w.api
	api.Stages = map[string]*restapi.ServedStage{"test": &stage}
	w.api = &api
}

func TestAnswersAreCachedByTheirKey(t *testing.T) {
	w := counting(t)
	for range 2 {
		want(t, w.ask("GET", "/test/pets/1", ""), 201, "1", "X-Call", "1") // whatever its status is
	}
	want(t, w.ask("GET", "/test/pets/2", ""), 200, "2")
	want(t, w.ask("GET", "/test/pets/1?q=a", ""), 201, "3")
	want(t, w.ask("GET", "/test/pets/1?q=a&other=b", ""), 201, "3") // no part of the key
	want(t, w.ask("POST", "/test/pets/1", "x"), 200, "4")           // only GET is cached
	want(t, w.ask("POST", "/test/pets/1", "x"), 201, "5")
	for name, n := range map[string]float64{"CacheHitCount": 2, "CacheMissCount": 3} {
		for _, dimensions := range []string{" ApiName=the API", " ApiName=the API Stage=test"} {
			if got := w.figures[name+dimensions]; got != n {
				t.Errorf("%s%s is %v, want %v", name, dimensions, got, n)
			}
		}
	}
	if got := w.figures["CacheHitCount ApiName=the API Method=GET Resource=/pets/{id} Stage=test"]; got != 2 {
		t.Errorf("the method's CacheHitCount is %v", got)
	}
}

func TestMethodsOfTheirOwnSettingsAreCached(t *testing.T) {
	w := counting(t, func(s *restapi.ServedStage) {
		s.Methods["~1pets~1{id}/POST"] = &restapi.MethodSettings{CachingEnabled: new(true)}
		s.Methods["~1pets~1{id}/GET"] = &restapi.MethodSettings{CacheTTLSeconds: new(int32(0))}
	})
	for range 2 {
		want(t, w.ask("POST", "/test/pets/1", "x"), 201, "1")
	}
	want(t, w.ask("GET", "/test/pets/1", ""), 200, "2")
	want(t, w.ask("GET", "/test/pets/1", ""), 201, "3")
	w.restage(func(s *restapi.ServedStage) { s.CacheClusterEnabled = false })
	want(t, w.ask("POST", "/test/pets/1", "x"), 200, "4")
	w.restage(func(s *restapi.ServedStage) { s.CacheClusterEnabled = true })
	want(t, w.ask("POST", "/test/pets/1", "x"), 201, "5")
}

func TestFlushingEmptiesTheCache(t *testing.T) {
	w := counting(t)
	want(t, w.ask("GET", "/test/pets/1", ""), 201, "1")
	w.restage(func(s *restapi.ServedStage) { s.Description = "changed" })
	want(t, w.ask("GET", "/test/pets/1", ""), 201, "1")
	w.restage(func(s *restapi.ServedStage) { s.CacheEpoch++ })
	want(t, w.ask("GET", "/test/pets/1", ""), 200, "2")
	want(t, w.ask("GET", "/test/pets/1", ""), 200, "2")
	if n := len(w.gateway.caches.stages); n != 1 {
		t.Errorf("%d caches are kept", n)
	}
}

func TestCanariesCacheWhereTheyMay(t *testing.T) {
	for _, use := range []bool{true, false} {
		w := counting(t, func(s *restapi.ServedStage) {
			s.CanaryDefinition = s.Definition
			s.Canary = &restapi.Canary{DeploymentID: "dep1", Percent: 100, UseStageCache: use}
		})
		want(t, w.ask("GET", "/test/pets/1", ""), 201, "1")
		second := map[bool]string{true: "1", false: "2"}[use]
		if got := w.ask("GET", "/test/pets/1", "").Body.String(); got != second {
			t.Errorf("with UseStageCache %v the second answer is %s", use, got)
		}
	}
}

// signed lets everybody pass as a caller of an account.
type signed string

func (s signed) Compile(*restapi.Authorizer) (Authorizer, error) { return s, nil }

func (s signed) Authorize(context.Context, *Request) (*Decision, *Failure) {
	return &Decision{Caller: &Caller{AccountID: string(s)}}, nil
}

func TestClientsInvalidateWhereTheyMay(t *testing.T) {
	const ignored = "199 Cache-control headers were ignored because the caller was unauthorized."
	for _, c := range []struct {
		name     string
		settings restapi.MethodSettings
		account  string // of the caller; empty: nobody signed
		status   int
		body     string
		warning  string
	}{
		{"the default", restapi.MethodSettings{}, "", 201, "1", ignored},
		{"403", restapi.MethodSettings{UnauthorizedCacheControl: new("FAIL_WITH_403")}, "", 403, "*", ""},
		{"silent", restapi.MethodSettings{UnauthorizedCacheControl: new("SUCCEED_WITHOUT_RESPONSE_HEADER")}, "", 201, "1", ""},
		{"anybody may", restapi.MethodSettings{CacheControlAuthorization: new(false)}, "", 200, "2", ""},
		{"the account", restapi.MethodSettings{UnauthorizedCacheControl: new("FAIL_WITH_403")}, "123456789012", 200, "2", ""},
		{"another account", restapi.MethodSettings{UnauthorizedCacheControl: new("FAIL_WITH_403")}, "210987654321", 403, "*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := counting(t, func(s *restapi.ServedStage) { s.Methods["~1pets~1{id}/GET"] = &c.settings })
			if c.account != "" {
				w.api.Stages["test"].Definition.Resources["id-/pets/{id}"].Methods["GET"].AuthorizationType = "AWS_IAM"
				w.gateway.Authorize = signed(c.account)
			}
			want(t, w.ask("GET", "/test/pets/1", ""), 201, "1")
			want(t, w.ask("GET", "/test/pets/1", "", "Cache-Control", "no-cache"), 201, "1")
			got := w.ask("GET", "/test/pets/1", "", "Cache-Control", "no-store, max-age=0")
			want(t, got, c.status, c.body)
			if h := got.Header().Get("Warning"); h != c.warning {
				t.Errorf("Warning is %q", h)
			}
			if c.body == "2" { // and the answer replaced the one before
				want(t, w.ask("GET", "/test/pets/1", ""), 200, "2")
			}
			if h := w.ask("GET", "/test/pets/1", "").Header().Get("Warning"); h != "" {
				t.Errorf("the warning %q was kept", h)
			}
		})
	}
}

func TestMethodsShareANamespace(t *testing.T) {
	in := func() *restapi.Integration {
		return &restapi.Integration{Type: "AWS_PROXY", HTTPMethod: "POST", URI: lambdaURI("fn"), CacheNamespace: "both"}
	}
	w := newWorld(t, map[string]map[string]*restapi.Method{"/a": {"GET": {Integration: in()}}, "/b": {"GET": {Integration: in()}}}, func(s *restapi.ServedStage) {
		s.CacheClusterEnabled = true
		s.Methods = map[string]*restapi.MethodSettings{"*/*": {CachingEnabled: new(true)}}
	})
	calls := 0
	w.invoke = func(*function.Invocation) (*function.Result, error) {
		calls++
		return &function.Result{Payload: fmt.Appendf(nil, `{"body":"%d"}`, calls)}, nil
	}
	want(t, w.ask("GET", "/test/a", ""), 200, "1")
	want(t, w.ask("GET", "/test/b", ""), 200, "1")
}
