package awsmodel

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ExportName makes a Go exported name of a shape's or member's: the first
// letter becomes a capital, leading underscores go, the rest stays.
func ExportName(name string) string {
	name = strings.TrimLeft(name, "_")
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[n:]
}

// EnumName makes the name of an enum's constant the way the AWS SDK for Go v2
// does: the type's name and the value's words, each with a capital
// ("Runtime", "python3.13": RuntimePython313; "TRIM_HORIZON": TrimHorizon).
func EnumName(typ, value string) string {
	var b strings.Builder
	b.WriteString(typ)
	words := strings.FieldsFunc(strings.ReplaceAll(value, ".", ""), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for _, w := range words {
		if strings.ToUpper(w) == w {
			w = strings.ToLower(w)
		}
		b.WriteString(ExportName(w))
	}
	return b.String()
}
