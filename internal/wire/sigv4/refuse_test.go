package sigv4

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

const vanilla = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

// The words and codes of every refusal, as each kind of service has them.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, now, query     string
		header               http.Header
		service              string
		asQuery, asJSON, as3 awserr.Error
	}{
		{
			name:    "unsigned",
			asQuery: awserr.Error{Code: "MissingAuthenticationToken", Status: 403, Message: "Request is missing Authentication Token"},
			asJSON:  awserr.Error{Code: "MissingAuthenticationTokenException", Status: 403, Message: "Missing Authentication Token"},
			as3:     awserr.Error{Code: "AccessDenied", Status: 403, Message: "Access Denied"},
		},
		{
			name:    "bearer token",
			header:  http.Header{"Authorization": {"Bearer secret"}},
			asQuery: awserr.Error{Code: "IncompleteSignature", Status: 400, Message: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=v/3iBBM0e3oA4TY94/l8pp5BncCupV9KSnUBj6s6Do4="},
			asJSON:  awserr.Error{Code: "IncompleteSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name:    "slash in the key",
			header:  http.Header{"Authorization": {strings.Replace(vanilla, "AKIDEXAMPLE", "AKID/EXAMPLE", 1)}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "IncompleteSignature", Status: 400, Message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/EXAMPLE/20150830/us-east-1/service/aws4_request'"},
			asJSON:  awserr.Error{Code: "IncompleteSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name:    "bad date",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"today"}},
			asQuery: awserr.Error{Code: "IncompleteSignature", Status: 400, Message: "Date must be in ISO-8601 'basic format'. Got 'today'. See http://en.wikipedia.org/wiki/ISO_8601"},
			asJSON:  awserr.Error{Code: "IncompleteSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name:    "presigned without a date",
			query:   "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
			asQuery: awserr.Error{Code: "IncompleteSignature", Status: 400, Message: "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters."},
			asJSON:  awserr.Error{Code: "IncompleteSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationQueryParametersError", Status: 400},
		},
		{
			name:    "unknown key",
			header:  http.Header{"Authorization": {strings.Replace(vanilla, "AKIDEXAMPLE", "AKIDOTHER", 1)}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "InvalidClientTokenId", Status: 403, Message: "The security token included in the request is invalid."},
			asJSON:  awserr.Error{Code: "UnrecognizedClientException", Status: 403},
			as3:     awserr.Error{Code: "InvalidAccessKeyId", Status: 403, Message: "The AWS Access Key Id you provided does not exist in our records."},
		},
		{
			name:    "wrong signature",
			header:  http.Header{"Authorization": {strings.Replace(vanilla, "5fa0", "5fa1", 1)}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: mismatchMessage},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403, Message: mismatchMessage},
			as3:     awserr.Error{Code: "SignatureDoesNotMatch", Status: 403},
		},
		{
			name:    "no signature but text",
			header:  http.Header{"Authorization": {strings.Replace(vanilla, "5fa0", "xyz", 1)}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "SignatureDoesNotMatch", Status: 403},
		},
		{
			name:    "another service",
			service: "iam",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "Credential should be scoped to correct service: 'iam'."},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name:    "another day",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"20150831T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150830' != '20150831', from '20150831T123600Z'."},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name:    "terminator",
			header:  http.Header{"Authorization": {strings.Replace(vanilla, "aws4_request", "aws5_request", 1)}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
		{
			name: "too old", now: "20150830T125101Z",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "RequestTimeTooSkewed", Status: 403, Message: "The difference between the request time and the current time is too large."},
		},
		{
			name: "too young", now: "20150830T122059Z",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "RequestTimeTooSkewed", Status: 403},
		},
		{
			name:    "header not signed",
			header:  http.Header{"Authorization": {vanilla}, "X-Amz-Date": {"20150830T123600Z"}, "X-Amz-Target": {"T"}},
			asQuery: awserr.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: "There were headers present in the request which were not signed: x-amz-target"},
			asJSON:  awserr.Error{Code: "InvalidSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AccessDenied", Status: 403},
		},
		{
			name:    "sigv4a",
			header:  http.Header{"Authorization": {"AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20150830/s3/aws4_request, SignedHeaders=host, Signature=00"}, "X-Amz-Date": {"20150830T123600Z"}},
			asQuery: awserr.Error{Code: "IncompleteSignature", Status: 400, Message: "Paddock does not verify AWS4-ECDSA-P256-SHA256 signatures. Sign with AWS4-HMAC-SHA256"},
			asJSON:  awserr.Error{Code: "IncompleteSignatureException", Status: 403},
			as3:     awserr.Error{Code: "AuthorizationHeaderMalformed", Status: 400},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, "GET /?"+c.query+" HTTP/1.1\nHost: example.amazonaws.com\n\n")
			for k, vs := range c.header {
				r.Header[k] = vs
			}
			now := c.now
			if now == "" {
				now = "20150830T123600Z"
			}
			_, err := verifierAt(now).Verify(r, c.service)
			var refusal *Error
			if !errors.As(err, &refusal) {
				t.Fatalf("not refused: %v", err)
			}
			for protocol, want := range map[schema.Protocol]awserr.Error{schema.Query: c.asQuery, schema.RestJSON: c.asJSON, schema.RestXML: c.as3} {
				got := refusal.AWS(protocol)
				if got.Code != want.Code || got.Status != want.Status || want.Message != "" && got.Message != want.Message {
					t.Errorf("%s: %d %v, want %d %v", protocol, got.Status, got, want.Status, &want)
				}
			}
			if got := refusal.AWS(schema.AWSJSON); got.Status != 400 {
				t.Errorf("awsJson status %d", got.Status)
			}
		})
	}
}

func TestSessionTokenExpires(t *testing.T) {
	v := verifierAt("20150830T123600Z")
	v.Lookup = func(context.Context, string) (Credential, error) {
		return Credential{SecretKey: secrets["AKIDEXAMPLE"], Expires: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)}, nil
	}
	_, err := v.Verify(request(t, vectors[0].text), "")
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.AWS(schema.Query).Code != "ExpiredToken" || refusal.AWS(schema.AWSJSON).Code != "ExpiredTokenException" {
		t.Errorf("%v", err)
	}
}

func TestLookupFails(t *testing.T) {
	v := verifierAt("20150830T123600Z")
	broken := errors.New("disk on fire")
	v.Lookup = func(context.Context, string) (Credential, error) { return Credential{}, broken }
	if _, err := v.Verify(request(t, vectors[0].text), ""); !errors.Is(err, broken) {
		t.Errorf("%v: the cause is lost", err)
	}
}

func TestBodyTooLarge(t *testing.T) {
	v := verifierAt("20150830T123600Z")
	v.MaxBody = 12
	for _, c := range vectors {
		if c.name != "post-x-www-form-urlencoded" {
			continue
		}
		for _, length := range []int64{13, -1} {
			r := request(t, c.text)
			r.ContentLength = length
			_, err := v.Verify(r, "")
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.AWS(schema.Query).Status != 413 {
				t.Errorf("length %d: %v", length, err)
			}
		}
	}
}
