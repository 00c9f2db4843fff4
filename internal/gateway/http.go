// Package gateway is the data plane of API Gateway: it serves the APIs that the
// control planes compiled, from memory, and calls functions in process.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/httpapi"
	"github.com/paddock-run/paddock/internal/identity"
)

// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const (
	maxPayload = 10 << 20 // bytes, of a request and of a response
	maxEvent   = 6291456  // bytes, of what a function is invoked with: Lambda's limit
	maxTimeout = 30 * time.Second
)

// APIs finds the HTTP API to serve. It answers from memory.
type APIs interface {
	// HTTPAPI returns the API with that ID, nil where there is none. The same
	// pointer means the same API.
	HTTPAPI(id string) *httpapi.API
}

// Functions finds the function version behind an integration's ARN. It answers
// from memory.
type Functions interface {
	// account and region are the API's; invokedARN names the alias or version
	// that arn names.
	Resolve(ctx context.Context, account, region, arn string) (v *function.Version, invokedARN string, err error)
}

// Request says which API a request is for, as the edge read it from the host or
// the path.
type Request struct {
	APIID string
	// Stage is set where the URL's form names it apart from the path; otherwise
	// it is the first segment of Path, or $default.
	Stage string
	// Path is the escaped path below the API's (or the named stage's) root.
	Path string
	// PathForm: the API was named in the path and not by its host. $default,
	// which no URL of AWS's names, may then be the first segment too.
	PathForm bool
}

// Gateway serves HTTP APIs. It is safe for concurrent use.
type Gateway struct {
	apis      APIs
	functions Functions
	invoker   function.Invoker
	log       *slog.Logger
	compiled  sync.Map // API ID to *compiled
}

// compiled is an API with its stages' routes ready for matching. It is made
// once for each snapshot of the control plane's.
type compiled struct {
	api   *httpapi.API
	trees map[string]*tree
}

// New makes a gateway.
func New(apis APIs, functions Functions, invoker function.Invoker, log *slog.Logger) *Gateway {
	return &Gateway{apis: apis, functions: functions, invoker: invoker, log: log}
}

// call is one request on its way.
type call struct {
	request   *http.Request
	api       *httpapi.API
	stage     *httpapi.Stage
	path      string // below the stage's root, escaped
	requestID string
	traceID   string
	target    *target
	params    []string
}

// rawPath is the path as the event gives it: with the stage, unless that is $default.
func (c *call) rawPath() string {
	path := c.path
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	if c.stage.Name == "$default" {
		return path
	}
	return "/" + c.stage.Name + path
}

