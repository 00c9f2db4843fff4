// Package edge is Paddock's one port: for every request it tells which service,
// region, account and caller it is for, refuses what a web page on another
// origin could have forged, verifies signatures where credentials are enforced,
// and hands the request to its service or to the API gateway's data plane.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// Defaults of Options.
const (
	DefaultAccount = "000000000000"
	DefaultRegion  = "us-east-1"
	// DefaultMaxBody holds the largest request that AWS takes unstreamed:
	// CreateFunction with a 50 MB archive in base64.
	DefaultMaxBody = 70 << 20
)

// Service is an AWS service behind the edge.
type Service struct {
	// Schema says how to know its requests: by signing name, target prefix,
	// endpoint prefix, API version, actions and paths.
	Schema *schema.Service
	// Handler answers its requests. Their contexts carry an identity.Identity,
	// and their paths are in the form that the model has: buckets in the path,
	// nothing before /@connections.
	Handler http.Handler
}

// Refuser is what a service's handler may also be: Refuse answers with an error
// in the form of the protocol that the request is written in. Where a handler is
// none, or no service is known, the edge writes its errors itself.
type Refuser interface {
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// Registry is the registries of container images. The contexts of its requests
// carry an identity.Identity, with the account and region whose registry is meant.
type Registry interface {
	http.Handler
	// Owns reports whether an unsigned request with that path is a registry's, on a
	// host that is not only that.
	Owns(path string) bool
}

// Options are what an Edge is made of.
type Options struct {
	Account  string // of requests whose access key is not an account's: DefaultAccount when empty
	Region   string // of requests that name none: DefaultRegion when empty
	Services []Service
	// Gateway serves the requests to APIs: nil where there are none to serve.
	Gateway Gateway
	// Registry serves the HTTP API of container registries, at their hosts and
	// below /v2/: nil where there is none. The edge checks Host and Origin of its
	// requests, never credentials.
	Registry Registry
	// Internal serves /_paddock/* (but for /_paddock/health): may be nil. The
	// edge checks Host and Origin of its requests, never a signature.
	Internal http.Handler
	// AllowedHosts are host names, besides the loopback's, AWS's and
	// LocalStack's, that requests may be addressed to: names below them too.
	// "*" allows any, and gives up the protection against DNS rebinding.
	AllowedHosts []string
	// AllowedOrigins are the origins (scheme://host[:port], with a leading "*."
	// label for all names below) whose pages may use the services, besides the
	// loopback's: "*" allows any, "null" sandboxed pages and files.
	AllowedOrigins []string
	// Lookup finds an access key (see sigv4.Verifier). Where it is set every
	// request to a service must be signed with a key it knows; nil takes all
	// requests, signed or not. Its context has no identity yet.
	Lookup func(ctx context.Context, accessKey string) (sigv4.Credential, error)
	// MaxBody limits, in bytes, the bodies kept in memory to verify a
	// signature: DefaultMaxBody when 0.
	MaxBody int64
	Version string       // shown by the health pages
	Logger  *slog.Logger // slog.Default() when nil
}

// Edge is the handler of the one port. It is safe for concurrent use.
type Edge struct {
	account, region string
	routes          *routes
	gateway         Gateway
	registry        Registry
	internal        http.Handler
	hosts           hostPolicy
	origins         originPolicy
	verifier        *sigv4.Verifier // nil: credentials are not enforced
	health          *health
	log             *slog.Logger
}

// New makes an Edge, or says what is wrong with the options.
func New(o Options) (*Edge, error) {
	e := &Edge{account: o.Account, region: o.Region, gateway: o.Gateway, registry: o.Registry, internal: o.Internal, log: o.Logger}
	if e.account == "" {
		e.account = DefaultAccount
	}
	if !arn.IsAccount(e.account) {
		return nil, fmt.Errorf("edge: account %q is not twelve digits", e.account)
	}
	if e.region == "" {
		e.region = DefaultRegion
	}
	if !validRegion(e.region) {
		return nil, fmt.Errorf("edge: %q is not a region's name", e.region)
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	var err error
	if e.routes, err = newRoutes(o.Services); err != nil {
		return nil, err
	}
	if e.hosts, err = newHostPolicy(o.AllowedHosts); err != nil {
		return nil, err
	}
	if e.origins, err = newOriginPolicy(o.AllowedOrigins); err != nil {
		return nil, err
	}
	if o.Lookup != nil {
		e.verifier = &sigv4.Verifier{Lookup: o.Lookup, MaxBody: o.MaxBody}
		if o.MaxBody == 0 {
			e.verifier.MaxBody = DefaultMaxBody
		}
	}
	e.health = newHealth(o.Services, o.Version)
	return e, nil
}

type functionKey struct{}

// WithFunction marks the requests of a connection or a context as coming out of
// the environment of the function with that ARN: their identity carries it.
func WithFunction(ctx context.Context, functionARN string) context.Context {
	return context.WithValue(ctx, functionKey{}, functionARN)
}

type trustedKey struct{}

// WithIdentity marks a request to a service as one of Paddock's own, on behalf of
// id: which service it is for is found out as ever, but no signature is asked for.
// It is for what calls services in process; nothing that comes from outside may
// ever get such a context.
func WithIdentity(ctx context.Context, id *identity.Identity) context.Context {
	return context.WithValue(ctx, trustedKey{}, id)
}

// ServeHTTP serves one request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{edge: e, answer: answer{ResponseWriter: w}, r: r, id: &identity.Identity{RequestID: newRequestID()}}
	defer x.finish(start)
	x.serve()
}

// exchange is one request on its way through the edge.
type exchange struct {
	edge    *Edge
	answer  answer
	r       *http.Request
	host    host
	scope   sigv4.Scope
	signed  bool     // scope is set
	service *service // nil until it is known, and for the data plane
	id      *identity.Identity
	account string // of callers whose access key names none
	target  string // for the log: a service's ID, "gateway", "internal", "preflight"; "" where none was found
	refused *awserr.Error
	trusted bool // one of Paddock's own
}

func (x *exchange) serve() {
	e, r := x.edge, x.r
	if id, ok := r.Context().Value(trustedKey{}).(*identity.Identity); ok {
		x.host, x.trusted, x.id = e.hosts.parse(r.Host, e.routes), true, new(*id)
		x.serveService()
		return
	}
	x.host = e.hosts.parse(r.Host, e.routes)
	custom := false
	if x.host.kind == hostPlain && !x.host.local && e.gateway != nil {
		custom = e.gateway.OwnsHost(x.host.name)
	}
	if !x.host.allowed && !custom {
		x.refuse(awserr.New(http.StatusForbidden, "AccessDeniedException",
			"Paddock does not answer to the host name %q. If it is a name of this machine, start Paddock with --allow-host %s", x.host.name, x.host.name))
		return
	}
	x.scope, x.signed = sigv4.ParseScope(r)
	x.identify()

	switch x.host.kind {
	case hostAPI:
		x.serveAPI(APIRequest{APIID: x.host.apiID, Path: escapedPath(r)})
		return
	case hostFunctionURL:
		x.refuse(awserr.New(http.StatusNotImplemented, "NotImplementedException", "Paddock does not serve Lambda function URLs yet"))
		return
	case hostPlain:
		if custom {
			x.serveAPI(APIRequest{CustomHost: x.host.name, Path: escapedPath(r)})
			return
		}
	}
	if x.host.kind != hostBucket {
		if to, ok := parseAPIPath(escapedPath(r)); ok {
			x.serveAPI(to)
			return
		}
		if x.serveOwn() {
			return
		}
	}
	if x.crossOrigin() {
		return
	}
	if e.registry != nil && (x.host.kind == hostRegistry || x.host.kind == hostPlain && !x.signed && e.registry.Owns(r.URL.Path)) {
		x.serveRegistry()
		return
	}
	x.serveService()
}

// serveRegistry hands the request to the registry of the account in the host's
// name.
func (x *exchange) serveRegistry() {
	x.target = "registry"
	if x.host.account != "" {
		x.id.Account = x.host.account
	}
	x.edge.registry.ServeHTTP(&x.answer, x.withIdentity())
}

// identify fills the identity with what the request itself says.
func (x *exchange) identify() {
	e, r := x.edge, x.r
	x.account, x.id.Region = e.account, e.region
	if functionARN, ok := r.Context().Value(functionKey{}).(string); ok {
		x.id.FunctionARN = functionARN
		// A function is at home in its own account and region, whatever its
		// credentials look like.
		if of, err := arn.Parse(functionARN); err == nil {
			x.account, x.id.Region = of.Account, of.Region
		}
	}
	x.id.Account = x.account
	if x.host.region != "" {
		x.id.Region = x.host.region
	}
	if x.signed {
		x.claim(x.scope)
	}
	x.id.BaseURL, x.id.TraceID = baseURL(r), r.Header.Get("X-Amzn-Trace-Id")
}

// claim takes the account and the region of a credential scope.
func (x *exchange) claim(s sigv4.Scope) {
	x.id.AccessKey, x.id.Account = s.AccessKey, x.account
	if arn.IsAccount(s.AccessKey) {
		x.id.Account = s.AccessKey
	}
	if validRegion(s.Region) {
		x.id.Region = s.Region
	}
}

// withIdentity returns the request with its identity in its context: a copy, so
// its fields may be changed.
func (x *exchange) withIdentity() *http.Request {
	x.id.Partition = arn.PartitionOf(x.id.Region)
	return x.r.WithContext(identity.With(x.r.Context(), x.id))
}

// serveService finds the service and hands the request to it.
func (x *exchange) serveService() {
	found, err := x.edge.routes.find(x)
	if err != nil {
		x.refuse(err)
		return
	}
	x.service, x.target = found.service, found.service.id
	if found.region != "" && !x.signed {
		x.id.Region = found.region
	}
	if err := x.verify(); err != nil {
		x.refuse(err)
		return
	}
	r := x.withIdentity()
	switch {
	case x.host.kind == hostBucket && x.service.isS3:
		r.URL = withPath(r.URL, "/"+x.host.bucket+escapedPath(r))
	case found.path != "":
		r.URL = withPath(r.URL, found.path)
	case x.service == x.edge.routes.sqs:
		if u := x.withQueueURL(r); u != nil {
			r.URL = u
		}
	}
	x.service.handler.ServeHTTP(&x.answer, r)
}

// withPath returns a copy of u with another escaped path.
func withPath(u *url.URL, escaped string) *url.URL {
	out := *u
	out.Path, out.RawPath = escaped, ""
	if path, err := url.PathUnescape(escaped); err == nil && path != escaped {
		out.Path, out.RawPath = path, escaped
	}
	return &out
}

// verify checks the signature where credentials are enforced.
func (x *exchange) verify() *awserr.Error {
	v := x.edge.verifier
	if v == nil || x.trusted {
		return nil
	}
	if !sigv4.Signed(x.r) && x.service.takesUnsigned(x.r) {
		return nil
	}
	verified, err := v.Verify(x.r, x.service.signingName)
	if err == nil {
		// Whatever the request said of itself before, it is whom it was signed by.
		x.claim(verified.Scope)
		if verified.Account != "" {
			x.id.Account = verified.Account
		}
		return nil
	}
	if refusal, ok := errors.AsType[*sigv4.Error](err); ok {
		return refusal.AWS(protocolOf(x.r, x.service))
	}
	x.edge.log.Error("a signature could not be verified", "request_id", x.id.RequestID, "service", x.target, "error", err)
	return awserr.New(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
}

// refuse answers with an error of the edge's own.
func (x *exchange) refuse(err *awserr.Error) {
	x.refused = err
	if x.service != nil {
		if refuser, ok := x.service.handler.(Refuser); ok {
			refuser.Refuse(&x.answer, x.withIdentity(), err)
			return
		}
	}
	writeError(&x.answer, x.r, x.service, x.id.RequestID, err)
}

// finish logs the request, and answers for a handler that panicked.
func (x *exchange) finish(start time.Time) {
	if cause := recover(); cause != nil {
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		x.edge.log.Error("a handler panicked", "request_id", x.id.RequestID, "service", x.target,
			"method", x.r.Method, "path", x.r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
		if x.answer.status != 0 {
			panic(http.ErrAbortHandler) // the answer has begun: all that is left is to cut it off
		}
		writeError(&x.answer, x.r, x.service, x.id.RequestID,
			awserr.New(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."))
	}
	level := slog.LevelDebug
	if x.answer.status >= 500 || x.refused != nil && x.refused.Status == http.StatusForbidden {
		level = slog.LevelWarn
	}
	ctx := x.r.Context()
	if !x.edge.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.String("request_id", x.id.RequestID), slog.String("method", x.r.Method), slog.String("host", x.r.Host),
		slog.String("path", x.r.URL.Path), slog.String("service", x.target), slog.Int("status", x.answer.status),
		slog.Duration("duration", time.Since(start)))
	if x.refused != nil {
		attrs = append(attrs, slog.String("refused", x.refused.Error()))
	}
	x.edge.log.LogAttrs(ctx, level, "request", attrs...)
}
