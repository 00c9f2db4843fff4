package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest appends the canonical request.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
func (a *authorization) canonicalRequest(b []byte, r *http.Request, path, payload string) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = append(b, canonicalQuery(r.URL.RawQuery, a.presigned)...)
	b = append(b, '\n')
	for _, name := range a.signedHeaders {
		b = append(b, name...)
		b = append(b, ':')
		b = appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range a.signedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payload...)
}

// appendHeader appends a header's canonical value: its values joined by
// commas, outer spaces trimmed, runs of inner spaces made one.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	var values []string
	switch name {
	case "host":
		values = []string{r.Host}
	case "content-length":
		// net/http may keep it only as a number.
		values = []string{strconv.FormatInt(max(r.ContentLength, 0), 10)}
	case "transfer-encoding":
		values = r.TransferEncoding
	default:
		values = r.Header.Values(name)
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		start := len(b)
		for i := range len(v) {
			c := v[i]
			if c == '\t' {
				c = ' '
			}
			if c == ' ' && (len(b) == start || b[len(b)-1] == ' ') {
				continue
			}
			b = append(b, c)
		}
		if len(b) > start && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
	}
	return b
}

// canonicalQuery sorts the parameters by their encoded names, then values.
func canonicalQuery(raw string, presigned bool) string {
	if raw == "" {
		return ""
	}
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = recode(name)
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, pair{name, recode(value)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var out strings.Builder
	out.Grow(len(raw) + 16)
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(p.name)
		out.WriteByte('=')
		out.WriteString(p.value)
	}
	return out.String()
}

// recode decodes a query component and encodes it AWS's way; one that does not
// decode stands for itself.
func recode(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		s = decoded
	}
	return string(appendEncoded(nil, s, false))
}

// canonicalPaths returns the paths that a client may have signed. S3 signs the
// path encoded once: clients that send some characters bare sign them either
// way. The others sign the path as it goes over the wire, encoded once more,
// after normalisation (RFC 3986 section 5.2.4, and no empty segments), which
// some SDKs leave out.
func canonicalPaths(r *http.Request, service string) []string {
	wire := r.URL.EscapedPath()
	if wire == "" {
		wire = "/"
	}
	if service == "s3" {
		decoded, err := url.PathUnescape(wire)
		if err != nil {
			decoded = wire
		}
		if once := string(appendEncoded(nil, decoded, true)); once != wire {
			return []string{once, wire}
		}
		return []string{wire}
	}
	plain := string(appendEncoded(nil, wire, true))
	if normal := normalise(wire); normal != wire {
		return []string{string(appendEncoded(nil, normal, true)), plain}
	}
	return []string{plain}
}

func normalise(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	last := ""
	for segment := range strings.SplitSeq(path, "/") {
		last = segment
		switch segment {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
		}
	}
	out := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (last == "" || last == "." || last == "..") {
		out += "/"
	}
	return out
}

// appendEncoded percent-encodes everything but RFC 3986's unreserved
// characters, and slashes where they are kept.
func appendEncoded(b []byte, s string, keepSlash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', keepSlash && c == '/':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// stringToSign is the text that the signing key signs.
func (a *authorization) stringToSign(canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b := make([]byte, 0, 160)
	b = append(b, algorithm+"\n"...)
	b = append(b, a.timeText...)
	b = append(b, '\n')
	b = append(b, a.Date...)
	b = append(b, '/')
	b = append(b, a.Region...)
	b = append(b, '/')
	b = append(b, a.Service...)
	b = append(b, "/"+terminator+"\n"...)
	return hex.AppendEncode(b, sum[:])
}

// signingKey derives the key of a day, region and service.
func signingKey(secret string, s Scope) []byte {
	key := sign([]byte("AWS4"+secret), s.Date)
	key = sign(key, s.Region)
	key = sign(key, s.Service)
	return sign(key, terminator)
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
