package params

import (
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
)

// requestTarget reads "integration.request.header.X-Api".
func requestTarget(text string) (Location, string, bool) {
	rest, ok := strings.CutPrefix(text, "integration.request.")
	if !ok {
		return 0, "", false
	}
	in, name, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", false
	}
	switch in {
	case "path":
		return Path, name, validName(name)
	case "querystring":
		return Query, name, validName(name)
	case "header":
		return Header, name, ValidHeaderName(name)
	}
	return 0, "", false
}

func header(text, prefix string) (Location, string, bool) {
	name, ok := strings.CutPrefix(text, prefix)
	return Header, name, ok && ValidHeaderName(name)
}

// RequestSource reads an expression over a method's request, as an integration's
// requestParameters and cacheKeyParameters have them.
func RequestSource(text string) (Source, bool) {
	if rest, ok := strings.CutPrefix(text, "method.request."); ok {
		if s, ok := body(rest); ok {
			return s, true
		}
		return parameter(rest)
	}
	return common(text)
}

// gatewaySource is RequestSource without the body: a gateway response may be
// made before there is one.
func gatewaySource(text string) (Source, bool) {
	s, ok := RequestSource(text)
	return s, ok && s.Kind != Body
}

// ResponseSource reads an expression over the response of an integration's backend.
func ResponseSource(text string) (Source, bool) {
	rest, ok := strings.CutPrefix(text, "integration.response.")
	if !ok {
		return common(text)
	}
	if s, ok := body(rest); ok {
		return s, true
	}
	in, name, _ := strings.Cut(rest, ".")
	switch in {
	case "header":
		return Source{Kind: Parameter, In: Header, Name: name}, validName(name)
	case "multivalueheader":
		return Source{Kind: Parameter, In: Header, Name: name, Multi: true}, validName(name)
	}
	return Source{}, false
}

func parameter(text string) (Source, bool) {
	in, name, _ := strings.Cut(text, ".")
	s := Source{Kind: Parameter, Name: name}
	switch in {
	case "path":
		s.In = Path
	case "querystring":
		s.In = Query
	case "header":
		s.In = Header
	case "multivaluequerystring":
		s.In, s.Multi = Query, true
	case "multivalueheader":
		s.In, s.Multi = Header, true
	default:
		return Source{}, false
	}
	return s, validName(name)
}

// body reads "body", "body.a.b" and "body[0]": the JSONPath's "$" is left out.
func body(text string) (Source, bool) {
	rest, ok := strings.CutPrefix(text, "body")
	if !ok {
		return Source{}, false
	}
	switch {
	case rest == "":
		return Source{Kind: Body}, true
	case rest[0] == '[', rest[0] == '.' && len(rest) > 1:
		path, err := jsonpath.Compile("$" + rest)
		return Source{Kind: Body, JSONPath: path}, err == nil
	}
	return Source{}, false
}

// common reads what every expression may be.
func common(text string) (Source, bool) {
	if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' {
		value := text[1 : len(text)-1]
		return Source{Kind: Static, Text: value}, !strings.ContainsAny(value, "'\r\n\x00")
	}
	if name, ok := strings.CutPrefix(text, "stageVariables."); ok {
		return Source{Kind: StageVariable, Name: name}, validName(name)
	}
	if name, ok := strings.CutPrefix(text, "context."); ok {
		return Source{Kind: Context, Name: name}, validName(name)
	}
	return Source{}, false
}

// validName takes what may name a parameter: anything printable without spaces.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return name != ""
}

// ValidHeaderName reports whether name is a token (RFC 9110, section 5.6.2).
func ValidHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}
