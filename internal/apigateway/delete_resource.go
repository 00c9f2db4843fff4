package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteResource removes a resource and all that is below it. The root stays.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteResource.html
func (s *Service) DeleteResource(ctx context.Context, in *api.DeleteResourceRequest) (*schema.Unit, error) {
	err := s.changeAt(ctx, place{api: in.RestApiId, resource: in.ResourceId}, func(t target) error {
		if t.resource.ParentID == "" {
			return badRequest("Root resource cannot be deleted")
		}
		removeSubtree(t.Definition, t.resource.ID)
		return nil
	})
	return &schema.Unit{}, err
}

func removeSubtree(d *restapi.Definition, id string) {
	for _, child := range children(d, id) {
		removeSubtree(d, child.ID)
	}
	delete(d.Resources, id)
}
