// Package jsonpath is JSONPath as API Gateway's mapping templates and parameter
// mappings have it, which is that of Jayway's library: a definite path selects one
// value or nothing, an indefinite one (.., *, lists, slices, filters) a list that
// may be empty.
//
// It works on the values of package vtl, as vtl.ParseJSON makes them.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
package jsonpath

import (
	"errors"
	"fmt"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

const (
	// maxPath is the longest path, in bytes.
	maxPath = 8 << 10
	// maxDepth is how deep filters may stand in one another, and how deep .. looks.
	maxDepth = 512
	// maxVisits is how many values one evaluation may look at.
	maxVisits = 1 << 20
)

// ErrWork is what a path comes to that looks at too many values.
var ErrWork = errors.New("the JSONPath expression selects from too many values")

// SyntaxError says where a path is wrong.
type SyntaxError struct {
	Path    string
	At      int // byte of the path, from 0
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("JSONPath %q at %d: %s", e.Path, e.At, e.Message)
}

// Path is a compiled path. It is immutable and may be used by many goroutines.
type Path struct {
	steps    []step
	call     *function // at the end; nil: none
	definite bool
}

// Definite is whether the path selects one value at most.
func (p *Path) Definite() bool { return p.definite }

// Get evaluates the path. A definite path returns the value (which may be null),
// and found is false where there is none; an indefinite one always finds a list.
// The error is ErrWork.
func (p *Path) Get(root vtl.Value) (v vtl.Value, found bool, err error) {
	s := &selection{root: root, left: maxVisits}
	return s.get(p, root)
}

// selection is one evaluation.
type selection struct {
	root vtl.Value
	left int
}

func (s *selection) visit(n int) error {
	s.left -= n
	if s.left < 0 {
		return ErrWork
	}
	return nil
}

func (s *selection) get(p *Path, from vtl.Value) (vtl.Value, bool, error) {
	if p.definite {
		v, ok, err := s.one(p.steps, from)
		if err != nil || !ok || p.call == nil {
			return v, ok, err
		}
		v, err = p.call.apply(s, v)
		return v, v != nil, err
	}
	var all []vtl.Value
	err := s.walk(p.steps, from, func(v vtl.Value) error {
		if p.call != nil {
			var err error
			if v, err = p.call.apply(s, v); err != nil || v == nil {
				return err
			}
		}
		all = append(all, v)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	if p.call != nil {
		if len(all) == 0 {
			return nil, false, nil
		}
		return all[len(all)-1], true, nil
	}
	return vtl.NewArray(all...), true, nil
}

// one follows a definite path, without collecting.
func (s *selection) one(steps []step, v vtl.Value) (vtl.Value, bool, error) {
	for _, st := range steps {
		if err := s.visit(1); err != nil {
			return nil, false, err
		}
		ok := false
		switch st.kind {
		case property:
			v, ok = child(v, st.names[0])
		case merge:
			v, ok = pick(v, st.names)
		case index:
			v, ok = element(v, st.indexes[0])
		}
		if !ok {
			return nil, false, nil
		}
	}
	return v, true, nil
}

func child(v vtl.Value, name string) (vtl.Value, bool) {
	m, ok := v.(*vtl.Map)
	if !ok {
		return nil, false
	}
	return m.Lookup(name)
}

// pick is an object of some of another's properties.
func pick(v vtl.Value, names []string) (vtl.Value, bool) {
	m, ok := v.(*vtl.Map)
	if !ok {
		return nil, false
	}
	out := vtl.NewMap(len(names))
	for _, n := range names {
		if v, ok := m.Lookup(n); ok {
			out.Put(n, v)
		}
	}
	return out, true
}

// element is the i-th of an array; a negative i counts from the end.
func element(v vtl.Value, i int) (vtl.Value, bool) {
	l, ok := v.(*vtl.List)
	if !ok {
		return nil, false
	}
	if i < 0 {
		i += l.Len()
	}
	if i < 0 || i >= l.Len() {
		return nil, false
	}
	return l.At(i), true
}

// walk calls found for each value that the steps lead to.
func (s *selection) walk(steps []step, v vtl.Value, found func(vtl.Value) error) error {
	if err := s.visit(1); err != nil {
		return err
	}
	if len(steps) == 0 {
		return found(v)
	}
	st, rest := steps[0], steps[1:]
	next := func(v vtl.Value) error { return s.walk(rest, v, found) }
	switch st.kind {
	case scan:
		return s.scan(rest, v, found, 0)
	case wildcard:
		return each(v, next)
	case property:
		for _, n := range st.names {
			if v, ok := child(v, n); ok {
				if err := next(v); err != nil {
					return err
				}
			}
		}
	case merge:
		if v, ok := pick(v, st.names); ok {
			return next(v)
		}
	case index:
		for _, i := range st.indexes {
			if v, ok := element(v, i); ok {
				if err := next(v); err != nil {
					return err
				}
			}
		}
	case slice:
		return st.slice.each(v, next)
	case filter:
		return s.filter(st.filter, v, next)
	}
	return nil
}

// each goes through an object's or an array's values.
func each(v vtl.Value, next func(vtl.Value) error) error {
	switch v := v.(type) {
	case *vtl.Map:
		for i := range v.Len() {
			if err := next(v.Entry(i).Value); err != nil {
				return err
			}
		}
	case *vtl.List:
		for i := range v.Len() {
			if err := next(v.At(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan applies the steps to a value and to all below it, outer ones first.
func (s *selection) scan(steps []step, v vtl.Value, found func(vtl.Value) error, depth int) error {
	if depth > maxDepth {
		return ErrWork
	}
	if err := s.visit(1); err != nil {
		return err
	}
	if err := s.walk(steps, v, found); err != nil {
		return err
	}
	return each(v, func(v vtl.Value) error {
		switch v.(type) {
		case *vtl.Map, *vtl.List:
			return s.scan(steps, v, found, depth+1)
		}
		return nil
	})
}

// filter tests an array's elements, or an object itself.
func (s *selection) filter(f condition, v vtl.Value, next func(vtl.Value) error) error {
	test := func(v vtl.Value) error {
		if err := s.visit(1); err != nil {
			return err
		}
		ok, err := f.holds(s, v)
		if err != nil || !ok {
			return err
		}
		return next(v)
	}
	switch v := v.(type) {
	case *vtl.Map:
		return test(v)
	case *vtl.List:
		return each(v, test)
	}
	return nil
}

// bounds is [from:to:by]; absent ends are nil.
type bounds struct {
	from, to *int
	by       int
}

func (b *bounds) each(v vtl.Value, next func(vtl.Value) error) error {
	l, ok := v.(*vtl.List)
	if !ok {
		return nil
	}
	n := l.Len()
	at := func(end *int, otherwise int) int {
		if end == nil {
			return otherwise
		}
		i := *end
		if i < 0 {
			i += n
		}
		return min(max(i, 0), n)
	}
	for i, to := at(b.from, 0), at(b.to, n); i < to; i += b.by {
		if err := next(l.At(i)); err != nil {
			return err
		}
	}
	return nil
}
