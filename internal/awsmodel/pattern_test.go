package awsmodel

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

func TestRewritePattern(t *testing.T) {
	for _, tc := range []struct {
		pattern  string
		want     string // without the anchors
		min, max int64
	}{
		{pattern: `[a-z]+`, want: `[a-z]+`},
		{pattern: `\u002F[\u0021-\u007F]*`, want: `\x{002F}[\x{0021}-\x{007F}]*`},
		{pattern: `a\sb\S`, want: `a[\t\n\v\f\r ]b[^\t\n\v\f\r ]`},
		{pattern: `[\w\s-_]`, want: `[\w\t\n\v\f\r \-_]`},
		{pattern: `a.*`, want: `a[^\n\r\x{85}\x{2028}\x{2029}]*`},
		{pattern: `(?s).*`, want: `(?s).*`},
		{pattern: `[.]{2,3}?`, want: `[.]{2,3}?`},
		{pattern: `x{2000}`, want: `(?:x{1000,1000}x{1000,1000})`},
		{pattern: `(a|b){1,2500}c`, want: `(?:(a|b){1,1000}(a|b){0,1000}(a|b){0,500})c`},
		{pattern: `[é]{1001,}`, want: `(?:[é]{1000,1000}[é]{1,1}[é]*)`},
		{pattern: `é{1,1001}`, want: `(?:é{1,1000}é{0,1})`},
		{pattern: `^.{1,100000}$`, want: `[^\n\r\x{85}\x{2028}\x{2029}]+`, max: 100000},
	} {
		c := schema.Constraint{Pattern: tc.pattern, Min: tc.min, HasMin: tc.min > 0, Max: tc.max, HasMax: tc.max > 0}
		got, err := RewritePattern(c)
		if want := "^(?:" + tc.want + ")$"; err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tc.pattern, got, err, want)
		}
	}
}

