package eventsource

import (
	"context"
	"errors"
	"log/slog"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
)

// Source makes the pollers of one Kind. It is safe for concurrent use.
type Source interface {
	// NewPoller makes a poller for m; it asks nothing of the source yet. Its
	// error says what is wrong with m.
	NewPoller(m *Mapping, host Host) (Poller, error)
}

// Poller takes records from one event source to one function.
type Poller interface {
	// Run polls until polling ends: then it takes no more records, lets the
	// invocations that run finish, settles their records and returns nil. When
	// life ends it returns at once, and what was in flight comes again.
	//
	// An error says that the source cannot be polled; the supervisor reports it
	// and runs the poller again after a while, so Run must start afresh each
	// time. What passes by itself (a function that fails, a broker that restarts)
	// Run retries itself, and reports.
	Run(polling, life context.Context) error
}

// Host is what a poller may use.
type Host struct {
	Functions    Functions
	Destinations Destinations
	Secrets      Secrets
	Metrics      metrics.Recorder // never nil
	Logger       *slog.Logger     // never nil; it says which mapping it is
	Reporter     Reporter
}

// Functions runs functions.
type Functions interface {
	// Call invokes a function (by the ARN that a Mapping names it with)
	// synchronously and waits for its result, as function.Invoker's Invoke does.
	// Payload is JSON, at most MaxPayload bytes. A function that fails is a
	// Result with FunctionError. An error is a *function.ErrThrottled,
	// function.ErrGone where there is no such function, ctx's, or a fault; they
	// may be wrapped.
	Call(ctx context.Context, functionARN string, payload []byte) (*function.Result, error)
}

// MaxPayload is the most bytes that a synchronous invocation takes, and so a
// batch's event has.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxPayload = 6291456

// Destinations takes records of what was given up.
type Destinations interface {
	// Deliver hands record, a JSON document, to an on-failure destination by its
	// ARN (a queue), and returns once it is durable there.
	Deliver(ctx context.Context, m *Mapping, destination string, record []byte) error
}

// Secrets reads what Secrets Manager keeps.
type Secrets interface {
	// Secret returns the string of the secret with that ARN; ErrNoSecret where
	// there is none.
	Secret(ctx context.Context, account, region, arn string) (string, error)
}

// ErrNoSecret is for a secret that is not there.
var ErrNoSecret = errors.New("no such secret")

// Reporter takes what GetEventSourceMapping shows. It is safe for concurrent
// use, cheap enough for each batch, and does not fail.
type Reporter interface {
	// Processed sets LastProcessingResult: one of the results below, or
	// "PROBLEM: …".
	Processed(result string)
}

// The values of LastProcessingResult.
const (
	NothingProcessed = "No records processed"
	OK               = "OK"
	CallFailed       = "PROBLEM: Function call failed"
)
