package apigateway

import (
	"context"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// UpdateResource renames a resource or moves it below another one, with all that
// is below it.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateResource.html
func (s *Service) UpdateResource(ctx context.Context, in *api.UpdateResourceRequest) (*api.Resource, error) {
	var out *restapi.Resource
	err := s.changeAt(ctx, place{api: in.RestApiId, resource: in.ResourceId}, func(t target) error {
		d, r := t.Definition, t.resource
		out = r
		patches := patchTable{
			{path: "/parentId", replace: func(_, value string) error {
				if r.ParentID == "" {
					return badRequest("Root resource cannot update its parentId.")
				}
				parent := d.Resources[value]
				if parent == nil {
					return errNoResource
				}
				for up := parent; up != nil; up = d.Resources[up.ParentID] {
					if up.ID == r.ID {
						return badRequest("Resources cannot be cyclical.")
					}
				}
				return move(d, r, parent, r.PathPart)
			}},
			{path: "/pathPart", replace: func(_, value string) error {
				if r.ParentID == "" {
					return badRequest("Root resource cannot update its pathPart.")
				}
				return move(d, r, d.Resources[r.ParentID], value)
			}},
		}
		return patches.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return resourceView(out, false), nil
}

// move gives a resource a parent and a name, and all below it their paths.
func move(d *restapi.Definition, r, parent *restapi.Resource, part string) error {
	if err := checkPathPart(d, parent, part, r.ID); err != nil {
		return err
	}
	if strings.HasSuffix(part, "+}") && len(children(d, r.ID)) > 0 {
		return badRequest("Cannot create a child of a resource with a greedy path variable: %s", part)
	}
	r.ParentID, r.PathPart = parent.ID, part
	var rename func(r, parent *restapi.Resource)
	rename = func(r, parent *restapi.Resource) {
		r.Path = childPath(parent, r.PathPart)
		for _, child := range children(d, r.ID) {
			rename(child, r)
		}
	}
	rename(r, parent)
	return nil
}
