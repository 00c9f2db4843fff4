package wire

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// NotImplementedCode is the error code of an operation that Paddock does not
// implement, in every protocol; its status is 501 and its message names the
// operation. AWS has no code of its own for this but S3, which has
// NotImplemented for headers.
const NotImplementedCode = "NotImplementedException"

// internalMessage is AWS's own text for InternalFailure.
// https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html
const internalMessage = "The request processing has failed because of an unknown error, exception or failure."

// fault turns an error into what the client is to see of it. cause is what
// belongs in the log instead: nil where the client is told all there is.
func (x *exchange) fault(err error) (f *fault.Fault, cause error) {
	if me, ok := errors.AsType[schema.ModeledError](err); ok {
		f := fault.Modeled(x.svc, me.ErrorShape(), me, x.id.RequestID)
		if !f.Sender() {
			cause = err
		}
		return f, cause
	}
	if ae, ok := errors.AsType[*awserr.Error](err); ok {
		f := x.plain(ae.Status, ae.Code, ae.Message)
		if !f.Sender() {
			cause = err
		}
		return f, cause
	}
	if se, ok := errors.AsType[*sigv4.Error](err); ok { // a body that is not the one that was signed
		ae := se.AWS(x.protocol)
		return x.plain(ae.Status, ae.Code, ae.Message), nil
	}
	if ni, ok := errors.AsType[*schema.NotImplementedError](err); ok {
		return x.plain(http.StatusNotImplemented, NotImplementedCode, ni.Error()), nil
	}
	if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
		// Nobody reads this: the client has gone.
		return x.internal(), nil
	}
	return x.internal(), err
}

func (x *exchange) plain(status int, code, message string) *fault.Fault {
	// 304 is no error but S3's answer to a condition, and stands for one here.
	if status < 300 || status > 599 {
		status = http.StatusInternalServerError
	}
	return &fault.Fault{Status: status, Code: code, QueryCode: code, Message: message, RequestID: x.id.RequestID}
}

// internal is the 500 of whatever no model foresees: the exception that the
// operation declares for it, else InternalFailure.
func (x *exchange) internal() *fault.Fault {
	code, queryCode := "InternalFailure", "InternalFailure"
	if x.op != nil {
		for _, id := range x.op.Errors {
			if e := x.svc.Shape(id).Error; e != nil && e.Status == http.StatusInternalServerError {
				code = x.svc.Shape(id).Name
				queryCode = cmp.Or(e.Code, code)
				if !x.svc.QueryCompatible {
					code = queryCode
				}
				break
			}
		}
	}
	f := x.plain(http.StatusInternalServerError, code, internalMessage)
	f.QueryCode = queryCode
	return f
}

func isTold(err error) bool {
	_, ok := errors.AsType[*reply.ToldError](err)
	return ok
}
