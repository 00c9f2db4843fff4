package filter

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// matcher is one of the values that a field may have.
type matcher struct {
	kind matcherKind
	text string // the string to compare with, or what comes before or after
	fold bool   // whatever the case of letters

	value   any // of isValue: bool or nil
	low     bound
	high    bound
	network netip.Prefix
	pieces  []string // of isWildcard: what stands between its stars
	not     choices  // of isAnythingBut: none of these
	exists  bool
}

type matcherKind uint8

const (
	isText matcherKind = iota
	isValue
	isNumber
	isPrefix
	isSuffix
	isWildcard
	isNetwork
	isExists
	isAnythingBut
)

// choices are values of which a field has to have one. Strings that are to be
// equal are looked up: there may be hundreds.
type choices struct {
	texts  map[string]bool
	others []matcher
}

func choose(matchers []matcher) choices {
	c := choices{texts: map[string]bool{}}
	for _, m := range matchers {
		if m.kind == isText && !m.fold {
			c.texts[m.text] = true
		} else {
			c.others = append(c.others, m)
		}
	}
	return c
}

func (c choices) match(value any) bool {
	if text, ok := textOf(value); ok && c.texts[text] {
		return true
	}
	for i := range c.others {
		if c.others[i].match(value) {
			return true
		}
	}
	return false
}

func (c choices) matchAbsent() bool { return slices.ContainsFunc(c.others, matcher.matchAbsent) }

// bound is one end of a range of numbers; the zero value is none.
type bound struct {
	at             float64
	set, inclusive bool
}

func (m matcher) matchAbsent() bool { return m.kind == isExists && !m.exists }

// match takes a value that is there, neither a list nor an object.
func (m *matcher) match(value any) bool {
	switch m.kind {
	case isExists:
		return m.exists
	case isAnythingBut:
		return !m.not.match(value)
	case isValue:
		return value == m.value
	case isNumber:
		n, ok := numberOf(value)
		return ok && m.low.below(n) && m.high.above(n)
	}
	text, ok := textOf(value)
	if !ok {
		return false
	}
	switch m.kind {
	case isText:
		return text == m.text || m.fold && strings.EqualFold(text, m.text)
	case isPrefix:
		return strings.HasPrefix(text, m.text) || m.fold && hasPrefixFold(text, m.text)
	case isSuffix:
		return strings.HasSuffix(text, m.text) || m.fold && hasSuffixFold(text, m.text)
	case isWildcard:
		return matchPieces(m.pieces, text)
	case isNetwork:
		a, err := netip.ParseAddr(text)
		return err == nil && m.network.Contains(a)
	}
	return false
}

func (b bound) below(n float64) bool { return !b.set || b.at < n || b.inclusive && b.at == n }

func (b bound) above(n float64) bool { return !b.set || n < b.at || b.inclusive && b.at == n }

func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case Plain:
		return string(v), true
	}
	return "", false
}

func numberOf(value any) (float64, bool) {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case float64:
		return v, true
	}
	return 0, false
}

func hasPrefixFold(text, prefix string) bool {
	end := 0
	for range utf8.RuneCountInString(prefix) {
		if end == len(text) {
			return false
		}
		_, n := utf8.DecodeRuneInString(text[end:])
		end += n
	}
	return strings.EqualFold(text[:end], prefix)
}

func hasSuffixFold(text, suffix string) bool {
	start := len(text)
	for range utf8.RuneCountInString(suffix) {
		if start == 0 {
			return false
		}
		_, n := utf8.DecodeLastRuneInString(text[:start])
		start -= n
	}
	return strings.EqualFold(text[start:], suffix)
}

// matchPieces matches a text with stars between the pieces: each is looked for
// behind the one before, so that a text is read once.
func matchPieces(pieces []string, text string) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return text == first
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	if text, ok = strings.CutSuffix(text, last); !ok {
		return false
	}
	for _, p := range pieces[1 : len(pieces)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return true
}
