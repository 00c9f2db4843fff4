package vtl

import (
	"errors"
	"fmt"
)

// constant is a literal.
type constant struct {
	is      Value
	literal string
	text    bool // a string literal
}

func (c *constant) value(*execution) (Value, error) { return c.is, nil }
func (c *constant) source() string                  { return c.literal }

// truth is false but of the literal true.
func (c *constant) truth(*execution) (bool, error) {
	b, _ := c.is.(bool)
	return b, nil
}

// interpolation is a string literal with a template in it.
type interpolation struct {
	body    *block
	trim    bool // a blank was added at the end
	literal string
}

func (n *interpolation) value(e *execution) (Value, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	out := e.out
	e.out = e.buffer()
	err := n.body.render(e)
	if b := e.out.buf; n.trim && len(b) > 0 {
		e.out.buf = b[:len(b)-1]
	}
	s := e.out.take()
	e.out = out
	e.nesting--
	if err != nil {
		return nil, err
	}
	return s, e.workFor(s)
}

func (n *interpolation) truth(*execution) (bool, error) { return false, nil }
func (n *interpolation) source() string                 { return n.literal }

// group is an expression in parentheses.
type group struct {
	inner   expr
	literal string
}

func (n *group) value(e *execution) (Value, error) { return n.inner.value(e) }
func (n *group) truth(e *execution) (bool, error)  { return n.inner.truth(e) }
func (n *group) source() string                    { return n.literal }

// negation is !x.
type negation struct{ of expr }

func (n *negation) value(e *execution) (Value, error) { return boolean(n.truth(e)) }
func (n *negation) source() string                    { return n.of.source() }

func (n *negation) truth(e *execution) (bool, error) {
	ok, err := n.of.truth(e)
	return !ok && err == nil, err
}

func boolean(ok bool, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return ok, nil
}

// logical is && and ||, which take the right side only where they must.
type logical struct {
	or          bool
	left, right expr
}

func (n *logical) value(e *execution) (Value, error) { return boolean(n.truth(e)) }

func (n *logical) truth(e *execution) (bool, error) {
	ok, err := n.left.truth(e)
	if err != nil || ok == n.or {
		return ok, err
	}
	return n.right.truth(e)
}

func (n *logical) source() string { return n.right.source() }

// both works out two sides.
func both(e *execution, left, right expr) (l, r Value, err error) {
	if err = e.work(1); err != nil {
		return nil, nil, err
	}
	if l, err = left.value(e); err != nil {
		return nil, nil, err
	}
	r, err = right.value(e)
	return l, r, err
}

// equality is == and !=.
type equality struct {
	not         bool
	left, right expr
}

func (n *equality) value(e *execution) (Value, error) { return boolean(n.truth(e)) }

func (n *equality) truth(e *execution) (bool, error) {
	l, r, err := both(e, n.left, n.right)
	if err != nil {
		return false, err
	}
	same, err := e.same(l, r)
	return same != n.not && err == nil, err
}

func (n *equality) source() string { return n.right.source() }

// same compares numbers by value, values of one class by equals, and others by
// what they print.
func (e *execution) same(l, r Value) (bool, error) {
	if isNumber(l) && isNumber(r) {
		return compareNumbers(l, r) == 0, nil
	}
	if l == nil || r == nil {
		return l == nil && r == nil, nil
	}
	if s, ok := l.(string); ok {
		if t, ok := r.(string); ok {
			return s == t, nil
		}
	}
	if sameClass(l, r) {
		return e.equals(l, r, 0)
	}
	s, err := e.maybeText(l)
	if err != nil {
		return false, err
	}
	t, err := e.maybeText(r)
	return s == t && err == nil, err
}

// comparison is <, <=, > and >=, which are false of all but numbers.
type comparison struct {
	op          kind
	left, right expr
}

func (n *comparison) value(e *execution) (Value, error) { return boolean(n.truth(e)) }

func (n *comparison) truth(e *execution) (bool, error) {
	l, r, err := both(e, n.left, n.right)
	if err != nil || !isNumber(l) || !isNumber(r) {
		return false, err
	}
	c := compareNumbers(l, r)
	switch n.op {
	case tLT:
		return c < 0, nil
	case tLE:
		return c <= 0, nil
	case tGT:
		return c > 0, nil
	}
	return c >= 0, nil
}

func (n *comparison) source() string { return n.right.source() }

