package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteMethod removes a method with its responses and its integration.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteMethod.html
func (s *Service) DeleteMethod(ctx context.Context, in *api.DeleteMethodRequest) (*schema.Unit, error) {
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		delete(t.resource.Methods, t.method.HTTPMethod)
		return nil
	})
	return &schema.Unit{}, err
}
