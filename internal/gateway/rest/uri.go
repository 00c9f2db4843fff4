package rest

import (
	"fmt"
	"strings"
)

// uri is an integration's URI with stage variables and path parameters in it.
type uri []uriPiece

type uriPiece struct {
	literal  string
	variable string // a stage variable
	param    string // a path parameter of the integration's request
}

// parseURI reads ${stageVariables.name} and {name}.
func parseURI(text string) (uri, error) {
	var u uri
	for text != "" {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			return append(u, uriPiece{literal: text}), nil
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return nil, fmt.Errorf("the URI %q has an open brace", text)
		}
		name, before := text[i+1:i+end], text[:i]
		text = text[i+end+1:]
		piece := uriPiece{param: strings.TrimSuffix(name, "+")}
		if variable, ok := strings.CutPrefix(name, "stageVariables."); ok && strings.HasSuffix(before, "$") {
			before = strings.TrimSuffix(before, "$")
			piece = uriPiece{variable: variable}
		}
		if before != "" {
			u = append(u, uriPiece{literal: before})
		}
		u = append(u, piece)
	}
	return u, nil
}

// params are the path parameters that the URI wants.
func (u uri) params() []string {
	var out []string
	for _, p := range u {
		if p.param != "" {
			out = append(out, p.param)
		}
	}
	return out
}

// expand fills in stage variables as they are, and path parameters by param.
func (u uri) expand(variables map[string]string, param func(name string) string) string {
	if len(u) == 1 && u[0].literal != "" {
		return u[0].literal
	}
	var b strings.Builder
	for _, p := range u {
		switch {
		case p.variable != "":
			b.WriteString(variables[p.variable])
		case p.param != "":
			b.WriteString(param(p.param))
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// escapePath encodes a value for a path: a slash stays one only in the value of a
// greedy variable.
func escapePath(value string, greedy bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 || c == '/' && greedy {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
