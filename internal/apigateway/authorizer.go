package apigateway

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dlclark/regexp2"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// The types of authorizers; that of user pools is also a method's authorization
// type.
const (
	authorizerToken   = "TOKEN"
	authorizerRequest = "REQUEST"
)

// maxAuthorizerTTL is how long an authorizer's answer may be kept, in seconds.
const maxAuthorizerTTL = 3600

// CreateAuthorizer adds an authorizer.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html
func (s *Service) CreateAuthorizer(ctx context.Context, in *api.CreateAuthorizerRequest) (*api.Authorizer, error) {
	z := &restapi.Authorizer{
		Name: *in.Name, Type: string(*in.Type), ProviderARNs: slices.Clone(in.ProviderARNs),
		AuthType: text(in.AuthType), URI: text(in.AuthorizerUri), Credentials: text(in.AuthorizerCredentials),
		IdentitySource: text(in.IdentitySource), ValidationExpression: text(in.IdentityValidationExpression),
		ResultTTLSeconds: in.AuthorizerResultTtlInSeconds,
	}
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		z.ID = freshID(6, a.Definition.Authorizers)
		if err := checkAuthorizer(a.Definition, z); err != nil {
			return err
		}
		a.Definition.Authorizers[z.ID] = z
		return nil
	})
	if err != nil {
		return nil, err
	}
	return authorizerView(z), nil
}

// GetAuthorizer returns an authorizer.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAuthorizer.html
func (s *Service) GetAuthorizer(ctx context.Context, in *api.GetAuthorizerRequest) (*api.Authorizer, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	z := a.Definition.Authorizers[*in.AuthorizerId]
	if z == nil {
		return nil, errNoAuthorizer
	}
	return authorizerView(z), nil
}

// GetAuthorizers lists an API's authorizers by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAuthorizers.html
func (s *Service) GetAuthorizers(ctx context.Context, in *api.GetAuthorizersRequest) (*api.Authorizers, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &api.Authorizers{}
	out.Items, out.Position, err = viewPage(a.Definition.Authorizers, authorizerView, in.Position, in.Limit)
	return out, err
}

// UpdateAuthorizer changes an authorizer by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateAuthorizer.html
func (s *Service) UpdateAuthorizer(ctx context.Context, in *api.UpdateAuthorizerRequest) (*api.Authorizer, error) {
	var z *restapi.Authorizer
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if z = a.Definition.Authorizers[*in.AuthorizerId]; z == nil {
			return errNoAuthorizer
		}
		if err := authorizerPatches(z).apply(in.PatchOperations); err != nil {
			return err
		}
		for _, m := range methods(a.Definition) {
			if m.AuthorizerID != z.ID {
				continue
			}
			if err := checkMethod(a.Definition, m); err != nil {
				return err
			}
		}
		return checkAuthorizer(a.Definition, z)
	})
	if err != nil {
		return nil, err
	}
	return authorizerView(z), nil
}

func authorizerPatches(z *restapi.Authorizer) patchTable {
	return patchTable{
		{path: "/name", replace: setText(&z.Name)},
		{path: "/type", replace: enumPatch(&z.Type, "authorizer type", []string{authorizerToken, authorizerRequest, authCognito})},
		{path: "/authType", replace: setText(&z.AuthType)},
		{path: "/authorizerUri", replace: setText(&z.URI)},
		{path: "/authorizerCredentials", replace: setText(&z.Credentials)},
		{path: "/identitySource", replace: setText(&z.IdentitySource)},
		{path: "/identityValidationExpression", replace: setText(&z.ValidationExpression)},
		{path: "/authorizerResultTtlInSeconds", replace: func(_, value string) error {
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return badRequest("Invalid value for authorizerResultTtlInSeconds: %s", value)
			}
			z.ResultTTLSeconds = new(int32(n))
			return nil
		}},
		{path: "/providerARNs", add: func(_, value string) error {
			if !slices.Contains(z.ProviderARNs, value) {
				z.ProviderARNs = append(z.ProviderARNs, value)
			}
			return nil
		}, remove: func(_, value string) error {
			z.ProviderARNs = slices.DeleteFunc(z.ProviderARNs, func(p string) bool { return p == value })
			return nil
		}},
	}
}

// DeleteAuthorizer removes an authorizer that no method uses.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteAuthorizer.html
func (s *Service) DeleteAuthorizer(ctx context.Context, in *api.DeleteAuthorizerRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		z := a.Definition.Authorizers[*in.AuthorizerId]
		if z == nil {
			return errNoAuthorizer
		}
		for r, m := range methods(a.Definition) {
			if m.AuthorizerID == z.ID {
				return conflict("Cannot delete authorizer '%s', is referenced in method: %s/%s", z.Name, r.Path, m.HTTPMethod)
			}
		}
		delete(a.Definition.Authorizers, z.ID)
		return nil
	})
	return &schema.Unit{}, err
}

