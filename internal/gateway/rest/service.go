package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
)

// serviceTarget is the AWS service of an AWS integration:
// arn:aws:apigateway:{region}:{subdomain.service|service}:{path|action}/{rest}.
// https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html
type serviceTarget struct {
	region, service, subdomain string
	action                     bool
	rest                       uri
	method                     string
	timeout                    time.Duration
}

func newServiceTarget(in *restapi.Integration) (target, error) {
	a, err := arn.Parse(in.URI)
	if err != nil || a.Service != "apigateway" {
		return nil, fmt.Errorf("the URI %q names no AWS service", in.URI)
	}
	kind, rest, ok := strings.Cut(a.Resource, "/")
	if !ok || kind != "path" && kind != "action" {
		return nil, fmt.Errorf("the URI %q has neither a path nor an action", in.URI)
	}
	t := &serviceTarget{region: a.Region, service: a.Account, action: kind == "action", method: in.HTTPMethod,
		timeout: time.Duration(timeoutMillis(in)) * time.Millisecond}
	if i := strings.LastIndexByte(t.service, '.'); i >= 0 {
		t.subdomain, t.service = t.service[:i+1], t.service[i+1:]
	}
	if t.rest, err = parseURI(rest); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *serviceTarget) send(c *call, req *backendRequest) (*backendResponse, *Failure) {
	var service *Service
	if c.gateway.Services != nil {
		service = c.gateway.Services.Service(t.service)
	}
	if service == nil {
		f := fail(default5XX, "Execution failed: this Paddock has no service "+t.service)
		f.Status, f.Code, f.Message = http.StatusNotImplemented, "NotImplementedException", "This Paddock has no service "+t.service+" that an integration could call"
		return nil, f
	}
	ctx, cancel := context.WithTimeout(c.HTTP.Context(), t.timeout)
	defer cancel()
	r := t.request(ctx, c, service, req)
	c.trace.endpointRequest(r.URL.String(), r.Header, req.body)
	w := &answer{header: http.Header{}}
	begin := time.Now()
	service.Handler.ServeHTTP(w, r)
	c.took(begin)
	if ctx.Err() == context.DeadlineExceeded {
		c.integrationError = "Execution failed due to a timeout error"
		return nil, fail(integrationTimeout, "Execution failed due to a timeout error")
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.overflow {
		return nil, fail(default5XX, "Execution failed: the service's response is over 10 MB")
	}
	c.endpointRequestID = w.header.Get("X-Amzn-Requestid")
	out := &backendResponse{status: w.status, header: w.header, body: w.body.Bytes()}
	c.trace.endpointResponse(c, w.status, w.header, out.body)
	return out, nil
}

// request makes the request that the service's own client would send.
func (t *serviceTarget) request(ctx context.Context, c *call, service *Service, req *backendRequest) *http.Request {
	rest := t.rest.expand(c.StageVariables, func(name string) string { return escapePath(req.path[name], c.isGreedy(name, req.path[name])) })
	host := t.subdomain + t.service + "." + t.region + ".amazonaws.com"
	u := &url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: req.query.Encode()}
	header := req.header.Clone()
	if t.action {
		if service.Target != nil {
			header.Set("X-Amz-Target", service.Target(rest))
			header.Set("Content-Type", service.ContentType)
		} else {
			query := req.query
			query.Set("Action", rest)
			u.RawQuery = query.Encode()
		}
	} else {
		path, query, _ := strings.Cut(rest, "?")
		u.Path, u.RawPath = plainPath("/"+path), "/"+path
		if query != "" && u.RawQuery != "" {
			query += "&"
		}
		u.RawQuery = query + u.RawQuery
	}
	outer := identity.Of(c.HTTP.Context())
	id := *outer
	id.Account, id.Region, id.Partition = c.API.Account, t.region, arn.PartitionOf(t.region)
	id.AccessKey, id.FunctionARN, id.RequestID, id.TraceID = "", "", uuid.NewString(), c.TraceID
	method := t.method
	if method == "" || method == "ANY" {
		method = c.HTTPMethod
	}
	r := (&http.Request{Method: method, URL: u, Host: host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: c.HTTP.RemoteAddr, RequestURI: u.RequestURI(), ContentLength: int64(len(req.body)),
		Body: io.NopCloser(bytes.NewReader(req.body))}).WithContext(identity.With(ctx, &id))
	if len(req.body) == 0 {
		r.Body = http.NoBody
	}
	return r
}

// answer keeps what a service writes.
type answer struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	overflow bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.body.Len()+len(p) > maxPayload {
		a.overflow = true
		return 0, errTooLarge
	}
	return a.body.Write(p)
}
