package jsonpath

import (
	"regexp"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// operators from the longest, so that none hides another. Words want a blank after
// them.
var operators = []string{"===", "!==", "==", "!=", "<=", ">=", "=~", "<", ">"}

var words = []string{"SUBSETOF", "CONTAINS", "NONEOF", "ANYOF", "EMPTY", "SIZE", "NIN", "IN"}

// condition parses comparisons with && and ||, of which && binds more tightly.
func (p *parser) condition() (condition, error) {
	p.nested++
	defer func() { p.nested-- }()
	if p.nested > 64 {
		return nil, p.fail("the filter is nested too deeply")
	}
	var or either
	for {
		c, err := p.conjunction()
		if err != nil {
			return nil, err
		}
		or.any = append(or.any, c)
		p.space()
		if !p.accept("||") {
			break
		}
	}
	if len(or.any) == 1 {
		return or.any[0], nil
	}
	return or, nil
}

func (p *parser) conjunction() (condition, error) {
	var and every
	for {
		c, err := p.term()
		if err != nil {
			return nil, err
		}
		and.all = append(and.all, c)
		p.space()
		if !p.accept("&&") {
			break
		}
	}
	if len(and.all) == 1 {
		return and.all[0], nil
	}
	return and, nil
}

func (p *parser) term() (condition, error) {
	p.space()
	nots := 0
	for p.at("!") && !p.at("!=") {
		p.pos++
		nots++
		p.space()
	}
	var c condition
	var err error
	if p.accept("(") {
		if c, err = p.condition(); err != nil {
			return nil, err
		}
		p.space()
		if !p.accept(")") {
			return nil, p.fail("expected )")
		}
	} else if c, err = p.comparison(); err != nil {
		return nil, err
	}
	if nots%2 != 0 {
		c = not{c}
	}
	return c, nil
}

func (p *parser) comparison() (condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.space()
	op := p.operator()
	if op == "" {
		return exists{left}, nil
	}
	p.space()
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return comparison{op: op, left: left, right: right}, nil
}

func (p *parser) operator() string {
	for _, op := range operators {
		if p.accept(op) {
			return op
		}
	}
	rest := p.src[p.pos:]
	for _, w := range words {
		if len(rest) > len(w) && strings.EqualFold(rest[:len(w)], w) && strings.IndexByte(" \t[('\"@$", rest[len(w)]) >= 0 {
			p.pos += len(w)
			return w
		}
	}
	return ""
}

func (p *parser) operand() (operand, error) {
	if p.pos == len(p.src) {
		return operand{}, p.fail("expected a value")
	}
	switch c := p.src[p.pos]; {
	case c == '@' || c == '$':
		path, err := p.path()
		return operand{path: path, atRoot: c == '$'}, err
	case c == '\'' || c == '"':
		s, err := p.quoted()
		return operand{literal: s}, err
	case c == '/':
		return p.regex()
	case c == '[' || c == '{':
		v, err := p.json()
		return operand{literal: v}, err
	}
	for _, l := range []struct {
		text  string
		value vtl.Value
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if p.accept(l.text) {
			return operand{literal: l.value}, nil
		}
	}
	from := p.pos
	for p.pos < len(p.src) && strings.IndexByte("+-.eE0123456789", p.src[p.pos]) >= 0 {
		p.pos++
	}
	n := vtl.Number(p.src[from:p.pos])
	if _, ok := numberOf(n); !ok {
		p.pos = from
		return operand{}, p.fail("expected a value, found " + p.rune())
	}
	return operand{literal: n}, nil
}

// json parses a list or an object, which may have strings in single quotes.
func (p *parser) json() (vtl.Value, error) {
	p.nested++
	defer func() { p.nested-- }()
	if p.nested > 64 {
		return nil, p.fail("the filter is nested too deeply")
	}
	p.space()
	isMap := p.at("{")
	if !isMap && !p.at("[") {
		o, err := p.operand()
		if err == nil && (o.path != nil || o.regex != nil) {
			err = p.fail("expected a literal")
		}
		return o.literal, err
	}
	p.pos++
	list, object, end := vtl.NewArray(), vtl.NewMap(0), "]"
	if isMap {
		end = "}"
	}
	for p.space(); !p.accept(end); p.space() {
		if list.Len()+object.Len() > 0 && !p.accept(",") {
			return nil, p.fail("expected , or " + end)
		}
		p.space()
		name := ""
		if isMap {
			var err error
			if name, err = p.quoted(); err != nil {
				return nil, err
			}
			p.space()
			if !p.accept(":") {
				return nil, p.fail("expected :")
			}
		}
		v, err := p.json()
		if err != nil {
			return nil, err
		}
		if isMap {
			object.Put(name, v)
		} else {
			list.Append(v)
		}
	}
	if isMap {
		return object, nil
	}
	return list, nil
}

// regex parses /…/ with the flags i, s and m; it is to match a whole text.
func (p *parser) regex() (operand, error) {
	from := p.pos
	p.pos++
	var b strings.Builder
	for {
		if p.pos == len(p.src) {
			return operand{}, p.fail("the regular expression does not end")
		}
		c := p.src[p.pos]
		p.pos++
		if c == '/' {
			break
		}
		if c == '\\' && p.at("/") {
			c = '/'
			p.pos++
		} else if c == '\\' && p.pos < len(p.src) {
			b.WriteByte(c)
			c = p.src[p.pos]
			p.pos++
		}
		b.WriteByte(c)
	}
	flags := ""
	for p.pos < len(p.src) && strings.IndexByte("ism", p.src[p.pos]) >= 0 {
		flags += string(p.src[p.pos])
		p.pos++
	}
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	re, err := regexp.Compile(flags + `\A(?:` + b.String() + `)\z`)
	if err != nil {
		p.pos = from
		return operand{}, p.fail(err.Error())
	}
	return operand{regex: re}, nil
}
