package rest

import (
	"strings"
)

// format is a text with $context and other variables in it, as access logs and
// the templates of gateway responses have them: nothing is computed.
type format []piece

// piece is a literal, or the variable whose name is not empty.
type piece struct{ literal, variable string }

// parseFormat cuts a text at its variables: $context.a.b, ${context.a.b} and the
// same of stageVariables, input and method.
func parseFormat(text string) format {
	var f format
	literal := func(s string) {
		if s == "" {
			return
		}
		if n := len(f); n > 0 && f[n-1].variable == "" {
			f[n-1].literal += s
			return
		}
		f = append(f, piece{literal: s})
	}
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			literal(text)
			break
		}
		literal(text[:i])
		name, n := variableName(text[i:])
		if n == 0 {
			literal("$")
			text = text[i+1:]
			continue
		}
		f = append(f, piece{variable: name})
		text = text[i+n:]
	}
	return f
}

// variableName reads the variable that text begins with and how long it is; 0:
// there is none.
func variableName(text string) (name string, n int) {
	start, braced := 1, strings.HasPrefix(text, "${")
	if braced {
		start = 2
	}
	end := start
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	if !braced {
		// A dot or a dash at the end is punctuation.
		for end > start && (text[end-1] == '.' || text[end-1] == '-') {
			end--
		}
	}
	name = text[start:end]
	if root, _, ok := strings.Cut(name, "."); !ok || root != "context" && root != "stageVariables" && root != "method" {
		return "", 0
	}
	if !braced {
		return name, end
	}
	if end >= len(text) || text[end] != '}' {
		return "", 0
	}
	return name, end + 1
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// render writes the text out; missing stands for variables without a value.
func (f format) render(c *call, missing string) string {
	if len(f) == 1 && f[0].variable == "" {
		return f[0].literal
	}
	var b strings.Builder
	for _, p := range f {
		if p.variable == "" {
			b.WriteString(p.literal)
			continue
		}
		if v, ok := c.named(p.variable); ok && (v != "" || missing == "") {
			b.WriteString(v)
		} else {
			b.WriteString(missing)
		}
	}
	return b.String()
}

// named is a variable with its root: "context.requestId".
func (c *call) named(name string) (string, bool) {
	root, rest, _ := strings.Cut(name, ".")
	switch root {
	case "context":
		return c.variable(rest)
	case "stageVariables":
		v, ok := c.StageVariables[rest]
		return v, ok
	case "method":
		rest, ok := strings.CutPrefix(rest, "request.")
		if !ok {
			return "", false
		}
		in, param, _ := strings.Cut(rest, ".")
		var values []string
		switch in {
		case "path":
			return c.PathParameter(param)
		case "querystring":
			values = c.Query()[param]
		case "header":
			values = c.Header(param)
		}
		if len(values) > 0 {
			return values[len(values)-1], true
		}
	}
	return "", false
}
