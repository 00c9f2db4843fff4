package vtl

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

var (
	errNegative = errors.New("IllegalArgumentException: count is negative")
	errGroup    = errors.New("IllegalArgumentException: illegal group reference")
	errRegexLen = errors.New("the regular expression is too long")
)

// maxRegex is the longest regular expression, in bytes.
const maxRegex = 4096

// Compiled expressions are kept, up to a number, by whether they match whole and
// their text.
var (
	regexes    sync.Map // regexKey to *regexp.Regexp
	regexCount atomic.Int64
)

type regexKey struct {
	pattern string
	whole   bool
}

const maxRegexes = 512

// regexWork is how much work it is to match a byte.
const regexWork = 4

// compileRegex compiles a Java regular expression; whole: it is to match all of a
// text. Look-around, back references, possessive and atomic groups have no
// equivalent here and are an error that says so.
func compileRegex(pattern string, whole bool) (*regexp.Regexp, error) {
	if len(pattern) > maxRegex {
		return nil, errRegexLen
	}
	key := regexKey{pattern, whole}
	if re, ok := regexes.Load(key); ok {
		return re.(*regexp.Regexp), nil
	}
	goText, err := translateRegex(pattern)
	if err != nil {
		return nil, err
	}
	if whole {
		goText = `\A(?:` + goText + `)\z`
	}
	re, err := regexp.Compile(goText)
	if err != nil {
		return nil, fmt.Errorf("PatternSyntaxException: %q: %w", clip(pattern), err)
	}
	if regexCount.Add(1) > maxRegexes {
		// Expressions made anew for each request would fill the store.
		regexes.Clear()
		regexCount.Store(1)
	}
	regexes.Store(key, re)
	return re, nil
}

