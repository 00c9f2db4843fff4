package mapping_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/gateway/mapping"
	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// variables are $context variables by their path.
type variables struct {
	values map[string]vtl.Value
	groups map[string][]string
}

func (v variables) Variable(name string) (vtl.Value, bool) {
	value, ok := v.values[name]
	return value, ok
}

func (v variables) Names(group string) []string { return v.groups[group] }

func event(body string) *mapping.Event {
	return &mapping.Event{
		Body:   []byte(body),
		Path:   []mapping.Parameter{{Name: "id", Value: "42"}, {Name: "dup", Value: "path"}},
		Query:  []mapping.Parameter{{Name: "q", Value: "a b"}, {Name: "dup", Value: "query"}},
		Header: []mapping.Parameter{{Name: "X-One", Value: "it's \"1\""}, {Name: "dup", Value: "header"}},
		Context: variables{
			values: map[string]vtl.Value{
				"httpMethod": "POST", "identity.sourceIp": "192.0.2.1", "identity.userAgent": "curl/8", "authorizer.principalId": "me",
				"authorizer.claims.sub": "s-1", "requestTimeEpoch": vtl.Number("1700000000000"),
			},
			groups: map[string][]string{
				"": {"httpMethod", "identity", "authorizer"}, "identity": {"sourceIp", "userAgent"},
				"authorizer": {"principalId", "claims"}, "authorizer.claims": {"sub"},
			},
		},
		StageVariables: map[string]string{"table": "orders", "env": "test"},
	}
}

func render(t *testing.T, template string, e *mapping.Event) string {
	t.Helper()
	out, err := try(t, template, e)
	if err != nil {
		t.Fatalf("%q: %v", template, err)
	}
	return out
}

func try(t *testing.T, template string, e *mapping.Event) (string, error) {
	t.Helper()
	tmpl, err := mapping.Compile(template)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tmpl.Execute(t.Context(), &b, e)
	return b.String(), err
}

type templateTest struct{ body, template, want string }

func check(t *testing.T, tests []templateTest) {
	t.Helper()
	for _, tt := range tests {
		if got := render(t, tt.template, event(tt.body)); got != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.template, tt.body, got, tt.want)
		}
	}
}

// What AWS itself was seen to answer: null and what is missing is the empty string,
// lists print as JSON, objects as Java's maps.
func TestValuesPrintAsInAPIGateway(t *testing.T) {
	const result = `#set($r = $input.path("$.json"))`
	const facts = result + `{"body": $r, "nested": $r.nested, "isNull": #if( $r == $null )"true"#else"false"#end, "isEmpty": #if( $r == "" )"true"#else"false"#end}`
	check(t, []templateTest{
		{`{"json":{"foo":"bar"}}`, result + `$r`, `{foo=bar}`},
		{`{"json":[{"foo":"bar"}]}`, result + `$r`, `[{"foo":"bar"}]`},
		{`{"json":{"nested":{"foo":"bar"}}}`, result + `$r.nested`, `{foo=bar}`},
		{`{"json":{"nested":[{"foo":"bar"}]}}`, result + `$r.nested`, `[{"foo":"bar"}]`},
		{`{"json":[{"foo":"bar"}]}`, result + `$r[0]`, `{foo=bar}`},
		{`{"json":[[{"foo":"bar"}]]}`, result + `$r[0]`, `[{"foo":"bar"}]`},
		{`{"json":{"foo":[{"nested":"bar"}]}}`, result + `$r.toString()`, `{foo=[{"nested":"bar"}]}`},
		{`{"json":{"bigger":"dict","to":"test"}}`, result + `$r`, `{bigger=dict, to=test}`},
		{`{}`, facts, `{"body": , "nested": , "isNull": "true", "isEmpty": "true"}`},
		{``, facts, `{"body": , "nested": , "isNull": "true", "isEmpty": "true"}`},
		{`{"json":[]}`, facts, `{"body": [], "nested": , "isNull": "false", "isEmpty": "false"}`},
		{`{"json":null}`, facts, `{"body": , "nested": , "isNull": "true", "isEmpty": "true"}`},
		{`{"a":1}`, `#if($input.path("$.none"))true#else false#end`, `true`},
		{`{"a":1}`, `#if($none)true#else false#end`, `true`},
		{`{"a":1}`, `[$none][${none.x}][$!none][\$none][$none.x()]`, `[][][][$none][]`},
		{`{"a":1}`, `#if("$!input.path('$.none')" != "")x#end|`, `|`},
	})
}

