package jsonpath

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// function is what a path may end with, such as .length().
type function struct {
	name string
	args []operand
}

var functions = []string{"length", "size", "min", "max", "avg", "sum", "stddev", "keys", "first", "last", "index", "concat", "append"}

// function parses the arguments of a function: literals and paths.
func (p *parser) function(name string) (*function, error) {
	if !slices.Contains(functions, name) {
		return nil, p.fail("there is no function " + strconv.Quote(name))
	}
	p.nested++
	defer func() { p.nested-- }()
	if p.nested > 64 {
		return nil, p.fail("functions are nested too deeply")
	}
	p.pos++
	f := &function{name: name}
	inside := p.inside
	p.inside = true
	defer func() { p.inside = inside }()
	for p.space(); !p.accept(")"); p.space() {
		if len(f.args) > 0 && !p.accept(",") {
			return nil, p.fail("expected , or )")
		}
		p.space()
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		if o.regex != nil {
			return nil, p.fail("a function takes no regular expression")
		}
		f.args = append(f.args, o)
	}
	if name == "index" && len(f.args) != 1 {
		return nil, p.fail("index takes one argument")
	}
	return f, nil
}

// apply is the function of a value; nil: it has none.
func (f *function) apply(s *selection, v vtl.Value) (vtl.Value, error) {
	if err := s.visit(1 + weight(v)); err != nil {
		return nil, err
	}
	args := make([]vtl.Value, 0, len(f.args))
	for _, a := range f.args {
		got, ok, err := a.value(s, v)
		if err != nil {
			return nil, err
		}
		if ok {
			args = append(args, got)
		}
	}
	list, _ := v.(*vtl.List)
	switch f.name {
	case "length", "size":
		if len(args) > 0 {
			v = args[0]
		}
		if _, text := v.(string); text {
			return nil, nil
		}
		n, ok := size(v)
		if !ok {
			return nil, nil
		}
		return int32(n), nil
	case "keys":
		return keys(v), nil
	case "concat":
		return f.concat(s, list, args)
	case "append":
		if list == nil {
			return nil, nil
		}
		return vtl.NewArray(append(items(list), args...)...), nil
	case "first", "last", "index":
		return f.pick(list, args), nil
	}
	return statistic(f.name, numbers(list, args)), s.visit(len(args))
}

// weight is how much there is of a value, at its first level.
func weight(v vtl.Value) int {
	switch v := v.(type) {
	case string:
		return len(v) / 64
	case *vtl.List:
		return v.Len()
	case *vtl.Map:
		return v.Len()
	}
	return 0
}

func keys(v vtl.Value) vtl.Value {
	m, ok := v.(*vtl.Map)
	if !ok {
		return nil
	}
	out := vtl.NewArray()
	for i := range m.Len() {
		out.Append(m.Entry(i).Key)
	}
	return out
}

func items(l *vtl.List) []vtl.Value {
	out := make([]vtl.Value, l.Len())
	for i := range out {
		out[i] = l.At(i)
	}
	return out
}

// concat joins the strings of a list and of the arguments.
func (f *function) concat(s *selection, list *vtl.List, args []vtl.Value) (vtl.Value, error) {
	var b strings.Builder
	if list != nil {
		for _, v := range items(list) {
			if t, ok := v.(string); ok {
				b.WriteString(t)
			}
		}
	}
	for _, v := range args {
		t, ok := textOf(v)
		if !ok {
			continue
		}
		b.WriteString(t)
	}
	return b.String(), s.visit(b.Len() / 64)
}

func (f *function) pick(list *vtl.List, args []vtl.Value) vtl.Value {
	if list == nil {
		return nil
	}
	i := 0
	switch f.name {
	case "last":
		i = -1
	case "index":
		if len(args) == 0 {
			return nil
		}
		text, _ := textOf(args[0])
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil
		}
		i = n
	}
	v, _ := element(list, i)
	return v
}

func numbers(list *vtl.List, args []vtl.Value) []float64 {
	all := args
	if list != nil {
		all = append(items(list), args...)
	}
	var out []float64
	for _, v := range all {
		switch v.(type) {
		case string, nil, bool:
			continue
		}
		if text, ok := textOf(v); ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// statistic is a Double; nil: there are no numbers.
func statistic(name string, of []float64) vtl.Value {
	if len(of) == 0 {
		return nil
	}
	sum, squares := 0.0, 0.0
	for _, n := range of {
		sum += n
		squares += n * n
	}
	count := float64(len(of))
	switch name {
	case "min":
		return slices.Min(of)
	case "max":
		return slices.Max(of)
	case "avg":
		return sum / count
	case "sum":
		return sum
	}
	return math.Sqrt(squares/count - sum*sum/count/count)
}
