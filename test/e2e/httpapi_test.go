package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// api makes an HTTP API in front of a function and deletes it when the test ends.
func api(t *testing.T, c *sdk.Clients, function string, change func(*apigatewayv2.CreateApiInput)) string {
	t.Helper()
	ctx := sdk.Context(t)
	fn, err := c.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		t.Fatal(err)
	}
	in := &apigatewayv2.CreateApiInput{Name: new(sdk.Name(t)), ProtocolType: types.ProtocolTypeHttp, Target: fn.FunctionArn}
	if change != nil {
		change(in)
	}
	out, err := c.APIs.CreateApi(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), sdk.Patience)
		defer cancel()
		if _, err := c.APIs.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: out.ApiId}); sdk.Status(err) != 0 && sdk.Code(err) != "NotFoundException" {
			t.Errorf("the API cannot be deleted: %v", err)
		}
	})
	return *out.ApiId
}

// ask sends a request to the daemon with any Host.
func ask(t *testing.T, d *daemon.Daemon, method, host, path, body string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(sdk.Context(t), method, d.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return d.Do(t, req)
}

// A function that answers with its event, or as its query says.
const webEcho = `
import base64, json
def handler(event, context):
    q = event.get("queryStringParameters") or {}
    if q.get("do") == "fail":
        raise Exception("no")
    if q.get("do") == "malformed":
        return {"statusCode": "many"}
    if q.get("do") == "binary":
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "isBase64Encoded": True,
                "body": base64.b64encode(bytes(range(256))).decode()}
    if q.get("do") == "cookies":
        return {"statusCode": 201, "cookies": ["a=1; Path=/", "b=2"], "headers": {"x-one": "1"}, "body": "made"}
    if q.get("do") == "string":
        return "plain"
    return event
`

type webEvent struct {
	Version, RouteKey, RawPath, RawQueryString string
	Cookies                                    []string
	Headers, QueryStringParameters             map[string]string
	Body                                       string
	IsBase64Encoded                            bool
	RequestContext                             struct {
		APIID, Stage, DomainName, DomainPrefix, AccountID, RequestID string
		HTTP                                                         struct{ Method, Path, SourceIP string }
	}
}

func TestHTTPAPI(t *testing.T) {
	d := daemon.Shared(t)
	_, c := open(t)
	id := api(t, c, c.Create(t, sdk.Python(t, webEcho)), nil)
	host := id + ".execute-api." + sdk.Region + ".localhost:" + d.Port(t)

	res, body := ask(t, d, "POST", host, "/pets/7%20x?a=1&a=2&b=%C3%A9", `{"k":"v"}`,
		"Content-Type", "application/json", "Cookie", "s=1; t=2", "X-Many", "1", "X-Many", "2")
	if res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	e := decode[webEvent](t, string(body))
	if e.Version != "2.0" || e.RouteKey != "$default" || e.RawPath != "/pets/7 x" || e.RawQueryString != "a=1&a=2&b=%C3%A9" ||
		!slices.Equal(e.Cookies, []string{"s=1", "t=2"}) || e.Headers["x-many"] != "1,2" || e.Headers["cookie"] != "" ||
		e.QueryStringParameters["a"] != "1,2" || e.QueryStringParameters["b"] != "é" || e.Body != `{"k":"v"}` || e.IsBase64Encoded {
		t.Errorf("the function sees %s", body)
	}
	if x := e.RequestContext; x.APIID != id || x.Stage != "$default" || x.HTTP.Method != "POST" || x.HTTP.SourceIP == "" || x.DomainPrefix != id || x.RequestID == "" {
		t.Errorf("the function sees the context %+v", x)
	}
	if res.Header.Get("Apigw-Requestid") == "" {
		t.Error("the answer names no request")
	}

	// A body that is no text comes, and goes, in base64.
	_, body = ask(t, d, "PUT", host, "/", "\x00\xff", "Content-Type", "application/octet-stream")
	if e := decode[webEvent](t, string(body)); !e.IsBase64Encoded || e.Body != base64.StdEncoding.EncodeToString([]byte("\x00\xff")) {
		t.Errorf("a binary body: %s", body)
	}
	res, body = ask(t, d, "GET", host, "/?do=binary", "")
	if want := bytesTo(256); !bytes.Equal(body, want) || res.Header.Get("Content-Type") != "image/png" {
		t.Errorf("a binary answer: %q, %s", body, res.Header.Get("Content-Type"))
	}
	res, body = ask(t, d, "GET", host, "/?do=cookies", "")
	if res.StatusCode != 201 || string(body) != "made" || !slices.Equal(res.Header.Values("Set-Cookie"), []string{"a=1; Path=/", "b=2"}) || res.Header.Get("X-One") != "1" {
		t.Errorf("cookies: %d %s %v", res.StatusCode, body, res.Header)
	}
	if res, body = ask(t, d, "GET", host, "/?do=string", ""); string(body) != "plain" || res.StatusCode != 200 {
		t.Errorf("a string: %d %s", res.StatusCode, body)
	}
	for _, failing := range []string{"fail", "malformed"} {
		res, body = ask(t, d, "GET", host, "/?do="+failing, "")
		if res.StatusCode != 500 || string(body) != `{"message":"Internal Server Error"}` {
			t.Errorf("%s: %d %s", failing, res.StatusCode, body)
		}
	}
	if res, body = ask(t, d, "HEAD", host, "/", ""); res.StatusCode != 200 || len(body) != 0 {
		t.Errorf("HEAD: %d with %d bytes", res.StatusCode, len(body))
	}
}

func bytesTo(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestFormsOfAPIURLs(t *testing.T) {
	d := daemon.Shared(t)
	_, c := open(t)
	id := api(t, c, c.Create(t, sdk.Python(t, webEcho)), nil)
	port := d.Port(t)
	for _, form := range []struct{ host, path, raw string }{
		{id + ".execute-api." + sdk.Region + ".localhost:" + port, "/a/b", "/a/b"},
		{id + ".execute-api." + sdk.Region + ".amazonaws.com", "/a/b", "/a/b"},
		{id + ".execute-api.localhost.localstack.cloud:" + port, "/a/b", "/a/b"},
		{id + ".execute-api." + sdk.Region + ".localhost:" + port, "/", "/"},
		{"127.0.0.1:" + port, "/_aws/execute-api/" + id + "/a/b", "/a/b"},
		{"127.0.0.1:" + port, "/_aws/execute-api/" + id + "/$default/a/b", "/a/b"},
		{"localhost:" + port, "/_aws/execute-api/" + id, "/"},
		{"localhost:" + port, "/restapis/" + id + "/$default/_user_request_/a/b", "/a/b"},
	} {
		res, body := ask(t, d, "GET", form.host, form.path, "")
		if res.StatusCode != 200 {
			t.Errorf("%s%s: %d %s", form.host, form.path, res.StatusCode, body)
			continue
		}
		if e := decode[webEvent](t, string(body)); e.RawPath != form.raw || e.RequestContext.APIID != id {
			t.Errorf("%s%s: path %s of API %s", form.host, form.path, e.RawPath, e.RequestContext.APIID)
		}
	}
	for _, form := range []struct {
		host, path string
		status     int
		body       string
	}{
		// Of which kind an API is that is nowhere, nobody can say: 403, as AWS.
		{"nothing123.execute-api." + sdk.Region + ".localhost:" + port, "/", 403, `{"message":"Forbidden"}`},
		{"127.0.0.1:" + port, "/_aws/execute-api/nothing123/x", 403, `{"message":"Forbidden"}`},
		{"127.0.0.1:" + port, "/restapis/" + id + "/nostage/_user_request_/a", 404, `{"message":"Not Found"}`},
	} {
		res, body := ask(t, d, "GET", form.host, form.path, "")
		if res.StatusCode != form.status || string(body) != form.body {
			t.Errorf("%s%s: %d %s", form.host, form.path, res.StatusCode, body)
		}
	}
}

func TestRouteKeyAndCORS(t *testing.T) {
	d := daemon.Shared(t)
	ctx, c := open(t)
	function := c.Create(t, sdk.Python(t, webEcho))
	id := api(t, c, function, func(in *apigatewayv2.CreateApiInput) {
		in.RouteKey = new("GET /pets/{id}")
		in.CorsConfiguration = &types.Cors{AllowOrigins: []string{"https://shop.example"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"x-a"}, MaxAge: new(int32(60)), ExposeHeaders: []string{"x-one"}}
	})
	host := id + ".execute-api." + sdk.Region + ".localhost:" + d.Port(t)
	if res, body := ask(t, d, "GET", host, "/pets/7", ""); res.StatusCode != 200 || decode[webEvent](t, string(body)).RouteKey != "GET /pets/{id}" {
		t.Errorf("GET /pets/7: %d %s", res.StatusCode, body)
	}
	for _, miss := range [][2]string{{"POST", "/pets/7"}, {"GET", "/pets"}, {"GET", "/pets/7/toys"}} {
		if res, body := ask(t, d, miss[0], host, miss[1], ""); res.StatusCode != 404 || string(body) != `{"message":"Not Found"}` {
			t.Errorf("%s %s: %d %s", miss[0], miss[1], res.StatusCode, body)
		}
	}
	res, _ := ask(t, d, "OPTIONS", host, "/pets/7", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET")
	h := res.Header
	if res.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://shop.example" || h.Get("Access-Control-Allow-Methods") != "GET" ||
		h.Get("Access-Control-Allow-Headers") != "x-a" || h.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("a preflight: %d %v", res.StatusCode, h)
	}
	res, _ = ask(t, d, "GET", host, "/pets/7", "", "Origin", "https://shop.example")
	if res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" || res.Header.Get("Access-Control-Expose-Headers") != "x-one" {
		t.Errorf("a request of the origin: %d %v", res.StatusCode, res.Header)
	}
	res, _ = ask(t, d, "GET", host, "/pets/7", "", "Origin", "https://other.example")
	if res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a request of another origin: %d %v", res.StatusCode, res.Header)
	}

	// Without a function behind it, the API says no more than that it failed.
	if _, err := c.Lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &function}); err != nil {
		t.Fatal(err)
	}
	if res, body := ask(t, d, "GET", host, "/pets/7", ""); res.StatusCode != 500 || string(body) != `{"message":"Internal Server Error"}` {
		t.Errorf("without its function: %d %s", res.StatusCode, body)
	}
}

