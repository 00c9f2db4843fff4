package vtl

import "errors"

// node is a piece of a template that prints.
type node interface {
	render(e *execution) error
}

// expr is a piece of a template with a value.
type expr interface {
	// value is the value, nil for null.
	value(e *execution) (Value, error)
	// truth is what #if makes of it, which is not what it makes of the value: of
	// literals and of calculations it is false.
	truth(e *execution) (bool, error)
	// source is its text, which Velocity prints in places for null.
	source() string
}

// text prints itself.
type text string

func (t text) render(e *execution) error { return e.out.write(string(t)) }

// block is a sequence of nodes.
type block struct{ nodes []node }

// add appends a node; text next to text becomes one.
func (b *block) add(n node) {
	t, ok := n.(text)
	if ok && t == "" {
		return
	}
	if ok && len(b.nodes) > 0 {
		if before, ok := b.nodes[len(b.nodes)-1].(text); ok {
			b.nodes[len(b.nodes)-1] = before + t
			return
		}
	}
	b.nodes = append(b.nodes, n)
}

func (b *block) render(e *execution) error {
	for _, n := range b.nodes {
		if err := e.work(1); err != nil {
			return err
		}
		if err := n.render(e); err != nil {
			return err
		}
	}
	return nil
}

type branch struct {
	when expr // nil: #else
	body *block
}

type ifNode struct{ branches []branch }

