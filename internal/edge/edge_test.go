package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/apigatewaymanagementapi"
	"github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/api/cloudformation"
	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/cognitoidp"
	"github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/kms"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/api/secretsmanager"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/api/ssm"
	"github.com/paddock-run/paddock/internal/api/sts"
	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// schemas are the models of all the services; the first two are what tests with
// few services take.
var schemas = []*schema.Service{
	&lambda.Service, &apigateway.Service, &apigatewayv2.Service, &apigatewaymanagementapi.Service, &s3.Service,
	&sqs.Service, &logs.Service, &cloudwatch.Service, &iam.Service, &sts.Service, &ecr.Service,
	&cloudformation.Service, &cognitoidp.Service, &kms.Service, &secretsmanager.Service, &ssm.Service,
}

// seen is what a handler behind the edge got.
type seen struct {
	target string // a service's ID, "gateway" or "internal"
	id     identity.Identity
	path   string
	query  string
	body   string
	api    edge.APIRequest
}

// house is an edge with handlers that note what reaches them.
type house struct {
	*edge.Edge
	got  *seen // of the last request; nil where it reached nothing
	logs bytes.Buffer
}

func (h *house) handler(target string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.got = &seen{target: target, id: *identity.Of(r.Context()), path: r.URL.EscapedPath(), query: r.URL.RawQuery, body: string(body)}
		h.got.api, _ = edge.APIOf(r.Context())
		_, _ = io.WriteString(w, target)
	})
}

func (h *house) ServeAPI(w http.ResponseWriter, r *http.Request, to edge.APIRequest) {
	h.handler("gateway").ServeHTTP(w, r)
	h.got.api = to
}

func (h *house) OwnsHost(name string) bool { return name == "api.shop.example" }

