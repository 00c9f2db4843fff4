package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/params"
	"github.com/paddock-run/paddock/internal/gateway/upstream"
	"github.com/paddock-run/paddock/internal/restapi"
)

// backends are the connections to HTTP endpoints.
type backends struct {
	client *upstream.Client
	// complained holds the VPC links without a target that the log has.
	complained sync.Map
}

// complain calls say once for each link.
func (b *backends) complain(link string, say func()) {
	if _, said := b.complained.LoadOrStore(link, true); !said {
		say()
	}
}

func newBackends() *backends { return &backends{client: upstream.New()} }

func (b *backends) close() { b.client.Close() }

// clientCertificate is what HTTP backends of a stage are shown.
type clientCertificate struct{ certificate *tls.Certificate }

func newClientCertificate(s *restapi.ServedStage) *clientCertificate {
	return certificateOf(s.ClientCertificate, s.ClientKey)
}

func certificateOf(cert, key []byte) *clientCertificate {
	if cert == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil // the control plane made them
	}
	return &clientCertificate{&pair}
}

// httpEndpoint is the endpoint of an HTTP or HTTP_PROXY integration.
type httpEndpoint struct {
	uri      uri
	fixed    *endpoint // where the URI has nothing to fill in
	method   string    // "ANY": the caller's
	link     bool
	linkID   uri
	linkTo   string // the ARN of a listener
	insecure bool
	timeout  time.Duration
}

// endpoint is a URI, read.
type endpoint struct {
	upstream.Endpoint
	host, path, query, text string
}

func newHTTPEndpoint(in *restapi.Integration) (*httpEndpoint, error) {
	u, err := parseURI(in.URI)
	if err != nil {
		return nil, err
	}
	h := &httpEndpoint{uri: u, method: in.HTTPMethod, link: in.ConnectionType == "VPC_LINK", linkTo: in.Target, insecure: in.InsecureTLS,
		timeout: time.Duration(timeoutMillis(in)) * time.Millisecond}
	if h.linkID, err = parseURI(in.ConnectionID); err != nil {
		return nil, err
	}
	if len(u) == 1 && u[0].literal != "" && !h.link {
		if h.fixed, err = readEndpoint(in.URI, in.InsecureTLS, nil); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func readEndpoint(text string, insecure bool, client *clientCertificate) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("invalid endpoint address %q", text)
	}
	e := &endpoint{host: u.Host, path: u.EscapedPath(), query: u.RawQuery, text: text}
	e.TLS, e.Name, e.Insecure = u.Scheme == "https", u.Hostname(), insecure
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[e.TLS]
	}
	e.Address = net.JoinHostPort(u.Hostname(), port)
	if e.TLS && client != nil {
		e.Certificate = client.certificate
	}
	return e, nil
}

// at fills the URI in. A value that climbs out of the path it is put into
// ("../admin") is refused: it would reach what the API does not expose.
func (h *httpEndpoint) at(c *call, values map[string]string) (*endpoint, *Failure) {
	if h.fixed != nil && (c.stage.client == nil || !h.fixed.TLS) {
		return h.fixed, nil
	}
	climbs := false
	text := h.uri.expand(c.StageVariables, func(name string) string {
		value := values[name]
		for part := range strings.SplitSeq(value, "/") {
			climbs = climbs || part == "." || part == ".."
		}
		return escapePath(value, c.isGreedy(name, value))
	})
	if climbs {
		return nil, fail(default4XX, "A path parameter leaves the path of the endpoint: "+text)
	}
	e, err := readEndpoint(text, h.insecure, c.stage.client)
	if err != nil {
		c.integrationError = "Invalid endpoint address"
		return nil, fail(configurationError, "Execution failed due to configuration error: Invalid endpoint address")
	}
	if h.link {
		id := h.linkID.expand(c.StageVariables, func(string) string { return "" })
		to := ""
		if c.gateway.Links != nil {
			to = c.gateway.Links.Target(c.API, id, h.linkTo)
		}
		if to == "" {
			return nil, c.nowhere(id)
		}
		e.Address = to
	}
	return e, nil
}

// nowhere refuses a request over a VPC link of which the operator has not said
// where it leads. The URI's host is not asked instead: it is a name of a private
// network, and outside it may be anybody's.
func (c *call) nowhere(link string) *Failure {
	c.integrationError = "The VPC link leads nowhere"
	c.gateway.backends.complain(link, func() {
		c.gateway.Logger.Warn("a VPC link leads nowhere: say where with --vpc-link", "link", link, "api", c.API.ID, "resource", c.Resource.Path, "method", c.HTTPMethod)
	})
	f := fail(configurationError, "Execution failed due to configuration error: this Paddock was not told where the VPC link "+link+" leads (--vpc-link "+link+"=HOST:PORT)")
	f.Message = "This Paddock was not told where the VPC link " + link + " leads"
	return f
}

