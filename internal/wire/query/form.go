package query

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxParams bounds a form. The largest honest one is PutMetricData's: a
// thousand metrics of a few dozen parameters.
const maxParams = 200_000

// maxDepth bounds the dots of a name: each level costs a frame of the
// goroutine's stack.
const maxDepth = 64

type param struct{ name, value string }

// form is the parameters of a request, sorted by name. The members of a
// structure, and the elements of a list, are a range of it: decoding needs no
// tree, and an index in a name makes nobody allocate up to it.
type form []param

func parse(raw ...string) (form, error) {
	var f form
	for _, s := range raw {
		for s != "" {
			var part string
			part, s, _ = strings.Cut(s, "&")
			if part == "" {
				continue
			}
			if len(f) == maxParams {
				return nil, malformed("more than %d parameters", maxParams)
			}
			name, value, _ := strings.Cut(part, "=")
			name, err1 := url.QueryUnescape(name)
			value, err2 := url.QueryUnescape(value)
			if err1 != nil || err2 != nil {
				return nil, malformed("invalid escape in the form")
			}
			f = append(f, param{name, value})
		}
	}
	slices.SortStableFunc(f, func(a, b param) int { return strings.Compare(a.name, b.name) })
	return f, nil
}

// malformed is the error that AWS's query front end has for input it cannot
// read.
func malformed(format string, args ...any) error {
	return awserr.New(http.StatusBadRequest, "MalformedInput", format, args...)
}

// get returns the value of the parameter called name.
func (f form) get(name string) (string, bool) {
	i := sort.Search(len(f), func(i int) bool { return f[i].name >= name })
	if i < len(f) && f[i].name == name {
		return f[i].value, true
	}
	return "", false
}

// under returns the parameters whose names begin with prefix.
func (f form) under(prefix string) form {
	from := sort.Search(len(f), func(i int) bool { return f[i].name >= prefix })
	n := sort.Search(len(f)-from, func(i int) bool { return !strings.HasPrefix(f[from+i].name, prefix) })
	return f[from : from+n]
}

// element is one index of a list, and the parameters that begin with it.
type element struct {
	index  uint64
	prefix string
	form   form
}

// elements groups the parameters that begin with prefix ("Name.member.") by the
// number that follows, in the order of the numbers.
func (f form) elements(prefix string) ([]element, error) {
	var out []element
	for i := 0; i < len(f); {
		digits, _, _ := strings.Cut(f[i].name[len(prefix):], ".")
		index, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || digits[0] == '0' && digits != "0" {
			return nil, malformed("%.64q: %.32q is not an index", f[i].name, digits)
		}
		own := prefix + digits
		j := i
		for j < len(f) && strings.HasPrefix(f[j].name, own) && (len(f[j].name) == len(own) || f[j].name[len(own)] == '.') {
			j++
		}
		if j == i {
			return nil, malformed("%.64q is out of order", f[i].name)
		}
		out = append(out, element{index, own, f[i:j]})
		i = j
	}
	slices.SortFunc(out, func(a, b element) int {
		switch {
		case a.index < b.index:
			return -1
		case a.index > b.index:
			return 1
		}
		return 0
	})
	return out, nil
}

type decoder struct {
	depth  int
	budget int
}

func (d *decoder) spend(n int) error {
	d.budget -= n
	if d.budget < 0 {
		return malformed("the form holds too many elements for its size")
	}
	return nil
}

// members reads the fields of the structure in v. prefix is "" at the top, and
// ends with a dot elsewhere.
func (d *decoder) members(f form, prefix string, n *plan.Node, v reflect.Value) error {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > maxDepth {
		return malformed("nested deeper than %d levels", maxDepth)
	}
	if n.Ptr && v.IsNil() {
		if err := d.spend(n.Size); err != nil {
			return err
		}
	}
	t := n.Target(v)
	for i := range n.Fields {
		field := &n.Fields[i]
		if err := d.value(f, prefix+field.Query, field, t.Field(i)); err != nil {
			return err
		}
	}
	n.FillDefaults(t)
	return nil
}

