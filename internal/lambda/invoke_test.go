package lambda

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

func bytesReader(s string) io.Reader { return strings.NewReader(s) }

func TestInvoke(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	out, err := w.Invoke(ctx(), &api.InvocationRequest{
		FunctionName: new("f"), Payload: []byte(`{"a":1}`), LogType: new(api.LogTypeTail),
		ClientContext: new(base64.StdEncoding.EncodeToString([]byte(`{"custom":{}}`))),
	})
	if err != nil || *out.StatusCode != 200 || string(out.Payload) != `"$LATEST"` || *out.ExecutedVersion != "$LATEST" || out.FunctionError != nil || *out.LogResult != "dGFpbA==" {
		t.Errorf("%s %v", asJSON(t, out), err)
	}
	inv := w.invoker.last()
	if inv.RequestID != "rid-1" || inv.TraceID != "Root=1-2-3" || inv.InvokedARN != arnBase+"f" || string(inv.Payload) != `{"a":1}` || string(inv.ClientContext) != `{"custom":{}}` || !inv.Tail {
		t.Errorf("invocation %+v", inv)
	}
	if inv.Version.ARN != arnBase+"f" || inv.Version.Account != account || inv.Version.LogGroup != "/aws/lambda/f" || codeFile(t, inv.Version) != "f" {
		t.Errorf("version %+v", inv.Version)
	}

	out, err = w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new("f:$LATEST")})
	if err != nil || out.LogResult != nil || string(w.invoker.last().Payload) != "{}" || w.invoker.last().InvokedARN != arnBase+"f:$LATEST" {
		t.Errorf("%s %v %+v", asJSON(t, out), err, w.invoker.last())
	}

	w.invoker.result = &function.Result{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: "Unhandled"}
	if out, err = w.invoke("f"); err != nil || *out.FunctionError != "Unhandled" || *out.StatusCode != 200 {
		t.Errorf("%s %v", asJSON(t, out), err)
	}

	out, err = w.Invoke(ctx(), &api.InvocationRequest{
		FunctionName: new("f"), InvocationType: new(api.InvocationTypeEvent), LogType: new(api.LogTypeTail),
		ClientContext: new(base64.StdEncoding.EncodeToString([]byte(`{}`))),
	})
	if err != nil || asJSON(t, out) != `{"StatusCode":202}` || w.invoker.last().Tail || w.invoker.last().ClientContext != nil {
		t.Errorf("event: %s %v %+v", asJSON(t, out), err, w.invoker.last())
	}
	n := len(w.invoker.calls)
	out, err = w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new("f"), InvocationType: new(api.InvocationTypeDryRun)})
	if err != nil || asJSON(t, out) != `{"StatusCode":204}` || len(w.invoker.calls) != n {
		t.Errorf("dry run: %s %v", asJSON(t, out), err)
	}
	_, err = w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new("g"), InvocationType: new(api.InvocationTypeDryRun)})
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"g:$LATEST")
}

func TestInvokeRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	type req = api.InvocationRequest
	exact := append(append([]byte(`"`), bytes.Repeat([]byte("x"), 6291454)...), '"')
	for _, tt := range []struct {
		name   string
		change func(*req)
		err    string
	}{
		{"unknown", func(in *req) { in.FunctionName = new("g") }, "ResourceNotFoundException: Function not found: " + arnBase + "g:$LATEST"},
		{"unknown version", func(in *req) { in.Qualifier = new("5") }, "ResourceNotFoundException: Function not found: " + arnBase + "f:5"},
		{"bad JSON", func(in *req) { in.Payload = []byte("{\n e30=") }, "InvalidRequestContentException: Could not parse request body into json: Could not parse payload into json: Unexpected character ('e' (code 101))\n at [line: 2, column: 2]"},
		{"cut JSON", func(in *req) { in.Payload = []byte(`{"a":`) }, "InvalidRequestContentException: Could not parse request body into json: …"},
		{"bad UTF-8", func(in *req) { in.Payload = []byte("\"a\xff\"") }, "InvalidRequestContentException: Could not parse request body into json: Could not parse payload into json: Invalid UTF-8\n at [line: 1, column: 3]"},
		{"limit", func(in *req) { in.Payload = exact }, ""},
		{"over the limit", func(in *req) { in.Payload = append(exact, ' ') }, "413 RequestEntityTooLargeException: Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
		{"event over the limit", func(in *req) {
			in.Payload, in.InvocationType = exact[:1048577], new(api.InvocationTypeEvent)
		}, "413 RequestEntityTooLargeException: 1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"},
		{"client context", func(in *req) { in.ClientContext = new("string") }, "InvalidRequestContentException: Client context must be a valid Base64-encoded JSON object."},
		{"client context array", func(in *req) { in.ClientContext = new(base64.StdEncoding.EncodeToString([]byte("[]"))) }, "InvalidRequestContentException: Client context must be a valid Base64-encoded JSON object."},
		{"client context size", func(in *req) { in.ClientContext = new(strings.Repeat("A", 3584)) }, "InvalidRequestContentException: Client context must be at most 3583 bytes of Base64-encoded data."},
		{"tenant", func(in *req) { in.TenantId = new("x") }, "InvalidParameterValueException: The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."},
		{"durable", func(in *req) { in.DurableExecutionName = new("x") }, "InvalidParameterValueException: Paddock does not support DurableExecutionName yet. Remove it from the request."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &req{FunctionName: new("f"), Payload: []byte("1")}
			tt.change(in)
			_, err := w.Invoke(ctx(), in)
			wantErr(t, err, tt.err)
		})
	}
}