func (n *ifNode) render(e *execution) error {
	for _, b := range n.branches {
		if b.when != nil {
			ok, err := b.when.truth(e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		return b.body.render(e)
	}
	return nil
}

// setNode assigns; null is not assigned, as Velocity's default has it.
type setNode struct {
	left  *reference
	right expr
	pos   int
}

func (n *setNode) render(e *execution) error {
	v, err := n.right.value(e)
	if err != nil || v == nil {
		return err
	}
	return n.left.assign(e, v)
}

type foreachNode struct {
	slot int
	in   expr
	body *block
	pos  int
	// Places of $foreach, $velocityCount and $velocityHasNext; -1: the template
	// names none.
	scope, count, hasNext int
}

// loop is what $foreach is within a loop.
type loop struct {
	of       *foreachNode
	parent   *loop
	replaced Value
	index    int
	hasNext  bool
	storage  *Map
}

func (n *foreachNode) render(e *execution) error {
	v, err := n.in.value(e)
	if err != nil || v == nil {
		return err
	}
	items, ok := elements(v)
	if !ok {
		return nil
	}
	if e.t.mode == APIGateway && len(items) > MaxLoops {
		items = items[:MaxLoops]
	}
	return n.run(e, v, items)
}

func (n *foreachNode) run(e *execution, of Value, items []Value) error {
	saved, err := e.get(n.slot)
	if err != nil {
		return err
	}
	var savedCount, savedNext Value
	if n.count >= 0 {
		if savedCount, err = e.get(n.count); err != nil {
			return err
		}
	}
	if n.hasNext >= 0 {
		if savedNext, err = e.get(n.hasNext); err != nil {
			return err
		}
	}
	var scope *loop
	if n.scope >= 0 {
		before, err := e.get(n.scope)
		if err != nil {
			return err
		}
		scope = &loop{of: n, index: -1}
		if outer, ok := before.(*loop); ok {
			scope.parent = outer
		} else {
			scope.replaced = before
		}
		e.put(n.scope, scope)
	}
	it, walked := of.(*Iterator)
	watch := watchFor(of)
	first := 0
	if walked {
		first = it.next
	}
	for i, item := range items {
		var ended bool
		if ended, err = watch.changed(first + i); ended || err != nil {
			if err != nil {
				err = e.fail(n.pos, err)
			}
			break
		}
		if walked {
			it.next++
		}
		item = watch.now(first+i, item)
		more := i+1 < len(items)
		if n.count >= 0 {
			e.put(n.count, boxInt(i+1))
		}
		if n.hasNext >= 0 {
			e.put(n.hasNext, more)
		}
		e.put(n.slot, item)
		if scope != nil {
			scope.index++
			scope.hasNext = more
		}
		if err = e.work(1); err != nil {
			break
		}
		if err = n.once(e, item); err != nil {
			break
		}
	}
	if s := stopped(err); s != nil && s.endsAt(n) {
		err = nil
	} else if err != nil && s == nil {
		return err
	}
	e.restore(n.slot, saved)
	if n.count >= 0 {
		e.restore(n.count, savedCount)
	}
	if n.hasNext >= 0 {
		e.restore(n.hasNext, savedNext)
	}
	if n.scope >= 0 {
		n.leave(e)
	}
	return err
}

// watcher notices that what a loop goes through grew or shrank, as Java does.
type watcher struct {
	list   *List
	m      *Map
	values bool // of m, not its keys or entries
	was    int
}

func watchFor(of Value) watcher {
	switch of := of.(type) {
	case *List:
		if of.of != nil {
			return watcher{m: of.of.m, values: of.kind == collection, was: of.of.m.mods}
		}
		return watcher{list: of, was: of.Len()}
	case *Map:
		return watcher{m: of, values: true, was: of.mods}
	case *Iterator:
		return of.watch
	}
	return watcher{}
}

// changed is asked before the i-th element. A list that a change leaves just there
// has ended.
func (w watcher) changed(i int) (ended bool, err error) {
	switch {
	case w.m != nil && w.m.mods != w.was:
		return false, errChangedList
	case w.list != nil && w.list.Len() != w.was:
		if w.list.Len() == i {
			return true, nil
		}
		return false, errChangedList
	}
	return false, nil
}

// now is the i-th element as it is by now: a map's value may have been replaced.
func (w watcher) now(i int, item Value) Value {
	switch {
	case w.values && w.m != nil && i < len(w.m.entries):
		return w.m.entries[i].Value
	case w.list != nil && i < len(w.list.items):
		return w.list.items[i]
	}
	return item
}

// once renders the body for an element. Null hides a variable of the same name.
func (n *foreachNode) once(e *execution, item Value) error {
	if item != nil {
		return n.body.render(e)
	}
	outer := e.frame
	e.frame = &frame{parent: outer, loop: true, null: n.slot, active: true}
	err := n.body.render(e)
	e.frame = outer
	return err
}

// leave puts back what $foreach was.
func (n *foreachNode) leave(e *execution) {
	v, err := e.get(n.scope)
	l, ok := v.(*loop)
	if err != nil || !ok {
		return
	}
	switch {
	case l.parent != nil:
		e.put(n.scope, l.parent)
	case l.replaced != nil:
		e.put(n.scope, l.replaced)
	default:
		e.remove(n.scope)
	}
}

// stopSignal ends what it is for: the nearest block, one loop, or all.
type stopSignal struct {
	nearest bool
	loop    *foreachNode
}

func (s *stopSignal) Error() string { return "stopped" }

// endsAt is whether a loop is what it ends; nil stands for another kind of block.
func (s *stopSignal) endsAt(n *foreachNode) bool {
	return s.nearest || n != nil && s.loop == n
}

// stopped is the signal that err is, or nil.
func stopped(err error) *stopSignal {
	var s *stopSignal
	if err != nil && errors.As(err, &s) {
		return s
	}
	return nil
}

var (
	stopAll     = &stopSignal{}
	stopNearest = &stopSignal{nearest: true}
)

type stopNode struct {
	all bool
	arg expr // of #break, a scope; of #stop, a message
	pos int
}

func (n *stopNode) render(e *execution) error {
	if n.arg == nil {
		if n.all {
			return stopAll
		}
		return stopNearest
	}
	v, err := n.arg.value(e)
	if err != nil {
		return err
	}
	if n.all {
		return stopAll
	}
	l, ok := v.(*loop)
	if !ok {
		return e.fail(n.pos, errNoScope)
	}
	return &stopSignal{loop: l.of}
}

// defineNode gives a block a name.
type defineNode struct {
	slot int
	name string
	body *block
}

// definition is a block that renders where it is printed.
type definition struct {
	body     *block
	frame    *frame // where it was defined
	depth    int
	maxDepth int
}

func (n *defineNode) render(e *execution) error {
	e.put(n.slot, &definition{body: n.body, frame: e.frame, maxDepth: maxDefineDepth})
	return nil
}

// print renders the block; false: it stands too often within itself.
func (d *definition) print(e *execution) (bool, error) {
	if d.depth >= d.maxDepth {
		return false, nil
	}
	if err := e.enter(); err != nil {
		return false, err
	}
	d.depth++
	err := d.body.render(e)
	d.depth--
	e.nesting--
	if s := stopped(err); s != nil && s.endsAt(nil) {
		err = nil
	}
	return true, err
}

// text renders the block to a string; nil: it stands too often within itself.
func (d *definition) text(e *execution) (Value, error) {
	here, out := e.frame, e.out
	e.frame, e.out = d.frame, e.buffer()
	ok, err := d.print(e)
	s := e.out.take()
	e.frame, e.out = here, out
	if err != nil || !ok {
		return nil, err
	}
	return s, e.workFor(s)
}

// evaluateNode renders a string as a template.
type evaluateNode struct {
	arg expr
	pos int
}

func (n *evaluateNode) render(e *execution) error {
	v, err := n.arg.value(e)
	if err != nil {
		return err
	}
	src := ""
	if v != nil {
		if src, err = e.text(v, n.pos); err != nil {
			return err
		}
	}
	if err := e.work(len(src)/8 + 1); err != nil {
		return err
	}
	body, err := e.compile(src)
	if err != nil {
		return e.fail(n.pos, err)
	}
	if err := e.enter(); err != nil {
		return err
	}
	err = body.render(e)
	e.nesting--
	if s := stopped(err); s != nil && s.loop == nil {
		err = nil
	}
	return err
}

// macro is a #macro.
type macro struct {
	name   string
	params []parameter
	body   *block
}

type parameter struct {
	name    string
	slot    int
	literal int // the place of what the argument reads like, plus 1; 0: not asked for
}

type macroCall struct {
	name     string
	args     []expr
	badWord  string // an argument that is no value; "": none
	body     *block // of #@name(…); nil: none
	bodySlot int
	literal  string // what is printed where there is no such macro
	pos      int
}

func (n *macroCall) render(e *execution) error {
	m := e.macro(n.name)
	if m == nil {
		return e.out.write(n.literal)
	}
	if n.badWord != "" {
		return e.fail(n.pos, errBadArgument(n.badWord, n.name))
	}
	f := &frame{parent: e.frame}
	for i, p := range m.params {
		if i >= len(n.args) {
			break
		}
		f.bind(p, n.args[i])
	}
	if n.body != nil {
		f.set(n.bodySlot, &definition{body: n.body, frame: e.frame, maxDepth: maxMacroDepth})
	}
	if e.macroDepth == maxMacroDepth {
		return e.fail(n.pos, errMacroDepth(n.name))
	}
	if err := e.enter(); err != nil {
		return err
	}
	e.macroDepth++
	outer := e.frame
	e.frame = f
	err := m.body.render(e)
	e.frame = outer
	e.nesting--
	if err == nil {
		// Velocity counts a macro that #break left as entered for good.
		e.macroDepth--
	}
	if s := stopped(err); s != nil && s.endsAt(nil) {
		err = nil
	}
	return err
}