func newHouse(t testing.TB, change func(*edge.Options)) *house {
	t.Helper()
	h := &house{}
	o := edge.Options{
		Gateway: h, Internal: h.handler("internal"), Version: "1.2.3",
		Logger: slog.New(slog.NewTextHandler(&h.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, s := range schemas {
		o.Services = append(o.Services, edge.Service{Schema: s, Handler: h.handler(s.ID)})
	}
	if change != nil {
		change(&o)
	}
	var err error
	if h.Edge, err = edge.New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	h.got = nil
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func signedFor(service, region, key string) string {
	return "AWS4-HMAC-SHA256 Credential=" + key + "/20260102/" + region + "/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
}

func req(method, url, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestIdentity(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) { o.Account, o.Region = "111122223333", "eu-central-1" })
	h.do(req("POST", "http://127.0.0.1:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage", "X-Amzn-Trace-Id", "Root=1-2-3"))
	first := h.got.id
	if first.TraceID != "Root=1-2-3" || first.Account != "111122223333" || first.Region != "eu-central-1" || first.Partition != "aws" || first.AccessKey != "" || first.BaseURL != "http://127.0.0.1:4566" || first.FunctionARN != "" {
		t.Errorf("%+v", first)
	}
	r := req("POST", "http://sqs.cn-north-1.amazonaws.com.cn/", "{}", "Authorization", signedFor("sqs", "cn-north-1", "AKID"), "X-Forwarded-Proto", "https")
	h.do(r.WithContext(edge.WithFunction(r.Context(), "arn:aws:lambda:us-east-1:000000000000:function:f")))
	second := h.got.id
	if second.Partition != "aws-cn" || second.AccessKey != "AKID" || second.BaseURL != "https://sqs.cn-north-1.amazonaws.com.cn" || second.FunctionARN != "arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("%+v", second)
	}
	// A function's account and region, but where its access key or scope name others.
	for _, c := range []struct{ authorization, account, region string }{
		{"", "333344445555", "us-west-2"},
		{signedFor("sqs", "us-west-2", "ASIAROLE"), "333344445555", "us-west-2"},
		{signedFor("sqs", "eu-west-1", "ASIAROLE"), "333344445555", "eu-west-1"},
		{signedFor("sqs", "us-west-2", "666677778888"), "666677778888", "us-west-2"},
	} {
		r := req("POST", "http://127.0.0.1:9002/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage", "Authorization", c.authorization)
		h.do(r.WithContext(edge.WithFunction(r.Context(), "arn:aws:lambda:us-west-2:333344445555:function:f")))
		if got := h.got.id; got.Account != c.account || got.Region != c.region {
			t.Errorf("%s: account %s in %s, want %s in %s", c.authorization, got.Account, got.Region, c.account, c.region)
		}
	}
	if len(first.RequestID) != 36 || first.RequestID[14] != '4' || first.RequestID == second.RequestID {
		t.Errorf("request IDs %q, %q", first.RequestID, second.RequestID)
	}
}

func TestUnknown(t *testing.T) {
	h := newHouse(t, nil)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		words  string
		form   string // of the content type
	}{
		{"scope", req("POST", "http://localhost:4566/", "{}", "Authorization", signedFor("dynamodb", "us-east-1", "A"), "X-Amz-Target", "DynamoDB_20120810.ListTables", "Content-Type", "application/x-amz-json-1.0"), 501, "service dynamodb", "application/x-amz-json-1.0"},
		{"target", req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "DynamoDB_20120810.ListTables"), 501, "DynamoDB_20120810", "application/x-amz-json-1.1"},
		{"host", req("GET", "http://dynamodb.eu-west-1.amazonaws.com/", ""), 501, "service dynamodb", "application/json"},
		{"action", req("POST", "http://localhost:4566/", "Action=Publish&Version=2010-03-31", "Content-Type", "application/x-www-form-urlencoded"), 501, "Publish of API version 2010-03-31", "text/xml"},
		{"nothing", req("POST", "http://localhost:4566/", "{}"), 404, "cannot tell which AWS service", "application/json"},
		{"function URL", req("GET", "http://abc.lambda-url.us-east-1.on.aws/", ""), 501, "function URLs", "application/json"},
		{"function URL, local", req("GET", "http://abc.lambda-url.us-east-1.localhost.localstack.cloud:4566/", ""), 501, "function URLs", "application/json"},
		{"our page", req("GET", "http://localhost:4566/_localstack/diagnose", ""), 404, "no page", "application/json"},
	} {
		w := h.do(c.r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) || w.Header().Get("Content-Type") != c.form {
			t.Errorf("%s: %d %s %s", c.name, w.Code, w.Header(), w.Body)
		}
		if len(w.Header().Get("X-Amzn-Requestid")) != 36 {
			t.Errorf("%s: request ID %q", c.name, w.Header())
		}
	}
}