func TestInvokerErrors(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	fault := errors.New("cause that clients must not see")
	for _, tt := range []struct{ err, want any }{
		{&function.ErrThrottled{Reason: "ConcurrentInvocationLimitExceeded"}, "TooManyRequestsException: Rate Exceeded."},
		{fmt.Errorf("%w: python3.13: install it", function.ErrNoRuntime), "InvalidRuntimeException: no interpreter for the runtime: python3.13: install it"},
		{function.ErrShuttingDown, "ServiceException: Paddock is shutting down and takes no new invocations."},
		{fault, fault.Error()},
	} {
		w.invoker.err = tt.err.(error)
		_, err := w.invoke("f")
		wantErr(t, err, tt.want.(string))
		if _, ok := tt.err.(*function.ErrThrottled); ok {
			var e *api.TooManyRequestsException
			if !errors.As(err, &e) || *e.Reason != api.ThrottleReasonConcurrentInvocationLimitExceeded || *e.RetryAfterSeconds != "1" {
				t.Errorf("%+v", e)
			}
		}
		if _, err := w.InvokeWithResponseStream(ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: new("f")}); describe(err) != tt.want {
			t.Errorf("streaming: %v", err)
		}
	}
	w.invoker.err = function.ErrResponseTooLarge
	out, err := w.invoke("f")
	if err != nil || *out.FunctionError != "Unhandled" || string(out.Payload) != `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}` {
		t.Errorf("%s %v", asJSON(t, out), err)
	}
}

// body yields its parts one a read, then err.
type body struct {
	parts  []string
	err    error
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if len(b.parts) == 0 {
		return 0, b.err
	}
	n := copy(p, b.parts[0])
	b.parts = b.parts[1:]
	return n, nil
}

func (b *body) Close() error { b.closed = true; return nil }

func TestInvokeWithResponseStream(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	for _, tt := range []struct {
		end  error
		want string
	}{
		{io.EOF, `one|two|{"LogResult":"bG9n"}`},
		{&function.StreamError{Type: "Runtime.Boom", Details: "d"}, `one|two|{"ErrorCode":"Runtime.Boom","ErrorDetails":"d","LogResult":"bG9n"}`},
	} {
		b := &body{parts: []string{"one", "two"}, err: tt.end}
		w.invoker.stream = &function.Stream{ContentType: "text/plain", Body: b, LogTail: func() []byte { return []byte("log") }}
		out, err := w.InvokeWithResponseStream(ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: new("f"), LogType: new(api.LogTypeTail)})
		if err != nil || *out.ResponseStreamContentType != "text/plain" || *out.ExecutedVersion != "$LATEST" || *out.StatusCode != 200 {
			t.Fatalf("%v %v", out, err)
		}
		var got []string
		err = out.EventStream(func(e *api.InvokeWithResponseStreamResponseEvent) error {
			if e.PayloadChunk != nil {
				got = append(got, string(e.PayloadChunk.Payload))
			} else {
				got = append(got, asJSON(t, e.InvokeComplete))
			}
			return nil
		})
		if err != nil || strings.Join(got, "|") != tt.want || !b.closed {
			t.Errorf("%v %v, closed %v", got, err, b.closed)
		}
	}
	// The client goes away.
	b := &body{parts: []string{"one"}, err: io.EOF}
	w.invoker.stream = &function.Stream{Body: b}
	out, err := w.InvokeWithResponseStream(ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: new("f")})
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	if err := out.EventStream(func(*api.InvokeWithResponseStreamResponseEvent) error { return gone }); err != gone || !b.closed {
		t.Errorf("%v, closed %v", err, b.closed)
	}
}

func TestCodeLocation(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	out, err := w.GetFunction(ctx(), &api.GetFunctionRequest{FunctionName: new("f")})
	if err != nil {
		t.Fatal(err)
	}
	token, ok := strings.CutPrefix(*out.Code.Location, "http://127.0.0.1:4566/_paddock/code/")
	if !ok {
		t.Fatalf("location %s", *out.Code.Location)
	}
	got, err := w.CodeByToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(got.Content)
	if err != nil || !bytes.Equal(b, zipOf(t, "f")) || got.FileName != "f.zip" {
		t.Errorf("%d bytes, %v, %s", len(b), err, got.FileName)
	}
	got.Content.Close()
	for i := range token {
		c := byte('A')
		if token[i] == c {
			c = 'B'
		}
		forged := token[:i] + string(c) + token[i+1:]
		// The last characters of base64 may stand for the same bytes.
		if _, err := w.CodeByToken(t.Context(), forged); err == nil && i < len(token)-1 {
			t.Fatalf("a changed character %d passes", i)
		}
	}
	for _, bad := range []string{"", "x", "!!!", strings.Repeat("A", 100)} {
		if _, err := w.CodeByToken(t.Context(), bad); !errors.Is(err, ErrCodeToken) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	w.now = w.now.Add(10*time.Minute - time.Second)
	if got, err := w.CodeByToken(t.Context(), token); err != nil {
		t.Errorf("before its end: %v", err)
	} else {
		got.Content.Close()
	}
	w.now = w.now.Add(time.Second)
	if _, err := w.CodeByToken(t.Context(), token); !errors.Is(err, ErrCodeToken) {
		t.Errorf("after its end: %v", err)
	}
}
