package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// operators are the words that an object in a list of values begins with.
var operators = []string{"prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"}

const either = "$or"

func parse(text string) (*object, error) {
	v, err := decode([]byte(text))
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("a pattern is a JSON object")
	}
	return parseObject(fields)
}

func parseObject(fields map[string]any) (*object, error) {
	if len(fields) == 0 {
		return nil, errors.New("an object has no fields")
	}
	o := &object{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[name].(type) {
		case map[string]any:
			below, err := parseObject(v)
			if err != nil {
				return nil, err
			}
			o.members = append(o.members, member{name: name, object: below})
		case []any:
			if name == either && isAlternatives(v) {
				list, err := parseAlternatives(v)
				if err != nil {
					return nil, err
				}
				o.alternatives = append(o.alternatives, list)
				continue
			}
			values, err := parseValues(v)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
			o.members = append(o.members, member{name: name, values: choose(values)})
		default:
			return nil, fmt.Errorf("%q is neither a list of values nor an object", name)
		}
	}
	return o, nil
}

// isAlternatives says whether the list under "$or" is one of patterns. One with
// operators in it is about a field of that name.
func isAlternatives(list []any) bool {
	for _, e := range list {
		fields, ok := e.(map[string]any)
		if !ok {
			return false
		}
		for name := range fields {
			if slices.Contains(operators, name) {
				return false
			}
		}
	}
	return len(list) > 1
}

