package sigv4

import (
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Reason says why a request was refused.
type Reason uint8

const (
	Missing          Reason = iota // not signed at all
	Incomplete                     // an Authorization header that lacks something or does not parse
	IncompleteQuery                // a presigned URL that lacks something or does not parse
	UnknownKey                     // no such access key, or not with this session token
	ExpiredToken                   // the session token's time is over
	BadScope                       // signed for another day, service or with another terminator
	Mismatch                       // the signature is not the request's
	Skewed                         // signed more than 15 minutes ago, or from now
	PresignedExpired               // a presigned URL whose time is over
	HeadersNotSigned               // a header that must be signed is not
	PayloadMismatch                // the body is not what X-Amz-Content-Sha256 says
	TooLarge                       // a body larger than what may be kept to verify it
)

// Error is the refusal of a request's signature. Services word it differently:
// AWS gives the words.
type Error struct {
	Reason  Reason
	Message string // for people; what is wrong with this request
}

func (e *Error) Error() string { return "sigv4: " + e.Message }

const mismatchMessage = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func mismatch() *Error { return &Error{Reason: Mismatch, Message: mismatchMessage} }

// AWS returns the error as the services that speak a protocol answer it: the
// Query services in the words of AWS's common errors, the JSON and CBOR ones
// with those codes' "Exception" forms, S3 (restXml) in its own.
//
//   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
//   - https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html
//   - https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (e *Error) AWS(protocol schema.Protocol) *awserr.Error {
	if e.Reason == TooLarge {
		return &awserr.Error{Code: "RequestEntityTooLargeException", Message: e.Message, Status: 413}
	}
	switch protocol {
	case schema.RestXML:
		return e.s3()
	case schema.Query:
		return e.query()
	default:
		out := e.query()
		switch out.Code {
		case "InvalidClientTokenId":
			out.Code = "UnrecognizedClientException"
		case "SignatureDoesNotMatch":
			out.Code = "InvalidSignatureException"
		default:
			out.Code += "Exception"
		}
		if e.Reason == Missing {
			out.Message = "Missing Authentication Token"
		}
		out.Status = 403
		if protocol != schema.RestJSON {
			out.Status = 400 // the JSON RPC front end answers every client error so
		}
		return out
	}
}

func (e *Error) query() *awserr.Error {
	out := &awserr.Error{Message: e.Message, Status: 403}
	switch e.Reason {
	case Missing:
		out.Code = "MissingAuthenticationToken"
	case Incomplete, IncompleteQuery:
		out.Code, out.Status = "IncompleteSignature", 400
	case UnknownKey:
		out.Code = "InvalidClientTokenId"
	case ExpiredToken:
		out.Code = "ExpiredToken"
	default:
		out.Code = "SignatureDoesNotMatch"
	}
	return out
}

func (e *Error) s3() *awserr.Error {
	out := &awserr.Error{Message: e.Message, Status: 403}
	switch e.Reason {
	case Missing:
		out.Code, out.Message = "AccessDenied", "Access Denied"
	case Incomplete, BadScope:
		out.Code, out.Status = "AuthorizationHeaderMalformed", 400
		out.Message = "The authorization header is malformed; " + e.Message
	case IncompleteQuery:
		out.Code, out.Status = "AuthorizationQueryParametersError", 400
	case UnknownKey:
		out.Code, out.Message = "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
	case ExpiredToken:
		out.Code, out.Status, out.Message = "ExpiredToken", 400, "The provided token has expired."
	case Skewed:
		out.Code, out.Message = "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
	case PresignedExpired:
		out.Code, out.Message = "AccessDenied", "Request has expired"
	case HeadersNotSigned:
		out.Code = "AccessDenied"
	case PayloadMismatch:
		out.Code, out.Status = "XAmzContentSHA256Mismatch", 400
		out.Message = "The provided 'x-amz-content-sha256' header does not match what was computed."
	default:
		out.Code = "SignatureDoesNotMatch"
		out.Message = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	}
	return out
}
