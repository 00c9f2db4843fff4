package apigatewayv2

import (
	"context"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// UpdateApi changes what the request names and leaves the rest. RouteKey and
// Target change what quick create made.
func (s *Service) UpdateApi(ctx context.Context, in *api.UpdateApiRequest) (*api.UpdateApiResponse, error) {
	if in.CredentialsArn != nil {
		return nil, &schema.NotImplementedError{Service: "apigatewayv2", Operation: "UpdateApi with CredentialsArn"}
	}
	if in.ApiKeySelectionExpression != nil || in.DisableSchemaValidation != nil {
		return nil, badRequest("ApiKeySelectionExpression and DisableSchemaValidation are supported only for WEBSOCKET APIs")
	}
	if in.RouteSelectionExpression != nil && *in.RouteSelectionExpression != routeSelection {
		return nil, badRequest("RouteSelectionExpression must be %q for HTTP APIs", routeSelection)
	}
	if err := checkCORS(in.CorsConfiguration); err != nil {
		return nil, err
	}
	for {
		r, d, err := s.load(ctx, *in.ApiId)
		if err != nil {
			return nil, err
		}
		if err := r.update(in); err != nil {
			return nil, err
		}
		err = s.save(ctx, r, store.AtRevision(d.Revision))
		if errors.Is(err, store.ErrPrecondition) {
			continue // changed in the meantime: on top of that
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound(r.ID)
		}
		if err != nil {
			return nil, err
		}
		out := api.UpdateApiResponse(*createOutput(ctx, r))
		return &out, nil
	}
}

func (r *record) update(in *api.UpdateApiRequest) error {
	if in.Name != nil {
		if err := checkName(*in.Name); err != nil {
			return err
		}
		r.Name = *in.Name
	}
	if in.Description != nil {
		r.Description = in.Description
	}
	if in.Version != nil {
		r.Version = in.Version
	}
	if in.DisableExecuteApiEndpoint != nil {
		r.DisableExecuteAPIEndpoint = *in.DisableExecuteApiEndpoint
	}
	if in.IpAddressType != nil {
		r.IPAddressType = string(*in.IpAddressType)
	}
	if in.CorsConfiguration != nil {
		r.CORS = in.CorsConfiguration
	}
	if (in.RouteKey != nil || in.Target != nil) && r.Quick == nil {
		return badRequest("Route key and target can be updated only for an API that was created by quick create")
	}
	if in.RouteKey != nil {
		if err := checkRouteKey(*in.RouteKey); err != nil {
			return err
		}
		r.Quick.RouteKey = *in.RouteKey
	}
	if in.Target != nil {
		return r.Quick.setTarget(*in.Target)
	}
	return nil
}
