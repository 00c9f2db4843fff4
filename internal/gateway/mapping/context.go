package mapping

import (
	"errors"
	"strconv"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// contextVariables is $context, or a group of it.
type contextVariables struct {
	event *Event
	group string // "" or "identity", "authorizer.claims", …
	// names caches what the group prints and lists as.
	all *vtl.Map
}

var (
	_ vtl.Mapping    = (*contextVariables)(nil)
	_ vtl.Assignable = (*contextVariables)(nil)
)

var errReadOnly = errors.New("of $context, only requestOverride and responseOverride can be assigned to")

func (c *contextVariables) Property(name string) (vtl.Value, error) {
	if c.group == "" {
		switch name {
		case "requestOverride":
			return c.event.Overrides.requestMap(), nil
		case "responseOverride":
			return c.event.Overrides.responseMap(), nil
		}
	}
	if c.event.Context == nil {
		return nil, nil
	}
	full := name
	if c.group != "" {
		full = c.group + "." + name
	}
	if v, ok := c.event.Context.Variable(full); ok {
		return v, nil
	}
	if c.event.Context.Names(full) != nil {
		return &contextVariables{event: c.event, group: full}, nil
	}
	return nil, nil
}

func (c *contextVariables) SetProperty(string, vtl.Value) error { return errReadOnly }

func (c *contextVariables) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	if name == "get" && len(args) == 1 {
		if k, ok := args[0].(string); ok {
			v, err := c.Property(k)
			return v, true, err
		}
	}
	return nil, false, nil
}

func (c *contextVariables) Map() *vtl.Map {
	if c.all != nil {
		return c.all
	}
	c.all = vtl.NewMap(0)
	if c.event.Context != nil {
		for _, name := range c.event.Context.Names(c.group) {
			v, err := c.Property(name)
			if err != nil || v == nil {
				continue
			}
			if sub, ok := v.(*contextVariables); ok {
				v = sub.Map()
			}
			c.all.Put(name, v)
		}
	}
	return c.all
}

func (c *contextVariables) String() string { return printed(c.Map()) }

// Overrides are what templates assigned to $context.requestOverride and
// $context.responseOverride. They take the place of what parameter mappings made.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
type Overrides struct {
	request, response *vtl.Map
}

// Override is a parameter that was overridden, with its values.
type Override struct {
	Name   string
	Values []string
}

func (o *Overrides) requestMap() *vtl.Map {
	if o.request == nil {
		o.request = groups("header", "path", "querystring")
	}
	return o.request
}

func (o *Overrides) responseMap() *vtl.Map {
	if o.response == nil {
		o.response = groups("header")
	}
	return o.response
}

func groups(names ...string) *vtl.Map {
	m := vtl.NewMap(len(names))
	for _, n := range names {
		m.Put(n, vtl.NewMap(0))
	}
	return m
}

// RequestPath is $context.requestOverride.path.
func (o *Overrides) RequestPath() []Override { return overridden(o.request, "path") }

// RequestQuery is $context.requestOverride.querystring.
func (o *Overrides) RequestQuery() []Override { return overridden(o.request, "querystring") }

// RequestHeader is $context.requestOverride.header.
func (o *Overrides) RequestHeader() []Override { return overridden(o.request, "header") }

// ResponseHeader is $context.responseOverride.header.
func (o *Overrides) ResponseHeader() []Override { return overridden(o.response, "header") }

// ResponseStatus is $context.responseOverride.status; ok is false where none was
// assigned, or no number from 100 to 599.
func (o *Overrides) ResponseStatus() (status int, ok bool) {
	if o.response == nil {
		return 0, false
	}
	v, ok := o.response.Lookup("status")
	if !ok {
		return 0, false
	}
	text, err := vtl.Text(v)
	if err != nil {
		return 0, false
	}
	status, err = strconv.Atoi(text)
	return status, err == nil && status >= 100 && status <= 599
}

func overridden(m *vtl.Map, group string) []Override {
	if m == nil {
		return nil
	}
	of, ok := m.Get(group).(*vtl.Map)
	if !ok {
		return nil
	}
	out := make([]Override, 0, of.Len())
	for i := range of.Len() {
		name, err := vtl.Text(of.Entry(i).Key)
		if err != nil {
			continue
		}
		out = append(out, Override{Name: name, Values: texts(of.Entry(i).Value)})
	}
	return out
}

// texts is a value's text, or those of a list.
func texts(v vtl.Value) []string {
	if l, ok := v.(*vtl.List); ok {
		out := make([]string, 0, l.Len())
		for i := range l.Len() {
			if s, err := vtl.Text(l.At(i)); err == nil {
				out = append(out, s)
			}
		}
		return out
	}
	s, err := vtl.Text(v)
	if err != nil {
		return nil
	}
	return []string{s}
}
