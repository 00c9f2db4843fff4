package edge_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// schemas are the parts of AWS's models that the edge reads.
var schemas = []*schema.Service{
	rest("lambda", "lambda", "lambda", "/2015-03-31/functions/{FunctionName}/invocations", "/2021-10-31/functions/{FunctionName}/url"),
	rest("apigateway", "apigateway", "apigateway", "/restapis/{restapi_id}", "/apikeys?mode=import", "/account", "/domainnames", "/usageplans", "/tags/{resource_arn}"),
	rest("apigatewayv2", "apigateway", "apigateway", "/v2/apis", "/v2/tags/{resource-arn}"),
	rest("apigatewaymanagementapi", "execute-api", "execute-api", "/@connections/{ConnectionId}"),
	{ID: "s3", SigningName: "s3", EndpointPrefix: "s3", Protocols: []schema.Protocol{schema.RestXML}, Operations: []schema.Operation{{Name: "GetObject", URI: "/{Bucket}/{Key+}"}}},
	rpc("sqs", "sqs", "AmazonSQS", "2012-11-05", schema.AWSJSON, "SendMessage", "ListQueues", "TagQueue"),
	rpc("logs", "logs", "Logs_20140328", "2014-03-28", schema.AWSJSON, "FilterLogEvents"),
	rpc("cloudwatch", "monitoring", "GraniteServiceVersion20100801", "2010-08-01", schema.CBOR, "PutMetricData", "TagResource"),
	rpc("iam", "iam", "", "2010-05-08", schema.Query, "CreateRole", "ListUsers"),
	rpc("sts", "sts", "", "2011-06-15", schema.Query, "GetCallerIdentity", "AssumeRoleWithWebIdentity"),
	rpc("ecr", "api.ecr", "AmazonEC2ContainerRegistry_V20150921", "2015-09-21", schema.AWSJSON, "CreateRepository"),
}

func rest(id, signing, endpoint string, uris ...string) *schema.Service {
	s := &schema.Service{ID: id, SigningName: signing, EndpointPrefix: endpoint, Protocols: []schema.Protocol{schema.RestJSON}}
	for i, uri := range uris {
		s.Operations = append(s.Operations, schema.Operation{Name: fmt.Sprint("Operation", i), URI: uri})
	}
	return s
}

func rpc(id, endpoint, target, version string, preferred schema.Protocol, operations ...string) *schema.Service {
	s := &schema.Service{ID: id, SigningName: endpoint, EndpointPrefix: endpoint, TargetPrefix: target, APIVersion: version, Protocols: []schema.Protocol{preferred}}
	switch id {
	case "ecr":
		s.SigningName = "ecr"
	case "sqs":
		s.Protocols = append(s.Protocols, schema.Query)
	case "cloudwatch":
		s.Protocols = append(s.Protocols, schema.AWSJSON, schema.Query)
	}
	for _, name := range operations {
		s.Operations = append(s.Operations, schema.Operation{Name: name, URI: "/", NoAuth: name == "AssumeRoleWithWebIdentity"})
	}
	return s
}

