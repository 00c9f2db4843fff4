package vtl

import "errors"

// foreachNode goes through a list, a map's values or an iterator.
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
