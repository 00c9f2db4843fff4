package rest

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Whatever the path, the router ends, and what it finds is a route whose literals
// are the path's own and whose variables are filled from it.
func FuzzRouter(f *testing.F) {
	for _, p := range []string{"/", "/a", "/a/b", "/a/x/c", "/a//b/", "/%61/b", "/a/%2F", "//", "/..", "/%zz", strings.Repeat("/a", 500)} {
		f.Add(p)
	}
	var root node
	for _, path := range []string{"/", "/a", "/a/b", "/a/{x}", "/a/{x}/c", "/a/b/{rest+}", "/{any}/b", "/{any}/d/{rest+}"} {
		r := &resource{Resource: &restapi.Resource{Path: path}}
		r.any = &method{resource: r}
		if err := root.add(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		m, values := root.match("GET", path, nil)
		if m == nil {
			return
		}
		if len(values) != len(m.resource.names) {
			t.Fatalf("%q: %s with values %q", path, m.resource.Path, values)
		}
		rebuilt := m.resource.Path
		for i, name := range m.resource.names {
			rebuilt = strings.Replace(strings.Replace(rebuilt, "{"+name+"+}", values[i], 1), "{"+name+"}", values[i], 1)
		}
		trimmed := strings.TrimRight(path, "/")
		if trimmed == "" {
			trimmed = "/"
		}
		if rebuilt != trimmed && !strings.Contains(path, "%") {
			t.Errorf("%q was taken for %s with %q", path, m.resource.Path, values)
		}
	})
}

// A URI filled with any value stays on its host and its path stays below what
// stands before the value.
func FuzzURI(f *testing.F) {
	for _, v := range []string{"a", "a/b", "..", "%2e%2e", "?x", "#x", "a b", "\r\nHost: x", "@evil", "é", "\xff"} {
		f.Add(v)
	}
	u, err := parseURI("http://127.0.0.1:1/base/{id}/end")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, greedy := range []bool{false, true} {
			text := u.expand(nil, func(string) string { return escapePath(value, greedy) })
			e, err := readEndpoint(text, false, nil)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if e.host != "127.0.0.1:1" || e.query != "" || !strings.HasPrefix(e.path, "/base/") || !strings.HasSuffix(e.path, "/end") {
				t.Errorf("%q became %+v", value, e)
			}
			if strings.ContainsAny(e.path, " \r\n\x00") {
				t.Errorf("%q breaks the request line", e.path)
			}
			if plain, err := url.PathUnescape(e.path); err != nil || !greedy && plain != "/base/"+value+"/end" {
				t.Errorf("%q became %q", value, e.path)
			}
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add("$context.requestId ${context.path}, $stageVariables.x $$ $context. ${context")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range parseFormat(text) {
			if p.variable != "" && !slices.Contains([]string{"context", "stageVariables", "method"}, strings.SplitN(p.variable, ".", 2)[0]) {
				t.Errorf("%q is no variable", p.variable)
			}
		}
	})
}

func FuzzProxyResponse(f *testing.F) {
	for _, p := range []string{`{}`, `{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"c":["d"]},"body":"e","isBase64Encoded":true}`, `null`, `[`} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, err := parseProxyResponse(payload)
		if err != nil {
			return
		}
		if out.status < 200 || out.status > 599 {
			t.Errorf("status %d", out.status)
		}
		for name, values := range out.header {
			if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: %q breaks a head apart", name, values)
			}
		}
	})
}
