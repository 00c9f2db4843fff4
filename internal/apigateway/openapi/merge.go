package openapi

import (
	"maps"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Overwrite is the document's definition in place of another one: what both have,
// by path or name, keeps its identifier.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-update.html
func (d *Document) Overwrite(base *restapi.Definition) *restapi.Definition {
	from := d.Definition
	out := *from
	out.RootResourceID = base.RootResourceID

	ids := map[string]string{} // from the document's to those of base
	adopt(ids, from.Resources, base.Resources, func(r *restapi.Resource) string { return r.Path })
	adopt(ids, from.Authorizers, base.Authorizers, func(a *restapi.Authorizer) string { return a.Name })
	adopt(ids, from.Validators, base.Validators, func(v *restapi.RequestValidator) string { return v.Name })
	id := func(old string) string {
		if kept, ok := ids[old]; ok {
			return kept
		}
		return old
	}

	out.Resources = map[string]*restapi.Resource{}
	for _, r := range from.Resources {
		c := *r
		c.ID, c.ParentID = id(r.ID), id(r.ParentID)
		c.Methods = map[string]*restapi.Method{}
		for name, m := range r.Methods {
			m := *m
			m.AuthorizerID, m.RequestValidatorID = id(m.AuthorizerID), id(m.RequestValidatorID)
			c.Methods[name] = &m
		}
		out.Resources[c.ID] = &c
	}
	out.Authorizers = map[string]*restapi.Authorizer{}
	for _, a := range from.Authorizers {
		c := *a
		c.ID = id(a.ID)
		out.Authorizers[c.ID] = &c
	}
	out.Validators = map[string]*restapi.RequestValidator{}
	for _, v := range from.Validators {
		c := *v
		c.ID = id(v.ID)
		out.Validators[c.ID] = &c
	}
	out.Models = map[string]*restapi.Model{}
	for name, m := range from.Models {
		c := *m
		if there := base.Models[name]; there != nil {
			c.ID = there.ID
		}
		out.Models[name] = &c
	}
	return &out
}

// adopt notes, for what both maps have under one name, the identifier of base.
func adopt[T any](ids map[string]string, from, base map[string]T, name func(T) string) {
	byName := map[string]string{}
	for id, v := range base {
		byName[name(v)] = id
	}
	for id, v := range from {
		if kept, ok := byName[name(v)]; ok {
			ids[id] = kept
		}
	}
}

// Merge is base with what the document has: methods, models, authorizers,
// validators and gateway responses that both have are the document's, and so are
// the API's settings that the document gives. Its error, where the two cannot
// stand together, is an *Error.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-update.html
func (d *Document) Merge(base *restapi.Definition) (*restapi.Definition, error) {
	from := d.Overwrite(base)
	out := *base
	g := d.given
	if g.compression {
		out.MinimumCompressionSize = from.MinimumCompressionSize
	}
	if g.binary {
		out.BinaryMediaTypes = from.BinaryMediaTypes
	}
	if g.keySource {
		out.APIKeySource = from.APIKeySource
	}
	if g.policy {
		out.Policy = from.Policy
	}
	if g.disabled {
		out.ExecuteAPIDisabled = from.ExecuteAPIDisabled
	}
	out.Models = union(base.Models, from.Models)
	out.Validators = union(base.Validators, from.Validators)
	out.Authorizers = union(base.Authorizers, from.Authorizers)
	out.GatewayResponses = union(base.GatewayResponses, from.GatewayResponses)

	out.Resources = maps.Clone(base.Resources)
	e := &Error{Warnings: d.Warnings}
	t := newTree(&out, nil, nil)
	for _, r := range sortedResources(from) {
		there := out.Resources[r.ID]
		if there == nil {
			if reason := t.refuse(out.Resources[r.ParentID], r.PathPart); reason != "" {
				e.Errors = append(e.Errors, "Unable to create resource at path '"+r.Path+"': "+reason)
				return nil, e
			}
			out.Resources[r.ID] = r
			t.add(r)
			continue
		}
		c := *there
		c.Methods = union(there.Methods, r.Methods)
		out.Resources[r.ID] = &c
	}
	return &out, nil
}

func union[T any](a, b map[string]T) map[string]T {
	out := make(map[string]T, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}
