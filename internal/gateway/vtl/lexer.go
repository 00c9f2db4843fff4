package vtl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Velocity's white space, escapes and ends of references follow from how its
// scanner changes states, and from nothing simpler: so this scanner has the same
// states, takes the longest match of those that a state allows (the first of
// equally long ones), and keeps the same stack of states.

type state uint8

const (
	inText state = iota
	inReference
	inModifier // after a reference's dot
	inIndex    // between a reference's brackets
	inCall     // between a method's parentheses
	inDirective
	preDirective // after a #
	inLineComment
	inBlockComment
	inRawBlock
)

type kind uint8

const (
	noToken kind = iota
	tEOF
	tIndexOpen
	tIndexClose
	tLBracket
	tRBracket
	tComma
	tDotDot
	tColon
	tLBrace
	tRBrace
	tLParen
	tRParen
	tCallEnd
	tEscapedDirective
	tSet
	tLineComment
	tLineCommentEnd
	tBlockCommentEnd
	tRawBlock
	tDoubleEscape
	tEscape
	tText
	tSpace
	tString
	tTrue
	tFalse
	tMinus
	tPlus
	tTimes
	tDivide
	tModulo
	tAnd
	tOr
	tLT
	tLE
	tGT
	tGE
	tEQ
	tNE
	tNot
	tAssign
	tEnd
	tIf
	tElseIf
	tElse
	tInteger
	tFloat
	tWord
	tBracedWord
	tIdentifier
	tDot
	tRefOpen
	tRefClose
	tEmptyIndex
	// Kinds below are no tokens of the parser.
	mDollar
	mRawOpen
	mFormalOpen
	mBlockOpen
	mHash
	mRawChar
	kSkip
	sRefEnd
	sDirectiveEnd
)

// token is a piece of the template. Its special pieces are those before it that
// the parser does not see: what ended a reference or began no directive.
type token struct {
	kind    kind
	image   string
	special []string
	pos     int // where it begins, in bytes
	next    *token
}

// literal is the token's own text and what the special pieces before it print.
func (t *token) literal() string {
	if t.kind == tBlockCommentEnd {
		return ""
	}
	return t.specialText() + t.image
}

// specialText is what of the special pieces is printed: hashes, dollars, and the
// backslashes before a dollar.
func (t *token) specialText() string {
	if len(t.special) == 0 || strings.HasPrefix(t.special[len(t.special)-1], "##") {
		return ""
	}
	var b strings.Builder
	for _, s := range t.special {
		for i := 0; i < len(s); i++ {
			switch s[i] {
			case '#', '$':
				b.WriteByte(s[i])
			case '\\':
				j := i
				for j < len(s) && s[j] == '\\' {
					j++
				}
				if j < len(s) && s[j] == '$' {
					b.WriteString(s[i : j+1])
					i = j
				}
			}
		}
	}
	return b.String()
}

type savedState struct {
	lparen, rparen int
	state          state
}

type lexer struct {
	src   string
	pos   int
	state state
	stack []savedState

	lparen, rparen int
	inComment      bool
	inSet          bool
	slashEnd       int // where the backslashes end that were last counted
}

func (l *lexer) push() {
	l.stack = append(l.stack, savedState{l.lparen, l.rparen, l.state})
	l.lparen = 0
}

func (l *lexer) pop() bool {
	if len(l.stack) == 0 {
		l.lparen = 0
		l.state = inText
		return false
	}
	s := l.stack[len(l.stack)-1]
	l.stack = l.stack[:len(l.stack)-1]
	l.lparen, l.rparen, l.state = s.lparen, s.rparen, s.state
	return true
}

// closeParen drops to the state below the one that has an open parenthesis.
func (l *lexer) closeParen() {
	if l.inComment {
		return
	}
	for {
		if l.lparen > 0 {
			if l.lparen == l.rparen+1 {
				l.pop()
			} else {
				l.rparen++
			}
			return
		}
		if !l.pop() {
			return
		}
	}
}

