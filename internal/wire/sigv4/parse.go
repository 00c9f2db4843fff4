// Package sigv4 reads and verifies AWS Signature Version 4, in the
// Authorization header and in the query string of presigned URLs.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
//
// ParseScope only reads who says to have signed, for which region and service:
// that is all an endpoint that does not enforce credentials wants to know. A
// Verifier checks the signature.
package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm       = "AWS4-HMAC-SHA256"
	algorithmECDSA  = "AWS4-ECDSA-P256-SHA256" // SigV4a: its scope has no region
	terminator      = "aws4_request"
	timeFormat      = "20060102T150405Z"
	maxAge          = 15 * time.Minute
	maxPresignedAge = 7 * 24 * time.Hour
)

// Scope is a credential scope: what a signature says of itself.
type Scope struct {
	AccessKey string
	Date      string // YYYYMMDD
	Region    string // "us-east-1"; the first of the region set of a SigV4a signature
	Service   string // the service's signing name
}

// ParseScope reads the credential scope of a request, out of the Authorization
// header or else the X-Amz-Credential parameter of a presigned URL. It verifies
// nothing, and takes what it can of scopes that a verifier would refuse; it
// reports false where there is no scope with an access key, a region and a
// service in it.
func ParseScope(r *http.Request) (Scope, bool) {
	if h := r.Header["Authorization"]; len(h) > 0 {
		sigv4a := strings.HasPrefix(h[0], algorithmECDSA+" ")
		if !sigv4a && !strings.HasPrefix(h[0], algorithm+" ") {
			return Scope{}, false
		}
		_, credential, ok := strings.Cut(h[0], "Credential=")
		if !ok {
			return Scope{}, false
		}
		if end := strings.IndexAny(credential, ", "); end >= 0 {
			credential = credential[:end]
		}
		var regions string
		if sigv4a {
			regions = r.Header.Get("X-Amz-Region-Set")
		}
		return looseScope(credential, sigv4a, regions)
	}
	raw, ok := rawParameter(r.URL.RawQuery, "X-Amz-Credential")
	if !ok {
		return Scope{}, false
	}
	credential, err := url.QueryUnescape(raw)
	if err != nil {
		return Scope{}, false
	}
	var regions string
	alg, _ := rawParameter(r.URL.RawQuery, "X-Amz-Algorithm")
	if alg == algorithmECDSA {
		set, _ := rawParameter(r.URL.RawQuery, "X-Amz-Region-Set")
		if regions, err = url.QueryUnescape(set); err != nil {
			return Scope{}, false
		}
	}
	return looseScope(credential, alg == algorithmECDSA, regions)
}

// looseScope takes a credential apart from its end: access keys that people
// make up may hold slashes.
func looseScope(credential string, sigv4a bool, regions string) (Scope, bool) {
	rest, ok := strings.CutSuffix(credential, "/"+terminator)
	if !ok {
		return Scope{}, false
	}
	var s Scope
	if rest, s.Service, ok = cutLast(rest); !ok {
		return Scope{}, false
	}
	if sigv4a {
		s.Region, _, _ = strings.Cut(regions, ",")
	} else if rest, s.Region, ok = cutLast(rest); !ok {
		return Scope{}, false
	}
	s.AccessKey, s.Date, ok = cutLast(rest)
	return s, ok && s.AccessKey != "" && s.Region != "" && s.Service != ""
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// rawParameter finds the first parameter of that name in a raw query, without
// decoding its value.
func rawParameter(query, name string) (string, bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
			return pair[len(name)+1:], true
		}
	}
	return "", false
}

// Signed reports whether a request carries a signature of any kind, well formed
// or not: an Authorization header, or a presigned URL's parameters.
func Signed(r *http.Request) bool {
	if len(r.Header["Authorization"]) > 0 {
		return true
	}
	q := r.URL.RawQuery
	return strings.Contains(q, "X-Amz-Signature=") || strings.Contains(q, "X-Amz-Credential=") || strings.Contains(q, "X-Amz-Algorithm=")
}

// authorization is a signature with all that it says of itself.
type authorization struct {
	Scope
	signedHeaders []string // lower case, as listed
	signature     string   // lower-case hex, as sent
	time          time.Time
	timeText      string        // the time in timeFormat
	limited       bool          // a presigned URL that says when it expires
	expires       time.Duration // of a limited one
	token         string        // the session token; may be empty
	presigned     bool
}

