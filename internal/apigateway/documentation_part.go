package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/apigateway/openapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// docPart is a documentation part, as stored: a document each, which goes when
// the API goes.
type docPart struct {
	ID string
	openapi.Part
}

func docPartKey(apiID, id string) string { return partKey(apiID, "documentation") + id }

// docParts reads an API's documentation parts, by ID.
func (s *Service) docParts(ctx context.Context, apiID string) (map[string]*docPart, error) {
	docs, err := s.docs.List(ctx, partKey(apiID, "documentation"), "", 0)
	if err != nil {
		return nil, err
	}
	out := map[string]*docPart{}
	for _, d := range docs {
		p, err := decode[docPart](d)
		if err != nil {
			return nil, err
		}
		out[p.ID] = p
	}
	return out, nil
}

// putDocPart adds the write that stores a part.
func (a *apiState) putDocPart(p *docPart) error {
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if len(value) > store.MaxValue {
		return badRequest("Documentation part properties are too large")
	}
	a.writes = append(a.writes, store.Write{Key: docPartKey(a.ID, p.ID), Value: value})
	return nil
}

// checkProperties takes a part's properties: a JSON object.
func checkProperties(text string) error {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil || object == nil {
		return badRequest("Properties must be a valid JSON object")
	}
	return nil
}

// locationText names a location as AWS's errors do.
func locationText(l openapi.Location) string {
	out := fmt.Sprintf("type '%s'", l.Type)
	for _, f := range []struct{ name, value string }{{"path", l.Path}, {"method", l.Method}, {"statusCode", l.StatusCode}, {"name", l.Name}} {
		if f.value != "" {
			out += fmt.Sprintf(", %s '%s'", f.name, f.value)
		}
	}
	return out
}

// CreateDocumentationPart documents an entity of an API. There is one part a
// location.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDocumentationPart.html
func (s *Service) CreateDocumentationPart(ctx context.Context, in *api.CreateDocumentationPartRequest) (*api.DocumentationPart, error) {
	given := openapi.Location{
		Path: text(in.Location.Path), Method: text(in.Location.Method), StatusCode: text(in.Location.StatusCode), Name: text(in.Location.Name),
	}
	if in.Location.Type != nil {
		given.Type = string(*in.Location.Type)
	}
	location, wrong := openapi.CheckLocation(given)
	if wrong != "" {
		return nil, badRequest("%s", wrong)
	}
	if err := checkProperties(*in.Properties); err != nil {
		return nil, err
	}
	var part *docPart
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		parts, err := s.docParts(ctx, a.ID)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if p.Location == location {
				return conflict("Documentation part already exists for the specified location: %s.", locationText(location))
			}
		}
		part = &docPart{ID: freshID(6, parts), Part: openapi.Part{Location: location, Properties: *in.Properties}}
		return a.putDocPart(part)
	})
	if err != nil {
		return nil, err
	}
	return docPartView(part), nil
}

// docPart reads a part of an API of the caller's.
func (s *Service) docPart(ctx context.Context, apiID, id string) (*docPart, error) {
	d, err := s.docs.Get(ctx, docPartKey(apiID, id))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return nil, notFound("Invalid Documentation part identifier specified")
	}
	if err != nil {
		return nil, err
	}
	return decode[docPart](d)
}

// GetDocumentationPart returns a documentation part.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDocumentationPart.html
func (s *Service) GetDocumentationPart(ctx context.Context, in *api.GetDocumentationPartRequest) (*api.DocumentationPart, error) {
	if _, err := s.load(ctx, *in.RestApiId); err != nil {
		return nil, err
	}
	p, err := s.docPart(ctx, *in.RestApiId, *in.DocumentationPartId)
	if err != nil {
		return nil, err
	}
	return docPartView(p), nil
}

