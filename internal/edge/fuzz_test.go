package edge_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzServe feeds everything that the edge reads of a request. Nothing may
// panic, what is refused reaches no handler, and a page of another site reaches
// none but the gateway.
func FuzzServe(f *testing.F) {
	f.Add("POST", "sqs.us-east-1.amazonaws.com:80", "/queue/a/000000000000/q", "Action=SendMessage", signedFor("sqs", "us-east-1", "A"), "AmazonSQS.SendMessage", "Action=A&Version=B")
	f.Add("GET", "a.s3-us-west-2.localhost", "/restapis/x/y/_user_request_/z", "X-Amz-Credential=%2F", "", "", "")
	f.Add("OPTIONS", "[::1]:4566", "/_aws/execute-api//", "%zz&&=", "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/aws4_request", ".", "")
	f.Add("PUT", "x.execute-api.localhost", "/a/@connections/b", "", signedFor("execute-api", "", ""), "", "")
	f.Add("POST", ".localhost", "/service//operation/", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, host, path, query, authorization, target, form string) {
		h := newHouse(t, nil)
		for _, origin := range []string{"", "https://evil.example"} {
			r := &http.Request{
				Method: method, Host: host, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{},
				Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			}
			if form != "" {
				r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
				r.Host, r.URL = host, &url.URL{Path: path, RawQuery: query}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			for name, value := range map[string]string{"Authorization": authorization, "X-Amz-Target": target, "Origin": origin} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := h.do(r)
			if strings.Contains(h.logs.String(), "a handler panicked") {
				t.Fatal(h.logs.String())
			}
			switch {
			case h.got == nil && w.Code < 400 && path != "/_paddock/health" && path != "/_localstack/health":
				t.Errorf("answered %d without a handler", w.Code)
			case h.got == nil:
			case w.Code != 200:
				t.Errorf("%d from a handler that always succeeds", w.Code)
			case origin != "" && h.got.target != "gateway":
				t.Errorf("%s reached %s", origin, h.got.target)
			case h.got.body != form:
				t.Errorf("the body %q became %q", form, h.got.body)
			}
		}
	})
}
