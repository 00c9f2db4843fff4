package invoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/runtimeapi"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// The errorType of failures that the platform finds.
// https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
const (
	errorTimedOut    = "Sandbox.Timedout"
	errorExit        = "Runtime.ExitError"
	errorOutOfMemory = "Runtime.OutOfMemory"
)

// failure is how a function, or its start, failed.
type failure struct {
	errorType string
	message   string // without "RequestId: … Error: "
	payload   []byte // the error document as the runtime sent it; nil: to be made of the above
	reported  bool   // by the runtime, through the Runtime API
	err       error  // not the function's fault: there is no environment to run it in
}

func (f *failure) status() string {
	if f.errorType == errorTimedOut {
		return statusTimeout
	}
	return statusError
}

// reason is what extensions are told of the end of their environment.
func (f *failure) reason() string {
	if f.errorType == errorTimedOut {
		return runtimeapi.ReasonTimeout
	}
	return runtimeapi.ReasonFailure
}

// document is what the function's caller gets.
func (f *failure) document(requestID string) []byte {
	if len(f.payload) > 0 {
		return f.payload
	}
	b, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{f.errorType, "RequestId: " + requestID + " Error: " + f.message})
	if err != nil {
		return []byte("{}") // two strings: cannot happen
	}
	return b
}

func timeoutMessage(limit time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())
}

func timedOut(limit time.Duration) *failure {
	return &failure{errorType: errorTimedOut, message: timeoutMessage(limit)}
}

// reported is a failure that the runtime told.
func reported(e *runtimeapi.Error) *failure {
	return &failure{errorType: e.Type, message: "Unknown application error occurred", payload: e.Payload, reported: true}
}

// exited is a runtime that ended when it should not have.
func exited(x sandbox.Exit) *failure {
	f := &failure{errorType: errorExit}
	switch {
	case x.OOM:
		f.errorType = errorOutOfMemory
		f.message = "Runtime exited with error: signal: killed"
	case x.Signal != 0:
		f.message = "Runtime exited with error: signal: " + x.Signal.String()
	case x.Code != 0:
		f.message = fmt.Sprintf("Runtime exited with error: exit status %d", x.Code)
	default:
		f.message = "Runtime exited without providing a reason"
	}
	return f
}

// notStarted is a runtime whose program could not be started: the function's
// fault where the program is missing or cannot be run, else the host's.
func notStarted(err error, layout sandbox.Layout, invalidEntrypoint func() (string, string)) *failure {
	var exec *sandbox.ExecError
	var path *fs.PathError
	if errors.As(err, &path) && path.Op == "chdir" { // only images choose where they start
		return &failure{errorType: "Runtime.InvalidWorkingDir", message: path.Error()}
	}
	if !errors.As(err, &exec) {
		return &failure{err: err}
	}
	f := &failure{}
	f.errorType, f.message = invalidEntrypoint()
	if !errors.Is(err, fs.ErrNotExist) {
		f.message = exec.Error()
	}
	f.message = lambdaPaths(f.message, layout)
	return f
}

// lambdaPaths says where things stand in Lambda where the driver has them
// elsewhere: the function's author knows no other place.
func lambdaPaths(message string, layout sandbox.Layout) string {
	var pairs []string
	for _, p := range [][2]string{{layout.Task, "/var/task"}, {layout.Opt, "/opt"}, {layout.Runtime, "/var/runtime"}, {layout.Lang, "/var/lang"}} {
		if p[0] != "" {
			pairs = append(pairs, p[0], p[1])
		}
	}
	return strings.NewReplacer(pairs...).Replace(message)
}

// tooLarge is a streamed response that does not fit into the answer of a caller
// that wants it whole.
func tooLarge() *failure {
	return &failure{
		errorType: runtimeapi.ErrorResponseTooLarge,
		payload: fmt.Appendf(nil, `{"errorMessage":"Response payload size exceeded maximum allowed payload size (%d bytes).","errorType":%q}`,
			runtimeapi.MaxPayload, runtimeapi.ErrorResponseTooLarge),
	}
}