var errNoAuthorizer = &api.NotFoundException{Message: new("Invalid Authorizer identifier specified")}

var (
	// lambdaURI names a Lambda function in an authorizer's URI; its ARN may hold
	// stage variables.
	lambdaURI = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]+:lambda:path/2015-03-31/functions/(.+)/invocations$`)
	// What an authorizer may be asked with.
	tokenSource   = regexp.MustCompile(`^method\.request\.header\.` + parameterName + `$`)
	requestSource = regexp.MustCompile(`^(?:method\.request\.(?:header|querystring|multivalueheader|multivaluequerystring)\.` + parameterName + `|stageVariables\.[A-Za-z0-9_]+|context\.[A-Za-z0-9_.\-]+)$`)
)

func checkAuthorizer(d *restapi.Definition, z *restapi.Authorizer) error {
	if z.Name == "" {
		return badRequest("Authorizer name cannot be empty")
	}
	for _, other := range d.Authorizers {
		if other.Name == z.Name && other.ID != z.ID {
			return conflict("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", z.Name)
		}
	}
	if t := z.ResultTTLSeconds; t != nil && (*t < 0 || *t > maxAuthorizerTTL) {
		return badRequest("Invalid value for authorizerResultTtlInSeconds: it must be between 0 and %d", maxAuthorizerTTL)
	}
	if z.Credentials != "" && !arnWithVariables(z.Credentials) {
		return badRequest("Invalid ARN specified in the request")
	}
	if _, err := regexp2.Compile(z.ValidationExpression, regexp2.None); err != nil {
		return badRequest("Invalid identity validation expression specified: %s", z.ValidationExpression)
	}
	switch z.Type {
	case authCognito:
		return checkUserPools(z)
	case authorizerRequest:
		if z.ValidationExpression != "" {
			return badRequest("Identity validation expression is not supported for REQUEST authorizers")
		}
	}
	if m := lambdaURI.FindStringSubmatch(z.URI); m == nil || !arnWithVariables(m[1]) {
		return badRequest("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", z.URI)
	}
	return checkIdentitySource(z)
}

func checkUserPools(z *restapi.Authorizer) error {
	if len(z.ProviderARNs) == 0 {
		return badRequest("Provider ARNs must be specified for COGNITO_USER_POOLS authorizers")
	}
	for _, p := range z.ProviderARNs {
		if a, err := arn.Parse(p); err != nil || a.Service != "cognito-idp" || !strings.HasPrefix(a.Resource, "userpool/") {
			return badRequest("Invalid ARN specified in the request")
		}
	}
	if z.IdentitySource != "" && !tokenSource.MatchString(z.IdentitySource) {
		return badExpression(z.IdentitySource)
	}
	return nil
}

// checkIdentitySource checks what a Lambda authorizer is asked with. Without
// any, nothing could tell cached answers apart.
func checkIdentitySource(z *restapi.Authorizer) error {
	form := requestSource
	if z.Type == authorizerToken {
		form = tokenSource
	}
	if z.IdentitySource == "" {
		if z.Type == authorizerToken || z.ResultTTLSeconds == nil || *z.ResultTTLSeconds > 0 {
			return badRequest("Identity source must be specified: a TOKEN authorizer needs one, a REQUEST authorizer does while its answers are cached")
		}
		return nil
	}
	sources := strings.Split(z.IdentitySource, ",")
	if z.Type == authorizerToken && len(sources) > 1 {
		return badExpression(z.IdentitySource)
	}
	for _, source := range sources {
		if !form.MatchString(strings.TrimSpace(source)) {
			return badExpression(strings.TrimSpace(source))
		}
	}
	return nil
}

// authorizerView is an authorizer as clients see it.
func authorizerView(z *restapi.Authorizer) *api.Authorizer {
	out := &api.Authorizer{
		Id: &z.ID, Name: &z.Name, Type: new(api.AuthorizerType(z.Type)), ProviderARNs: z.ProviderARNs,
		AuthType: optional(z.AuthType), AuthorizerUri: optional(z.URI), AuthorizerCredentials: optional(z.Credentials),
		IdentitySource: optional(z.IdentitySource), IdentityValidationExpression: optional(z.ValidationExpression),
		AuthorizerResultTtlInSeconds: z.ResultTTLSeconds,
	}
	if z.AuthType == "" {
		out.AuthType = new("custom")
		if z.Type == authCognito {
			out.AuthType = new("cognito_user_pools")
		}
	}
	return out
}
