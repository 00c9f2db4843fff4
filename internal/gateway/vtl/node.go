package vtl

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
