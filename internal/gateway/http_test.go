package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/httpapi"
	"github.com/paddock-run/paddock/internal/identity"
)

const fn = "arn:aws:lambda:us-east-1:000000000000:function:f"

// world is what the gateway sees in a test: one API, and a function that is a Go
// function from event to payload.
type world struct {
	function.Invoker
	api    *httpapi.API
	handle func(ctx context.Context, inv *function.Invocation) (*function.Result, error)
	event  map[string]any // of the last invocation
}

func (w *world) HTTPAPI(id string) *httpapi.API {
	if id == w.api.ID {
		return w.api
	}
	return nil
}

func (w *world) Resolve(_ context.Context, _, _, arn string) (*function.Version, string, error) {
	if arn != fn {
		return nil, "", errors.New("no such function")
	}
	return &function.Version{ARN: arn}, arn, nil
}

func (w *world) Invoke(ctx context.Context, inv *function.Invocation) (*function.Result, error) {
	w.event = nil
	if err := json.Unmarshal(inv.Payload, &w.event); err != nil {
		return nil, err
	}
	return w.handle(ctx, inv)
}

func returns(payload string) func(context.Context, *function.Invocation) (*function.Result, error) {
	return func(context.Context, *function.Invocation) (*function.Result, error) {
		return &function.Result{Payload: []byte(payload)}, nil
	}
}

func newWorld(keys ...string) *world {
	if len(keys) == 0 {
		keys = []string{"$default"}
	}
	w := &world{handle: returns(`{"statusCode":200}`)}
	stage := func(name string) *httpapi.Stage {
		s := &httpapi.Stage{Name: name, Variables: map[string]string{"color": "blue"}}
		for _, k := range keys {
			s.Routes = append(s.Routes, httpapi.Route{Key: k, FunctionARN: fn})
		}
		return s
	}
	w.api = &httpapi.API{ID: "abc", Account: "000000000000", Region: "us-east-1", Stages: map[string]*httpapi.Stage{
		"$default": stage("$default"), "dev": stage("dev"),
	}}
	return w
}

// do sends a request as the edge would hand it over.
func (w *world) do(r *http.Request, stage string) *http.Response {
	g := New(w, w, w, slog.New(slog.DiscardHandler))
	ctx := identity.With(r.Context(), &identity.Identity{Account: "000000000000", Region: "us-east-1", RequestID: "req-1"})
	rec := httptest.NewRecorder()
	g.ServeAPI(rec, r.WithContext(ctx), Request{APIID: strings.SplitN(r.Host, ".", 2)[0], Stage: stage, Path: r.URL.EscapedPath()})
	return rec.Result()
}

func request(method, url string, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEventIsPayloadFormat2(t *testing.T) {
	w := newWorld("GET /pets/{id}", "$default")
	r := request("GET", "http://abc.execute-api.us-east-1.localhost:4566/pets/a%20b?x=1&x=2&y=%26", "",
		"Accept", "a", "Accept", "b", "Cookie", "c1=1; c2=2", "User-Agent", "test", "X-Amzn-Trace-Id", "Root=1-2-3")
	res := w.do(r, "")
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	e := w.event
	ctx := e["requestContext"].(map[string]any)
	h := e["headers"].(map[string]any)
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"version", e["version"], "2.0"},
		{"routeKey", e["routeKey"], "GET /pets/{id}"},
		{"rawPath", e["rawPath"], "/pets/a b"},
		{"rawQueryString", e["rawQueryString"], "x=1&x=2&y=%26"},
		{"path parameter", e["pathParameters"].(map[string]any)["id"], "a b"},
		{"joined query", e["queryStringParameters"].(map[string]any)["x"], "1,2"},
		{"unescaped query", e["queryStringParameters"].(map[string]any)["y"], "&"},
		{"stage variable", e["stageVariables"].(map[string]any)["color"], "blue"},
		{"joined header", h["accept"], "a,b"},
		{"host", h["host"], "abc.execute-api.us-east-1.localhost:4566"},
		{"forwarded port", h["x-forwarded-port"], "4566"},
		{"trace", h["x-amzn-trace-id"], "Root=1-2-3"},
		{"cookie header", h["cookie"], nil},
		{"apiId", ctx["apiId"], "abc"},
		{"stage", ctx["stage"], "$default"},
		{"domainName", ctx["domainName"], "abc.execute-api.us-east-1.localhost"},
		{"domainPrefix", ctx["domainPrefix"], "abc"},
		{"method", ctx["http"].(map[string]any)["method"], "GET"},
		{"sourceIp", ctx["http"].(map[string]any)["sourceIp"], "192.0.2.1"},
		{"userAgent", ctx["http"].(map[string]any)["userAgent"], "test"},
		{"isBase64Encoded", e["isBase64Encoded"], false},
		{"body", e["body"], nil},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	cookies := e["cookies"].([]any)
	if len(cookies) != 2 || cookies[0] != "c1=1" || cookies[1] != "c2=2" {
		t.Errorf("cookies %v", cookies)
	}
}

