package wiretest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// The forms of Smithy's tests.
// https://smithy.io/2.0/additional-specs/http-protocol-compliance-tests.html
type requestTest struct {
	ID            string
	Protocol      string
	Method        string
	URI           string
	Host          string
	QueryParams   []string
	Headers       map[string]string
	Body          *string
	BodyMediaType string
	Params        json.RawMessage
	AppliesTo     string
}

type responseTest struct {
	ID             string
	Protocol       string
	Code           int
	Headers        map[string]string
	ForbidHeaders  []string
	RequireHeaders []string
	Body           *string
	BodyMediaType  string
	Params         json.RawMessage
	AppliesTo      string
}

type malformedTest struct {
	ID       string
	Protocol string
	Request  struct {
		Method, URI string
		QueryParams []string
		Headers     map[string]string
		Body        string
	}
	Response struct {
		Code    int
		Headers map[string]string
		Body    *struct {
			MediaType string
			Assertion struct{ Contents, MessageRegex string }
		}
	}
	TestParameters map[string][]string
}

// short is a protocol's name without its namespace.
func short(protocol string) string { return protocol[strings.IndexByte(protocol, '#')+1:] }

func numbers(raw json.RawMessage) (any, error) {
	if raw == nil {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func loadAST(t testing.TB) *AST {
	t.Helper()
	a := &AST{}
	if err := json.Unmarshal(read(t, "smithy.json"), a); err != nil {
		t.Fatal(err)
	}
	return a
}

// serviceNames lists the services of the model in a protocol that we speak.
func serviceNames(a *AST) []string {
	var out []string
	for name, s := range a.Shapes {
		for trait := range s.Traits {
			if s.Type == "service" && protocols[trait] != "" {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestSmithyVectors(t *testing.T) {
	a := loadAST(t)
	y := newTally(t, knownSmithyFailures)
	defer y.report()
	for _, name := range serviceNames(a) {
		svc, err := a.Service(name)
		if err != nil {
			t.Fatal(err)
		}
		s := newService(svc)
		seen := map[string]bool{}
		for _, id := range a.operations(a.Shapes[name]) {
			shape := a.Shapes[id]
			runRequests(t, y, s, localName(id), shape)
			runResponses(t, y, s, localName(id), shape)
			runMalformed(t, y, s, localName(id), shape)
			for _, e := range shape.Errors {
				if !seen[e.Target] {
					seen[e.Target] = true
					runErrors(t, y, s, e.Target, a.Shapes[e.Target])
				}
			}
		}
	}
}

func (y *tally) run(protocol, kind, id string, run func() error) {
	y.t.Helper()
	y.add(short(protocol), kind, id, func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return run()
	}())
}

func ours(protocol, appliesTo string) bool {
	return protocols[protocol] != "" && appliesTo != "client"
}

func runRequests(t *testing.T, y *tally, s *service, op string, shape ASTShape) {
	t.Helper()
	var cases []requestTest
	if !shape.Traits.into("smithy.test#httpRequestTests", &cases) {
		return
	}
	for _, c := range cases {
		// A test of compression gives no body: it is about a client's headers.
		if !ours(c.Protocol, c.AppliesTo) || c.Body == nil && shape.Traits.has(api+"requestCompression") {
			continue
		}
		y.run(c.Protocol, "request", c.ID, func() error {
			params, err := numbers(c.Params)
			if err != nil {
				return err
			}
			data := ""
			if c.Body != nil {
				data = *c.Body
			}
			if c.BodyMediaType == "application/cbor" {
				raw, err := base64.StdEncoding.DecodeString(data)
				if err != nil {
					return err
				}
				data = string(raw)
			}
			uri := c.URI
			if m, ok := params.(map[string]any); ok && s.svc.ID == "AmazonS3" && !strings.HasPrefix(uri, "/"+fmt.Sprint(m["Bucket"])) {
				// The bucket is in the host's name: the edge makes it a path.
				uri = "/" + fmt.Sprint(m["Bucket"]) + uri
			}
			r := request(c.Method, uri, c.QueryParams, c.Headers, data)
			// A few tests leave out headers that every client sends.
			if s.svc.Protocols[0] == schema.AWSJSON && r.Header.Get("X-Amz-Target") == "" {
				r.Header.Set("X-Amz-Target", s.svc.TargetPrefix+"."+op)
			}
			if c.BodyMediaType == "application/json" && r.Header.Get("Content-Type") == "" {
				r.Header.Set("Content-Type", "application/json")
			}
			resp := s.serve(r)
			if s.called == nil {
				b, _ := io.ReadAll(resp.Body)
				return fmt.Errorf("refused: %d %s %s", resp.StatusCode, b, s.log.String())
			}
			return s.decoded(op, params)
		})
	}
}

func request(method, uri string, query []string, headers map[string]string, body string) *http.Request {
	if len(query) > 0 {
		sep := "?"
		if strings.Contains(uri, "?") {
			sep = "&"
		}
		uri += sep + strings.Join(query, "&")
	}
	r := httptest.NewRequest(method, uri, strings.NewReader(body))
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	return r
}

func runResponses(t *testing.T, y *tally, s *service, name string, shape ASTShape) {
	t.Helper()
	var cases []responseTest
	if !shape.Traits.into("smithy.test#httpResponseTests", &cases) {
		return
	}
	op := s.operation(name)
	for _, c := range cases {
		if !ours(c.Protocol, c.AppliesTo) {
			continue
		}
		y.run(c.Protocol, "response", c.ID, func() error {
			params, err := numbers(c.Params)
			if err != nil {
				return err
			}
			var out any = new(schema.Unit)
			if op.Output != schema.NoShape {
				if out, err = s.value(op.Output, false, params); err != nil {
					return fmt.Errorf("the test's params: %w", err)
				}
			}
			return c.check(s.encode(op, out))
		})
	}
}

// check compares an answer with what the test wants.
func (c *responseTest) check(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != c.Code {
		return fmt.Errorf("status %d, not %d: %s", resp.StatusCode, c.Code, got)
	}
	if err := sameHeaders(c.Headers, resp.Header); err != nil {
		return err
	}
	for _, h := range c.ForbidHeaders {
		if resp.Header.Values(h) != nil {
			return fmt.Errorf("header %s: %q is forbidden", h, resp.Header.Get(h))
		}
	}
	for _, h := range c.RequireHeaders {
		if resp.Header.Values(h) == nil {
			return fmt.Errorf("header %s is missing", h)
		}
	}
	if c.Body == nil {
		return nil
	}
	if *c.Body == "" {
		return SameBody("", "", got)
	}
	return SameBody(c.BodyMediaType, *c.Body, got)
}

func sameHeaders(want map[string]string, got http.Header) error {
	for k, v := range want {
		if g := strings.Join(got.Values(k), ", "); !strings.EqualFold(k, "Content-Type") && g != v {
			return fmt.Errorf("header %s: %q, not %q", k, g, v)
		} else if strings.EqualFold(k, "Content-Type") && !sameType(g, v) {
			return fmt.Errorf("header %s: %q, not %q", k, g, v)
		}
	}
	return nil
}

// sameType compares media types, with or without a charset.
func sameType(a, b string) bool {
	a, _, _ = strings.Cut(a, ";")
	b, _, _ = strings.Cut(b, ";")
	return a == b
}

func runErrors(t *testing.T, y *tally, s *service, target string, shape ASTShape) {
	t.Helper()
	var cases []responseTest
	if !shape.Traits.into("smithy.test#httpResponseTests", &cases) {
		return
	}
	id, ok := s.errorShape(localName(target))
	if !ok {
		t.Fatalf("no error %s", target)
	}
	for _, c := range cases {
		if !ours(c.Protocol, c.AppliesTo) {
			continue
		}
		y.run(c.Protocol, "error", c.ID, func() error {
			params, err := numbers(c.Params)
			if err != nil {
				return err
			}
			return c.check(s.encodeError(id, params))
		})
	}
}

func (s *service) errorShape(name string) (schema.ShapeID, bool) {
	for _, op := range s.svc.Operations {
		for _, id := range op.Errors {
			if s.svc.Shape(id).Name == name {
				return id, true
			}
		}
	}
	return 0, false
}
