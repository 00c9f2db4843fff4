package lambda

import (
	"errors"
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// AWS's answers name the party at fault in Type.
const (
	faultOfUser    = "User"
	faultOfService = "Service"
)

func text(format string, args ...any) *string {
	if len(args) == 0 {
		return new(format)
	}
	return new(fmt.Sprintf(format, args...))
}

func notFound(format string, args ...any) error {
	return &api.ResourceNotFoundException{Type: new(faultOfUser), Message: text(format, args...)}
}

func functionNotFound(arn string) error { return notFound("Function not found: %s", arn) }

func invalidParameter(format string, args ...any) error {
	return &api.InvalidParameterValueException{Type: new(faultOfUser), Message: text(format, args...)}
}

func conflict(format string, args ...any) error {
	return &api.ResourceConflictException{Type: new(faultOfUser), Message: text(format, args...)}
}

func updateInProgress(arn string) error {
	return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", arn)
}

func inState(state api.State) error {
	return conflict("The operation cannot be performed at this time. The function is currently in the following state: %s", state)
}

func wrongRevision() error {
	return &api.PreconditionFailedException{Type: new(faultOfUser), Message: text("The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")}
}

// unsupported refuses a setting that Paddock would otherwise ignore.
func unsupported(setting string) error {
	return invalidParameter("Paddock does not support %s yet. Remove it from the request.", setting)
}

func tooLarge(format string, args ...any) error {
	return awserr.New(413, "RequestEntityTooLargeException", format, args...)
}

// archiveError words what is wrong with a code archive; other errors pass.
func archiveError(err error) error {
	var bad *archive.Error
	if !errors.As(err, &bad) {
		return err
	}
	return invalidParameter("%s", archiveReason(bad))
}

func archiveReason(bad *archive.Error) string {
	switch bad.Kind {
	case archive.Empty:
		return "Uploaded file must be a non-empty zip"
	case archive.TooLarge:
		return fmt.Sprintf("Unzipped size must be smaller than %d bytes", archive.Lambda.Unzipped)
	case archive.Unsafe:
		return "Could not unzip uploaded file. Please check your file, then try to upload again. Reason: " + bad.Reason()
	default:
		return "Could not unzip uploaded file. Please check your file, then try to upload again."
	}
}

// invokeError turns an error of the invoker into the API's; what it does not
// know, such as the context's own error, passes.
func invokeError(err error) error {
	var throttled *function.ErrThrottled
	switch {
	case errors.As(err, &throttled):
		message := "Rate Exceeded."
		if throttled.Detail != "" {
			message = throttled.Detail
		}
		return &api.TooManyRequestsException{
			Type: new(faultOfUser), Message: &message,
			Reason:            new(api.ThrottleReason(throttled.Reason)),
			RetryAfterSeconds: new("1"),
		}
	case errors.Is(err, function.ErrNoRuntime):
		return &api.InvalidRuntimeException{Type: new(faultOfUser), Message: text("%s", err.Error())}
	case errors.Is(err, function.ErrShuttingDown):
		return &api.ServiceException{Type: new(faultOfService), Message: text("Paddock is shutting down and takes no new invocations.")}
	}
	return err
}

// changedMeanwhile reports whether a conditional write lost against another.
func changedMeanwhile(err error) bool {
	return errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}
