// Package vtl is the Velocity Template Language, version 1.7, as API Gateway's
// mapping templates speak it: directives, references, expressions, macros, and the
// methods that Java's strings, lists, maps and numbers have. White space comes out
// as Velocity leaves it.
//
// API Gateway differs from Velocity in two things: a reference that is undefined
// or null has the empty string as its value, so that it renders as nothing and is
// true in #if; and #parse and #include are refused.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings.html
// https://velocity.apache.org/engine/1.7/vtl-reference.html
package vtl

import (
	"context"
	"fmt"
	"io"
)

// Mode is whose rules a template follows.
type Mode uint8

const (
	// APIGateway has undefined references be the empty string.
	APIGateway Mode = iota
	// Velocity is stock Velocity 1.7: undefined references render as they are
	// written, and are false.
	Velocity
)

// Template is a compiled template. It is immutable and may be executed by many
// goroutines at once.
type Template struct {
	mode   Mode
	source string
	body   *block
	names  []string
	macros map[string]*macro
	slots  map[string]int
}

// Compile compiles a template by API Gateway's rules. The error is a *SyntaxError,
// or says that the template is longer than MaxSource.
func Compile(source string) (*Template, error) { return CompileMode(source, APIGateway) }

// CompileMode compiles a template by the rules given; see Compile.
func CompileMode(source string, mode Mode) (*Template, error) {
	if len(source) > MaxSource {
		return nil, fmt.Errorf("the template is longer than %d bytes", MaxSource)
	}
	c := &compiler{mode: mode, slots: map[string]int{}, macros: map[string]*macro{}}
	body, err := c.parse(source)
	if err != nil {
		return nil, err
	}
	c.link()
	return &Template{mode: mode, source: source, body: body, names: c.names, macros: c.macros, slots: c.slots}, nil
}

// Variables are what a template starts with, by name: "input" for $input.
type Variables map[string]Value

// Execute renders the template to w, with variables of its own that start as
// those given. What was rendered before an error may have been written. The error
// is an *ExecutionError.
func (t *Template) Execute(ctx context.Context, w io.Writer, vars Variables) error {
	e := newExecution(ctx, t, vars)
	e.out.sink = w
	err := t.body.render(e)
	if stopped(err) != nil {
		err = nil
	}
	if err == nil {
		err = e.out.flush()
	}
	e.release()
	if err != nil {
		return located(err)
	}
	return nil
}
