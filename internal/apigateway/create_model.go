package apigateway

import (
	"context"
	"regexp"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// CreateModel adds a model: a JSON Schema of draft 4 for JSON content types.
// Models of other content types are kept as they are.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateModel.html
func (s *Service) CreateModel(ctx context.Context, in *api.CreateModelRequest) (*api.Model, error) {
	m := &restapi.Model{Name: *in.Name, Description: text(in.Description), ContentType: *in.ContentType, Schema: text(in.Schema)}
	if m.Name == "" {
		return nil, badRequest("Model name must be non-empty")
	}
	if !modelName.MatchString(m.Name) {
		return nil, badRequest("Model name must be alphanumeric: %s", m.Name)
	}
	if !contentType.MatchString(m.ContentType) {
		return nil, badRequest("Invalid content type specified: %s", m.ContentType)
	}
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if a.Definition.Models[m.Name] != nil {
			return conflict("Model name already exists for this REST API")
		}
		m.ID = freshModelID(a.Definition)
		a.Definition.Models[m.Name] = m
		return checkModel(a.ID, a.Definition, m)
	})
	if err != nil {
		return nil, err
	}
	return modelView(m), nil
}

var modelName = regexp.MustCompile(`^[A-Za-z0-9]+$`)

func freshModelID(d *restapi.Definition) string {
	for {
		id := newID(6)
		taken := false
		for _, m := range d.Models {
			taken = taken || m.ID == id
		}
		if !taken {
			return id
		}
	}
}

// GetModel returns a model; flatten puts the models that its schema refers to
// into the schema itself.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModel.html
func (s *Service) GetModel(ctx context.Context, in *api.GetModelRequest) (*api.Model, error) {
	a, m, err := s.model(ctx, in.RestApiId, in.ModelName)
	if err != nil {
		return nil, err
	}
	out := modelView(m)
	if truth(in.Flatten) {
		flat, err := flatten(a.Definition, m)
		if err != nil {
			return nil, err
		}
		out.Schema = &flat
	}
	return out, nil
}

// GetModels lists an API's models by name.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModels.html
func (s *Service) GetModels(ctx context.Context, in *api.GetModelsRequest) (*api.Models, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &api.Models{}
	out.Items, out.Position, err = viewPage(a.Definition.Models, modelView, in.Position, in.Limit)
	return out, err
}

// UpdateModel changes a model's description or schema.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateModel.html
func (s *Service) UpdateModel(ctx context.Context, in *api.UpdateModelRequest) (*api.Model, error) {
	var m *restapi.Model
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if m = a.Definition.Models[*in.ModelName]; m == nil {
			return noModel(*in.ModelName)
		}
		patches := patchTable{
			{path: "/description", replace: setText(&m.Description)},
			{path: "/schema", replace: func(_, value string) error {
				m.Schema = value
				return checkModel(a.ID, a.Definition, m)
			}},
		}
		return patches.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return modelView(m), nil
}

func (s *Service) model(ctx context.Context, apiID, name *string) (*apiState, *restapi.Model, error) {
	a, err := s.load(ctx, *apiID)
	if err != nil {
		return nil, nil, err
	}
	m := a.Definition.Models[*name]
	if m == nil {
		return nil, nil, noModel(*name)
	}
	return a, m, nil
}

func noModel(name string) error { return notFound("Invalid model name specified: %s", name) }

// modelView is a model as clients see it.
func modelView(m *restapi.Model) *api.Model {
	return &api.Model{Id: &m.ID, Name: &m.Name, Description: optional(m.Description), Schema: optional(m.Schema), ContentType: &m.ContentType}
}

// viewPage is the members of a map that a page has, as clients see them, in
// order of their keys.
func viewPage[T, V any](all map[string]T, view func(T) V, position *string, limit *int32) ([]V, *string, error) {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	names, next, err := page(names, func(name string) string { return name }, position, limit)
	if err != nil {
		return nil, nil, err
	}
	out := slices.Grow([]V{}, len(names))
	for _, name := range names {
		out = append(out, view(all[name]))
	}
	return out, next, nil
}
