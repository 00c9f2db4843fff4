// Package sdk has what the tests call a Paddock with: clients of the AWS SDK for
// Go v2, and functions to create.
package sdk

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paddock-run/paddock/test/daemon"
)

// Patience is how long a test waits for what should take moments: the machine
// may be busy.
const Patience = 2 * time.Minute

// Region is the clients' region.
const Region = "us-east-1"

// Clients are the SDK's clients of one Paddock. They try once, so that what is
// retried is the test's to say.
type Clients struct {
	Lambda     *lambda.Client
	APIs       *apigatewayv2.Client
	Logs       *cloudwatchlogs.Client
	SQS        *sqs.Client
	CloudWatch *cloudwatch.Client
}

// For makes the clients of a daemon. The credentials are those that a Paddock
// without access keys takes.
func For(t testing.TB, d *daemon.Daemon) *Clients {
	t.Helper()
	return With(t, d, "test", "test")
}

// With makes the clients of a daemon with an access key.
func With(t testing.TB, d *daemon.Daemon, id, secret string) *Clients {
	t.Helper()
	cfg := aws.Config{
		Region: Region, BaseEndpoint: &d.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		HTTPClient:  client{},
	}
	return &Clients{
		Lambda: lambda.NewFromConfig(cfg), APIs: apigatewayv2.NewFromConfig(cfg), Logs: cloudwatchlogs.NewFromConfig(cfg),
		SQS: sqs.NewFromConfig(cfg), CloudWatch: cloudwatch.NewFromConfig(cfg),
	}
}

// client sends the SDK's requests with bodies that are read and not asked to
// write themselves. smithy-go (1.28.8) closes a body once the answer's head is
// there; net/http may then still want to see the body's end, by WriteTo, which on
// a closed body fails, and cuts the connection in the middle of the answer. It
// takes a server as quick as Paddock to see that.
type client struct{}

func (client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return http.DefaultClient.Do(r)
}

// Context ends with the test, and when its patience does.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Eventually asks again until f is true, and fails the test where its patience
// ends before.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain: %s", Patience, what)
		}
	}
}

// Code is the error code that the SDK read from an answer: empty where err is
// none of AWS's.
func Code(err error) string {
	var e interface{ ErrorCode() string }
	if !asError(err, &e) {
		return ""
	}
	return e.ErrorCode()
}

// Status is the HTTP status of the answer that an error came with, 0 where it
// came with none.
func Status(err error) int {
	var e interface{ HTTPStatusCode() int }
	if !asError(err, &e) {
		return 0
	}
	return e.HTTPStatusCode()
}

// RequestID is the ID that an error's answer named.
func RequestID(err error) string {
	var e interface{ ServiceRequestID() string }
	if !asError(err, &e) {
		return ""
	}
	return e.ServiceRequestID()
}

// Expect fails the test unless err is AWS's error with this code and status, and
// names a request.
func Expect(t testing.TB, err error, code string, status int) {
	t.Helper()
	if Code(err) != code || Status(err) != status {
		t.Errorf("the error is %q with status %d, want %s with %d: %v", Code(err), Status(err), code, status, err)
	}
	if err != nil && RequestID(err) == "" {
		t.Errorf("the answer names no request: %v", err)
	}
}

// String is *p, empty where p is nil.
func String(p *string) string { return aws.ToString(p) }
