package validate

import (
	"fmt"
	"reflect"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// A node is what there is to check about a shape as one Go type holds it.
type node struct {
	svc       *schema.Service
	shape     *schema.Shape
	typ       reflect.Type // never a pointer, but for what holds a nil itself
	sensitive bool         // the shape, or anything within it, must not be shown
	checked   bool         // there is anything to check here or below

	fields []field // structures and unions: those that have anything to check
	key    *node   // maps: nil where keys have nothing to check
	elem   *node   // lists and maps: nil where elements have nothing to check
	// elemShape and keyShape are there even where elem and key are not.
	elemShape, keyShape *schema.Shape
	// pointers: elements are pointers, of which nil is a violation.
	pointers bool

	re      atomic.Pointer[regexp.Regexp]
	scratch sync.Pool // of *mapScratch
}

type field struct {
	index    int
	member   *schema.Member
	shape    *schema.Shape
	required bool
	node     *node // nil: only required
}

// mapScratch is what iterating a map without allocating takes.
type mapScratch struct {
	iter     reflect.MapIter
	key, val reflect.Value
}

// plans holds a *servicePlans for each *schema.Service.
var plans sync.Map

type servicePlans struct {
	mu    sync.Mutex
	nodes map[nodeKey]*node
	// roots are lists, one a shape, of the nodes of the types it is checked as:
	// one type, outside of tests.
	roots []atomic.Pointer[root]
}

type nodeKey struct {
	id  schema.ShapeID
	typ reflect.Type
}

type root struct {
	typ  reflect.Type
	node *node
	next *root
}

// planFor returns the node of a shape held by typ.
func planFor(svc *schema.Service, id schema.ShapeID, typ reflect.Type) *node {
	p, ok := plans.Load(svc)
	if !ok {
		p, _ = plans.LoadOrStore(svc, &servicePlans{nodes: map[nodeKey]*node{}, roots: make([]atomic.Pointer[root], len(svc.Shapes))})
	}
	sp := p.(*servicePlans)
	for r := sp.roots[id].Load(); r != nil; r = r.next {
		if r.typ == typ {
			return r.node
		}
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	n := sp.compile(svc, id, typ)
	sp.roots[id].Store(&root{typ: typ, node: n, next: sp.roots[id].Load()})
	return n
}

// compile makes the node and all that it reaches. The nodes of the service
// that are there already are complete and stay as they are.
func (sp *servicePlans) compile(svc *schema.Service, id schema.ShapeID, typ reflect.Type) *node {
	c := compiler{svc: svc, nodes: sp.nodes}
	n := c.node(id, typ)
	// What is below decides what is above, in circles where shapes are
	// recursive: repeat until nothing changes.
	for changed := true; changed; {
		changed = false
		for _, n := range c.made {
			if checked, sensitive := n.derive(); checked != n.checked || sensitive != n.sensitive {
				n.checked, n.sensitive, changed = checked, sensitive, true
			}
		}
	}
	for _, n := range c.made {
		n.prune()
	}
	return n
}

type compiler struct {
	svc   *schema.Service
	nodes map[nodeKey]*node
	made  []*node
}

func (c *compiler) node(id schema.ShapeID, typ reflect.Type) *node {
	s := c.svc.Shape(id)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if n, ok := c.nodes[nodeKey{id, typ}]; ok {
		return n
	}
	n := &node{svc: c.svc, shape: s, typ: typ}
	n.scratch.New = n.newScratch
	c.nodes[nodeKey{id, typ}] = n
	c.made = append(c.made, n)
	switch s.Kind {
	case schema.KindList:
		c.expect(s, typ, reflect.Slice)
		n.elemShape = c.svc.Shape(s.Members[0].Target)
		n.elem = c.node(s.Members[0].Target, typ.Elem())
		n.pointers = typ.Elem().Kind() == reflect.Pointer && !s.Traits.Has(schema.Sparse)
	case schema.KindMap:
		c.expect(s, typ, reflect.Map)
		n.keyShape = c.svc.Shape(s.Members[0].Target)
		n.key = c.node(s.Members[0].Target, typ.Key())
		n.elemShape = c.svc.Shape(s.Members[1].Target)
		n.elem = c.node(s.Members[1].Target, typ.Elem())
		n.pointers = typ.Elem().Kind() == reflect.Pointer && !s.Traits.Has(schema.Sparse)
	case schema.KindStructure, schema.KindUnion:
		if s.Traits.Has(schema.EventStream) {
			break // a function or a reader by now: nothing to look into
		}
		c.expect(s, typ, reflect.Struct)
		for i := range s.Members {
			m := &s.Members[i]
			f := field{index: i, member: m, shape: c.svc.Shape(m.Target), required: m.Traits.Has(schema.Required)}
			if m.Traits&(schema.Streaming|schema.Unchecked) == 0 {
				f.node = c.node(m.Target, typ.Field(i).Type)
			}
			n.fields = append(n.fields, f)
		}
	}
	return n
}

func (c *compiler) expect(s *schema.Shape, typ reflect.Type, k reflect.Kind) {
	if typ.Kind() != k || k == reflect.Struct && typ.NumField() < len(s.Members) {
		panic(fmt.Sprintf("validate: %s of %s is held by %s", s.Name, c.svc.ID, typ))
	}
}

// derive says what checked and sensitive are, given those of the nodes below.
func (n *node) derive() (checked, sensitive bool) {
	checked = n.shape.Enum != nil || n.shape.Constraint != nil || n.pointers
	sensitive = n.shape.Traits.Has(schema.Sensitive)
	for _, f := range n.fields {
		checked = checked || f.required
		sensitive = sensitive || f.shape.Traits.Has(schema.Sensitive)
		if f.node != nil {
			checked = checked || f.node.checked
			sensitive = sensitive || f.node.sensitive
		}
	}
	for _, below := range []*node{n.key, n.elem} {
		if below != nil {
			checked = checked || below.checked
			sensitive = sensitive || below.sensitive
		}
	}
	return checked, sensitive
}

// prune forgets the nodes below that have nothing to check.
func (n *node) prune() {
	kept := n.fields[:0]
	for _, f := range n.fields {
		if f.node != nil && !f.node.checked {
			f.node = nil
		}
		if f.node != nil || f.required {
			kept = append(kept, f)
		}
	}
	n.fields = kept
	if n.key != nil && !n.key.checked {
		n.key = nil
	}
	if n.elem != nil && !n.elem.checked {
		n.elem = nil
	}
}

func (n *node) newScratch() any {
	return &mapScratch{key: reflect.New(n.typ.Key()).Elem(), val: reflect.New(n.typ.Elem()).Elem()}
}

// regexps holds every compiled expression: many shapes share theirs.
var regexps sync.Map

// pattern is the shape's expression, compiled when it is first asked for:
// most of a model's never are.
func (n *node) pattern() *regexp.Regexp {
	if re := n.re.Load(); re != nil {
		return re
	}
	src := n.shape.Constraint.Regexp
	re, ok := regexps.Load(src)
	if !ok {
		re, _ = regexps.LoadOrStore(src, regexp.MustCompile(src))
	}
	n.re.Store(re.(*regexp.Regexp))
	return re.(*regexp.Regexp)
}