// parse reads a request's signature strictly. A nil authorization without an
// error is an unsigned request.
func parse(r *http.Request) (*authorization, *Error) {
	switch headers := r.Header["Authorization"]; {
	case len(headers) > 1:
		return nil, &Error{Reason: Incomplete, Message: "More than one Authorization header"}
	case len(headers) == 1:
		return parseHeader(r, headers[0])
	case Signed(r):
		return parsePresigned(r)
	}
	return nil, nil
}

func parseHeader(r *http.Request, header string) (*authorization, *Error) {
	alg, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if alg == algorithmECDSA {
		return nil, &Error{Reason: Incomplete, Message: "Paddock does not verify " + algorithmECDSA + " signatures. Sign with " + algorithm}
	}
	var credential, signed, signature string
	if alg == algorithm {
		for field := range strings.SplitSeq(rest, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch name {
			case "Credential":
				credential = value
			case "SignedHeaders":
				signed = value
			case "Signature":
				signature = value
			}
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	var missing strings.Builder
	for _, want := range []struct{ value, text string }{
		{credential, "Authorization header requires 'Credential' parameter. "},
		{signature, "Authorization header requires 'Signature' parameter. "},
		{signed, "Authorization header requires 'SignedHeaders' parameter. "},
		{date, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "},
	} {
		if want.value == "" {
			missing.WriteString(want.text)
		}
	}
	if missing.Len() > 0 {
		// The header may be some other system's secret (a bearer token sent
		// here by mistake): answers and logs get its hash, as AWS gives it.
		sum := sha256.Sum256([]byte(header))
		return nil, &Error{Reason: Incomplete, Message: missing.String() +
			"(Hashed with SHA-256 and encoded with Base64) Authorization=" + base64.StdEncoding.EncodeToString(sum[:])}
	}
	a := &authorization{signature: signature, token: r.Header.Get("X-Amz-Security-Token")}
	return a, a.fill(credential, signed, date)
}

func parsePresigned(r *http.Request) (*authorization, *Error) {
	q := r.URL.Query()
	if q.Get("X-Amz-Algorithm") != algorithm || q.Get("X-Amz-Credential") == "" || q.Get("X-Amz-Signature") == "" ||
		q.Get("X-Amz-SignedHeaders") == "" || q.Get("X-Amz-Date") == "" {
		return nil, &Error{Reason: IncompleteQuery, Message: "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters."}
	}
	a := &authorization{signature: q.Get("X-Amz-Signature"), token: q.Get("X-Amz-Security-Token"), presigned: true}
	if text := q.Get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			return nil, &Error{Reason: IncompleteQuery, Message: "X-Amz-Expires should be a number"}
		case seconds < 0:
			return nil, &Error{Reason: IncompleteQuery, Message: "X-Amz-Expires must be non-negative"}
		case seconds > int64(maxPresignedAge/time.Second):
			return nil, &Error{Reason: IncompleteQuery, Message: "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"}
		}
		a.limited, a.expires = true, time.Duration(seconds)*time.Second
	}
	return a, a.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Date"))
}

// fill reads the three parts that both forms have.
func (a *authorization) fill(credential, signed, date string) *Error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return &Error{Reason: Incomplete, Message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + credential + "'"}
	}
	a.Scope = Scope{AccessKey: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]}
	a.signedHeaders = strings.Split(signed, ";")
	var err error
	if a.time, err = time.Parse(timeFormat, date); err != nil {
		if a.time, err = http.ParseTime(date); err != nil || a.presigned {
			return &Error{Reason: Incomplete, Message: "Date must be in ISO-8601 'basic format'. Got '" + date + "'. See http://en.wikipedia.org/wiki/ISO_8601"}
		}
	}
	a.timeText = a.time.UTC().Format(timeFormat)
	switch {
	case parts[4] != terminator:
		return &Error{Reason: BadScope, Message: "Credential should be scoped with a valid terminator: 'aws4_request', not '" + parts[4] + "'."}
	case a.Date != a.timeText[:8]:
		return &Error{Reason: BadScope, Message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + a.Date + "' != '" + a.timeText[:8] + "', from '" + a.timeText + "'."}
	}
	if sig, err := hex.DecodeString(a.signature); err != nil || len(sig) != sha256.Size {
		return mismatch()
	}
	return nil
}