// scan returns the next token.
func (l *lexer) scan() (*token, error) {
	t := &token{}
	for {
		start := l.pos
		t.pos = start
		if l.pos >= len(l.src) {
			t.kind = tEOF
			return t, nil
		}
		k, err := l.piece(start)
		if err != nil {
			return nil, err
		}
		switch k {
		case kSkip:
		case sRefEnd, sDirectiveEnd:
			_, size := utf8.DecodeRuneInString(l.src[l.pos:])
			t.special = append(t.special, l.src[start:l.pos+size])
			l.pop()
		default:
			t.kind = k
			if t.image == "" {
				t.image = l.src[start:l.pos]
			}
			return t, nil
		}
	}
}

// piece matches until a token, or a special piece, is complete.
func (l *lexer) piece(start int) (kind, error) {
	for {
		if l.pos >= len(l.src) {
			return noToken, &posError{start, "the template ends within " + fmt.Sprintf("%q", clip(l.src[start:]))}
		}
		k, n := l.match()
		if k == noToken {
			r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
			return noToken, &posError{l.pos, fmt.Sprintf("unexpected %q", r)}
		}
		l.pos += n
		if l.act(k) {
			continue
		}
		return k, nil
	}
}

// act does what a match entails, and is true where the token goes on after it.
func (l *lexer) act(k kind) (more bool) {
	switch k {
	case tIndexOpen:
		l.push()
		l.state = inIndex
	case tIndexClose:
		l.pop()
	case tLParen:
		if !l.inComment {
			l.lparen++
		}
		if l.state == inModifier {
			l.state = inCall
		}
	case tRParen:
		l.closeParen()
	case tCallEnd:
		l.state = inReference
	case tSet:
		l.push()
		l.inSet = true
		l.state = inDirective
		l.lparen++
	case mDollar:
		if !l.inComment {
			if l.state == inReference {
				l.pop()
			}
			l.push()
			l.state = inReference
		}
		return true
	case mRawOpen:
		l.openComment(inRawBlock)
		return true
	case mFormalOpen:
		if !l.inComment {
			_, size := utf8.DecodeLastRuneInString(l.src[:l.pos])
			l.pos -= size
		}
		l.openComment(inBlockComment)
		return true
	case mBlockOpen:
		l.openComment(inBlockComment)
		return true
	case mHash:
		if !l.inComment {
			if l.state == inReference || l.state == inModifier {
				l.pop()
			}
			l.push()
			l.state = preDirective
		}
		return true
	case mRawChar:
		return true
	case tLineComment:
		if !l.inComment {
			if l.state == inReference {
				l.pop()
			}
			l.openComment(inLineComment)
		}
	case tLineCommentEnd, tBlockCommentEnd, tRawBlock:
		l.inComment = false
		l.pop()
	case tString:
		if l.state == inDirective && !l.inSet && l.lparen == 0 {
			l.pop()
		}
	case tInteger:
		if l.lparen == 0 && !l.inSet && l.state != inCall && l.state != inIndex {
			l.pop()
		}
	case tFloat:
		if l.lparen == 0 && !l.inSet && l.state != inCall {
			l.pop()
		}
	case tEnd, tElse:
		l.pop()
	case tIf, tElseIf:
		l.state = inDirective
	case tDot:
		l.state = inModifier
	case tRefClose:
		l.pop()
	}
	return false
}

func (l *lexer) openComment(s state) {
	if !l.inComment {
		l.inComment = true
		l.push()
		l.state = s
	}
}

// parenAhead is whether a parenthesis follows, after white space.
func (l *lexer) parenAhead() bool {
	rest := strings.TrimLeft(l.src[l.pos:], " \n\r\t")
	return strings.HasPrefix(rest, "(")
}

// clip shortens a text for a message.
func clip(s string) string {
	if len(s) <= 20 {
		return s
	}
	n := 20
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// posError is a SyntaxError whose line and column are not yet counted.
type posError struct {
	pos     int
	message string
}

func (e *posError) Error() string { return e.message }
