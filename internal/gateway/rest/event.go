package rest

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/paddock-run/paddock/internal/rawhead"
)

// event is the payload format 1.0 of a Lambda proxy integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
type event struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  eventContext        `json:"requestContext"`
	Body                            *string             `json:"body"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type eventContext struct {
	ResourceID        string         `json:"resourceId"`
	Authorizer        map[string]any `json:"authorizer,omitempty"`
	ResourcePath      string         `json:"resourcePath"`
	OperationName     string         `json:"operationName,omitempty"`
	HTTPMethod        string         `json:"httpMethod"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	RequestTime       string         `json:"requestTime"`
	Path              string         `json:"path"`
	AccountID         string         `json:"accountId"`
	Protocol          string         `json:"protocol"`
	Stage             string         `json:"stage"`
	DomainPrefix      string         `json:"domainPrefix"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"` // milliseconds
	RequestID         string         `json:"requestId"`
	Identity          eventIdentity  `json:"identity"`
	DomainName        string         `json:"domainName"`
	DeploymentID      string         `json:"deploymentId,omitempty"`
	APIID             string         `json:"apiId"`
}

type eventIdentity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	UserAgent                     *string `json:"userAgent"`
	User                          *string `json:"user"`
	APIKey                        *string `json:"apiKey,omitempty"`
	APIKeyID                      *string `json:"apiKeyId,omitempty"`

	ClientCert *eventCertificate `json:"clientCert,omitempty"`
}

// newEvent makes the payload of a request.
func (c *call) newEvent() ([]byte, error) {
	e := c.newHead()
	if len(e.StageVariables) == 0 {
		e.StageVariables = nil // null, as AWS has it
	}
	if len(c.body) > 0 {
		if c.definition.binary.has(c.HTTP.Header.Get("Content-Type")) {
			e.Body, e.IsBase64Encoded = new(base64.StdEncoding.EncodeToString(c.body)), true
		} else {
			e.Body = new(string(c.body))
		}
	}
	return e.appendJSON(make([]byte, 0, 2048+len(c.body)))
}

// AuthorizerEvent makes the payload that a Lambda authorizer of type REQUEST is
// called with.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
func (r *Request) AuthorizerEvent() ([]byte, error) {
	e := r.of.newHead()
	out := struct {
		Type      string `json:"type"`
		MethodARN string `json:"methodArn"`
		event
		// They hide the event's: authorizers are not shown the body.
		Body            *string `json:"body,omitempty"`
		IsBase64Encoded *bool   `json:"isBase64Encoded,omitempty"`
	}{Type: "REQUEST", MethodARN: r.ARN(), event: e}
	// What is not there is an empty object here, and null in an integration's event.
	for _, m := range []*map[string]string{&out.QueryStringParameters, &out.PathParameters, &out.StageVariables} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if out.MultiValueQueryStringParameters == nil {
		out.MultiValueQueryStringParameters = map[string][]string{}
	}
	return json.Marshal(&out)
}

