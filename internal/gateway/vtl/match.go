package vtl

import (
	"strings"
	"unicode/utf8"
)

// best keeps the longest match, and of equally long ones the first.
type best struct {
	kind kind
	n    int
}

func (b *best) try(k kind, n int) {
	if n > b.n {
		b.kind, b.n = k, n
	}
}

func (b *best) text(k kind, s, prefix string) {
	if strings.HasPrefix(s, prefix) {
		b.try(k, len(prefix))
	}
}

// match finds the next piece and its length in bytes; the order is that in which
// Velocity declares them.
func (l *lexer) match() (kind, int) {
	s := l.src[l.pos:]
	c := s[0]
	var b best
	st := l.state
	switch st {
	case inLineComment:
		return l.matchWithin(s, kSkip, "\r\n$#\\")
	case inBlockComment:
		return l.matchWithin(s, kSkip, `*$#\`)
	case inRawBlock:
		return l.matchWithin(s, mRawChar, `]$#\`)
	case inText:
		return l.matchText(s)
	case inReference, inModifier:
		if c == '[' {
			b.try(tIndexOpen, 1)
		}
		if st == inModifier && c == '(' {
			b.try(tLParen, 1)
		}
		b.try(tSet, matchSet(s))
	case inIndex:
		if c == ']' {
			b.try(tIndexClose, 1)
		}
	case inDirective, inCall:
		matchBrackets(s, &b)
		if st == inDirective {
			if c == '(' {
				b.try(tLParen, 1)
			}
			if c == ')' {
				b.try(tRParen, 1+lineRest(s[1:]))
			}
		} else {
			if c == ')' {
				b.try(tCallEnd, 1)
			}
			b.try(tSet, matchSet(s))
		}
	}
	b.kind, b.n = l.matchAnywhere(s, b)
	if st == preDirective || st == inDirective || st == inReference {
		b.text(tLineComment, s, "##")
	}
	if st == inDirective || st == inCall || st == inIndex {
		b.try(tSpace, span(s, isSpace))
		if c == '"' || c == '\'' {
			b.try(tString, matchString(s))
		}
	}
	if st != preDirective {
		b.text(tTrue, s, "true")
		b.text(tFalse, s, "false")
	}
	if st == inDirective {
		matchOperators(s, &b)
	}
	if st == preDirective {
		matchControl(s, &b)
	}
	if st == preDirective || st == inDirective || st == inCall || st == inIndex {
		matchNumber(s, &b)
	}
	if st == preDirective || st == inDirective {
		b.try(tWord, matchWord(s, true))
		if c == '{' {
			b.try(tBracedWord, matchBraced(s))
		}
	}
	if st == inReference || st == inModifier || st == inCall {
		b.try(tIdentifier, matchIdentifier(s))
		if c == '.' && len(s) > 1 && isAlpha(s[1]) && b.n < 2 {
			return tDot, 1
		}
	}
	if st == inReference || st == inModifier {
		b.text(tRefOpen, s, "{")
		b.text(tRefClose, s, "}")
		if b.n == 0 {
			return sRefEnd, 0
		}
	}
	if st == preDirective && b.n == 0 {
		return sDirectiveEnd, 0
	}
	if st == inReference {
		b.try(tEmptyIndex, matchEmptyIndex(s))
	}
	return b.kind, b.n
}

// matchWithin matches in comments and raw blocks: their end, what is matched
// anywhere, and other text up to the next of these.
func (l *lexer) matchWithin(s string, other kind, special string) (kind, int) {
	switch {
	case l.state == inLineComment && strings.HasPrefix(s, "\r\n"):
		return tLineCommentEnd, 2
	case l.state == inLineComment && (s[0] == '\n' || s[0] == '\r'):
		return tLineCommentEnd, 1
	case l.state == inBlockComment && strings.HasPrefix(s, "*#"):
		return tBlockCommentEnd, 2
	case l.state == inRawBlock && strings.HasPrefix(s, "]]#"):
		return tRawBlock, 3
	}
	if k, n := l.matchAnywhere(s, best{}); k != noToken {
		return k, n
	}
	if n := strings.IndexAny(s[1:], special); n >= 0 {
		return other, n + 1
	}
	return other, len(s)
}

