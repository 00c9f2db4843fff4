// Package httpbind reads and writes the members of an input or output that
// stand outside the body: in the path, the query string, the headers and the
// status. Both REST protocols bind alike.
// https://smithy.io/2.0/spec/http-bindings.html
package httpbind

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// Label is a part of the path that a {label} of the URI pattern took, escaped
// as it came.
type Label struct{ Name, Value string }

// Decode reads the bound members of the structure in from r and labels. Errors
// are awserr's SerializationException.
func Decode(r *http.Request, labels []Label, n *plan.Node, in reflect.Value) error {
	if len(n.Bound) == 0 {
		return nil
	}
	t := n.Target(in)
	var query Query
	parsed := false
	for _, i := range n.Bound {
		f := &n.Fields[i]
		slot := t.Field(i)
		var err error
		switch f.Member.Location {
		case schema.InURI:
			err = label(labels, f, slot)
		case schema.InQuery, schema.InQueryParams:
			if !parsed {
				if query, err = ParseQuery(r.URL.RawQuery); err != nil {
					return err
				}
				parsed = true
			}
			if f.Member.Location == schema.InQuery {
				err = queryMember(query, f, slot)
			} else {
				err = queryMap(query, f, slot)
			}
		case schema.InHeader:
			err = header(r.Header, r.Host, f, slot)
		case schema.InHeaders:
			headers(r.Header, f, slot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func label(labels []Label, f *plan.Field, slot reflect.Value) error {
	for _, l := range labels {
		if l.Name == f.Member.WireName() {
			s, err := url.PathUnescape(l.Value)
			if err != nil {
				return awserr.Serialization("Invalid escape in the path at %s", f.Member.Name)
			}
			return scalar(f, slot, s, schema.TimestampISO8601)
		}
	}
	return nil
}

// Query is a query string, in order.
type Query []struct{ Name, Value string }

// maxParams bounds a query string: no AWS operation takes more.
const maxParams = 4096

// ParseQuery splits raw. A parameter without "=" has an empty value.
func ParseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	q := make(Query, 0, min(strings.Count(raw, "&")+1, maxParams))
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		if len(q) == maxParams {
			return nil, awserr.Serialization("The query string has more than %d parameters", maxParams)
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, awserr.Serialization("Invalid escape in the query string")
		}
		q = append(q, struct{ Name, Value string }{name, value})
	}
	return q, nil
}

func queryMember(q Query, f *plan.Field, slot reflect.Value) error {
	name := f.Member.WireName()
	if f.Kind == schema.KindMap {
		return queryMap(q, f, slot)
	}
	for _, p := range q {
		if p.Name != name {
			continue
		}
		if f.Kind != schema.KindList {
			return scalar(f, slot, p.Value, schema.TimestampISO8601)
		}
		if err := appendTo(f, slot, p.Value, schema.TimestampISO8601); err != nil {
			return err
		}
	}
	return nil
}

// appendTo parses s into a new last element of the list in slot.
func appendTo(f *plan.Field, slot reflect.Value, s string, format schema.TimestampFormat) error {
	list := f.Target(slot)
	list.Set(reflect.Append(list, reflect.Zero(list.Type().Elem())))
	return scalar(f.Elem, list.Index(list.Len()-1), s, format)
}

// queryMap reads all of the query string, what other members take included:
// the published vectors want it so of a server.
func queryMap(q Query, f *plan.Field, slot reflect.Value) error {
	t := f.Target(slot)
	out := reflect.MakeMap(t.Type())
	key := reflect.New(t.Type().Key()).Elem()
	for _, p := range q {
		key.SetString(p.Name)
		v := reflect.New(t.Type().Elem()).Elem()
		if f.Elem.Kind == schema.KindList {
			if old := out.MapIndex(key); old.IsValid() {
				v.Set(old)
			}
			if err := appendTo(f.Elem, v, p.Value, schema.TimestampISO8601); err != nil {
				return err
			}
		} else if out.MapIndex(key).IsValid() {
			continue
		} else if err := scalar(f.Elem, v, p.Value, schema.TimestampISO8601); err != nil {
			return err
		}
		out.SetMapIndex(key, v)
	}
	if out.Len() > 0 {
		t.Set(out)
	}
	return nil
}

func header(h http.Header, host string, f *plan.Field, slot reflect.Value) error {
	name := f.Member.WireName()
	values := h.Values(name)
	if len(values) == 0 {
		// net/http takes Host out of the headers.
		if !strings.EqualFold(name, "Host") || host == "" {
			return nil
		}
		values = []string{host}
	}
	if f.Kind != schema.KindList {
		return scalar(f, slot, strings.TrimSpace(values[0]), schema.TimestampHTTP)
	}
	format := f.Elem.Format
	if format == schema.TimestampDefault {
		format = schema.TimestampHTTP
	}
	for _, line := range values {
		for rest := line; ; {
			var item string
			var more bool
			var err error
			// An http-date has a comma of its own.
			if f.Elem.Kind == schema.KindTimestamp && format == schema.TimestampHTTP {
				item, rest, more = cutDate(rest)
			} else if item, rest, more, err = cutItem(rest); err != nil {
				return err
			}
			if err := appendTo(f, slot, item, schema.TimestampHTTP); err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

func cutDate(s string) (item, rest string, more bool) {
	i := strings.IndexByte(s, ',')
	if i < 0 {
		return strings.TrimSpace(s), "", false
	}
	j := strings.IndexByte(s[i+1:], ',')
	if j < 0 {
		return strings.TrimSpace(s), "", false
	}
	j += i + 1
	return strings.TrimSpace(s[:j]), s[j+1:], true
}

// cutItem takes the first item of a header's list: a quoted string with
// backslash escapes, or all up to the next comma.
func cutItem(s string) (item, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		item, rest, more = strings.Cut(s, ",")
		return strings.TrimSpace(item), rest, more, nil
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i < len(s) {
				out.WriteByte(s[i])
			}
		case '"':
			tail := strings.TrimLeft(s[i+1:], " \t")
			if tail == "" {
				return out.String(), "", false, nil
			}
			if tail[0] != ',' {
				return "", "", false, awserr.Serialization("Invalid header list: expected a comma after a quoted string")
			}
			return out.String(), tail[1:], true, nil
		default:
			out.WriteByte(s[i])
		}
	}
	return "", "", false, awserr.Serialization("Invalid header list: a quoted string does not end")
}

// headers reads the headers whose names begin with the member's prefix. Keys
// are in lower case, since HTTP/2 sends them so and nothing tells how HTTP/1
// had them.
func headers(h http.Header, f *plan.Field, slot reflect.Value) {
	t := f.Target(slot)
	prefix := f.Member.LocationName
	for name, values := range h {
		if len(values) == 0 || len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if t.IsNil() {
			t.Set(reflect.MakeMap(t.Type()))
		}
		key := reflect.New(t.Type().Key()).Elem()
		key.SetString(strings.ToLower(name[len(prefix):]))
		v := reflect.New(t.Type().Elem()).Elem()
		f.Elem.Target(v).SetString(strings.TrimSpace(values[0]))
		t.SetMapIndex(key, v)
	}
}

// scalar reads s into slot. format is that of timestamps which declare none.
func scalar(f *plan.Field, slot reflect.Value, s string, format schema.TimestampFormat) error {
	switch f.Kind {
	case schema.KindString:
		if f.Member.Traits.Has(schema.MemberJSONValue) || f.Shape.Traits.Has(schema.JSONValue) {
			doc, err := base64.StdEncoding.DecodeString(s)
			if err != nil || !json.Valid(doc) {
				return malformed(f, s)
			}
			s = string(doc)
		}
		f.Target(slot).SetString(s)
		return nil
	case schema.KindBoolean:
		if s != "true" && s != "false" {
			return malformed(f, s)
		}
		f.Target(slot).SetBool(s == "true")
		return nil
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		if strings.HasPrefix(s, "+") {
			return malformed(f, s)
		}
	}
	if !SetText(f, slot, s, format) {
		return malformed(f, s)
	}
	return nil
}

// SetText reads a number, a timestamp or a blob as all text protocols have them
// (XML, awsQuery, headers and the like) into slot, and says whether s is one.
// format is that of timestamps whose member and shape name none. Strings and
// booleans are each protocol's own.
func SetText(f *plan.Field, slot reflect.Value, s string, format schema.TimestampFormat) bool {
	switch f.Kind {
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		i, err := strconv.ParseInt(s, 10, 64)
		return err == nil && f.SetInt(slot, i)
	case schema.KindFloat, schema.KindDouble:
		x, ok := ParseFloat(s)
		return ok && f.SetFloat(slot, x)
	case schema.KindTimestamp:
		if f.Format != schema.TimestampDefault {
			format = f.Format
		}
		t, err := timestamp.Parse(s, format)
		if err != nil {
			return false
		}
		f.SetTime(slot, t)
		return true
	case schema.KindBlob:
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil || f.Type.Kind() != reflect.Slice {
			return false
		}
		f.Target(slot).SetBytes(data)
		return true
	}
	return false
}

func malformed(f *plan.Field, s string) error {
	return awserr.Serialization("Value %.64q of %s can not be converted to a %s", s, f.Member.WireName(), f.Shape.Name)
}

// ParseFloat reads a number as text protocols have it: decimal, or NaN,
// Infinity and -Infinity in just these words.
func ParseFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	// strconv also takes hexadecimal, underscores and other words for these.
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil
}
