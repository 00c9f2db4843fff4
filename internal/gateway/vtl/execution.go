package vtl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

var (
	errChangedList = errors.New("the list changed while #foreach went through it")
	errNoScope     = errors.New("#break takes the scope of a loop, such as $foreach")
)

func errBadArgument(word, macro string) error {
	return fmt.Errorf("invalid argument %q of macro #%s", word, macro)
}

func errMacroDepth(macro string) error {
	return fmt.Errorf("macro #%s calls itself over %d deep: %w", macro, maxMacroDepth, ErrDepth)
}

// execution is one run of a template.
type execution struct {
	ctx   context.Context
	t     *Template
	vars  []Value // by slot
	given Variables
	frame *frame // the innermost macro's; nil: none
	out   *output

	left       int // work that may still be done
	untilCheck int // work until the context is asked
	macroDepth int
	nesting    int

	// What #evaluate added.
	names  []string
	slots  map[string]int
	macros map[string]*macro

	root output
}

// checkEvery is how much work is done between two looks at the context.
const checkEvery = 4096

var executions = sync.Pool{New: func() any { return new(execution) }}

func newExecution(ctx context.Context, t *Template, vars Variables) *execution {
	e := executions.Get().(*execution)
	e.ctx, e.t, e.given, e.left, e.untilCheck = ctx, t, vars, maxWork, checkEvery
	if cap(e.vars) < len(t.names) {
		e.vars = make([]Value, len(t.names))
	}
	e.vars = e.vars[:len(t.names)]
	for i, name := range t.names {
		if v, ok := vars[name]; ok {
			e.vars[i] = v
		}
	}
	e.root.budget = MaxOutput
	e.out = &e.root
	return e
}

// release gives the execution back for another one.
func (e *execution) release() {
	vars, buf := e.vars[:cap(e.vars)], e.root.buf[:0]
	clear(vars)
	if cap(buf) > 2*flushAt {
		buf = nil
	}
	*e = execution{vars: vars[:0]}
	e.root.buf = buf
	executions.Put(e)
}

// fail notes where an error came up first.
func (e *execution) fail(pos int, err error) error {
	var done *ExecutionError
	if errors.As(err, &done) || stopped(err) != nil {
		return err
	}
	line, column := position(e.t.source, pos)
	return &ExecutionError{Line: line, Column: column, Err: err}
}

// work takes n units off what may be done.
func (e *execution) work(n int) error {
	e.left -= n
	if e.left < 0 {
		return ErrWork
	}
	e.untilCheck -= n
	if e.untilCheck < 0 {
		e.untilCheck = checkEvery
		return e.ctx.Err()
	}
	return nil
}

// workFor takes off what it costs to make a text.
func (e *execution) workFor(s string) error {
	if len(s) > MaxOutput {
		return ErrOutput
	}
	return e.work(len(s) / 64)
}

// enter goes into a block within a block.
func (e *execution) enter() error {
	if e.nesting >= maxNesting {
		return ErrDepth
	}
	e.nesting++
	return nil
}

// macro finds a macro by name.
func (e *execution) macro(name string) *macro {
	if m, ok := e.t.macros[name]; ok {
		return m
	}
	return e.macros[name]
}

// compile compiles what #evaluate was given, with the template's variables.
func (e *execution) compile(src string) (*block, error) {
	if len(src) > MaxSource {
		return nil, fmt.Errorf("the template is longer than %d bytes", MaxSource)
	}
	if e.slots == nil {
		e.slots = make(map[string]int, len(e.t.slots))
		for name, i := range e.t.slots {
			e.slots[name] = i
		}
		e.names = append([]string(nil), e.t.names...)
		e.macros = make(map[string]*macro, len(e.t.macros))
		for name, m := range e.t.macros {
			e.macros[name] = m
		}
	}
	c := &compiler{mode: e.t.mode, slots: e.slots, names: e.names, macros: e.macros}
	b, err := c.parse(src)
	if err != nil {
		return nil, err
	}
	for _, n := range c.loops {
		n.scope, n.count, n.hasNext = c.slot("foreach"), c.slot("velocityCount"), c.slot("velocityHasNext")
	}
	e.names = c.names
	for _, name := range e.names[len(e.vars):] {
		e.vars = append(e.vars, e.given[name])
	}
	return b, nil
}

// frame holds a macro's arguments, and what was assigned since it was called.
type frame struct {
	parent *frame
	local  []binding
	lazy   []lazyArgument
	loop   bool // no macro's, but a loop's over an element that is null
	null   int  // the place of that loop's variable
	active bool // the variable reads as null, whatever was assigned to it
}

