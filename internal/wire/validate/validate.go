// Package validate checks an operation's decoded input against the
// constraints of its service's model, and words what fails the way AWS does:
//
//	1 validation error detected: Value 'x y' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: …
//
// It checks Go structs, so it is the same for every protocol and for members
// that come in headers and paths. What has to be known of a Go type is
// compiled once (plan.go); checking an input that is right allocates nothing.
package validate

import (
	"cmp"
	"reflect"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Input checks v, a pointer to the Go struct of svc's structure id. It returns
// nil, or one *awserr.Error with every violation, status 400 and the service's
// validation code. v must be what cmd/awsgen generates for the shape, or laid
// out like it; anything else panics.
func Input(svc *schema.Service, id schema.ShapeID, v any) error {
	w := check(svc, id, v)
	if w == nil {
		return nil
	}
	defer w.free()
	return awserr.New(400, cmp.Or(svc.ValidationCode, "ValidationException"), "%s", message(w.found))
}

// Violations is Input for callers with words of their own: it returns what is
// wrong in the order of the model's members, at most a hundred, nil where
// nothing is.
func Violations(svc *schema.Service, id schema.ShapeID, v any) []Violation {
	w := check(svc, id, v)
	if w == nil {
		return nil
	}
	found := w.found
	w.found = nil
	w.free()
	return found
}

// Kind says which constraint a value violates.
type Kind uint8

const (
	NotNull Kind = iota + 1 // a required member, or an element of a list or map, is absent
	Length                  // of a string (characters), blob (bytes), list or map (entries)
	Range                   // of a number
	Pattern                 // of a string
	Enum                    // the value of a string
)

// Violation is one constraint that one value violates.
type Violation struct {
	Kind Kind
	// Path leads from the input to the value.
	Path []Step
	// Shape is the violating value's; the constraint is Shape.Constraint or
	// Shape.Enum. Where NotNull is violated it is the shape that is missing.
	Shape *schema.Shape
	// Value is the value: a bool, string, number, time.Time, []byte, list, map
	// or structure as the input holds it, strings as plain strings; nil where
	// NotNull is violated.
	Value any
	// Sensitive: the value must not be shown.
	Sensitive bool

	// holder is the list or map that the value is an element, key or value of;
	// AWS words a violation by anything but a structure as the holder's.
	holder *holder
	svc    *schema.Service
	root   *schema.Shape // the input
}

// Step is one step from a structure, list or map to what it holds.
type Step struct {
	Kind   StepKind
	Member *schema.Member // of ToMember
	Index  int            // of ToElement, from 0
	Key    string         // of ToKey and ToValue
}

// StepKind says what a Step leads into.
type StepKind uint8

const (
	ToMember  StepKind = iota + 1 // of a structure or union
	ToElement                     // of a list
	ToKey                         // of a map: the key itself
	ToValue                       // of a map: the value at a key
)

// A holder is the list or map that a violating value is directly in.
type holder struct {
	node      *node
	value     reflect.Value
	depth     int // length of the path to it
	sensitive bool
}
