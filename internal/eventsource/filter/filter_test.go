package filter_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource/filter"
)

// record is a message with a body and a few other fields.
func record(t testing.TB, body string) map[string]any {
	t.Helper()
	data, _ := filter.Data([]byte(body))
	return map[string]any{"messageId": "m-1", "body": data}
}

func match(t testing.TB, pattern, body string) bool {
	t.Helper()
	s, err := filter.Compile([]string{pattern})
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return s.Match(record(t, body))
}

// TestOperators has each operator of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
// and those that EventBridge has besides, against bodies that match and bodies
// that do not.
func TestOperators(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`{"body": {"a": [null]}}`, []string{`{"a": null}`}, []string{`{"a": ""}`, `{"a": 0}`, `{}`}},
		{`{"body": {"a": [""]}}`, []string{`{"a": ""}`}, []string{`{"a": null}`, `{}`, `{"a": " "}`}},
		{`{"body": {"a": ["x"]}}`, []string{`{"a": "x"}`, `{"a": ["y", "x"]}`}, []string{`{"a": "X"}`, `{"a": {"x": 1}}`, `{"a": []}`}},
		{`{"body": {"a": [1]}}`, []string{`{"a": 1}`, `{"a": 1.0}`, `{"a": 1e0}`, `{"a": [[1]]}`}, []string{`{"a": "1"}`, `{"a": 2}`, `{"a": true}`}},
		{`{"body": {"a": [true]}}`, []string{`{"a": true}`}, []string{`{"a": false}`, `{"a": "true"}`, `{"a": 1}`}},
		{`{"body": {"a": [{"equals-ignore-case": "AbC"}]}}`, []string{`{"a": "aBc"}`}, []string{`{"a": "abcd"}`, `{"a": 1}`}},
		{`{"body": {"a": ["x"], "b": ["y"]}}`, []string{`{"a": "x", "b": "y"}`}, []string{`{"a": "x"}`, `{"a": "x", "b": "x"}`}},
		{`{"body": {"a": ["x", "y"]}}`, []string{`{"a": "x"}`, `{"a": "y"}`}, []string{`{"a": "z"}`}},
		{`{"body": {"$or": [{"a": ["x"]}, {"b": {"c": [1]}}], "d": [2]}}`, []string{`{"a": "x", "d": 2}`, `{"b": {"c": 1}, "d": 2}`}, []string{`{"a": "x"}`, `{"d": 2}`, `{"a": "y", "b": {"c": 2}, "d": 2}`}},
		{`{"$or": [{"messageId": ["none"]}, {"body": {"a": [1]}}]}`, []string{`{"a": 1}`}, []string{`{"a": 2}`}},
		{`{"body": {"a": [{"anything-but": ["x", "y"]}]}}`, []string{`{"a": "z"}`, `{"a": 1}`, `{"a": null}`, `{"a": ["x", "z"]}`}, []string{`{"a": "x"}`, `{"a": ["x", "y"]}`, `{}`, `{"a": {}}`}},
		{`{"body": {"a": [{"anything-but": "x"}]}}`, []string{`{"a": "z"}`}, []string{`{"a": "x"}`}},
		{`{"body": {"a": [{"anything-but": [1, 2]}]}}`, []string{`{"a": 3}`, `{"a": "1"}`}, []string{`{"a": 1}`, `{"a": 2.0}`}},
		{`{"body": {"a": [{"anything-but": {"prefix": "x"}}]}}`, []string{`{"a": "ax"}`}, []string{`{"a": "xa"}`}},
		{`{"body": {"a": [{"anything-but": {"suffix": ["x", "y"]}}]}}`, []string{`{"a": "xa"}`}, []string{`{"a": "ax"}`, `{"a": "ay"}`}},
		{`{"body": {"a": [{"anything-but": {"equals-ignore-case": ["x", "y"]}}]}}`, []string{`{"a": "z"}`}, []string{`{"a": "X"}`, `{"a": "Y"}`}},
		{`{"body": {"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}}`, []string{`{"a": "/bin/x"}`}, []string{`{"a": "/lib/x"}`}},
		{`{"body": {"a": [{"numeric": ["=", 100]}]}}`, []string{`{"a": 100}`, `{"a": 1e2}`}, []string{`{"a": 101}`, `{"a": "100"}`}},
		{`{"body": {"a": [{"numeric": [">", 10, "<=", 20]}]}}`, []string{`{"a": 10.5}`, `{"a": 20}`}, []string{`{"a": 10}`, `{"a": 20.1}`}},
		{`{"body": {"a": [{"numeric": [">=", 10]}]}}`, []string{`{"a": 10}`, `{"a": 1e300}`}, []string{`{"a": 9.9}`}},
		{`{"body": {"a": [{"numeric": ["<", 0]}]}}`, []string{`{"a": -1}`}, []string{`{"a": 0}`}},
		{`{"body": {"a": [{"exists": true}]}}`, []string{`{"a": null}`, `{"a": 0}`, `{"a": [1]}`}, []string{`{}`, `{"a": {"b": 1}}`, `{"a": []}`}},
		{`{"body": {"a": {"b": [{"exists": false}]}}}`, []string{`{}`, `{"a": {}}`, `{"a": {"b": []}}`, `{"a": 1}`, `{"a": []}`}, []string{`{"a": {"b": 1}}`}},
		{`{"body": {"a": [{"prefix": "us-"}]}}`, []string{`{"a": "us-east"}`, `{"a": "us-"}`}, []string{`{"a": "us"}`, `{"a": "US-"}`}},
		{`{"body": {"a": [{"prefix": {"equals-ignore-case": "Äs-"}}]}}`, []string{`{"a": "äS-x"}`}, []string{`{"a": "ä"}`, `{"a": "os-"}`}},
		{`{"body": {"a": [{"suffix": ".png"}]}}`, []string{`{"a": "x.png"}`}, []string{`{"a": "x.PNG"}`}},
		{`{"body": {"a": [{"suffix": {"equals-ignore-case": ".pnG"}}]}}`, []string{`{"a": "x.Png"}`}, []string{`{"a": "png"}`}},
		{`{"body": {"a": [{"wildcard": "dir/*.p*g"}]}}`, []string{`{"a": "dir/x.png"}`, `{"a": "dir/.pg"}`}, []string{`{"a": "dir/x.pn"}`, `{"a": "x/dir/x.png"}`}},
		{`{"body": {"a": [{"wildcard": "a\\*b*c\\\\"}]}}`, []string{`{"a": "a*bxc\\"}`}, []string{`{"a": "axbxc\\"}`}},
		{`{"body": {"a": [{"wildcard": "ab*ba"}]}}`, []string{`{"a": "abba"}`}, []string{`{"a": "aba"}`}},
		{`{"body": {"a": [{"cidr": "10.0.0.0/24"}]}}`, []string{`{"a": "10.0.0.255"}`}, []string{`{"a": "10.0.1.0"}`, `{"a": "10"}`}},
		{`{"body": {"a": [{"cidr": "2001:db8::/32"}]}}`, []string{`{"a": "2001:db8::1"}`}, []string{`{"a": "2001:db9::1"}`}},
		{`{"body": {"a": {"b": [1], "c": [2]}}}`, []string{`{"a": [{"b": 9}, {"b": 1, "c": 2}]}`}, []string{`{"a": [{"b": 1}, {"c": 2}]}`}},
		// What the table about a queue's messages says: text against JSON never matches.
		{`{"body": ["hello"]}`, []string{`hello`}, []string{`{"hello": 1}`, `"hello"`, ``}},
		{`{"body": [{"prefix": "{"}]}`, []string{`{"a": 1`}, []string{`{"a": 1}`}},
		{`{"body": {"a": [{"exists": false}]}}`, []string{`{"b": 1}`}, []string{`plain`, "\xff"}},
		{`{"messageId": ["m-1"]}`, []string{`plain`, `{"a": 1}`, "\xff"}, nil},
	} {
		for _, body := range c.yes {
			if !match(t, c.pattern, body) {
				t.Errorf("%s does not match %s", c.pattern, body)
			}
		}
		for _, body := range c.no {
			if match(t, c.pattern, body) {
				t.Errorf("%s matches %s", c.pattern, body)
			}
		}
	}
}

