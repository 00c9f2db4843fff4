package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

// lambdaCall is a function that an integration calls.
type lambdaCall struct {
	arn     uri
	timeout time.Duration
}

func newLambdaCall(in *restapi.Integration, arn string) (lambdaCall, error) {
	u, err := parseURI(arn)
	if err != nil {
		return lambdaCall{}, err
	}
	if p := u.params(); len(p) > 0 {
		return lambdaCall{}, fmt.Errorf("the function's ARN has a path parameter {%s}", p[0])
	}
	return lambdaCall{arn: u, timeout: time.Duration(timeoutMillis(in)) * time.Millisecond}, nil
}

// invocation finds the function and makes what invokes it.
func (l *lambdaCall) invocation(ctx context.Context, c *call, payload []byte) (*function.Invocation, *Failure) {
	arn := l.arn.expand(c.StageVariables, nil)
	if len(payload) > maxEvent {
		return nil, fail(requestTooLarge, "The function's event is over 6 MB")
	}
	v, invoked, err := c.gateway.Functions.Resolve(ctx, c.API.Account, c.API.Region, arn)
	if err != nil {
		c.integrationError = "Invalid permissions on Lambda function"
		return nil, fail(configurationError, "Execution failed due to configuration error: Invalid permissions on Lambda function ("+err.Error()+")")
	}
	inv := &function.Invocation{Version: v, RequestID: uuid.NewString(), InvokedARN: invoked, Payload: payload, TraceID: c.TraceID}
	c.endpointRequestID = inv.RequestID
	return inv, nil
}

// invoke calls the function and waits for it.
func (l *lambdaCall) invoke(c *call, payload []byte) (*function.Result, *Failure) {
	ctx, cancel := context.WithTimeout(c.HTTP.Context(), l.timeout)
	defer cancel()
	inv, f := l.invocation(ctx, c, payload)
	if f != nil {
		return nil, f
	}
	c.trace.lambdaRequest(c, inv.InvokedARN, payload)
	begin := time.Now()
	result, err := c.gateway.Invoker.Invoke(ctx, inv)
	c.took(begin)
	if err != nil {
		return nil, c.lambdaFailure(ctx, err)
	}
	c.integrationStatus = http.StatusOK
	c.trace.lambdaResponse(c, result)
	return result, nil
}

// invokeEvent hands the function an event and does not wait.
func (l *lambdaCall) invokeEvent(c *call, payload []byte) *Failure {
	ctx, cancel := context.WithTimeout(c.HTTP.Context(), l.timeout)
	defer cancel()
	inv, f := l.invocation(ctx, c, payload)
	if f != nil {
		return f
	}
	c.trace.lambdaRequest(c, inv.InvokedARN, payload)
	begin := time.Now()
	err := c.gateway.Invoker.InvokeEvent(ctx, inv)
	c.took(begin)
	if err != nil {
		return c.lambdaFailure(ctx, err)
	}
	c.integrationStatus = http.StatusAccepted
	return nil
}

// took notes how long the integration took.
func (c *call) took(begin time.Time) {
	c.integrated, c.integrationLatency = true, time.Since(begin)
}

// lambdaFailure is what callers get where a function could not be run.
func (c *call) lambdaFailure(ctx context.Context, err error) *Failure {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.integrationError = "Execution failed due to a timeout error"
		return fail(integrationTimeout, "Execution failed due to a timeout error")
	}
	if t, ok := errors.AsType[*function.ErrThrottled](err); ok {
		c.integrationStatus, c.integrationError = http.StatusTooManyRequests, "Rate Exceeded."
		return fail(default5XX, "Lambda invocation failed with status: 429. Lambda request id: "+c.endpointRequestID+" ("+t.Error()+")")
	}
	c.integrationError = "Internal server error"
	if c.HTTP.Context().Err() == nil && !errors.Is(err, function.ErrShuttingDown) {
		c.gateway.Logger.Warn("an integration failed", "api", c.API.ID, "resource", c.Resource.Path, "method", c.HTTPMethod, "request", c.ID, "error", err)
	}
	return fail(default5XX, "Execution failed due to an internal error")
}

// lambdaProxy is an AWS_PROXY integration.
type lambdaProxy struct {
	lambdaCall
	stream bool
}

func newLambdaProxy(in *restapi.Integration, arn string) (backend, error) {
	l, err := newLambdaCall(in, arn)
	return &lambdaProxy{lambdaCall: l, stream: in.TransferMode == "STREAM"}, err
}

func (l *lambdaProxy) do(c *call) (*response, *Failure) {
	payload, err := c.newEvent()
	if err != nil {
		return nil, fail(default5XX, "Execution failed: the event does not encode: "+err.Error())
	}
	if l.stream {
		return l.doStream(c, payload)
	}
	result, f := l.invoke(c, payload)
	if f != nil {
		return nil, f
	}
	if result.FunctionError != "" {
		return nil, c.functionFailed(result.Payload)
	}
	out, err := parseProxyResponse(result.Payload)
	if err != nil {
		c.integrationError = err.Error()
		return nil, malformedProxy("Execution failed due to configuration error: " + err.Error())
	}
	c.backendStatus = out.status
	if out.encoded && c.definition.binary.has(c.HTTP.Header.Get("Accept")) {
		if !out.decode() {
			return nil, malformedProxy("Execution failed due to configuration error: Unable to base64 decode the body.")
		}
	}
	if len(out.body) > maxPayload {
		return nil, malformedProxy("Execution failed due to configuration error: the response is over 10 MB")
	}
	out.header["X-Amzn-Trace-Id"] = []string{c.TraceID}
	return &out.response, nil
}

// functionFailed is what callers of a function that failed get.
func (c *call) functionFailed(payload []byte) *Failure {
	var e struct {
		Message string `json:"errorMessage"`
	}
	// A runtime may write anything: the message is then empty.
	_ = json.Unmarshal(payload, &e)
	c.integrationError = "The Lambda function returned the following error: " + e.Message + ". Check your Lambda function code and try again."
	return malformedProxy("Lambda execution failed with status 200 due to customer function error: " + e.Message + ". Lambda request id: " + c.endpointRequestID)
}

// lambdaTarget is the function of an AWS integration: its event is made by a
// template, and its result read by another.
type lambdaTarget struct{ lambdaCall }

func newLambdaTarget(in *restapi.Integration, arn string) (target, error) {
	l, err := newLambdaCall(in, arn)
	return &lambdaTarget{l}, err
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-integration-async.html
func (l *lambdaTarget) send(c *call, req *backendRequest) (*backendResponse, *Failure) {
	if strings.EqualFold(req.header.Get("X-Amz-Invocation-Type"), "Event") {
		if f := l.invokeEvent(c, req.body); f != nil {
			return nil, f
		}
		return &backendResponse{status: http.StatusAccepted, header: http.Header{"X-Amzn-Requestid": {c.endpointRequestID}}}, nil
	}
	result, f := l.invoke(c, req.body)
	if f != nil {
		return nil, f
	}
	out := &backendResponse{status: http.StatusOK, body: result.Payload, header: http.Header{
		"Content-Type": jsonType, "X-Amzn-Requestid": {c.endpointRequestID}, "X-Amzn-Trace-Id": {c.TraceID},
	}}
	if result.FunctionError != "" {
		out.header["X-Amz-Function-Error"] = []string{result.FunctionError}
		var e struct {
			Message *string `json:"errorMessage"`
		}
		_ = json.Unmarshal(result.Payload, &e) // anything but an errorMessage matches nothing
		if out.failed = true; e.Message != nil {
			out.selection = *e.Message
		}
	}
	out.byMessage = true
	return out, nil
}
