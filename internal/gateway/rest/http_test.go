package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/restapi"
)

// echo answers with what it was asked.
func echo(t testing.TB) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Server", "echo")
		w.Header().Set("WWW-Authenticate", "Basic")
		w.Header().Add("X-Many", "1")
		w.Header().Add("X-Many", "2")
		if s := r.URL.Query().Get("status"); s != "" {
			var n int
			fmt.Sscan(s, &n)
			w.WriteHeader(n)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header, "body": string(body)})
	}))
	t.Cleanup(s.Close)
	return s
}

func httpProxied(uri string) *restapi.Method {
	return &restapi.Method{Integration: &restapi.Integration{Type: "HTTP_PROXY", HTTPMethod: "ANY", URI: uri,
		Parameters: map[string]string{"integration.request.path.proxy": "method.request.path.proxy"}}}
}

type echoed struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

func read(t *testing.T, got *httptest.ResponseRecorder) echoed {
	t.Helper()
	var e echoed
	if err := json.Unmarshal(got.Body.Bytes(), &e); err != nil {
		t.Fatalf("%d %s: %v", got.Code, got.Body, err)
	}
	return e
}

func TestHTTPProxy(t *testing.T) {
	s := echo(t)
	w := newWorld(t, map[string]methods{"/{proxy+}": {"ANY": httpProxied(s.URL + "/base/{proxy}?k=v")}})
	got := w.ask("POST", "/test/a%20b/c%3Fd?q=1&r=%26", "hello", "X-One", "1", "Connection", "X-Hop", "X-Hop", "h", "Expect", "100-continue", "Via", "1.0 x",
		"Authorization", "Bearer t", "Content-Encoding", "x")
	want(t, got, 200, "*", "X-Amzn-Remapped-Server", "echo", "X-Amzn-Remapped-Www-Authenticate", "Basic", "X-Many", "1|2", "Www-Authenticate", "",
		"Content-Type", "application/json")
	e := read(t, got)
	if e.Method != "POST" || e.URI != "/base/a%20b/c%3Fd?k=v&q=1&r=%26" || e.Body != "hello" || e.Host != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("got %+v", e)
	}
	for name, value := range map[string]string{"X-One": "1", "X-Hop": "", "Expect": "", "Via": "", "Authorization": "Bearer t", "X-Forwarded-For": "192.0.2.1",
		"X-Forwarded-Proto": "http", "X-Amzn-Apigateway-Api-Id": "api1", "Content-Encoding": ""} {
		if v := e.Header.Get(name); v != value {
			t.Errorf("%s: %q, want %q", name, v, value)
		}
	}
	want(t, w.ask("GET", "/test/x?status=418", ""), 418, "*")
	want(t, w.ask("HEAD", "/test/x", ""), 200, "")
	for _, climbing := range []string{"/test/../admin", "/test/x/%2e%2e/admin", "/test/a%2F..%2Fb"} {
		want(t, w.ask("GET", climbing, ""), 400, "*")
	}
	// Signatures stay here.
	if e := read(t, w.ask("GET", "/test/x", "", "Authorization", "AWS4-HMAC-SHA256 Credential=x")); e.Header.Get("Authorization") != "" {
		t.Error("a signature went to the backend")
	}
}

