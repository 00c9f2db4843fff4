package awsmodel

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// RewritePattern makes a Go regular expression of the pattern in c, anchored
// at both ends, because AWS's front ends match a pattern against the whole
// value. Models write patterns for Java; what RE2 does not have, or
// understands otherwise, is rewritten by rule (\u escapes, \s, the dot,
// repeats over 1000) or by the table of namedRewrites. It fails on a pattern
// that neither covers rather than let a check go missing.
//
// The limits in c matter: a few rewrites leave a length to them.
func RewritePattern(c schema.Constraint) (string, error) {
	if r, ok := namedRewrites[c.Pattern]; ok {
		if r.min > 0 && (!c.HasMin || c.Min < r.min) || r.max > 0 && (!c.HasMax || c.Max > r.max) {
			return "", fmt.Errorf("the rewrite of pattern %q stands on a length of %d to %d, which the shape does not have", c.Pattern, r.min, r.max)
		}
		return anchored(r.re2)
	}
	w := rewriter{in: c.Pattern}
	if err := w.rewrite(); err != nil {
		return "", fmt.Errorf("pattern %q: %w; if it is right, give it a row in namedRewrites", c.Pattern, err)
	}
	return anchored(w.out.String())
}

func anchored(re2 string) (string, error) {
	re2 = "^(?:" + re2 + ")$"
	if _, err := regexp.Compile(re2); err != nil {
		return "", fmt.Errorf("%w; give the pattern a row in namedRewrites", err)
	}
	return re2, nil
}

const (
	// javaSpace is what Java's \s stands for: RE2's does without the \v.
	javaSpace = `\t\n\v\f\r `
	// javaNotSpace is the rest, as the inside of a class.
	javaNotSpace = `\x00-\x08\x0E-\x1F\x21-\x{10FFFF}`
	// javaDot is Java's dot: it stops at every line terminator, RE2's only at \n.
	javaDot = `[^\n\r\x{85}\x{2028}\x{2029}]`
	// maxRepeat is the largest count that RE2 takes.
	maxRepeat = 1000
	// maxSplit keeps a split repeat from becoming a program of megabytes.
	maxSplit = 5 * maxRepeat
)

// A rewriter copies a pattern, an atom at a time.
type rewriter struct {
	in     string
	out    strings.Builder
	dotAll bool
	atom   int   // where in out the last atom begins; -1: there is none to repeat
	groups []int // where in out the open groups begin
}

func (w *rewriter) rewrite() error {
	if rest, ok := strings.CutPrefix(w.in, "(?s)"); ok {
		w.in, w.dotAll = rest, true
		w.out.WriteString("(?s)")
	} else if rest, ok := strings.CutPrefix(w.in, "(?i)"); ok {
		w.in = rest
		w.out.WriteString("(?i)")
	}
	w.atom = -1
	for w.in != "" {
		if err := w.next(); err != nil {
			return err
		}
	}
	if len(w.groups) > 0 {
		return fmt.Errorf("a group is not closed")
	}
	return nil
}

// next rewrites one atom, or one quantifier of the atom before it.
func (w *rewriter) next() error {
	switch c := w.in[0]; c {
	case '\\':
		return w.escape(false)
	case '[':
		return w.class()
	case '.':
		w.begin()
		if w.dotAll {
			w.emit(1, ".")
		} else {
			w.emit(1, javaDot)
		}
	case '(':
		return w.open()
	case ')':
		if len(w.groups) == 0 {
			return fmt.Errorf("a ) closes nothing")
		}
		w.atom = w.groups[len(w.groups)-1]
		w.groups = w.groups[:len(w.groups)-1]
		w.emit(1, ")")
	case '|', '^', '$':
		w.atom = -1
		w.emit(1, string(c))
	case '*', '+', '?':
		return w.quantify(1, string(c))
	case '{':
		return w.repeat()
	default:
		w.begin()
		_, n := utf8.DecodeRuneInString(w.in)
		w.emit(n, w.in[:n])
	}
	return nil
}

func (w *rewriter) begin() { w.atom = w.out.Len() }

// emit consumes n bytes of the pattern and writes s.
func (w *rewriter) emit(n int, s string) {
	w.in = w.in[n:]
	w.out.WriteString(s)
}

func (w *rewriter) open() error {
	prefix := "("
	if strings.HasPrefix(w.in, "(?") {
		prefix = "(?:"
		if !strings.HasPrefix(w.in, prefix) {
			return fmt.Errorf("RE2 may not have the group that begins %.4q", w.in)
		}
	}
	w.groups = append(w.groups, w.out.Len())
	w.atom = -1
	w.emit(len(prefix), prefix)
	return nil
}

// quantify writes a quantifier and the ? that makes it lazy, which changes
// nothing about whether the whole matches.
func (w *rewriter) quantify(n int, q string) error {
	if w.atom < 0 {
		return fmt.Errorf("nothing is there for %q to repeat", q)
	}
	w.atom = -1
	w.emit(n, q)
	if strings.HasPrefix(w.in, "?") {
		w.emit(1, "?")
	}
	if strings.HasPrefix(w.in, "+") {
		return fmt.Errorf("RE2 has no possessive quantifiers")
	}
	return nil
}

