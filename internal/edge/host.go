package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
)

// hostKind says what a host name tells of a request.
type hostKind uint8

const (
	hostPlain       hostKind = iota // nothing
	hostService                     // host.service: lambda.us-east-1.amazonaws.com
	hostBucket                      // an S3 bucket: name.s3.us-east-1.amazonaws.com
	hostAPI                         // an API: a1b2c3.execute-api.us-east-1.localhost
	hostFunctionURL                 // abc.lambda-url.us-east-1.on.aws
	hostRegistry                    // a registry of container images: 123456789012.dkr.ecr.us-east-1.localhost
)

// host is what is read from a Host header.
type host struct {
	name    string // lower case, without the port
	allowed bool
	local   bool // a name or an address of the loopback itself, or any IP address
	secure  bool // browsers trust it as they trust https: they send Sec-Fetch-* to it
	kind    hostKind
	service string // of hostService: an endpoint prefix
	region  string // may be empty
	bucket  string
	apiID   string
	account string // of hostRegistry
}

const localStack = "localhost.localstack.cloud"

// baseDomains are the names that AWS's and LocalStack's service hosts end in.
// LocalStack's all mean this machine. Of AWS's, those of services are AWS's own,
// which no attacker can rebind; below the same domains are names that follow
// what customers set (load balancers, instances): those are not for us.
var baseDomains = []string{localStack, "amazonaws.com", "amazonaws.com.cn", "api.aws", "on.aws"}

// containerHosts are what Docker and Podman call the machine they run on, from
// inside a container. The public DNS has no top-level domain "internal".
var containerHosts = []string{"host.docker.internal", "gateway.docker.internal", "host.containers.internal"}

// hostPolicy knows which hosts requests may be addressed to. A page of
// evil.example whose DNS suddenly points here still sends that name as its Host:
// refusing unknown names is what stops it.
type hostPolicy struct {
	any     bool
	allowed []string // lower case
}

func newHostPolicy(allowed []string) (hostPolicy, error) {
	var p hostPolicy
	for _, name := range allowed {
		if name == "*" {
			p.any = true
			continue
		}
		name = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "*"), "."))
		if name == "" || strings.ContainsAny(name, "/:* ") {
			return p, fmt.Errorf("edge: allowed host %q is not a host name", name)
		}
		p.allowed = append(p.allowed, name)
	}
	return p, nil
}

// parse reads a Host header.
func (p hostPolicy) parse(header string, rt *routes) host {
	h := host{name: hostName(header), allowed: p.any}
	switch h.name {
	case "":
		// HTTP/1.0, as load balancers' health checks speak it: no browser does.
		h.allowed, h.local = true, true
		return h
	case "localhost", "127.0.0.1":
		h.allowed, h.local, h.secure = true, true, true
		return h
	}
	if addr, err := netip.ParseAddr(h.name); err == nil {
		// A page whose host is an address was loaded from that address: there is
		// no DNS to rebind. But 0.0.0.0 means this machine to every browser.
		h.local = true
		h.secure = addr.IsLoopback()
		h.allowed = h.allowed || !addr.IsUnspecified()
		return h
	}
	if sub, ok := strings.CutSuffix(h.name, ".localhost"); ok {
		h.allowed, h.secure = true, true
		h.parseLabels(sub, rt)
		return h
	}
	for _, base := range baseDomains {
		if sub, ok := below(h.name, base); ok {
			h.parseLabels(sub, rt)
			switch base {
			case localStack:
				h.allowed = true
			case "on.aws":
				h.allowed = h.allowed || h.kind == hostFunctionURL
			default:
				h.allowed = h.allowed || h.kind == hostAPI || h.kind == hostBucket || h.kind == hostRegistry || h.kind == hostService && (rt.byEndpoint[h.service] != nil || !strings.Contains(h.service, "."))
			}
			return h
		}
	}
	for _, name := range containerHosts {
		if h.name == name {
			h.allowed = true
			return h
		}
	}
	for _, base := range p.allowed {
		if sub, ok := below(h.name, base); ok {
			h.allowed = true
			h.parseLabels(sub, rt)
			return h
		}
	}
	return h
}

