package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

func (w *writer) securitySchemes() *object {
	out := newObject()
	header := func(name string) *object {
		return newObject().set("type", "apiKey").set("name", name).set("in", "header")
	}
	authorizers := slices.SortedFunc(maps.Values(w.def.Authorizers), func(a, b *restapi.Authorizer) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range authorizers {
		name, explicit := "Unused", a.IdentitySource
		if h, ok := strings.CutPrefix(a.IdentitySource, "method.request.header."); ok && a.Type != "REQUEST" && !strings.Contains(h, ",") {
			name, explicit = h, ""
		}
		s := header(name)
		w.describe(s, w.docs[Location{Type: "AUTHORIZER", Name: a.Name}], "description")
		authType := a.AuthType
		if authType == "" {
			authType = defaultAuthType(a)
		}
		s.set(ext("authtype"), authType)
		if w.o.Authorizers {
			s.set(ext("authorizer"), authorizer(a, explicit))
		}
		out.set(a.Name, s)
	}
	if w.usesKey {
		out.set(w.keyName, header("x-api-key"))
	}
	if w.usesIAM {
		out.set(w.iamName, header("Authorization").set(ext("authtype"), "awsSigv4"))
	}
	return out
}

func authorizer(a *restapi.Authorizer, identitySource string) *object {
	out := newObject().set("type", strings.ToLower(a.Type))
	setTexts(out,
		"authorizerUri", a.URI, "authorizerCredentials", a.Credentials,
		"identitySource", identitySource, "identityValidationExpression", a.ValidationExpression)
	if a.ResultTTLSeconds != nil {
		out.set("authorizerResultTtlInSeconds", integer(*a.ResultTTLSeconds))
	}
	if len(a.ProviderARNs) > 0 {
		out.set("providerARNs", texts(a.ProviderARNs))
	}
	return out
}

// setTexts sets those of the members that are not empty.
func setTexts(to *object, members ...string) {
	for i := 0; i < len(members); i += 2 {
		if members[i+1] != "" {
			to.set(members[i], members[i+1])
		}
	}
}

func integer(n int32) number { return number(strconv.Itoa(int(n))) }

func sortedMap(m map[string]string) *object {
	out := newObject()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out.set(k, m[k])
	}
	return out
}

// integration writes x-amazon-apigateway-integration. A cache namespace that is
// the resource's own, as every one is to begin with, says nothing.
func integration(r *restapi.Resource, i *restapi.Integration) *object {
	namespace := i.CacheNamespace
	if namespace == r.ID {
		namespace = ""
	}
	out := newObject().set("type", strings.ToLower(i.Type))
	setTexts(out,
		"connectionId", i.ConnectionID, "connectionType", i.ConnectionType, "integrationTarget", i.Target,
		"credentials", i.Credentials, "httpMethod", i.HTTPMethod, "uri", i.URI)
	responses := newObject()
	for _, code := range slices.Sorted(maps.Keys(i.Responses)) {
		r := i.Responses[code]
		pattern := r.SelectionPattern
		if pattern == "" {
			pattern = "default"
		}
		responses.set(pattern, integrationResponse(r))
	}
	if responses.len() > 0 {
		out.set("responses", responses)
	}
	if len(i.Parameters) > 0 {
		out.set("requestParameters", sortedMap(i.Parameters))
	}
	if len(i.Templates) > 0 {
		out.set("requestTemplates", sortedMap(i.Templates))
	}
	passthrough := i.Passthrough
	if passthrough == "" {
		passthrough = "WHEN_NO_MATCH"
	}
	setTexts(out,
		"passthroughBehavior", strings.ToLower(passthrough), "contentHandling", i.ContentHandling,
		"responseTransferMode", i.TransferMode, "cacheNamespace", namespace)
	if i.TimeoutMillis != 0 {
		out.set("timeoutInMillis", integer(i.TimeoutMillis))
	}
	if len(i.CacheKeyParameters) > 0 {
		out.set("cacheKeyParameters", texts(i.CacheKeyParameters))
	}
	if i.InsecureTLS {
		out.set("tlsConfig", newObject().set("insecureSkipVerification", true))
	}
	return out
}

func integrationResponse(r *restapi.IntegrationResponse) *object {
	out := newObject().set("statusCode", r.StatusCode)
	if len(r.Parameters) > 0 {
		out.set("responseParameters", sortedMap(r.Parameters))
	}
	if len(r.Templates) > 0 {
		out.set("responseTemplates", sortedMap(r.Templates))
	}
	setTexts(out, "contentHandling", r.ContentHandling)
	return out
}

// settings writes the extensions of the document's root.
func (w *writer) settings(root *object) error {
	def := w.def
	if len(def.Validators) > 0 {
		validators := newObject()
		for _, v := range slices.SortedFunc(maps.Values(def.Validators), func(a, b *restapi.RequestValidator) int { return strings.Compare(a.Name, b.Name) }) {
			validators.set(v.Name, newObject().set("validateRequestParameters", v.Parameters).set("validateRequestBody", v.Body))
		}
		root.set(ext("request-validators"), validators)
	}
	if len(def.GatewayResponses) > 0 {
		responses := newObject()
		for _, kind := range slices.Sorted(maps.Keys(def.GatewayResponses)) {
			responses.set(kind, gatewayResponse(def.GatewayResponses[kind]))
		}
		root.set(ext("gateway-responses"), responses)
	}
	if def.Policy != "" {
		policy, err := parseJSON(def.Policy)
		if err != nil {
			return fmt.Errorf("the API's policy: %w", err)
		}
		root.set(ext("policy"), policy)
	}
	setTexts(root,
		ext("api-key-source"), def.APIKeySource, ext("security-policy"), w.d.SecurityPolicy,
		ext("endpoint-access-mode"), w.d.EndpointAccessMode)
	if def.MinimumCompressionSize != nil {
		root.set(ext("minimum-compression-size"), integer(*def.MinimumCompressionSize))
	}
	if len(def.BinaryMediaTypes) > 0 {
		root.set(ext("binary-media-types"), texts(def.BinaryMediaTypes))
	}
	w.endpoint(root)
	return nil
}

func gatewayResponse(g *restapi.GatewayResponse) *object {
	out := newObject()
	if g.StatusCode != "" {
		out.set("statusCode", g.StatusCode)
	}
	if len(g.Parameters) > 0 {
		out.set("responseParameters", sortedMap(g.Parameters))
	}
	if len(g.Templates) > 0 {
		out.set("responseTemplates", sortedMap(g.Templates))
	}
	return out
}

func (w *writer) endpoint(root *object) {
	out := newObject()
	if w.def.ExecuteAPIDisabled {
		out.set("disableExecuteApiEndpoint", true)
	}
	if e := w.d.Endpoint; e != nil {
		if len(e.Types) > 0 {
			out.set("types", texts(e.Types))
		}
		if len(e.VPCEndpointIDs) > 0 {
			out.set("vpcEndpointIds", texts(e.VPCEndpointIDs))
		}
		setTexts(out, "ipAddressType", e.IPAddressType)
	}
	if out.len() > 0 {
		root.set(ext("endpoint-configuration"), out)
	}
}
