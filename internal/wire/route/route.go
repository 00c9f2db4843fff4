// Package route finds the operation that a REST request is for: by method,
// path and query literals of the URI patterns, and where several operations
// share all of these (S3's PutObject, CopyObject and UploadPart), by the query
// parameters and headers that each of them requires.
package route

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Table is the routing tree of a service. It is immutable.
type Table struct {
	roots map[string]*node // by method
}

type node struct {
	literal map[string]*node
	label   *node
	greedy  []greedy
	leaves  []*leaf
}

// greedy is a {label+}: it takes one or more segments, up to the literal
// segments after it.
type greedy struct {
	suffix []string
	leaves []*leaf
}

type leaf struct {
	op     *schema.Operation
	labels []string // in the order of the path
	query  []param  // literals of the pattern
	// require holds the query parameters and headers that the operation's
	// input requires: what tells apart operations of one pattern.
	require []requirement
}

type param struct {
	name, value string
	any         bool // present is enough
}

type requirement struct {
	name   string
	header bool
}

// New builds the tree of svc's operations. It panics on a pattern it does not
// understand: the table is generated.
func New(svc *schema.Service) *Table {
	t := &Table{roots: map[string]*node{}}
	for i := range svc.Operations {
		t.add(svc, &svc.Operations[i])
	}
	return t
}

func (t *Table) add(svc *schema.Service, op *schema.Operation) {
	path, query, _ := strings.Cut(op.URI, "?")
	l := &leaf{op: op}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		l.query = append(l.query, param{name, value, !ok || value == ""})
	}
	if op.Input != schema.NoShape {
		for _, m := range svc.Shape(op.Input).Members {
			if !m.Traits.Has(schema.Required) {
				continue
			}
			switch m.Location {
			case schema.InQuery:
				l.require = append(l.require, requirement{m.WireName(), false})
			case schema.InHeader:
				l.require = append(l.require, requirement{m.WireName(), true})
			}
		}
	}
	n := t.roots[op.Method]
	if n == nil {
		n = &node{}
		t.roots[op.Method] = n
	}
	segs := split(path)
	for i, s := range segs {
		if !strings.HasPrefix(s, "{") {
			if strings.ContainsAny(s, "{}") {
				panic(fmt.Sprintf("route: %s: a label must be a whole segment: %s", op.Name, op.URI))
			}
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			if n.literal[s] == nil {
				n.literal[s] = &node{}
			}
			n = n.literal[s]
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
		if g, ok := strings.CutSuffix(name, "+"); ok {
			l.labels = append(l.labels, g)
			n.addGreedy(segs[i+1:], l)
			return
		}
		l.labels = append(l.labels, name)
		if n.label == nil {
			n.label = &node{}
		}
		n = n.label
	}
	n.leaves = append(n.leaves, l)
}

func (n *node) addGreedy(suffix []string, l *leaf) {
	for i := range n.greedy {
		if strings.Join(n.greedy[i].suffix, "/") == strings.Join(suffix, "/") {
			n.greedy[i].leaves = append(n.greedy[i].leaves, l)
			return
		}
	}
	n.greedy = append(n.greedy, greedy{suffix, []*leaf{l}})
}

// split cuts a path into its segments. An empty last segment (a slash at the
// end) is none: AWS's patterns have it here and there and clients do not
// always send it.
func split(path string) []string {
	path = strings.TrimPrefix(path, "/")
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// Match is an operation and what its labels took.
type Match struct {
	Op     *schema.Operation
	Labels []httpbind.Label
}

// Find returns the operation that r is for, and false where there is none.
// Literal segments go before labels, labels before greedy labels; of the
// operations of one path, the one with the most query literals and required
// parameters present.
func (t *Table) Find(r *http.Request) (Match, bool) {
	root := t.roots[r.Method]
	if root == nil {
		return Match{}, false
	}
	f := finder{r: r}
	return f.walk(root, strings.TrimPrefix(r.URL.EscapedPath(), "/"), nil)
}

type finder struct {
	r      *http.Request
	query  httpbind.Query
	parsed bool
}

// walk matches rest, the path without the slash before it, below n.
func (f *finder) walk(n *node, rest string, taken []string) (Match, bool) {
	if rest == "" {
		return f.choose(n.leaves, taken)
	}
	seg, tail, _ := strings.Cut(rest, "/")
	if next := n.literal[seg]; next != nil {
		if m, ok := f.walk(next, tail, taken); ok {
			return m, true
		}
	}
	if n.label != nil && seg != "" {
		if m, ok := f.walk(n.label, tail, append(taken[:len(taken):len(taken)], seg)); ok {
			return m, true
		}
	}
	for i := range n.greedy {
		g := &n.greedy[i]
		value := rest
		if len(g.suffix) > 0 {
			var ok bool
			value, ok = strings.CutSuffix(strings.TrimSuffix(rest, "/"), "/"+strings.Join(g.suffix, "/"))
			if !ok || value == "" {
				continue
			}
		}
		if m, ok := f.choose(g.leaves, append(taken[:len(taken):len(taken)], value)); ok {
			return m, true
		}
	}
	return Match{}, false
}

// choose picks one of the operations that share a path.
func (f *finder) choose(leaves []*leaf, taken []string) (Match, bool) {
	if len(leaves) == 0 {
		return Match{}, false
	}
	var best *leaf
	bestScore := -1
	for _, l := range leaves {
		if !f.literals(l) {
			continue
		}
		score := 2 * len(l.query)
		if len(leaves) > 1 {
			for _, q := range l.require {
				if f.present(q) {
					score += 2
				} else {
					score -= 2
				}
			}
			// SDKs generated from Smithy say it outright.
			if v, ok := f.param("x-id"); ok && v == l.op.Name {
				score++
			}
		}
		if best == nil || score > bestScore {
			best, bestScore = l, score
		}
	}
	if best == nil {
		return Match{}, false
	}
	m := Match{Op: best.op, Labels: make([]httpbind.Label, len(taken))}
	for i, v := range taken {
		m.Labels[i] = httpbind.Label{Name: best.labels[i], Value: v}
	}
	return m, true
}

func (f *finder) literals(l *leaf) bool {
	for _, p := range l.query {
		if v, ok := f.param(p.name); !ok || !p.any && v != p.value {
			return false
		}
	}
	return true
}

func (f *finder) present(q requirement) bool {
	if q.header {
		return f.r.Header.Get(q.name) != ""
	}
	_, ok := f.param(q.name)
	return ok
}

// param looks up a query parameter. A query string that does not parse has
// none; decoding the input will say so.
func (f *finder) param(name string) (string, bool) {
	if !f.parsed {
		f.query, _ = httpbind.ParseQuery(f.r.URL.RawQuery)
		f.parsed = true
	}
	for _, p := range f.query {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}