// hostName strips the port, the brackets of IPv6 and a final dot, and lowers case.
func hostName(header string) string {
	name := header
	if rest, ok := strings.CutPrefix(name, "["); ok {
		name, _, _ = strings.Cut(rest, "]")
	} else if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[:i]
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// below cuts a base domain off a name: nothing is left of the base itself.
func below(name, base string) (sub string, ok bool) {
	sub, ok = strings.CutSuffix(name, base)
	if !ok || sub == "" {
		return "", ok
	}
	return strings.CutSuffix(sub, ".")
}

// parseLabels reads the labels in front of a base domain, from their end.
func (h *host) parseLabels(sub string, rt *routes) {
	if sub == "" {
		return
	}
	rest, label := lastLabel(sub)
	region := ""
	if looksLikeRegion(label) && rest != "" {
		region = label
		rest, label = lastLabel(rest)
	}
	if label == "dualstack" && rest != "" { // s3.dualstack.us-west-2
		rest, label = lastLabel(rest)
	}
	switch {
	case label == "execute-api" && rest != "":
		h.kind, h.apiID, h.region = hostAPI, rest, region
	case label == "ecr" && arn.IsAccount(strings.TrimSuffix(rest, ".dkr")) && strings.HasSuffix(rest, ".dkr"):
		h.kind, h.account, h.region = hostRegistry, strings.TrimSuffix(rest, ".dkr"), region
	case label == "lambda-url" && rest != "":
		h.kind, h.region = hostFunctionURL, region
	case label == "queue": // us-east-1.queue.amazonaws.com, of SQS's first years
		h.kind, h.service, h.region = hostService, "sqs", rest
		if !looksLikeRegion(rest) {
			h.region = region
		}
	case label == "s3" || strings.HasPrefix(label, "s3-"):
		h.kind, h.service, h.region = hostService, "s3", region
		if legacy := strings.TrimPrefix(label, "s3-"); looksLikeRegion(legacy) {
			h.region = legacy
		}
		if rest != "" {
			h.kind, h.bucket = hostBucket, rest
		}
	default:
		name := label
		if rest != "" {
			name = sub[:len(rest)+1+len(label)] // api.ecr
		}
		name = strings.TrimSuffix(name, "-fips")
		if _, known := rt.byEndpoint[name]; known || region != "" {
			h.kind, h.service, h.region = hostService, name, region
		}
	}
}

func lastLabel(s string) (rest, label string) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+1:]
}

// looksLikeRegion reports whether s has the form of a region's name: letters,
// dashes and a number at the end (us-east-1, ap-southeast-7, us-gov-west-1).
func looksLikeRegion(s string) bool {
	dash := strings.LastIndexByte(s, '-')
	if len(s) > 32 || dash < 4 || len(s)-dash < 2 || len(s)-dash > 3 || strings.IndexByte(s, '-') == dash {
		return false
	}
	for i := range dash {
		if c := s[i]; c != '-' && (c < 'a' || c > 'z') {
			return false
		}
	}
	for i := dash + 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// validRegion reports whether s may stand for a region: what goes into ARNs,
// host names and the store's keys. It takes made-up names ("local").
func validRegion(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// baseURL is the scheme and host that the client used. A proxy that ends TLS
// in front says so in X-Forwarded-Proto; its host name must be an allowed one,
// so the Host header it passes on is all there is to know.
func baseURL(r *http.Request) string {
	scheme := "http://"
	if proto := r.Header["X-Forwarded-Proto"]; r.TLS != nil || len(proto) == 1 && proto[0] == "https" {
		scheme = "https://"
	}
	return scheme + r.Host
}
