package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// GetResource returns a resource; embed "methods" shows its methods in full.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetResource.html
func (s *Service) GetResource(ctx context.Context, in *api.GetResourceRequest) (*api.Resource, error) {
	embed, err := embeds(in.Embed, "methods")
	if err != nil {
		return nil, err
	}
	t, err := s.read(ctx, place{api: in.RestApiId, resource: in.ResourceId})
	if err != nil {
		return nil, err
	}
	return resourceView(t.resource, embed), nil
}

// GetResources lists an API's resources by path.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetResources.html
func (s *Service) GetResources(ctx context.Context, in *api.GetResourcesRequest) (*api.Resources, error) {
	embed, err := embeds(in.Embed, "methods")
	if err != nil {
		return nil, err
	}
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	list := slices.Collect(maps.Values(a.Definition.Resources))
	list, next, err := page(list, func(r *restapi.Resource) string { return r.Path }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.Resources{Items: []*api.Resource{}, Position: next}
	for _, r := range list {
		out.Items = append(out.Items, resourceView(r, embed))
	}
	return out, nil
}

// embeds says whether a request asks for what an operation can embed.
func embeds(embed []string, known string) (bool, error) {
	for _, e := range embed {
		if e != known {
			return false, badRequest("Invalid embed parameter specified: %s. Valid options are [%s]", e, known)
		}
	}
	return len(embed) > 0, nil
}

// resourceView is a resource as clients see it: its methods by name alone, or in
// full.
func resourceView(r *restapi.Resource, embed bool) *api.Resource {
	out := &api.Resource{Id: &r.ID, Path: &r.Path, ParentId: optional(r.ParentID), PathPart: optional(r.PathPart)}
	for name, m := range r.Methods {
		if out.ResourceMethods == nil {
			out.ResourceMethods = map[string]*api.Method{}
		}
		out.ResourceMethods[name] = &api.Method{}
		if embed {
			out.ResourceMethods[name] = methodView(m)
		}
	}
	return out
}
