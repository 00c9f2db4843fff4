package gateway

import (
	"fmt"
	"strings"

	"github.com/paddock-run/paddock/internal/httpapi"
)

// tree is an HTTP API stage's routes, compiled for matching. A request takes,
// in this order, the most specific of: a route whose path matches in full, a
// greedy route, $default; and of two with the same path the one that names the
// method before ANY.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
type tree struct {
	root     node
	fallback *target
}

// target is where a matched request goes.
type target struct {
	route  httpapi.Route
	params []string // names of the path's variables, in order
}

// node is one path segment's place in the tree.
type node struct {
	static   map[string]*node
	variable *node
	methods  map[string]*target // of paths that end here
	greedy   map[string]*target // of paths whose {name+} begins here
}

// compile builds the tree of a stage. A route key that does not parse is an
// error: the control plane refuses those.
func compile(routes []httpapi.Route) (*tree, error) {
	t := &tree{}
	for _, r := range routes {
		tg := &target{route: r}
		if r.Key == "$default" {
			t.fallback = tg
			continue
		}
		method, path, ok := strings.Cut(r.Key, " ")
		if !ok || !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("gateway: malformed route key %q", r.Key)
		}
		n := &t.root
		segments := split(path)
		for i, s := range segments {
			name, isVar := strings.CutPrefix(s, "{")
			name, closed := strings.CutSuffix(name, "}")
			if isVar != closed {
				return nil, fmt.Errorf("gateway: malformed route key %q", r.Key)
			}
			greedyName, greedy := strings.CutSuffix(name, "+")
			switch {
			case isVar && greedy && i != len(segments)-1:
				return nil, fmt.Errorf("gateway: a greedy variable must end the path: %q", r.Key)
			case isVar && greedy:
				tg.params = append(tg.params, greedyName)
				n.greedy = put(n.greedy, method, tg)
				n = nil
			case isVar:
				tg.params = append(tg.params, name)
				if n.variable == nil {
					n.variable = &node{}
				}
				n = n.variable
			default:
				if n.static == nil {
					n.static = map[string]*node{}
				}
				if n.static[s] == nil {
					n.static[s] = &node{}
				}
				n = n.static[s]
			}
		}
		if n != nil {
			n.methods = put(n.methods, method, tg)
		}
	}
	return t, nil
}

func put(m map[string]*target, method string, t *target) map[string]*target {
	if m == nil {
		m = map[string]*target{}
	}
	m[method] = t
	return m
}

// split cuts a path into its segments; the root has none.
func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match finds the route of a request and the values of its path's variables,
// nil where there is none.
func (t *tree) match(method, path string) (*target, []string) {
	segments := split(path)
	if tg, values := t.root.exact(method, segments, nil); tg != nil {
		return tg, values
	}
	if tg, values := t.root.widest(method, segments, nil); tg != nil {
		return tg, values
	}
	return t.fallback, nil
}

// exact matches paths without a greedy variable, static segments before
// variables.
func (n *node) exact(method string, rest, values []string) (*target, []string) {
	if len(rest) == 0 {
		return of(n.methods, method), values
	}
	if s := n.static[rest[0]]; s != nil {
		if t, v := s.exact(method, rest[1:], values); t != nil {
			return t, v
		}
	}
	if n.variable != nil {
		return n.variable.exact(method, rest[1:], append(values[:len(values):len(values)], rest[0]))
	}
	return nil, nil
}

// widest matches greedy paths, the longest first.
func (n *node) widest(method string, rest, values []string) (*target, []string) {
	if len(rest) == 0 {
		return nil, nil
	}
	if s := n.static[rest[0]]; s != nil {
		if t, v := s.widest(method, rest[1:], values); t != nil {
			return t, v
		}
	}
	values = values[:len(values):len(values)]
	if n.variable != nil {
		if t, v := n.variable.widest(method, rest[1:], append(values, rest[0])); t != nil {
			return t, v
		}
	}
	if t := of(n.greedy, method); t != nil {
		return t, append(values, strings.Join(rest, "/"))
	}
	return nil, nil
}

func of(m map[string]*target, method string) *target {
	if t := m[method]; t != nil {
		return t
	}
	return m["ANY"]
}