// slashes is the number of backslashes that s, the rest of the template, begins
// with.
func (l *lexer) slashes(s string) int {
	if l.slashEnd <= l.pos {
		l.slashEnd = l.pos + span(s, func(c byte) bool { return c == '\\' })
	}
	return l.slashEnd - l.pos
}

// matchText matches outside of everything.
func (l *lexer) matchText(s string) (kind, int) {
	var b best
	if s[0] == '\\' {
		b.try(tEscapedDirective, matchEscapedDirective(s, l.slashes(s)))
	}
	b.try(tSet, matchSet(s))
	b.kind, b.n = l.matchAnywhere(s, b)
	b.text(tLineComment, s, "##")
	b.text(tDoubleEscape, s, `\\`)
	b.text(tEscape, s, `\`)
	if n := strings.IndexAny(s, `$#\`); n >= 0 {
		b.try(tText, n)
	} else {
		b.try(tText, len(s))
	}
	b.try(tEmptyIndex, matchEmptyIndex(s))
	return b.kind, b.n
}

// matchAnywhere matches what every state allows.
func (l *lexer) matchAnywhere(s string, b best) (kind, int) {
	n := l.slashes(s)
	if n < len(s) && s[n] == '$' {
		n++
		b.try(mDollar, n)
		m := n + span(s[n:], func(c byte) bool { return c == '\\' })
		if m < len(s) && s[m] == '!' {
			b.try(mDollar, m+1)
		}
	}
	if s[0] == '#' {
		b.text(mRawOpen, s, "#[[")
		if strings.HasPrefix(s, "#**") && len(s) > 3 && s[3] != '#' {
			_, size := utf8.DecodeRuneInString(s[3:])
			b.try(mFormalOpen, 3+size)
		}
		b.text(mBlockOpen, s, "#*")
		b.try(mHash, 1)
	}
	return b.kind, b.n
}

func matchBrackets(s string, b *best) {
	switch s[0] {
	case '[':
		b.try(tLBracket, 1)
	case ']':
		b.try(tRBracket, 1)
	case ',':
		b.try(tComma, 1)
	case ':':
		b.try(tColon, 1)
	case '{':
		b.try(tLBrace, 1)
	case '}':
		b.try(tRBrace, 1)
	case '.':
		b.text(tDotDot, s, "..")
	}
}

// matchSet is the length of a #set with the blanks before it.
func matchSet(s string) int {
	n := span(s, isBlank)
	rest := s[n:]
	m := 0
	switch {
	case strings.HasPrefix(rest, "#set"):
		m = 4
	case strings.HasPrefix(rest, "#{set}"):
		m = 6
	default:
		return 0
	}
	m += span(rest[m:], func(c byte) bool { return c == ' ' })
	if m < len(rest) && rest[m] == '(' {
		return n + m + 1
	}
	return 0
}

// lineRest is the length of blanks that end with the line; 0 where there is more
// on it.
func lineRest(s string) int {
	n := span(s, isBlank)
	switch {
	case strings.HasPrefix(s[n:], "\r\n"):
		return n + 2
	case n < len(s) && (s[n] == '\n' || s[n] == '\r'):
		return n + 1
	}
	return 0
}

// matchEscapedDirective is the length of n backslashes and the directive that the
// last of them escapes.
func matchEscapedDirective(s string, n int) int {
	if n%2 == 0 || n >= len(s) || s[n] != '#' {
		return 0
	}
	rest := s[n+1:]
	if m := matchWord(rest, true); m > 0 {
		return n + 1 + m
	}
	if m := matchBraced(rest); m > 0 {
		return n + 1 + m
	}
	return 0
}

