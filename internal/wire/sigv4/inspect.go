package sigv4

import "net/http"

// Inspect reads a request's signature as strictly as Verify does, and what it
// must be made for (a signing name; empty is any), but verifies nothing: neither
// time nor key nor signature. It is for an endpoint that does not enforce
// credentials where a request must be signed all the same. A refusal is an
// *Error.
func Inspect(r *http.Request, service string) (*Verified, error) {
	a, refusal := parse(r)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := a.check(r, service); refusal != nil {
		return nil, refusal
	}
	return &Verified{Scope: a.Scope, Presigned: a.presigned, Signature: a.signature, Time: a.timeText}, nil
}

// check refuses what is not signed, or not for the service, or not all over.
func (a *authorization) check(r *http.Request, service string) *Error {
	switch {
	case a == nil:
		return &Error{Reason: Missing, Message: "Request is missing Authentication Token"}
	case service != "" && a.Service != service:
		return &Error{Reason: BadScope, Message: "Credential should be scoped to correct service: '" + service + "'."}
	}
	return a.checkSignedHeaders(r)
}