func parseAlternatives(list []any) ([]*object, error) {
	out := make([]*object, len(list))
	for i, e := range list {
		fields, _ := e.(map[string]any)
		var err error
		if out[i], err = parseObject(fields); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseValues(list []any) ([]matcher, error) {
	if len(list) == 0 {
		return nil, errors.New("the list of values is empty")
	}
	out := make([]matcher, len(list))
	for i, e := range list {
		var err error
		if out[i], err = parseValue(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseValue(v any) (matcher, error) {
	switch v := v.(type) {
	case nil, bool:
		return matcher{kind: isValue, value: v}, nil
	case map[string]any:
		name, argument, err := only(v)
		if err != nil {
			return matcher{}, err
		}
		return parseOperator(name, argument)
	}
	return parseScalar(v)
}

// parseScalar reads a string or a number.
func parseScalar(v any) (matcher, error) {
	switch v := v.(type) {
	case string:
		return matcher{kind: isText, text: v}, nil
	case json.Number:
		n, err := number(v)
		at := bound{n, true, true}
		return matcher{kind: isNumber, low: at, high: at}, err
	}
	return matcher{}, errors.New("a string or a number is wanted")
}

// only takes apart an object with one field.
func only(v map[string]any) (string, any, error) {
	if len(v) != 1 {
		return "", nil, errors.New("an object among values has one operator")
	}
	for name, argument := range v {
		return name, argument, nil
	}
	panic("unreachable")
}

func parseOperator(name string, argument any) (matcher, error) {
	switch name {
	case "exists":
		b, ok := argument.(bool)
		if !ok {
			return matcher{}, errors.New("exists is true or false")
		}
		return matcher{kind: isExists, exists: b}, nil
	case "numeric":
		list, ok := argument.([]any)
		if !ok {
			return matcher{}, errors.New("numeric takes a list")
		}
		return parseRange(list)
	case "anything-but":
		return parseAnythingBut(argument)
	case "cidr":
		text, ok := argument.(string)
		if !ok {
			return matcher{}, errors.New("cidr takes a string")
		}
		return parseNetwork(text)
	}
	return parseTextOperator(name, argument)
}

// parseTextOperator reads the operators that compare strings.
func parseTextOperator(name string, argument any) (matcher, error) {
	m := matcher{}
	switch name {
	case "equals-ignore-case":
		m.fold = true
	case "prefix":
		m.kind = isPrefix
	case "suffix":
		m.kind = isSuffix
	case "wildcard":
		m.kind = isWildcard
	default:
		return m, fmt.Errorf("there is no operator %q", name)
	}
	if inner, ok := argument.(map[string]any); ok && (m.kind == isPrefix || m.kind == isSuffix) {
		nested, value, err := only(inner)
		if err != nil || nested != "equals-ignore-case" {
			return m, fmt.Errorf("%s takes a string, or equals-ignore-case", name)
		}
		m.fold, argument = true, value
	}
	text, ok := argument.(string)
	if !ok {
		return m, fmt.Errorf("%s takes a string", name)
	}
	m.text = text
	var err error
	if m.kind == isWildcard {
		m.pieces, err = parseWildcard(text)
	}
	return m, err
}

// parseWildcard cuts a text at its stars. A backslash takes a star, or itself,
// as it is.
func parseWildcard(text string) ([]string, error) {
	var pieces []string
	var piece strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
			if i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, fmt.Errorf("wildcard: an escape that is none, at %d", i)
			}
			piece.WriteByte(text[i])
		case c == '*' && i > 0 && text[i-1] == '*' && piece.Len() == 0:
			return nil, fmt.Errorf("wildcard: two stars in a row, at %d", i)
		case c == '*':
			pieces = append(pieces, piece.String())
			piece.Reset()
		default:
			piece.WriteByte(c)
		}
	}
	return append(pieces, piece.String()), nil
}

func parseNetwork(text string) (matcher, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return matcher{}, err
		}
		return matcher{kind: isNetwork, network: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	return matcher{kind: isNetwork, network: p}, err
}

// parseAnythingBut reads a string, a number, a list of either, or an operator on
// one string or a list of them.
func parseAnythingBut(argument any) (matcher, error) {
	m := matcher{kind: isAnythingBut}
	read := parseScalar
	if inner, ok := argument.(map[string]any); ok {
		name, value, err := only(inner)
		if err != nil {
			return m, err
		}
		read = func(v any) (matcher, error) { return parseTextOperator(name, v) }
		argument = value
	}
	list, ok := argument.([]any)
	if !ok {
		list = []any{argument}
	}
	if len(list) == 0 {
		return m, errors.New("anything-but takes at least one value")
	}
	var not []matcher
	for _, v := range list {
		n, err := read(v)
		if err != nil {
			return m, fmt.Errorf("anything-but: %w", err)
		}
		if len(not) > 0 && n.kind != not[0].kind {
			return m, errors.New("anything-but takes strings or numbers, not both")
		}
		not = append(not, n)
	}
	m.not = choose(not)
	return m, nil
}

// maxNumber bounds the numbers of a pattern, as EventBridge does.
const maxNumber = 5e9

func number(v json.Number) (float64, error) {
	n, err := v.Float64()
	if err == nil && (n < -maxNumber || n > maxNumber) {
		err = fmt.Errorf("the number %s is not between -5e9 and 5e9", v)
	}
	return n, err
}

// parseRange reads a comparison, or a lower bound and an upper one.
func parseRange(list []any) (matcher, error) {
	m := matcher{kind: isNumber}
	comparisons := len(list) / 2
	for ; len(list) >= 2; list = list[2:] {
		sign, _ := list[0].(string)
		value, ok := list[1].(json.Number)
		if !ok {
			return m, errors.New("numeric: a comparison is followed by a number")
		}
		n, err := number(value)
		if err != nil {
			return m, err
		}
		switch {
		case sign == "=" && !m.low.set && !m.high.set:
			m.low = bound{n, true, true}
			m.high = m.low
		case (sign == ">" || sign == ">=") && !m.low.set && !m.high.set:
			m.low = bound{n, true, sign == ">="}
		case (sign == "<" || sign == "<=") && !m.high.set:
			m.high = bound{n, true, sign == "<="}
		default:
			return m, fmt.Errorf("numeric: %q does not fit here", sign)
		}
	}
	switch {
	case len(list) != 0 || !m.low.set && !m.high.set:
		return m, errors.New("numeric takes a comparison and a number, once or twice")
	case comparisons == 2 && m.low.at >= m.high.at:
		return m, errors.New("numeric: the bottom of the range is not below its top")
	}
	return m, nil
}
