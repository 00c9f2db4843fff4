package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// GetMethod returns a method with its responses and its integration.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetMethod.html
func (s *Service) GetMethod(ctx context.Context, in *api.GetMethodRequest) (*api.Method, error) {
	t, err := s.read(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod})
	if err != nil {
		return nil, err
	}
	return methodView(t.method), nil
}

// methodView is a method as clients see it.
func methodView(m *restapi.Method) *api.Method {
	out := &api.Method{
		HttpMethod:          &m.HTTPMethod,
		AuthorizationType:   &m.AuthorizationType,
		AuthorizerId:        optional(m.AuthorizerID),
		ApiKeyRequired:      &m.APIKeyRequired,
		RequestValidatorId:  optional(m.RequestValidatorID),
		OperationName:       optional(m.OperationName),
		RequestParameters:   m.RequestParameters,
		RequestModels:       m.RequestModels,
		AuthorizationScopes: m.AuthorizationScopes,
	}
	for status, r := range m.Responses {
		if out.MethodResponses == nil {
			out.MethodResponses = map[string]*api.MethodResponse{}
		}
		out.MethodResponses[status] = methodResponseView(r)
	}
	if m.Integration != nil {
		out.MethodIntegration = integrationView(m.Integration)
	}
	return out
}
