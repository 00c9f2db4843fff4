package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// The formats of an export.
const (
	OpenAPI30 = "oas30"
	Swagger20 = "swagger"
)

// WriteOptions are what an export is asked for.
type WriteOptions struct {
	Format string // OpenAPI30 or Swagger20
	YAML   bool
	// Host and Stage are where the API is served: "{api}.execute-api.…".
	Scheme, Host, Stage string
	Region              string
	// Integrations writes the extensions but for those that have a switch of
	// their own.
	Integrations  bool
	Authorizers   bool // x-amazon-apigateway-authorizer
	Documentation bool // x-amazon-apigateway-documentation
	Postman       bool // x-postman-meta
}

// writer writes one document.
type writer struct {
	o   WriteOptions
	d   *Document
	def *restapi.Definition
	// names of the security schemes for API keys and SigV4.
	keyName, iamName string
	usesKey, usesIAM bool
	docs             map[Location]*object
}

// Write writes a document. What the format cannot say, of what an import cannot
// make, is left out: in Swagger 2.0, models that differ by media type.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
func Write(d *Document, o WriteOptions) ([]byte, error) {
	w := &writer{o: o, d: d, def: d.Definition, docs: map[Location]*object{}}
	w.keyName, w.iamName = w.freeName("api_key"), w.freeName("sigv4")
	for _, p := range d.Documentation {
		v, err := parseJSON(p.Properties)
		if err != nil {
			return nil, fmt.Errorf("the properties of a documentation part: %w", err)
		}
		properties, _ := v.(*object)
		w.docs[p.Location.canonical()] = properties
	}
	root, err := w.document()
	if err != nil {
		return nil, err
	}
	if o.YAML {
		return encodeYAML(root)
	}
	return encodeJSON(root), nil
}

// freeName is a name for a security scheme that no authorizer has.
func (w *writer) freeName(name string) string {
	for slices.ContainsFunc(slices.Collect(maps.Values(w.def.Authorizers)), func(a *restapi.Authorizer) bool { return a.Name == name }) {
		name += "_"
	}
	return name
}

func (w *writer) v3() bool { return w.o.Format == OpenAPI30 }

func (w *writer) document() (*object, error) {
	root := newObject()
	if w.v3() {
		root.set("openapi", "3.0.1")
	} else {
		root.set("swagger", "2.0")
	}
	about := w.docs[Location{Type: "API"}]
	root.set("info", w.info(about))
	w.servers(root)
	for _, k := range []string{"tags", "externalDocs"} {
		if about.has(k) {
			root.set(k, about.get(k))
		}
	}
	root.set("paths", w.paths())
	schemas, err := w.schemas()
	if err != nil {
		return nil, err
	}
	schemes := w.securitySchemes()
	if w.v3() {
		components := newObject()
		if schemas.len() > 0 {
			components.set("schemas", schemas)
		}
		if schemes.len() > 0 {
			components.set("securitySchemes", schemes)
		}
		root.set("components", components)
	} else {
		if schemes.len() > 0 {
			root.set("securityDefinitions", schemes)
		}
		if schemas.len() > 0 {
			root.set("definitions", schemas)
		}
	}
	if w.o.Integrations {
		if err := w.settings(root); err != nil {
			return nil, err
		}
	}
	if w.o.Documentation && len(w.d.Documentation) > 0 {
		root.set(ext("documentation"), w.documentation())
	}
	return root, nil
}

func (w *writer) info(about *object) *object {
	info := newObject().set("title", w.d.Name)
	if w.d.Description != "" {
		info.set("description", w.d.Description)
	}
	if documented, ok := about.get("info").(*object); ok {
		for _, k := range documented.keys {
			if k != "title" && k != "version" {
				info.set(k, documented.values[k])
			}
		}
	}
	return info.set("version", w.d.Version)
}

func (w *writer) servers(root *object) {
	if !w.v3() {
		root.set("host", w.o.Host)
		root.set("basePath", "/"+w.o.Stage)
		root.set("schemes", []any{w.o.Scheme})
		return
	}
	server := newObject().set("url", w.o.Scheme+"://"+w.o.Host+"/{basePath}").
		set("variables", newObject().set("basePath", newObject().set("default", w.o.Stage)))
	root.set("servers", []any{server})
}

func (w *writer) paths() *object {
	paths := newObject()
	for _, r := range sortedResources(w.def) {
		item := newObject()
		if about := w.docs[Location{Type: "RESOURCE", Path: r.Path}]; about != nil && w.v3() {
			w.describe(item, about, "summary", "description")
		}
		for _, name := range slices.Sorted(maps.Keys(r.Methods)) {
			key := strings.ToLower(name)
			if name == "ANY" {
				key = ext("any-method")
			}
			item.set(key, w.method(r, r.Methods[name]))
		}
		// A resource that has children stands in their paths.
		if item.len() > 0 || !w.hasChildren(r) && r.ParentID != "" {
			paths.set(r.Path, item)
		}
	}
	return paths
}

func (w *writer) hasChildren(parent *restapi.Resource) bool {
	for _, r := range w.def.Resources {
		if r.ParentID == parent.ID {
			return true
		}
	}
	return false
}

// describe sets those of an object's documented members that the specification
// has there.
func (w *writer) describe(to, about *object, members ...string) {
	for _, k := range members {
		if about.has(k) {
			to.set(k, about.get(k))
		}
	}
}

func (w *writer) schemas() (*object, error) {
	out := newObject()
	for _, name := range slices.Sorted(maps.Keys(w.def.Models)) {
		m := w.def.Models[name]
		v, err := parseJSON(m.Schema)
		if err != nil {
			return nil, fmt.Errorf("the schema of model %q: %w", name, err)
		}
		schema, ok := w.localize(v).(*object)
		if !ok {
			return nil, fmt.Errorf("the schema of model %q is not an object", name)
		}
		if m.Description != "" && !schema.has("description") && !schema.has("$ref") {
			schema.set("description", m.Description)
		}
		out.set(name, schema)
	}
	return out, nil
}

// localize rewrites references to models into references within the document.
func (w *writer) localize(v any) any {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			v[i] = w.localize(e)
		}
	case *object:
		if ref, ok := v.get("$ref").(string); ok {
			if name, ok := modelOf(ref); ok {
				v.set("$ref", w.modelRef(name))
			}
		}
		for _, k := range v.keys {
			v.values[k] = w.localize(v.values[k])
		}
	}
	return v
}

func (w *writer) modelRef(name string) string {
	if w.v3() {
		return "#/components/schemas/" + name
	}
	return "#/definitions/" + name
}

func (w *writer) documentation() *object {
	out := newObject()
	if w.d.DocumentationVersion != "" {
		out.set("version", w.d.DocumentationVersion)
	}
	list := []any{}
	for _, p := range w.d.Documentation {
		l := newObject().set("type", p.Location.Type)
		for _, m := range []struct{ key, value string }{
			{"path", p.Location.Path}, {"method", p.Location.Method}, {"statusCode", p.Location.StatusCode}, {"name", p.Location.Name},
		} {
			if m.value != "" {
				l.set(m.key, m.value)
			}
		}
		list = append(list, newObject().set("location", l).set("properties", w.docs[p.Location.canonical()]))
	}
	return out.set("documentationParts", list)
}
