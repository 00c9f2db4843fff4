// Package filter is the filter criteria of event source mappings: which records
// reach the function. Patterns are compiled once, and matched against records as
// a function would see them. Its grammar is that of EventBridge's patterns, of
// which Lambda documents a part.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Set is a mapping's patterns, compiled; nil is one without any. It is safe for
// concurrent use.
type Set struct{ patterns []*object }

// Compile reads the patterns of FilterCriteria. Its error says what is wrong
// with which; AWS says "Invalid filter pattern definition." to any.
func Compile(patterns []string) (*Set, error) {
	s := &Set{}
	for i, text := range patterns {
		p, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("filter pattern %d: %w", i+1, err)
		}
		s.patterns = append(s.patterns, p)
	}
	return s, nil
}

// Match says whether a record passes: it matches any of the patterns, or there
// are none. A record is as the function would see it, decoded from JSON
// (map[string]any, []any, string, bool, nil, json.Number or a float64), with
// its data (an SQS message's "body", a Kafka record's "key" and "value") as Data
// makes it.
func (s *Set) Match(record map[string]any) bool {
	if s.Empty() {
		return true
	}
	for _, p := range s.patterns {
		if p.match(record) {
			return true
		}
	}
	return false
}

// Empty says whether every record passes.
func (s *Set) Empty() bool { return s == nil || len(s.patterns) == 0 }

// Fields are the top-level fields of a record that a pattern looks at, sorted:
// Match needs no others.
func (s *Set) Fields() []string {
	if s.Empty() {
		return nil
	}
	names := map[string]bool{}
	for _, p := range s.patterns {
		p.fields(names)
	}
	return slices.Sorted(maps.Keys(names))
}

// Plain is data that is no JSON object or array: it is compared as text, and
// matches no pattern that looks into it.
type Plain string

// opaque is data that cannot be looked at.
type opaque struct{}

// Data is what Match wants of a record's data: the value where it is a JSON
// object or array, Plain where it is other text. Data that is no UTF-8 is false,
// and a value that no pattern about it matches: Lambda drops such records.
func Data(data []byte) (value any, ok bool) {
	if !utf8.Valid(data) {
		return opaque{}, false
	}
	if t := bytes.TrimLeft(data, " \t\r\n"); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		if v, err := decode(t); err == nil {
			return v, true
		}
	}
	return Plain(data), true
}

// decode reads one JSON value, with its numbers as they are written.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, fmt.Errorf("there is more after the value, at %d", d.InputOffset())
	}
	return v, nil
}

// object is a pattern about an object: all of its fields, and one of each of its
// alternatives, have to match.
type object struct {
	members      []member
	alternatives [][]*object
}

// member is what an object's field has to be: an object itself, or one of some
// values.
type member struct {
	name   string
	object *object
	values choices
}

func (o *object) fields(names map[string]bool) {
	for _, m := range o.members {
		names[m.name] = true
	}
	for _, list := range o.alternatives {
		for _, a := range list {
			a.fields(names)
		}
	}
}

// match takes an object; nil is one without fields.
func (o *object) match(record map[string]any) bool {
	for i := range o.members {
		m := &o.members[i]
		value, there := record[m.name]
		if !m.match(value, there) {
			return false
		}
	}
	for _, list := range o.alternatives {
		if !slices.ContainsFunc(list, func(a *object) bool { return a.match(record) }) {
			return false
		}
	}
	return true
}

func (m *member) match(value any, there bool) bool {
	if m.object != nil {
		return m.object.within(value)
	}
	return anyLeaf(m.values, value, there)
}

// within matches a value that should be an object. Of a list, one element has to
// match as a whole. What has no fields is as an object without any, so that
// "exists": false holds below it; plain text of a record is not.
func (o *object) within(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return o.match(v)
	case []any:
		if len(v) == 0 {
			return o.match(nil)
		}
		return slices.ContainsFunc(v, o.within)
	case Plain, opaque:
		return false
	default:
		return o.match(nil)
	}
}

// anyLeaf says whether one of values matches: of a list, any element. Objects
// match nothing, and an empty list does not exist.
func anyLeaf(values choices, value any, there bool) bool {
	switch v := value.(type) {
	case []any:
		if len(v) == 0 {
			return values.matchAbsent()
		}
		return slices.ContainsFunc(v, func(e any) bool { return anyLeaf(values, e, true) })
	case map[string]any, opaque:
		return false
	}
	if !there {
		return values.matchAbsent()
	}
	return values.match(value)
}