func TestInvalidPatterns(t *testing.T) {
	for _, pattern := range []string{
		``, `null`, `1`, `"x"`, `[]`, `{}`, `{"a"}`, `{"a": ["x"]} more`, `{"a": ["x"]}{"a": ["x"]}`,
		`{"a": "x"}`, `{"a": 1}`, `{"a": null}`, `{"a": []}`, `{"a": {}}`, `{"a": [["x"]]}`, `{"a": [{}]}`,
		`{"a": [{"prefix": "x", "suffix": "y"}]}`, `{"a": [{"unknown": "x"}]}`, `{"a": [{"prefix": 1}]}`,
		`{"a": [{"prefix": {"suffix": "x"}}]}`, `{"a": [{"equals-ignore-case": {"prefix": "x"}}]}`,
		`{"a": [{"exists": "true"}]}`, `{"a": [{"numeric": 1}]}`, `{"a": [{"numeric": []}]}`, `{"a": [{"numeric": ["="]}]}`,
		`{"a": [{"numeric": ["=", "1"]}]}`, `{"a": [{"numeric": ["==", 1]}]}`, `{"a": [{"numeric": ["=", 1, "<", 2]}]}`,
		`{"a": [{"numeric": ["<", 1, ">", 0]}]}`, `{"a": [{"numeric": [">", 2, "<", 2]}]}`, `{"a": [{"numeric": [">", 0, "<", 1, ">", 0]}]}`,
		`{"a": [{"numeric": ["=", 5000000001]}]}`, `{"a": [1e999]}`,
		`{"a": [{"anything-but": []}]}`, `{"a": [{"anything-but": [1, "x"]}]}`, `{"a": [{"anything-but": null}]}`,
		`{"a": [{"anything-but": {"exists": true}}]}`, `{"a": [{"anything-but": {"prefix": []}}]}`,
		`{"a": [{"cidr": "10.0.0.0/33"}]}`, `{"a": [{"cidr": "x"}]}`, `{"a": [{"cidr": 1}]}`,
		`{"a": [{"wildcard": "a**b"}]}`, `{"a": [{"wildcard": "a\\b"}]}`, `{"a": [{"wildcard": "a\\"}]}`,
		`{"$or": [{"a": ["x"]}, {}]}`, `{"$or": []}`,
	} {
		if _, err := filter.Compile([]string{`{"a": ["x"]}`, pattern}); err == nil {
			t.Errorf("%s compiles", pattern)
		} else if !strings.Contains(err.Error(), "filter pattern 2") {
			t.Errorf("%s: %v does not say which it is", pattern, err)
		}
	}
}

