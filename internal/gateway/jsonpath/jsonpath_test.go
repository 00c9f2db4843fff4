package jsonpath_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/gateway/jsonpath"
	"github.com/paddock-run/paddock/internal/gateway/vtl"
)

// store is the document that JSONPath's own description works on.
const store = `{"store": {"book": [
  {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
  {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
  {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
  {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99}],
  "bicycle": {"color": "red", "price": 19.95}}, "expensive": 10, "n": null, "e": [], "nums": [3, 1, 2], "words": ["a", "b"],
  "odd name": 1, "a.b": 2, "it's": 3, "deep": {"x": [[1, 2], [3, 4]], "x2": {"x": 5}}, "big": 12345678901234567890, "f": 1.50}`

func get(t *testing.T, doc, path string) (string, bool) {
	t.Helper()
	root, err := vtl.ParseJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	p, err := jsonpath.Compile(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	v, found, err := p.Get(root)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b, err := vtl.AppendJSON(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), found
}

func TestPathsSelectWhatJaywaySelects(t *testing.T) {
	for path, want := range map[string]string{
		"$.expensive":                                 `10`,
		"expensive":                                   `10`,
		"$['expensive']":                              `10`,
		`$["store"]["bicycle"].color`:                 `"red"`,
		"$.store.book[0].title":                       `"Sayings of the Century"`,
		"$.store.book[-1].title":                      `"The Lord of the Rings"`,
		"$.store.book[*].author":                      `["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]`,
		"$..author":                                   `["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]`,
		"$.store.*.color":                             `["red"]`,
		"$.store..price":                              `[8.95,12.99,8.99,22.99,19.95]`,
		"$..book[2].title":                            `["Moby Dick"]`,
		"$..book[0,1].price":                          `[8.95,12.99]`,
		"$..book[:2].price":                           `[8.95,12.99]`,
		"$..book[1:2].price":                          `[12.99]`,
		"$..book[-2:].price":                          `[8.99,22.99]`,
		"$..book[2:].price":                           `[8.99,22.99]`,
		"$.store.book[0:4:2].price":                   `[8.95,8.99]`,
		"$..book[?(@.isbn)].price":                    `[8.99,22.99]`,
		"$..book[?(!@.isbn)].price":                   `[8.95,12.99]`,
		"$.store.book[?(@.price < 10)].title":         `["Sayings of the Century","Moby Dick"]`,
		"$..book[?(@.price <= $['expensive'])].price": `[8.95,8.99]`,
		"$..book[?(@.author =~ /.*REES/i)].price":     `[8.95]`,
		"$..book[?(@.category == 'fiction' && @.price > 12)].price":   `[12.99,22.99]`,
		"$..book[?(@.category == 'reference' || @.price > 20)].price": `[8.95,22.99]`,
		"$..book[?((@.price < 9 || @.price > 20) && @.isbn)].price":   `[8.99,22.99]`,
		"$..book[?(@.category in ['fiction', 'x'])].price":            `[12.99,8.99,22.99]`,
		"$..book[?(@.category nin ['fiction'])].price":                `[8.95]`,
		"$..book[?(@['price'] == 8.950)].author":                      `["Nigel Rees"]`,
		"$..book[?(@.title contains 'Moby')].price":                   `[8.99]`,
		"$..book[?(@.price != 8.95)].price":                           `[12.99,8.99,22.99]`,
		"$.store.book[?(@.none == null)]":                             `[]`,
		"$.nums[?(@ > 1)]":                                            `[3,2]`,
		"$.words[?(@ == 'a')]":                                        `["a"]`,
		"$[?(@.color == 'red')]":                                      `[]`,
		"$.store[?(@.color == 'red')].price":                          `[]`,
		"$.store.bicycle[?(@.color == 'red')].price":                  `[19.95]`,
		"$..[?(@.color)].price":                                       `[19.95]`,
		"$.store.bicycle['color','price']":                            `{"color":"red","price":19.95}`,
		"$..bicycle['price','color','none']":                          `[{"price":19.95,"color":"red"}]`,
		"$.store.book[*]['price','isbn'].length()":                    `2`,
		"$.n":                               `null`,
		"$.e":                               `[]`,
		"$.e[*]":                            `[]`,
		"$.none[*]":                         `[]`,
		"$..none":                           `[]`,
		"$.nums.length()":                   `3`,
		"$.store.book.length()":             `4`,
		"$.store.length()":                  `2`,
		"$.nums.min()":                      `1.0`,
		"$.nums.max()":                      `3.0`,
		"$.nums.sum()":                      `6.0`,
		"$.nums.avg()":                      `2.0`,
		"$.nums.first()":                    `3`,
		"$.nums.last()":                     `2`,
		"$.nums.index(1)":                   `1`,
		"$.words.concat('-', \"c\")":        `"ab-c"`,
		"$.words.append('c')":               `["a","b","c"]`,
		"$.store.keys()":                    `["book","bicycle"]`,
		"$['odd name']":                     `1`,
		"$['a.b']":                          `2`,
		`$['it\'s']`:                        `3`,
		"$.deep.x[*][0]":                    `[1,3]`,
		"$.deep..x":                         `[[[1,2],[3,4]],5]`,
		"$.deep.x[1][1]":                    `4`,
		"$.big":                             `12345678901234567890`,
		"$.f":                               `1.50`,
		"$[ 'expensive' ]":                  `10`,
		"$.store.book[?(@.price<10)].price": `[8.95,8.99]`,
		"$.nums[?(@ == '3')]":               `[3]`,
		"$.words[?(@ size 1)]":              `["a","b"]`,
		"$[?(@.x)]":                         `[]`,
		"$.store.book[?(@.author subsetof ['x'])]": `[]`,
		"$.deep.x[?(@ anyof [1, 9])]":              `[[1,2]]`,
		"$.deep.x[?(@ noneof [1, 9])]":             `[[3,4]]`,
		"$.deep.x[?(@ subsetof [3, 4, 5])]":        `[[3,4]]`,
		"$.deep.x[?(@.length() == 2)]":             `[[1,2],[3,4]]`,
	} {
		got, found := get(t, store, path)
		if !found || got != want {
			t.Errorf("%s: %s (found %v), want %s", path, got, found, want)
		}
	}
}

func TestWholeDocument(t *testing.T) {
	if got, _ := get(t, `{"b":1,"a":[1.0,{"c":"x"}]}`, "$"); got != `{"b":1,"a":[1.0,{"c":"x"}]}` {
		t.Errorf("$: %s", got)
	}
	if got, _ := get(t, `[1,{"a":2}]`, "$..*"); got != `[1,{"a":2},2]` {
		t.Errorf("$..*: %s", got)
	}
	if got, _ := get(t, `"text"`, "$"); got != `"text"` {
		t.Errorf("$: %s", got)
	}
}

func TestDefinitePathsMayFindNothing(t *testing.T) {
	for _, path := range []string{"$.none", "$.none.deeper", "$.nums[9]", "$.nums[-9]", "$.nums.name", "$.expensive[0]", "$.expensive.x", "$.words.max()", "$.expensive.length()", "$.store.book.title"} {
		if got, found := get(t, store, path); found {
			t.Errorf("%s: %s, want nothing", path, got)
		}
	}
}

func TestDefinite(t *testing.T) {
	for path, want := range map[string]bool{
		"$": true, "$.a.b[0]['c']": true, "$['a','b']": true, "$.a[0,1]": false, "$.a[1:]": false, "$..a": false, "$.*": false,
		"$[?(@.a)]": false, "$['a','b'].c": false, "$.a.length()": true,
	} {
		p, err := jsonpath.Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		if p.Definite() != want {
			t.Errorf("%s: definite %v, want %v", path, p.Definite(), want)
		}
	}
}

func TestBadPathsSayWhere(t *testing.T) {
	for _, path := range []string{"", " ", "$.", "$..", "$.a.", "$[", "$[]", "$['a'", "$['a", "$[1", "$[1:2:0]", "$[1:2:-1]", "$[a]", "$a", "$.a b", "$[?]", "$[?()]",
		"$[?(@.a ==)]", "$[?(@.a == 1]", "$[?(@.a && )]", "$[?(@.a =~ /(/)]", "$.a.nope()", "$.a.index()", "$.a.length(", "$[99999999999]", "$['\\u00']", "$[?(@.a in [1)]", "$.[0]",
		strings.Repeat("$.a", 9000), "$" + strings.Repeat("[?(@", 200)} {
		_, err := jsonpath.Compile(path)
		var at *jsonpath.SyntaxError
		if !errors.As(err, &at) {
			t.Errorf("%.40q: %v, want a SyntaxError", path, err)
		}
	}
}

// A path that multiplies its work is stopped.
func TestWorkIsBounded(t *testing.T) {
	doc := "1"
	for range 16 {
		doc = "[" + doc + "," + doc + "]"
	}
	if len(doc) > 8<<20 {
		t.Fatal("the document is too long")
	}
	root, err := vtl.ParseJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	p, err := jsonpath.Compile("$..[*]..[*]..[*]")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Get(root); !errors.Is(err, jsonpath.ErrWork) {
		t.Errorf("%v, want ErrWork", err)
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"$", "$.a[0]", "$..a[?(@.b > 1 && !@.c || @['d'] in [1,'x'])].length()", "$['a','b'][1:2:1]", "a.b", "$[?(@.a =~ /x.*/i)]", "$.nums.concat('a', $.x)"} {
		f.Add(path, store)
	}
	f.Fuzz(func(t *testing.T, path, doc string) {
		p, err := jsonpath.Compile(path)
		if err != nil {
			return
		}
		root, err := vtl.ParseJSON([]byte(doc))
		if err != nil {
			return
		}
		v, found, err := p.Get(root)
		if err != nil {
			return
		}
		if !p.Definite() && !strings.Contains(path, "(") {
			if _, isList := v.(*vtl.List); !found || !isList {
				t.Errorf("indefinite path %q found %v", path, v)
			}
		}
		if _, err := vtl.AppendJSON(nil, v); err != nil && !errors.Is(err, vtl.ErrDepth) && !errors.Is(err, vtl.ErrOutput) {
			t.Error(err)
		}
	})
}

func BenchmarkDefinite(b *testing.B) {
	root, err := vtl.ParseJSON([]byte(store))
	if err != nil {
		b.Fatal(err)
	}
	p, err := jsonpath.Compile("$.store.book[2].title")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := p.Get(root); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}
