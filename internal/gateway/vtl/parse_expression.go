package vtl

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
)

// operators by precedence, from the loosest.
var levels = [][]kind{
	{tOr}, {tAnd}, {tEQ, tNE}, {tLT, tGT, tLE, tGE}, {tPlus, tMinus}, {tTimes, tDivide, tModulo},
}

func (p *parser) expression() (expr, error) {
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	return p.binary(0)
}

func (p *parser) binary(level int) (expr, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		t, err := p.ahead(1)
		if err != nil {
			return nil, err
		}
		if !holds(levels[level], t.kind) {
			return left, nil
		}
		p.last = t
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		left = p.operation(t, left, right)
	}
}

func holds(kinds []kind, k kind) bool {
	for _, c := range kinds {
		if c == k {
			return true
		}
	}
	return false
}

// operation joins two sides. Velocity takes for its text that of the right side.
func (p *parser) operation(t *token, left, right expr) expr {
	switch t.kind {
	case tOr, tAnd:
		return &logical{or: t.kind == tOr, left: left, right: right}
	case tEQ, tNE:
		return &equality{not: t.kind == tNE, left: left, right: right}
	case tLT, tGT, tLE, tGE:
		return &comparison{op: t.kind, left: left, right: right}
	}
	return &arithmetic{op: t.kind, left: left, right: right, pos: t.pos, literal: literalBetween(t, p.last)}
}

func (p *parser) unary() (expr, error) {
	nots := 0
	for {
		n := 1
		t, err := p.ahead(1)
		if err != nil {
			return nil, err
		}
		if t.kind == tSpace {
			n = 2
			if t, err = p.ahead(2); err != nil {
				return nil, err
			}
		}
		if t.kind != tNot {
			break
		}
		for ; n > 0; n-- {
			if _, err := p.take(); err != nil {
				return nil, err
			}
		}
		nots++
	}
	e, err := p.operand(true)
	if err != nil {
		return nil, err
	}
	switch {
	case nots == 0:
		return e, nil
	case nots%2 == 0:
		return &negation{&negation{e}}, nil
	}
	return &negation{e}, nil
}

// operand parses a value with the white space around it; parens says whether it
// may be an expression in parentheses.
func (p *parser) operand(parens bool) (expr, error) {
	if err := p.space(); err != nil {
		return nil, err
	}
	t, err := p.ahead(1)
	if err != nil {
		return nil, err
	}
	var e expr
	if parens && t.kind == tLParen {
		p.last = t
		if e, err = p.expression(); err != nil {
			return nil, err
		}
		e = &group{inner: e, literal: literalBetween(t, p.last)}
		if _, err := p.expect(tRParen, "\")\""); err != nil {
			return nil, err
		}
	} else if e, err = p.single(t); err != nil {
		return nil, err
	}
	return e, p.space()
}

// single parses a literal, list, range, map or reference.
func (p *parser) single(t *token) (expr, error) {
	switch t.kind {
	case tString:
		return p.stringLiteral()
	case tInteger:
		p.last = t
		return number(t, integer(t.image))
	case tFloat:
		p.last = t
		return number(t, decimal(t.image))
	case tTrue, tFalse:
		p.last = t
		return &constant{is: t.kind == tTrue, literal: t.literal()}, nil
	case tLBracket:
		return p.bracket()
	case tLBrace:
		return p.mapLiteral()
	case tIdentifier, tRefOpen:
		return p.reference()
	}
	return nil, p.unexpected()
}

func number(t *token, v Value) (expr, error) {
	if v == nil {
		return nil, &posError{t.pos, "not a number: " + describe(t)}
	}
	return &constant{is: v, literal: t.literal()}, nil
}

// integer is an Integer, Long or BigInteger, whichever holds it; nil: s is none.
func integer(s string) Value {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return int32(n)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if n, ok := new(big.Int).SetString(s, 10); ok {
		return n
	}
	return nil
}

// decimal is a Double; one that is too large is infinite, as in Java. nil: s is
// none.
func decimal(s string) Value {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil
	}
	return f
}

