package sigv4

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Values of X-Amz-Content-Sha256 that are not a hash.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingPayload         = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingPayloadTrailer  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Credential is what is known of an access key.
type Credential struct {
	SecretKey    string
	SessionToken string    // of temporary credentials: requests must carry it; else empty
	Expires      time.Time // of temporary credentials; zero is never
	Account      string    // twelve digits; empty where the access key does not decide it
}

// ErrUnknownKey is what a lookup returns for an access key that does not exist
// or is not active.
var ErrUnknownKey = errors.New("sigv4: unknown access key")

// Verifier verifies requests. Its methods may be called at the same time.
type Verifier struct {
	// Lookup finds an access key: ErrUnknownKey where there is none.
	Lookup func(ctx context.Context, accessKey string) (Credential, error)
	// MaxBody limits, in bytes, the bodies that must be kept in memory to be
	// verified: those of requests without X-Amz-Content-Sha256.
	MaxBody int64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Verified is what a verified request was signed with.
type Verified struct {
	Scope
	Account   string // the credential's; may be empty
	Presigned bool
	// Payload is the canonical request's last line: a hash, UnsignedPayload,
	// or one of the Streaming values.
	Payload string
	// SigningKey, Signature and Time (as in X-Amz-Date) are what the chunk
	// signatures of the signed Streaming payloads go on from.
	SigningKey []byte
	Signature  string
	Time       string
}

// Verify checks a request's signature, which must be made for service (a
// signing name; empty is any). A refusal is an *Error; any other error is a
// body that could not be read or a failed lookup.
//
// It may replace r.Body. Where the signature names the body's hash in
// X-Amz-Content-Sha256, reading the body to its end is what verifies it: the
// read that completes a wrong body returns an *Error instead of io.EOF and
// never the last bytes, so a handler must not act on a body that it did not
// read to the end. Of aws-chunked bodies (Verified.Payload is a Streaming
// value) only the seed signature is verified: the chunks are as they came.
func (v *Verifier) Verify(r *http.Request, service string) (*Verified, error) {
	a, refusal := parse(r)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := a.check(r, service); refusal != nil {
		return nil, refusal
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	if refusal := a.checkTime(now().UTC()); refusal != nil {
		return nil, refusal
	}
	credential, err := v.Lookup(r.Context(), a.AccessKey)
	if err != nil && !errors.Is(err, ErrUnknownKey) {
		return nil, err
	}
	if err != nil || !hmac.Equal([]byte(credential.SessionToken), []byte(a.token)) {
		return nil, &Error{Reason: UnknownKey, Message: "The security token included in the request is invalid."}
	}
	if !credential.Expires.IsZero() && !now().Before(credential.Expires) {
		return nil, &Error{Reason: ExpiredToken, Message: "The security token included in the request is expired"}
	}
	payload, err := v.payload(r, a)
	if err != nil {
		return nil, err
	}
	key := signingKey(credential.SecretKey, a.Scope)
	if !a.matches(r, key, payload) {
		return nil, mismatch()
	}
	if err := verifyBody(r, payload); err != nil {
		return nil, err
	}
	return &Verified{
		Scope: a.Scope, Account: credential.Account, Presigned: a.presigned, Payload: payload,
		SigningKey: key, Signature: a.signature, Time: a.timeText,
	}, nil
}

func (a *authorization) matches(r *http.Request, key []byte, payload string) bool {
	sent, err := hex.DecodeString(a.signature)
	if err != nil {
		return false
	}
	buf := make([]byte, 0, 1024)
	for _, path := range canonicalPaths(r, a.Service) {
		text := a.stringToSign(a.canonicalRequest(buf[:0], r, path, payload))
		if hmac.Equal(sent, sign(key, string(text))) {
			return true
		}
	}
	return false
}

// checkSignedHeaders wants the host signed and every x-amz-* header: any of
// them, added or changed on the way, could make it another request.
func (a *authorization) checkSignedHeaders(r *http.Request) *Error {
	var unsigned []string
	if !slices.Contains(a.signedHeaders, "host") {
		unsigned = append(unsigned, "host")
	}
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if name = strings.ToLower(name); !slices.Contains(a.signedHeaders, name) {
			unsigned = append(unsigned, name)
		}
	}
	if len(unsigned) == 0 {
		return nil
	}
	slices.Sort(unsigned)
	return &Error{Reason: HeadersNotSigned, Message: "There were headers present in the request which were not signed: " + strings.Join(unsigned, ", ")}
}

func (a *authorization) checkTime(now time.Time) *Error {
	if limit := now.Add(maxAge); a.time.After(limit) {
		return &Error{Reason: Skewed, Message: "Signature not yet current: " + a.timeText + " is still later than " +
			limit.Format(timeFormat) + " (" + now.Format(timeFormat) + " + 15 min.)"}
	}
	if a.limited {
		if end := a.time.Add(a.expires); !now.Before(end) {
			return &Error{Reason: PresignedExpired, Message: "Signature expired: " + end.Format(timeFormat) + " is now earlier than " + now.Format(timeFormat)}
		}
		return nil
	}
	if limit := now.Add(-maxAge); a.time.Before(limit) {
		return &Error{Reason: Skewed, Message: "Signature expired: " + a.timeText + " is now earlier than " +
			limit.Format(timeFormat) + " (" + now.Format(timeFormat) + " - 15 min.)"}
	}
	return nil
}