func TestControlPlaneOfHTTPAPIs(t *testing.T) {
	ctx, c := open(t)
	function := c.Create(t, sdk.Python(t, webEcho))
	var ids []string
	for range 3 {
		ids = append(ids, api(t, c, function, nil))
	}
	var listed []string
	var token *string
	for {
		page, err := c.APIs.GetApis(ctx, &apigatewayv2.GetApisInput{MaxResults: new("2"), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Items {
			listed = append(listed, *a.ApiId)
		}
		if token = page.NextToken; token == nil {
			break
		}
	}
	for _, id := range ids {
		if count(listed, id) != 1 {
			t.Errorf("%s is listed %d times", id, count(listed, id))
		}
	}
	got, err := c.APIs.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: &ids[0]})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(sdk.String(got.ApiEndpoint), ids[0]) || got.CreatedDate == nil {
		t.Errorf("the API's endpoint is %s, made %v", sdk.String(got.ApiEndpoint), got.CreatedDate)
	}
	if _, err := c.APIs.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: &ids[0], Name: new("renamed")}); err != nil {
		t.Fatal(err)
	}
	if got, err = c.APIs.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: &ids[0]}); err != nil || sdk.String(got.Name) != "renamed" {
		t.Errorf("after the update: %v, %v", got, err)
	}
	if _, err := c.APIs.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: &ids[0]}); err != nil {
		t.Fatal(err)
	}
	_, err = c.APIs.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: &ids[0]})
	sdk.Expect(t, err, "NotFoundException", 404)
	_, err = c.APIs.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: new(""), ProtocolType: types.ProtocolTypeHttp})
	sdk.Expect(t, err, "BadRequestException", 400)
}

// A large body goes through, one over the limit is refused as API Gateway does.
func TestHTTPAPIBodyLimits(t *testing.T) {
	d := daemon.Shared(t)
	_, c := open(t)
	id := api(t, c, c.Create(t, sdk.Python(t, "def handler(event, context):\n    return {'statusCode': 200, 'body': str(len(event['body']))}\n")), nil)
	host := id + ".execute-api." + sdk.Region + ".localhost:" + d.Port(t)
	res, body := ask(t, d, "POST", host, "/", strings.Repeat("a", 4<<20), "Content-Type", "text/plain")
	if res.StatusCode != 200 || string(body) != fmt.Sprint(4<<20) {
		t.Errorf("4 MB: %d %s", res.StatusCode, body)
	}
	req, err := http.NewRequestWithContext(sdk.Context(t), http.MethodPost, d.URL+"/", io.LimitReader(zeros{}, 11<<20))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, body = d.Do(t, req)
	if res.StatusCode != 413 || string(body) != `{"message":"Request Entity Too Large"}` {
		t.Errorf("11 MB: %d %s", res.StatusCode, body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