// isGreedy reports whether an integration's path parameter carries the value of
// the method's greedy variable, whose slashes part segments.
func (c *call) isGreedy(_, value string) bool {
	if n := len(c.names); n > 0 && strings.HasSuffix(c.Resource.PathPart, "+}") {
		return unescape(c.values[n-1]) == value
	}
	return false
}

// request makes what is sent to an endpoint.
func (h *httpEndpoint) request(c *call, e *endpoint, query string) *upstream.Request {
	method := h.method
	if method == "" || method == "ANY" {
		method = c.HTTPMethod
	}
	r := &upstream.Request{Endpoint: e.Endpoint, Method: method, Host: e.host, Deadline: time.Now().Add(h.timeout)}
	r.RequestURI = e.path
	if r.RequestURI == "" {
		r.RequestURI = "/"
	}
	if e.query != "" && query != "" {
		query = e.query + "&" + query
	} else if query == "" {
		query = e.query
	}
	if query != "" {
		r.RequestURI += "?" + query
	}
	return r
}

// callBackend sends a request and answers for what goes wrong.
func (c *call) callBackend(r *upstream.Request) (*http.Response, *Failure) {
	begin := time.Now()
	resp, err := c.gateway.backends.client.Do(c.HTTP.Context(), r)
	c.took(begin)
	if err != nil {
		return nil, c.networkFailure(err)
	}
	c.integrationStatus, c.backendStatus = resp.StatusCode, resp.StatusCode
	return resp, nil
}

func (c *call) networkFailure(err error) *Failure {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		c.integrationError = "Execution failed due to a timeout error"
		return fail(integrationTimeout, "Execution failed due to a timeout error")
	}
	c.integrationError = "Network error communicating with endpoint"
	return fail(integrationFailure, "Execution failed due to a network error communicating with endpoint: "+err.Error())
}

// httpProxy is an HTTP_PROXY integration.
type httpProxy struct {
	*httpEndpoint
	parameters []params.Mapping
	mapsQuery  bool
	stream     bool
	handling   string
}

func newHTTPProxy(in *restapi.Integration) (backend, error) {
	e, err := newHTTPEndpoint(in)
	if err != nil {
		return nil, err
	}
	p := &httpProxy{httpEndpoint: e, stream: in.TransferMode == "STREAM", handling: in.ContentHandling}
	if p.parameters, err = params.ParseRequest(in.Parameters); err != nil {
		return nil, err
	}
	for _, m := range p.parameters {
		p.mapsQuery = p.mapsQuery || m.In == params.Query
	}
	return p, nil
}

func (p *httpProxy) do(c *call) (*response, *Failure) {
	var path map[string]string
	extra := make([]upstream.Header, 0, 6)
	query := c.HTTP.URL.RawQuery
	if len(p.parameters) > 0 {
		path, extra, query = p.mapped(c, extra, query)
	}
	e, f := p.at(c, path)
	if f != nil {
		return nil, f
	}
	r := p.request(c, e, query)
	r.Header = c.HTTP.Header
	if r.Body, f = convert(c.body, c.definition.binary.has(c.HTTP.Header.Get("Content-Type")), p.handling); f != nil {
		return nil, f
	}
	hop := connectionHeaders(c.HTTP.Header)
	r.Skip = skipToProxy
	if hop != nil {
		r.Skip = func(name string, values []string) bool { return hop[name] || skipToProxy(name, values) }
	}
	r.Extra = append(extra, upstream.Header{Name: "X-Amzn-Trace-Id", Value: c.TraceID},
		upstream.Header{Name: "X-Amzn-Apigateway-Api-Id", Value: c.API.ID},
		upstream.Header{Name: "X-Forwarded-For", Value: forwardedFor(c.HTTP)},
		upstream.Header{Name: "X-Forwarded-Proto", Value: scheme(c.HTTP)},
		upstream.Header{Name: "X-Forwarded-Port", Value: port(c.HTTP)})
	if c.HTTP.Header["User-Agent"] == nil {
		r.Extra = append(r.Extra, upstream.Header{Name: "User-Agent", Value: "AmazonAPIGateway_" + c.API.ID})
	}
	c.trace.endpointRequest(e.text, c.HTTP.Header, r.Body)
	resp, f := c.callBackend(r)
	if f != nil {
		return nil, f
	}
	out := &response{status: resp.StatusCode, header: resp.Header}
	if r.Method == http.MethodHead {
		out.head, out.announced = true, resp.Header.Get("Content-Length")
	}
	takeHeaders(out.header, toHTTPProxy)
	if p.stream {
		out.stream = &stream{body: resp.Body}
		c.trace.endpointResponse(c, resp.StatusCode, resp.Header, nil)
		return out, nil
	}
	out.body, f = c.readBackend(resp)
	return out, f
}

