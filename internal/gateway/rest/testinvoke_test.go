package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

// A test invocation passes authorizers by, and its log tells what happened.
func TestATestInvocation(t *testing.T) {
	m := proxied()
	m.AuthorizationType, m.HTTPMethod = "AWS_IAM", "POST"
	w := newWorld(t, map[string]methods{})
	w.invoke = func(inv *function.Invocation) (*function.Result, error) {
		event := jsonOf(t, inv.Payload).(map[string]any)
		if event["path"] != "/pets/7" || event["pathParameters"].(map[string]any)["id"] != "7" || event["body"] != "b" ||
			event["requestContext"].(map[string]any)["stage"] != "test-invoke-stage" || event["stageVariables"].(map[string]any)["v"] != "1" {
			t.Errorf("the event was %s", inv.Payload)
		}
		return &function.Result{Payload: []byte(`{"statusCode":201,"body":"made"}`)}, nil
	}
	test := &Test{Account: "123456789012", Region: "us-east-1", APIID: "api1", ResourceID: "r", HTTPMethod: "POST", PathWithQuery: "/pets/7?a=1", Body: "b",
		Headers: http.Header{"X-A": {"1"}}, StageVariables: map[string]string{"v": "1"},
		Definition: &restapi.Definition{Resources: map[string]*restapi.Resource{"r": {ID: "r", Path: "/pets/{id}", PathPart: "{id}", Methods: methods{"POST": m}}}}}
	got, err := w.gateway.TestMethod(context.Background(), test)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != 201 || got.Body != "made" || got.Headers.Get("X-Amzn-Trace-Id") == "" {
		t.Errorf("got %+v", got)
	}
	for _, line := range []string{"Execution log for request ", "Starting execution for request: ", "HTTP Method: POST, Resource Path: /pets/{id}", "Method request path: {id=7}",
		"Method request query string: {a=1}", "Method request headers: {X-A=1}", "Method request body before transformations: b",
		"Endpoint request URI: https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:fn/invocations",
		"Received response. Status: 200, Integration latency: ", "Method response body after transformations: made", "Successfully completed execution", "Method completed with status: 201\n"} {
		if !strings.Contains(got.Log, line) {
			t.Errorf("the log has no %q:\n%s", line, got.Log)
		}
	}
	test.ResourceID = "none"
	if _, err := w.gateway.TestMethod(context.Background(), test); err == nil {
		t.Error("a resource that is none was tested")
	}
}
