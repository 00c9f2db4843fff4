package edge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/edge"
)

func TestHostCheck(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) {
		o.AllowedHosts = []string{"paddock.corp.example", "*.dev.example", ".Test.example"}
	})
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:4566": true, "LOCALHOST:4566": true, "localhost.": true, "app.localhost:4566": true,
		"127.0.0.1:4566": true, "127.9.9.9": true, "[::1]:4566": true, "[::1]": true, "192.168.1.7:4566": true, "[fe80::1%25eth0]:4566": true,
		"localhost.localstack.cloud:4566": true, "x.localhost.localstack.cloud": true, "sqs.us-east-1.amazonaws.com": true,
		"lambda.us-east-1.api.aws": true, "host.docker.internal:4566": true, "host.containers.internal:4566": true, "": true,
		"paddock.corp.example": true, "sqs.us-east-1.paddock.corp.example:4566": true, "a.dev.example": true, "x.test.example": true,
		"api.shop.example": true, // a custom domain name of the gateway's

		"mine-1234.us-east-1.elb.amazonaws.com": false, "mine-1234.elb.us-east-1.amazonaws.com": false, "ec2-10-0-0-1.compute-1.amazonaws.com": false,
		"amazonaws.com": false, "a.b.api.aws": false, "b.s3.amazonaws.com": true, "a1b2.execute-api.eu-west-1.amazonaws.com": true,
		"evil.example": false, "evil.example:4566": false, "localhost.evil.example": false, "notlocalhost": false,
		"evil-localhost.localstack.cloud": false, "localstack.cloud": false, "xamazonaws.com": false, "amazonaws.com.evil.example": false,
		"127.0.0.1.evil.example": false, "127.0.0.1.nip.io": false, "0.0.0.0:4566": false, "[::]:4566": false, "xpaddock.corp.example": false,
		"corp.example": false, "evil.on.aws": false, "host.docker.internal.evil.example": false, "paddock": false, "0": false, "2130706433": false,
		"127.1": false, "localhost@evil.example": false, "localhost/evil.example": false,
	} {
		r := req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage")
		r.Host = host
		w := h.do(r)
		if got := h.got != nil; got != allowed || !allowed && (w.Code != 403 || !strings.Contains(w.Body.String(), "--allow-host")) {
			t.Errorf("host %q: %d %s", host, w.Code, w.Body)
		}
	}
}

// Neither the gateway nor our own pages may be reached under a foreign name.
func TestHostCheckEverywhere(t *testing.T) {
	h := newHouse(t, nil)
	for _, path := range []string{"/_aws/execute-api/a1/prod/", "/restapis/a1/prod/_user_request_/", "/_paddock/reset", "/_localstack/health", "/bucket"} {
		r := req("GET", "http://evil.example"+path, "")
		if w := h.do(r); w.Code != 403 || h.got != nil {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	open := newHouse(t, func(o *edge.Options) { o.AllowedHosts = []string{"*"} })
	if w := open.do(req("GET", "http://evil.example/bucket", "")); w.Code != 200 {
		t.Errorf("with *: %d", w.Code)
	}
}

func TestAllowedHostIsABaseDomain(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) { o.AllowedHosts = []string{"paddock.corp.example"} })
	h.do(req("GET", "http://a1b2.execute-api.eu-west-1.paddock.corp.example/prod/x", ""))
	if h.got == nil || h.got.api != (edge.APIRequest{APIID: "a1b2", Region: "eu-west-1", Path: "/prod/x"}) {
		t.Errorf("%+v", h.got)
	}
}

