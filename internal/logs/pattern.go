package logs

import (
	"regexp"
	"strings"
)

// parsePattern compiles a filter pattern for unstructured events: terms and
// "phrases" that must all occur, ?terms of which one must, -terms that must not,
// and %regular expressions%. Patterns for JSON and for space-delimited events
// are refused: they would match the wrong events.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
func parsePattern(pattern string) (func(message string) bool, error) {
	pattern = strings.TrimSpace(pattern)
	if strings.HasPrefix(pattern, "{") || strings.HasPrefix(pattern, "[") {
		return nil, invalid("Paddock does not support filter patterns for JSON and space-delimited log events yet")
	}
	var all, any []func(string) bool
	for rest := pattern; rest != ""; rest = strings.TrimLeft(rest, " \t") {
		optional := strings.HasPrefix(rest, "?")
		exclude := strings.HasPrefix(rest, "-")
		if optional || exclude {
			rest = rest[1:]
		}
		term, after, err := parseTerm(rest)
		if err != nil {
			return nil, err
		}
		rest = after
		switch {
		case optional:
			any = append(any, term)
		case exclude:
			all = append(all, func(m string) bool { return !term(m) })
		default:
			all = append(all, term)
		}
	}
	// Beside terms that must occur, optional ones decide nothing.
	return func(m string) bool {
		for _, t := range all {
			if !t(m) {
				return false
			}
		}
		if len(any) == 0 || len(all) > 0 {
			return true
		}
		for _, t := range any {
			if t(m) {
				return true
			}
		}
		return false
	}, nil
}

// parseTerm reads one term and returns what follows it.
func parseTerm(s string) (func(string) bool, string, error) {
	if s == "" {
		return nil, "", invalid("Invalid filter pattern")
	}
	switch s[0] {
	case '"':
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s):
				i++
				b.WriteByte(s[i])
			case s[i] == '"':
				phrase := b.String()
				return func(m string) bool { return strings.Contains(m, phrase) }, s[i+1:], nil
			default:
				b.WriteByte(s[i])
			}
		}
		return nil, "", invalid("Invalid filter pattern: a quotation mark is not closed")
	case '%':
		end := strings.IndexByte(s[1:], '%')
		if end < 0 {
			return nil, "", invalid("Invalid filter pattern: a regular expression is not closed by %%")
		}
		re, err := regexp.Compile(s[1 : 1+end])
		if err != nil {
			return nil, "", invalid("Invalid filter pattern: %v", err)
		}
		return re.MatchString, s[2+end:], nil
	}
	word, rest := s, ""
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		word, rest = s[:i], s[i:]
	}
	for _, c := range word {
		if c < 0x80 && !strings.ContainsRune("_.:/@#$&+=*!~^,;'<>|\\-", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return nil, "", invalid("Invalid character(s) in term '%s'", word)
		}
	}
	return func(m string) bool { return strings.Contains(m, word) }, rest, nil
}
