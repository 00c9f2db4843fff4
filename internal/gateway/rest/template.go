package rest

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/mapping"
	"github.com/paddock-run/paddock/internal/gateway/params"
	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// template is a mapping template.
type template struct {
	compiled *mapping.Template // nil: there is nothing to compute
	static   string
}

func parseTemplate(text string) (*template, error) {
	if !strings.ContainsAny(text, "$#\\") {
		return &template{static: text}, nil
	}
	t, err := mapping.Compile(text)
	if err != nil {
		return nil, err
	}
	return &template{compiled: t}, nil
}

// render executes the template on the body of the request, or of the backend's
// response.
func (t *template) render(c *call, body []byte) (string, error) {
	if t.compiled == nil {
		return t.static, nil
	}
	if c.event == nil {
		c.event = c.templateEvent()
	}
	c.event.Body = body
	var b bytes.Buffer
	if err := t.compiled.Execute(c.HTTP.Context(), &b, c.event); err != nil {
		return "", err
	}
	return b.String(), nil
}

// templateEvent is what templates see of a request.
func (c *call) templateEvent() *mapping.Event {
	e := &mapping.Event{Context: templateContext{c}, StageVariables: c.StageVariables}
	for i, name := range c.names {
		e.Path = append(e.Path, mapping.Parameter{Name: name, Value: unescape(c.values[i])})
	}
	query := c.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		e.Query = append(e.Query, mapping.Parameter{Name: name, Value: query[name][len(query[name])-1]})
	}
	header := c.HTTP.Header
	for _, name := range slices.Sorted(maps.Keys(header)) {
		e.Header = append(e.Header, mapping.Parameter{Name: clientName(c.HTTP, name), Value: strings.Join(header[name], ",")})
	}
	for _, h := range []mapping.Parameter{
		{Name: "Host", Value: c.HTTP.Host}, {Name: "X-Amzn-Trace-Id", Value: c.TraceID}, {Name: "X-Forwarded-For", Value: forwardedFor(c.HTTP)},
		{Name: "X-Forwarded-Port", Value: port(c.HTTP)}, {Name: "X-Forwarded-Proto", Value: scheme(c.HTTP)},
	} {
		if header[h.Name] == nil {
			e.Header = append(e.Header, h)
		}
	}
	return e
}

// overrideRequest applies $context.requestOverride.
func (c *call) overrideRequest(req *backendRequest) {
	if c.event == nil {
		return
	}
	o := &c.event.Overrides
	for _, p := range o.RequestPath() {
		if len(p.Values) > 0 {
			req.path[p.Name] = p.Values[len(p.Values)-1]
		}
	}
	for _, p := range o.RequestQuery() {
		req.query[p.Name] = p.Values
	}
	overrideHeaders(req.header, o.RequestHeader())
}

// overrideResponse applies $context.responseOverride.
func (c *call) overrideResponse(out *response) {
	if c.event == nil {
		return
	}
	if status, ok := c.event.Overrides.ResponseStatus(); ok && status >= 200 {
		out.status = status
	}
	overrideHeaders(out.header, c.event.Overrides.ResponseHeader())
}

func overrideHeaders(h http.Header, list []mapping.Override) {
	for _, p := range list {
		name := http.CanonicalHeaderKey(p.Name)
		if !params.ValidHeaderName(name) || !validValues(p.Values) {
			continue // it would break the head apart
		}
		h[name] = p.Values
	}
}

// templateContext is $context in templates.
type templateContext struct{ *call }

var _ mapping.Variables = templateContext{}

// Variable implements mapping.Variables.
func (t templateContext) Variable(name string) (vtl.Value, bool) {
	switch name {
	case "requestTimeEpoch":
		return t.start.UnixMilli(), true
	}
	if _, group := contextGroups[name]; group || strings.HasPrefix(name, "error.") && t.failure == nil {
		return nil, false
	}
	v, ok := t.variable(name)
	if !ok {
		return nil, false
	}
	return v, true
}

// contextGroups are the variables of $context and of its groups.
var contextGroups = map[string][]string{
	"": {"accountId", "resourceId", "stage", "authorizer", "domainName", "requestId", "extendedRequestId", "identity", "domainPrefix", "resourcePath",
		"httpMethod", "operationName", "protocol", "requestTime", "requestTimeEpoch", "path", "apiId", "deploymentId", "isCanaryRequest"},
	"identity": {"cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "sourceIp", "principalOrgId", "accessKey",
		"cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "userAgent", "user", "apiKey", "apiKeyId"},
	"identity.clientCert":          {"clientCertPem", "subjectDN", "issuerDN", "serialNumber", "validity"},
	"identity.clientCert.validity": {"notBefore", "notAfter"},
}

// Names implements mapping.Variables.
func (t templateContext) Names(group string) []string {
	switch d := t.decision; {
	case group == "authorizer" && d != nil:
		names := slices.Sorted(maps.Keys(d.Context))
		if d.Claims != nil {
			names = append(names, "claims")
		}
		return append(names, "principalId", "integrationLatency")
	case group == "authorizer.claims" && d != nil && d.Claims != nil:
		return slices.Sorted(maps.Keys(d.Claims))
	}
	if strings.HasPrefix(group, "identity.clientCert") && t.clientCertificate() == nil {
		return nil
	}
	return contextGroups[group]
}
