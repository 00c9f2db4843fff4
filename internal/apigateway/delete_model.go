package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteModel removes a model that nothing refers to.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteModel.html
func (s *Service) DeleteModel(ctx context.Context, in *api.DeleteModelRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		name := *in.ModelName
		if a.Definition.Models[name] == nil {
			return noModel(name)
		}
		if user := modelUser(a.Definition, name); user != "" {
			return conflict("Cannot delete model '%s', is referenced in %s", name, user)
		}
		delete(a.Definition.Models, name)
		return nil
	})
	return &schema.Unit{}, err
}

// modelUser says what refers to a model; empty: nothing.
func modelUser(d *restapi.Definition, name string) string {
	for r, m := range methods(d) {
		if slices.Contains(slices.Collect(maps.Values(m.RequestModels)), name) {
			return "method request: " + r.Path + "/" + m.HTTPMethod
		}
		for status, response := range m.Responses {
			if slices.Contains(slices.Collect(maps.Values(response.Models)), name) {
				return "method response: " + r.Path + "/" + m.HTTPMethod + "/" + status
			}
		}
	}
	for _, other := range sorted(d.Models) {
		if other.Name != name && slices.Contains(modelRefs(other), name) {
			return "model: " + other.Name
		}
	}
	return ""
}

// methods yields every method of a definition, by path and name.
func methods(d *restapi.Definition) func(yield func(*restapi.Resource, *restapi.Method) bool) {
	return func(yield func(*restapi.Resource, *restapi.Method) bool) {
		resources := slices.SortedFunc(maps.Values(d.Resources), func(a, b *restapi.Resource) int {
			if a.Path < b.Path {
				return -1
			}
			return 1
		})
		for _, r := range resources {
			for _, m := range sorted(r.Methods) {
				if !yield(r, m) {
					return
				}
			}
		}
	}
}

// sorted are the values of a map in order of their keys.
func sorted[T any](m map[string]T) []T {
	var out []T
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
