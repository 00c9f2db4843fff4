package app

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/paddock-run/paddock/internal/apigateway"
	"github.com/paddock-run/paddock/internal/apigatewayv2"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/gateway"
	"github.com/paddock-run/paddock/internal/gateway/authorizer"
	"github.com/paddock-run/paddock/internal/gateway/customdomain"
	"github.com/paddock-run/paddock/internal/gateway/limits"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/logs"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// gateway builds the data planes of the APIs and tells their requests apart.
func (d *daemon) gateway(ctx context.Context) (_ edge.Gateway, err error) {
	if d.limits, err = limits.New(ctx, limits.Options{
		Directory: d.rest, APIs: d.rest, Documents: d.state.Documents, Rate: d.cfg.APIRate, Burst: d.cfg.APIBurst, Logger: d.log,
	}); err != nil {
		return nil, err
	}
	d.rest.SetUsage(d.limits)
	authorizers, err := authorizer.New(authorizer.Options{
		Functions: d.lambda, Invoker: d.invoker, Issuers: d.cfg.Issuers, Lookup: d.keys.lookup(), Logger: d.log,
	})
	if err != nil {
		return nil, err
	}
	d.data = rest.New(rest.Options{
		APIs:       d.rest,
		Functions:  d.lambda,
		Invoker:    d.invoker,
		Services:   &calledServices{services: d.services(), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.edge.ServeHTTP(w, r) })},
		Links:      &vpcLinks{targets: d.cfg.VPCLinks, links: d.rest},
		Policies:   authorizer.Policies{},
		Authorize:  authorizers,
		Limits:     d.limits,
		CacheBytes: int64(d.cfg.APICache) * megabyte,
		Logs:       gatewayLogs{d.logs},
		Metrics:    d.metrics,
		Logger:     d.log,
	})
	d.rest.SetTester(&restTester{d.data, authorizers})
	return &apis{http: gateway.New(d.apis, d.lambda, d.invoker, d.log), rest: d.data, restAPIs: d.rest, httpAPIs: d.apis, front: d.front}, nil
}

// apis hands the edge's requests to the data plane of their API's kind.
type apis struct {
	http     *gateway.Gateway
	rest     *rest.Gateway
	restAPIs *apigateway.Service
	httpAPIs *apigatewayv2.Service
	front    *customdomain.Front
}

var _ edge.Gateway = (*apis)(nil)

func (a *apis) ServeAPI(w http.ResponseWriter, r *http.Request, to edge.APIRequest) {
	if to.CustomHost != "" {
		a.serveDomain(w, r, to)
		return
	}
	if a.rest.Serves(to.APIID) {
		a.rest.ServeAPI(w, r, rest.Target{APIID: to.APIID, Stage: to.Stage, Path: to.Path})
		return
	}
	if a.httpAPIs.HTTPAPI(to.APIID) == nil {
		// Of which kind an API is that is nowhere, nobody can say: AWS answers 403.
		a.rest.ServeAPI(w, r, rest.Target{APIID: to.APIID, Path: to.Path})
		return
	}
	a.http.ServeAPI(w, r, gateway.Request{APIID: to.APIID, Stage: to.Stage, Path: to.Path, PathForm: to.PathForm})
}

// serveDomain answers a request to a custom domain name. Where no mapping fits, or
// mutual TLS is wanted and was not had, the API that is nowhere answers as API
// Gateway does: 403.
func (a *apis) serveDomain(w http.ResponseWriter, r *http.Request, to edge.APIRequest) {
	var target rest.Target
	if domain := a.restAPIs.Domain(to.CustomHost); domain != nil && a.front.Admits(domain, r) {
		target, _ = rest.SplitDomain(domain, to.Path)
	}
	a.rest.ServeAPI(w, r, target)
}

// OwnsHost implements edge.Gateway.
func (a *apis) OwnsHost(name string) bool { return a.restAPIs.Domain(name) != nil }

// calledServices are Paddock's services as integrations call them: through the
// edge, so that a request finds its operation as any client's does.
type calledServices struct {
	services []edge.Service
	handler  http.Handler
}

var _ rest.Services = (*calledServices)(nil)

// Service implements rest.Services.
func (c *calledServices) Service(name string) *rest.Service {
	for i := range c.services {
		s := c.services[i].Schema
		if s.EndpointPrefix != name && s.SigningName != name && s.ID != name {
			continue
		}
		out := &rest.Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.handler.ServeHTTP(w, r.WithContext(edge.WithIdentity(r.Context(), identity.Of(r.Context()))))
		})}
		if s.TargetPrefix != "" && !slices.Contains(s.Protocols, schema.Query) {
			out.Target = func(action string) string { return s.TargetPrefix + "." + action }
			out.ContentType = "application/x-amz-json-" + s.JSONVersion
		}
		return out
	}
	return nil
}

// gatewayLogs takes what gateways log to CloudWatch Logs.
type gatewayLogs struct{ logs *logs.Service }

func (l gatewayLogs) Append(account, region, group, stream string, events []rest.LogEvent) {
	out := make([]store.LogEvent, len(events))
	for i, e := range events {
		out[i] = store.LogEvent{Time: time.UnixMilli(e.Timestamp), Message: e.Message}
	}
	l.logs.Ingest(account, region, group, stream, out)
}

// restTester carries out test invocations on the data plane.
type restTester struct {
	gateway     *rest.Gateway
	authorizers *authorizer.Authorizers
}

var _ apigateway.Tester = (*restTester)(nil)

// TestMethod implements apigateway.Tester.
func (t *restTester) TestMethod(ctx context.Context, m apigateway.TestMethod) (*apigateway.TestMethodResult, error) {
	r, err := t.gateway.TestMethod(ctx, &rest.Test{
		Account: m.Account, Region: m.Region, APIID: m.APIID, Definition: m.Definition, ResourceID: m.ResourceID, HTTPMethod: m.HTTPMethod,
		PathWithQuery: m.PathWithQuery, Body: m.Body, Headers: canonical(m.Headers), ClientCertificate: m.ClientCertificate, ClientKey: m.ClientKey,
		StageVariables: m.StageVariables,
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.TestMethodResult{Status: r.Status, Headers: r.Headers, Body: r.Body, Log: r.Log, Latency: r.Latency}, nil
}

// TestAuthorizer implements apigateway.Tester.
func (t *restTester) TestAuthorizer(ctx context.Context, a apigateway.TestAuthorizer) (*apigateway.TestAuthorizerResult, error) {
	r, log, err := t.gateway.TestRequest(ctx, &rest.Test{
		Account: a.Account, Region: a.Region, APIID: a.APIID, Definition: a.Definition, PathWithQuery: a.PathWithQuery, Body: a.Body,
		Headers: canonical(a.Headers), StageVariables: a.StageVariables,
	}, a.AdditionalContext)
	if err != nil {
		return nil, awserr.New(http.StatusBadRequest, "BadRequestException", "Invalid pathWithQueryString: %s", a.PathWithQuery)
	}
	begin := time.Now()
	got, err := t.authorizers.Test(ctx, a.Definition.Authorizers[a.AuthorizerID], r)
	if err != nil {
		return nil, err
	}
	return &apigateway.TestAuthorizerResult{
		ClientStatus: got.ClientStatus, Log: log(), Latency: time.Since(begin),
		PrincipalID: got.PrincipalID, Policy: got.Policy, Authorization: got.Authorization, Claims: got.Claims,
	}, nil
}

func canonical(h map[string][]string) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			out.Add(name, v)
		}
	}
	return out
}
