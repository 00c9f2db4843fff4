package jsonpath

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type stepKind uint8

const (
	property stepKind = iota // one name, or several of an indefinite path
	merge                    // several names at the end: one object
	wildcard
	index
	slice
	scan
	filter
)

type step struct {
	kind    stepKind
	names   []string
	indexes []int
	slice   *bounds
	filter  condition
}

// Compile compiles a path. One that begins with neither $ nor @ is taken to begin
// with "$.". The error is a *SyntaxError.
func Compile(path string) (*Path, error) {
	src := strings.TrimSpace(path)
	if len(src) > maxPath {
		return nil, &SyntaxError{Path: src[:32] + "…", Message: "the path is too long"}
	}
	if src == "" {
		return nil, &SyntaxError{Path: path, Message: "the path is empty"}
	}
	if src[0] != '$' && src[0] != '@' {
		src = "$." + src
	}
	p := &parser{src: src}
	out, err := p.path()
	if err == nil && p.pos < len(p.src) {
		err = p.fail("unexpected character")
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

type parser struct {
	src    string
	pos    int
	nested int
	inside bool // a filter, where a path ends at an operator
}

func (p *parser) fail(message string) error {
	return &SyntaxError{Path: p.src, At: p.pos, Message: message}
}

func (p *parser) at(prefix string) bool { return strings.HasPrefix(p.src[p.pos:], prefix) }

func (p *parser) accept(prefix string) bool {
	if !p.at(prefix) {
		return false
	}
	p.pos += len(prefix)
	return true
}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

// path parses from the $ or @ on.
func (p *parser) path() (*Path, error) {
	p.pos++
	out := &Path{definite: true}
	for p.pos < len(p.src) && out.call == nil {
		switch {
		case p.accept(".."):
			if p.pos == len(p.src) || p.at(".") {
				return nil, p.fail("a path must not end with dots")
			}
			out.steps = append(out.steps, step{kind: scan})
			if !p.at("[") {
				if err := p.named(out); err != nil {
					return nil, err
				}
			}
		case p.accept("."):
			if p.at("[") || p.pos == len(p.src) {
				return nil, p.fail("expected a name after the dot")
			}
			if err := p.named(out); err != nil {
				return nil, err
			}
		case p.at("["):
			st, err := p.bracket()
			if err != nil {
				return nil, err
			}
			out.steps = append(out.steps, st)
		case p.inside:
			p.settle(out)
			return out, nil
		default:
			return nil, p.fail("expected . or [")
		}
	}
	p.settle(out)
	return out, nil
}

// settle works out whether the path is definite.
func (p *parser) settle(out *Path) {
	for i := range out.steps {
		st := &out.steps[i]
		if st.kind == property && len(st.names) > 1 && i == len(out.steps)-1 {
			st.kind = merge
		}
		switch st.kind {
		case property:
			out.definite = out.definite && len(st.names) == 1
		case index:
			out.definite = out.definite && len(st.indexes) == 1
		case merge:
		default:
			out.definite = false
		}
	}
}

// named parses what follows a dot: *, a name, or a function.
func (p *parser) named(out *Path) error {
	if p.accept("*") {
		out.steps = append(out.steps, step{kind: wildcard})
		return nil
	}
	from := p.pos
	ends := ".[( \t\r\n"
	if p.inside {
		ends = ".[( \t\r\n)=!<>&|,~]"
	}
	for p.pos < len(p.src) && strings.IndexByte(ends, p.src[p.pos]) < 0 {
		p.pos++
	}
	name := p.src[from:p.pos]
	if name == "" {
		return p.fail("expected a name")
	}
	if p.at("(") {
		call, err := p.function(name)
		out.call = call
		return err
	}
	if !p.inside && p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		return p.fail("a name with blanks must be in brackets and quotes")
	}
	out.steps = append(out.steps, step{kind: property, names: []string{name}})
	return nil
}

// bracket parses [*], [?(…)], ['a','b'], [1,2] and [1:2].
func (p *parser) bracket() (step, error) {
	p.pos++
	p.space()
	var st step
	var err error
	switch {
	case p.accept("*"):
		st = step{kind: wildcard}
	case p.accept("?"):
		st, err = p.filter()
	case p.at("'"), p.at(`"`):
		st, err = p.names()
	default:
		st, err = p.numbers()
	}
	if err != nil {
		return st, err
	}
	p.space()
	if !p.accept("]") {
		return st, p.fail("expected ]")
	}
	return st, nil
}

func (p *parser) names() (step, error) {
	st := step{kind: property}
	for {
		p.space()
		name, err := p.quoted()
		if err != nil {
			return st, err
		}
		st.names = append(st.names, name)
		p.space()
		if !p.accept(",") {
			return st, nil
		}
	}
}

// quoted parses a string in either quotes, with backslash escapes.
func (p *parser) quoted() (string, error) {
	if !p.at("'") && !p.at(`"`) {
		return "", p.fail("expected a quote")
	}
	quote := p.src[p.pos]
	p.pos++
	var b strings.Builder
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		p.pos++
		switch c {
		case quote:
			return b.String(), nil
		case '\\':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("the string does not end")
}

func (p *parser) escape(b *strings.Builder) error {
	if p.pos == len(p.src) {
		return p.fail("the string does not end")
	}
	c := p.src[p.pos]
	p.pos++
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'u':
		r, err := p.unit()
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(r) && p.accept(`\u`) {
			low, err := p.unit()
			if err != nil {
				return err
			}
			r = utf16.DecodeRune(r, low)
		}
		b.WriteRune(r)
	default:
		b.WriteByte(c)
	}
	return nil
}

func (p *parser) unit() (rune, error) {
	if p.pos+4 > len(p.src) {
		return 0, p.fail(`\u wants four hexadecimal digits`)
	}
	n, err := strconv.ParseUint(p.src[p.pos:p.pos+4], 16, 16)
	if err != nil {
		return 0, p.fail(`\u wants four hexadecimal digits`)
	}
	p.pos += 4
	return rune(n), nil
}

// numbers parses indexes and slices.
func (p *parser) numbers() (step, error) {
	first, err := p.number()
	if err != nil {
		return step{}, err
	}
	p.space()
	if p.at(":") {
		return p.slice(first)
	}
	if first == nil {
		return step{}, p.fail("expected an index, a name in quotes, * or ?")
	}
	st := step{kind: index, indexes: []int{*first}}
	for p.accept(",") {
		p.space()
		n, err := p.number()
		if err != nil {
			return st, err
		}
		if n == nil {
			return st, p.fail("expected an index")
		}
		st.indexes = append(st.indexes, *n)
		p.space()
	}
	return st, nil
}

func (p *parser) slice(from *int) (step, error) {
	b := &bounds{from: from, by: 1}
	p.pos++
	p.space()
	var err error
	if b.to, err = p.number(); err != nil {
		return step{}, err
	}
	p.space()
	if p.accept(":") {
		p.space()
		by, err := p.number()
		if err != nil {
			return step{}, err
		}
		if by != nil {
			b.by = *by
		}
		if b.by < 1 {
			return step{}, p.fail("the step of a slice must be positive")
		}
	}
	if b.from == nil && b.to == nil && b.by == 1 && !strings.Contains(p.src, "::") {
		return step{}, p.fail("a slice wants a bound")
	}
	return step{kind: slice, slice: b}, nil
}

// number parses an integer; nil: there is none.
func (p *parser) number() (*int, error) {
	from := p.pos
	p.accept("-")
	for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == from {
		return nil, nil
	}
	n, err := strconv.ParseInt(p.src[from:p.pos], 10, 32)
	if err != nil {
		return nil, p.fail("not an index")
	}
	return new(int(n)), nil
}

// filter parses (…) after the question mark.
func (p *parser) filter() (step, error) {
	p.space()
	if !p.at("(") {
		return step{}, p.fail("expected ( after ?")
	}
	inside := p.inside
	p.inside = true
	c, err := p.condition()
	p.inside = inside
	return step{kind: filter, filter: c}, err
}

// rune at the place, for messages.
func (p *parser) rune() string {
	r, n := utf8.DecodeRuneInString(p.src[p.pos:])
	if n == 0 {
		return "the end"
	}
	return strconv.QuoteRune(r)
}