// translateRegex writes a Java regular expression in Go's syntax.
func translateRegex(p string) (string, error) {
	var b strings.Builder
	inClass := 0
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '\\':
			n, err := translateEscape(&b, p[i:], inClass > 0)
			if err != nil {
				return "", err
			}
			i += n - 1
		case inClass > 0 && c == '[':
			return "", unsupported(p, "a class within a class")
		case inClass > 0 && strings.HasPrefix(p[i:], "&&"):
			return "", unsupported(p, "an intersection of classes")
		case c == '[':
			inClass++
			b.WriteByte(c)
			if strings.HasPrefix(p[i+1:], "^") {
				b.WriteByte('^')
				i++
			}
			if strings.HasPrefix(p[i+1:], "]") {
				return "", unsupported(p, "a bracket that opens a class")
			}
		case inClass > 0 && c == ']':
			inClass--
			b.WriteByte(c)
		case inClass > 0:
			b.WriteByte(c)
		case strings.HasPrefix(p[i:], "(?"):
			n, err := translateGroup(&b, p, i)
			if err != nil {
				return "", err
			}
			i += n - 1
		case c == '+' && i > 0 && strings.IndexByte("*+?}", p[i-1]) >= 0 && !escapedAt(p, i-1):
			return "", unsupported(p, "a possessive quantifier")
		case c == '$':
			// Before a line end that ends the text Java's $ matches too, without taking
			// it, which cannot be said here.
			b.WriteString(`\z`)
		case c == '.':
			b.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// escapedAt is whether the character at i follows an odd number of backslashes.
func escapedAt(p string, i int) bool {
	n := 0
	for i > 0 && p[i-1] == '\\' {
		n++
		i--
	}
	return n%2 != 0
}

func unsupported(p, what string) error {
	return fmt.Errorf("the regular expression %q uses %s, which is not supported", clip(p), what)
}

// translateGroup writes what begins with (? and returns its length.
func translateGroup(b *strings.Builder, p string, i int) (int, error) {
	rest := p[i:]
	switch {
	case strings.HasPrefix(rest, "(?="), strings.HasPrefix(rest, "(?!"), strings.HasPrefix(rest, "(?<="), strings.HasPrefix(rest, "(?<!"):
		return 0, unsupported(p, "look-around")
	case strings.HasPrefix(rest, "(?>"):
		return 0, unsupported(p, "an atomic group")
	case strings.HasPrefix(rest, "(?<"):
		b.WriteString("(?P<")
		return 3, nil
	}
	end := strings.IndexAny(rest, ":)")
	if end < 0 || strings.Trim(rest[2:end], "is-") != "" {
		return 0, unsupported(p, "a flag other than i and s")
	}
	if strings.Contains(rest[2:end], "s") {
		return 0, unsupported(p, "the flag s")
	}
	b.WriteString(rest[:end+1])
	return end + 1, nil
}

// translateEscape writes what begins with a backslash and returns its length.
func translateEscape(b *strings.Builder, p string, inClass bool) (int, error) {
	if len(p) < 2 {
		return 0, fmt.Errorf("PatternSyntaxException: %q ends in a backslash", p)
	}
	c := p[1]
	switch {
	case c >= '1' && c <= '9' || c == 'k':
		return 0, unsupported(p, "a back reference")
	case c == 'Q':
		end := strings.Index(p, `\E`)
		quoted := p[2:]
		n := len(p)
		if end >= 0 {
			quoted, n = p[2:end], end+2
		}
		b.WriteString(regexp.QuoteMeta(quoted))
		return n, nil
	case c == 'u':
		if len(p) < 6 {
			return 0, errBadEscape
		}
		if _, err := strconv.ParseUint(p[2:6], 16, 16); err != nil {
			return 0, errBadEscape
		}
		b.WriteString(`\x{` + p[2:6] + `}`)
		return 6, nil
	case c == 'h' && !inClass:
		b.WriteString(`[ \t\x{a0}]`)
	case c == 'R' && !inClass:
		b.WriteString(`(?:\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}])`)
	case c == 's' && inClass:
		b.WriteString(` \t\n\v\f\r`)
	case c == 's':
		b.WriteString(`[ \t\n\v\f\r]`)
	case c == 'S' && !inClass:
		b.WriteString(`[^ \t\n\v\f\r]`)
	case c == 'e':
		b.WriteString(`\x1b`)
	case c == 'Z':
		b.WriteString(`\z`)
	case c == 'p' || c == 'P':
		return translateProperty(b, p)
	case strings.IndexByte("dDwWbBAzxtnrfa", c) >= 0:
		b.WriteString(p[:2])
	case isAlpha(c) || isDigit(c):
		return 0, unsupported(p, `the escape \`+string(rune(c)))
	case c >= 0x80:
		b.WriteByte(c) // the character's other bytes follow as they are
	default:
		b.WriteString(regexp.QuoteMeta(string(rune(c))))
	}
	return 2, nil
}

// posix are Java's \p{…} that Go calls otherwise.
var posix = map[string]string{
	"Lower": "a-z", "Upper": "A-Z", "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9",
	"Punct": "!-/:-@\\[-`{-~", "Space": ` \t\n\v\f\r`, "XDigit": "0-9a-fA-F", "ASCII": `\x00-\x7f`, "Blank": ` \t`,
}

func translateProperty(b *strings.Builder, p string) (int, error) {
	end := strings.IndexByte(p, '}')
	if len(p) < 3 || p[2] != '{' || end < 0 {
		b.WriteString(p[:min(3, len(p))])
		return min(3, len(p)), nil
	}
	if set, ok := posix[p[3:end]]; ok {
		not := ""
		if p[1] == 'P' {
			not = "^"
		}
		b.WriteString("[" + not + set + "]")
		return end + 1, nil
	}
	name := strings.TrimPrefix(strings.TrimPrefix(p[3:end], "Is"), "In")
	b.WriteString(p[:2] + "{" + name + "}")
	return end + 1, nil
}

// replaceRegex is replaceAll and replaceFirst. In the replacement $1 and ${name}
// are groups, and a backslash takes the next character as it is.
func (e *execution) replaceRegex(s, pattern, with string, all bool) (Value, error) {
	re, err := compileRegex(pattern, false)
	if err != nil {
		return nil, err
	}
	if err := e.work(regexWork*len(s) + 16); err != nil {
		return nil, err
	}
	n := 1
	if all {
		n = -1
	}
	var b []byte
	from := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, n) {
		b = append(b, s[from:m[0]]...)
		if b, err = expand(b, re, s, m, with); err != nil {
			return nil, err
		}
		from = m[1]
		if len(b) > MaxOutput {
			return nil, ErrOutput
		}
	}
	b = append(b, s[from:]...)
	return string(b), e.workFor(string(b))
}

func expand(b []byte, re *regexp.Regexp, s string, m []int, with string) ([]byte, error) {
	for i := 0; i < len(with); i++ {
		switch c := with[i]; c {
		case '\\':
			i++
			if i == len(with) {
				return nil, errGroup
			}
			b = append(b, with[i])
		case '$':
			group, n, err := groupOf(re, with[i+1:])
			if err != nil {
				return nil, err
			}
			if m[2*group] >= 0 {
				b = append(b, s[m[2*group]:m[2*group+1]]...)
			}
			i += n
		default:
			b = append(b, c)
		}
	}
	return b, nil
}

// groupOf reads a group's number or name, and how long it is. Of digits it takes as
// many as there are groups for.
func groupOf(re *regexp.Regexp, s string) (group, n int, err error) {
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return 0, 0, errGroup
		}
		if group = re.SubexpIndex(s[1:end]); group < 0 {
			return 0, 0, errGroup
		}
		return group, end + 1, nil
	}
	for n < len(s) && isDigit(s[n]) {
		next := group*10 + int(s[n]-'0')
		if n > 0 && next > re.NumSubexp() {
			break
		}
		group = next
		n++
	}
	if n == 0 || group > re.NumSubexp() {
		return 0, 0, errGroup
	}
	return group, n, nil
}

// split is String.split: a limit of 0 drops empty parts at the end, a match of
// nothing at the start makes no part.
func (e *execution) split(s, pattern string, limit int) (Value, error) {
	re, err := compileRegex(pattern, false)
	if err != nil {
		return nil, err
	}
	if err := e.work(regexWork*len(s) + 16); err != nil {
		return nil, err
	}
	l := &List{kind: fixedArray}
	from := 0
	for _, m := range re.FindAllStringIndex(s, -1) {
		if limit > 0 && len(l.items) == limit-1 {
			break
		}
		if m[0] == 0 && m[1] == 0 || m[0] == m[1] && m[0] == len(s) {
			continue
		}
		l.items = append(l.items, s[from:m[0]])
		from = m[1]
	}
	if from == 0 && len(l.items) == 0 {
		l.items = append(l.items, s)
		return l, nil
	}
	l.items = append(l.items, s[from:])
	if limit == 0 {
		for len(l.items) > 0 && l.items[len(l.items)-1] == "" {
			l.items = l.items[:len(l.items)-1]
		}
	}
	return l, e.work(len(l.items))
}
