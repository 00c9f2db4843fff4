package rest

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/restapi"
)

// Request is a request on its way, as the hooks see it. They must not change it.
type Request struct {
	HTTP *http.Request
	// HTTPMethod is HTTP's, or what X-HTTP-Method-Override says.
	HTTPMethod string
	API        *restapi.API
	Stage      *restapi.ServedStage
	// StageVariables are those of the stage, or of its canary.
	StageVariables   map[string]string
	Canary           bool
	Resource         *restapi.Resource
	Method           *restapi.Method
	ID, ExtendedID   string
	TraceID          string
	Domain, BasePath string // of a custom domain name

	names  []string // of the path's variables
	values []string
	path   string // below the stage's root, decoded
	query  url.Values
	of     *call
	extra  map[string]string // further $context variables, of a test
}

// Variable returns a $context variable by its name without "$context.".
func (r *Request) Variable(name string) (string, bool) {
	if v, ok := r.extra[name]; ok {
		return v, true
	}
	if r.of == nil {
		return "", false
	}
	return r.of.variable(name)
}

// Log writes a line of the execution log, where the stage keeps one at level INFO.
func (r *Request) Log(format string, args ...any) {
	if r.of != nil {
		r.of.trace.info(format, args...)
	}
}

// LogData is Log for what holds the data of callers: with data tracing only.
func (r *Request) LogData(format string, args ...any) {
	if r.of != nil {
		r.of.trace.data(format, args...)
	}
}

// Logs reports whether Log writes anything.
func (r *Request) Logs() bool {
	return r.of != nil && r.of.trace != nil && r.of.trace.level == levelInfo
}

// Path is the request's path below the stage's root, decoded.
func (r *Request) Path() string { return r.path }

// PathParameters returns the values of the path's variables, decoded; nil where
// it has none.
func (r *Request) PathParameters() map[string]string {
	if len(r.names) == 0 {
		return nil
	}
	out := make(map[string]string, len(r.names))
	for i, name := range r.names {
		out[name] = unescape(r.values[i])
	}
	return out
}

// PathParameter returns one of them.
func (r *Request) PathParameter(name string) (string, bool) {
	for i, n := range r.names {
		if n == name {
			return unescape(r.values[i]), true
		}
	}
	return "", false
}

// Query returns the parameters of the query string. Pairs that do not decode are
// left out, as are those with a semicolon.
func (r *Request) Query() url.Values {
	if r.query == nil {
		r.query = url.Values{}
		if r.HTTP.URL.RawQuery != "" {
			r.query, _ = url.ParseQuery(r.HTTP.URL.RawQuery) // the pairs that decode
		}
	}
	return r.query
}

// Header returns the values of a header, whatever its case.
func (r *Request) Header(name string) []string {
	if strings.EqualFold(name, "Host") {
		return []string{r.HTTP.Host}
	}
	return r.HTTP.Header[http.CanonicalHeaderKey(name)]
}

// SourceIP is the address that the request's connection came from.
func (r *Request) SourceIP() string { return hostname(r.HTTP.RemoteAddr) }

// DomainName is the host that the request was addressed to.
func (r *Request) DomainName() string { return hostname(r.HTTP.Host) }

// ARN is the method's, as policies have it:
// arn:aws:execute-api:{region}:{account}:{api}/{stage}/{METHOD}/{path}.
func (r *Request) ARN() string {
	stage := ""
	if r.Stage != nil {
		stage = r.Stage.Name
	}
	return "arn:" + arn.PartitionOf(r.API.Region) + ":execute-api:" + r.API.Region + ":" + r.API.Account + ":" + r.API.ID + "/" +
		stage + "/" + r.HTTPMethod + "/" + strings.TrimPrefix(r.path, "/")
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func domainPrefix(host string) string {
	p, _, _ := strings.Cut(host, ".")
	return p
}
