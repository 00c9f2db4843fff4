package apigateway

import (
	"context"
	"maps"

	"github.com/dlclark/regexp2"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// PutIntegrationResponse sets how an answer of the backend becomes a method's
// response, in place of what stood for that status.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegrationResponse.html
func (s *Service) PutIntegrationResponse(ctx context.Context, in *api.PutIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	r := &restapi.IntegrationResponse{
		StatusCode: *in.StatusCode, SelectionPattern: text(in.SelectionPattern),
		Parameters: maps.Clone(in.ResponseParameters), Templates: maps.Clone(in.ResponseTemplates),
	}
	if in.ContentHandling != nil {
		r.ContentHandling = string(*in.ContentHandling)
	}
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		i, err := t.integration()
		if err != nil {
			return err
		}
		if err := s.checkIntegrationResponse(t.method, r); err != nil {
			return err
		}
		if i.Responses == nil {
			i.Responses = map[string]*restapi.IntegrationResponse{}
		}
		i.Responses[r.StatusCode] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return integrationResponseView(r), nil
}

// GetIntegrationResponse returns how an answer becomes a response.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetIntegrationResponse.html
func (s *Service) GetIntegrationResponse(ctx context.Context, in *api.GetIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	t, err := s.read(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod})
	if err != nil {
		return nil, err
	}
	r, err := t.integrationResponse(*in.StatusCode)
	if err != nil {
		return nil, err
	}
	return integrationResponseView(r), nil
}

// UpdateIntegrationResponse changes how an answer becomes a response by patch
// operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateIntegrationResponse.html
func (s *Service) UpdateIntegrationResponse(ctx context.Context, in *api.UpdateIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	var r *restapi.IntegrationResponse
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) (err error) {
		if r, err = t.integrationResponse(*in.StatusCode); err != nil {
			return err
		}
		patches := patchTable{
			{path: "/selectionPattern", replace: setText(&r.SelectionPattern), remove: clearText(&r.SelectionPattern)},
			contentHandlingPatch(&r.ContentHandling),
			entries("/responseParameters", &r.Parameters, noSuchParameter, anyText),
			entries("/responseTemplates", &r.Templates, noSuchContentType, anyText),
		}
		if err := patches.applyTersely(in.PatchOperations); err != nil {
			return err
		}
		return s.checkIntegrationResponse(t.method, r)
	})
	if err != nil {
		return nil, err
	}
	return integrationResponseView(r), nil
}

// DeleteIntegrationResponse removes how an answer becomes a response.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteIntegrationResponse.html
func (s *Service) DeleteIntegrationResponse(ctx context.Context, in *api.DeleteIntegrationResponseRequest) (*schema.Unit, error) {
	err := s.changeAt(ctx, place{api: in.RestApiId, resource: in.ResourceId}, func(t target) error {
		if t.method = t.resource.Methods[*in.HttpMethod]; t.method == nil {
			return errNoIntegration // as AWS says it here
		}
		if _, err := t.integrationResponse(*in.StatusCode); err != nil {
			return err
		}
		delete(t.method.Integration.Responses, *in.StatusCode)
		return nil
	})
	return &schema.Unit{}, err
}

func (t target) integrationResponse(status string) (*restapi.IntegrationResponse, error) {
	i, err := t.integration()
	if err != nil {
		return nil, err
	}
	r := i.Responses[status]
	if r == nil {
		return nil, errNoResponse
	}
	return r, nil
}

func (s *Service) checkIntegrationResponse(m *restapi.Method, r *restapi.IntegrationResponse) error {
	if _, err := regexp2.Compile(r.SelectionPattern, regexp2.None); err != nil {
		return badRequest("Invalid selection pattern specified: %s", r.SelectionPattern)
	}
	if err := checkResponseMapping(m, r); err != nil {
		return err
	}
	return s.checkTemplates(r.Templates)
}

func integrationResponseView(r *restapi.IntegrationResponse) *api.IntegrationResponse {
	out := &api.IntegrationResponse{StatusCode: &r.StatusCode, SelectionPattern: optional(r.SelectionPattern), ResponseParameters: r.Parameters, ResponseTemplates: r.Templates}
	if r.ContentHandling != "" {
		out.ContentHandling = new(api.ContentHandlingStrategy(r.ContentHandling))
	}
	return out
}
