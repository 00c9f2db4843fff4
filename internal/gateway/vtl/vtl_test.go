package vtl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

func execute(t *testing.T, source string, vars vtl.Variables) (string, error) {
	t.Helper()
	tmpl, err := vtl.Compile(source)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tmpl.Execute(t.Context(), &b, vars)
	return b.String(), err
}

// In API Gateway null is the empty string wherever a reference stands.
func TestUndefinedIsEmptyInAPIGateway(t *testing.T) {
	for source, want := range map[string]string{
		`[$nope][${nope}][$!nope][$nope.a.b()][$s.nope]`:           `[][][][][]`,
		`#if($nope)T#{else}F#end`:                                  `T`,
		`#if(!$nope)T#{else}F#end`:                                 `F`,
		`#if($nope == "")T#{else}F#end`:                            `T`,
		`#if($nope == $nope2)T#{else}F#end`:                        `T`,
		`#if($no)T#{else}F#end`:                                    `F`,
		`#set($x = 1)#set($x = $nope)[$x]`:                         `[]`,
		`#set($x = $nope + 1)$x`:                                   `1`,
		`#foreach($i in $nope)x#end|`:                              `|`,
		`#macro(m $p)[$p]#end#m()#m($nope)`:                        `[][]`,
		`#foreach($i in $holes)[$i]#end`:                           `[x][][y]`,
		`$nope.isEmpty() $nope.length()`:                           ` `,
		`#set($x = $nope)$x.isEmpty() $x.length()`:                 `true 0`,
		`\$s \\$s \$nope \#if`:                                     `$s \hello $nope #if`,
		`#nothing("a") #set($l = [$nope, 1])$l`:                    `#nothing("a")[, 1]`,
		`#set($m.fresh = $nope)[$m.fresh] $m.containsKey("fresh")`: `[] true`,
	} {
		got, err := execute(t, source, variables())
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", source, got, err, want)
		}
	}
}

func TestSyntaxErrorsSayWhere(t *testing.T) {
	for source, want := range map[string][2]int{
		"a\nb #if($x":              {2, 9},
		"#if($x)\n  y":             {2, 4},
		"#set($x 1)":               {1, 9},
		"é\n\n  #parse('x')":       {3, 3},
		"#include('x')":            {1, 1},
		"a $":                      {1, 3},
		"#if(true)x#end\n#else":    {2, 1},
		"#foreach($x of $y)z#end":  {0, 0},
		"#foreach($x)z#end":        {1, 1},
		"#macro(\"a\")#end":        {1, 8},
		"#set($x = \"#if(\")":      {1, 11},
		"#if($a ? 1)x#end":         {1, 8},
		"#evaluate(1)":             {1, 1},
		"#set($x = {'a' 1})":       {1, 16},
		"#set($x = \"\\u00zz$s\")": {1, 11},
	} {
		_, err := vtl.Compile(source)
		if want[0] == 0 {
			if err != nil {
				t.Errorf("%q: %v", source, err)
			}
			continue
		}
		var at *vtl.SyntaxError
		if !errors.As(err, &at) || at.Line != want[0] || at.Column != want[1] || at.Message == "" {
			t.Errorf("%q: %v, want an error at %v", source, err, want)
		}
	}
}

