package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Test is a request that TestInvokeMethod makes of a method which no stage serves.
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeMethod.html
type Test struct {
	Account, Region, APIID string
	Definition             *restapi.Definition
	ResourceID, HTTPMethod string
	PathWithQuery          string // empty: the resource's own path
	Body                   string
	Headers                http.Header
	// ClientCertificate is PEM, its key PKCS #8; nil: none is shown.
	ClientCertificate, ClientKey []byte
	StageVariables               map[string]string
}

// TestResult is what came of it.
type TestResult struct {
	Status  int
	Headers http.Header
	Body    string
	Log     string
	Latency time.Duration
}

// testStage is the stage of test invocations, in $context and in ARNs.
const testStage = "test-invoke-stage"

// TestMethod sends a request through a method, with neither authorizers nor keys
// nor limits. ctx carries the identity of who asked. Its error says that there is
// no such method.
func (g *Gateway) TestMethod(ctx context.Context, t *Test) (*TestResult, error) {
	def := t.Definition.Resources[t.ResourceID]
	if def == nil || def.Methods[t.HTTPMethod] == nil {
		return nil, fmt.Errorf("rest: there is no method %s of the resource %s", t.HTTPMethod, t.ResourceID)
	}
	d := &definition{Definition: t.Definition, binary: newMediaTypes(t.Definition.BinaryMediaTypes), responses: map[string]*gatewayResponse{}}
	for name, r := range t.Definition.GatewayResponses {
		d.responses[name] = newGatewayResponse(r)
	}
	r := &resource{Resource: def, methods: map[string]*method{}}
	var root node
	if err := root.add(r); err != nil {
		return nil, err
	}
	m := g.compileMethod(d, r, def.Methods[t.HTTPMethod])
	r.any = m

	target := t.PathWithQuery
	if target == "" {
		target = def.Path
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	verb := t.HTTPMethod
	if verb == "ANY" {
		verb = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, verb, "https://"+t.APIID+".execute-api."+t.Region+".amazonaws.com"+target, strings.NewReader(t.Body))
	if err != nil {
		return nil, err
	}
	if t.Headers != nil {
		req.Header = t.Headers.Clone()
	}
	req.RemoteAddr = "127.0.0.1:0"
	api := &restapi.API{Account: t.Account, Region: t.Region, ID: t.APIID}
	served := &restapi.ServedStage{Stage: restapi.Stage{Name: testStage, Variables: t.StageVariables}, Definition: t.Definition}
	w := &answer{header: http.Header{}}
	c := &call{gateway: g, writer: w, start: time.Now(), definition: d, method: m, stage: &stage{served: served, main: d, client: certificateOf(t.ClientCertificate, t.ClientKey)}}
	c.HTTP, c.HTTPMethod, c.API, c.Stage, c.StageVariables, c.of = req, verb, api, served, t.StageVariables, c
	c.Resource, c.Method = def, m.Method
	c.ID = uuid.NewString()
	c.ExtendedID = extendedID(c.ID)
	c.TraceID = traceID(req, c.start)
	c.escaped = req.URL.EscapedPath()
	c.path = plainPath(c.escaped)
	c.names = r.names
	if _, c.values = root.match(verb, c.escaped, nil); len(c.values) != len(r.names) {
		c.values = make([]string, len(r.names)) // the path is another resource's
	}
	c.trace = newTrace(c, levelInfo, true)
	c.trace.test = true
	c.test()
	return &TestResult{Status: w.status, Headers: w.header, Body: w.body.String(), Log: c.trace.text(), Latency: time.Since(c.start)}, nil
}

// authorizerTestStage is the stage of tested authorizers, in the method's ARN.
const authorizerTestStage = "ESTestInvoke-stage"

// TestRequest makes the request that TestInvokeAuthorizer asks an authorizer
// about, GET where nothing says otherwise: t names no resource and no method.
// further are $context variables. log returns the execution log so far.
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeAuthorizer.html
func (g *Gateway) TestRequest(ctx context.Context, t *Test, further map[string]string) (r *Request, log func() string, err error) {
	target := "/" + strings.TrimPrefix(t.PathWithQuery, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+t.APIID+".execute-api."+t.Region+".amazonaws.com"+target, strings.NewReader(t.Body))
	if err != nil {
		return nil, nil, err
	}
	if t.Headers != nil {
		req.Header = t.Headers.Clone()
	}
	req.RemoteAddr = "127.0.0.1:0"
	served := &restapi.ServedStage{Stage: restapi.Stage{Name: authorizerTestStage, Variables: t.StageVariables}, Definition: t.Definition}
	d := g.compileDefinition(t.Definition)
	c := &call{gateway: g, writer: &answer{header: http.Header{}}, start: time.Now(), definition: d, stage: &stage{served: served, main: d}}
	c.HTTP, c.HTTPMethod, c.Stage, c.StageVariables, c.of, c.extra = req, req.Method, served, t.StageVariables, c, further
	c.API = &restapi.API{Account: t.Account, Region: t.Region, ID: t.APIID}
	c.ID = uuid.NewString()
	c.ExtendedID, c.TraceID = extendedID(c.ID), traceID(req, c.start)
	c.escaped = req.URL.EscapedPath()
	c.path = plainPath(c.escaped)
	c.Resource, c.Method = &restapi.Resource{ID: t.Definition.RootResourceID, Path: "/"}, &restapi.Method{HTTPMethod: req.Method}
	if c.method, c.values = d.root.match(req.Method, c.escaped, nil); c.method != nil {
		c.names, c.Resource, c.Method = c.method.resource.names, c.method.resource.Resource, c.method.Method
	}
	c.trace = newTrace(c, levelInfo, true)
	c.trace.test = true
	return &c.Request, c.trace.text, nil
}

// test is serve without what a test passes by.
func (c *call) test() {
	c.respond(c.testAnswer())
}

func (c *call) testAnswer() *response {
	c.trace.begin(c)
	if c.method.broken != nil {
		return c.refuse(fail(configurationError, c.method.broken.Error()))
	}
	if f := c.readBody(); f != nil {
		return c.refuse(f)
	}
	c.trace.requestBody(c)
	if f := c.validate(); f != nil {
		return c.refuse(f)
	}
	out, f := c.method.backend.do(c)
	if f != nil {
		return c.refuse(f)
	}
	c.trace.succeeded(out)
	return out
}
