package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// encodeJSON writes a tree in the form that AWS gives documents and schemas:
// two spaces a level, a space on both sides of a colon, lists in one line.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	writeJSON(&b, v, "\n")
	return b.Bytes()
}

// compactJSON writes a tree without spaces.
func compactJSON(v any) string {
	var b bytes.Buffer
	if err := json.Compact(&b, encodeJSON(v)); err != nil {
		panic("openapi: wrote JSON that is none: " + err.Error())
	}
	return b.String()
}

func writeJSON(b *bytes.Buffer, v any, newline string) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	case number:
		if n, ok := jsonNumber(v).(number); ok {
			b.WriteString(string(n))
		} else {
			writeString(b, string(v))
		}
	case string:
		writeString(b, v)
	case []any:
		b.WriteString("[ ")
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, e, newline)
		}
		if len(v) > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case *object:
		if v.len() == 0 {
			b.WriteString("{ }")
			return
		}
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(newline + "  ")
			writeString(b, k)
			b.WriteString(" : ")
			writeJSON(b, v.values[k], newline+"  ")
		}
		b.WriteString(newline + "}")
	default:
		panic(fmt.Sprintf("openapi: a %T in a tree", v))
	}
}

func writeString(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("openapi: a string has no JSON: " + err.Error())
	}
	b.Truncate(b.Len() - 1) // the newline that Encode adds
}

// encodeYAML writes a tree as AWS does: keys plain, strings in double quotes.
func encodeYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("---\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(yamlNode(v)), e.Close()); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return b.Bytes(), nil
}

func yamlNode(v any) *yaml.Node {
	scalar := func(tag, value string, style yaml.Style) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Style: style}
	}
	switch v := v.(type) {
	case nil:
		return scalar("!!null", "null", 0)
	case bool:
		return scalar("!!bool", fmt.Sprint(v), 0)
	case number:
		if n, ok := jsonNumber(v).(number); ok {
			// Without a tag: whether 1e3 is an integer is not for us to say.
			return scalar("", string(n), 0)
		}
		return scalar("!!str", string(v), yaml.DoubleQuotedStyle)
	case string:
		return scalar("!!str", v, yaml.DoubleQuotedStyle)
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, e := range v {
			n.Content = append(n.Content, yamlNode(e))
		}
		return n
	case *object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, k := range v.keys {
			n.Content = append(n.Content, scalar("!!str", k, 0), yamlNode(v.values[k]))
		}
		return n
	}
	panic(fmt.Sprintf("openapi: a %T in a tree", v))
}