// value reads what stands under name, if anything does.
func (d *decoder) value(f form, name string, field *plan.Field, v reflect.Value) error {
	switch field.Kind {
	case schema.KindStructure, schema.KindUnion:
		sub := f.under(name + ".")
		_, empty := f.get(name)
		if len(sub) == 0 && !empty {
			return nil
		}
		if err := d.members(sub, name+".", field.Node, v); err != nil {
			return err
		}
		if field.Kind == schema.KindUnion {
			if _, ok := field.Set(field.Target(v)); !ok {
				return malformed("union %s must have exactly one member set", name)
			}
		}
		return nil
	case schema.KindList:
		return d.list(f, name, field, v)
	case schema.KindMap:
		return d.mapping(f, name, field, v)
	}
	s, ok := f.get(name)
	if !ok {
		return nil
	}
	return set(field, v, name, s)
}

func (d *decoder) list(f form, name string, field *plan.Field, v reflect.Value) error {
	alone, single := f.get(name)
	prefix := name + "."
	if !field.Flattened {
		prefix += field.Elem.Query + "."
	}
	elements, err := f.under(prefix).elements(prefix)
	if err != nil {
		return err
	}
	if len(elements) == 0 && !single {
		return nil
	}
	t := field.Target(v)
	// An empty value is how clients send an empty list; another is a list of
	// one, which SQS has always taken ("AttributeName=All").
	if len(elements) == 0 && alone != "" && field.Flattened {
		elements = []element{{1, name, f.under(name)}}
	}
	if err := d.spend(len(elements) * int(t.Type().Elem().Size())); err != nil {
		return err
	}
	t.Set(reflect.MakeSlice(t.Type(), len(elements), len(elements)))
	for i, el := range elements {
		if err := d.value(el.form, el.prefix, field.Elem, t.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// entryCost is about what one more entry costs a map beside its value.
const entryCost = 48

func (d *decoder) mapping(f form, name string, field *plan.Field, v reflect.Value) error {
	_, empty := f.get(name)
	prefix := name + "."
	if !field.Flattened {
		prefix += "entry."
	}
	elements, err := f.under(prefix).elements(prefix)
	if err != nil {
		return err
	}
	if len(elements) == 0 && !empty {
		return nil
	}
	t := field.Target(v)
	t.Set(reflect.MakeMap(t.Type()))
	for _, el := range elements {
		k, ok := el.form.get(el.prefix + "." + field.Key.Query)
		if !ok {
			return malformed("%.64q has no %s", el.prefix, field.Key.Query)
		}
		if err := d.spend(entryCost + int(t.Type().Elem().Size())); err != nil {
			return err
		}
		key := reflect.New(t.Type().Key()).Elem()
		key.SetString(k)
		slot := reflect.New(t.Type().Elem()).Elem()
		if err := d.value(el.form, el.prefix+"."+field.Elem.Query, field.Elem, slot); err != nil {
			return err
		}
		t.SetMapIndex(key, slot)
	}
	return nil
}

// set reads the text s, the value of the parameter name, into v.
func set(f *plan.Field, v reflect.Value, name, s string) error {
	bad := func() error { return malformed("Value %.64q of %.64s is no %s", s, name, f.Shape.Name) }
	switch f.Kind {
	case schema.KindString:
		f.Target(v).SetString(s)
	case schema.KindBoolean:
		switch {
		case strings.EqualFold(s, "true"):
			f.Target(v).SetBool(true)
		case strings.EqualFold(s, "false"):
			f.Target(v).SetBool(false)
		default:
			return bad()
		}
	default:
		if !httpbind.SetText(f, v, s, schema.TimestampDefault) {
			return bad()
		}
	}
	return nil
}
