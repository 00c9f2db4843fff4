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

// applyTersely is apply for the resources whose errors name only the path.
func (t patchTable) applyTersely(ops []*api.PatchOperation) error {
	return t.applyOr(ops, func(_, path string) error { return badRequest("Invalid patch path %s", path) })
}

// applyOr is apply with an error of the caller's own for what the table lacks.
func (t patchTable) applyOr(ops []*api.PatchOperation, unknown func(op, path string) error) error {
	for _, o := range ops {
		op, path, value, err := patchParts(o)
		if err != nil {
			return err
		}
		fn, name := t.find(op, path)
		if fn == nil {
			return unknown(op, path)
		}
		if err := fn(name, value); err != nil {
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

// find returns what carries op out for path, and the name in the path. A path
// without a name goes before one with.
func (t patchTable) find(op, path string) (fn func(name, value string) error, name string) {
	if i := slices.IndexFunc(t, func(p patchPath) bool { return p.path == path }); i >= 0 {
		return t[i].function(op), ""
	}
	for _, p := range t {
		if name, ok := matchPatchPath(p.path, path); ok {
			return p.function(op), name
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

// setEntry is a patch function that sets an entry of a map.
func setEntry(to *map[string]string) func(name, value string) error {
	return func(name, value string) error {
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[name] = value
		return nil
	}
}

// removeEntry is a patch function that removes an entry of a map: missing is
// the error's text where it is not there.
func removeEntry[T any](from *map[string]T, missing string) func(name, value string) error {
	return func(name, _ string) error {
		if _, ok := (*from)[name]; !ok {
			return notFound("%s", missing)
		}
		delete(*from, name)
		return nil
	}
}

// setBool is a patch function that sets a switch.
func setBool(to *bool) func(name, value string) error {
	return func(_, value string) error {
		b, err := patchBool(value)
		*to = b
		return err
	}
}

func patchBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("Invalid boolean value specified: %s", value)
}