func TestInput(t *testing.T) {
	check(t, []templateTest{
		{``, `$input.body`, `{}`},
		{`{"some": "value"}`, `$input.body`, `{"some": "value"}`},
		{`raw`, `Action=SendMessage&MessageBody=$util.urlEncode($input.body)`, `Action=SendMessage&MessageBody=raw`},
		{``, `$util.urlEncode($input.body)`, `%7B%7D`},
		{`{"b":1.50,"a":{"z":[1e3,12345678901234567890]}}`, `$input.json('$')`, `{"b":1.50,"a":{"z":[1e3,12345678901234567890]}}`},
		{`{"b":1.50}`, `$input.path('$.b') $input.json('$.b')`, `1.50 1.50`},
		{`{"b":7}`, `#set($x = $input.path('$.b') + 1)$x #if($input.path('$.b') == 7)eq#end`, `8 eq`},
		{`{"s":"a\"b/é"}`, `$input.json('$.s') $input.path('$.s')`, `"a\"b/é" a"b/é`},
		{`{"x":1}`, `$input.json('$.none')`, `""`},
		{``, `$input.json('$')`, `{}`},
		{`a=b&c=d`, `{"body": $input.json("$")}`, `{"body": "a=b&c=d"}`},
		{`not json`, `[$input.path("$.x")]`, `[]`},
		{`{"l":[{"p":1},{"p":2}]}`, `$input.path('$.l[*].p') $input.path('$.l').size() $input.path('$..p')[1] $input.json("$.l[?(@.p > 1)]")`, `[1,2] 2 2 [{"p":2}]`},
		{`{"id":"x"}`, `$input.path('id')`, `x`},
		{`{}`, `$input.params('id') $input.params('q') $input.params('X-One') $input.params('x-one') [$input.params('none')]`, `42 a b it's "1" it's "1" []`},
		{`{}`, `$input.params('dup') $input.params().querystring.dup $input.params().get('header').get('dup')`, `path query header`},
		{`{}`, `$input.params() $input.params().path.keySet() $input.params('querystring').size()`, `{path={id=42, dup=path}, querystring={q=a b, dup=query}, header={X-One=it's "1", dup=header}} [id, dup] 2`},
		{`{"k":"id"}`, `$input.params($input.path('$.k'))`, `42`},
		{`{}`, `#set($p = $input.path('$'))#set($p.added = 1)$p $input.json('$')`, `{added=1} {"added":1}`},
	})
}

func TestUtil(t *testing.T) {
	check(t, []templateTest{
		{`{"s":"it's \"q\" \\ \n\té😀/"}`, `$util.escapeJavaScript($input.path('$.s'))`, `it\'s \"q\" \\ \n\t\u00E9\uD83D\uDE00\/`},
		{`{"s":"it's"}`, `$util.escapeJavaScript($input.path('$.s')).replaceAll("\\'", "'")`, `it's`},
		{`{"s":"x"}`, `$util.escapeJavaScript($input.json('$.s'))`, `\"x\"`},
		{`{"s":"{\"a\":{\"b\":[1,2]}}"}`, `#set($o = $util.parseJson($input.path('$.s')))$o.a.b[1] $o.a`, `2 {b=[1,2]}`},
		{`{"s":"a b+c/é*~"}`, `$util.urlEncode($input.path('$.s')) $util.urlDecode('a+b%2Bc')`, `a+b%2Bc%2F%C3%A9*%7E a b+c`},
		{`{"s":"héllo"}`, `$util.base64Encode($input.path('$.s')) $util.base64Decode('aMOpbGxv') $util.base64Decode($util.base64Encode("x"))`, `aMOpbGxv héllo x`},
		{`{"l":[1,2]}`, `$util.base64Encode($input.path('$.l')) $util.escapeJavaScript($input.path('$.l'))`, `WzEsMl0= [1,2]`},
		{`{}`, `[$util.nope('x')][$util.escapeJavaScript($none)]`, `[][]`},
	})
	for _, template := range []string{`$util.parseJson('{')`, `$util.urlDecode('%zz')`, `$util.base64Decode('*')`, `$input.path('$[')`, `$input.json('$.a.')`} {
		var at *vtl.ExecutionError
		if out, err := try(t, template, event(`{}`)); !errors.As(err, &at) || at.Line != 1 {
			t.Errorf("%s: %q, %v", template, out, err)
		}
	}
}

func TestContextAndStageVariables(t *testing.T) {
	check(t, []templateTest{
		{``, `$context.httpMethod $context.identity.sourceIp $context.authorizer.claims.sub $context.requestTimeEpoch [$context.none][$context.identity.none]`, `POST 192.0.2.1 s-1 1700000000000 [][]`},
		{``, `$context.identity #foreach($k in $context.authorizer.keySet())$k;#end $context.get('httpMethod') $context.authorizer.get('principalId')`, `{sourceIp=192.0.2.1, userAgent=curl/8} principalId;claims; POST me`},
		{``, `$stageVariables.table ${stageVariables.env} $stageVariables.get('env') [$stageVariables.none] $stageVariables.keySet() $stageVariables $stageVariables.size()`, `orders test test [] [env, table] {env=test, table=orders} 2`},
	})
	if _, err := try(t, `#set($context.httpMethod = "GET")`, event(``)); err == nil || !strings.Contains(err.Error(), "requestOverride") {
		t.Errorf("assigning to $context: %v", err)
	}
}