// matchString is the length of a string literal: it ends with its quote, and two
// quotes stand for one.
func matchString(s string) int {
	quote, ends := s[0], 0
	for i := 1; i < len(s); {
		j := strings.IndexByte(s[i:], quote)
		if j < 0 {
			break
		}
		i += j + 1
		ends = i
		if i >= len(s) || s[i] != quote {
			break
		}
		i++
	}
	return ends
}

func matchOperators(s string, b *best) {
	for _, o := range [...]struct {
		kind kind
		text string
	}{
		{tMinus, "-"}, {tPlus, "+"}, {tTimes, "*"}, {tDivide, "/"}, {tModulo, "%"},
		{tAnd, "&&"}, {tAnd, "and"}, {tOr, "||"}, {tOr, "or"},
		{tLT, "<"}, {tLT, "lt"}, {tLE, "<="}, {tLE, "le"},
		{tGT, ">"}, {tGT, "gt"}, {tGE, ">="}, {tGE, "ge"},
		{tEQ, "=="}, {tEQ, "eq"}, {tNE, "!="}, {tNE, "ne"},
		{tNot, "!"}, {tNot, "not"}, {tAssign, "="},
	} {
		b.text(o.kind, s, o.text)
	}
}

func matchControl(s string, b *best) {
	for _, o := range [...]struct {
		kind kind
		text string
	}{
		{tEnd, "end"}, {tEnd, "{end}"}, {tIf, "if"}, {tIf, "{if}"},
		{tElseIf, "elseif"}, {tElseIf, "{elseif}"}, {tElse, "else"}, {tElse, "{else}"},
	} {
		if !strings.HasPrefix(s, o.text) {
			continue
		}
		n := len(o.text)
		if o.kind == tEnd || o.kind == tElse {
			n += lineRest(s[n:])
		}
		b.try(o.kind, n)
	}
}

// matchNumber matches an integer, which two dots may follow, or a decimal.
func matchNumber(s string, b *best) {
	n := 0
	if s[0] == '-' {
		n = 1
	}
	digits := span(s[n:], isDigit)
	whole := n + digits
	if digits > 0 {
		if strings.HasPrefix(s[whole:], "..") {
			// The dots count for the length of the match, and are then given back.
			if whole+2 > b.n {
				b.kind, b.n = tInteger, whole
			}
			return
		}
		b.try(tInteger, whole)
		if whole < len(s) && s[whole] == '.' {
			m := whole + 1
			m += span(s[m:], isDigit)
			b.try(tFloat, m+matchExponent(s[m:]))
		}
		if e := matchExponent(s[whole:]); e > 0 {
			b.try(tFloat, whole+e)
		}
		return
	}
	if n < len(s) && s[n] == '.' {
		if d := span(s[n+1:], isDigit); d > 0 {
			m := n + 1 + d
			b.try(tFloat, m+matchExponent(s[m:]))
		}
	}
}

func matchExponent(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	n := 1
	if n < len(s) && (s[n] == '+' || s[n] == '-') {
		n++
	}
	d := span(s[n:], isDigit)
	if d == 0 {
		return 0
	}
	return n + d
}

func matchWord(s string, at bool) int {
	if s == "" || !isAlpha(s[0]) && s[0] != '_' && (!at || s[0] != '@') {
		return 0
	}
	return 1 + span(s[1:], func(c byte) bool { return isAlpha(c) || isDigit(c) || c == '_' || c == '@' })
}

func matchBraced(s string) int {
	if s == "" || s[0] != '{' {
		return 0
	}
	n := matchWord(s[1:], false)
	if n > 0 && n+1 < len(s) && s[n+1] == '}' {
		return n + 2
	}
	return 0
}

func matchIdentifier(s string) int {
	if !isAlpha(s[0]) && s[0] != '_' {
		return 0
	}
	return 1 + span(s[1:], func(c byte) bool { return isAlpha(c) || isDigit(c) || c == '_' || c == '-' })
}

func matchEmptyIndex(s string) int {
	for _, p := range [...]string{`$\![`, "$![", "$[", "$."} {
		if strings.HasPrefix(s, p) {
			return len(p)
		}
	}
	return 0
}

func span(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
