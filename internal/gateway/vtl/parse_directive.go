package vtl

import (
	"strings"
)

// isDirective is whether Velocity has a directive of this name beside #if, #set
// and their like.
func isDirective(name string) bool {
	switch name {
	case "foreach", "include", "parse", "macro", "literal", "evaluate", "break", "define", "stop":
		return true
	}
	return false
}

// hasBlock is whether what follows up to #end belongs to a directive.
func hasBlock(name string) bool {
	switch name {
	case "foreach", "macro", "literal", "define":
		return true
	}
	return strings.HasPrefix(name, "@")
}

// argument is an argument of a directive: a word, or a value.
type argument struct {
	word  string
	expr  expr
	first *token
}

// directive parses #name and #name(args…), with its block where it has one.
func (p *parser) directive() (node, error) {
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	name := t.image[1:]
	if t.kind == tBracedWord {
		name = t.image[2 : len(t.image)-1]
	}
	if name == "parse" || name == "include" {
		return nil, &posError{t.pos, "#" + name + " is not supported"}
	}
	p.lex.state = inDirective
	if !p.lex.parenAhead() {
		if name == "macro" {
			return nil, &posError{t.pos, "#macro wants a name in parentheses"}
		}
		p.lex.pop()
		return p.bare(t, name)
	}
	args, err := p.directiveArguments(t, name)
	if err != nil {
		return nil, err
	}
	if !hasBlock(name) {
		return p.line(t, name, args)
	}
	open := p.last
	// The block's end is looked for before its first token is known.
	body, err := p.statements()
	if err != nil {
		return nil, err
	}
	inner := p.last
	end, err := p.expect(tEnd, "#end")
	if err != nil {
		return nil, err
	}
	if name == "literal" {
		if len(args) > 0 {
			return text(args[0].first.literal()), nil
		}
		return text(literalBetween(open, inner)), nil
	}
	return p.blockDirective(t, end, name, args, body)
}

// literalBetween is the text of the tokens after one up to another.
func literalBetween(after, last *token) string {
	var b strings.Builder
	for t := after; t != last; {
		t = t.next
		b.WriteString(t.literal())
	}
	return b.String()
}

// images is the text of tokens as they stand.
func images(first, last *token) string {
	var b strings.Builder
	for t := first; ; t = t.next {
		b.WriteString(t.image)
		if t == last {
			return b.String()
		}
	}
}

// bare is a directive without parentheses.
func (p *parser) bare(t *token, name string) (node, error) {
	switch {
	case name == "break" || name == "stop":
		return p.line(t, name, nil)
	case isDirective(name):
		return nil, &posError{t.pos, "#" + name + " wants an argument in parentheses"}
	case strings.HasPrefix(name, "@"):
		return text("#" + name), nil
	}
	return p.line(t, name, nil)
}

func (p *parser) directiveArguments(t *token, name string) ([]argument, error) {
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	if err := p.space(); err != nil {
		return nil, err
	}
	if _, err := p.expect(tLParen, "\"(\""); err != nil {
		return nil, err
	}
	var args []argument
	for {
		n := 1
		a, err := p.ahead(1)
		if err != nil {
			return nil, err
		}
		if a.kind == tSpace {
			n = 2
			if a, err = p.ahead(2); err != nil {
				return nil, err
			}
		}
		if a.kind == tRParen {
			for ; n > 0; n-- {
				if _, err := p.take(); err != nil {
					return nil, err
				}
			}
			return args, nil
		}
		if err := p.space(); err != nil {
			return nil, err
		}
		if comma, err := p.accept(tComma); err != nil {
			return nil, err
		} else if comma {
			if err := p.space(); err != nil {
				return nil, err
			}
		}
		arg, err := p.directiveArgument(t, name, len(args))
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
}

func (p *parser) directiveArgument(t *token, name string, i int) (argument, error) {
	first, err := p.ahead(1)
	if err != nil {
		return argument{}, err
	}
	if first.kind == tWord {
		p.last = first
		allowed := !isDirective(name) || name == "macro" && i == 0 || name == "foreach" && i == 1
		if !allowed {
			return argument{}, &posError{first.pos, "invalid argument " + describe(first) + " of #" + name}
		}
		return argument{word: first.image, expr: &constant{literal: first.literal()}, first: first}, nil
	}
	if name == "macro" && i == 0 {
		return argument{}, &posError{first.pos, "#macro wants a name first, without quotes"}
	}
	e, err := p.single(first)
	return argument{expr: e, first: first}, err
}

// line makes a directive that has no block, or a macro's call.
func (p *parser) line(t *token, name string, args []argument) (node, error) {
	switch name {
	case "stop", "break":
		if len(args) > 1 {
			return nil, &posError{t.pos, "#" + name + " takes one argument at most"}
		}
		n := &stopNode{all: name == "stop", pos: t.pos}
		if len(args) == 1 {
			n.arg = args[0].expr
		}
		return n, nil
	case "evaluate":
		if len(args) != 1 || !evaluable(args[0].expr) {
			return nil, &posError{t.pos, "#evaluate takes one argument, a string or a reference"}
		}
		// What is evaluated may ask for these, so they are kept.
		for _, v := range []string{"foreach", "velocityCount", "velocityHasNext"} {
			p.c.slot(v)
		}
		return &evaluateNode{arg: args[0].expr, pos: t.pos}, nil
	}
	return p.call(t, p.last, name, args, nil), nil
}

func evaluable(e expr) bool {
	switch e := e.(type) {
	case *reference, *interpolation:
		return true
	case *constant:
		return e.text
	}
	return false
}

func (p *parser) call(first, last *token, name string, args []argument, body *block) *macroCall {
	n := &macroCall{name: name, body: body, literal: images(first, last), pos: first.pos}
	if body != nil {
		n.bodySlot = p.c.slot("bodyContent")
	}
	for _, a := range args {
		if a.word != "" && n.badWord == "" {
			n.badWord = a.word
		}
		n.args = append(n.args, a.expr)
	}
	return n
}

func (p *parser) blockDirective(t, end *token, name string, args []argument, body *block) (node, error) {
	switch name {
	case "foreach":
		return p.foreach(t, args, body)
	case "define":
		if len(args) != 1 {
			return nil, &posError{t.pos, "#define takes one argument, a reference"}
		}
		return &defineNode{slot: p.c.slot(args[0].first.image[1:]), name: args[0].first.image[1:], body: body}, nil
	case "macro":
		if len(args) == 0 {
			return nil, &posError{t.pos, "#macro wants a name in parentheses"}
		}
		return p.macro(args, body), nil
	}
	return p.call(t, end, name[1:], args, body), nil
}

func (p *parser) foreach(t *token, args []argument, body *block) (node, error) {
	if len(args) != 3 || args[1].word == "" {
		return nil, &posError{t.pos, "#foreach is written #foreach($element in $list)"}
	}
	key := strings.TrimPrefix(args[0].first.image, "$")
	if r, ok := args[0].expr.(*reference); ok && !r.runt {
		key = p.c.names[r.slot]
	}
	n := &foreachNode{slot: p.c.slot(key), in: args[2].expr, body: body, pos: t.pos}
	p.c.loops = append(p.c.loops, n)
	return n, nil
}

func (p *parser) macro(args []argument, body *block) node {
	m := &macro{name: args[0].word, body: body}
	for _, a := range args[1:] {
		name := strings.TrimPrefix(a.first.image, "$")
		m.params = append(m.params, parameter{name: name, slot: p.c.slot(name)})
	}
	if _, taken := p.c.macros[m.name]; !taken {
		p.c.macros[m.name] = m
	}
	return text("")
}
