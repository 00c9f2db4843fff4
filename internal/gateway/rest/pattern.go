package rest

import (
	"regexp"
	"time"

	"github.com/dlclark/regexp2"
)

// pattern is a selection pattern: a Java regular expression that must match the
// whole text.
type pattern struct {
	simple *regexp.Regexp
	rich   *regexp2.Regexp // where the pattern looks around or back: nil otherwise
}

// patternTime is how long a pattern that backtracks may think about a text.
const patternTime = 100 * time.Millisecond

func newPattern(text string) (*pattern, error) {
	whole := `\A(?:` + text + `)\z`
	if re, err := regexp.Compile(whole); err == nil {
		return &pattern{simple: re}, nil
	}
	re, err := regexp2.Compile(whole, regexp2.None)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = patternTime
	return &pattern{rich: re}, nil
}

func (p *pattern) match(text string) bool {
	if p.simple != nil {
		return p.simple.MatchString(text)
	}
	ok, err := p.rich.MatchString(text)
	return ok && err == nil // one that takes too long does not match
}
