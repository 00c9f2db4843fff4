package rest

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// node is a segment of the paths of an API: a tree of them finds the method of a
// request in as many steps as its path has segments, however many routes there
// are.
type node struct {
	static   map[string]*node
	variable *node
	greedy   *resource
	here     *resource // nil: no resource with methods ends here
}

// resource is a path with its methods.
type resource struct {
	*restapi.Resource
	names   []string // of the path's variables, in order
	methods map[string]*method
	any     *method
}

func (r *resource) method(name string) *method {
	if r == nil {
		return nil
	}
	if m := r.methods[name]; m != nil {
		return m
	}
	return r.any
}

// add puts a resource into the tree.
func (n *node) add(r *resource) error {
	for rest := r.Path; ; {
		var segment string
		if segment, rest = cut(rest); segment == "" {
			n.here = r
			return nil
		}
		name, open := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		switch greedyName, greedy := strings.CutSuffix(name, "+"); {
		case open != closed:
			return fmt.Errorf("the path part %q is malformed", segment)
		case open && greedy:
			if rest != "" {
				return fmt.Errorf("the greedy variable %q must end the path", segment)
			}
			r.names = append(r.names, greedyName)
			n.greedy = r
			return nil
		case open:
			r.names = append(r.names, name)
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
		default:
			if n.static == nil {
				n.static = map[string]*node{}
			}
			if n.static[segment] == nil {
				n.static[segment] = &node{}
			}
			n = n.static[segment]
		}
	}
}

// match finds the method of a request: at each segment a literal goes before a
// variable, and that before a greedy variable. A path that leads to a resource
// without the method is tried further: a greedy OPTIONS serves what its siblings
// lack. path is percent-encoded; a slash at its end means nothing. The variables'
// values are appended to values, as they came.
func (n *node) match(httpMethod, path string, values []string) (*method, []string) {
	if len(path) > 1 {
		path = strings.TrimRight(path, "/")
	}
	return n.find(httpMethod, path, values)
}

func (n *node) find(httpMethod, path string, values []string) (*method, []string) {
	segment, rest := cut(path)
	if segment == "" && rest == "" {
		return n.here.method(httpMethod), values
	}
	if next := n.literal(segment); next != nil {
		if m, v := next.find(httpMethod, rest, values); m != nil {
			return m, v
		}
	}
	if n.variable != nil && segment != "" {
		if m, v := n.variable.find(httpMethod, rest, append(values, segment)); m != nil {
			return m, v
		}
	}
	if m := n.greedy.method(httpMethod); m != nil {
		return m, append(values, strings.TrimPrefix(path, "/"))
	}
	return nil, nil
}

// literal is the node of a segment, which may be encoded more than it had to be.
func (n *node) literal(segment string) *node {
	if next := n.static[segment]; next != nil {
		return next
	}
	if n.static == nil || strings.IndexByte(segment, '%') < 0 {
		return nil
	}
	if plain, err := url.PathUnescape(segment); err == nil {
		return n.static[plain]
	}
	return nil
}

// cut takes the first segment off a path; rest keeps its slash.
func cut(path string) (segment, rest string) {
	path = strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// unescape decodes a percent-encoded value; what does not decode stays as it is.
func unescape(value string) string {
	if strings.IndexByte(value, '%') < 0 {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}
