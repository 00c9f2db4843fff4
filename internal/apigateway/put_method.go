package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// PutMethod adds a method to a resource, which has none of that name.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethod.html
func (s *Service) PutMethod(ctx context.Context, in *api.PutMethodRequest) (*api.Method, error) {
	m := &restapi.Method{
		HTTPMethod:          *in.HttpMethod,
		AuthorizationType:   *in.AuthorizationType,
		AuthorizerID:        text(in.AuthorizerId),
		AuthorizationScopes: slices.Clone(in.AuthorizationScopes),
		APIKeyRequired:      truth(in.ApiKeyRequired),
		RequestValidatorID:  text(in.RequestValidatorId),
		OperationName:       text(in.OperationName),
		RequestParameters:   maps.Clone(in.RequestParameters),
		RequestModels:       maps.Clone(in.RequestModels),
	}
	err := s.changeAt(ctx, place{api: in.RestApiId, resource: in.ResourceId}, func(t target) error {
		if !slices.Contains(httpMethods, m.HTTPMethod) {
			return badRequest("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
		}
		if err := checkMethod(t.Definition, m); err != nil {
			return err
		}
		if t.resource.Methods[m.HTTPMethod] != nil {
			return conflict("Method already exists for this resource")
		}
		t.resource.Methods[m.HTTPMethod] = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return methodView(m), nil
}

var httpMethods = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}

// The authorization types of a method.
const (
	authNone    = "NONE"
	authIAM     = "AWS_IAM"
	authCustom  = "CUSTOM"
	authCognito = "COGNITO_USER_POOLS"
)

// checkMethod checks a method against the rest of its API. It forgets the
// authorizer of a method that asks none.
func checkMethod(d *restapi.Definition, m *restapi.Method) error {
	switch m.AuthorizationType {
	case authNone, authIAM:
		m.AuthorizerID = ""
	case authCustom, authCognito:
		a := d.Authorizers[m.AuthorizerID]
		if a == nil || (a.Type == authCognito) != (m.AuthorizationType == authCognito) {
			return badRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
		}
	default:
		return badRequest("Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS")
	}
	if m.AuthorizationType != authCognito && len(m.AuthorizationScopes) > 0 {
		return badRequest("Authorization scopes can only be specified for a method whose authorization type is COGNITO_USER_POOLS")
	}
	if m.RequestValidatorID != "" && d.Validators[m.RequestValidatorID] == nil {
		return badRequest("Invalid Request Validator identifier specified")
	}
	if err := checkModelRefs(d, m.RequestModels); err != nil {
		return err
	}
	return checkMethodParameters(m.RequestParameters)
}

// text is what a member holds; empty where it is absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// truth is what a switch says; false where it is absent.
func truth(b *bool) bool { return b != nil && *b }
