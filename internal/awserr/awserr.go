// Package awserr holds the errors that AWS's front ends answer with and that
// no service's model declares: validation, access, throttling, serialization.
//
// A service returns its own modelled errors (see schema.ModeledError) and these;
// anything else that comes out of a handler is a 500 whose cause is logged and
// never shown.
package awserr

import "fmt"

// Error is an AWS error that is not part of a service's model.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html and
// each service's "Common Errors" page list the codes.
type Error struct {
	Code    string
	Message string
	Status  int // HTTP status; 5xx are the server's fault, the rest the sender's
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// New makes an error with a formatted message.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// Validation is the 400 ValidationException of request validation.
func Validation(format string, args ...any) *Error {
	return New(400, "ValidationException", format, args...)
}

// Serialization is the 400 SerializationException of a body that does not parse.
func Serialization(format string, args ...any) *Error {
	return New(400, "SerializationException", format, args...)
}