// seen is what a handler behind the edge got.
type seen struct {
	target string // a service's ID, "gateway" or "internal"
	id     identity.Identity
	path   string
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
		h.got = &seen{target: target, id: *identity.Of(r.Context()), path: r.URL.EscapedPath(), body: string(body)}
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

func TestRouting(t *testing.T) {
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	const local = "http://localhost:4566"
	h := newHouse(t, nil)
	for _, c := range []struct {
		name    string
		r       *http.Request
		target  string
		region  string // us-east-1 when empty
		account string // 000000000000 when empty
		path    string // as the handler gets it; the request's when empty
	}{
		// The credential scope.
		{name: "scope", r: req("POST", local+"/", "{}", "Authorization", signedFor("sqs", "eu-west-1", "test")), target: "sqs", region: "eu-west-1"},
		{name: "account key", r: req("POST", local+"/", "{}", "Authorization", signedFor("sqs", "eu-west-1", "123456789012")), target: "sqs", region: "eu-west-1", account: "123456789012"},
		{name: "scope over target", r: req("POST", local+"/", "{}", "Authorization", signedFor("logs", "us-east-1", "AKID"), "X-Amz-Target", "AmazonSQS.SendMessage"), target: "logs"},
		{name: "scope over path", r: req("GET", local+"/restapis", "", "Authorization", signedFor("s3", "us-east-1", "AKID")), target: "s3"},
		{name: "presigned", r: req("GET", local+"/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260102%2Fap-south-1%2Fs3%2Faws4_request&X-Amz-Signature=00", ""), target: "s3", region: "ap-south-1"},
		{name: "signing name is not the ID", r: req("POST", local+"/", "", "Authorization", signedFor("monitoring", "us-east-1", "AKID")), target: "cloudwatch"},
		{name: "odd region", r: req("POST", local+"/", "", "Authorization", signedFor("sqs", "US_east:1", "AKID")), target: "sqs"},
		{name: "apigateway v1", r: req("GET", local+"/restapis/abc", "", "Authorization", signedFor("apigateway", "us-east-1", "AKID")), target: "apigateway"},
		{name: "apigateway v2", r: req("GET", local+"/v2/apis", "", "Authorization", signedFor("apigateway", "us-east-1", "AKID")), target: "apigatewayv2"},
		{name: "apigateway unknown path", r: req("GET", local+"/v3/apis", "", "Authorization", signedFor("apigateway", "us-east-1", "AKID")), target: "apigateway"},

		// X-Amz-Target.
		{name: "target", r: req("POST", local+"/", "{}", "X-Amz-Target", "Logs_20140328.FilterLogEvents"), target: "logs"},
		{name: "malformed authorization", r: req("POST", local+"/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage", "Authorization", "AWS4-HMAC-SHA256 nonsense"), target: "sqs"},

		// Hosts.
		{name: "amazonaws.com", r: req("GET", "http://lambda.ap-southeast-2.amazonaws.com/x", ""), target: "lambda", region: "ap-southeast-2"},
		{name: "localstack.cloud", r: req("POST", "http://sqs.us-west-2.localhost.localstack.cloud:4566/000000000000/q", ""), target: "sqs", region: "us-west-2"},
		{name: "localhost", r: req("POST", "http://iam.localhost:4566/", ""), target: "iam"},
		{name: "capitals and dot", r: req("POST", "http://SQS.us-west-2.LocalHost.:4566/", ""), target: "sqs", region: "us-west-2"},
		{name: "two labels", r: req("POST", "http://api.ecr.eu-north-1.amazonaws.com/", ""), target: "ecr", region: "eu-north-1"},
		{name: "fips", r: req("POST", "http://kms-fips.us-east-2.amazonaws.com/", "", "X-Amz-Target", "AmazonSQS.X"), target: "sqs", region: "us-east-2"},
		{name: "fips host", r: req("POST", "http://sqs-fips.us-gov-west-1.amazonaws.com/", ""), target: "sqs", region: "us-gov-west-1"},
		{name: "china", r: req("POST", "http://sqs.cn-north-1.amazonaws.com.cn/", ""), target: "sqs", region: "cn-north-1"},
		{name: "queue domain", r: req("POST", "http://eu-central-1.queue.localhost.localstack.cloud:4566/000000000000/q", ""), target: "sqs", region: "eu-central-1"},
		{name: "scope over host's region", r: req("POST", "http://sqs.us-west-2.amazonaws.com/", "", "Authorization", signedFor("sqs", "eu-west-1", "AKID")), target: "sqs", region: "eu-west-1"},
		{name: "apigateway host v2", r: req("GET", "http://apigateway.us-east-1.amazonaws.com/v2/apis", ""), target: "apigatewayv2"},

		// S3's hosts: the handler finds the bucket in the path.
		{name: "bucket", r: req("GET", "http://my.bucket.s3.us-west-2.amazonaws.com/a%2Fb/c", ""), target: "s3", region: "us-west-2", path: "/my.bucket/a%2Fb/c"},
		{name: "bucket root", r: req("GET", "http://b.s3.localhost:4566", ""), target: "s3", path: "/b/"},
		{name: "bucket legacy region", r: req("GET", "http://b.s3-eu-west-1.amazonaws.com/k", ""), target: "s3", region: "eu-west-1", path: "/b/k"},
		{name: "bucket dualstack", r: req("GET", "http://b.s3.dualstack.eu-west-1.amazonaws.com/k", ""), target: "s3", region: "eu-west-1", path: "/b/k"},
		{name: "bucket with our path", r: req("GET", "http://b.s3.localhost:4566/_paddock/health", ""), target: "s3", path: "/b/_paddock/health"},
		{name: "s3 host", r: req("GET", "http://s3.localhost.localstack.cloud:4566/b/k", ""), target: "s3"},

		// rpcv2Cbor's path, and Query.
		{name: "cbor", r: req("POST", local+"/service/GraniteServiceVersion20100801/operation/PutMetricData", "", "Smithy-Protocol", "rpc-v2-cbor"), target: "cloudwatch"},
		{name: "query form", r: req("POST", local+"/", "Action=CreateRole&Version=2010-05-08&RoleName=r", "Content-Type", form), target: "iam"},
		{name: "query form, late", r: req("POST", local+"/", "A="+strings.Repeat("x", 7000)+"&Action=CreateRole&Version=2010-05-08", "Content-Type", form), target: "iam"},
		{name: "query form, long", r: req("POST", local+"/", "Action=CreateRole&Version=2010-05-08&A="+strings.Repeat("x", 20000), "Content-Type", form), target: "iam"},
		{name: "query without version", r: req("POST", local+"/", "Action=GetCallerIdentity", "Content-Type", form), target: "sts"},
		{name: "query in the URL", r: req("GET", local+"/?Action=ListUsers&Version=2010-05-08", ""), target: "iam"},
		{name: "query of unknown action", r: req("GET", local+"/?Action=Dance&Version=2012-11-05", ""), target: "sqs"},
		{name: "action of several", r: req("POST", local+"/", "Action=TagResource&Version=2010-08-01", "Content-Type", form), target: "cloudwatch"},
		{name: "queue path region", r: req("POST", local+"/queue/eu-west-3/000000000000/q", "Action=SendMessage", "Content-Type", form), target: "sqs", region: "eu-west-3"},

		// Paths.
		{name: "lambda path", r: req("POST", local+"/2015-03-31/functions/f/invocations", "{}"), target: "lambda"},
		{name: "rest path", r: req("GET", local+"/restapis", ""), target: "apigateway"},
		{name: "v2 path", r: req("GET", local+"/v2/apis", ""), target: "apigatewayv2"},
		{name: "query string literal", r: req("POST", local+"/apikeys?mode=import", ""), target: "apigateway"},
		{name: "queue path", r: req("GET", local+"/000000000000/q", ""), target: "sqs"},
		{name: "queue path with a region", r: req("GET", local+"/queue/eu-west-3/000000000000/q", ""), target: "sqs", region: "eu-west-3"},
		{name: "bucket path", r: req("PUT", local+"/bucket/key", "data"), target: "s3"},
		{name: "bucket named queue", r: req("GET", local+"/queue/a/b/c", ""), target: "s3"},
		{name: "list buckets", r: req("GET", local+"/", ""), target: "s3"},

		// APIs: {host form, path forms} and what is not them.
		{name: "api host", r: req("GET", "http://a1b2.execute-api.eu-west-1.localhost:4566/prod/pets?x=1", ""), target: "gateway", region: "eu-west-1"},
		{name: "api path", r: req("GET", local+"/_aws/execute-api/a1b2/prod/pets", ""), target: "gateway"},
		{name: "restapis without the marker", r: req("GET", local+"/restapis/a1b2/stages/prod", ""), target: "apigateway"},
		{name: "internal", r: req("POST", local+"/_paddock/reset", ""), target: "internal"},
		{name: "internal at a service's host", r: req("GET", "http://lambda.us-east-1.amazonaws.com/_paddock/code/x", ""), target: "internal"},
		{name: "internal's path at an API", r: req("POST", "http://a1b2.execute-api.us-east-1.localhost/_paddock/reset", ""), target: "gateway"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.r.URL.Host == "" {
				t.Fatal("no host")
			}
			body, err := io.ReadAll(c.r.Body)
			if err != nil {
				t.Fatal(err)
			}
			c.r.Body = io.NopCloser(bytes.NewReader(body))
			path := c.path
			if path == "" {
				path = c.r.URL.EscapedPath()
			}
			original := c.r.URL.EscapedPath()
			w := h.do(c.r)
			if h.got == nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if c.region == "" {
				c.region = "us-east-1"
			}
			if c.account == "" {
				c.account = "000000000000"
			}
			if h.got.target != c.target || h.got.id.Region != c.region || h.got.id.Account != c.account {
				t.Errorf("went to %s of %s in %s, want %s of %s in %s", h.got.target, h.got.id.Account, h.got.id.Region, c.target, c.account, c.region)
			}
			if h.got.path != path {
				t.Errorf("path %q, want %q", h.got.path, path)
			}
			if h.got.body != string(body) {
				t.Errorf("the body changed: %.100q, was %.100q", h.got.body, body)
			}
			if c.r.URL.EscapedPath() != original {
				t.Errorf("the request itself was changed")
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) { o.Account, o.Region = "111122223333", "eu-central-1" })
	h.do(req("POST", "http://127.0.0.1:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"))
	first := h.got.id
	if first.Account != "111122223333" || first.Region != "eu-central-1" || first.Partition != "aws" || first.AccessKey != "" || first.BaseURL != "http://127.0.0.1:4566" || first.FunctionARN != "" {
		t.Errorf("%+v", first)
	}
	r := req("POST", "http://sqs.cn-north-1.amazonaws.com.cn/", "{}", "Authorization", signedFor("sqs", "cn-north-1", "AKID"), "X-Forwarded-Proto", "https")
	h.do(r.WithContext(edge.WithFunction(r.Context(), "arn:aws:lambda:us-east-1:000000000000:function:f")))
	second := h.got.id
	if second.Partition != "aws-cn" || second.AccessKey != "AKID" || second.BaseURL != "https://sqs.cn-north-1.amazonaws.com.cn" || second.FunctionARN != "arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("%+v", second)
	}
	if len(first.RequestID) != 36 || first.RequestID[14] != '4' || first.RequestID == second.RequestID {
		t.Errorf("request IDs %q, %q", first.RequestID, second.RequestID)
	}
}

func TestAPIRequests(t *testing.T) {
	h := newHouse(t, nil)
	for url, want := range map[string]edge.APIRequest{
		"http://a1b2.execute-api.eu-west-1.localhost:4566/prod/a%2Fb":             {APIID: "a1b2", Region: "eu-west-1", Path: "/prod/a%2Fb"},
		"http://a1b2.execute-api.eu-west-1.amazonaws.com":                         {APIID: "a1b2", Region: "eu-west-1", Path: "/"},
		"http://a1b2.execute-api.localhost.localstack.cloud:4566/x":               {APIID: "a1b2", Region: "us-east-1", Path: "/x"},
		"http://localhost:4566/_aws/execute-api/a1b2/prod/pets/1":                 {APIID: "a1b2", Region: "us-east-1", Path: "/prod/pets/1", PathForm: true},
		"http://localhost:4566/_aws/execute-api/a1b2":                             {APIID: "a1b2", Region: "us-east-1", Path: "/", PathForm: true},
		"http://localhost:4566/restapis/a1b2/prod/_user_request_/pets/a%20b":      {APIID: "a1b2", Region: "us-east-1", Stage: "prod", Path: "/pets/a%20b", PathForm: true},
		"http://localhost:4566/restapis/a1b2/%24default/_user_request_":           {APIID: "a1b2", Region: "us-east-1", Stage: "$default", Path: "/", PathForm: true},
		"http://api.shop.example/pets":                                            {Region: "us-east-1", Path: "/pets", CustomHost: "api.shop.example"},
		"http://api.shop.example:4566/restapis/a1b2/prod/_user_request_/_paddock": {Region: "us-east-1", Path: "/restapis/a1b2/prod/_user_request_/_paddock", CustomHost: "api.shop.example"},
	} {
		w := h.do(req("POST", url, ""))
		if h.got == nil || h.got.target != "gateway" || h.got.api != want {
			t.Errorf("%s: %d %+v, want %+v", url, w.Code, h.got, want)
		}
	}
}

func TestConnections(t *testing.T) {
	h := newHouse(t, nil)
	signed := signedFor("execute-api", "eu-west-1", "AKID")
	for _, c := range []struct {
		url, authorization string
		target             string
		api                edge.APIRequest
	}{
		{"http://a1b2.execute-api.eu-west-1.localhost:4566/prod/@connections/abc%3D", signed, "apigatewaymanagementapi", edge.APIRequest{APIID: "a1b2", Region: "eu-west-1", Stage: "prod", Path: "/prod/@connections/abc%3D"}},
		{"http://localhost:4566/_aws/execute-api/a1b2/prod/@connections/abc%3D", signed, "apigatewaymanagementapi", edge.APIRequest{APIID: "a1b2", Region: "eu-west-1", Stage: "prod", Path: "/prod/@connections/abc%3D", PathForm: true}},
		{"http://localhost:4566/@connections/abc%3D", signed, "apigatewaymanagementapi", edge.APIRequest{}},
		{"http://localhost:4566/prod/@connections/abc%3D", signed, "apigatewaymanagementapi", edge.APIRequest{}},
		{"http://a1b2.execute-api.eu-west-1.localhost:4566/prod/@connections/abc%3D", "", "gateway", edge.APIRequest{APIID: "a1b2", Region: "eu-west-1", Path: "/prod/@connections/abc%3D"}},
		{"http://a1b2.execute-api.eu-west-1.localhost:4566/pets", signed, "gateway", edge.APIRequest{APIID: "a1b2", Region: "eu-west-1", Path: "/pets"}},
	} {
		r := req("POST", c.url, "hi")
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := h.do(r)
		if h.got == nil || h.got.target != c.target || h.got.api != c.api {
			t.Errorf("%s: %d %+v", c.url, w.Code, h.got)
		} else if c.target != "gateway" && h.got.path != "/@connections/abc%3D" {
			t.Errorf("%s: path %q", c.url, h.got.path)
		}
	}
	if w := h.do(req("POST", "http://localhost:4566/pets", "", "Authorization", signed)); w.Code != 404 || !strings.Contains(w.Body.String(), "names no API") {
		t.Errorf("signed for execute-api but to no API: %d %s", w.Code, w.Body)
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
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("panicked with %v", cause)
		}
	}()
	h.do(r)
}

func TestRequestLog(t *testing.T) {
	h := newHouse(t, nil)
	h.do(req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"))
	for _, want := range []string{"level=DEBUG", "method=POST", "service=sqs", "status=200", "duration=", "request=" + h.got.id.RequestID} {
		if !strings.Contains(h.logs.String(), want) {
			t.Errorf("no %s in %s", want, h.logs.String())
		}
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