// arithmetic is + - * / %. Of what is no number the result is null, but + joins
// strings with whatever there is.
type arithmetic struct {
	op          kind
	left, right expr
	literal     string
	pos         int
}

func (n *arithmetic) truth(*execution) (bool, error) { return false, nil }

func (n *arithmetic) value(e *execution) (Value, error) {
	l, r, err := both(e, n.left, n.right)
	if err != nil {
		return nil, err
	}
	if n.op == tPlus {
		_, ls := l.(string)
		_, rs := r.(string)
		if ls || rs {
			return n.join(e, l, r)
		}
	}
	if !isNumber(l) || !isNumber(r) {
		return nil, nil
	}
	v, err := calculate(n.op, l, r)
	if err != nil {
		return nil, e.fail(n.pos, err)
	}
	return v, nil
}

func (n *arithmetic) join(e *execution, l, r Value) (Value, error) {
	if l == nil {
		l = n.left.source()
	}
	if r == nil {
		r = n.right.source()
	}
	s, err := e.text(l, n.pos)
	if err != nil {
		return nil, err
	}
	t, err := e.text(r, n.pos)
	if err != nil {
		return nil, err
	}
	if len(s)+len(t) > MaxOutput {
		return nil, e.fail(n.pos, ErrOutput)
	}
	s += t
	return s, e.workFor(s)
}

func (n *arithmetic) source() string { return n.literal }

// listNode is [a, b].
type listNode struct {
	items   []expr
	literal string
}

func (n *listNode) truth(*execution) (bool, error) { return false, nil }
func (n *listNode) source() string                 { return n.literal }

func (n *listNode) value(e *execution) (Value, error) {
	if err := e.work(1 + len(n.items)); err != nil {
		return nil, err
	}
	l := &List{items: make([]Value, 0, len(n.items))}
	for _, x := range n.items {
		v, err := x.value(e)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	return l, nil
}

type pair struct{ key, value expr }

// mapNode is {a : b}.
type mapNode struct {
	pairs   []pair
	literal string
}

func (n *mapNode) truth(*execution) (bool, error) { return false, nil }
func (n *mapNode) source() string                 { return n.literal }

func (n *mapNode) value(e *execution) (Value, error) {
	if err := e.work(1 + len(n.pairs)); err != nil {
		return nil, err
	}
	m := NewMap(len(n.pairs))
	for _, p := range n.pairs {
		k, err := p.key.value(e)
		if err != nil {
			return nil, err
		}
		v, err := p.value.value(e)
		if err != nil {
			return nil, err
		}
		m.Put(k, v)
	}
	return m, nil
}

// rangeNode is [1..3], a list of Integers that may also run down.
type rangeNode struct {
	from, to expr
	literal  string
	pos      int
}

func (n *rangeNode) truth(*execution) (bool, error) { return false, nil }
func (n *rangeNode) source() string                 { return n.literal }

func (n *rangeNode) value(e *execution) (Value, error) {
	l, r, err := both(e, n.from, n.to)
	if err != nil || !isNumber(l) || !isNumber(r) {
		return nil, err
	}
	from, to := toInt32(l), toInt32(r)
	size := max(int64(from)-int64(to), int64(to)-int64(from)) + 1
	if size > maxWork {
		return nil, e.fail(n.pos, ErrWork)
	}
	if err := e.work(int(size)); err != nil {
		return nil, e.fail(n.pos, err)
	}
	items := make([]Value, size)
	step := int32(1)
	if from >= to {
		step = -1
	}
	for i, v := 0, from; i < len(items); i, v = i+1, v+step {
		items[i] = boxInt(int(v))
	}
	return &List{items: items}, nil
}

// text is what a value prints; null is "null", as within a list.
func (e *execution) text(v Value, pos int) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *definition:
		t, err := v.text(e)
		if s, ok := t.(string); ok || err != nil {
			return s, err
		}
		return "null", nil
	}
	b, err := e.appendText(nil, v, 0)
	if err != nil {
		return "", e.fail(pos, err)
	}
	return string(b), e.workFor(string(b))
}

// maybeText is what a value prints, or nil where toString is null.
func (e *execution) maybeText(v Value) (Value, error) {
	if d, ok := v.(*definition); ok {
		return d.text(e)
	}
	return e.text(v, 0)
}

// located gives an error that no part of the template took for its own a place.
func located(err error) error {
	var done *ExecutionError
	if errors.As(err, &done) {
		return err
	}
	return &ExecutionError{Line: 1, Column: 1, Err: fmt.Errorf("executing the template: %w", err)}
}