func TestHTTP(t *testing.T) {
	s := echo(t)
	m := &restapi.Method{Integration: &restapi.Integration{Type: "HTTP", HTTPMethod: "PUT", URI: s.URL + "/${stageVariables.v}/{id}",
		Parameters: map[string]string{
			"integration.request.path.id":          "method.request.querystring.id",
			"integration.request.header.X-Body":    "method.request.body.a.b",
			"integration.request.header.X-Evil":    "method.request.body.evil",
			"integration.request.querystring.list": "method.request.multivaluequerystring.l",
		},
		Templates: map[string]string{"application/json": `#set($context.requestOverride.header.X-Over = "o")<$input.path('$.a.b')>`},
		Responses: map[string]*restapi.IntegrationResponse{
			"200": {StatusCode: "200", Parameters: map[string]string{"method.response.header.X-Many": "integration.response.multivalueheader.X-Many", "method.response.header.X-Last": "integration.response.header.X-Many",
				"method.response.header.X-Method": "integration.response.body.method"}},
			"502": {StatusCode: "502", SelectionPattern: `5\d{2}`},
		}}}
	w := newWorld(t, map[string]methods{"/": {"POST": m}}, func(s *restapi.ServedStage) { s.Variables = map[string]string{"v": "v1"} })
	got := w.ask("POST", "/test?id=a/b&l=1&l=2", `{"a":{"b":"deep"},"evil":"x\r\nHost: y"}`, "X-Client", "not sent")
	want(t, got, 200, "*", "X-Many", "1|2", "X-Last", "2", "X-Method", "PUT", "Content-Type", "application/json", "Server", "")
	e := read(t, got)
	if e.Method != "PUT" || e.URI != "/v1/a%2Fb?list=1&list=2" || e.Body != "<deep>" {
		t.Errorf("got %+v", e)
	}
	for name, value := range map[string]string{"X-Client": "", "X-Body": "deep", "X-Over": "o", "X-Evil": "", "User-Agent": "AmazonAPIGateway_api1", "Accept": "application/json"} {
		if v := e.Header.Get(name); v != value {
			t.Errorf("%s: %q, want %q", name, v, value)
		}
	}
}

// What a backend says of a body that it would send, its caller hears.
func TestHEADKeepsTheLength(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", "12345")
		}
		w.Header().Set("Content-Type", "text/plain")
	}))
	t.Cleanup(s.Close)
	w := newWorld(t, map[string]methods{"/{proxy+}": {"ANY": httpProxied(s.URL + "/{proxy}")}})
	want(t, w.ask("HEAD", "/test/known", ""), 200, "", "Content-Length", "12345", "Content-Type", "text/plain")
	want(t, w.ask("HEAD", "/test/unknown", ""), 200, "", "Content-Length", "")
	want(t, w.ask("GET", "/test/unknown", ""), 200, "", "Content-Length", "0")
}

// links are where VPC links lead, by "link" or "link listener".
type links map[string]string

func (l links) Target(_ *restapi.API, id, listener string) string {
	return l[strings.TrimSpace(id+" "+listener)]
}

