package params

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
)

func path(text string) *jsonpath.Path {
	p, err := jsonpath.Compile(text)
	if err != nil {
		panic(err)
	}
	return p
}

func TestParseRequest(t *testing.T) {
	got, err := ParseRequest(map[string]string{
		"integration.request.path.id":           "method.request.querystring.petId",
		"integration.request.querystring.a.b":   "method.request.multivaluequerystring.q",
		"integration.request.header.X-Static":   "'a, b'",
		"integration.request.header.X-Body":     "method.request.body",
		"integration.request.header.X-Name":     "method.request.body.pets[0].name",
		"integration.request.header.X-First":    "method.request.body[0]",
		"integration.request.header.X-Stage":    "stageVariables.host",
		"integration.request.header.X-SourceIp": "context.identity.sourceIp",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Mapping{
		{Path, "id", Source{Kind: Parameter, In: Query, Name: "petId"}},
		{Query, "a.b", Source{Kind: Parameter, In: Query, Name: "q", Multi: true}},
		{Header, "X-Body", Source{Kind: Body}},
		{Header, "X-First", Source{Kind: Body, JSONPath: path("$[0]")}},
		{Header, "X-Name", Source{Kind: Body, JSONPath: path("$.pets[0].name")}},
		{Header, "X-SourceIp", Source{Kind: Context, Name: "identity.sourceIp"}},
		{Header, "X-Stage", Source{Kind: StageVariable, Name: "host"}},
		{Header, "X-Static", Source{Kind: Static, Text: "a, b"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestWhatIsNoMapping(t *testing.T) {
	request := func(m map[string]string) error { _, err := ParseRequest(m); return err }
	response := func(m map[string]string) error { _, err := ParseResponse(m); return err }
	gateway := func(m map[string]string) error { _, err := ParseGatewayResponse(m); return err }
	for _, c := range []struct {
		parse  func(map[string]string) error
		target string
		source string
		want   string
	}{
		{request, "integration.request.header.X", "true", "Invalid mapping expression specified: true"},
		{request, "integration.request.header.X", "'a'b'", "Invalid mapping expression specified: 'a'b'"},
		{request, "integration.request.header.X", "'a\nb'", "Invalid mapping expression specified: 'a\nb'"},
		{request, "integration.request.header.X", "method.request.cookie.a", "Invalid mapping expression specified: method.request.cookie.a"},
		{request, "integration.request.header.X", "method.request.header.", "Invalid mapping expression specified: method.request.header."},
		{request, "integration.request.header.X", "method.request.body[", "Invalid mapping expression specified: method.request.body["},
		{request, "integration.request.header.X", "method.request.bodyguard", "Invalid mapping expression specified: method.request.bodyguard"},
		{request, "integration.request.header.X", "integration.response.body", "Invalid mapping expression specified: integration.response.body"},
		{request, "integration.request.header.X Y", "'a'", "Invalid mapping expression parameter specified: integration.request.header.X Y"},
		{request, "integration.request.body", "'a'", "Invalid mapping expression parameter specified: integration.request.body"},
		{request, "method.response.header.X", "'a'", "Invalid mapping expression parameter specified: method.response.header.X"},
		{response, "method.response.header.X", "method.request.header.X", "Invalid mapping expression specified: method.request.header.X"},
		{response, "method.response.header.X", "integration.response.path.X", "Invalid mapping expression specified: integration.response.path.X"},
		{response, "method.response.path.X", "'a'", "Invalid mapping expression parameter specified: method.response.path.X"},
		{gateway, "gatewayresponse.header.X", "method.request.body", "Invalid mapping expression specified: method.request.body"},
	} {
		err := c.parse(map[string]string{c.target: c.source})
		want := "Invalid mapping expression specified: Validation Result: warnings : [], errors : [" + c.want + "]"
		if _, ok := errors.AsType[*Error](err); !ok || err.Error() != want {
			t.Errorf("%s = %s: got %v, want %s", c.target, c.source, err, want)
		}
	}
}

type values struct{}

func (values) Parameter(in Location, name string) []string {
	if in == Header && name == "two" {
		return []string{"1", "2"}
	}
	return nil
}
func (values) Body(p *jsonpath.Path) (string, bool)     { return "of the body", p != nil }
func (values) StageVariable(name string) (string, bool) { return "v-" + name, name != "none" }
func (values) Context(name string) (string, bool)       { return "c-" + name, name != "none" }

func TestEval(t *testing.T) {
	for text, want := range map[string]string{
		"'x'":                                 "x",
		"''":                                  "",
		"method.request.header.two":           "2",
		"method.request.multivalueheader.two": "1|2",
		"method.request.header.one":           "(none)",
		"method.request.body.a":               "of the body",
		"method.request.body":                 "(none)",
		"stageVariables.a":                    "v-a",
		"stageVariables.none":                 "(none)",
		"context.requestId":                   "c-requestId",
		"context.none":                        "(none)",
	} {
		s, ok := RequestSource(text)
		if !ok {
			t.Errorf("%s does not parse", text)
			continue
		}
		got := "(none)"
		if v := s.Eval(values{}); v != nil {
			got = strings.Join(v, "|")
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// What parses as a static value or a parameter can be written into a head
// without breaking it apart.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"'a'", "method.request.header.a", "method.request.body.a[0]", "integration.response.multivalueheader.x", "context.a.b", "stageVariables.x", "''"} {
		f.Add("integration.request.header.X", s)
		f.Add("method.response.header.X", s)
	}
	f.Fuzz(func(t *testing.T, target, source string) {
		m := map[string]string{target: source}
		for _, parse := range []func(map[string]string) ([]Mapping, error){ParseRequest, ParseResponse, ParseGatewayResponse} {
			got, err := parse(m)
			if (err == nil) != (len(got) == 1) {
				t.Fatalf("%q = %q: %d mappings and %v", target, source, len(got), err)
			}
			if err != nil {
				continue
			}
			if got[0].In == Header && !ValidHeaderName(got[0].Name) {
				t.Errorf("%q is no header's name", got[0].Name)
			}
			if strings.ContainsAny(got[0].Name+got[0].Source.Name+got[0].Source.Text, "\r\n\x00") {
				t.Errorf("%+v breaks a head apart", got[0])
			}
		}
	})
}
