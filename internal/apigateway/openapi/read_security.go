package openapi

import (
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// scheme is what a security scheme means to API Gateway: an API key, SigV4, or
// an authorizer (or nothing, for one that it ignores).
type scheme struct {
	key, iam   bool
	authorizer *restapi.Authorizer
}

func (r *reader) securitySchemes() {
	at, key := r.root, "securityDefinitions"
	if r.v3 {
		at, key = r.root.child("components"), "securitySchemes"
	}
	for name, c := range at.children(key) {
		c = c.resolve()
		kind := c.text("type")
		switch authorizer := c.child(ext("authorizer")); {
		case authorizer.there():
			r.schemes[name] = scheme{authorizer: r.authorizer(name, c, authorizer)}
		case strings.EqualFold(c.text(ext("authtype")), "awsSigv4"):
			r.schemes[name] = scheme{iam: true}
		case kind == "apiKey" && strings.EqualFold(c.text("name"), "x-api-key") && c.text("in") == "header":
			r.schemes[name] = scheme{key: true}
		default:
			r.schemes[name] = scheme{}
			r.warn("Unsupported security definition type '%s' for '%s'. Ignoring.", kind, name)
		}
		if v := c.text("description"); v != "" {
			r.parts.add(Location{Type: "AUTHORIZER", Name: name}, newObject().set("description", v))
		}
	}
}

// authorizer reads x-amazon-apigateway-authorizer.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
func (r *reader) authorizer(name string, c, a cursor) *restapi.Authorizer {
	out := &restapi.Authorizer{
		ID: r.o.NewID(6), Name: name,
		Type:           a.upper("type", "", "TOKEN", "REQUEST", "COGNITO_USER_POOLS"),
		AuthType:       c.text(ext("authtype")),
		URI:            a.text("authorizerUri"),
		Credentials:    a.text("authorizerCredentials"),
		IdentitySource: a.text("identitySource"), ValidationExpression: a.text("identityValidationExpression"),
		ResultTTLSeconds: a.integer("authorizerResultTtlInSeconds"),
		ProviderARNs:     a.texts("providerARNs"),
	}
	switch {
	case out.Type == "":
		r.fail("Unable to create authorizer '%s': Invalid authorizer type specified", name)
	case out.Type == "COGNITO_USER_POOLS" && len(out.ProviderARNs) == 0:
		r.fail("Unable to create authorizer '%s': Cognito user pool providers cannot be empty", name)
	case out.Type != "COGNITO_USER_POOLS" && out.URI == "":
		r.fail("Unable to create authorizer '%s': Authorizer URI cannot be empty", name)
	}
	if ttl := out.ResultTTLSeconds; ttl != nil && (*ttl < 0 || *ttl > 3600) {
		r.fail("Unable to create authorizer '%s': Authorizer result TTL must be between 0 and 3600 seconds", name)
	}
	if out.AuthType == "" {
		out.AuthType = defaultAuthType(out)
	}
	if out.IdentitySource == "" && out.Type != "REQUEST" && c.text("in") == "header" && c.text("name") != "" {
		out.IdentitySource = "method.request.header." + c.text("name")
	}
	r.def.Authorizers[out.ID] = out
	return out
}

// security sets what a method asks of its caller: the operation's own
// requirements, or the document's. API Gateway takes all that are listed, not
// one of them.
func (r *reader) security(m *restapi.Method, item, op cursor) {
	m.AuthorizationType = "NONE"
	from := op
	if !op.has("security") {
		from = r.root
	}
	for _, requirement := range from.items("security") {
		for _, name := range requirement.keys {
			s, ok := r.schemes[name]
			switch {
			case !ok:
				r.warn("Reference to security definition '%s' not found. Ignoring.", name)
			case s.key:
				m.APIKeyRequired = true
			case s.iam || s.authorizer != nil:
				r.authorization(m, s, requirement.texts(name), op.at)
			}
		}
	}
	if m.AuthorizationType != "NONE" {
		return
	}
	for _, c := range []cursor{op, item, r.root} {
		if auth := c.child(ext("auth")); auth.there() {
			m.AuthorizationType = auth.upper("type", "NONE", "NONE", "AWS_IAM")
			return
		}
	}
}

func (r *reader) authorization(m *restapi.Method, s scheme, scopes []string, at string) {
	kind, id := "AWS_IAM", ""
	if a := s.authorizer; a != nil {
		kind, id = "CUSTOM", a.ID
		if a.Type == "COGNITO_USER_POOLS" {
			kind = a.Type
		}
	}
	if m.AuthorizationType != "NONE" && (m.AuthorizationType != kind || m.AuthorizerID != id) {
		r.warn("More than one authorization is given for %s. Ignoring all but the first.", at)
		return
	}
	m.AuthorizationType, m.AuthorizerID = kind, id
	if kind == "COGNITO_USER_POOLS" {
		m.AuthorizationScopes = scopes
	}
}

func defaultAuthType(a *restapi.Authorizer) string {
	if a.Type == "COGNITO_USER_POOLS" {
		return "cognito_user_pools"
	}
	return "custom"
}
