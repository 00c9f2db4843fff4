package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// The errors of what a path of the API names and is not there.
var (
	errNoResource    = &api.NotFoundException{Message: new("Invalid Resource identifier specified")}
	errNoMethod      = &api.NotFoundException{Message: new("Invalid Method identifier specified")}
	errNoIntegration = &api.NotFoundException{Message: new("Invalid Integration identifier specified")}
	errNoResponse    = &api.NotFoundException{Message: new("Invalid Response status code specified")}
)

// place names a resource, and a method of it.
type place struct {
	api, resource, method *string
}

// target is what a place names.
type target struct {
	*apiState
	resource *restapi.Resource
	method   *restapi.Method // nil where the place names none
}

// at finds what a place of an API names.
func (a *apiState) at(p place) (target, error) {
	t := target{apiState: a, resource: a.Definition.Resources[*p.resource]}
	if t.resource == nil {
		return t, errNoResource
	}
	if p.method == nil {
		return t, nil
	}
	if t.method = t.resource.Methods[*p.method]; t.method == nil {
		return t, errNoMethod
	}
	return t, nil
}

// read finds what a place names. Where there is no such API, AWS says that
// there is no such resource.
func (s *Service) read(ctx context.Context, p place) (target, error) {
	a, err := s.load(ctx, *p.api)
	if isNotFound(err) {
		return target{}, errNoResource
	}
	if err != nil {
		return target{}, err
	}
	return a.at(p)
}

// changeAt is change for what a place names.
func (s *Service) changeAt(ctx context.Context, p place, fn func(target) error) error {
	entered := false
	_, err := s.change(ctx, *p.api, func(a *apiState) error {
		entered = true
		t, err := a.at(p)
		if err != nil {
			return err
		}
		return fn(t)
	})
	if !entered && isNotFound(err) {
		return errNoResource
	}
	return err
}

// integration is the method's.
func (t target) integration() (*restapi.Integration, error) {
	if t.method.Integration == nil {
		return nil, errNoIntegration
	}
	return t.method.Integration, nil
}
