package wire_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

type functions struct {
	lambda.Unimplemented
	invoke func(*lambda.InvocationRequest) (*lambda.InvocationResponse, error)
	stream func(emit func(*lambda.InvokeWithResponseStreamResponseEvent) error) error
}

func (f functions) Invoke(_ context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	return f.invoke(in)
}

func (f functions) InvokeWithResponseStream(_ context.Context, in *lambda.InvokeWithResponseStreamRequest) (*lambda.InvokeWithResponseStreamResponse, error) {
	return &lambda.InvokeWithResponseStreamResponse{StatusCode: new(int32(200)), EventStream: f.stream}, nil
}

func quiet() wire.Options { return wire.Options{Logger: slog.New(slog.DiscardHandler)} }

const requestID = "5e2b0f0c-6c1c-4a35-8e0b-6b1b5f7f2c11"

func serve(t testing.TB, svc *schema.Service, handler any, method, target, body string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", Region: "us-east-1", RequestID: requestID}))
	w := httptest.NewRecorder()
	wire.NewServer(svc, handler, quiet()).ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInvoke(t *testing.T) {
	h := functions{invoke: func(in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
		if *in.FunctionName != "arn:aws:lambda:us-east-1:123456789012:function:f" || *in.Qualifier != "live" || *in.InvocationType != "Event" {
			t.Errorf("in = %+v", in)
		}
		return &lambda.InvocationResponse{StatusCode: new(int32(202)), ExecutedVersion: new("7"), Payload: in.Payload}, nil
	}}
	r := serve(t, &lambda.Service, h, "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=live",
		`{"a":1}`, "X-Amz-Invocation-Type", "Event")
	if got := text(t, r); r.StatusCode != 202 || got != `{"a":1}` {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if r.Header.Get("X-Amz-Executed-Version") != "7" || r.Header.Get("x-amzn-RequestId") != requestID {
		t.Errorf("headers %v", r.Header)
	}
}

func TestErrorForms(t *testing.T) {
	for _, c := range []struct {
		name, method, target string
		err                  error
		panics               bool
		status               int
		code, body           string
	}{
		{name: "modelled", method: "POST", target: "/2015-03-31/functions/f/invocations",
			err:    &lambda.ResourceNotFoundException{Type: new("User"), Message: new("no f")},
			status: 404, code: "ResourceNotFoundException", body: `{"Type":"User","Message":"no f"}`},
		{name: "unforeseen", method: "POST", target: "/2015-03-31/functions/f/invocations", err: errors.New("secret"),
			status: 500, code: "ServiceException", body: `{"message":"The request processing has failed because of an unknown error, exception or failure."}`},
		{name: "panic", method: "POST", target: "/2015-03-31/functions/f/invocations", panics: true,
			status: 500, code: "ServiceException", body: `{"message":"The request processing has failed because of an unknown error, exception or failure."}`},
		{name: "not implemented", method: "GET", target: "/2015-03-31/functions/f",
			status: 501, code: "NotImplementedException", body: `{"message":"Paddock does not implement lambda:GetFunction yet"}`},
		{name: "unknown", method: "GET", target: "/2015-03-31/nothing",
			status: 404, code: "UnknownOperationException", body: `{"message":"No operation has the method GET and this path"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := functions{invoke: func(*lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
				if c.panics {
					panic("secret")
				}
				return nil, c.err
			}}
			r := serve(t, &lambda.Service, h, c.method, c.target, "{}")
			if got := text(t, r); r.StatusCode != c.status || got != c.body || r.Header.Get("X-Amzn-Errortype") != c.code {
				t.Errorf("%d %s %s", r.StatusCode, r.Header.Get("X-Amzn-Errortype"), got)
			}
			if r.Header.Get("x-amzn-RequestId") != requestID {
				t.Error("no request ID")
			}
		})
	}
}

// A body that turns out, while it is read, not to be the one that was signed is
// the client's fault, in the service's own words.
func TestTamperedBody(t *testing.T) {
	r := httptest.NewRequest("POST", "/2015-03-31/functions", iotest.ErrReader(&sigv4.Error{Reason: sigv4.PayloadMismatch}))
	r.Header.Set("Content-Type", "application/json")
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{RequestID: requestID}))
	w := httptest.NewRecorder()
	wire.NewServer(&lambda.Service, functions{}, quiet()).ServeHTTP(w, r)
	if w.Code/100 != 4 || w.Header().Get("X-Amzn-Errortype") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestRefuse(t *testing.T) {
	r := httptest.NewRequest("POST", "/2015-03-31/functions", nil)
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{RequestID: requestID}))
	w := httptest.NewRecorder()
	wire.NewServer(&lambda.Service, functions{}, quiet()).Refuse(w, r, awserr.New(403, "AccessDeniedException", "no"))
	if w.Code != 403 || w.Header().Get("X-Amzn-Errortype") != "AccessDeniedException" || !strings.Contains(w.Body.String(), `"no"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
