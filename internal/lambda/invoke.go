package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
)

// Limits of an invocation, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxPayload       = 6291456 // synchronous
	maxEventPayload  = 1048576 // asynchronous
	maxClientContext = 3583    // in base64
)

// Invoke implements
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (s *Service) Invoke(ctx context.Context, in *api.InvocationRequest) (*api.InvocationResponse, error) {
	r, err := locate(ctx, "InvokeFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.DurableExecutionName != nil {
		return nil, unsupported("DurableExecutionName")
	}
	kind := deref(in.InvocationType)
	req, err := newRequest(in.Payload, in.ClientContext, in.TenantId, kind == api.InvocationTypeEvent)
	if err != nil {
		return nil, err
	}
	if kind == api.InvocationTypeDryRun {
		if _, err := s.target(ctx, r); err != nil {
			return nil, err
		}
		return &api.InvocationResponse{StatusCode: new(int32(204))}, nil
	}
	inv, err := s.invocation(ctx, r, req, deref(in.LogType))
	if err != nil {
		return nil, err
	}
	if kind == api.InvocationTypeEvent {
		inv.Tail = false // there is no answer to put it in
		if inv.Event, err = s.eventPolicy(ctx, r); err != nil {
			return nil, err
		}
		if err := s.opts.Invoker.InvokeEvent(ctx, inv); err != nil {
			return nil, invokeError(err)
		}
		return &api.InvocationResponse{StatusCode: new(int32(202))}, nil
	}
	res, err := s.opts.Invoker.Invoke(ctx, inv)
	if errors.Is(err, function.ErrResponseTooLarge) {
		res, err = tooLargeResult(), nil
	}
	if err != nil {
		return nil, invokeError(err)
	}
	out := &api.InvocationResponse{
		StatusCode: new(int32(200)), Payload: res.Payload, ExecutedVersion: new(inv.Version.Version),
	}
	if res.FunctionError != "" {
		out.FunctionError = new(res.FunctionError)
	}
	if inv.Tail {
		out.LogResult = new(base64.StdEncoding.EncodeToString(res.LogTail))
	}
	return out, nil
}

// tooLargeResult is how AWS answers when a function's response is over the
// limit: as a failure of the function.
func tooLargeResult() *function.Result {
	return &function.Result{
		FunctionError: "Unhandled",
		Payload:       []byte(`{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`),
	}
}

// request is what a caller sends along, checked.
type request struct{ payload, clientContext []byte }

func newRequest(payload []byte, clientContext, tenant *string, event bool) (request, error) {
	switch {
	case tenant != nil:
		return request{}, invalidParameter("The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.")
	case event && len(payload) > maxEventPayload:
		return request{}, tooLarge("%d byte payload is too large for the Event invocation type (limit %d bytes)", len(payload), maxEventPayload)
	case len(payload) > maxPayload:
		return request{}, tooLarge("Request must be smaller than %d bytes for the InvokeFunction operation", maxPayload)
	}
	if len(payload) == 0 {
		payload = []byte("{}") // an absent payload is an empty event
	} else if err := checkJSON(payload); err != nil {
		return request{}, err
	}
	req := request{payload: payload}
	if clientContext != nil && *clientContext != "" {
		if len(*clientContext) > maxClientContext {
			return request{}, invalidContent("Client context must be at most %d bytes of Base64-encoded data.", maxClientContext)
		}
		b, err := base64.StdEncoding.DecodeString(*clientContext)
		if err != nil || !isObject(b) {
			return request{}, invalidContent("Client context must be a valid Base64-encoded JSON object.")
		}
		if !event { // Lambda hands it to synchronous invocations only
			req.clientContext = b
		}
	}
	return req, nil
}

func invalidContent(format string, args ...any) error {
	return &api.InvalidRequestContentException{Type: new(faultOfUser), Message: text(format, args...)}
}

// checkJSON refuses a payload that is not JSON, saying where it stops being so.
func checkJSON(b []byte) error {
	if json.Valid(b) && utf8.Valid(b) {
		return nil
	}
	at, what := len(b), "Unexpected end-of-input"
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, new(json.RawMessage)); errors.As(err, &syntax) {
		// The offset is behind the byte that does not fit, if there is one.
		at = int(syntax.Offset)
		if at > 0 && syntax.Error() != "unexpected end of JSON input" {
			c, _ := utf8.DecodeRune(b[at-1:])
			what = fmt.Sprintf("Unexpected character ('%c' (code %d))", c, c)
		}
	} else {
		what = "Invalid UTF-8"
		for i := 0; i < len(b); {
			c, n := utf8.DecodeRune(b[i:])
			if i += n; c == utf8.RuneError && n == 1 {
				at = i
				break
			}
		}
	}
	line := 1 + bytes.Count(b[:min(at, len(b))], []byte("\n"))
	column := at - (bytes.LastIndexByte(b[:min(at, len(b))], '\n') + 1)
	return invalidContent("Could not parse request body into json: Could not parse payload into json: %s\n at [line: %d, column: %d]", what, line, column)
}

func isObject(b []byte) bool {
	return json.Valid(b) && utf8.Valid(b) && bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{"))
}

// invocation makes what the invoker takes.
func (s *Service) invocation(ctx context.Context, r ref, req request, logs api.LogType) (*function.Invocation, error) {
	fn, invoked, err := s.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	return &function.Invocation{
		Version: fn, RequestID: id.RequestID, TraceID: id.TraceID, InvokedARN: invoked,
		Payload: req.payload, ClientContext: req.clientContext, Tail: logs == api.LogTypeTail,
	}, nil
}
