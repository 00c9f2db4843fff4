package wiretest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/awsmodel"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// The form of botocore's tests: what a client sends for params, and what it
// makes of a response. A server's are the same turned round.
type botocoreSuite struct {
	Description string
	Metadata    json.RawMessage
	Shapes      json.RawMessage
	Cases       []botocoreCase
}

type botocoreCase struct {
	ID         string
	Given      json.RawMessage
	Params     json.RawMessage
	Serialized struct {
		Method  string
		URI     string
		Headers map[string]string
		Body    string
	}
	Result    json.RawMessage
	Error     json.RawMessage
	ErrorCode string
	Response  struct {
		StatusCode int `json:"status_code"`
		Headers    map[string]string
		Body       string
	}
}

func loadSuites(t testing.TB, name string) []botocoreSuite {
	t.Helper()
	var out []botocoreSuite
	if err := json.Unmarshal(read(t, filepath.Join("botocore", name)), &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

var botocoreFiles = []string{
	"json.json", "json_1_0.json", "json_1_0-query-compatible.json", "query.json", "rest-json.json", "rest-xml.json",
	"smithy-rpc-v2-cbor.json", "smithy-rpc-v2-cbor-query-compatible.json", "smithy-rpc-v2-cbor-non-query-compatible.json",
}

// build makes the schema of the suite with the case's operation alone.
func (c *botocoreCase) build(suite *botocoreSuite) (*schema.Service, error) {
	var given struct{ Name string }
	if err := json.Unmarshal(c.Given, &given); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(map[string]any{
		"metadata": suite.Metadata, "shapes": suite.Shapes, "operations": map[string]any{given.Name: c.Given},
	})
	if err != nil {
		return nil, err
	}
	m, err := awsmodel.Parse(bytes.NewReader(doc))
	if err != nil {
		return nil, err
	}
	return awsmodel.Build("test", m, awsmodel.Overlay{})
}

// clientOnly lists the vectors, as "kind/ID", that Smithy has for clients alone:
// botocore's tests are mostly Smithy's, and do not say it.
func clientOnly(a *AST) map[string]bool {
	out := map[string]bool{}
	for _, s := range a.Shapes {
		var requests []requestTest
		s.Traits.into("smithy.test#httpRequestTests", &requests)
		for _, c := range requests {
			out["request/"+c.ID] = c.AppliesTo == "client" || s.Traits.has(api+"requestCompression") && c.Body == nil
		}
		var responses []responseTest
		s.Traits.into("smithy.test#httpResponseTests", &responses)
		for _, c := range responses {
			out["response/"+c.ID] = c.AppliesTo == "client"
			out["error/"+c.ID] = c.AppliesTo == "client"
		}
	}
	return out
}

// TestBotocoreLegacyVectors runs what botocore tested by before it took over
// Smithy's vectors: the older forms of models, such as lists flattened by their
// shape. Their responses are about what a client makes of odd ones, and left
// out. Cases have no IDs: they go by suite and number.
func TestBotocoreLegacyVectors(t *testing.T) {
	y := newTally(t, knownLegacyFailures)
	defer y.report()
	for _, file := range []string{"json.json", "query.json", "rest-json.json", "rest-xml.json"} {
		protocol := "legacy " + strings.TrimSuffix(file, ".json")
		for j, suite := range loadSuites(t, "legacy/input/"+file) {
			for i := range suite.Cases {
				c := &suite.Cases[i]
				id := fmt.Sprintf("%s %d.%d %s", protocol, j, i, suite.Description)
				y.run(protocol, "request", id, func() error { return c.request(&suite) })
			}
		}
	}
}

func TestBotocoreVectors(t *testing.T) {
	skip := clientOnly(loadAST(t))
	y := newTally(t, knownBotocoreFailures)
	defer y.report()
	for _, file := range botocoreFiles {
		protocol := "botocore " + strings.TrimSuffix(file, ".json")
		for _, suite := range loadSuites(t, "input/"+file) {
			for i := range suite.Cases {
				c := &suite.Cases[i]
				if !skip["request/"+c.ID] {
					y.run(protocol, "request", c.ID, func() error { return c.request(&suite) })
				}
			}
		}
		for _, suite := range loadSuites(t, "output/"+file) {
			for i := range suite.Cases {
				c := &suite.Cases[i]
				kind := "response"
				if c.ErrorCode != "" {
					kind = "error"
				}
				if !skip[kind+"/"+c.ID] {
					y.run(protocol, kind, c.ID, func() error { return c.response(&suite) })
				}
			}
		}
	}
}

// request decodes what the client sends and wants its params back.
func (c *botocoreCase) request(suite *botocoreSuite) error {
	svc, err := c.build(suite)
	if err != nil {
		return err
	}
	s := newService(svc)
	params, err := numbers(c.Params)
	if err != nil {
		return err
	}
	data := c.Serialized.Body
	protocol := svc.Protocols[0]
	if protocol == schema.CBOR {
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return err
		}
		data = string(raw)
	}
	op := s.svc.Operations[0]
	r := request(cmp.Or(c.Serialized.Method, svc.Operations[0].Method, "POST"), c.Serialized.URI, nil, c.Serialized.Headers, data)
	// Tests leave out headers that they are not about but every client sends.
	if protocol == schema.AWSJSON && r.Header.Get("X-Amz-Target") == "" {
		r.Header.Set("X-Amz-Target", svc.TargetPrefix+"."+op.Name)
	}
	if protocol == schema.Query && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if protocol == schema.RestJSON && r.Header.Get("Content-Type") == "" && strings.HasPrefix(data, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	resp := s.serve(r)
	if s.called == nil {
		b, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("refused: %d %s %s", resp.StatusCode, b, s.log.String())
	}
	return s.decoded(op.Name, params)
}

// response encodes the result that the client makes of a response, and wants
// that response.
func (c *botocoreCase) response(suite *botocoreSuite) error {
	svc, err := c.build(suite)
	if err != nil {
		return err
	}
	svc.WrappedErrors = true
	c.adopt(svc)
	s := newService(svc)
	op := &s.svc.Operations[0]
	if c.ErrorCode != "" {
		return c.failure(s)
	}
	params, err := numbers(c.Result)
	if err != nil {
		return err
	}
	// botocore puts the response's metadata beside the members.
	if m, ok := params.(map[string]any); ok {
		delete(m, "ResponseMetadata")
	}
	var out any = new(schema.Unit)
	if op.Output != schema.NoShape {
		if out, err = s.value(op.Output, false, params); err != nil {
			return fmt.Errorf("the test's result: %w", err)
		}
	}
	want := c.want(svc)
	return want.check(s.encode(op, out))
}

func (c *botocoreCase) failure(s *service) error {
	params, err := numbers(c.Error)
	if err != nil {
		return err
	}
	op := &s.svc.Operations[0]
	i := slices.IndexFunc(op.Errors, func(id schema.ShapeID) bool {
		shape := s.svc.Shape(id)
		return shape.Name == c.ErrorCode || shape.Error != nil && shape.Error.Code == c.ErrorCode
	})
	if i < 0 {
		return fmt.Errorf("the test's error %s is not of the operation", c.ErrorCode)
	}
	want := c.want(s.svc)
	return want.check(s.encodeError(op.Errors[i], params))
}

func (c *botocoreCase) want(svc *schema.Service) *responseTest {
	want := &responseTest{ID: c.ID, Code: c.Response.StatusCode, Headers: c.Response.Headers}
	// An empty body is none that the test speaks of: Smithy's tests, which these
	// were made from, leave it out.
	if c.Response.Body != "" {
		want.Body = &c.Response.Body
	}
	switch svc.Protocols[0] {
	case schema.CBOR:
		want.BodyMediaType = "application/cbor"
	case schema.RestXML, schema.Query:
		if strings.HasPrefix(strings.TrimSpace(c.Response.Body), "<") {
			want.BodyMediaType = "application/xml"
		}
	default:
		if strings.HasPrefix(strings.TrimSpace(c.Response.Body), "{") {
			want.BodyMediaType = "application/json"
		}
	}
	return want
}

// adopt takes from the response what botocore's models do not say: the
// namespace before an error's code, and the root element's name and namespace,
// which a client does not look at.
func (c *botocoreCase) adopt(svc *schema.Service) {
	var typed struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal([]byte(c.Response.Body), &typed) == nil {
		svc.Namespace, _, _ = strings.Cut(typed.Type, "#")
		if svc.Namespace == typed.Type {
			svc.Namespace = ""
		}
	}
	if svc.Protocols[0] == schema.CBOR {
		if raw, err := base64.StdEncoding.DecodeString(c.Response.Body); err == nil {
			if v, _, err := parseCBOR(raw); err == nil {
				if m, ok := v.(map[string]any); ok {
					if ns, _, ok := strings.Cut(fmt.Sprint(m["__type"]), "#"); ok {
						svc.Namespace = ns
					}
				}
			}
		}
	}
	var root xml.StartElement
	d := xml.NewDecoder(strings.NewReader(c.Response.Body))
	for root.Name.Local == "" {
		tok, err := d.RawToken()
		if err != nil {
			return
		}
		if start, ok := tok.(xml.StartElement); ok {
			root = start
		}
	}
	if id := svc.Operations[0].Output; id != schema.NoShape && svc.Protocols[0] == schema.RestXML {
		svc.Shapes[id].XMLName = root.Name.Local
	}
	for _, a := range root.Attr {
		if a.Name.Local == "xmlns" {
			svc.XMLNamespace = a.Value
		}
	}
}