func TestVPCLinks(t *testing.T) {
	s := echo(t)
	address := strings.TrimPrefix(s.URL, "http://")
	over := func(kind, id, target string) *restapi.Method {
		m := &restapi.Method{Integration: &restapi.Integration{Type: kind, HTTPMethod: "GET", URI: "http://orders.internal/base", ConnectionType: "VPC_LINK", ConnectionID: id, Target: target,
			Responses: map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200"}}}}
		return m
	}
	w := newWorld(t, map[string]methods{
		"/proxy": {"GET": over("HTTP_PROXY", "abc", "")}, "/custom": {"GET": over("HTTP", "${stageVariables.link}", "")},
		"/v2": {"GET": over("HTTP_PROXY", "v2", "arn")}, "/nowhere": {"GET": over("HTTP_PROXY", "gone", "")},
	}, func(s *restapi.ServedStage) { s.Variables = map[string]string{"link": "abc"} })
	want(t, w.ask("GET", "/test/proxy", ""), 500, `{"message":"This Paddock was not told where the VPC link abc leads"}`)
	w.gateway.Links = links{"abc": address, "v2 arn": address}
	for _, path := range []string{"proxy", "custom", "v2"} {
		got := w.ask("GET", "/test/"+path, "")
		if e := read(t, got); got.Code != 200 || e.Host != "orders.internal" || e.URI != "/base" {
			t.Errorf("%s: %d %+v", path, got.Code, e)
		}
	}
	want(t, w.ask("GET", "/test/nowhere", ""), 500, `{"message":"This Paddock was not told where the VPC link gone leads"}`)
}

func TestContentHandlingOfProxies(t *testing.T) {
	s := echo(t)
	m := httpProxied(s.URL + "/{proxy}")
	m.Integration.ContentHandling = "CONVERT_TO_BINARY"
	w := newWorld(t, map[string]methods{"/{proxy+}": {"ANY": m}})
	if e := read(t, w.ask("POST", "/test/x", "aGVsbG8=")); e.Body != "hello" {
		t.Errorf("the backend got %q", e.Body)
	}
	want(t, w.ask("POST", "/test/x", "*"), 500, `{"message":"Internal server error"}`)
}

func TestBackendsThatFail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				switch r.URL.Path {
				case "/reset":
				case "/hang":
					_, _ = io.Copy(io.Discard, c)
				case "/lies":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort")
				case "/large":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
				case "/endless":
					io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
					_, _ = io.Copy(c, zeros{})
				}
			}()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	base := "http://" + l.Addr().String()
	for uri, wanted := range map[string]struct {
		status int
		body   string
	}{
		base + "/reset":                    {504, `{"message":"Network error communicating with endpoint"}`},
		base + "/hang":                     {504, `{"message":"Endpoint request timed out"}`},
		base + "/lies":                     {504, `{"message":"Network error communicating with endpoint"}`},
		base + "/large":                    {500, `{"message":"Internal server error"}`},
		base + "/endless":                  {500, `{"message":"Internal server error"}`},
		"http://" + closed.Addr().String(): {504, `{"message":"Network error communicating with endpoint"}`},
		"http://${stageVariables.none}/":   {500, `{"message":"Internal server error"}`},
		"ftp://x/":                         {500, `{"message":"Internal server error"}`},
	} {
		m := &restapi.Method{Integration: &restapi.Integration{Type: "HTTP_PROXY", HTTPMethod: "GET", URI: uri, TimeoutMillis: 300}}
		if strings.HasSuffix(uri, "/endless") {
			m.Integration.TimeoutMillis = 20000
		}
		w := newWorld(t, map[string]methods{"/": {"GET": m}})
		want(t, w.ask("GET", "/test", ""), wanted.status, wanted.body)
		if t.Failed() {
			t.Fatal(uri)
		}
	}
}

// A service of this Paddock, as an integration calls it.
type services struct {
	got  *http.Request
	body string
	json bool
}

func (s *services) Service(name string) *Service {
	if name != "sqs" {
		return nil
	}
	out := &Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.got, s.body = r, string(b)
		w.WriteHeader(202)
		io.WriteString(w, `{"done":true}`)
	})}
	if s.json {
		out.Target, out.ContentType = func(a string) string { return "AmazonSQS." + a }, "application/x-amz-json-1.0"
	}
	return out
}

func TestServiceIntegrations(t *testing.T) {
	method := func(uri string) *restapi.Method {
		return &restapi.Method{Integration: &restapi.Integration{Type: "AWS", HTTPMethod: "POST", URI: uri,
			Parameters: map[string]string{"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
			Templates:  map[string]string{"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"},
			Responses:  map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200", SelectionPattern: "2.."}}}}
	}
	w := newWorld(t, map[string]methods{"/path": {"POST": method("arn:aws:apigateway:eu-west-1:sqs:path/000000000000/queue")},
		"/action": {"POST": method("arn:aws:apigateway:us-east-1:sqs:action/SendMessage")},
		"/other":  {"POST": method("arn:aws:apigateway:us-east-1:nothing:action/X")}})
	s := &services{}
	w.gateway.Services = s
	want(t, w.ask("POST", "/test/path", `a&b`), 200, `{"done":true}`)
	if s.got.URL.Path != "/000000000000/queue" || s.body != "Action=SendMessage&MessageBody=a%26b" || s.got.Host != "sqs.eu-west-1.amazonaws.com" ||
		s.got.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("got %s %s %s %v", s.got.Host, s.got.URL, s.body, s.got.Header)
	}
	w.ask("POST", "/test/action", "x")
	if s.got.URL.RawQuery != "Action=SendMessage" {
		t.Errorf("got %s", s.got.URL)
	}
	s.json = true
	w.ask("POST", "/test/action", "x")
	if s.got.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" || s.got.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		t.Errorf("got %v", s.got.Header)
	}
	want(t, w.ask("POST", "/test/other", "x"), 501, "*")
}