// newHead makes a payload without its body.
func (c *call) newHead() event {
	e := event{
		Resource:       c.Resource.Path,
		Path:           c.eventPath(),
		HTTPMethod:     c.HTTPMethod,
		PathParameters: c.PathParameters(),
		StageVariables: c.StageVariables,
		RequestContext: eventContext{
			ResourceID:        c.Resource.ID,
			Authorizer:        c.authorizerContext(),
			ResourcePath:      c.Resource.Path,
			OperationName:     c.Method.OperationName,
			HTTPMethod:        c.HTTPMethod,
			ExtendedRequestID: c.ExtendedID,
			RequestTime:       c.start.UTC().Format(clfTime),
			Path:              c.contextPath(),
			AccountID:         c.API.Account,
			Protocol:          "HTTP/1.1",
			Stage:             c.Stage.Name,
			DomainPrefix:      domainPrefix(c.DomainName()),
			RequestTimeEpoch:  c.start.UnixMilli(),
			RequestID:         c.ID,
			Identity:          c.eventIdentity(),
			DomainName:        c.DomainName(),
			DeploymentID:      c.deploymentID(),
			APIID:             c.API.ID,
		},
	}
	e.MultiValueHeaders, e.Headers = c.eventHeaders()
	if q := c.Query(); len(q) > 0 {
		e.MultiValueQueryStringParameters = q
		e.QueryStringParameters = make(map[string]string, len(q))
		for name, values := range q {
			e.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	return e
}

// eventPath is the path as the client sent it: with the base path of a custom
// domain name, without a stage.
func (c *call) eventPath() string {
	if c.BasePath != "" {
		return "/" + c.BasePath + c.path
	}
	return c.path
}

// eventHeaders are the request's, with those that AWS's front adds. Names have the
// case that the client wrote them in.
func (c *call) eventHeaders() (map[string][]string, map[string]string) {
	r := c.HTTP
	multi := make(map[string][]string, len(r.Header)+6)
	for name, values := range r.Header {
		if !forwardable(name, values, toLambda) {
			continue
		}
		multi[clientName(r, name)] = values
	}
	multi["Host"] = []string{r.Host}
	multi["X-Amzn-Trace-Id"] = []string{c.TraceID}
	multi["X-Forwarded-For"] = []string{forwardedFor(r)}
	multi["X-Forwarded-Proto"] = []string{scheme(r)}
	multi["X-Forwarded-Port"] = []string{port(r)}
	single := make(map[string]string, len(multi))
	for name, values := range multi {
		single[name] = values[len(values)-1]
	}
	return multi, single
}

// clientName is a header's name as the client wrote it: in HTTP/2, lower-case.
func clientName(r *http.Request, canonical string) string {
	if r.ProtoMajor >= 2 {
		return strings.ToLower(canonical)
	}
	return rawhead.Name(r.Context(), canonical)
}

func (c *call) eventIdentity() eventIdentity {
	id := eventIdentity{SourceIP: c.SourceIP(), UserAgent: optional(c.HTTP.Header.Get("User-Agent"))}
	id.ClientCert = c.clientCertificate()
	if c.key != nil {
		id.APIKey, id.APIKeyID = new(c.key.Value), new(c.key.ID)
	}
	if c.decision != nil && c.decision.Caller != nil {
		who := c.decision.Caller
		id.CognitoIdentityPoolID, id.AccountID, id.CognitoIdentityID = optional(who.CognitoIdentityPoolID), optional(who.AccountID), optional(who.CognitoIdentityID)
		id.Caller, id.PrincipalOrgID, id.AccessKey = optional(who.Caller), optional(who.PrincipalOrgID), optional(who.AccessKey)
		id.CognitoAuthenticationType, id.CognitoAuthenticationProvider = optional(who.CognitoAuthenticationType), optional(who.CognitoAuthenticationProvider)
		id.UserARN, id.User = optional(who.UserARN), optional(who.User)
	}
	return id
}

// authorizerContext is what an authorizer said, nil where none was asked.
func (c *call) authorizerContext() map[string]any {
	d := c.decision
	if d == nil || d.Caller != nil {
		return nil
	}
	out := make(map[string]any, len(d.Context)+3)
	for name, value := range d.Context {
		out[name] = text(value)
	}
	if d.Claims != nil {
		out["claims"] = d.Claims
		return out
	}
	out["principalId"] = d.PrincipalID
	out["integrationLatency"] = d.LatencyMS
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// forwardedFor adds the caller's address to X-Forwarded-For.
func forwardedFor(r *http.Request) string {
	ip := hostname(r.RemoteAddr)
	if before := r.Header["X-Forwarded-For"]; len(before) > 0 {
		return strings.Join(before, ", ") + ", " + ip
	}
	return ip
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func port(r *http.Request) string {
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		return p
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}
