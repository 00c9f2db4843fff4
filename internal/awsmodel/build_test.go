package awsmodel

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

func parse(t *testing.T, operations, shapes string) *Model {
	t.Helper()
	m, err := Parse(strings.NewReader(`{"metadata": {"protocol": "json", "endpointPrefix": "x"}, "operations": {` + operations + `}, "shapes": {` + shapes + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const opA = `"A": {"name": "A", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "In"}}`

func TestBuildKeepsTheOrderOfMembers(t *testing.T) {
	m := parse(t, opA, `"In": {"type": "structure", "members": {"z": {"shape": "S"}, "a": {"shape": "S"}, "M": {"shape": "S"}}}, "S": {"type": "string"}, "Unused": {"type": "string"}`)
	svc, err := Build("x", m, Overlay{})
	if err != nil {
		t.Fatal(err)
	}
	if len(svc.Shapes) != 2 || svc.Shapes[0].Name != "In" || svc.Shapes[1].Name != "S" {
		t.Fatalf("got %+v, want In and S alone, by name", svc.Shapes)
	}
	var names []string
	for _, m := range svc.Shapes[0].Members {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, " "); got != "z a M" {
		t.Errorf("got %s", got)
	}
	if len(svc.Protocols) != 1 || svc.Protocols[0] != schema.AWSJSON || svc.SigningName != "x" || svc.Operations[0].Output != schema.NoShape {
		t.Errorf("got %+v", svc)
	}
}

func TestBuildLeavesTheModelAlone(t *testing.T) {
	m := parse(t, opA, `"In": {"type": "structure", "members": {"mode": {"shape": "S", "enum": ["x"]}}}, "S": {"type": "string"}`)
	for range 2 {
		svc, err := Build("x", m, Overlay{})
		if err != nil {
			t.Fatal(err)
		}
		if s := svc.Shape(svc.Shapes[0].Members[0].Target); s.Name != "InMode" || len(s.Enum) != 1 {
			t.Errorf("got %+v", s)
		}
	}
	if len(m.Shapes) != 2 || m.Shapes["S"].Enum != nil {
		t.Errorf("Build changed the model: %+v", m.Shapes)
	}
}

func TestBuildErrors(t *testing.T) {
	exceptions := `"Bare": {"type": "structure", "exception": true}, "Fault": {"type": "structure", "exception": true, "fault": true},
		"Gone": {"type": "structure", "exception": true, "error": {"code": "Svc.Gone", "httpStatusCode": 410}},
		"Named": {"type": "structure", "exception": true, "error": {"code": "Named", "httpStatusCode": 403, "senderFault": true}},
		"Bad": {"type": "structure", "exception": true, "error": {"httpStatusCode": 502, "senderFault": true}, "fault": true}`
	m := parse(t, `"A": {"name": "A", "errors": [{"shape": "Bare"}, {"shape": "Fault"}, {"shape": "Gone"}, {"shape": "Named"}, {"shape": "Bad"}]}`, exceptions)
	svc, err := Build("x", m, Overlay{Errors: map[string]ShapeError{"Bare": {Code: "Svc.Bare", HTTPStatusCode: 409}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]schema.ErrorTrait{
		"Bare":  {Code: "Svc.Bare", Status: 409, SenderFault: true},
		"Fault": {Status: 500},
		"Gone":  {Code: "Svc.Gone", Status: 410, SenderFault: true},
		"Named": {Status: 403, SenderFault: true},
		"Bad":   {Status: 502},
	}
	for _, s := range svc.Shapes {
		if *s.Error != want[s.Name] || !s.Traits.Has(schema.Exception) {
			t.Errorf("%s: got %+v, want %+v", s.Name, *s.Error, want[s.Name])
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	in := func(member string) string {
		return `"In": {"type": "structure", "members": {"a": ` + member + `}}, "S": {"type": "string"}`
	}
	for _, tc := range []struct {
		name, shapes string
		overlay      Overlay
		want         string
	}{
		{"missing shape", in(`{"shape": "Nowhere"}`), Overlay{}, `In refers to shape "Nowhere"`},
		{"missing input", `"S": {"type": "string"}`, Overlay{}, `A refers to shape "In"`},
		{"unknown type", `"In": {"type": "tuple"}`, Overlay{}, `unknown type "tuple"`},
		{"unknown location", in(`{"shape": "S", "location": "cookie"}`), Overlay{}, `unknown location "cookie"`},
		{"unknown timestamp format", in(`{"shape": "S", "timestampFormat": "roman"}`), Overlay{}, `unknown timestampFormat "roman"`},
		{"list of nothing", `"In": {"type": "list"}`, Overlay{}, "a list without a member"},
		{"half a map", `"In": {"type": "map", "key": {"shape": "In"}}`, Overlay{}, "a map without a key or a value"},
		{"half a limit", `"In": {"type": "string", "min": 1.5}`, Overlay{}, "limit 1.5 is no whole number"},
		{"pattern", `"In": {"type": "string", "pattern": "(?=a)b"}`, Overlay{}, "namedRewrites"},
		{"pattern without its limit", `"In": {"type": "string", "pattern": "^.{1,100000}$"}`, Overlay{}, "stands on a length"},
		{"enum of no string", `"In": {"type": "structure", "members": {"a": {"shape": "In", "enum": ["x"]}}}`, Overlay{}, "In.a has an enum and is no string"},
		{"enum in the way", in(`{"shape": "S", "enum": ["x"]}`) + `, "InA": {"type": "string"}`, Overlay{}, "shape InA is in the way"},
		{"operation", in(`{"shape": "S"}`), Overlay{Operations: []string{"B"}}, `no operation "B"`},
		{"stale overlay", in(`{"shape": "S"}`), Overlay{
			QueryNames: map[string]string{"In.b": "B", "In.a": "A"}, Unchecked: []string{"In.c"}, XMLNames: map[string]string{"Out": "O"}, Unwrapped: []string{"Un"}, NullElements: []string{"Nu"},
			Errors: map[string]ShapeError{"Err": {}},
		}, "does not have: Err, In.b, In.c, Nu, Out, Un"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Build("x", parse(t, opA, tc.shapes), tc.overlay)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	const text = `{"metadata": {"serviceId": "Plain", "xmlNamespace": "http://x/"}}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(strings.Replace(text, "Plain", "Zipped", 1))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := fstest.MapFS{
		"a/1/service-2.json":    {Data: []byte(text)},
		"b/1/service-2.json.gz": {Data: zipped.Bytes()},
		"c/1/service-2.json.gz": {Data: []byte("not gzip")},
		"d/1/service-2.json":    {Data: []byte(`{"shapes": {"S": {"members": []}}}`)},
	}
	for service, want := range map[string]string{"a": "Plain", "b": "Zipped"} {
		m, err := ReadFile(data, service, "1")
		if err != nil || m.Metadata.ServiceID != want || m.Metadata.XMLNamespace.URI != "http://x/" {
			t.Errorf("%s: got %+v, %v", service, m, err)
		}
	}
	for _, service := range []string{"c", "d", "e"} {
		if _, err := ReadFile(data, service, "1"); err == nil {
			t.Errorf("%s: no error", service)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"functionName": "FunctionName", "__listOfApi": "ListOfApi", "ID": "ID", "é": "É"} {
		if got := ExportName(in); got != want {
			t.Errorf("ExportName(%q) is %q, want %q", in, got, want)
		}
	}
	// As the AWS SDK for Go v2 has them.
	for value, want := range map[string]string{
		"python3.13": "RuntimePython313", "nodejs22.x": "RuntimeNodejs22x", "provided.al2023": "RuntimeProvidedal2023",
		"TRIM_HORIZON": "RuntimeTrimHorizon", "RequestResponse": "RuntimeRequestResponse", "x86_64": "RuntimeX8664",
		"AWS_IAM": "RuntimeAwsIam", "aws:kms": "RuntimeAwsKms", "s3:ObjectCreated:*": "RuntimeS3ObjectCreated",
	} {
		if got := EnumName("Runtime", value); got != want {
			t.Errorf("EnumName(%q) is %q, want %q", value, got, want)
		}
	}
}
