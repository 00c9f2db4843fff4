package apigateway

import (
	"context"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// UpdateMethod changes a method by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateMethod.html
func (s *Service) UpdateMethod(ctx context.Context, in *api.UpdateMethodRequest) (*api.Method, error) {
	var m *restapi.Method
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		m = t.method
		if err := methodPatches(m).applyTersely(in.PatchOperations); err != nil {
			return err
		}
		if err := checkMethod(t.Definition, m); err != nil {
			return err
		}
		if m.Integration == nil {
			return nil
		}
		return checkRequestMapping(m, m.Integration.Parameters)
	})
	if err != nil {
		return nil, err
	}
	return methodView(m), nil
}

func methodPatches(m *restapi.Method) patchTable {
	return patchTable{
		{path: "/apiKeyRequired", replace: setBool(&m.APIKeyRequired)},
		{path: "/authorizationType", replace: setText(&m.AuthorizationType)},
		{path: "/authorizerId", replace: setText(&m.AuthorizerID)},
		{path: "/authorizationScopes", add: func(_, value string) error {
			if !slices.Contains(m.AuthorizationScopes, value) {
				m.AuthorizationScopes = append(m.AuthorizationScopes, value)
			}
			return nil
		}, remove: func(_, value string) error {
			m.AuthorizationScopes = slices.DeleteFunc(m.AuthorizationScopes, func(s string) bool { return value == "" || s == value })
			return nil
		}},
		{path: "/operationName", replace: setText(&m.OperationName)},
		{path: "/requestValidatorId", replace: setText(&m.RequestValidatorID)},
		entries("/requestParameters", &m.RequestParameters, noSuchParameter, anyBool),
		entries("/requestModels", &m.RequestModels, noSuchContentType, anyText),
	}
}