func TestSeveralPatterns(t *testing.T) {
	s, err := filter.Compile([]string{`{"body": ["x"]}`, `{"$or": [{"body": ["y"]}, {"awsRegion": ["eu"]}], "messageId": ["m-1"]}`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Fields(), []string{"awsRegion", "body", "messageId"}; !slices.Equal(got, want) {
		t.Errorf("it looks at %v, want %v", got, want)
	}
	for body, want := range map[string]bool{"x": true, "y": true, "z": false} {
		if got := s.Match(record(t, body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	var none *filter.Set
	if !none.Match(nil) || none.Fields() != nil {
		t.Error("without patterns not everything passes")
	}
}

// Whatever a pattern and a record are, Compile and Match come to an end soon:
// patterns have up to 4096 characters, and records are as large as messages.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"body": {"a": [{"wildcard": "*a*a*a*b"}, {"anything-but": {"prefix": "x"}}]}}`, `{"a": ["aaaaaaaaaaaa", {"b": [1, 2]}]}`},
		{`{"body": {"$or": [{"a": {"b": [null]}}, {"a": {"c": [{"numeric": [">", 1, "<=", 2e2]}]}}]}}`, `{"a": [[[{"b": 1}], {"c": 2}]]}`},
		{`{"body": [{"prefix": {"equals-ignore-case": "ß"}}, {"cidr": "::/0"}]}`, `ẞ`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, body string) {
		if len(pattern) > 4096 {
			return
		}
		began := time.Now()
		s, err := filter.Compile([]string{pattern})
		if err != nil {
			return
		}
		r := record(t, body)
		first := s.Match(r)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d bytes of pattern and %d of body take %s", len(pattern), len(body), took)
		}
		if again := s.Match(r); again != first {
			t.Error("the same record matches once")
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("the record has changed: %v", err)
		}
	})
}

// The worst that the limits allow takes no longer than a delivery may.
func TestTheWorstPatterns(t *testing.T) {
	nested := func(n int, open, inner, end string) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	stars := strings.TrimSuffix(strings.Repeat("*a", 2000), "a") + "b"
	for name, c := range map[string][2]string{
		"stars":  {`{"body": [{"wildcard": "` + stars + `"}]}`, strings.Repeat("a", 1<<20)},
		"depth":  {nested(800, `{"a":`, `[1]`, `}`), nested(100_000, `{"a":`, `1`, `}`)},
		"lists":  {`{"body": {"a": {"b": {"c": [1]}}}}`, `{"a": [` + strings.TrimSuffix(strings.Repeat(`{"b": [{"c": 2}, {"c": 3}]},`, 30_000), ",") + `]}`},
		"ors":    {`{"body": {"$or": [` + strings.TrimSuffix(strings.Repeat(`{"a": [{"suffix": "b"}]},`, 150), ",") + `]}}`, `{"a": [` + strings.TrimSuffix(strings.Repeat(`"c",`, 250_000), ",") + `]}`},
		"values": {`{"body": {"a": [` + strings.TrimSuffix(strings.Repeat(`"x",`, 1000), ",") + `]}}`, `{"a": [` + strings.TrimSuffix(strings.Repeat(`"c",`, 250_000), ",") + `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			s, err := filter.Compile([]string{c[0]})
			if err != nil {
				t.Fatal(err)
			}
			if s.Match(record(t, c[1])) {
				t.Error("it matches")
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it takes %s", took)
			} else {
				t.Logf("it takes %s", took)
			}
		})
	}
}
