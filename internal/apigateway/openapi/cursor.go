package openapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// cursor is an object of the document, and where it stands. Its methods read
// members, and warn of one that is not of the type it has to be, in the words of
// the parser that AWS uses.
type cursor struct {
	*object
	r  *reader
	at string
}

func (c cursor) below(key string) string {
	if c.at == "" {
		return key
	}
	return c.at + "." + key
}

func (c cursor) wrong(key, want string) {
	c.r.warn("Parse issue: attribute %s is not of type `%s`", c.below(key), want)
}

// there says whether the object itself is.
func (c cursor) there() bool { return c.object != nil }

// child is a member that is an object.
func (c cursor) child(key string) cursor {
	v := c.get(key)
	o, ok := v.(*object)
	if !ok && v != nil {
		c.wrong(key, "object")
	}
	if !c.r.spend(memberCost) {
		o = nil
	}
	return cursor{object: o, r: c.r, at: c.below(key)}
}

// children are the members of a member that is an object of objects.
func (c cursor) children(key string) func(yield func(string, cursor) bool) {
	return func(yield func(string, cursor) bool) {
		child := c.child(key)
		if !child.there() {
			return
		}
		for _, k := range child.keys {
			if !yield(k, child.child(k)) {
				return
			}
		}
	}
}

// text is a member that is a string. A number or a boolean is what was written:
// YAML's 1.0 and 200 need no quotes.
func (c cursor) text(key string) string {
	switch v := c.get(key).(type) {
	case nil:
		return ""
	case string:
		if !c.r.spend(memberCost + len(v)) {
			return ""
		}
		return v
	case number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	}
	c.wrong(key, "string")
	return ""
}

// flag is a member that is a boolean, also one in quotes.
func (c cursor) flag(key string) bool {
	switch v := c.get(key).(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(v)); err == nil {
			return b
		}
	}
	c.wrong(key, "boolean")
	return false
}

// integer is a member that is an integer, also one in quotes; nil: none.
func (c cursor) integer(key string) *int32 {
	var text string
	switch v := c.get(key).(type) {
	case nil:
		return nil
	case number:
		if n, ok := jsonNumber(v).(number); ok {
			text = string(n)
		}
	case string:
		text = v
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		c.wrong(key, "integer")
		return nil
	}
	return new(int32(n))
}

// list is a member that is a list.
func (c cursor) list(key string) []any {
	v := c.get(key)
	l, ok := v.([]any)
	if !ok && v != nil {
		c.wrong(key, "array")
	}
	if !c.r.spend(memberCost * len(l)) {
		return nil
	}
	return l
}

// texts are the strings of a list.
func (c cursor) texts(key string) []string {
	var out []string
	for i, v := range c.list(key) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		} else {
			c.wrong(key+"["+strconv.Itoa(i)+"]", "string")
		}
	}
	return out
}

// items are the objects of a list.
func (c cursor) items(key string) []cursor {
	var out []cursor
	for i, v := range c.list(key) {
		at := key + "[" + strconv.Itoa(i) + "]"
		if o, ok := v.(*object); ok {
			out = append(out, cursor{object: o, r: c.r, at: c.below(at)})
		} else {
			c.wrong(at, "object")
		}
	}
	return out
}

// textMap is a member that is an object of strings; nil: none.
func (c cursor) textMap(key string) map[string]string {
	child := c.child(key)
	if child.len() == 0 {
		return nil
	}
	out := make(map[string]string, child.len())
	for _, k := range child.keys {
		out[k] = child.text(k)
	}
	return out
}

// maxReferences that are followed one after the other.
const maxReferences = 20

// resolve follows references within the document. It returns a cursor on
// nothing, with a warning, for one that leads nowhere.
func (c cursor) resolve() cursor {
	for range maxReferences {
		ref, ok := c.get("$ref").(string)
		if !ok {
			return c
		}
		o, ok := c.r.pointer(ref)
		if !ok {
			c.r.warn("Reference '%s' at %s cannot be resolved. Ignoring.", ref, c.at)
			return cursor{r: c.r, at: c.at}
		}
		c.object = o
	}
	c.r.warn("References at %s form a cycle. Ignoring.", c.at)
	return cursor{r: c.r, at: c.at}
}

// pointer finds the object of a reference "#/a/b".
func (r *reader) pointer(ref string) (*object, bool) {
	rest, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, false
	}
	var v any = r.root.object
	for part := range strings.SplitSeq(rest, "/") {
		if p, err := url.PathUnescape(part); err == nil {
			part = p
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch at := v.(type) {
		case *object:
			v = at.get(part)
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	o, ok := v.(*object)
	return o, ok
}

// upper is a member that is one of some words, in any case; the fallback where
// there is none.
func (c cursor) upper(key, fallback string, words ...string) string {
	v := strings.ToUpper(c.text(key))
	if v == "" {
		return fallback
	}
	if !slices.Contains(words, v) {
		c.r.fail("Invalid value '%s' for %s: must be one of %s", c.text(key), c.below(key), strings.Join(words, ", "))
	}
	return v
}
