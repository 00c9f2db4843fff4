package openapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// pathPart is what API Gateway takes as a segment of a path.
var pathPart = regexp.MustCompile(`^(?:[a-zA-Z0-9._:,~-]+|\{[a-zA-Z0-9._:,~-]+\+?\})$`)

// methods of a path item, by their keys in it.
var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS",
	"head": "HEAD", "patch": "PATCH", ext("any-method"): "ANY",
}

func (r *reader) paths(base string) {
	if !r.root.has("paths") {
		r.warn("Parse issue: attribute paths is missing")
	}
	if base != "" {
		base = "/" + base
	}
	paths := r.root.child("paths")
	if !paths.there() {
		return
	}
	tree := newTree(r.def, r.o.NewID, r.fail)
	for _, path := range paths.keys {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		item := cursor{r: r, at: "paths.'" + path + "'"}
		o, ok := paths.get(path).(*object)
		if !ok {
			r.warn("Parse issue: attribute %s is not of type `object`", item.at)
			continue
		}
		item.object = o
		full := base + "/" + strings.Trim(path, "/")
		resource := tree.at(full)
		if resource == nil {
			continue
		}
		r.pathItem(resource, item.resolve())
	}
}

func (r *reader) pathItem(resource *restapi.Resource, item cursor) {
	shared := item.items("parameters")
	about := newObject()
	for _, k := range []string{"summary", "description"} {
		if v := item.text(k); v != "" {
			about.set(k, v)
		}
	}
	r.parts.add(Location{Type: "RESOURCE", Path: resource.Path}, about)
	if !item.there() {
		return
	}
	for _, key := range item.keys {
		name, ok := methods[key]
		if !ok {
			if key == "trace" {
				r.warn("Unsupported method 'TRACE' for resource at path '%s'. Ignoring.", resource.Path)
			}
			continue
		}
		op := cursor{r: r, at: item.at + "(" + key + ")"}
		if op.object, ok = item.get(key).(*object); !ok {
			r.warn("Parse issue: attribute %s is not of type `object`", op.at)
			continue
		}
		resource.Methods[name] = r.method(resource, name, item, op, shared)
	}
}

// tree finds and makes the resources of a definition.
type tree struct {
	def      *restapi.Definition
	newID    func(int) string
	fail     func(string, ...any)
	byPath   map[string]*restapi.Resource
	variable map[string]string // a parent's ID to its child's variable path part
}

// maxResources of an API; AWS's quota is 300 and can be raised.
const maxResources = 5000

func newTree(def *restapi.Definition, newID func(int) string, fail func(string, ...any)) *tree {
	t := &tree{def: def, newID: newID, fail: fail, byPath: map[string]*restapi.Resource{}, variable: map[string]string{}}
	for _, r := range def.Resources {
		t.add(r)
	}
	return t
}

func (t *tree) add(r *restapi.Resource) {
	t.byPath[r.Path] = r
	if strings.HasPrefix(r.PathPart, "{") {
		t.variable[r.ParentID] = r.PathPart
	}
}

// at finds the resource of a path, or makes it and those above it. It returns
// nil, after saying why, for a path that API Gateway cannot have.
func (t *tree) at(path string) *restapi.Resource {
	at := t.def.Resources[t.def.RootResourceID]
	if path = strings.Trim(path, "/"); path == "" {
		return at
	}
	for part := range strings.SplitSeq(path, "/") {
		full := strings.TrimSuffix(at.Path, "/") + "/" + part
		next := t.byPath[full]
		if next == nil {
			if reason := t.refuse(at, part); reason != "" {
				t.fail("Unable to create resource at path '/%s': %s", path, reason)
				return nil
			}
			next = &restapi.Resource{
				ID: t.newID(6), ParentID: at.ID, PathPart: part, Path: full, Methods: map[string]*restapi.Method{},
			}
			t.def.Resources[next.ID] = next
			t.add(next)
		}
		at = next
	}
	return at
}

// refuse says why a resource cannot have a child of that path part.
func (t *tree) refuse(parent *restapi.Resource, part string) string {
	switch sibling := t.variable[parent.ID]; {
	case len(t.def.Resources) >= maxResources:
		return "Maximum number of resources for this API has been reached"
	case !pathPart.MatchString(part):
		return "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end"
	case strings.HasSuffix(parent.PathPart, "+}"):
		return "Cannot create a child of a resource with a greedy path variable: " + parent.PathPart
	case strings.HasPrefix(part, "{") && sibling != "":
		return "A sibling (" + sibling + ") of this resource already has a variable path part -- only one is allowed"
	}
	return ""
}

// sortedResources are a definition's resources in order of path.
func sortedResources(def *restapi.Definition) []*restapi.Resource {
	out := make([]*restapi.Resource, 0, len(def.Resources))
	for _, r := range def.Resources {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *restapi.Resource) int { return strings.Compare(a.Path, b.Path) })
	return out
}
