package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

var errNoValidator = &api.NotFoundException{Message: new("Invalid Request Validator identifier specified")}

// CreateRequestValidator adds a request validator.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateRequestValidator.html
func (s *Service) CreateRequestValidator(ctx context.Context, in *api.CreateRequestValidatorRequest) (*api.RequestValidator, error) {
	v := &restapi.RequestValidator{Name: text(in.Name), Body: truth(in.ValidateRequestBody), Parameters: truth(in.ValidateRequestParameters)}
	entered := false
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		entered = true
		v.ID = freshID(6, a.Definition.Validators)
		a.Definition.Validators[v.ID] = v
		return nil
	})
	if !entered && isNotFound(err) {
		return nil, badRequest("Invalid REST API identifier specified")
	}
	if err != nil {
		return nil, err
	}
	return validatorView(v), nil
}

// GetRequestValidator returns a request validator.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRequestValidator.html
func (s *Service) GetRequestValidator(ctx context.Context, in *api.GetRequestValidatorRequest) (*api.RequestValidator, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if isNotFound(err) {
		return nil, errNoValidator
	}
	if err != nil {
		return nil, err
	}
	v := a.Definition.Validators[*in.RequestValidatorId]
	if v == nil {
		return nil, errNoValidator
	}
	return validatorView(v), nil
}

// GetRequestValidators lists an API's request validators by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRequestValidators.html
func (s *Service) GetRequestValidators(ctx context.Context, in *api.GetRequestValidatorsRequest) (*api.RequestValidators, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &api.RequestValidators{}
	out.Items, out.Position, err = viewPage(a.Definition.Validators, validatorView, in.Position, in.Limit)
	return out, err
}

// UpdateRequestValidator changes a request validator by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRequestValidator.html
func (s *Service) UpdateRequestValidator(ctx context.Context, in *api.UpdateRequestValidatorRequest) (*api.RequestValidator, error) {
	var v *restapi.RequestValidator
	err := s.changeValidator(ctx, in.RestApiId, in.RequestValidatorId, func(a *apiState, found *restapi.RequestValidator) error {
		v = found
		patches := patchTable{
			{path: "/name", replace: func(_, value string) error {
				if value == "" {
					return badRequest("Request Validator name cannot be blank")
				}
				v.Name = value
				return nil
			}},
			{path: "/validateRequestParameters", replace: setBool(&v.Parameters)},
			{path: "/validateRequestBody", replace: setBool(&v.Body)},
		}
		return patches.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return validatorView(v), nil
}

// DeleteRequestValidator removes a request validator that no method uses.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteRequestValidator.html
func (s *Service) DeleteRequestValidator(ctx context.Context, in *api.DeleteRequestValidatorRequest) (*schema.Unit, error) {
	err := s.changeValidator(ctx, in.RestApiId, in.RequestValidatorId, func(a *apiState, v *restapi.RequestValidator) error {
		for r, m := range methods(a.Definition) {
			if m.RequestValidatorID == v.ID {
				return conflict("Cannot delete request validator '%s', is referenced in method request: %s/%s", v.Name, r.Path, m.HTTPMethod)
			}
		}
		delete(a.Definition.Validators, v.ID)
		return nil
	})
	return &schema.Unit{}, err
}

func (s *Service) changeValidator(ctx context.Context, apiID, id *string, fn func(*apiState, *restapi.RequestValidator) error) error {
	entered := false
	_, err := s.change(ctx, *apiID, func(a *apiState) error {
		entered = true
		v := a.Definition.Validators[*id]
		if v == nil {
			return errNoValidator
		}
		return fn(a, v)
	})
	if !entered && isNotFound(err) {
		return errNoValidator
	}
	return err
}

func validatorView(v *restapi.RequestValidator) *api.RequestValidator {
	return &api.RequestValidator{Id: &v.ID, Name: optional(v.Name), ValidateRequestBody: &v.Body, ValidateRequestParameters: &v.Parameters}
}