// bracket parses a list or a range.
func (p *parser) bracket() (expr, error) {
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	open, err := p.take()
	if err != nil {
		return nil, err
	}
	list := &listNode{}
	if closed, err := p.accept(tRBracket); err != nil || closed {
		list.literal = p.literal(open)
		return list, err
	}
	for {
		e, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		k, err := p.peek()
		if err != nil {
			return nil, err
		}
		if k == tDotDot && len(list.items) == 0 && rangeEnd(e) {
			return p.rangeFrom(open, e)
		}
		list.items = append(list.items, e)
		if k != tComma {
			_, err := p.expect(tRBracket, "\"]\"")
			list.literal = p.literal(open)
			return list, err
		}
		if _, err := p.take(); err != nil {
			return nil, err
		}
	}
}

// rangeEnd is whether e may stand beside the dots of a range.
func rangeEnd(e expr) bool {
	switch e := e.(type) {
	case *reference:
		return true
	case *constant:
		return isInteger(e.is)
	}
	return false
}

func (p *parser) rangeFrom(open *token, from expr) (expr, error) {
	if _, err := p.take(); err != nil {
		return nil, err
	}
	to, err := p.operand(false)
	if err != nil {
		return nil, err
	}
	if !rangeEnd(to) {
		return nil, &posError{open.pos, "a range runs between integers or references"}
	}
	if _, err := p.expect(tRBracket, "\"]\""); err != nil {
		return nil, err
	}
	return &rangeNode{from: from, to: to, literal: p.literal(open), pos: open.pos}, nil
}

func (p *parser) mapLiteral() (expr, error) {
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	open, err := p.take()
	if err != nil {
		return nil, err
	}
	m := &mapNode{}
	done := func() (expr, error) {
		if _, err := p.take(); err != nil {
			return nil, err
		}
		m.literal = p.literal(open)
		return m, nil
	}
	next := 1
	k, err := p.peek()
	if err != nil {
		return nil, err
	}
	if k == tSpace {
		next = 2
	}
	t, err := p.ahead(next)
	if err != nil {
		return nil, err
	}
	if t.kind == tRBrace || t.kind == tRefClose {
		if err := p.space(); err != nil {
			return nil, err
		}
		return done()
	}
	for {
		key, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(tColon, "\":\""); err != nil {
			return nil, err
		}
		value, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		m.pairs = append(m.pairs, pair{key, value})
		k, err := p.peek()
		if err != nil {
			return nil, err
		}
		switch k {
		case tComma:
			if _, err := p.take(); err != nil {
				return nil, err
			}
		case tRBrace, tRefClose:
			return done()
		default:
			return nil, p.unexpected()
		}
	}
}

// stringLiteral parses a string, and the template in it where there may be one.
func (p *parser) stringLiteral() (expr, error) {
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	// What stood before the quote in its token, such as a hash, is no part of it.
	raw := t.image[1 : len(t.image)-1]
	quote := t.image[0]
	if quote == '"' {
		if raw, err = unescapeUnicode(raw); err != nil {
			return nil, &posError{t.pos, err.Error()}
		}
	}
	if quote == '"' || quote == '\'' {
		raw = strings.ReplaceAll(raw, string([]byte{quote, quote}), string(rune(quote)))
	}
	if quote != '"' || !strings.ContainsAny(t.image, "$#") {
		return &constant{is: raw, literal: t.literal(), text: true}, nil
	}
	n := &interpolation{literal: t.literal()}
	if !strings.Contains(raw, "##") {
		// A blank ends whatever the string ends with, and is taken off again.
		raw += " "
		n.trim = true
	}
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	n.body, err = p.c.parse(raw)
	if err != nil {
		var inner *SyntaxError
		if asSyntax(err, &inner) {
			return nil, &posError{t.pos, "in a string literal: " + inner.Message}
		}
		return nil, err
	}
	return n, nil
}

// unescapeUnicode replaces \uXXXX, the only escape of string literals.
func unescapeUnicode(s string) (string, error) {
	at := strings.Index(s, `\u`)
	if at < 0 {
		return s, nil
	}
	var units []uint16
	var b strings.Builder
	flush := func() {
		b.WriteString(string(utf16.Decode(units)))
		units = units[:0]
	}
	for at >= 0 {
		if at > 0 {
			flush()
			b.WriteString(s[:at])
		}
		if len(s) < at+6 {
			return "", errBadEscape
		}
		n, err := strconv.ParseUint(s[at+2:at+6], 16, 16)
		if err != nil {
			return "", errBadEscape
		}
		units = append(units, uint16(n))
		s = s[at+6:]
		at = strings.Index(s, `\u`)
	}
	flush()
	b.WriteString(s)
	return b.String(), nil
}
