package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A document is read into a tree of nil, bool, number, string, []any and
// *object, the same for JSON and YAML.

// number is a number as it was written, in JSON's grammar or (in YAML) not.
type number string

// object is an ordered map. A nil object has no members.
type object struct {
	keys   []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// set adds a member, or replaces it where it stands.
func (o *object) set(key string, v any) *object {
	if _, there := o.values[key]; !there {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
	return o
}

func (o *object) get(key string) any {
	if o == nil {
		return nil
	}
	return o.values[key]
}

func (o *object) has(key string) bool {
	if o == nil {
		return false
	}
	_, there := o.values[key]
	return there
}

func (o *object) len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// parse reads a document, which is JSON if it begins with a brace.
func parse(text []byte) (*object, error) {
	if len(text) > MaxSize {
		return nil, invalid("The document is larger than %d bytes.", MaxSize)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, invalid("The document is not UTF-8.")
	}
	var v any
	var err error
	b := &bounds{}
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		v, err = b.json(trimmed)
	} else {
		v, err = b.yaml(text)
	}
	if err != nil {
		return nil, invalid("The document cannot be read: %v.", err)
	}
	o, ok := v.(*object)
	if !ok {
		return nil, invalid("The document is not an object.")
	}
	return o, nil
}

// parseJSON reads a JSON value, such as a stored schema.
func parseJSON(text string) (any, error) { return (&bounds{}).json([]byte(text)) }

var (
	errDeep  = errors.New("its objects and lists are nested too deep")
	errLarge = errors.New("it has too many values")
)

// bounds counts what was read.
type bounds struct{ nodes int }

func (b *bounds) node(depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	if b.nodes++; b.nodes > maxNodes {
		return errLarge
	}
	return nil
}

func (b *bounds) json(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := b.jsonValue(d, 0)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the end of the object")
	}
	return v, nil
}

func (b *bounds) jsonValue(d *json.Decoder, depth int) (any, error) {
	if err := b.node(depth); err != nil {
		return nil, err
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return number(t), nil
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.More() {
				v, err := b.jsonValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		o := newObject()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := b.jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			o.set(name, v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil
}

func (b *bounds) yaml(text []byte) (any, error) {
	var root yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, err
	}
	return b.yamlValue(&root, 0)
}

func (b *bounds) yamlValue(n *yaml.Node, depth int) (any, error) {
	if err := b.node(depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return b.yamlValue(n.Content[0], depth)
	case yaml.AliasNode:
		// A cycle ends at maxDepth, a bomb at maxNodes.
		return b.yamlValue(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := b.yamlValue(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return b.yamlObject(n, depth)
	}
	return yamlScalar(n), nil
}

func (b *bounds) yamlObject(n *yaml.Node, depth int) (any, error) {
	o := newObject()
	var merged []*object
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		for k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, errors.New("line " + strconv.Itoa(k.Line) + ": a key is not a scalar")
		}
		v, err := b.yamlValue(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, objects(v)...)
			continue
		}
		if o.has(k.Value) {
			return nil, errors.New("line " + strconv.Itoa(k.Line) + ": the key " + strconv.Quote(k.Value) + " is there twice")
		}
		o.set(k.Value, v)
	}
	for _, m := range merged {
		for _, k := range m.keys {
			if !o.has(k) {
				o.set(k, m.values[k])
			}
		}
	}
	return o, nil
}

// objects are what a merge key names: an object, or several.
func objects(v any) []*object {
	switch v := v.(type) {
	case *object:
		return []*object{v}
	case []any:
		var out []*object
		for _, e := range v {
			if o, ok := e.(*object); ok {
				out = append(out, o)
			}
		}
		return out
	}
	return nil
}

func yamlScalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if n.Decode(&v) == nil {
			return v
		}
	case "!!int", "!!float":
		return number(n.Value)
	}
	return n.Value
}

// jsonNumber puts a number into JSON's grammar: YAML has more, of which what
// JSON cannot hold (infinity) becomes a string.
func jsonNumber(n number) any {
	if json.Valid([]byte(n)) {
		return n
	}
	var v any
	if yaml.Unmarshal([]byte(n), &v) == nil {
		if text, err := json.Marshal(v); err == nil && len(text) > 0 && text[0] != '"' {
			return number(text)
		}
	}
	return string(n)
}

// copyTree copies a tree, so that it can be changed.
func copyTree(v any) any {
	switch v := v.(type) {
	case *object:
		out := newObject()
		for _, k := range v.keys {
			out.set(k, copyTree(v.values[k]))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = copyTree(e)
		}
		return out
	}
	return v
}