func TestOrigins(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) {
		o.AllowedOrigins = []string{"https://app.shop.example", "https://*.dev.example", "tauri://localhost"}
	})
	for origin, allowed := range map[string]bool{
		"http://localhost:3000": true, "https://localhost": true, "http://127.0.0.1:5173": true, "http://[::1]:3000": true, "http://app.localhost:8080": true,
		"http://0.0.0.0:3000": true, "http://bucket.s3.localhost.localstack.cloud:4566": true, "http://192.168.1.7:4566": true, // the request's own host
		"https://app.shop.example": true, "https://APP.shop.example": true, "https://a.dev.example": true, "https://a.b.dev.example": true, "tauri://localhost": true,

		"https://evil.example": false, "null": false, "": false, "file://": false, "http://192.168.1.8:4566": false, "http://192.168.1.7:3000": false,
		"http://app.shop.example": false, "https://app.shop.example:8443": false, "https://dev.example": false, "https://evildev.example": false, "http://a.dev.example": false,
		"https://localhost.evil.example": false, "https://evil.example/localhost": false, "https://evil.example#.dev.example": false, "https://evil.example/.dev.example": false,
		"https://localhost@evil.example": false, "http://localhost:3000@evil.example": false, "http://evil.example:3000@localhost": false,
		"http://a1b2.execute-api.us-east-1.localhost:4566": false, "http://a1b2.execute-api.localhost.localstack.cloud:4566": false, "http://u1.lambda-url.us-east-1.localhost:4566": false,
		"chrome-extension://localhost": false, "http://sqs.us-east-1.amazonaws.com": false, "http://127.0.0.1.evil.example": false, "http://localhost\\.evil.example": false,
	} {
		for _, url := range []string{"http://192.168.1.7:4566/", "http://192.168.1.7:4566/_paddock/reset"} {
			r := req("POST", url, "Action=ListUsers&Version=2010-05-08", "Origin", origin, "Content-Type", "application/x-www-form-urlencoded")
			w := h.do(r)
			if got := h.got != nil; got != allowed {
				t.Errorf("origin %q: %d %s", origin, w.Code, w.Body)
			}
			acao := w.Header().Get("Access-Control-Allow-Origin")
			if allowed && (acao != origin || w.Header().Get("Vary") != "Origin" || !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "x-amzn-requestid")) {
				t.Errorf("origin %q: %v", origin, w.Header())
			}
			if !allowed && (acao != "" || w.Code != 403) {
				t.Errorf("origin %q refused with %d %v", origin, w.Code, w.Header())
			}
			preflight := req("OPTIONS", url, "", "Origin", origin, "Access-Control-Request-Method", "POST")
			if w := h.do(preflight); (w.Code == 204) != allowed || h.got != nil {
				t.Errorf("preflight from %q: %d", origin, w.Code)
			}
		}
	}
	for setting, origin := range map[string]string{"*": "https://evil.example", "null": "null"} {
		open := newHouse(t, func(o *edge.Options) { o.AllowedOrigins = []string{setting} })
		if w := open.do(req("POST", "http://localhost:4566/2015-03-31/functions", "", "Origin", origin)); w.Code != 200 {
			t.Errorf("%s with %q allowed: %d", origin, setting, w.Code)
		}
	}
}

