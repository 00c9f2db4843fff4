package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
)

// originPolicy knows whose pages may use the services. Paddock runs where a
// browser can reach it, often takes any credentials, and its state is worth
// something: no page of another site may read from it or change it. Pages from
// this machine (http://localhost:3000) may: they are what is being developed.
type originPolicy struct {
	any      bool
	null     bool
	allowed  map[string]bool // "https://app.example.com"
	wildcard []wildcard
}

// wildcard is an allowed origin such as https://*.example.com.
type wildcard struct{ scheme, domain string } // "https://", ".example.com"

func newOriginPolicy(allowed []string) (originPolicy, error) {
	p := originPolicy{allowed: map[string]bool{}}
	for _, origin := range allowed {
		switch origin {
		case "*":
			p.any = true
			continue
		case "null":
			p.null = true
			continue
		}
		origin = strings.ToLower(strings.TrimSuffix(origin, "/"))
		scheme, host, ok := strings.Cut(origin, "://")
		if !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?#@ ") {
			return p, fmt.Errorf("edge: allowed origin %q is not of the form scheme://host[:port]", origin)
		}
		if domain, ok := strings.CutPrefix(host, "*"); ok {
			if !strings.HasPrefix(domain, ".") || len(domain) < 2 || strings.Contains(domain, "*") {
				return p, fmt.Errorf("edge: allowed origin %q: \"*\" stands for whole labels, as in https://*.example.com", origin)
			}
			p.wildcard = append(p.wildcard, wildcard{scheme + "://", domain})
			continue
		}
		p.allowed[origin] = true
	}
	return p, nil
}

// allows reports whether pages of an origin may use services at requestHost, a
// Host header that has passed the Host check.
func (p *originPolicy) allows(origin, requestHost string) bool {
	if p.any {
		return true
	}
	if origin == "null" {
		return p.null
	}
	origin = strings.ToLower(origin)
	if p.allowed[origin] {
		return true
	}
	for _, w := range p.wildcard {
		rest, ok := strings.CutPrefix(origin, w.scheme)
		if ok && len(rest) > len(w.domain) && strings.HasSuffix(rest, w.domain) && !strings.ContainsAny(rest, "/?#@") {
			return true
		}
	}
	authority, ok := strings.CutPrefix(origin, "http://")
	if !ok {
		if authority, ok = strings.CutPrefix(origin, "https://"); !ok {
			return false // extensions and apps have schemes of their own: --allow-origin
		}
	}
	if strings.ContainsAny(authority, "/?#@\\ ") {
		return false
	}
	return strings.EqualFold(authority, requestHost) || isLocalName(hostName(authority))
}

// isLocalName reports whether pages with that host name come from this machine
// and are its user's. The pages of APIs and functions that Paddock itself serves
// are not: one of them may show what a stranger put there.
func isLocalName(name string) bool {
	if strings.Contains(name, ".execute-api.") || strings.Contains(name, ".lambda-url.") {
		return false
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if _, ok := below(name, "localhost.localstack.cloud"); ok {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

const (
	allowMethods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
	// exposeHeaders are the response headers that the SDKs read.
	exposeHeaders = "x-amzn-requestid, x-amzn-errortype, x-amzn-query-error, x-amzn-trace-id, x-amzn-remapped-content-length, " +
		"x-amz-request-id, x-amz-id-2, x-amz-function-error, x-amz-executed-version, x-amz-log-result, x-amz-durable-execution-arn, " +
		"x-amz-apigw-id, x-amz-crc32, x-amz-version-id, x-amz-delete-marker, x-amz-bucket-region, x-amz-storage-class, " +
		"x-amz-checksum-crc32, x-amz-checksum-crc32c, x-amz-checksum-crc64nvme, x-amz-checksum-sha1, x-amz-checksum-sha256, x-amz-checksum-type, " +
		"x-amz-mp-parts-count, x-amz-expiration, x-amz-server-side-encryption, smithy-protocol, etag, location, date, " +
		"content-length, content-range, content-encoding, accept-ranges, last-modified"
	allowHeaders = "authorization, content-type, content-md5, content-encoding, x-amz-content-sha256, x-amz-date, x-amz-security-token, " +
		"x-amz-target, x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request, x-amzn-trace-id, x-amzn-query-mode, smithy-protocol"
	preflightSeconds = "3600"
)

// crossOrigin deals with what a browser says of a request's origin, for
// everything but the APIs' own traffic. It reports whether it has answered:
// a preflight, or a page that may not.
func (x *exchange) crossOrigin() bool {
	r, h := x.r, x.answer.Header()
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		if x.forgeable() {
			x.refuse(awserr.New(http.StatusForbidden, "AccessDeniedException",
				"Paddock refuses requests with effects that a page of another site could have made (Sec-Fetch-Site: %s). Sign the request, or allow the origin with --allow-origin", r.Header.Get("Sec-Fetch-Site")))
			return true
		}
		return false
	}
	origin := origins[0]
	if len(origins) > 1 || !x.edge.origins.allows(origin, r.Host) {
		x.refuse(awserr.New(http.StatusForbidden, "AccessDeniedException",
			"Paddock refuses requests from pages of %s. To allow them start Paddock with --allow-origin %s", origin, origin))
		return true
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Vary"] = append(h["Vary"], "Origin")
	method := r.Header["Access-Control-Request-Method"]
	if r.Method != http.MethodOptions || len(method) == 0 {
		h["Access-Control-Expose-Headers"] = []string{exposeHeaders}
		return false
	}
	x.target = "preflight"
	h["Access-Control-Allow-Methods"] = []string{allowMethods}
	// The SDKs grow headers with every release: an allowed origin may send what
	// it asks to send.
	headers := strings.Join(r.Header["Access-Control-Request-Headers"], ",")
	if headers == "" || !headerNames(headers) {
		headers = allowHeaders
	}
	h["Access-Control-Allow-Headers"] = []string{headers}
	h["Access-Control-Max-Age"] = []string{preflightSeconds}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h["Access-Control-Allow-Private-Network"] = []string{"true"}
	}
	x.answer.WriteHeader(http.StatusNoContent)
	return true
}

// headerNames reports whether s is a list of header names.
func headerNames(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.,* ", rune(c)) {
			return false
		}
	}
	return true
}

// forgeable reports whether a request without an Origin could be one that a
// page of another site made, and have effects. Browsers send an Origin with
// whatever is not GET or HEAD, so what is left are Query actions in the URL of
// an image or a link, which Sec-Fetch-Site gives away; browsers send that only
// where they trust the host (https and the loopback's names): elsewhere the
// request must have what no image can send, or what no other site can make.
func (x *exchange) forgeable() bool {
	r := x.r
	action := ""
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		if action = parameter(r.URL.RawQuery, "Action"); action == "" || readOnly(action) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "same-site":
		return !x.host.secure
	case "":
		if action == "" || x.host.secure || len(r.Header["Authorization"]) > 0 {
			return false
		}
		return !x.signed || x.edge.verifier == nil
	}
	return true
}

// readOnly reports whether a Query action has no effects, by its name.
func readOnly(action string) bool {
	return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List") || strings.HasPrefix(action, "Describe")
}
