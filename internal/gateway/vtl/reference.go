package vtl

import (
	"errors"
	"fmt"
)

// reference is $x and whatever follows it.
type reference struct {
	slot  int
	left  int // the place that #set assigns to
	steps []step
	pos   int

	literal     string // its text, of which null renders
	null        string // what null renders as
	literalSlot int    // the place of a macro argument's text, plus 1; 0: it is none
	prefix      string // backslashes that are left before it
	more        string // other text that was taken with it
	escaped     bool   // \$x
	quiet       bool   // $!x
	runt        bool   // a bare word where a reference may stand: null
	plain       bool   // $\!x, which is text, but undefined by API Gateway's rules
}

// step is a property, a method's call, or an index.
type step interface {
	apply(e *execution, of Value) (Value, error)
}

func (r *reference) source() string { return r.literal }

// execute follows the reference. In API Gateway what is null is the empty string.
func (r *reference) execute(e *execution) (Value, error) {
	if r.runt {
		return nil, nil
	}
	v, err := r.follow(e, len(r.steps))
	if v == nil && err == nil && e.t.mode == APIGateway {
		return "", nil
	}
	return v, err
}

// follow takes the first n steps.
func (r *reference) follow(e *execution, n int) (Value, error) {
	v, err := e.get(r.slot)
	for _, s := range r.steps[:n] {
		if v == nil || err != nil {
			return nil, err
		}
		if err := e.work(1); err != nil {
			return nil, err
		}
		v, err = s.apply(e, v)
	}
	return v, err
}

func (r *reference) value(e *execution) (Value, error) {
	if r.plain {
		return nil, nil
	}
	return r.execute(e)
}

func (r *reference) truth(e *execution) (bool, error) {
	v, err := r.execute(e)
	switch v := v.(type) {
	case nil:
		return false, err
	case bool:
		return v, err
	case *definition:
		t, err := v.text(e)
		return t != nil, err
	}
	return true, err
}

func (r *reference) render(e *execution) error {
	if r.runt {
		return e.out.write(r.null)
	}
	if r.plain && e.t.mode == Velocity {
		return e.out.write(r.null)
	}
	v, err := r.execute(e)
	if err != nil {
		return err
	}
	if r.escaped {
		return r.renderEscaped(e, v)
	}
	if d, ok := v.(*definition); ok {
		if ok, err := d.print(e); ok || err != nil {
			return err
		}
		v = nil
	}
	if v == nil {
		null, err := r.nullText(e)
		if err != nil {
			return err
		}
		return e.out.write(r.prefix + r.prefix + r.more + null)
	}
	if r.prefix != "" || r.more != "" {
		if err := e.out.write(r.prefix + r.more); err != nil {
			return err
		}
	}
	return e.print(v, r.pos)
}

