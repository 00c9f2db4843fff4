package apigateway

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// noBasePath stands for the root of a domain name on the wire.
const noBasePath = "(none)"

var basePathForm = regexp.MustCompile(`^[A-Za-z0-9$_.+!*'()-]+(?:/[A-Za-z0-9$_.+!*'()-]+)*$`)

var errNoMapping = &api.NotFoundException{Message: new("Invalid base path mapping identifier specified")}

// mappings finds a base path among a domain name's.
func (d *domainName) mapping(basePath string) int {
	return slices.IndexFunc(d.Mappings, func(m restapi.Mapping) bool { return m.BasePath == basePath })
}

func basePath(wire string) string {
	if wire == noBasePath {
		return ""
	}
	return wire
}

// checkMapping checks what a mapping is to be.
func (s *Service) checkMapping(ctx context.Context, m restapi.Mapping) error {
	if m.BasePath != "" && (!basePathForm.MatchString(m.BasePath) || len(m.BasePath) > 300) {
		return badRequest("Invalid base path specified: %s", m.BasePath)
	}
	a, err := s.load(ctx, m.APIID)
	if isNotFound(err) {
		return badRequest("Invalid REST API identifier specified")
	}
	if err != nil {
		return err
	}
	if m.Stage != "" && a.Stages[m.Stage] == nil {
		return badRequest("Invalid stage identifier specified")
	}
	return nil
}

// CreateBasePathMapping leads a base path of a custom domain name, or its root,
// to a stage of an API; without a stage, the path's next segment names it.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateBasePathMapping.html
func (s *Service) CreateBasePathMapping(ctx context.Context, in *api.CreateBasePathMappingRequest) (*api.BasePathMapping, error) {
	m := restapi.Mapping{BasePath: basePath(text(in.BasePath)), APIID: *in.RestApiId, Stage: mappedStage(text(in.Stage))}
	_, err := domainNames.change(ctx, s, strings.ToLower(*in.DomainName), func(d *domainName) ([]store.Write, error) {
		if err := d.is(ctx, in.DomainNameId); err != nil {
			return nil, err
		}
		if err := s.checkMapping(ctx, m); err != nil {
			return nil, err
		}
		if d.mapping(m.BasePath) >= 0 {
			return nil, conflict("Base path already exists for this domain name")
		}
		d.Mappings = append(d.Mappings, m)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return mappingView(m), nil
}

// mappedStage is a stage's name; "(none)" says that there is none.
func mappedStage(wire string) string { return basePath(wire) }

// GetBasePathMapping returns a mapping.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetBasePathMapping.html
func (s *Service) GetBasePathMapping(ctx context.Context, in *api.GetBasePathMappingRequest) (*api.BasePathMapping, error) {
	d, err := s.domain(ctx, in.DomainName, in.DomainNameId)
	if err != nil {
		return nil, err
	}
	i := d.mapping(basePath(*in.BasePath))
	if i < 0 {
		return nil, errNoMapping
	}
	return mappingView(d.Mappings[i]), nil
}

// GetBasePathMappings lists a domain name's mappings by base path.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetBasePathMappings.html
func (s *Service) GetBasePathMappings(ctx context.Context, in *api.GetBasePathMappingsRequest) (*api.BasePathMappings, error) {
	d, err := s.domain(ctx, in.DomainName, in.DomainNameId)
	if err != nil {
		return nil, err
	}
	// The root has a key too, for a position of "" is none.
	mappings, next, err := page(d.Mappings, func(m restapi.Mapping) string { return "/" + m.BasePath }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.BasePathMappings{Items: []*api.BasePathMapping{}, Position: next}
	for _, m := range mappings {
		out.Items = append(out.Items, mappingView(m))
	}
	return out, nil
}

// UpdateBasePathMapping changes a mapping by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateBasePathMapping.html
func (s *Service) UpdateBasePathMapping(ctx context.Context, in *api.UpdateBasePathMappingRequest) (*api.BasePathMapping, error) {
	var m restapi.Mapping
	_, err := domainNames.change(ctx, s, strings.ToLower(*in.DomainName), func(d *domainName) ([]store.Write, error) {
		if err := d.is(ctx, in.DomainNameId); err != nil {
			return nil, err
		}
		i := d.mapping(basePath(*in.BasePath))
		if i < 0 {
			return nil, errNoMapping
		}
		m = d.Mappings[i]
		setAPI := setText(&m.APIID)
		patches := patchTable{
			{path: "/basePath", replace: func(_, value string) error {
				m.BasePath = basePath(value)
				return nil
			}},
			{path: "/restapiId", replace: setAPI},
			{path: "/stage", replace: func(_, value string) error {
				m.Stage = mappedStage(value)
				return nil
			}},
		}
		if err := patches.apply(in.PatchOperations); err != nil {
			return nil, err
		}
		if j := d.mapping(m.BasePath); j >= 0 && j != i {
			return nil, conflict("Base path already exists for this domain name")
		}
		d.Mappings[i] = m
		return nil, s.checkMapping(ctx, m)
	})
	if err != nil {
		return nil, err
	}
	return mappingView(m), nil
}

// DeleteBasePathMapping removes a mapping.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteBasePathMapping.html
func (s *Service) DeleteBasePathMapping(ctx context.Context, in *api.DeleteBasePathMappingRequest) (*schema.Unit, error) {
	_, err := domainNames.change(ctx, s, strings.ToLower(*in.DomainName), func(d *domainName) ([]store.Write, error) {
		if err := d.is(ctx, in.DomainNameId); err != nil {
			return nil, err
		}
		i := d.mapping(basePath(*in.BasePath))
		if i < 0 {
			return nil, errNoMapping
		}
		d.Mappings = slices.Delete(d.Mappings, i, i+1)
		return nil, nil
	})
	return &schema.Unit{}, err
}

func mappingView(m restapi.Mapping) *api.BasePathMapping {
	out := &api.BasePathMapping{BasePath: new(noBasePath), RestApiId: &m.APIID, Stage: optional(m.Stage)}
	if m.BasePath != "" {
		out.BasePath = &m.BasePath
	}
	return out
}