// A preflight and the request after it, as Chrome sends them for the AWS SDK
// for JavaScript on a page of http://localhost:3000.
func TestBrowserSDK(t *testing.T) {
	h := newHouse(t, nil)
	const asked = "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token,x-amz-target,x-amz-user-agent,x-amzn-query-mode"
	w := h.do(req("OPTIONS", "http://localhost:4566/", "",
		"Accept", "*/*", "Access-Control-Request-Headers", asked, "Access-Control-Request-Method", "POST", "Access-Control-Request-Private-Network", "true",
		"Origin", "http://localhost:3000", "Referer", "http://localhost:3000/", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-site",
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"))
	header := w.Header()
	if w.Code != 204 || header.Get("Access-Control-Allow-Origin") != "http://localhost:3000" || header.Get("Access-Control-Allow-Headers") != asked ||
		!strings.Contains(header.Get("Access-Control-Allow-Methods"), "POST") || header.Get("Access-Control-Allow-Private-Network") != "true" || h.got != nil {
		t.Errorf("preflight: %d %v", w.Code, header)
	}
	w = h.do(req("POST", "http://localhost:4566/", "{}", "Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors",
		"Authorization", signedFor("sqs", "us-east-1", "test"), "X-Amz-Target", "AmazonSQS.SendMessage"))
	if h.got == nil || w.Header().Get("Access-Control-Allow-Origin") != "http://localhost:3000" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	// Errors of the edge's own must be readable, too.
	w = h.do(req("POST", "http://localhost:4566/", "{}", "Origin", "http://localhost:3000", "X-Amz-Target", "Dynamo.Put"))
	if w.Code != 501 || w.Header().Get("Access-Control-Allow-Origin") != "http://localhost:3000" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	// Header names that are none are not sent back.
	w = h.do(req("OPTIONS", "http://localhost:4566/", "", "Origin", "http://localhost:3000", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x;<script>"))
	if got := w.Header().Get("Access-Control-Allow-Headers"); w.Code != 204 || strings.Contains(got, "script") || !strings.Contains(got, "authorization") {
		t.Errorf("%d %q", w.Code, got)
	}
}

// What a page of another site can send without a preflight, and what of it has
// effects.
func TestForgery(t *testing.T) {
	h := newHouse(t, nil)
	const action = "?Action=SendMessage&Version=2012-11-05&MessageBody=x"
	signed := signedFor("sqs", "us-east-1", "test")
	for _, c := range []struct {
		name    string
		r       *http.Request
		refused bool
	}{
		{"form post", req("POST", "http://localhost:4566/", "Action=CreateRole&Version=2010-05-08", "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), true},
		{"text post", req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "{}", "Content-Type", "text/plain", "Origin", "https://evil.example"), true},
		{"post without origin", req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "{}", "Sec-Fetch-Site", "cross-site"), true},
		{"sandboxed frame", req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "{}", "Origin", "null", "Sec-Fetch-Site", "cross-site"), true},
		{"image with an action", req("GET", "http://localhost:4566/000000000000/q"+action, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), true},
		{"image with a presigned action", req("GET", "http://localhost:4566/"+action+"&X-Amz-Credential=A%2F20260102%2Fus-east-1%2Fsqs%2Faws4_request", "", "Sec-Fetch-Site", "cross-site"), true},
		{"image with an action in disguise", req("GET", "http://localhost:4566/?%41ction=DeleteQueue&X-Amz-Credential=A%2F20260102%2Fus-east-1%2Fsqs%2Faws4_request", "", "Sec-Fetch-Site", "cross-site"), true},
		{"image with a reading action behind the one that counts", req("GET", "http://localhost:4566/?Actio%6E=DeleteQueue&Action=ListQueues&X-Amz-Credential=A%2F20260102%2Fus-east-1%2Fsqs%2Faws4_request", "", "Sec-Fetch-Site", "cross-site"), true},
		{"image where browsers say nothing", req("GET", "http://localhost.localstack.cloud:4566/000000000000/q"+action, ""), true},
		{"image by address", req("GET", "http://192.168.1.7:4566/000000000000/q"+action, ""), true},
		{"image by address, presigned", req("GET", "http://192.168.1.7:4566/"+action+"&X-Amz-Credential=A%2F20260102%2Fus-east-1%2Fsqs%2Faws4_request", ""), true},
		{"sibling of LocalStack's name", req("POST", "http://localhost.localstack.cloud:4566/2015-03-31/functions/f/invocations", "{}", "Sec-Fetch-Site", "same-site"), true},
		{"reset", req("POST", "http://localhost:4566/_paddock/reset", "", "Origin", "https://evil.example"), true},
		{"two origins", func() *http.Request {
			r := req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "{}", "Origin", "http://localhost:3000")
			r.Header.Add("Origin", "https://evil.example")
			return r
		}(), true},
		{"management of connections", req("POST", "http://a1b2.execute-api.us-east-1.localhost:4566/prod/@connections/x", "hi", "Origin", "https://evil.example", "Authorization", signedFor("execute-api", "us-east-1", "A")), true},
		{"management of connections by path", req("DELETE", "http://localhost:4566/_aws/execute-api/a1/prod/@connections/x", "", "Origin", "https://evil.example", "Authorization", signedFor("execute-api", "us-east-1", "A")), true},

		{"curl with an action", req("GET", "http://localhost:4566/000000000000/q"+action, ""), false},
		{"action typed into the address bar", req("GET", "http://localhost:4566/000000000000/q"+action, "", "Sec-Fetch-Site", "none"), false},
		{"signed action", req("GET", "http://sqs.us-east-1.amazonaws.com/"+action, "", "Authorization", signed), false},
		{"reading action", req("GET", "http://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", ""), false},
		{"image of a bucket", req("GET", "http://localhost:4566/bucket/cat.png", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), false},
		{"link", req("GET", "http://localhost:4566/bucket/page.html", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"), false},
		{"page of this machine", req("POST", "http://localhost:4566/2015-03-31/functions/f/invocations", "{}", "Sec-Fetch-Site", "same-site"), false},
		{"SDK", req("POST", "http://localhost.localstack.cloud:4566/", "{}", "Authorization", signed), false},
	} {
		w := h.do(c.r)
		if got := h.got == nil; got != c.refused || c.refused && (w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

// As on AWS, any page may call an API: its own CORS settings and authorizers
// decide. The edge adds nothing and answers no preflight for it.
func TestGatewayRulesItsOwnOrigins(t *testing.T) {
	h := newHouse(t, nil)
	for _, url := range []string{
		"http://a1b2.execute-api.us-east-1.localhost:4566/prod/pets", "http://localhost:4566/_aws/execute-api/a1b2/prod/pets",
		"http://localhost:4566/restapis/a1b2/prod/_user_request_/pets", "http://api.shop.example/pets",
	} {
		for _, method := range []string{"OPTIONS", "POST"} {
			w := h.do(req(method, url, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Sec-Fetch-Site", "cross-site"))
			if h.got == nil || h.got.target != "gateway" || len(w.Header()["Access-Control-Allow-Origin"]) != 0 {
				t.Errorf("%s %s: %d %v", method, url, w.Code, w.Header())
			}
		}
	}
}
