package authorizer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/rest"
)

// source is where an identity is taken from.
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html#apigw-CreateAuthorizer-request-identitySource
type source struct {
	from func(r *rest.Request, name string) []string
	name string
}

var sourcePrefixes = []struct {
	prefix string
	from   func(r *rest.Request, name string) []string
}{
	{"method.request.header.", (*rest.Request).Header},
	{"method.request.multivalueheader.", (*rest.Request).Header},
	{"method.request.querystring.", func(r *rest.Request, name string) []string { return r.Query()[name] }},
	{"method.request.multivaluequerystring.", func(r *rest.Request, name string) []string { return r.Query()[name] }},
	{"stageVariables.", func(r *rest.Request, name string) []string { return []string{r.StageVariables[name]} }},
	{"context.", func(r *rest.Request, name string) []string {
		v, _ := r.Variable(name)
		return []string{v}
	}},
}

// parseSources reads a list of identity sources; none is an empty list.
func parseSources(text string) ([]source, error) {
	var out []source
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
next:
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		for _, p := range sourcePrefixes {
			if name, ok := strings.CutPrefix(item, p.prefix); ok && name != "" {
				out = append(out, source{p.from, name})
				continue next
			}
		}
		return nil, fmt.Errorf("%q is not an identity source", item)
	}
	return out, nil
}

// identityOf joins the values of all sources so that no two sets of them are the
// same text. It fails where one is missing or empty.
func identityOf(sources []source, r *rest.Request) (string, error) {
	var room [256]byte
	b := room[:0]
	for i := range sources {
		values := sources[i].from(r, sources[i].name)
		empty := true
		b = strconv.AppendInt(b, int64(len(values)), 10)
		for _, v := range values {
			empty = empty && v == ""
			b = append(strconv.AppendInt(append(b, ' '), int64(len(v)), 10), ':')
			b = append(b, v...)
		}
		if empty {
			return "", errNoIdentity
		}
	}
	return string(b), nil
}

// one is the source's value where it can have one only: the last.
func (s *source) one(r *rest.Request) string {
	if values := s.from(r, s.name); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}
