package vtl

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxJSONDepth is how deep a JSON payload may be nested.
const maxJSONDepth = 512

var errJSONDepth = errors.New("the JSON is nested too deeply")

// ParseJSON reads a JSON text. Objects become *Map, in the order of their keys (of
// a key given twice the last value counts), arrays *List as NewArray makes them,
// numbers Number by their text, and null nil.
func ParseJSON(text []byte) (Value, error) {
	if !json.Valid(text) {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, err
		}
		return nil, errors.New("not JSON")
	}
	p := jsonParser{text: text}
	return p.value(0)
}

// jsonParser reads a text that is known to be valid.
type jsonParser struct {
	text []byte
	pos  int
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) && isSpace(p.text[p.pos]) {
		p.pos++
	}
}

func (p *jsonParser) value(depth int) (Value, error) {
	if depth > maxJSONDepth {
		return nil, errJSONDepth
	}
	p.space()
	switch p.text[p.pos] {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return p.string()
	case 't':
		p.pos += 4
		return true, nil
	case 'f':
		p.pos += 5
		return false, nil
	case 'n':
		p.pos += 4
		return nil, nil
	}
	from := p.pos
	for p.pos < len(p.text) && bytes.IndexByte([]byte("+-.eE0123456789"), p.text[p.pos]) >= 0 {
		p.pos++
	}
	return Number(p.text[from:p.pos]), nil
}

func (p *jsonParser) object(depth int) (Value, error) {
	m := &Map{}
	p.pos++
	for p.space(); p.text[p.pos] != '}'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
			p.space()
		}
		k, err := p.string()
		if err != nil {
			return nil, err
		}
		p.space()
		p.pos++ // the colon
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m.Put(k, v)
	}
	p.pos++
	return m, nil
}

func (p *jsonParser) array(depth int) (Value, error) {
	l := &List{kind: jsonArray}
	p.pos++
	for p.space(); p.text[p.pos] != ']'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	p.pos++
	return l, nil
}

func (p *jsonParser) string() (string, error) {
	from := p.pos
	plain := true
	for p.pos++; p.text[p.pos] != '"'; p.pos++ {
		if p.text[p.pos] == '\\' {
			plain = false
			p.pos++
		} else if p.text[p.pos] >= utf8.RuneSelf {
			plain = false
		}
	}
	p.pos++
	if plain {
		return string(p.text[from+1 : p.pos-1]), nil
	}
	var s string
	err := json.Unmarshal(p.text[from:p.pos], &s)
	return s, err
}

// AppendJSON adds a value as JSON without blanks. Values of the host become
// strings; NaN and the infinities null.
func AppendJSON(b []byte, v Value) ([]byte, error) { return appendJSON(b, v, 0) }

func appendJSON(b []byte, v Value, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, ErrDepth
	}
	if len(b) > MaxOutput {
		return nil, ErrOutput
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendJSONString(b, v), nil
	case Number:
		return append(b, v...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(b, "null"...), nil
		}
		return append(b, formatDouble(v, 64)...), nil
	case *List:
		return appendJSONList(b, v, depth)
	case *Map:
		return appendJSONMap(b, v, depth)
	case Mapping:
		return appendJSONMap(b, v.Map(), depth)
	}
	s, err := Text(v)
	if err != nil {
		return nil, err
	}
	if isNumber(v) {
		return append(b, s...), nil
	}
	return appendJSONString(b, s), nil
}

func appendJSONList(b []byte, l *List, depth int) ([]byte, error) {
	b = append(b, '[')
	var err error
	for i, item := range l.items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendJSONMap(b []byte, m *Map, depth int) ([]byte, error) {
	b = append(b, '{')
	for i, en := range m.entries {
		if i > 0 {
			b = append(b, ',')
		}
		k, err := Text(en.Key)
		if err != nil {
			return nil, err
		}
		b = append(appendJSONString(b, k), ':')
		if b, err = appendJSON(b, en.Value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

const hex = "0123456789abcdef"

// appendJSONString quotes a string, escaping what JSON says must be.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
