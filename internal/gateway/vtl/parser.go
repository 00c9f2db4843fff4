package vtl

import (
	"errors"
	"strings"
)

// compiler turns templates into trees. Templates within string literals share the
// variables and macros of the template around them.
type compiler struct {
	mode   Mode
	slots  map[string]int // variables' places, by name
	names  []string
	macros map[string]*macro
	loops  []*foreachNode
	depth  int // of templates and expressions within one another
}

// link tells loops and macros which of the variables that they could set are
// asked for anywhere.
func (c *compiler) link() {
	asked := func(name string) int {
		if i, ok := c.slots[name]; ok {
			return i
		}
		return -1
	}
	for _, n := range c.loops {
		n.scope, n.count, n.hasNext = asked("foreach"), asked("velocityCount"), asked("velocityHasNext")
	}
	for _, m := range c.macros {
		for i, p := range m.params {
			m.params[i].literal = asked(literalOf("$"+p.name)) + 1
		}
	}
}

// slot is the place of a variable.
func (c *compiler) slot(name string) int {
	if i, ok := c.slots[name]; ok {
		return i
	}
	i := len(c.names)
	c.slots[name] = i
	c.names = append(c.names, name)
	return i
}

func (c *compiler) nest() error {
	c.depth++
	if c.depth > maxNesting {
		return ErrDepth
	}
	return nil
}

// parse compiles a template, or the text of a string literal.
func (c *compiler) parse(src string) (*block, error) {
	p := &parser{c: c, lex: &lexer{src: src}, last: &token{}}
	b, err := p.statements()
	if err != nil {
		return nil, p.located(err)
	}
	k, err := p.peek()
	if err == nil && k != tEOF {
		err = p.unexpected()
	}
	if err != nil {
		return nil, p.located(err)
	}
	return b, nil
}

type parser struct {
	c    *compiler
	lex  *lexer
	last *token // the last one consumed; those looked at already follow it
}

// located gives an error its line and column.
func (p *parser) located(err error) error {
	var at *posError
	if errors.As(err, &at) {
		line, column := position(p.lex.src, at.pos)
		return &SyntaxError{Line: line, Column: column, Message: at.message}
	}
	var done *SyntaxError
	if errors.As(err, &done) {
		return done
	}
	line, column := position(p.lex.src, p.lex.pos)
	return &SyntaxError{Line: line, Column: column, Message: err.Error()}
}

// position counts lines and characters up to a byte.
func position(src string, pos int) (line, column int) {
	before := src[:min(pos, len(src))]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
}

// ahead is the n-th token from here; the next one is the first.
func (p *parser) ahead(n int) (*token, error) {
	t := p.last
	for ; n > 0; n-- {
		if t.next == nil {
			next, err := p.lex.scan()
			if err != nil {
				return nil, err
			}
			t.next = next
		}
		t = t.next
	}
	return t, nil
}

func (p *parser) peek() (kind, error) {
	t, err := p.ahead(1)
	if err != nil {
		return noToken, err
	}
	return t.kind, nil
}

func (p *parser) take() (*token, error) {
	t, err := p.ahead(1)
	if err == nil {
		p.last = t
	}
	return t, err
}

// expect takes a token of a kind.
func (p *parser) expect(k kind, what string) (*token, error) {
	t, err := p.ahead(1)
	if err != nil {
		return nil, err
	}
	if t.kind != k {
		return nil, &posError{t.pos, "expected " + what + ", found " + describe(t)}
	}
	p.last = t
	return t, nil
}

// accept takes a token if it is of a kind.
func (p *parser) accept(k kind) (bool, error) {
	t, err := p.ahead(1)
	if err != nil || t.kind != k {
		return false, err
	}
	p.last = t
	return true, nil
}

func (p *parser) space() error {
	_, err := p.accept(tSpace)
	return err
}

func (p *parser) unexpected() error {
	t, err := p.ahead(1)
	if err != nil {
		return err
	}
	return &posError{t.pos, "unexpected " + describe(t)}
}

func describe(t *token) string {
	if t.kind == tEOF {
		return "the end of the template"
	}
	return "\"" + clip(strings.TrimSpace(t.image)) + "\""
}

// literal is the text of the tokens after first up to the last one consumed, and
// of first itself.
func (p *parser) literal(first *token) string {
	if first == p.last {
		return first.literal()
	}
	var b strings.Builder
	for t := first; ; t = t.next {
		b.WriteString(t.literal())
		if t == p.last {
			return b.String()
		}
	}
}