// GetDocumentationParts lists documentation parts by ID: those of a type, at a
// path, whose names contain nameQuery. With locationStatus UNDOCUMENTED it lists
// the locations that have none.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDocumentationParts.html
func (s *Service) GetDocumentationParts(ctx context.Context, in *api.GetDocumentationPartsRequest) (*api.DocumentationParts, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	parts, err := s.docParts(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	var list []*docPart
	if in.LocationStatus != nil && *in.LocationStatus == api.LocationStatusTypeUndocumented {
		list = undocumented(a.Definition, parts)
	} else {
		for _, p := range parts {
			list = append(list, p)
		}
	}
	list = slices.DeleteFunc(list, func(p *docPart) bool {
		l := p.Location
		return in.Type != nil && l.Type != string(*in.Type) || in.Path != nil && l.Path != *in.Path || !strings.Contains(l.Name, text(in.NameQuery))
	})
	list, next, err := page(list, func(p *docPart) string { return p.ID + " " + locationText(p.Location) }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.DocumentationParts{Items: []*api.DocumentationPart{}, Position: next}
	for _, p := range list {
		out.Items = append(out.Items, docPartView(p))
	}
	return out, nil
}

// UpdateDocumentationPart changes a part's properties by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDocumentationPart.html
func (s *Service) UpdateDocumentationPart(ctx context.Context, in *api.UpdateDocumentationPartRequest) (*api.DocumentationPart, error) {
	var part *docPart
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) (err error) {
		if part, err = s.docPart(ctx, a.ID, *in.DocumentationPartId); err != nil {
			return err
		}
		err = patchTable{{path: "/properties", replace: func(_, value string) error {
			part.Properties = value
			return checkProperties(value)
		}}}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		return a.putDocPart(part)
	})
	if err != nil {
		return nil, err
	}
	return docPartView(part), nil
}

// DeleteDocumentationPart removes a documentation part. Versions keep theirs.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDocumentationPart.html
func (s *Service) DeleteDocumentationPart(ctx context.Context, in *api.DeleteDocumentationPartRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if _, err := s.docPart(ctx, a.ID, *in.DocumentationPartId); err != nil {
			return err
		}
		a.writes = append(a.writes, store.Write{Key: docPartKey(a.ID, *in.DocumentationPartId)})
		return nil
	})
	return &schema.Unit{}, err
}

// ImportDocumentationParts takes the documentation parts of an OpenAPI document:
// those at a location that has one replace it; with mode overwrite, all others
// go.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_ImportDocumentationParts.html
func (s *Service) ImportDocumentationParts(ctx context.Context, in *api.ImportDocumentationPartsRequest) (*api.DocumentationPartIds, error) {
	parts, warnings, err := openapi.ReadDocumentation(in.Body, truth(in.FailOnWarnings))
	if err != nil {
		return nil, importError(err)
	}
	var ids []string
	_, err = s.change(ctx, *in.RestApiId, func(a *apiState) error {
		ids, err = s.importParts(ctx, a, parts, in.Mode != nil && *in.Mode == api.PutModeOverwrite)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DocumentationPartIds{Ids: ids, Warnings: warnings}, nil
}

// importParts adds the writes that store parts, and returns their IDs.
func (s *Service) importParts(ctx context.Context, a *apiState, parts []openapi.Part, overwrite bool) ([]string, error) {
	were, err := s.docParts(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	at := map[openapi.Location]string{}
	for id, p := range were {
		at[p.Location] = id
		if overwrite {
			a.writes = append(a.writes, store.Write{Key: docPartKey(a.ID, id)})
		}
	}
	ids := []string{}
	for _, p := range parts {
		id, ok := at[p.Location]
		if !ok {
			id = freshID(6, were)
		}
		part := &docPart{ID: id, Part: p}
		were[id] = part
		if err := a.putDocPart(part); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// docPartView is a part as clients see it.
func docPartView(p *docPart) *api.DocumentationPart {
	out := &api.DocumentationPart{Location: &api.DocumentationPartLocation{
		Type: new(api.DocumentationPartType(p.Location.Type)), Path: optional(p.Location.Path), Method: optional(p.Location.Method),
		StatusCode: optional(p.Location.StatusCode), Name: optional(p.Location.Name),
	}}
	if p.ID != "" {
		out.Id, out.Properties = &p.ID, &p.Properties
	}
	return out
}
