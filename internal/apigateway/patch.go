package apigateway

import (
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

// A patchPath is a path of a resource that UpdateX may change. A nil function
// means that the operation is not supported for the path.
type patchPath struct {
	// path has a name in braces ("/variables/{name}") for a segment that stands
	// for any: its value, unescaped, is handed to the functions.
	path    string
	add     func(name, value string) error
	replace func(name, value string) error
	remove  func(name, value string) error
}

// patchTable is the paths of a resource, in the order in which AWS's errors list
// them.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type patchTable []patchPath

// apply carries out operations in their order. The error for a path that the
// table does not have lists those that it has.
func (t patchTable) apply(ops []*api.PatchOperation) error {
	return t.applyOr(ops, func(op, path string) error {
		var have []string
		for _, p := range t {
			if p.function(op) != nil {
				have = append(have, p.path)
			}
		}
		if len(have) == 0 {
			return badRequest("Invalid patch path  '%s' specified for op '%s'. Please choose supported operations", path, op)
		}
		return badRequest("Invalid patch path  '%s' specified for op '%s'. Must be one of: [%s]", path, op, strings.Join(have, ", "))
	})
}

// applyTersely is apply for the resources whose errors name no alternatives:
// an unknown path, or the operations that a known one has.
func (t patchTable) applyTersely(ops []*api.PatchOperation) error {
	return t.applyOr(ops, func(op, path string) error {
		p, _ := t.find(path)
		if p == nil {
			return badRequest("Invalid patch path %s", path)
		}
		return badRequest("Invalid patch operation specified. Must be one of: [%s]", strings.Join(p.operations(), ", "))
	})
}

// applyOr is apply with an error of the caller's own for what the table lacks.
func (t patchTable) applyOr(ops []*api.PatchOperation, unknown func(op, path string) error) error {
	for _, o := range ops {
		op, path, value, err := patchParts(o)
		if err != nil {
			return err
		}
		p, name := t.find(path)
		if p == nil || p.function(op) == nil {
			return unknown(op, path)
		}
		if err := p.function(op)(name, value); err != nil {
			return err
		}
	}
	return nil
}

// patchParts takes an operation apart: an absent value is empty.
func patchParts(o *api.PatchOperation) (op, path, value string, err error) {
	if o == nil || o.Op == nil {
		return "", "", "", badRequest("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
	}
	if o.Path == nil {
		return "", "", "", badRequest("Invalid patch path null")
	}
	if o.Value != nil {
		value = *o.Value
	}
	return string(*o.Op), *o.Path, value, nil
}

func (p *patchPath) function(op string) func(name, value string) error {
	switch op {
	case "add":
		return p.add
	case "replace":
		return p.replace
	case "remove":
		return p.remove
	}
	return nil
}

func (p *patchPath) operations() []string {
	var out []string
	for _, op := range []string{"add", "replace", "remove"} {
		if p.function(op) != nil {
			out = append(out, op)
		}
	}
	return out
}

// find returns the entry for a path, or nil, and the name in the path. A path
// without a name goes before one with.
func (t patchTable) find(path string) (p *patchPath, name string) {
	if i := slices.IndexFunc(t, func(p patchPath) bool { return p.path == path }); i >= 0 {
		return &t[i], ""
	}
	for i := range t {
		if name, ok := matchPatchPath(t[i].path, path); ok {
			return &t[i], name
		}
	}
	return nil, ""
}

// matchPatchPath matches a path against one that may have a segment in braces.
func matchPatchPath(pattern, path string) (name string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return "", false
	}
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{") && got[i] != "":
			name = unescapePointer(got[i])
		case w != got[i]:
			return "", false
		}
	}
	return name, true
}

// unescapePointer undoes the escapes of a JSON Pointer's segment (RFC 6901).
func unescapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

// setText is a patch function that sets a text.
func setText(to *string) func(name, value string) error {
	return func(_, value string) error {
		*to = value
		return nil
	}
}

// clearText is a patch function that removes a text.
func clearText(to *string) func(name, value string) error {
	return func(_, _ string) error {
		*to = ""
		return nil
	}
}

// setBool is a patch function that sets a switch: as at AWS, whatever is not
// "true" is false.
func setBool(to *bool) func(name, value string) error {
	return func(_, value string) error {
		*to = strings.EqualFold(value, "true")
		return nil
	}
}

// entries makes the patch functions of a map whose paths are
// "/{prefix}/{name}": check may refuse an entry, and missing is the error's text
// where an entry is to be replaced or removed that is not there.
func entries[T any](path string, m *map[string]T, missing string, parse func(name, value string) (T, error)) patchPath {
	set := func(name, value string) error {
		v, err := parse(name, value)
		if err != nil {
			return err
		}
		if *m == nil {
			*m = map[string]T{}
		}
		(*m)[name] = v
		return nil
	}
	return patchPath{
		path: path + "/{name}",
		add:  set,
		replace: func(name, value string) error {
			if _, ok := (*m)[name]; !ok {
				return notFound("%s", missing)
			}
			return set(name, value)
		},
		remove: func(name, _ string) error {
			if _, ok := (*m)[name]; !ok {
				return notFound("%s", missing)
			}
			if delete(*m, name); len(*m) == 0 {
				*m = nil
			}
			return nil
		},
	}
}

// anyText takes an entry as it is.
func anyText(_, value string) (string, error) { return value, nil }

// anyBool reads a switch as setBool does.
func anyBool(_, value string) (bool, error) { return strings.EqualFold(value, "true"), nil }

// The names of parameters and the content types of templates and models, where
// one is to be replaced or removed that is not there.
const (
	noSuchParameter   = "Invalid parameter name specified"
	noSuchContentType = "Content-Type specified was not found"
)

// patchBool reads a switch strictly, for the resources where AWS does.
func patchBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("Invalid boolean value specified: %s", value)
}
