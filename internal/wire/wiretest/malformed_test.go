package wiretest

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/wire/validate"
)

func runMalformed(t *testing.T, y *tally, s *service, op string, shape ASTShape) {
	t.Helper()
	var cases []malformedTest
	if !shape.Traits.into("smithy.test#httpMalformedRequestTests", &cases) {
		return
	}
	for _, c := range cases {
		kind := "malformed"
		if c.Response.Headers["x-amzn-errortype"] == "ValidationException" {
			kind = "validation"
		}
		y.run(c.Protocol, kind, c.ID, func() error {
			for _, values := range c.expand() {
				if err := c.check(s, values); err != nil {
					return fmt.Errorf("%v: %w", values, err)
				}
			}
			return nil
		})
	}
}

// expand returns the values that the test's parameters take together.
func (c *malformedTest) expand() []map[string]string {
	var out []map[string]string
	for name, values := range c.TestParameters {
		for i, v := range values {
			if i == len(out) {
				out = append(out, map[string]string{})
			}
			out[i][name] = v
		}
	}
	if out == nil {
		return []map[string]string{nil}
	}
	return out
}

var parameter = regexp.MustCompile(`\$(\$|[a-zA-Z_]+:[LS])`)

// substitute puts the parameters into s: $name:L as it is, $name:S as a JSON
// string, $$ a dollar sign.
func substitute(s string, values map[string]string) string {
	return parameter.ReplaceAllStringFunc(s, func(m string) string {
		if m == "$$" {
			return "$"
		}
		name, form, _ := strings.Cut(m[1:], ":")
		v := values[name]
		if form == "S" {
			b, err := json.Marshal(v)
			if err != nil {
				return err.Error()
			}
			return string(b)
		}
		return v
	})
}

func (c *malformedTest) check(s *service, values map[string]string) error {
	headers := map[string]string{}
	for k, v := range c.Request.Headers {
		headers[k] = substitute(v, values)
	}
	var query []string
	for _, q := range c.Request.QueryParams {
		query = append(query, substitute(q, values))
	}
	resp := s.serve(request(c.Request.Method, substitute(c.Request.URI, values), query, headers, substitute(c.Request.Body, values)))
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if s.called != nil {
		return fmt.Errorf("the operation was called")
	}
	if resp.StatusCode != c.Response.Code {
		return fmt.Errorf("status %d, not %d: %s", resp.StatusCode, c.Response.Code, got)
	}
	if err := sameHeaders(c.Response.Headers, resp.Header); err != nil {
		return err
	}
	if c.Response.Body == nil {
		return nil
	}
	assert := c.Response.Body.Assertion
	if c.Response.Headers["x-amzn-errortype"] == "ValidationException" {
		return sameViolations(s, substitute(assert.Contents, values))
	}
	if assert.MessageRegex != "" {
		if ok, err := regexp.Match(assert.MessageRegex, got); err != nil || !ok {
			return fmt.Errorf("body %s does not match %s", got, assert.MessageRegex)
		}
		return nil
	}
	return SameBody(c.Response.Body.MediaType, assert.Contents, got)
}

// sameViolations compares what validation found with what the test wants.
// Smithy words it in its own way, as JSON pointers, which AWS's services do
// not: so the violations themselves are worded here.
func sameViolations(s *service, contents string) error {
	var want struct {
		FieldList []struct{ Message, Path string }
	}
	if err := json.Unmarshal([]byte(contents), &want); err != nil {
		return fmt.Errorf("the test's own body: %w", err)
	}
	var w, g []string
	for _, f := range want.FieldList {
		w = append(w, f.Path+" "+f.Message)
	}
	for _, v := range validate.Violations(s.svc, s.madeFor.Input, s.made) {
		path := pointer(v.Path)
		g = append(g, path+" "+words(&v, path))
	}
	slices.Sort(w)
	slices.Sort(g)
	if !slices.Equal(w, g) {
		return fmt.Errorf("want %q\n got %q", w, g)
	}
	return nil
}

// pointer is a path as Smithy writes it; a key is written as its map.
func pointer(path []validate.Step) string {
	var b strings.Builder
	for _, s := range path {
		switch s.Kind {
		case validate.ToMember:
			b.WriteString("/" + s.Member.Name)
		case validate.ToElement:
			b.WriteString("/" + strconv.Itoa(s.Index))
		case validate.ToValue:
			b.WriteString("/" + s.Key)
		}
	}
	return b.String()
}

func words(v *validate.Violation, path string) string {
	value := "Value at '" + path + "'"
	var rule string
	c := v.Shape.Constraint
	switch v.Kind {
	case validate.NotNull:
		rule = "not be null"
	case validate.Enum:
		rule = "satisfy enum value set: [" + strings.Join(v.Shape.Enum, ", ") + "]"
	case validate.Pattern:
		rule = "satisfy regular expression pattern: " + c.Pattern
	case validate.Length, validate.Range:
		rule = "be "
		if v.Kind == validate.Length {
			rule = "have length "
			value = fmt.Sprintf("Value with length %d at '%s'", length(v.Value), path)
		}
		switch {
		case c.HasMin && c.HasMax:
			rule += fmt.Sprintf("between %d and %d, inclusive", c.Min, c.Max)
		case c.HasMin:
			rule += fmt.Sprintf("greater than or equal to %d", c.Min)
		default:
			rule += fmt.Sprintf("less than or equal to %d", c.Max)
		}
	}
	return value + " failed to satisfy constraint: Member must " + rule
}

func length(v any) int {
	if s, ok := v.(string); ok {
		return len([]rune(s))
	}
	return reflect.ValueOf(v).Len()
}