var repeatCount = regexp.MustCompile(`^\{([0-9]+)(,([0-9]*))?\}`)

// repeat writes a counted repeat; one over RE2's limit becomes several in a
// row: x{1,2500} is x{1,1000}x{0,1000}x{0,500}.
func (w *rewriter) repeat() error {
	m := repeatCount.FindStringSubmatch(w.in)
	if m == nil {
		return fmt.Errorf("a { is neither a count nor escaped")
	}
	if w.atom < 0 {
		return fmt.Errorf("nothing is there for %q to repeat", m[0])
	}
	lo, err := strconv.Atoi(m[1])
	if err != nil {
		return err
	}
	hi, open := lo, false
	if m[2] != "" {
		if open = m[3] == ""; !open {
			if hi, err = strconv.Atoi(m[3]); err != nil {
				return err
			}
		}
	}
	if max(lo, hi) <= maxRepeat {
		return w.quantify(len(m[0]), m[0])
	}
	if max(lo, hi) > maxSplit || hi < lo {
		return fmt.Errorf("RE2 cannot repeat %s times", m[0])
	}
	atom := w.out.String()[w.atom:]
	whole := w.out.String()[:w.atom]
	var b strings.Builder
	for hi > 0 {
		l, h := min(lo, maxRepeat), min(hi, maxRepeat)
		lo, hi = lo-l, hi-h
		fmt.Fprintf(&b, "%s{%d,%d}", atom, l, h)
	}
	if open {
		b.WriteString(atom + "*")
	}
	w.out.Reset()
	w.out.WriteString(whole)
	w.out.WriteString("(?:" + b.String() + ")")
	w.in = w.in[len(m[0]):]
	w.atom = -1
	w.in = strings.TrimPrefix(w.in, "?")
	if strings.HasPrefix(w.in, "+") {
		return fmt.Errorf("RE2 has no possessive quantifiers")
	}
	return nil
}

var (
	unicodeEscape  = regexp.MustCompile(`^\\u([0-9A-Fa-f]{4})`)
	hexEscape      = regexp.MustCompile(`^\\x[0-9A-Fa-f]{2}`)
	propertyEscape = regexp.MustCompile(`^\\[pP]\{[A-Za-z]+\}`)
)

// escape rewrites a backslash and what it stands before.
func (w *rewriter) escape(inClass bool) error {
	w.begin()
	if len(w.in) < 2 {
		return fmt.Errorf("it ends in a backslash")
	}
	if m := unicodeEscape.FindStringSubmatch(w.in); m != nil {
		w.emit(len(m[0]), `\x{`+m[1]+`}`)
		return nil
	}
	for _, re := range []*regexp.Regexp{hexEscape, propertyEscape} {
		if m := re.FindString(w.in); m != "" {
			w.emit(len(m), m)
			return nil
		}
	}
	c := w.in[1]
	switch {
	case c == 's' && inClass:
		w.emit(2, javaSpace)
	case c == 's':
		w.emit(2, "["+javaSpace+"]")
	case c == 'S' && inClass:
		w.emit(2, javaNotSpace)
	case c == 'S':
		w.emit(2, "[^"+javaSpace+"]")
	case strings.IndexByte("dDwWnrtf", c) >= 0, (c == 'b' || c == 'B') && !inClass:
		w.emit(2, w.in[:2])
	case c < 0x80 && !alphanumeric(c):
		w.emit(2, w.in[:2])
	default:
		return fmt.Errorf("RE2 may not have the escape %q", w.in[:2])
	}
	return nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// class rewrites a bracketed class. Java lets classes nest and intersect;
// no model's does, and RE2 would take the brackets for characters.
func (w *rewriter) class() error {
	start := w.out.Len()
	w.emit(1, "[")
	if strings.HasPrefix(w.in, "^") {
		w.emit(1, "^")
	}
	for first := true; ; first = false {
		switch {
		case w.in == "":
			return fmt.Errorf("a [ is not closed")
		case w.in[0] == ']' && !first:
			w.emit(1, "]")
			w.atom = start
			return nil
		case w.in[0] == ']':
			return fmt.Errorf("a class begins with ]")
		case w.in[0] == '[':
			return fmt.Errorf("a class within a class")
		case strings.HasPrefix(w.in, "&&"):
			return fmt.Errorf("an intersection of classes")
		case w.in[0] == '\\':
			set := strings.IndexByte("dDwWsSpP", w.in[min(1, len(w.in)-1)]) >= 0
			if err := w.escape(true); err != nil {
				return err
			}
			// A hyphen behind \s is itself: what \s became must not begin a range.
			if set && strings.HasPrefix(w.in, "-") {
				w.emit(1, `\-`)
			}
		default:
			w.emit(1, w.in[:1])
		}
	}
}