func TestRewritePatternRefuses(t *testing.T) {
	for _, p := range []string{
		`(?!a)b`, `(?<=a)b`, `(?<name>a)`, `(?>a)`, `a(?i)b`, `(a)\1`, `a++`, `a*+`, `a{1,2}+`, `a{1,2000}+`,
		`[a[b]]`, `[a&&b]`, `[]a]`, `[a`, `(a`, `a)`, `\`, `\h`, `\v`, `\Qa\E`, `*a`, `{1}`, `a{`, `|*`,
		`x{1,6000}`, `x{3,2}`, `x{2000,1001}`, `(x{1,1000}){1,1000}`, `\u00`, `\p{IsGreek`, `\p{Nonesuch}`,
		`^.{1,100000}$`, // the rewrite needs the shape's own limit
	} {
		if got, err := RewritePattern(schema.Constraint{Pattern: p}); err == nil {
			t.Errorf("%s: rewritten to %s, want an error", p, got)
		}
	}
}

// TestPatternsAgree holds rewrites against an engine that runs the patterns as
// they are, on strings made to fit the rewrite and on damaged ones.
func TestPatternsAgree(t *testing.T) {
	patterns := []schema.Constraint{
		{Pattern: `[\w\s-_]+`}, {Pattern: `x.{1,1005}`}, {Pattern: `[\s\S]{2,5}`}, {Pattern: `[^\S]+|\S\.`},
		{Pattern: `(?i)all|[0-9]{12}`}, {Pattern: `$|a(b|c)*?\b`}, {Pattern: `[\u0009\u0020-\u00FF]+`},
	}
	for p, r := range namedRewrites {
		if strings.Contains(p, `\u10000`) {
			continue // rewritten to mean something else, on purpose
		}
		patterns = append(patterns, schema.Constraint{Pattern: p, HasMin: r.min > 0, Min: r.min, HasMax: r.max > 0, Max: r.max})
	}
	for _, c := range patterns {
		t.Run(c.Pattern, func(t *testing.T) {
			re2, err := RewritePattern(c)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, c, re2, 4000)
		})
	}
}

// agree compares on n strings; the seed is fixed.
func agree(t *testing.T, c schema.Constraint, re2 string, n int) {
	t.Helper()
	want := javaLike(t, c.Pattern)
	got := regexp.MustCompile(re2)
	tree, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	matched, failed := 0, 0
	for i := range n {
		s := sample(rnd, tree.Simplify())
		if i%2 == 1 {
			s = damage(rnd, s, c.Pattern)
		}
		length := int64(utf8.RuneCountInString(s))
		if !utf8.ValidString(s) || c.HasMin && length < c.Min || c.HasMax && length > c.Max {
			continue
		}
		if strings.Contains(strings.ToLower(c.Pattern), `\s`) && strings.IndexFunc(s, wideSpace) >= 0 {
			continue
		}
		w, err := want.MatchString(s)
		if err != nil {
			continue // it backtracked for too long, as RE2 never does
		}
		if g := got.MatchString(s); g != w {
			t.Errorf("%q: matches %v, want %v", s, g, w)
		}
		if w {
			matched++
		} else {
			failed++
		}
	}
	if matched == 0 || failed == 0 && !strings.Contains(c.Pattern, `[\s\S]`) && !strings.HasPrefix(c.Pattern, "(?s)") {
		t.Errorf("compared %d matching and %d other strings: not enough of both", matched, failed)
	}
}

// wideSpace is the white space that the other engine's \s knows and Java's does not.
func wideSpace(r rune) bool { return r >= 0x80 && (unicode.IsSpace(r) || r == '\uFEFF') }

// javaLike compiles a pattern for an engine with look-around, with Java's dot
// and, as in Java, classes that know ASCII alone.
func javaLike(t *testing.T, pattern string) *regexp2.Regexp {
	t.Helper()
	if strings.HasPrefix(pattern, "(?s)") {
		pattern = `[\s\S]` + strings.TrimPrefix(pattern, "(?s).")
	}
	p := regexp.MustCompile(`(^|[^\\])\.([*+{])`).ReplaceAllString(pattern, `$1[^\n\r\u0085\u2028\u2029]$2`)
	options := regexp2.RegexOptions(regexp2.ECMAScript)
	if strings.Contains(p, `\3`) {
		// ECMAScript lets a back-reference to an unset group match; Java does not.
		options = regexp2.None
		p = strings.NewReplacer(`[a-z\d`, `[a-z0-9`, `([12]\d`, `([12][0-9]`, `\d`, `[0-9]`, `\s`, javaSpace).Replace(p)
	}
	re, err := regexp2.Compile(`\A(?:`+p+`)\z`, options)
	if err != nil {
		t.Fatal(err)
	}
	re.MatchTimeout = 200 * time.Millisecond
	return re
}

// sample makes a string that the expression should match.
func sample(r *rand.Rand, re *syntax.Regexp) string {
	repeat := func(lo, hi int) string {
		if hi < 0 || hi > lo+6 {
			hi = lo + 6
		}
		var b strings.Builder
		for range lo + r.IntN(hi-lo+1) {
			b.WriteString(sample(r, re.Sub[0]))
		}
		return b.String()
	}
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		i := r.IntN(len(re.Rune)/2) * 2
		lo, hi := re.Rune[i], re.Rune[i+1]
		return string(lo + r.Int32N(min(hi-lo+1, 300)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return string(rune('a' + r.IntN(26)))
	case syntax.OpStar:
		return repeat(0, -1)
	case syntax.OpPlus:
		return repeat(1, -1)
	case syntax.OpQuest:
		return repeat(0, 1)
	case syntax.OpRepeat:
		return repeat(re.Min, re.Max)
	case syntax.OpCapture:
		return sample(r, re.Sub[0])
	case syntax.OpAlternate:
		return sample(r, re.Sub[r.IntN(len(re.Sub))])
	case syntax.OpConcat:
		var b strings.Builder
		for _, s := range re.Sub {
			b.WriteString(sample(r, s))
		}
		return b.String()
	}
	return ""
}

var patternWords = regexp.MustCompile(`[a-z]{3,}`)

// damage changes a string in one to three places, with letters that the
// pattern has, so that what is almost right comes up often.
func damage(r *rand.Rand, s, pattern string) string {
	letters := []rune(pattern + "\n\r\v \u0085\u2028019T:-.é")
	rs := []rune(s)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(rs) + 1)
		switch r.IntN(4) {
		case 3:
			// A word of the pattern's in front: what a look-ahead is about.
			if words := patternWords.FindAllString(pattern, -1); words != nil {
				word := []rune(words[r.IntN(len(words))])
				rs = append(append(word, letters[r.IntN(len(letters))]), rs...)
			}
		case 0:
			rs = append(rs[:at:at], append([]rune{letters[r.IntN(len(letters))]}, rs[at:]...)...)
		case 1:
			if at < len(rs) {
				rs = append(rs[:at:at], rs[at+1:]...)
			}
		case 2:
			rs = rs[:at]
		}
	}
	return string(rs)
}

func FuzzRewritePattern(f *testing.F) {
	for p := range namedRewrites {
		f.Add(p)
	}
	f.Add(`[\w\s-_]{2,}?|\u002F(?:a|.)+`)
	f.Fuzz(func(t *testing.T, pattern string) {
		re2, err := RewritePattern(schema.Constraint{Pattern: pattern})
		if err != nil {
			return
		}
		if _, err := regexp.Compile(re2); err != nil {
			t.Errorf("%q becomes %q: %v", pattern, re2, err)
		}
	})
}
