package apigateway

import (
	"context"
	"maps"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// PutMethodResponse adds a response to a method, which has none of that status.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethodResponse.html
func (s *Service) PutMethodResponse(ctx context.Context, in *api.PutMethodResponseRequest) (*api.MethodResponse, error) {
	r := &restapi.MethodResponse{StatusCode: *in.StatusCode, Parameters: maps.Clone(in.ResponseParameters), Models: maps.Clone(in.ResponseModels)}
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		if t.method.Responses[r.StatusCode] != nil {
			return conflict("Response already exists for this resource")
		}
		if err := checkMethodResponse(t.Definition, r); err != nil {
			return err
		}
		if t.method.Responses == nil {
			t.method.Responses = map[string]*restapi.MethodResponse{}
		}
		t.method.Responses[r.StatusCode] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return methodResponseView(r), nil
}

// GetMethodResponse returns a response that a method declares.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetMethodResponse.html
func (s *Service) GetMethodResponse(ctx context.Context, in *api.GetMethodResponseRequest) (*api.MethodResponse, error) {
	t, err := s.read(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod})
	if err != nil {
		return nil, err
	}
	r := t.method.Responses[*in.StatusCode]
	if r == nil {
		return nil, errNoResponse
	}
	return methodResponseView(r), nil
}

// UpdateMethodResponse changes a response by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateMethodResponse.html
func (s *Service) UpdateMethodResponse(ctx context.Context, in *api.UpdateMethodResponseRequest) (*api.MethodResponse, error) {
	var r *restapi.MethodResponse
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		if r = t.method.Responses[*in.StatusCode]; r == nil {
			return errNoResponse
		}
		patches := patchTable{
			entries("/responseParameters", &r.Parameters, noSuchParameter, anyBool),
			entries("/responseModels", &r.Models, noSuchContentType, anyText),
		}
		if err := patches.applyTersely(in.PatchOperations); err != nil {
			return err
		}
		return checkMethodResponse(t.Definition, r)
	})
	if err != nil {
		return nil, err
	}
	return methodResponseView(r), nil
}

// DeleteMethodResponse removes a response that a method declares.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteMethodResponse.html
func (s *Service) DeleteMethodResponse(ctx context.Context, in *api.DeleteMethodResponseRequest) (*schema.Unit, error) {
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		if t.method.Responses[*in.StatusCode] == nil {
			return errNoResponse
		}
		delete(t.method.Responses, *in.StatusCode)
		return nil
	})
	return &schema.Unit{}, err
}

func checkMethodResponse(d *restapi.Definition, r *restapi.MethodResponse) error {
	if err := checkKeys(r.Parameters, methodResponseParameter); err != nil {
		return err
	}
	return checkModelRefs(d, r.Models)
}

func methodResponseView(r *restapi.MethodResponse) *api.MethodResponse {
	return &api.MethodResponse{StatusCode: &r.StatusCode, ResponseParameters: r.Parameters, ResponseModels: r.Models}
}
