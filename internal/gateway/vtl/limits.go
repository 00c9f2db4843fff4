package vtl

import (
	"errors"
	"fmt"
)

// What one execution of a template may cost. A template that wants more fails
// with one of the errors below.
const (
	// MaxOutput is the most a template may print, in bytes: API Gateway's limit of
	// a payload.
	MaxOutput = 10 << 20
	// MaxSource is the longest template, in bytes: API Gateway's limit.
	MaxSource = 300 << 10
	// MaxLoops is how often a #foreach runs its body in API Gateway; the elements
	// after that are left out.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
	MaxLoops = 1000
	// maxWork is how much work an execution may do: about one unit for a node of
	// the template, for an element of a list, and for 64 bytes of text.
	maxWork = 4 << 20
	// maxMacroDepth is how deep macros may call one another, as in Velocity.
	maxMacroDepth = 20
	// maxDefineDepth is how deep a block of #define may print itself, as in Velocity.
	maxDefineDepth = 2
	// maxNesting is how deep directives, parentheses, brackets and string literals
	// may stand in one another in a template, and blocks within blocks at run time.
	maxNesting = 100
	// maxValueDepth is how deep lists and maps may stand in one another to be
	// printed or compared.
	maxValueDepth = 256
)

// Errors of an execution that went over its limits.
var (
	ErrOutput = fmt.Errorf("the output is longer than %d bytes", MaxOutput)
	ErrWork   = errors.New("the template does too much work")
	ErrDepth  = errors.New("the template is nested too deeply")
)

// SyntaxError says where a template is wrong.
type SyntaxError struct {
	Line, Column int // from 1; the column counts characters
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// ExecutionError says where in a template an execution failed. It wraps the
// cause: ErrOutput, ErrWork, ErrDepth, the context's error, the writer's, or what
// a method complained of.
type ExecutionError struct {
	Line, Column int // from 1; the column counts characters
	Err          error
}

func (e *ExecutionError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

func (e *ExecutionError) Unwrap() error { return e.Err }