func (r *reference) renderEscaped(e *execution, v Value) error {
	null, err := r.nullText(e)
	if err != nil {
		return err
	}
	if v == nil {
		return e.out.write(r.prefix + `\` + null)
	}
	return e.out.write(r.prefix + null)
}

// nullText is what null renders as: the text of what a macro was called with,
// where the reference is its argument.
func (r *reference) nullText(e *execution) (string, error) {
	if r.literalSlot > 0 {
		v, err := e.get(r.literalSlot - 1)
		if s, ok := v.(string); ok || err != nil {
			return s, err
		}
	}
	return r.null, nil
}

// print writes a value, without a string in between where that can be.
func (e *execution) print(v Value, pos int) error {
	switch v := v.(type) {
	case string:
		return e.out.write(v)
	case Number:
		return e.out.write(string(v))
	case bool:
		if v {
			return e.out.write("true")
		}
		return e.out.write("false")
	}
	s, err := e.text(v, pos)
	if err != nil {
		return err
	}
	return e.out.write(s)
}

// assign is #set. What it cannot assign to stays as it is.
func (r *reference) assign(e *execution, v Value) error {
	if r.runt || r.plain {
		return nil
	}
	if len(r.steps) == 0 {
		e.put(r.left, v)
		return nil
	}
	of, err := r.follow(e, len(r.steps)-1)
	if err != nil || of == nil {
		return err
	}
	switch last := r.steps[len(r.steps)-1].(type) {
	case *index:
		return last.assign(e, of, v)
	case *property:
		return e.setProperty(of, last.name, v, last.pos)
	case *call:
		return e.setProperty(of, last.name, v, last.pos)
	}
	return nil
}

func (e *execution) setProperty(of Value, name string, v Value, pos int) error {
	switch of := of.(type) {
	case *Map:
		of.Put(name, v)
	case *loop:
		of.put(name, v)
	case *Entry:
		if name == "value" {
			of.set(v)
		}
	case Assignable:
		if err := of.SetProperty(name, v); err != nil {
			return e.fail(pos, err)
		}
	}
	return nil
}

// property is .name.
type property struct {
	name string
	pos  int
}

func (n *property) apply(e *execution, of Value) (Value, error) {
	switch of := of.(type) {
	case *Map:
		v, _ := of.Lookup(n.name)
		return v, nil
	case Object:
		v, err := of.Property(n.name)
		if err != nil {
			return nil, e.fail(n.pos, err)
		}
		return v, nil
	case *loop:
		return of.property(n.name), nil
	case *Entry:
		switch n.name {
		case "key":
			return of.Key, nil
		case "value":
			return of.Value, nil
		}
	case *List:
		if n.name == "empty" {
			return len(of.items) == 0, nil
		}
	case string:
		switch n.name {
		case "empty":
			return of == "", nil
		case "blank":
			return isBlankText(of), nil
		}
	}
	return nil, nil
}

// index is [x], which is get(x) and set(x, value) or put(x, value).
type index struct {
	at  expr
	pos int
}

var errNoSize = errors.New("a negative index wants something that has a size")

// key works the index out; a negative Integer counts from the end.
func (n *index) key(e *execution, of Value) (Value, error) {
	k, err := n.at.value(e)
	if err != nil {
		return nil, err
	}
	i, ok := asInteger(k)
	if !ok || i >= 0 {
		return k, nil
	}
	size := 0
	switch of := of.(type) {
	case *List:
		size = len(of.items)
	case *Map:
		size = of.Len()
	case *loop:
		size = of.storage.size()
	default:
		return nil, e.fail(n.pos, errNoSize)
	}
	return int32(size) + i, nil
}

// asInteger is an Integer's value.
func asInteger(v Value) (int32, bool) {
	switch v := v.(type) {
	case int32:
		return v, true
	case Number:
		i, ok := v.java().(int32)
		return i, ok
	}
	return 0, false
}

func (n *index) apply(e *execution, of Value) (Value, error) {
	k, err := n.key(e, of)
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *Map:
		return of.Get(k), nil
	case *List:
		i, ok := asInteger(k)
		if !ok || !of.indexed() {
			return nil, nil
		}
		if i < 0 || int(i) >= len(of.items) {
			return nil, e.fail(n.pos, outOfBounds(int(i), len(of.items)))
		}
		return of.items[i], nil
	case *loop:
		return of.get(k), nil
	case Object:
		v, _, err := of.Call("get", []Value{k})
		if err != nil {
			return nil, e.fail(n.pos, err)
		}
		return v, nil
	}
	return nil, nil
}

func outOfBounds(i, n int) error { return fmt.Errorf("index %d is out of bounds for length %d", i, n) }

func (n *index) assign(e *execution, of, v Value) error {
	k, err := n.key(e, of)
	if err != nil {
		return err
	}
	switch of := of.(type) {
	case *Map:
		of.Put(k, v)
	case *List:
		i, ok := asInteger(k)
		if !ok || !of.indexed() {
			return nil
		}
		if i < 0 || int(i) >= len(of.items) {
			return e.fail(n.pos, outOfBounds(int(i), len(of.items)))
		}
		of.items[i] = v
	case *loop:
		of.put(k, v)
	case Assignable:
		if s, ok := k.(string); ok {
			if err := of.SetProperty(s, v); err != nil {
				return e.fail(n.pos, err)
			}
		}
	}
	return nil
}

// call is .name(args).
type call struct {
	name string
	args []expr
	pos  int
}

func (n *call) apply(e *execution, of Value) (Value, error) {
	var few [4]Value
	args := few[:0:len(few)]
	if _, host := of.(Object); host || len(n.args) > len(few) {
		args = make([]Value, 0, len(n.args))
	}
	for _, a := range n.args {
		v, err := a.value(e)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	v, err := e.invoke(of, n.name, args)
	if err == nil {
		return v, nil
	}
	if stopped(err) == nil {
		err = e.fail(n.pos, fmt.Errorf("%s: %w", n.name, err))
	}
	return nil, err
}

// property of a loop's scope: what it counts, or what was put into it.
func (l *loop) property(name string) Value {
	switch name {
	case "index":
		return boxInt(max(l.index, 0))
	case "count":
		return boxInt(l.index + 1)
	case "hasNext":
		return l.hasNext
	case "first":
		return l.index < 1
	case "last":
		return !l.hasNext
	case "parent":
		if l.parent == nil {
			return nil
		}
		return l.parent
	case "topmost":
		return l.topmost()
	case "replaced":
		for ; l != nil; l = l.parent {
			if l.replaced != nil {
				return l.replaced
			}
		}
		return nil
	case "empty":
		return l.storage.size() == 0
	}
	return l.get(name)
}

func (l *loop) topmost() *loop {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

func (l *loop) get(k Value) Value {
	for ; l != nil; l = l.parent {
		if l.storage != nil && l.storage.find(k) >= 0 {
			return l.storage.Get(k)
		}
	}
	return nil
}

func (l *loop) put(k, v Value) Value {
	if l.storage == nil {
		l.storage = NewMap(1)
	}
	return l.storage.Put(k, v)
}

func (m *Map) size() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

func (en *Entry) set(v Value) Value {
	before := en.Value
	en.Value = v
	if en.in != nil {
		en.in.version++
	}
	return before
}