// statements parses until something that begins no statement.
func (p *parser) statements() (*block, error) {
	if err := p.c.nest(); err != nil {
		return nil, p.tooDeep()
	}
	defer func() { p.c.depth-- }()
	b := &block{}
	for {
		t, err := p.ahead(1)
		if err != nil {
			return nil, err
		}
		n, err := p.statement(t)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return b, nil
		}
		b.add(n)
	}
}

func (p *parser) tooDeep() error {
	return &posError{p.last.pos, ErrDepth.Error()}
}

// statement parses what begins with t; nil: nothing does.
func (p *parser) statement(t *token) (node, error) {
	switch t.kind {
	case tIf:
		return p.ifStatement()
	case tIdentifier:
		if _, err := p.ahead(2); err != nil {
			return nil, err
		}
		return p.reference()
	case tRefOpen:
		second, err := p.ahead(2)
		if err != nil {
			return nil, err
		}
		if second.kind == tIdentifier {
			return p.reference()
		}
		return p.text()
	case tLineComment:
		p.last = t
		if _, err := p.accept(tLineCommentEnd); err != nil {
			return nil, err
		}
		return comment(t), nil
	case tBlockCommentEnd:
		p.last = t
		return comment(t), nil
	case tRawBlock:
		p.last = t
		return text(t.image[3 : len(t.image)-3]), nil
	case tSet:
		return p.set()
	case tEscapedDirective:
		p.last = t
		t.image = p.escapedDirective(t.image)
		return text(t.image), nil
	case tDoubleEscape:
		return p.escapes()
	case tWord, tBracedWord:
		return p.directive()
	case tText, tDot, tRParen, tLParen, tInteger, tFloat, tString, tEscape, tRefClose, tEmptyIndex:
		return p.text()
	}
	return nil, nil
}

func (p *parser) text() (node, error) {
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	return text(t.literal()), nil
}

// comment prints what stood before the comment within its token.
func comment(t *token) node {
	at := strings.Index(t.image, "##")
	if at < 0 {
		at = max(strings.Index(t.image, "#*"), 0)
	}
	return text(t.image[:at])
}

// escapedDirective halves the backslashes before what would be a directive.
func (p *parser) escapedDirective(image string) string {
	last := strings.LastIndexByte(image, '\\')
	tag := image[last+2:]
	if tag[0] == '{' {
		tag = tag[1 : len(tag)-1]
	}
	switch tag {
	case "if", "end", "set", "else", "elseif", "stop":
	default:
		if _, ok := p.c.macros[tag]; !ok && !isDirective(tag) {
			return image
		}
	}
	return image[:last/2] + image[last+1:]
}

// escapes parses pairs of backslashes: one of each is left before a directive.
func (p *parser) escapes() (node, error) {
	count := 0
	for {
		t, err := p.ahead(1)
		if err != nil {
			return nil, err
		}
		if t.kind == tDoubleEscape {
			p.last = t
			count++
			continue
		}
		control := t.kind == tIf || t.kind == tElse || t.kind == tElseIf || t.kind == tEnd
		if !control && t.image != "" {
			_, control = p.c.macros[t.image[1:]]
			control = control || isDirective(t.image[1:])
		}
		if control {
			return text(strings.Repeat(`\`, count)), nil
		}
		return text(strings.Repeat(`\\`, count)), nil
	}
}

func (p *parser) ifStatement() (node, error) {
	n := &ifNode{}
	for {
		head, err := p.take()
		if err != nil {
			return nil, err
		}
		br := branch{}
		if head.kind != tElse {
			if err := p.space(); err != nil {
				return nil, err
			}
			if _, err := p.expect(tLParen, "\"(\""); err != nil {
				return nil, err
			}
			if br.when, err = p.expression(); err != nil {
				return nil, err
			}
			if _, err := p.expect(tRParen, "\")\""); err != nil {
				return nil, err
			}
		}
		if br.body, err = p.statements(); err != nil {
			return nil, err
		}
		n.branches = append(n.branches, br)
		k, err := p.peek()
		if err != nil {
			return nil, err
		}
		if head.kind == tElse || k != tElseIf && k != tElse {
			_, err := p.expect(tEnd, "#end")
			return n, err
		}
	}
}

func (p *parser) set() (node, error) {
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	left, err := p.reference()
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if _, err := p.expect(tAssign, "\"=\""); err != nil {
		return nil, err
	}
	right, err := p.expression()
	if err != nil {
		return nil, err
	}
	if _, err := p.expect(tRParen, "\")\""); err != nil {
		return nil, err
	}
	p.lex.inSet = false
	if _, err := p.ahead(1); err != nil {
		return nil, err
	}
	return &setNode{left: left, right: right, pos: t.pos}, nil
}
