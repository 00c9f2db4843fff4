// Package rest is the data plane of REST APIs: it serves what deployments froze,
// from memory. A deployment is compiled once, with its templates parsed, its
// models compiled and its mappings read; a request is matched, authorized,
// throttled, validated, mapped, integrated and mapped back without asking a store.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-rest-api.html
package rest

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/restapi"
)

// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	maxPayload     = 10 << 20 // bytes, of a request and of a response
	maxEvent       = 6291456  // bytes, of what a function is invoked with: Lambda's limit
	defaultTimeout = 29 * time.Second
)

// Options are what a Gateway is made of.
type Options struct {
	APIs      APIs
	Functions Functions
	Invoker   function.Invoker
	Services  Services    // nil: AWS service integrations fail
	Links     Links       // nil: VPC links lead nowhere
	Policies  Policies    // nil: an API with a resource policy answers nobody
	Authorize Authorizers // nil: methods with an authorizer answer nobody
	Limits    Limits      // nil: methods that require a key answer nobody, and nothing is throttled
	Logs      Logs        // nil: no access or execution logs
	// CacheBytes is what the caches of all stages may hold together; 0: 256 MiB.
	CacheBytes int64
	Metrics    metrics.Recorder
	Logger     *slog.Logger
}

// Gateway serves REST APIs. It is safe for concurrent use.
type Gateway struct {
	Options
	compiled sync.Map // API ID to *compiledAPI
	backends *backends
	caches   *caches
}

// New makes a gateway.
func New(o Options) *Gateway {
	if o.Metrics == nil {
		o.Metrics = metrics.Discard
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Gateway{Options: o, backends: newBackends(), caches: newCaches(o.CacheBytes)}
}

// Close closes the connections to backends that no request uses.
func (g *Gateway) Close() { g.backends.close() }

// Target says which API a request is for, as the edge read it from the host or
// the path.
type Target struct {
	APIID string
	// Stage is set where the URL names it apart from the path; otherwise it is
	// the first segment of Path.
	Stage string
	// Path is the escaped path below the API's (or the named stage's) root.
	Path string
	// Domain is the custom domain name that the request came by, and BasePath
	// what its mapping took off the path; empty: by the API's own.
	Domain, BasePath string
}

// Serves reports whether an ID is a REST API's.
func (g *Gateway) Serves(id string) bool { return g.APIs.RESTAPI(id) != nil }

// ServeAPI answers one request to a REST API.
func (g *Gateway) ServeAPI(w http.ResponseWriter, r *http.Request, to Target) {
	c := &call{gateway: g, writer: w, start: time.Now()}
	c.HTTP, c.Domain, c.BasePath, c.of = r, to.Domain, to.BasePath, c
	id := identity.Of(r.Context())
	c.ID, c.ExtendedID = id.RequestID, extendedID(id.RequestID)
	c.TraceID = traceID(r, c.start)
	h := w.Header()
	h["X-Amzn-Requestid"] = []string{c.ID}
	h["X-Amz-Apigw-Id"] = []string{c.ExtendedID}

	api := g.APIs.RESTAPI(to.APIID)
	if api == nil {
		g.compiled.Delete(to.APIID)
		g.caches.keep(to.APIID, nil)
		c.forbidden()
		return
	}
	c.API = api
	name, path := to.Stage, to.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if name == "" {
		name, path = cut(path)
		if name = unescape(name); path == "" {
			path = "/"
		}
	}
	c.stage = g.compile(api).stages[name]
	if c.stage == nil || c.stage.served.Definition == nil {
		c.forbidden()
		return
	}
	c.Stage, c.escaped = c.stage.served, path
	c.choose()
	if c.definition.ExecuteAPIDisabled && to.Domain == "" {
		c.forbidden()
		return
	}
	c.serve()
}

// choose takes the stage's deployment, or its canary's.
func (c *call) choose() {
	s := c.stage
	c.definition, c.StageVariables, c.settings = s.main, s.served.Variables, s.settings
	if s.canary != nil && s.drawCanary() {
		c.definition, c.StageVariables, c.settings, c.Canary = s.canary, s.canaryVariables, s.canarySettings, true
	}
}

// compiledAPI is an API with its stages ready for requests. It is made once for
// each snapshot of the control plane's, and takes over what has not changed.
type compiledAPI struct {
	api    *restapi.API
	stages map[string]*stage
}

func (g *Gateway) compile(api *restapi.API) *compiledAPI {
	v, _ := g.compiled.Load(api.ID)
	before, _ := v.(*compiledAPI)
	if before != nil && before.api == api {
		return before
	}
	c := &compiledAPI{api: api, stages: make(map[string]*stage, len(api.Stages))}
	for name, served := range api.Stages {
		var old *stage
		if before != nil {
			old = before.stages[name]
		}
		if old != nil && old.served == served && before.api.Name == api.Name {
			c.stages[name] = old
			continue
		}
		c.stages[name] = g.compileStage(api, served, old)
	}
	g.caches.keep(api.ID, api.Stages)
	g.compiled.Store(api.ID, c)
	return c
}

// SplitDomain finds the API of a request to a custom domain name: the mapping
// with the longest base path that the path begins with.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html
func SplitDomain(d *restapi.Domain, path string) (Target, bool) {
	var best *restapi.Mapping
	for i := range d.Mappings {
		m := &d.Mappings[i]
		if below(path, m.BasePath) && (best == nil || len(m.BasePath) > len(best.BasePath)) {
			best = m
		}
	}
	if best == nil {
		return Target{}, false
	}
	rest := path
	if best.BasePath != "" {
		rest = path[1+len(best.BasePath):]
	}
	if rest == "" {
		rest = "/"
	}
	return Target{APIID: best.APIID, Stage: best.Stage, Path: rest, Domain: d.Name, BasePath: best.BasePath}, true
}

func below(path, base string) bool {
	if base == "" {
		return true
	}
	if len(path) < 1+len(base) || path[0] != '/' || path[1:1+len(base)] != base {
		return false
	}
	return len(path) == 1+len(base) || path[1+len(base)] == '/'
}

// plainPath is a path as $context and the event give it: decoded.
func plainPath(escaped string) string {
	if strings.IndexByte(escaped, '%') < 0 {
		return escaped
	}
	if p, err := url.PathUnescape(escaped); err == nil {
		return p
	}
	return escaped
}
