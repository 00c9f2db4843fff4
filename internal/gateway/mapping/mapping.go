// Package mapping is API Gateway's mapping templates: templates in VTL, with what
// API Gateway puts into them: $input, $context, $stageVariables and $util.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
package mapping

import (
	"context"
	"io"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// Template is a compiled mapping template. It is immutable and may be executed by
// many goroutines at once.
type Template struct {
	vtl *vtl.Template
}

// Compile compiles a mapping template. The error says where it is wrong; see
// vtl.Compile.
func Compile(source string) (*Template, error) {
	t, err := vtl.Compile(source)
	if err != nil {
		return nil, err
	}
	return &Template{vtl: t}, nil
}

// Execute renders the template for an event to w. What #set assigns to
// $context.requestOverride and $context.responseOverride is in e.Overrides then.
// The error is a *vtl.ExecutionError; some of the output may have been written.
func (t *Template) Execute(ctx context.Context, w io.Writer, e *Event) error {
	// The body may be another one than the last time.
	e.input = input{event: e}
	e.context = contextVariables{event: e}
	e.stage = nil
	return t.vtl.Execute(ctx, w, vtl.Variables{
		"input":          &e.input,
		"context":        &e.context,
		"util":           util{},
		"stageVariables": (*stageVariables)(e),
	})
}

// Event is what a template is executed for. It is used by one template at a time;
// the same event may be used for several, which share its overrides.
type Event struct {
	// Body is the payload: of the request, or of the backend's response. Empty is
	// as good as {}.
	Body []byte
	// Path, Query and Header are the method request's parameters, in order.
	Path, Query, Header []Parameter
	Context             Variables // nil: there are none
	StageVariables      map[string]string
	Overrides           Overrides

	input   input
	context contextVariables
	stage   *vtl.Map
}

// Parameter is a parameter of a method's request.
type Parameter struct{ Name, Value string }

// Variables are the $context variables.
type Variables interface {
	// Variable is the value of $context.name, where name may have dots, as
	// "identity.sourceIp"; ok is false where it has none. A value is text, a number,
	// or whatever else package vtl has.
	Variable(name string) (value vtl.Value, ok bool)
	// Names lists the variables directly under one of their groups, such as
	// "identity", "authorizer", or "" for those without a dot, in the order in which
	// a template is to see them. It is nil for what is no group.
	Names(group string) []string
}

// stageVariables is an event's $stageVariables.
type stageVariables Event

var _ vtl.Mapping = (*stageVariables)(nil)

func (s *stageVariables) Property(name string) (vtl.Value, error) {
	if v, ok := s.StageVariables[name]; ok {
		return v, nil
	}
	return nil, nil
}

func (s *stageVariables) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	if name == "get" && len(args) == 1 {
		if k, ok := args[0].(string); ok {
			v, err := s.Property(k)
			return v, true, err
		}
	}
	return nil, false, nil
}

func (s *stageVariables) Map() *vtl.Map {
	if s.stage == nil {
		s.stage = vtl.NewMap(len(s.StageVariables))
		for _, name := range sortedNames(s.StageVariables) {
			s.stage.Put(name, s.StageVariables[name])
		}
	}
	return s.stage
}

func (s *stageVariables) String() string { return printed(s.Map()) }

// printed is what a map prints. One that cannot be printed prints nothing.
func printed(m *vtl.Map) string {
	text, err := vtl.Text(m)
	if err != nil {
		return ""
	}
	return text
}