// readBackend reads a response's body.
func (c *call) readBackend(resp *http.Response) ([]byte, *Failure) {
	defer resp.Body.Close()
	length := resp.ContentLength
	if resp.Request != nil && resp.Request.Method == http.MethodHead {
		length = 0 // it says what there would be
	}
	if length > maxPayload {
		return nil, fail(default5XX, "Execution failed: the endpoint's response is over 10 MB")
	}
	body, err := readAll(resp.Body, length, maxPayload)
	if errors.Is(err, errTooLarge) {
		return nil, fail(default5XX, "Execution failed: the endpoint's response is over 10 MB")
	}
	if err != nil {
		return nil, c.networkFailure(err)
	}
	c.trace.endpointResponse(c, resp.StatusCode, resp.Header, body)
	return body, nil
}

// mapped evaluates the integration's parameters: those of the query string are
// added to the caller's, headers replace theirs.
func (p *httpProxy) mapped(c *call, extra []upstream.Header, query string) (map[string]string, []upstream.Header, string) {
	path := map[string]string{}
	var values url.Values
	if p.mapsQuery {
		values = url.Values{}
		for name, v := range c.Query() {
			values[name] = v
		}
	}
	for i := range p.parameters {
		m := &p.parameters[i]
		v := m.Source.Eval(requestValues{c})
		if v == nil {
			continue
		}
		switch m.In {
		case params.Path:
			path[m.Name] = v[0]
		case params.Query:
			values[m.Name] = v
		case params.Header:
			name := http.CanonicalHeaderKey(m.Name)
			for _, value := range v {
				if validValue(value) && forwardable(name, v, toHTTPProxy) {
					extra = append(extra, upstream.Header{Name: name, Value: value})
				}
			}
		}
	}
	if values != nil {
		query = values.Encode()
	}
	return path, extra, query
}

func skipToProxy(name string, values []string) bool { return !forwardable(name, values, toHTTPProxy) }

// connectionHeaders are those that a Connection header names, nil where it names
// none but itself.
func connectionHeaders(h http.Header) map[string]bool {
	var out map[string]bool
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" && !strings.EqualFold(name, "close") && !strings.EqualFold(name, "keep-alive") {
				if out == nil {
					out = map[string]bool{}
				}
				out[http.CanonicalHeaderKey(name)] = true
			}
		}
	}
	return out
}

// takeHeaders makes a backend's headers the method's, in place.
func takeHeaders(h http.Header, from destination) {
	for name, values := range h {
		mapped, keep := responseHeaderName(name, from)
		if keep && mapped == name {
			continue
		}
		delete(h, name)
		if keep {
			h[mapped] = values
		}
	}
}

// httpTarget is the endpoint of an HTTP integration.
type httpTarget struct{ *httpEndpoint }

func newHTTPTarget(in *restapi.Integration) (target, error) {
	e, err := newHTTPEndpoint(in)
	return &httpTarget{e}, err
}

func (h *httpTarget) send(c *call, req *backendRequest) (*backendResponse, *Failure) {
	e, f := h.at(c, req.path)
	if f != nil {
		return nil, f
	}
	r := h.request(c, e, req.query.Encode())
	r.Header, r.Body = req.header, req.body
	r.Skip = func(name string, values []string) bool { return !forwardable(name, values, toHTTP) }
	r.Extra = []upstream.Header{{Name: "X-Amzn-Trace-Id", Value: c.TraceID}, {Name: "X-Amzn-Apigateway-Api-Id", Value: c.API.ID}}
	if req.header["User-Agent"] == nil {
		r.Extra = append(r.Extra, upstream.Header{Name: "User-Agent", Value: "AmazonAPIGateway_" + c.API.ID})
	}
	if req.header["Accept"] == nil {
		r.Extra = append(r.Extra, upstream.Header{Name: "Accept", Value: "application/json"})
	}
	c.trace.endpointRequest(e.text, req.header, req.body)
	resp, f := c.callBackend(r)
	if f != nil {
		return nil, f
	}
	body, f := c.readBackend(resp)
	if f != nil {
		return nil, f
	}
	return &backendResponse{status: resp.StatusCode, header: resp.Header, body: body}, nil
}
