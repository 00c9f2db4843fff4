package apigateway

import (
	"context"
	"regexp"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// maxResources is how many resources an API may have (AWS: 300, and more on
// request).
const maxResources = 3000

// CreateResource makes a resource below another one.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateResource.html
func (s *Service) CreateResource(ctx context.Context, in *api.CreateResourceRequest) (*api.Resource, error) {
	var made *restapi.Resource
	err := s.changeAt(ctx, place{api: in.RestApiId, resource: in.ParentId}, func(t target) error {
		d := t.Definition
		if len(d.Resources) >= maxResources {
			return limitExceeded("Maximum number of resources for this API has been reached. Please contact AWS if you need additional resources")
		}
		if err := checkPathPart(d, t.resource, *in.PathPart, ""); err != nil {
			return err
		}
		made = &restapi.Resource{
			ID: freshID(6, d.Resources), ParentID: t.resource.ID, PathPart: *in.PathPart,
			Path: childPath(t.resource, *in.PathPart), Methods: map[string]*restapi.Method{},
		}
		d.Resources[made.ID] = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resourceView(made, false), nil
}

var pathPartPattern = regexp.MustCompile(`^(?:[a-zA-Z0-9._\-:]+|\{[a-zA-Z0-9._\-:]+\+?\})$`)

// checkPathPart says whether a resource may be called part below parent; self
// is that resource's ID, empty for a new one.
func checkPathPart(d *restapi.Definition, parent *restapi.Resource, part, self string) error {
	if !pathPartPattern.MatchString(part) {
		return badRequest("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	if strings.HasSuffix(parent.PathPart, "+}") {
		return badRequest("Cannot create a child of a resource with a greedy path variable: %s", parent.PathPart)
	}
	for _, sibling := range d.Resources {
		if sibling.ParentID != parent.ID || sibling.ID == self {
			continue
		}
		if sibling.PathPart == part {
			return conflict("Another resource with the same parent already has this name: %s", part)
		}
		if part[0] == '{' && strings.HasPrefix(sibling.PathPart, "{") {
			return badRequest("A sibling (%s) of this resource already has a variable path part -- only one is allowed", sibling.PathPart)
		}
	}
	return nil
}

func childPath(parent *restapi.Resource, part string) string {
	return strings.TrimSuffix(parent.Path, "/") + "/" + part
}

// children are the resources right below one.
func children(d *restapi.Definition, id string) []*restapi.Resource {
	var out []*restapi.Resource
	for _, r := range d.Resources {
		if r.ParentID == id {
			out = append(out, r)
		}
	}
	return out
}