func TestHealth(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) { o.Services = o.Services[:2] })
	w := h.do(req("GET", "http://localhost:4566/_localstack/health", ""))
	if want := `{"services": {"apigateway": "available", "lambda": "available"}, "edition": "paddock", "version": "1.2.3"}`; w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = h.do(req("GET", "http://127.0.0.1:4566/_paddock/health", "")); w.Code != 200 || w.Body.String() != `{"status":"ok","version":"1.2.3"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = h.do(req("HEAD", "http://127.0.0.1:4566/_localstack/health", "")); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = h.do(req("POST", "http://127.0.0.1:4566/_localstack/health", "{}")); w.Code != 405 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPanic(t *testing.T) {
	begun := false
	h := newHouse(t, func(o *edge.Options) {
		o.Services[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if begun {
				w.WriteHeader(200)
			}
			panic("a secret")
		})
	})
	r := req("GET", "http://localhost:4566/2015-03-31/functions/f", "")
	if w := h.do(r); w.Code != 500 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("X-Amzn-Errortype") != "InternalFailure" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(h.logs.String(), "a secret") || !strings.Contains(h.logs.String(), "edge_test.go") {
		t.Errorf("log: %s", h.logs.String())
	}
	begun = true
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("panicked with %v", err)
		}
	}()
	h.do(r)
}

func TestRequestLog(t *testing.T) {
	h := newHouse(t, nil)
	h.do(req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"))
	for _, want := range []string{"level=DEBUG", "method=POST", "service=sqs", "status=200", "duration=", "request_id=" + h.got.id.RequestID} {
		if !strings.Contains(h.logs.String(), want) {
			t.Errorf("no %s in %s", want, h.logs.String())
		}
	}
}

// What was refused for its origin, and what failed, stands out of the log.
func TestWarnings(t *testing.T) {
	h := newHouse(t, nil)
	h.do(req("POST", "http://localhost:4566/2015-03-31/functions", "{}", "Origin", "https://evil.example"))
	h.do(req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "Dynamo.X"))
	lines := strings.Split(strings.TrimSpace(h.logs.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "status=403") || !strings.Contains(lines[0], "evil.example") ||
		!strings.Contains(lines[1], "level=WARN") || !strings.Contains(lines[1], "status=501") {
		t.Errorf("log: %s", h.logs.String())
	}
}

func TestOptionsRefused(t *testing.T) {
	handler := http.NotFoundHandler()
	for name, o := range map[string]edge.Options{
		"account":       {Account: "123"},
		"region":        {Region: "US East"},
		"host":          {AllowedHosts: []string{"http://example.com"}},
		"origin":        {AllowedOrigins: []string{"example.com"}},
		"origin's path": {AllowedOrigins: []string{"https://example.com/app"}},
		"wildcard":      {AllowedOrigins: []string{"https://*example.com"}},
		"twice":         {Services: []edge.Service{{schemas[0], handler}, {schemas[0], handler}}},
		"no handler":    {Services: []edge.Service{{Schema: schemas[0]}}},
	} {
		if _, err := edge.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

type refuser struct{ http.Handler }

func (refuser) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	http.Error(w, "refused: "+err.Error()+" "+identity.Of(r.Context()).Region, http.StatusTeapot)
}

// A handler that can write its protocol's errors writes the edge's, too.
func TestRefuser(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) {
		o.Services[0].Handler = refuser{o.Services[0].Handler}
		o.Lookup = func(context.Context, string) (sigv4.Credential, error) {
			return sigv4.Credential{}, sigv4.ErrUnknownKey
		}
	})
	w := h.do(req("GET", "http://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f", ""))
	if want := "refused: MissingAuthenticationTokenException: Missing Authentication Token eu-west-1\n"; w.Code != http.StatusTeapot || w.Body.String() != want {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// A body that fails while it is read ahead fails for the handler, too.
func TestPeekFails(t *testing.T) {
	h := newHouse(t, nil)
	broken := errors.New("connection lost")
	r := req("POST", "http://localhost:4566/", "", "Content-Type", "application/x-www-form-urlencoded")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("Action=CreateRole&Version=2010-05-08&"), brokenReader{broken}))
	if w := h.do(r); w.Code != 400 || !strings.Contains(w.Body.String(), "connection lost") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func BenchmarkEdge(b *testing.B) {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	o := edge.Options{Logger: slog.New(slog.DiscardHandler)}
	for _, s := range schemas {
		o.Services = append(o.Services, edge.Service{Schema: s, Handler: nothing})
	}
	e, err := edge.New(o)
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"invoke":  req("POST", "http://127.0.0.1:4566/2015-03-31/functions/f/invocations", "", "Authorization", signedFor("lambda", "us-east-1", "AKIDEXAMPLE")),
		"host":    req("POST", "http://sqs.us-east-1.localhost.localstack.cloud:4566/", "", "Authorization", signedFor("sqs", "us-east-1", "AKIDEXAMPLE")),
		"browser": req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "", "Origin", "http://localhost:3000", "Authorization", signedFor("lambda", "us-east-1", "AKIDEXAMPLE")),
	} {
		b.Run(name, func(b *testing.B) {
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				e.ServeHTTP(w, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