func TestBodyEncoding(t *testing.T) {
	for contentType, encoded := range map[string]bool{
		"application/json":                  false,
		"application/json; charset=utf-8":   false,
		"text/csv":                          false,
		"application/xml":                   false,
		"application/javascript":            false,
		"application/x-www-form-urlencoded": true,
		"application/octet-stream":          true,
		"":                                  true,
	} {
		w := newWorld()
		w.do(request("POST", "http://abc.x/", "hé", "Content-Type", contentType), "")
		want := "hé"
		if encoded {
			want = base64.StdEncoding.EncodeToString([]byte("hé"))
		}
		if w.event["body"] != want || w.event["isBase64Encoded"] != encoded {
			t.Errorf("%q: body %v, base64 %v", contentType, w.event["body"], w.event["isBase64Encoded"])
		}
	}
}

func TestStages(t *testing.T) {
	for _, c := range []struct{ url, named, stage, rawPath string }{
		{"http://abc.x/", "", "$default", "/"},
		{"http://abc.x/a/b", "", "$default", "/a/b"},
		{"http://abc.x/dev", "", "dev", "/dev/"},
		{"http://abc.x/dev/a", "", "dev", "/dev/a"},
		{"http://abc.x/$default/a", "", "$default", "/$default/a"},
		{"http://abc.x/a", "dev", "dev", "/dev/a"},
		{"http://abc.x/a", "$default", "$default", "/a"},
	} {
		w := newWorld()
		if res := w.do(request("GET", c.url, ""), c.named); res.StatusCode != 200 {
			t.Errorf("%s: status %d", c.url, res.StatusCode)
			continue
		}
		if got := w.event["requestContext"].(map[string]any)["stage"]; got != c.stage {
			t.Errorf("%s: stage %v, want %s", c.url, got, c.stage)
		}
		if w.event["rawPath"] != c.rawPath {
			t.Errorf("%s: rawPath %v, want %s", c.url, w.event["rawPath"], c.rawPath)
		}
	}
	for path, want := range map[string]string{"/$default/a": "/a", "/%24default/a": "/a", "/a": "/a"} {
		w := newWorld()
		if s, rest := stageOf(w.api, Request{Path: path, PathForm: true}); s == nil || s.Name != "$default" || rest != want {
			t.Errorf("path form %s: stage %v, path %s", path, s, rest)
		}
	}
	w := newWorld()
	if res := w.do(request("GET", "http://abc.x/", ""), "prod"); res.StatusCode != 404 {
		t.Errorf("an unknown stage: status %d", res.StatusCode)
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		status        int
		body          string
		headers       map[string]string
	}{
		{"full", `{"statusCode":201,"headers":{"X-A":"b","x-n":7,"x-b":true},"body":"hi"}`, 201, "hi", map[string]string{"X-A": "b", "X-N": "7", "X-B": "true", "Content-Type": "text/plain; charset=utf-8"}},
		{"status as a float", `{"statusCode":202.0}`, 202, "", nil},
		{"status that is no whole number", `{"statusCode":202.5}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"status as a string", `{"statusCode":"204"}`, 204, "", nil},
		{"base64", `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`, 200, "hi", nil},
		{"content type kept", `{"statusCode":200,"headers":{"content-type":"text/html"},"body":"x"}`, 200, "x", map[string]string{"Content-Type": "text/html"}},
		{"no statusCode: the value is the body", `{"message":"hello"}`, 200, `{"message":"hello"}`, map[string]string{"Content-Type": "application/json"}},
		{"a string", `"Hello from Lambda!"`, 200, "Hello from Lambda!", map[string]string{"Content-Type": "application/json"}},
		{"a list", `[1,2]`, 200, `[1,2]`, nil},
		{"null", `null`, 200, "", nil},
		{"not JSON", `<html>`, 500, `{"message":"Internal Server Error"}`, nil},
		{"nothing", ``, 500, `{"message":"Internal Server Error"}`, nil},
		{"a body that is an object", `{"statusCode":200,"body":{"a":1}}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a status that is none", `{"statusCode":42}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a status that comes before an answer", `{"statusCode":100}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a status that ends HTTP", `{"statusCode":101,"headers":{"upgrade":"x"},"body":"x"}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a control character in a header", `{"statusCode":200,"headers":{"a":"b\u0001"}}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a tab in a header", `{"statusCode":200,"headers":{"a":"b\tc"}}`, 200, "", map[string]string{"A": "b\tc"}},
		{"broken base64", `{"statusCode":200,"isBase64Encoded":true,"body":"*"}`, 500, `{"message":"Internal Server Error"}`, nil},
		{"a header that breaks the message", `{"statusCode":200,"headers":{"a":"b\r\nSet-Cookie: x=1"}}`, 500, `{"message":"Internal Server Error"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.handle = returns(c.payload)
			res := w.do(request("GET", "http://abc.x/", ""), "")
			if got := body(t, res); res.StatusCode != c.status || got != c.body {
				t.Errorf("%d %q, want %d %q", res.StatusCode, got, c.status, c.body)
			}
			for k, v := range c.headers {
				if res.Header.Get(k) != v {
					t.Errorf("header %s is %q, want %q", k, res.Header.Get(k), v)
				}
			}
			if res.Header.Get("Apigw-Requestid") != "req-1" {
				t.Error("no apigw-requestid")
			}
		})
	}
}

func TestCookiesBecomeSetCookie(t *testing.T) {
	w := newWorld()
	w.handle = returns(`{"statusCode":200,"cookies":["a=1; Path=/","b=2"]}`)
	if got := w.do(request("GET", "http://abc.x/", ""), "").Header.Values("Set-Cookie"); !slices.Equal(got, []string{"a=1; Path=/", "b=2"}) {
		t.Errorf("Set-Cookie %q", got)
	}
}

func TestFailures(t *testing.T) {
	fails := func(err error) func(context.Context, *function.Invocation) (*function.Result, error) {
		return func(context.Context, *function.Invocation) (*function.Result, error) { return nil, err }
	}
	hangs := func(ctx context.Context, _ *function.Invocation) (*function.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	crashed := func(context.Context, *function.Invocation) (*function.Result, error) {
		return &function.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"secret"}`)}, nil
	}
	for _, c := range []struct {
		name    string
		prepare func(*world, *http.Request)
		status  int
		message string
	}{
		{"unknown API", func(_ *world, r *http.Request) { r.Host = "zzz.x" }, 404, "Not Found"},
		{"disabled endpoint", func(w *world, _ *http.Request) { w.api.ExecuteAPIDisabled = true }, 404, "Not Found"},
		{"no route", func(w *world, _ *http.Request) { *w = *newWorld("POST /only") }, 404, "Not Found"},
		{"function fails", func(w *world, _ *http.Request) { w.handle = crashed }, 500, "Internal Server Error"},
		{"function is gone", func(w *world, _ *http.Request) { w.api.Stages["$default"].Routes[0].FunctionARN = "gone" }, 500, "Internal Server Error"},
		{"throttled", func(w *world, _ *http.Request) { w.handle = fails(&function.ErrThrottled{Reason: "x"}) }, 503, "Service Unavailable"},
		{"stopping", func(w *world, _ *http.Request) { w.handle = fails(function.ErrShuttingDown) }, 503, "Service Unavailable"},
		{"no runtime", func(w *world, _ *http.Request) { w.handle = fails(function.ErrNoRuntime) }, 500, "Internal Server Error"},
		{"timeout", func(w *world, _ *http.Request) {
			w.api.Stages["$default"].Routes[0].Timeout = 50 * time.Millisecond
			w.handle = hangs
		}, 503, "Service Unavailable"},
		{"too large", func(_ *world, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", maxPayload+1)))
		}, 413, "Request Entity Too Large"},
		{"too large for a function, as base64", func(_ *world, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", maxEvent*3/4)))
		}, 413, "Request Entity Too Large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := newWorld(), request("GET", "http://abc.x/", "")
			c.prepare(w, r)
			res := w.do(r, "")
			if got := body(t, res); res.StatusCode != c.status || got != `{"message":"`+c.message+`"}` {
				t.Errorf("%d %s", res.StatusCode, got)
			}
		})
	}
}

