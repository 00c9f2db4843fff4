package vtl

import (
	"errors"
	"strings"
)

var errBadEscape = errors.New(`\u wants four hexadecimal digits`)

func asSyntax(err error, target **SyntaxError) bool { return errors.As(err, target) }

// reference parses $x, ${x}, and all that may follow.
func (p *parser) reference() (*reference, error) {
	first, err := p.take()
	if err != nil {
		return nil, err
	}
	name := first
	braced := first.kind == tRefOpen
	if braced {
		if name, err = p.expect(tIdentifier, "a name"); err != nil {
			return nil, err
		}
	} else if first.kind != tIdentifier {
		return nil, &posError{first.pos, "expected a reference, found " + describe(first)}
	}
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	r := &reference{pos: first.pos}
	if err := p.steps(r); err != nil {
		return nil, err
	}
	if braced {
		if _, err := p.expect(tRefClose, "\"}\""); err != nil {
			return nil, err
		}
	}
	p.root(r, first, name)
	return r, nil
}

// steps parses properties, methods and indexes.
func (p *parser) steps(r *reference) error {
	for {
		if err := p.indexes(r); err != nil {
			return err
		}
		dot, err := p.ahead(1)
		if err != nil || dot.kind != tDot {
			return err
		}
		name, err := p.ahead(2)
		if err != nil || name.kind != tIdentifier {
			return err
		}
		p.last = name
		isCall, err := p.callAhead()
		if err != nil {
			return err
		}
		if !isCall {
			r.steps = append(r.steps, &property{name: name.image, pos: name.pos})
			continue
		}
		if _, err := p.take(); err != nil {
			return err
		}
		args, err := p.arguments()
		if err != nil {
			return err
		}
		r.steps = append(r.steps, &call{name: name.image, args: args, pos: name.pos})
	}
}

// callAhead is whether a parenthesis follows, and something that may stand in it.
func (p *parser) callAhead() (bool, error) {
	t, err := p.ahead(1)
	if err != nil || t.kind != tLParen {
		return false, err
	}
	if t, err = p.ahead(2); err != nil {
		return false, err
	}
	switch t.kind {
	case tSpace, tString, tInteger, tFloat, tLBracket, tLBrace, tTrue, tFalse, tIdentifier, tRefOpen, tCallEnd:
		return true, nil
	}
	return false, nil
}

func (p *parser) arguments() ([]expr, error) {
	if closed, err := p.accept(tCallEnd); err != nil || closed {
		return nil, err
	}
	var args []expr
	for {
		e, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		comma, err := p.accept(tComma)
		if err != nil {
			return nil, err
		}
		if !comma {
			_, err := p.expect(tCallEnd, "\")\"")
			return args, err
		}
	}
}

func (p *parser) indexes(r *reference) error {
	for {
		t, err := p.ahead(1)
		if err != nil || t.kind != tIndexOpen {
			return err
		}
		p.last = t
		if err := p.space(); err != nil {
			return err
		}
		of, err := p.ahead(1)
		if err != nil {
			return err
		}
		switch of.kind {
		case tString, tInteger, tTrue, tFalse, tIdentifier, tRefOpen:
		default:
			return p.unexpected()
		}
		e, err := p.single(of)
		if err != nil {
			return err
		}
		if err := p.space(); err != nil {
			return err
		}
		if _, err := p.expect(tIndexClose, "\"]\""); err != nil {
			return err
		}
		r.steps = append(r.steps, &index{at: e, pos: t.pos})
	}
}

// root works out a reference's name, its escapes, and what it prints for null,
// from its first token: backslashes, other text before the dollar, the dollar,
// an exclamation mark, a brace.
func (p *parser) root(r *reference, first, name *token) {
	image := first.image
	if strings.Contains(image, `\!`) {
		r.brokenBang(image)
		r.slot = p.c.slot(r.null)
		r.literal = p.literal(first)
		return
	}
	slashes := span(image, func(c byte) bool { return c == '\\' })
	r.escaped = slashes%2 != 0
	r.prefix = image[:slashes/2]
	image = image[slashes:]
	if i := strings.LastIndexByte(image, '$'); i > 0 {
		r.more = image[:i]
		image = image[i:]
	}
	first.image = image
	r.literal = p.literal(first)
	r.null = r.literal
	root := ""
	switch {
	case strings.HasPrefix(image, "$!"):
		r.quiet = true
		if !r.escaped {
			r.null = ""
		}
		root = image[2:]
		if strings.HasPrefix(image, "$!{") {
			root = name.image
		}
	case image == "${":
		root = name.image
	case strings.HasPrefix(image, "$"):
		root = image[1:]
	default:
		r.runt = true
		r.null = image
		return
	}
	r.slot = p.c.slot(root)
	// #set takes for the name what follows the first dollar, so that a reference
	// with braces or an exclamation mark assigns to no variable that has a name.
	r.left = p.c.slot(image[1:])
	if len(r.steps) == 0 && r.null != "" {
		r.literalSlot = p.c.slot(literalOf(r.null)) + 1
	}
}

// literalOf names the variable that holds what a macro's argument was called with.
func literalOf(null string) string { return ".literal." + null }

// brokenBang is for $\!x: the backslashes before the exclamation mark are one
// fewer in what is printed, and it is no reference at all.
func (r *reference) brokenBang(image string) {
	dollar := strings.IndexByte(image, '$')
	start := dollar
	for start < len(image) && image[start] != '\\' {
		start++
	}
	n := span(image[start:], func(c byte) bool { return c == '\\' })
	r.null = image[:start] + image[start:start+n-1] + image[start+n:]
	r.plain = true
}
