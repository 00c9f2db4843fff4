package jsonpath

import (
	"cmp"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// condition is what a filter tests a value with.
type condition interface {
	holds(s *selection, v vtl.Value) (bool, error)
}

type either struct{ any []condition }

func (c either) holds(s *selection, v vtl.Value) (bool, error) {
	for _, c := range c.any {
		if ok, err := c.holds(s, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

type every struct{ all []condition }

func (c every) holds(s *selection, v vtl.Value) (bool, error) {
	for _, c := range c.all {
		if ok, err := c.holds(s, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

type not struct{ of condition }

func (c not) holds(s *selection, v vtl.Value) (bool, error) {
	ok, err := c.of.holds(s, v)
	return !ok && err == nil, err
}

// exists is a path alone, or a literal.
type exists struct{ of operand }

func (c exists) holds(s *selection, v vtl.Value) (bool, error) {
	got, ok, err := c.of.value(s, v)
	if err != nil || !ok {
		return false, err
	}
	if c.of.path == nil {
		return got == true, nil
	}
	if l, isList := got.(*vtl.List); isList && !c.of.path.definite {
		return l.Len() > 0, nil
	}
	return true, nil
}

// operand is a side of a comparison: a path, from the value (@) or the root ($), or
// a literal.
type operand struct {
	path    *Path
	atRoot  bool
	literal vtl.Value
	regex   *regexp.Regexp
}

func (o operand) value(s *selection, v vtl.Value) (vtl.Value, bool, error) {
	if o.path == nil {
		return o.literal, true, nil
	}
	if o.atRoot {
		v = s.root
	}
	return s.get(o.path, v)
}

// comparison is left op right.
type comparison struct {
	op          string
	left, right operand
}

func (c comparison) holds(s *selection, v vtl.Value) (bool, error) {
	l, lok, err := c.left.value(s, v)
	if err != nil {
		return false, err
	}
	r, rok, err := c.right.value(s, v)
	if err != nil {
		return false, err
	}
	if !lok || !rok {
		// What is not there equals nothing, not even null.
		return c.op == "!=" || c.op == "NIN" || c.op == "NONEOF", nil
	}
	switch c.op {
	case "==", "===":
		return s.equal(l, r)
	case "!=", "!==":
		ok, err := s.equal(l, r)
		return !ok && err == nil, err
	case "<", "<=", ">", ">=":
		return ordered(c.op, l, r), nil
	case "=~":
		text, ok := textOf(l)
		return ok && c.right.regex != nil && c.right.regex.MatchString(text), s.visit(len(text) / 8)
	}
	if err := s.visit(weight(l) + weight(r)); err != nil {
		return false, err
	}
	return s.membership(c.op, l, r)
}

// membership is of the operators that take lists.
func (s *selection) membership(op string, l, r vtl.Value) (bool, error) {
	switch op {
	case "IN":
		return s.contains(r, l)
	case "NIN":
		ok, err := s.contains(r, l)
		return !ok && err == nil, err
	case "CONTAINS":
		if text, ok := l.(string); ok {
			part, isText := r.(string)
			return isText && strings.Contains(text, part), nil
		}
		return s.contains(l, r)
	case "SIZE":
		n, ok := size(l)
		if !ok {
			return false, nil
		}
		return s.equal(vtl.Number(big.NewInt(int64(n)).String()), r)
	case "EMPTY":
		n, ok := size(l)
		return ok && (n == 0) == (r == true), nil
	}
	list, ok := l.(*vtl.List)
	if !ok {
		return false, nil
	}
	matches := 0
	for i := range list.Len() {
		in, err := s.contains(r, list.At(i))
		if err != nil {
			return false, err
		}
		if in {
			matches++
		}
	}
	switch op {
	case "SUBSETOF":
		return matches == list.Len(), nil
	case "ANYOF":
		return matches > 0, nil
	case "NONEOF":
		return matches == 0, nil
	}
	return false, nil
}

func size(v vtl.Value) (int, bool) {
	switch v := v.(type) {
	case string:
		return len([]rune(v)), true
	case *vtl.List:
		return v.Len(), true
	case *vtl.Map:
		return v.Len(), true
	}
	return 0, false
}

func (s *selection) contains(list, v vtl.Value) (bool, error) {
	l, ok := list.(*vtl.List)
	if !ok {
		return false, nil
	}
	for i := range l.Len() {
		if ok, err := s.equal(l.At(i), v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// equal compares numbers by value, even with strings that hold one, and lists and
// objects by what is in them.
func (s *selection) equal(l, r vtl.Value) (bool, error) {
	if err := s.visit(1 + weight(l)); err != nil {
		return false, err
	}
	switch l := l.(type) {
	case nil:
		return r == nil, nil
	case bool:
		return r == l, nil
	case string:
		t, ok := textOf(r)
		return ok && t == l, nil
	case *vtl.List:
		o, ok := r.(*vtl.List)
		if !ok || o.Len() != l.Len() {
			return false, nil
		}
		for i := range l.Len() {
			if ok, err := s.equal(l.At(i), o.At(i)); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case *vtl.Map:
		o, ok := r.(*vtl.Map)
		if !ok || o.Len() != l.Len() {
			return false, nil
		}
		for i := range l.Len() {
			en := l.Entry(i)
			name, _ := en.Key.(string)
			v, ok := o.Lookup(name)
			if !ok {
				return false, nil
			}
			if ok, err := s.equal(en.Value, v); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	c, ok := compareNumbers(l, r)
	return ok && c == 0, nil
}

func ordered(op string, l, r vtl.Value) bool {
	c := 0
	ls, lok := l.(string)
	rs, rok := r.(string)
	switch {
	case lok && rok:
		c = strings.Compare(ls, rs)
	case lok || rok:
		return false
	default:
		var ok bool
		if c, ok = compareNumbers(l, r); !ok {
			return false
		}
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// compareNumbers compares what are numbers, or strings that hold one; ok is false
// where either is none.
func compareNumbers(l, r vtl.Value) (c int, ok bool) {
	a, aok := textOf(l)
	b, bok := textOf(r)
	if aok && bok && short(a) && short(b) {
		x, err := strconv.ParseFloat(a, 64)
		y, err2 := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y), err == nil && err2 == nil
	}
	x, xok := numberOf(l)
	y, yok := numberOf(r)
	if !xok || !yok {
		return 0, false
	}
	return x.Cmp(y), true
}

// short is whether a number's text has so few digits that a float64 is exact enough.
func short(text string) bool { return len(text) <= 15 && strings.Trim(text, "-.0123456789") == "" }

// maxExponent bounds the exponent of a number that is compared exactly.
const maxExponent = 400

// maxDigits bounds the text of a number that is compared exactly.
const maxDigits = 400

func numberOf(v vtl.Value) (*big.Rat, bool) {
	text, ok := textOf(v)
	if !ok || text == "" || len(text) > maxDigits || strings.ContainsAny(text, "/_xXpPbBoOiIn") {
		return nil, false
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(text[i+1:])
		if err != nil || n > maxExponent || n < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// textOf is the text of a string or a number.
func textOf(v vtl.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case vtl.Number:
		return string(v), true
	case nil, bool, *vtl.List, *vtl.Map:
		return "", false
	}
	b, err := vtl.AppendJSON(nil, v)
	return string(b), err == nil
}
