package edge_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

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

// Every operation of every model is found by each thing that can tell it.
func TestEveryOperation(t *testing.T) {
	h := newHouse(t, nil)
	tried := 0
	check := func(s *schema.Service, op, how string, r *http.Request) {
		t.Helper()
		tried++
		if w := h.do(r); h.got == nil || h.got.target != s.ID {
			t.Errorf("%s:%s by its %s: %d %s", s.ID, op, how, w.Code, w.Body)
		}
	}
	for _, s := range schemas {
		check(s, "all", "host", req("GET", "http://"+s.EndpointPrefix+".eu-west-1.amazonaws.com"+firstPath(s), "", connectionsHeader(s)...))
		for i := range s.Operations {
			op := &s.Operations[i]
			path, _, _ := strings.Cut(op.URI, "?")
			path = strings.NewReplacer("{", "", "}", "", "+", "").Replace(path)
			check(s, op.Name, "signature", req(op.Method, "http://localhost:4566"+path, "", "Authorization", signedFor(s.SigningName, "us-east-1", "A")))
			if s.TargetPrefix != "" {
				check(s, op.Name, "target", req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", s.TargetPrefix+"."+op.Name))
			}
			if slices.Contains(s.Protocols, schema.CBOR) {
				check(s, op.Name, "CBOR path", req("POST", "http://localhost:4566/service/"+s.TargetPrefix+"/operation/"+op.Name, ""))
			}
			if slices.Contains(s.Protocols, schema.Query) {
				check(s, op.Name, "action", req("POST", "http://localhost:4566/", "Action="+op.Name+"&Version="+s.APIVersion, "Content-Type", "application/x-www-form-urlencoded"))
			}
			if slices.Contains(s.Protocols, schema.RestJSON) {
				check(s, op.Name, "path", req(op.Method, "http://localhost:4566"+path, ""))
			}
		}
	}
	if tried < 2000 {
		t.Errorf("only %d tries: the tables are not the models'", tried)
	}
}

// firstPath is a path by which a service's host alone tells it: API Gateway's
// two share theirs.
func firstPath(s *schema.Service) string {
	switch s.ID {
	case "apigatewayv2":
		return "/v2/apis"
	case "apigatewaymanagementapi":
		return "/@connections/x"
	}
	return "/"
}

func connectionsHeader(s *schema.Service) []string {
	if s.ID == "apigatewaymanagementapi" {
		return []string{"Authorization", signedFor("execute-api", "us-east-1", "A")}
	}
	return nil
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

// Old SQS clients name the queue by its URL alone.
func TestQueueURL(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	h := newHouse(t, nil)
	for _, c := range []struct {
		name, query string
		r           *http.Request
	}{
		{"form", "QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fq", req("POST", "http://localhost:4566/000000000000/q", "Action=SendMessage&Version=2012-11-05", "Content-Type", form)},
		{"signed form", "QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fq", req("POST", "http://localhost:4566/000000000000/q", "Action=SendMessage", "Content-Type", form, "Authorization", signedFor("sqs", "us-east-1", "A"))},
		{"region in the path", "QueueUrl=http%3A%2F%2Flocalhost%3A4566%2Fqueue%2Feu-west-1%2F000000000000%2Fq", req("POST", "http://localhost:4566/queue/eu-west-1/000000000000/q", "Action=SendMessage", "Content-Type", form)},
		{"region in the host", "Action=SendMessage&QueueUrl=http%3A%2F%2Feu-west-1.queue.localhost%2F000000000000%2Fq", req("GET", "http://eu-west-1.queue.localhost/000000000000/q?Action=SendMessage", "")},
		{"it says it itself", "Action=SendMessage&QueueUrl=u", req("GET", "http://localhost:4566/000000000000/q?Action=SendMessage&QueueUrl=u", "")},
		{"no queue", "", req("POST", "http://localhost:4566/", "Action=ListQueues&Version=2012-11-05", "Content-Type", form)},
		{"json", "", req("POST", "http://localhost:4566/000000000000/q", "{}", "X-Amz-Target", "AmazonSQS.SendMessage")},
	} {
		w := h.do(c.r)
		if h.got == nil || h.got.target != "sqs" || h.got.query != c.query {
			t.Errorf("%s: %d %+v", c.name, w.Code, h.got)
		}
	}
}