func TestExecutionErrorsSayWhere(t *testing.T) {
	for source, want := range map[string]string{
		"x\n  $list[9]":                         "line 2, column 8: index 9",
		"$s.substring(9)":                       "line 1, column 4: substring: index 9",
		"#set($n1 = 0)$n1.parseInt('x')":        `NumberFormatException: for input string "x"`,
		"$s.replaceAll('(?=x)', '')":            "look-around",
		"$s.replaceAll('(a)\\1', '')":           "a back reference",
		"$s.matches('a++')":                     "possessive",
		"$s.matches('[a')":                      "PatternSyntaxException",
		"$s.replaceAll('l', '$3')":              "illegal group reference",
		"#macro(r)#r()#end#r()":                 "over 20 deep",
		"#foreach($x in $list)$list.add(1)#end": "changed",
		"#break($s)":                            "takes the scope of a loop",
	} {
		_, err := execute(t, source, variables())
		var at *vtl.ExecutionError
		if !errors.As(err, &at) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
}

// Templates that would take all memory or all time are stopped soon.
func TestExecutionIsBounded(t *testing.T) {
	loops := func(n int, body string) string {
		return strings.Repeat("#foreach($i in [1..1000])", n) + body + strings.Repeat("#end", n)
	}
	for name, tt := range map[string]struct {
		source string
		want   error
	}{
		"loops":           {loops(6, "x"), vtl.ErrWork},
		"output":          {"#set($x = 'xxxxxxxxxxxxxxxx')" + loops(2, "$x"), vtl.ErrOutput},
		"string doubling": {"#set($x = 'x')" + loops(1, "#set($x = $x + $x)"), vtl.ErrOutput},
		"interpolation":   {"#set($x = 'x')" + loops(1, `#set($x = "$x$x")`), vtl.ErrOutput},
		"list doubling":   {"#set($x = [1])" + loops(1, "#set($y = $x.addAll($x.subList(0, $x.size())))"), vtl.ErrWork},
		"list of lists":   {"#set($x = [1])#foreach($i in [1..60])#set($x = [$x, $x])#end$x", vtl.ErrWork},
		"deep list":       {"#set($x = [1])#foreach($i in [1..999])#set($x = [$x])#end$x", vtl.ErrDepth},
		"cycle":           {"#set($x = [1])#set($y = [$x])#set($z = $x.add($y))$x", vtl.ErrDepth},
		"range":           {"#set($x = [1..2000000000])", vtl.ErrWork},
		"repeat":          {"$s.repeat(2000000000)", vtl.ErrOutput},
		"replace":         {"#set($x = $s.repeat(100000))#set($y = $x.replace('', $x))", vtl.ErrOutput},
		"regex":           {"#set($x = $s.repeat(100000))#foreach($i in [1..1000])#set($y = $x.replaceAll('(h|e|l)*o', ''))#end", vtl.ErrWork},
		"equality":        {"#set($x = [1])#set($y = [1])#foreach($i in [1..60])#set($x = [$x, $x])#set($y = [$y, $y])#end#if($x == $y)#end", vtl.ErrWork},
		"evaluate":        {"#set($t = '#evaluate($t)')#evaluate($t)", vtl.ErrDepth},
		"macro arguments": {"#macro(m $a)#m(\"$a$a\")#end#m('xx')", vtl.ErrDepth},
		"big integers":    {"#set($x = 99999999999999999999)#foreach($i in [1..100])#set($x = $x * $x)#end", nil},
	} {
		start := time.Now()
		_, err := execute(t, tt.source, variables())
		took := time.Since(start)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if took > time.Minute {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestDeepTemplatesAreRefused(t *testing.T) {
	for _, source := range []string{
		strings.Repeat("#if(true)", 5000) + strings.Repeat("#end", 5000),
		"#set($x = " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + ")",
		"#set($x = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + ")",
		"#set($x = " + strings.Repeat("{'a':", 5000) + "1" + strings.Repeat("}", 5000) + ")",
		strings.Repeat("$a.b(", 5000) + strings.Repeat(")", 5000),
		strings.Repeat("$a[", 5000) + strings.Repeat("]", 5000),
		strings.Repeat("x", vtl.MaxSource+1),
	} {
		if _, err := vtl.Compile(source); err == nil {
			t.Errorf("%.20q… compiles", source)
		}
	}
	// Long ones that are not deep compile in no time.
	for _, source := range []string{strings.Repeat(`\`, vtl.MaxSource-1) + "x", strings.Repeat("!", 1000) + "x", "#if(" + strings.Repeat("!", 100000) + "true)x#end", strings.Repeat("$a", 100000), strings.Repeat(" ", 200000) + "x", "#*" + strings.Repeat(`\`, 200000) + "*#"} {
		start := time.Now()
		if _, err := vtl.Compile(source); err != nil {
			t.Errorf("%.20q…: %v", source, err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.20q… took %v", source, took)
		}
	}
}

func TestContextEndsExecution(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tmpl, err := vtl.Compile("#foreach($i in [1..1000])#foreach($j in [1..1000])x#end#end")
	if err != nil {
		t.Fatal(err)
	}
	if err := tmpl.Execute(ctx, &bytes.Buffer{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriterErrorsAreReturned(t *testing.T) {
	tmpl, err := vtl.Compile("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := tmpl.Execute(t.Context(), failing{}, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, want os.ErrClosed", err)
	}
}

// API Gateway leaves out what a loop has over 1000 elements.
func TestLoopsEndAfterAThousand(t *testing.T) {
	items := make([]vtl.Value, 1500)
	for i := range items {
		items[i] = int32(i)
	}
	got, err := execute(t, "#foreach($i in $l)#set($x = $foreach.count)#end$x", vtl.Variables{"l": vtl.NewList(items...)})
	if err != nil || got != "1000" {
		t.Errorf("%q, %v", got, err)
	}
}

// object is a value of the host.
type object struct{ props map[string]vtl.Value }

func (o *object) String() string                          { return "object" }
func (o *object) Property(name string) (vtl.Value, error) { return o.props[name], nil }
func (o *object) SetProperty(name string, v vtl.Value) error {
	o.props[name] = v
	return nil
}

func (o *object) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	switch name {
	case "join":
		return fmt.Sprint(args...), true, nil
	case "fail":
		return nil, true, os.ErrInvalid
	}
	return nil, false, nil
}

func TestHostObjects(t *testing.T) {
	vars := vtl.Variables{"o": &object{map[string]vtl.Value{"a": "x", "n": vtl.Number("1.50")}}}
	got, err := execute(t, `$o $o.a $o.n $o.join("a", "b") [$o.none] [$o.none()] #set($o.b = "new")$o.b $o.toString() #if($o == $o)same#end`, vars)
	if want := `object x 1.50 ab [] [] new object same`; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := execute(t, "$o.fail()", vars); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("%v, want os.ErrInvalid", err)
	}
}

func TestTemplatesAreSafeForConcurrentUse(t *testing.T) {
	tmpl, err := vtl.Compile(`#macro(m $p)<$p>#end#set($x = "$v!")#foreach($i in [1..3])#m($x)$foreach.count#end#evaluate('$v$x')`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				v := fmt.Sprint(g, "-", i)
				var b bytes.Buffer
				if err := tmpl.Execute(t.Context(), &b, vtl.Variables{"v": v}); err != nil {
					t.Error(err)
					return
				}
				if want := strings.ReplaceAll("<V!>1<V!>2<V!>3VV!", "V", v); b.String() != want {
					t.Errorf("%q, want %q", b.String(), want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestJSONKeepsNumbersAndOrder(t *testing.T) {
	for _, text := range []string{`{"b":1.50,"a":[1e3,-0,12345678901234567890],"c":{}}`, `[]`, `"\u00e9\"\\\n"`, `null`, `-1.0E+2`} {
		v, err := vtl.ParseJSON([]byte(" " + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := vtl.AppendJSON(nil, v)
		if want := strings.ReplaceAll(text, `\u00e9`, "é"); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `{"a":1,}`, `[1 2]`, `nope`, `1 2`, strings.Repeat("[", 600) + strings.Repeat("]", 600)} {
		if v, err := vtl.ParseJSON([]byte(text)); err == nil {
			t.Errorf("%.20q: %v", text, v)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	data, err := os.ReadFile("testdata/tricky.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, source := range strings.Split(string(data), "\n----\n") {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		for _, mode := range []vtl.Mode{vtl.APIGateway, vtl.Velocity} {
			tmpl, err := vtl.CompileMode(source, mode)
			if err != nil {
				var at *vtl.SyntaxError
				if !errors.As(err, &at) && len(source) <= vtl.MaxSource {
					t.Errorf("%q: %v is no SyntaxError", source, err)
				}
				continue
			}
			var b bytes.Buffer
			err = tmpl.Execute(t.Context(), &b, variables())
			var at *vtl.ExecutionError
			if err != nil && !errors.As(err, &at) {
				t.Errorf("%q: %v is no ExecutionError", source, err)
			}
			if b.Len() > vtl.MaxOutput {
				t.Errorf("%q: %d bytes of output", source, b.Len())
			}
		}
	})
}

func BenchmarkExecute(b *testing.B) {
	tmpl, err := vtl.Compile(`{"id": "$row.id", "name": "$row.name", "list": [#foreach($i in $list)"$i"#if($foreach.hasNext),#end#end]#if($row.id == "1"), "one": true#end}`)
	if err != nil {
		b.Fatal(err)
	}
	row := vtl.NewMap(2)
	row.Put("id", "1")
	row.Put("name", "x")
	vars := vtl.Variables{"row": row, "list": vtl.NewList("a", "b", "c")}
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := tmpl.Execute(b.Context(), &out, vars); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	source := strings.Repeat(`{"id": "$row.id", "list": [#foreach($i in $list)"$i"#if($foreach.hasNext),#end#end]}`, 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := vtl.Compile(source); err != nil {
			b.Fatal(err)
		}
	}
}
