package vtl

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
