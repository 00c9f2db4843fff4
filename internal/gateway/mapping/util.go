package mapping

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// util is $util.
type util struct{}

var _ vtl.Object = util{}

func (util) String() string                     { return "$util" }
func (util) Property(string) (vtl.Value, error) { return nil, nil }
func (u util) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	f, ok := functions[name]
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	if args[0] == nil {
		return nil, true, nil
	}
	text, err := vtl.Text(args[0])
	if err != nil {
		return nil, true, err
	}
	if len(text) > vtl.MaxOutput {
		return nil, true, vtl.ErrOutput
	}
	v, err := f(text)
	return v, true, err
}

var functions = map[string]func(string) (vtl.Value, error){
	"escapeJavaScript": func(s string) (vtl.Value, error) { return escapeJavaScript(s), nil },
	"parseJson":        parseJSON,
	"urlEncode":        func(s string) (vtl.Value, error) { return urlEncode(s), nil },
	"urlDecode":        urlDecode,
	"base64Encode":     func(s string) (vtl.Value, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil },
	"base64Decode":     base64Decode,
}

func parseJSON(s string) (vtl.Value, error) {
	v, err := vtl.ParseJSON([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return v, nil
}

var errBase64 = errors.New("not base64")

// base64Decode reads the standard alphabet and that of URLs, with padding or
// without, over several lines or on one.
func base64Decode(s string) (vtl.Value, error) {
	s = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, errBase64
	}
	return string(b), nil
}

// urlEncode is that of HTML forms: a blank is a plus, and only letters, digits and
// . - * _ stand for themselves.
func urlEncode(s string) string {
	return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(s))
}

func urlDecode(s string) (vtl.Value, error) {
	v, err := url.QueryUnescape(s)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// escapeJavaScript escapes what a string literal of JavaScript must not or need not
// have as it is: quotes of both kinds, backslashes, slashes, and all but ASCII.
func escapeJavaScript(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	unit := func(u uint16) {
		b.Write([]byte{'\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15]})
	}
	for _, r := range s {
		switch {
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			unit(uint16(hi))
			unit(uint16(lo))
		case r > 0x7f:
			unit(uint16(r))
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ':
			unit(uint16(r))
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