func TestOverrides(t *testing.T) {
	e := event(`{"status":"missing"}`)
	render(t, `#set($context.requestOverride.header.oHeader = "1header")
#set($context.requestOverride.header["multi"] = ["1header", "2header"])
#set($context.requestOverride.path.proxy = $input.params('id'))
#set($x = $context.requestOverride.querystring)#set($x.q = 5)
#set($context.responseOverride.header.r = "v")
#if($input.path('$.status') == "missing")#set($context.responseOverride.status = 404)#end`, e)
	o := &e.Overrides
	status, ok := o.ResponseStatus()
	if status != 404 || !ok {
		t.Errorf("status %d %v", status, ok)
	}
	for name, got := range map[string][]mapping.Override{"header": o.RequestHeader(), "path": o.RequestPath(), "query": o.RequestQuery(), "response": o.ResponseHeader()} {
		want := map[string][]mapping.Override{
			"header": {{Name: "oHeader", Values: []string{"1header"}}, {Name: "multi", Values: []string{"1header", "2header"}}},
			"path":   {{Name: "proxy", Values: []string{"42"}}}, "query": {{Name: "q", Values: []string{"5"}}}, "response": {{Name: "r", Values: []string{"v"}}},
		}[name]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	// The next template sees them, and a body of its own.
	e.Body = []byte(`{"n":2}`)
	if got := render(t, `$context.responseOverride.status $input.path('$.n')`, e); got != "404 2" {
		t.Errorf("%q", got)
	}
	empty := event(``)
	render(t, `x`, empty)
	if status, ok := empty.Overrides.ResponseStatus(); ok {
		t.Errorf("status %d of no override", status)
	}
	if o := empty.Overrides.RequestHeader(); o != nil {
		t.Errorf("%v of no override", o)
	}
}

// The shape of API Gateway's own "method request passthrough" template.
func TestPassthroughOfEverything(t *testing.T) {
	got := render(t, `#set($all = $input.params())
{
"body": $input.json('$'),
"params": {
#foreach($type in $all.keySet())
  #set($params = $all.get($type))
"$type": {
    #foreach($name in $params.keySet())
    "$name": "$util.escapeJavaScript($params.get($name)).replaceAll("\\'", "'")"
      #if($foreach.hasNext),#end
    #end
  }
  #if($foreach.hasNext),#end
#end
},
"stage": {
#foreach($key in $stageVariables.keySet())
"$key": "$stageVariables.get($key)"#if($foreach.hasNext),#end

#end
},
"ip": "$context.identity.sourceIp"
}`, event(`{"b":1,"a":[true,null]}`))
	var v map[string]any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	want := map[string]any{
		"body": map[string]any{"b": 1.0, "a": []any{true, nil}},
		"params": map[string]any{
			"path":        map[string]any{"id": "42", "dup": "path"},
			"querystring": map[string]any{"q": "a b", "dup": "query"},
			"header":      map[string]any{"X-One": `it's "1"`, "dup": "header"},
		},
		"stage": map[string]any{"table": "orders", "env": "test"},
		"ip":    "192.0.2.1",
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("%v\nwant %v", v, want)
	}
}

// The shape of the developer guide's photo album example.
func TestListOfObjectsIsTransformed(t *testing.T) {
	got := render(t, `#set($root = $input.path('$'))
{
  "pictures": [
#foreach($p in $root.album.pictures)
    {
      "id": "$p.id",
      "by": "$p.first $p.last",
      "public": $p.public
    }#if($foreach.hasNext),#end

#end
  ]
}`, event(`{"album":{"pictures":[{"id":"1","first":"Ann","last":"Lee","public":true,"n":1},{"id":"2","first":"Bo","last":"Ek","public":false}]}}`))
	want := `{
  "pictures": [
    {
      "id": "1",
      "by": "Ann Lee",
      "public": true
    },
    {
      "id": "2",
      "by": "Bo Ek",
      "public": false
    }
  ]
}`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func BenchmarkExecute(b *testing.B) {
	tmpl, err := mapping.Compile(`#set($r = $input.path('$'))
{"id": "$r.id", "method": "$context.httpMethod", "items": [#foreach($i in $r.items){"n": "$i.name"}#if($foreach.hasNext),#end#end], "table": "$stageVariables.table"}`)
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"id":"1","items":[{"name":"a"},{"name":"b"},{"name":"c"}]}`)
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		e := event("")
		e.Body = body
		out.Reset()
		if err := tmpl.Execute(b.Context(), &out, e); err != nil {
			b.Fatal(err)
		}
	}
}