func TestRoutePriority(t *testing.T) {
	keys := []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "ANY /pets/dog/1", "POST /pets/{id}/toys", "GET /", "$default"}
	tree, err := compile(func() (out []httpapi.Route) {
		for _, k := range keys {
			out = append(out, httpapi.Route{Key: k})
		}
		return
	}())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, key string
		params            map[string]string
	}{
		{"GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"PUT", "/pets/dog/1", "ANY /pets/dog/1", nil},
		{"GET", "/pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"GET", "/pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"POST", "/pets/7/toys", "POST /pets/{id}/toys", map[string]string{"id": "7"}},
		{"POST", "/pets/7/food", "ANY /{proxy+}", map[string]string{"proxy": "pets/7/food"}},
		{"GET", "/test/5", "ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
		{"GET", "/", "GET /", nil},
		{"PUT", "/", "$default", nil},
	} {
		got, values := tree.match(c.method, c.path)
		if got == nil || got.route.Key != c.key {
			t.Errorf("%s %s went to %+v, want %s", c.method, c.path, got, c.key)
			continue
		}
		params := map[string]string{}
		for i, name := range got.params {
			params[name] = values[i]
		}
		if c.params == nil {
			c.params = map[string]string{}
		}
		if !maps.Equal(params, c.params) {
			t.Errorf("%s %s: parameters %v, want %v", c.method, c.path, params, c.params)
		}
	}
}

func TestCORS(t *testing.T) {
	cors := &httpapi.CORS{AllowOrigins: []string{"https://www.example.com"}, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"x-a"}, ExposeHeaders: []string{"date"}, AllowCredentials: true, MaxAge: new(int32(300))}
	w := newWorld()
	w.api.CORS = cors
	w.handle = returns(`{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://from-the-function.example"}}`)

	res := w.do(request("OPTIONS", "http://abc.x/any", "", "Origin", "https://www.example.com", "Access-Control-Request-Method", "POST"), "")
	for k, v := range map[string]string{
		"Access-Control-Allow-Origin": "https://www.example.com", "Access-Control-Allow-Methods": "GET,POST", "Access-Control-Allow-Headers": "x-a",
		"Access-Control-Max-Age": "300", "Access-Control-Allow-Credentials": "true",
	} {
		if res.Header.Get(k) != v {
			t.Errorf("preflight: %s is %q, want %q", k, res.Header.Get(k), v)
		}
	}
	if res.StatusCode != 204 || w.event != nil {
		t.Errorf("preflight: status %d, function called: %v", res.StatusCode, w.event != nil)
	}
	res = w.do(request("OPTIONS", "http://abc.x/any", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"), "")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another origin: %d %v", res.StatusCode, res.Header)
	}
	res = w.do(request("GET", "http://abc.x/", "", "Origin", "https://www.example.com"), "")
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://www.example.com" {
		t.Errorf("the function's own CORS header came through: %q", got)
	}
	res = w.do(request("GET", "http://abc.x/", ""), "")
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("CORS headers without an Origin: %q", got)
	}
	w.api.CORS = nil
	res = w.do(request("OPTIONS", "http://abc.x/", "", "Origin", "https://a.example", "Access-Control-Request-Method", "GET"), "")
	if w.event == nil || res.Header.Get("Access-Control-Allow-Origin") != "https://from-the-function.example" {
		t.Error("without a CORS configuration the function answers preflights itself")
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{`{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"x"}`, `"x"`, `null`, `[1]`, `{`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, err := parseResponse(payload)
		if err == nil && (out.status < 100 || out.status > 599) {
			t.Fatalf("status %d", out.status)
		}
	})
}

func BenchmarkServeAPI(b *testing.B) {
	w := newWorld()
	w.handle = returns(`{"statusCode":200,"body":"ok"}`)
	g := New(w, w, w, slog.New(slog.DiscardHandler))
	r := request("GET", "http://abc.x/a/b?c=d", "")
	ctx := identity.With(r.Context(), &identity.Identity{RequestID: "req-1"})
	r = r.WithContext(ctx)
	b.ReportAllocs()
	for b.Loop() {
		g.ServeAPI(httptest.NewRecorder(), r, Request{APIID: "abc", Path: "/a/b"})
	}
}