type binding struct {
	slot  int
	value Value
}

// lazyArgument is an argument that is worked out each time it is asked for.
type lazyArgument struct {
	slot int
	arg  expr
}

// bind gives a parameter its argument.
func (f *frame) bind(p parameter, arg expr) {
	if c, ok := arg.(*constant); ok && !c.text {
		f.set(p.slot, c.is)
		return
	}
	f.lazy = append(f.lazy, lazyArgument{p.slot, arg})
	if p.literal > 0 {
		f.set(p.literal-1, arg.source())
	}
}

func (f *frame) set(slot int, v Value) {
	for i := range f.local {
		if f.local[i].slot == slot {
			f.local[i].value = v
			return
		}
	}
	f.local = append(f.local, binding{slot, v})
}

// get is a variable's value; nil: it has none.
func (e *execution) get(slot int) (Value, error) {
	if e.frame == nil {
		return e.vars[slot], nil
	}
	return e.getFrom(e.frame, slot)
}

func (e *execution) getFrom(f *frame, slot int) (Value, error) {
	for ; f != nil; f = f.parent {
		if f.loop {
			if f.active && f.null == slot {
				return nil, nil
			}
			continue
		}
		for _, b := range f.local {
			if b.slot == slot && b.value != nil {
				return b.value, nil
			}
		}
		for _, l := range f.lazy {
			if l.slot == slot {
				return e.lazy(f.parent, l.arg)
			}
		}
	}
	return e.vars[slot], nil
}

// lazy works an argument out where the macro was called.
func (e *execution) lazy(f *frame, arg expr) (Value, error) {
	if err := e.work(1); err != nil {
		return nil, err
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	here := e.frame
	e.frame = f
	var v Value
	var err error
	if r, ok := arg.(*reference); ok {
		if len(r.steps) > 0 {
			v, err = r.execute(e)
		} else if !r.runt {
			v, err = e.get(r.slot)
		}
	} else {
		v, err = arg.value(e)
	}
	e.frame = here
	e.nesting--
	return v, err
}

// put assigns a variable, in the macro and outside of it.
func (e *execution) put(slot int, v Value) {
	for f := e.frame; f != nil; f = f.parent {
		if !f.loop {
			f.set(slot, v)
		} else if v == nil && f.null == slot {
			f.active = true
		}
	}
	e.vars[slot] = v
}

// remove forgets a variable, and an argument of its name.
func (e *execution) remove(slot int) {
	for f := e.frame; f != nil; f = f.parent {
		if f.null == slot {
			f.active = false
		}
		for i := range f.local {
			if f.local[i].slot == slot {
				f.local[i].value = nil
			}
		}
		for i := range f.lazy {
			if f.lazy[i].slot == slot {
				f.lazy = append(f.lazy[:i:i], f.lazy[i+1:]...)
				break
			}
		}
	}
	e.vars[slot] = nil
}

// restore puts back what a variable was before a loop.
func (e *execution) restore(slot int, v Value) {
	if v == nil {
		e.remove(slot)
		return
	}
	e.put(slot, v)
}

// output collects what is printed.
type output struct {
	buf    []byte
	sink   io.Writer // nil: a string is being made
	budget int       // bytes that may still be printed
}

// flushAt is how many bytes are collected before they are written.
const flushAt = 32 << 10

func (o *output) write(s string) error {
	o.budget -= len(s)
	if o.budget < 0 {
		return ErrOutput
	}
	o.buf = append(o.buf, s...)
	if o.sink != nil && len(o.buf) >= flushAt {
		return o.flush()
	}
	return nil
}

func (o *output) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	_, err := o.sink.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// take is what was collected, as a string.
func (o *output) take() string {
	s := string(o.buf)
	o.buf = o.buf[:0]
	spare.Put(o)
	return s
}

var spare = sync.Pool{New: func() any { return new(output) }}

// buffer is an output that makes a string.
func (e *execution) buffer() *output {
	o := spare.Get().(*output)
	o.buf, o.budget = o.buf[:0], MaxOutput
	return o
}

// interval of boxed integers that counting does not allocate.
var boxed = func() (b [MaxLoops + 1]Value) {
	for i := range b {
		b[i] = int32(i)
	}
	return b
}()

func boxInt(i int) Value {
	if i >= 0 && i < len(boxed) {
		return boxed[i]
	}
	return int32(i)
}