// ServeAPI answers one request to an HTTP API: route match, CORS, integration.
// Errors are worded as API Gateway words them: {"message":"Not Found"}.
func (g *Gateway) ServeAPI(w http.ResponseWriter, r *http.Request, req Request) {
	id := identity.Of(r.Context())
	w.Header().Set("Apigw-Requestid", id.RequestID)
	snapshot := g.apis.HTTPAPI(req.APIID)
	if snapshot == nil {
		g.compiled.Delete(req.APIID)
	}
	if snapshot == nil || snapshot.ExecuteAPIDisabled {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	compiled, err := g.compile(snapshot)
	if err != nil {
		g.log.Error("an API does not compile", "api", req.APIID, "error", err)
		fail(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	c := &call{request: r, api: snapshot, requestID: id.RequestID, traceID: traceID(r)}
	c.stage, c.path = stageOf(snapshot, req)
	if c.stage == nil {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	if snapshot.CORS != nil && isPreflight(r) {
		preflight(snapshot.CORS, w, r)
		return
	}
	if c.target, c.params = compiled.trees[c.stage.Name].match(r.Method, c.path); c.target == nil {
		g.respond(w, c, failure(http.StatusNotFound, "Not Found"))
		return
	}
	body, refusal := readBody(w, r)
	if refusal != nil {
		g.respond(w, c, refusal)
		return
	}
	g.respond(w, c, g.integrate(c, body))
}

func (g *Gateway) compile(api *httpapi.API) (*compiled, error) {
	if v, ok := g.compiled.Load(api.ID); ok && v.(*compiled).api == api {
		return v.(*compiled), nil
	}
	c := &compiled{api: api, trees: make(map[string]*tree, len(api.Stages))}
	for name, s := range api.Stages {
		t, err := compile(s.Routes)
		if err != nil {
			return nil, err
		}
		c.trees[name] = t
	}
	g.compiled.Store(api.ID, c)
	return c, nil
}

// stageOf finds the stage a path is for: the one named apart, else the one that
// the first segment names, else $default.
func stageOf(api *httpapi.API, req Request) (*httpapi.Stage, string) {
	path := req.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if req.Stage != "" {
		return api.Stages[req.Stage], path
	}
	first, rest, _ := strings.Cut(path[1:], "/")
	if name, err := url.PathUnescape(first); err == nil {
		first = name // some clients send $default as %24default
	}
	if s := api.Stages[first]; s != nil && (first != "$default" || req.PathForm) {
		return s, "/" + rest
	}
	return api.Stages["$default"], path
}

// readBody reads a request's body, which may not take longer than an integration.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *response) {
	connection := http.NewResponseController(w)
	// A writer without a connection below it (in tests) has no slow client.
	_ = connection.SetReadDeadline(time.Now().Add(maxTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPayload))
	_ = connection.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, failure(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, failure(http.StatusRequestTimeout, "Request Timeout")
	case err != nil:
		return nil, failure(http.StatusBadRequest, "Bad Request")
	}
	return body, nil
}

// integrate calls the function and reads its answer.
func (g *Gateway) integrate(c *call, body []byte) *response {
	now := time.Now()
	payload, err := newEvent(c, body, now)
	if err != nil {
		g.log.Error("an event does not encode", "api", c.api.ID, "error", err)
		return failure(http.StatusInternalServerError, "Internal Server Error")
	}
	if len(payload) > maxEvent {
		return failure(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	}
	timeout := c.target.route.Timeout
	if timeout <= 0 || timeout > maxTimeout {
		timeout = maxTimeout
	}
	ctx, cancel := context.WithTimeout(c.request.Context(), timeout)
	defer cancel()
	result, err := g.invoke(ctx, c, payload)
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return failure(http.StatusServiceUnavailable, "Service Unavailable")
	case err != nil:
		var throttled *function.ErrThrottled
		if errors.As(err, &throttled) || errors.Is(err, function.ErrShuttingDown) {
			return failure(http.StatusServiceUnavailable, "Service Unavailable")
		}
		g.log.Warn("an integration failed", "api", c.api.ID, "route", c.target.route.Key, "function", c.target.route.FunctionARN, "request", c.requestID, "error", err)
		return failure(http.StatusInternalServerError, "Internal Server Error")
	case result.FunctionError != "":
		return failure(http.StatusInternalServerError, "Internal Server Error")
	}
	out, err := parseResponse(result.Payload)
	if err != nil || len(out.body) > maxPayload {
		g.log.Warn("a function's response is not of payload format 2.0", "api", c.api.ID, "route", c.target.route.Key, "function", c.target.route.FunctionARN, "request", c.requestID)
		return failure(http.StatusInternalServerError, "Internal Server Error")
	}
	return out
}

func (g *Gateway) invoke(ctx context.Context, c *call, payload []byte) (*function.Result, error) {
	version, invoked, err := g.functions.Resolve(ctx, c.api.Account, c.api.Region, c.target.route.FunctionARN)
	if err != nil {
		return nil, err
	}
	return g.invoker.Invoke(ctx, &function.Invocation{
		Version:    version,
		RequestID:  uuid.NewString(),
		InvokedARN: invoked,
		Payload:    payload,
		TraceID:    c.traceID,
	})
}

// respond writes an answer, CORS headers included.
func (g *Gateway) respond(w http.ResponseWriter, c *call, out *response) {
	h := w.Header()
	for name, values := range out.headers {
		h[name] = values
	}
	if c.api.CORS != nil {
		setCORS(c.api.CORS, c.request, h)
	}
	h.Set("Content-Length", itoa(int64(len(out.body))))
	w.WriteHeader(out.status)
	if c.request.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(out.body); err != nil {
		g.log.Debug("a client went away", "request", c.requestID, "error", err)
	}
}

// failure is an answer in API Gateway's own words.
func failure(status int, message string) *response {
	body, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return &response{status: status, headers: http.Header{"Content-Type": {"application/json"}}, body: body}
}

func fail(w http.ResponseWriter, status int, message string) {
	out := failure(status, message)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", itoa(int64(len(out.body))))
	w.WriteHeader(status)
	_, _ = w.Write(out.body) // the client may be gone; there is nobody to tell
}
