package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// pattern is a text with wildcards (* is any number of characters, ? is one) and
// policy variables.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type pattern struct {
	tokens []token
	// variables says that tokens holds some, which take their value from a request.
	variables bool
	// plain is the whole text where it has neither wildcards nor variables.
	plain   string
	isPlain bool
}

type token struct {
	kind  tokenKind
	b     byte    // of a literal
	name  string  // of a variable, lower-case
	other *string // a variable's value where the request has none; nil: there is none
}

type tokenKind uint8

const (
	literal tokenKind = iota
	star
	question
	variable
)

var errVariable = errors.New("a policy variable is not closed, or has no name")

// newPattern reads a pattern. Documents of the version of 2008 have no variables,
// and some elements no wildcards.
func newPattern(text string, wildcards, variables bool) (pattern, error) {
	p := pattern{plain: text, isPlain: true}
	for i := 0; i < len(text); i++ {
		t := token{b: text[i]}
		switch {
		case wildcards && text[i] == '*':
			t.kind, p.isPlain = star, false
		case wildcards && text[i] == '?':
			t.kind, p.isPlain = question, false
		case variables && strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return p, errVariable
			}
			var err error
			if t, err = newVariable(text[i+2 : i+end]); err != nil {
				return p, err
			}
			p.isPlain = false
			p.variables = p.variables || t.kind == variable
			i += end
		}
		if t.kind == star && len(p.tokens) > 0 && p.tokens[len(p.tokens)-1].kind == star {
			continue
		}
		p.tokens = append(p.tokens, t)
	}
	if p.isPlain {
		p.tokens = nil
	}
	return p, nil
}

// newVariable reads what stands between the braces: a key's name, with a default
// or without, or one of the characters that would mean something else outside.
func newVariable(text string) (token, error) {
	if text == "*" || text == "?" || text == "$" {
		return token{b: text[0]}, nil
	}
	name, other, hasDefault := strings.Cut(text, ",")
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return token{}, errVariable
	}
	t := token{kind: variable, name: name}
	if hasDefault {
		other = strings.TrimSpace(other)
		if len(other) < 2 || other[0] != '\'' || other[len(other)-1] != '\'' {
			return token{}, errVariable
		}
		t.other = new(other[1 : len(other)-1])
	}
	return t, nil
}

// expand puts the values of variables in. known is false where one has no value.
// Wildcards in a value stand for themselves.
func (p *pattern) expand(r *Request) (tokens []token, known bool) {
	if !p.variables {
		return p.tokens, true
	}
	for _, t := range p.tokens {
		if t.kind != variable {
			tokens = append(tokens, t)
			continue
		}
		value := t.other
		if v := r.key(t.name); len(v) == 1 { // a variable of many values is none
			value = &v[0]
		}
		if value == nil {
			return nil, false
		}
		tokens = appendLiteral(tokens, *value)
	}
	return tokens, true
}

func appendLiteral(to []token, text string) []token {
	for i := range len(text) {
		to = append(to, token{b: text[i]})
	}
	return to
}

// match reports whether the pattern is value's; known is false where a variable
// has no value.
func (p *pattern) match(r *Request, value string) (fits, known bool) {
	if p.isPlain {
		return p.plain == value, true
	}
	tokens, known := p.expand(r)
	return known && glob(tokens, value), known
}

// text is the pattern with its variables' values, where it has no wildcards.
func (p *pattern) text(r *Request) (text string, known bool) {
	if p.isPlain {
		return p.plain, true
	}
	tokens, known := p.expand(r)
	if !known {
		return "", false
	}
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte(t.b)
	}
	return b.String(), true
}

// glob takes at most len(tokens) times len(value) steps: after a star it needs to
// go back to the last one only.
func glob(tokens []token, value string) bool {
	i, at := 0, 0
	lastStar, resume := -1, 0
	for at < len(value) {
		if i < len(tokens) {
			switch t := &tokens[i]; {
			case t.kind == star:
				lastStar, resume = i, at
				i++
				continue
			case t.kind == question:
				_, n := utf8.DecodeRuneInString(value[at:])
				i, at = i+1, at+n
				continue
			case t.b == value[at]:
				i, at = i+1, at+1
				continue
			}
		}
		if lastStar < 0 {
			return false
		}
		_, n := utf8.DecodeRuneInString(value[resume:])
		resume += n
		i, at = lastStar+1, resume
	}
	for i < len(tokens) && tokens[i].kind == star {
		i++
	}
	return i == len(tokens)
}

// globARN compares an ARN part by part, of which there are six: a wildcard does
// not reach over a colon but in the last.
func globARN(tokens []token, value string) bool {
	for range 5 {
		colon := -1
		for i := range tokens {
			if tokens[i].kind == literal && tokens[i].b == ':' {
				colon = i
				break
			}
		}
		part, rest, ok := strings.Cut(value, ":")
		if colon < 0 || !ok || !glob(tokens[:colon], part) {
			return false
		}
		tokens, value = tokens[colon+1:], rest
	}
	return glob(tokens, value)
}
