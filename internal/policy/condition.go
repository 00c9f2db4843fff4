package policy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// condition is one operator on one key.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
type condition struct {
	key      string // lower-case
	set      setOperator
	ifExists bool
	not      bool // the operator is another's negation
	isNull   bool // the operator is Null
	wantNull bool
	values   []comparison
}

type setOperator uint8

const (
	single setOperator = iota
	forAllValues
	forAnyValue
)

// comparison compares a key's value with one of the policy's.
type comparison func(r *Request, value string) bool

// operator makes comparisons of the policy's values.
type operator struct {
	not     bool
	compare func(text string, variables bool) (comparison, error)
}

var operators = map[string]operator{
	"StringEquals":              {false, equalsText(false)},
	"StringNotEquals":           {true, equalsText(false)},
	"StringEqualsIgnoreCase":    {false, equalsText(true)},
	"StringNotEqualsIgnoreCase": {true, equalsText(true)},
	"StringLike":                {false, like(glob)},
	"StringNotLike":             {true, like(glob)},
	"ArnEquals":                 {false, like(globARN)},
	"ArnNotEquals":              {true, like(globARN)},
	"ArnLike":                   {false, like(globARN)},
	"ArnNotLike":                {true, like(globARN)},
	"NumericEquals":             {false, ordered(number, func(c int) bool { return c == 0 })},
	"NumericNotEquals":          {true, ordered(number, func(c int) bool { return c == 0 })},
	"NumericLessThan":           {false, ordered(number, func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":     {false, ordered(number, func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":        {false, ordered(number, func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals":  {false, ordered(number, func(c int) bool { return c >= 0 })},
	"DateEquals":                {false, ordered(date, func(c int) bool { return c == 0 })},
	"DateNotEquals":             {true, ordered(date, func(c int) bool { return c == 0 })},
	"DateLessThan":              {false, ordered(date, func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {false, ordered(date, func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {false, ordered(date, func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {false, ordered(date, func(c int) bool { return c >= 0 })},
	"Bool":                      {false, boolean},
	"BinaryEquals":              {false, binary},
	"IpAddress":                 {false, address},
	"NotIpAddress":              {true, address},
}

// parseConditions reads {operator: {key: value or values}}.
func parseConditions(raw json.RawMessage, variables bool) ([]condition, error) {
	blocks, err := object(raw, "a Condition")
	if err != nil {
		return nil, err
	}
	var out []condition
	for name, block := range blocks {
		var c condition
		op := name
		if rest, ok := strings.CutPrefix(op, "ForAllValues:"); ok {
			op, c.set = rest, forAllValues
		} else if rest, ok := strings.CutPrefix(op, "ForAnyValue:"); ok {
			op, c.set = rest, forAnyValue
		}
		if rest, ok := strings.CutSuffix(op, "IfExists"); ok {
			op, c.ifExists = rest, true
		}
		o, ok := operators[op]
		if c.isNull = op == "Null"; !ok && (!c.isNull || c.ifExists) {
			return nil, fmt.Errorf("there is no condition operator %q", name)
		}
		c.not = o.not
		keys, err := object(block, name)
		if err != nil {
			return nil, err
		}
		for key, value := range keys {
			if c.key = strings.ToLower(key); key == "" {
				return nil, fmt.Errorf("%s: a condition key has no name", name)
			}
			list, err := texts(value, key)
			if err != nil {
				return nil, err
			}
			if err := c.take(o, list, variables); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", name, key, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// take reads the policy's values.
func (c *condition) take(o operator, list []string, variables bool) error {
	c.values = nil
	if c.isNull {
		if len(list) != 1 || !isBool(list[0]) {
			return fmt.Errorf("the value is true or false")
		}
		c.wantNull = strings.EqualFold(list[0], "true")
		return nil
	}
	for _, text := range list {
		compare, err := o.compare(text, variables)
		if err != nil {
			return err
		}
		c.values = append(c.values, compare)
	}
	return nil
}

// holds reports whether the request fulfils the condition.
func (c *condition) holds(r *Request) bool {
	found := r.key(c.key)
	if c.isNull {
		return (len(found) == 0) == c.wantNull
	}
	if len(found) == 0 {
		// What is not there equals nothing, and all of nothing is anything.
		return c.ifExists || c.set == forAllValues || c.set == single && c.not
	}
	switch c.set {
	case forAllValues:
		for _, v := range found {
			if c.matches(r, v) == c.not {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, v := range found {
			if c.matches(r, v) != c.not {
				return true
			}
		}
		return false
	}
	for _, v := range found {
		if c.matches(r, v) {
			return !c.not
		}
	}
	return c.not
}

// matches reports whether one of the policy's values fits.
func (c *condition) matches(r *Request, value string) bool {
	for _, compare := range c.values {
		if compare(r, value) {
			return true
		}
	}
	return false
}

func equalsText(fold bool) func(string, bool) (comparison, error) {
	return func(text string, variables bool) (comparison, error) {
		p, err := newPattern(text, false, variables)
		return func(r *Request, value string) bool {
			want, known := p.text(r)
			return known && (want == value || fold && strings.EqualFold(want, value))
		}, err
	}
}

func like(match func([]token, string) bool) func(string, bool) (comparison, error) {
	return func(text string, variables bool) (comparison, error) {
		p, err := newPattern(text, true, variables)
		if p.isPlain {
			p.tokens = appendLiteral(nil, p.plain)
		}
		return func(r *Request, value string) bool {
			tokens, known := p.expand(r)
			return known && match(tokens, value)
		}, err
	}
}

// ordered compares what parse makes of the two texts: holds is given the sign of
// the key's value against the policy's.
func ordered(parse func(string) (float64, error), holds func(sign int) bool) func(string, bool) (comparison, error) {
	return func(text string, _ bool) (comparison, error) {
		want, err := parse(text)
		return func(_ *Request, value string) bool {
			got, err := parse(value)
			if err != nil {
				return false
			}
			switch {
			case got < want:
				return holds(-1)
			case got > want:
				return holds(1)
			}
			return holds(0)
		}, err
	}
}

func number(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n != n {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

// date reads ISO 8601, or seconds since 1970.
func date(text string) (float64, error) {
	if n, err := number(text); err == nil {
		return n, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.UnixNano()) / 1e9, nil
		}
	}
	return 0, fmt.Errorf("%q is not a date", text)
}

func isBool(text string) bool {
	return strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
}

func boolean(text string, _ bool) (comparison, error) {
	if !isBool(text) {
		return nil, fmt.Errorf("%q is neither true nor false", text)
	}
	return func(_ *Request, value string) bool { return strings.EqualFold(text, value) }, nil
}

func binary(text string, _ bool) (comparison, error) {
	want, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not base64", text)
	}
	return func(_ *Request, value string) bool {
		got, err := base64.StdEncoding.DecodeString(value)
		return err == nil && string(got) == string(want)
	}, nil
}

// address compares with an address, or with a range in CIDR notation.
func address(text string, _ bool) (comparison, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%q is neither an address nor a range of them", text)
		}
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	return func(_ *Request, value string) bool {
		a, err := netip.ParseAddr(value)
		return err == nil && prefix.Contains(a.Unmap().WithZone(""))
	}, nil
}
