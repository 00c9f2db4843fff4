// Package function holds what the Lambda service, the invoker and the gateways
// share: a function version that is ready to start, an invocation of it, and
// its result. Values are immutable once they are handed on.
package function

import (
	"context"
	"errors"
	"io"
	"time"
)

// Version is a snapshot of one function version, ready to start. A change to
// the function makes a new Version with another RevisionID; environments of the
// old one finish what they run and are shut down.
type Version struct {
	Account, Region string
	Name            string
	Version         string // "$LATEST" or a number
	ARN             string // qualified by Version, except for $LATEST: unqualified
	RevisionID      string
	Runtime         string // "python3.13", "nodejs22.x", "provided.al2023"
	Handler         string
	Architecture    string            // "x86_64" or "arm64"
	CodeDir         string            // host folder of the unpacked archive
	LayerDirs       []string          // those of its layers, in order: later ones cover earlier ones
	Image           *Image            // nil where the code is an archive; else there are no Runtime, CodeDir and LayerDirs
	Environment     map[string]string // the function's own variables
	Timeout         time.Duration     // 1 s to 900 s
	MemoryMB        int               // 128 to 10240
	EphemeralMB     int               // /tmp: 512 to 10240
	Tracing         string            // "PassThrough" or "Active"
	LogGroup        string            // "/aws/lambda/<name>" unless configured
	LogFormat       string            // "Text" or "JSON"
	// Of the JSON format only: the least level of what the function logs
	// ("TRACE" to "FATAL") and of what the platform does ("DEBUG", "INFO",
	// "WARN"); empty: "INFO".
	ApplicationLogLevel, SystemLogLevel string
	Role                                string
	// DeadLetter is the ARN of the queue that gets events which are given up;
	// empty: none does.
	DeadLetter string
}

// ID returns the name of the function that the version belongs to.
func (v *Version) ID() ID { return ID{v.Account, v.Region, v.Name} }

// ID names a function: all its versions together.
type ID struct{ Account, Region, Name string }

// Invocation is one request to run a Version.
type Invocation struct {
	Version       *Version
	RequestID     string // a UUID: the function's request ID, and the API's
	InvokedARN    string // as the caller named it: with its alias or version
	Payload       []byte // at most 6 MB synchronous, 1 MB asynchronous
	ClientContext []byte // JSON, decoded from base64; nil when absent
	TraceID       string // X-Amzn-Trace-Id; empty: the invoker makes one
	Tail          bool   // collect the last 4 KB of the log into Result.LogTail
	// Event is how an asynchronous invocation is retried; nil: DefaultEventPolicy.
	Event *EventPolicy
}

// EventPolicy is how an asynchronous invocation is retried, and who is told what
// came of it.
type EventPolicy struct {
	Retries int           // after an error of the function's: 0 to 2
	MaxAge  time.Duration // after which an event is given up: a minute to 6 hours
	// OnSuccess and OnFailure are the ARNs of who gets a record of it; empty: nobody.
	OnSuccess, OnFailure string
}

// DefaultEventPolicy is AWS's.
var DefaultEventPolicy = EventPolicy{Retries: 2, MaxAge: 6 * time.Hour}

// Result is what an invocation came to.
type Result struct {
	Payload []byte
	// FunctionError is empty on success, "Unhandled" when the function failed:
	// Payload then holds errorMessage, errorType and stackTrace.
	FunctionError string
	LogTail       []byte // the last 4 KB of the invocation's log, if asked for
	// RequestID and ExecutedVersion ("$LATEST" or a number) are for callers that
	// name a function by its ARN alone, set by who resolves it; else empty.
	RequestID, ExecutedVersion string
}

// Stream is the result of an invocation that is answered while the function
// still writes. Body ends with a *StreamError when the function failed after
// its first byte.
type Stream struct {
	ContentType string
	// Body must be closed; closing it early does not stop the function.
	Body io.ReadCloser
	// LogTail is valid once Body has been read to its end.
	LogTail func() []byte
}

// StreamError is how a function failed after it had begun to answer.
type StreamError struct{ Type, Details string }

func (e *StreamError) Error() string { return e.Type + ": " + e.Details }

// Invoker runs functions. It is safe for concurrent use.
type Invoker interface {
	// Invoke runs the function and waits for its result. A function that fails
	// is a Result with FunctionError; an error is one of those below, ctx's, or
	// a fault of the invoker's own.
	Invoke(ctx context.Context, inv *Invocation) (*Result, error)
	// InvokeStream is Invoke for callers that take the answer as it comes. A
	// function that fails before its first byte is a Stream whose Body yields
	// a *StreamError at once.
	InvokeStream(ctx context.Context, inv *Invocation) (*Stream, error)
	// InvokeEvent returns once the invocation is durable; it is run, and retried
	// when it fails, in the background, at least once. What runs is what InvokedARN
	// (where that is empty, Version.ARN) means when its turn comes, which may be
	// hours later.
	InvokeEvent(ctx context.Context, inv *Invocation) error
	// Retire lets the environments of a function version finish what they run
	// and shuts them down. arn is Version.ARN; an unknown one is no error.
	Retire(arn string)
}

// Provisioned is what there is of a version's provisioned concurrency.
type Provisioned struct {
	Wanted      int
	Initialized int // at work or not
	// Complete: there have been as many as are wanted.
	Complete bool
	// Reason says why the last environment could not be had; empty: it could.
	Reason string
}

// ErrThrottled: a concurrency limit is reached. Its text is the Reason of
// AWS's TooManyRequestsException.
type ErrThrottled struct {
	Reason string
	Detail string // for the caller; empty: there is no more to say than AWS does
}

func (e *ErrThrottled) Error() string {
	if e.Detail != "" {
		return e.Detail
	}
	return "throttled: " + e.Reason
}

var (
	// ErrShuttingDown: the daemon is stopping and takes no new invocations.
	ErrShuttingDown = errors.New("the daemon is shutting down")
	// ErrNoRuntime: no interpreter on this host can run the function's runtime;
	// the wrapping error says which was looked for and what to install.
	ErrNoRuntime = errors.New("no interpreter for the runtime")
	// ErrGone: the function, or the version of it, has been deleted.
	ErrGone = errors.New("the function is gone")
	// ErrResponseTooLarge: the function's response is over 6 MB.
	ErrResponseTooLarge = errors.New("response payload size exceeded maximum allowed payload size (6291556 bytes)")
)
