package rest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// trace is a request's execution log, in API Gateway's words. All its methods
// take a nil receiver, which logs nothing.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
type trace struct {
	level     level
	dataTrace bool
	test      bool // a test invocation's: everything, and no prefix
	requestID string
	events    []LogEvent
}

// maxEventText is how long an event of the log may be, in bytes: AWS cuts there.
const maxEventText = 1024

func newTrace(c *call, level level, dataTrace bool) *trace {
	return &trace{level: level, dataTrace: dataTrace, requestID: c.ID}
}

func (t *trace) add(text string) {
	if len(text) > maxEventText {
		const mark = " [TRUNCATED]"
		text = strings.ToValidUTF8(text[:maxEventText-len(mark)], "") + mark
	}
	if !t.test {
		text = "(" + t.requestID + ") " + text
	}
	t.events = append(t.events, LogEvent{Timestamp: time.Now().UnixMilli(), Message: text})
}

// info logs at INFO, and data at INFO with data tracing.
func (t *trace) info(format string, args ...any) {
	if t != nil && t.level == levelInfo {
		t.add(fmt.Sprintf(format, args...))
	}
}

func (t *trace) data(format string, args ...any) {
	if t != nil && t.level == levelInfo && t.dataTrace {
		t.add(fmt.Sprintf(format, args...))
	}
}

func (t *trace) begin(c *call) {
	if t == nil || t.level != levelInfo {
		return
	}
	if t.test {
		t.info("Starting execution for request: %s", c.ID)
	} else {
		t.info("Extended Request Id: %s", c.ExtendedID)
		t.info("Verifying Usage Plan for request: %s. API Key: %s API Stage: %s/%s", c.ID, masked(c.HTTP.Header.Get("X-Api-Key")), c.API.ID, c.Stage.Name)
		t.info("Starting execution for request: %s", c.ID)
	}
	t.info("HTTP Method: %s, Resource Path: %s", c.HTTPMethod, c.Resource.Path)
	if !t.dataTrace {
		return
	}
	t.data("Method request path: %s", javaMap(c.PathParameters()))
	query := map[string]string{}
	for name, values := range c.Query() {
		query[name] = strings.Join(values, ",")
	}
	t.data("Method request query string: %s", javaMap(query))
	t.data("Method request headers: %s", javaHeaders(c.HTTP.Header))
}

// requestBody logs the body once it has been read.
func (t *trace) requestBody(c *call) {
	if t != nil {
		t.data("Method request body before transformations: %s", c.body)
	}
}

// lambdaRequest logs a call of a function as the HTTP request that AWS makes of it.
func (t *trace) lambdaRequest(c *call, arn string, payload []byte) {
	if t == nil {
		return
	}
	uri := "https://lambda." + c.API.Region + ".amazonaws.com/2015-03-31/functions/" + arn + "/invocations"
	t.data("Endpoint request URI: %s", uri)
	t.data("Endpoint request headers: %s", javaMap(map[string]string{
		"x-amzn-lambda-integration-tag": c.ID, "X-Amzn-Trace-Id": c.TraceID, "Content-Type": "application/json", "Accept": "application/json",
		"User-Agent": "AmazonAPIGateway_" + c.API.ID, "x-amzn-apigateway-api-id": c.API.ID,
	}))
	t.data("Endpoint request body after transformations: %s", payload)
	t.info("Sending request to %s", uri)
}

func (t *trace) lambdaResponse(c *call, r *function.Result) {
	if t == nil {
		return
	}
	t.info("Received response. Status: 200, Integration latency: %d ms", c.integrationLatency.Milliseconds())
	headers := map[string]string{"Content-Type": "application/json", "x-amzn-RequestId": c.endpointRequestID, "X-Amzn-Trace-Id": c.TraceID}
	if r.FunctionError != "" {
		headers["X-Amz-Function-Error"] = r.FunctionError
	}
	t.data("Endpoint response headers: %s", javaMap(headers))
	t.data("Endpoint response body before transformations: %s", r.Payload)
}

// endpointRequest logs a request to an HTTP endpoint or a service.
func (t *trace) endpointRequest(uri string, h http.Header, body []byte) {
	if t == nil {
		return
	}
	t.data("Endpoint request URI: %s", uri)
	t.data("Endpoint request headers: %s", javaHeaders(h))
	t.data("Endpoint request body after transformations: %s", body)
	t.info("Sending request to %s", uri)
}

func (t *trace) endpointResponse(c *call, status int, h http.Header, body []byte) {
	if t == nil {
		return
	}
	t.info("Received response. Status: %d, Integration latency: %d ms", status, c.integrationLatency.Milliseconds())
	t.data("Endpoint response headers: %s", javaHeaders(h))
	t.data("Endpoint response body before transformations: %s", body)
}

// failed logs why a gateway response was made.
func (t *trace) failed(f *Failure, out *response) {
	if t == nil || t.level == levelOff {
		return
	}
	if f.Detail != "" {
		t.add(f.Detail)
	}
	if !t.test {
		t.add(fmt.Sprintf("Gateway response type: %s with status code: %d", f.of().name, out.status))
		t.data("Gateway response body: %s", out.body)
		t.data("Gateway response headers: %s", javaHeaders(out.header))
	}
	t.info("Method completed with status: %d", out.status)
}

func (t *trace) succeeded(out *response) {
	if t == nil {
		return
	}
	t.data("Method response body after transformations: %s", out.body)
	t.data("Method response headers: %s", javaHeaders(out.header))
	t.info("Successfully completed execution")
	t.info("Method completed with status: %d", out.status)
}

// end hands the events to the log group, where there are any.
func (t *trace) end(c *call) {
	if t == nil || t.test || len(t.events) == 0 {
		return
	}
	c.gateway.Logs.Append(c.API.Account, c.API.Region, "API-Gateway-Execution-Logs_"+c.API.ID+"/"+c.Stage.Name, streamName(c.ID[:2]), t.events)
}

// text is the log of a test invocation.
func (t *trace) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Execution log for request %s\n", t.requestID)
	for _, e := range t.events {
		fmt.Fprintf(&b, "%s : %s\n", time.UnixMilli(e.Timestamp).UTC().Format("Mon Jan 02 15:04:05 UTC 2006"), e.Message)
	}
	return b.String()
}

// streamName names a log stream as AWS does: 32 hexadecimal digits. The same seed
// gives the same stream.
func streamName(seed string) string {
	sum := md5.Sum([]byte(seed))
	return hex.EncodeToString(sum[:])
}

// javaMap writes a map as Java prints it: {a=1, b=2}.
func javaMap(m map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + "=" + m[name])
	}
	b.WriteByte('}')
	return b.String()
}

// javaHeaders is javaMap with secrets masked.
func javaHeaders(h http.Header) string {
	m := make(map[string]string, len(h))
	for name, values := range h {
		value := strings.Join(values, ",")
		switch name {
		case "Authorization", "X-Api-Key", "X-Amz-Security-Token":
			value = masked(value)
		}
		m[name] = value
	}
	return javaMap(m)
}

// masked hides all of a secret but its last six characters.
func masked(secret string) string {
	if len(secret) <= 6 {
		return strings.Repeat("*", len(secret))
	}
	return strings.Repeat("*", len(secret)-6) + secret[len(secret)-6:]
}
