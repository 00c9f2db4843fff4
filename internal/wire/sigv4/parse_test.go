package sigv4

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func TestParseScope(t *testing.T) {
	full := Scope{AccessKey: "AKID", Date: "20260102", Region: "eu-west-1", Service: "sqs"}
	for _, c := range []struct {
		name, authorization, regions, query string
		want                                Scope
		ok                                  bool
	}{
		{name: "header", authorization: "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=00", want: full, ok: true},
		{name: "no spaces", authorization: "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/sqs/aws4_request,SignedHeaders=host,Signature=00", want: full, ok: true},
		{name: "credential last", authorization: "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00, Credential=AKID/20260102/eu-west-1/sqs/aws4_request", want: full, ok: true},
		{name: "slash in the key", authorization: "AWS4-HMAC-SHA256 Credential=A/K/20260102/eu-west-1/sqs/aws4_request, Signature=00", want: Scope{"A/K", "20260102", "eu-west-1", "sqs"}, ok: true},
		{name: "query", query: "a=b&X-Amz-Credential=AKID%2F20260102%2Feu-west-1%2Fsqs%2Faws4_request&c=d", want: full, ok: true},
		{name: "query, bare slashes", query: "X-Amz-Credential=AKID/20260102/eu-west-1/sqs/aws4_request", want: full, ok: true},
		{name: "sigv4a", authorization: "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260102/s3/aws4_request, Signature=00", regions: "us-west-2,us-east-1", want: Scope{"AKID", "20260102", "us-west-2", "s3"}, ok: true},
		{name: "sigv4a query", query: "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKID%2F20260102%2Fs3%2Faws4_request&X-Amz-Region-Set=us-west-2%2Cus-east-1", want: Scope{"AKID", "20260102", "us-west-2", "s3"}, ok: true},
		{name: "unsigned"},
		{name: "bearer", authorization: "Bearer x"},
		{name: "signature version 2", authorization: "AWS AKID:abc"},
		{name: "no credential", authorization: "AWS4-HMAC-SHA256 Signature=00"},
		{name: "short", authorization: "AWS4-HMAC-SHA256 Credential=AKID/aws4_request"},
		{name: "no region", authorization: "AWS4-HMAC-SHA256 Credential=AKID/20260102//sqs/aws4_request"},
		{name: "terminator", authorization: "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/sqs/aws3"},
		{name: "bad escape", query: "X-Amz-Credential=%zz"},
	} {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.URL.RawQuery = c.query
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if c.regions != "" {
			r.Header.Set("X-Amz-Region-Set", c.regions)
		}
		if got, ok := ParseScope(r); ok != c.ok || c.ok && got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
	}
}

// FuzzParse feeds everything a client controls: nothing may panic, and nothing
// that was not signed with the key may verify.
func FuzzParse(f *testing.F) {
	f.Add("GET", "/", "", vanilla, "20150830T123600Z", "", "")
	f.Add("PUT", "/a//../b", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "", "", "UNSIGNED-PAYLOAD", "body")
	f.Add("POST", "/%", "%=&;", "AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=;,Signature=", "Mon, 02 Jan 2006 15:04:05 GMT", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "")
	verifier := verifierAt("20150830T123600Z")
	verifier.Lookup = func(context.Context, string) (Credential, error) {
		return Credential{SecretKey: "a key that no seed was signed with"}, nil
	}
	f.Fuzz(func(t *testing.T, method, path, query, authorization, date, hash, body string) {
		r, err := http.NewRequest("GET", "http://localhost:4566/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
		for name, value := range map[string]string{"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Content-Sha256": hash} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		scope, ok := ParseScope(r)
		if ok && (scope.AccessKey == "" || scope.Region == "" || scope.Service == "") {
			t.Errorf("scope %+v", scope)
		}
		if got, err := verifier.Verify(r, ""); err == nil {
			t.Errorf("verified: %+v", got)
		}
	})
}

func BenchmarkParseScope(b *testing.B) {
	r := httptest.NewRequest("POST", "http://localhost/", nil)
	r.Header.Set("Authorization", vanilla)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseScope(r); !ok {
			b.Fatal("no scope")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := verifierAt(now.Format(timeFormat))
	r := httptest.NewRequest("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", nil)
	if err := v4.NewSigner().SignHTTP(context.Background(), sdkCredentials, r, hashOf(""), "lambda", "us-east-1", now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, "lambda"); err != nil {
			b.Fatal(err)
		}
	}
}
