package httpbind

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// Encode writes the bound members of the structure out into h, and returns the
// status that a member of it declares, or 0.
func Encode(h http.Header, n *plan.Node, out reflect.Value) (status int, err error) {
	t, ok := n.Value(out)
	if !ok {
		return 0, nil
	}
	for _, i := range n.Bound {
		f := &n.Fields[i]
		v, ok := f.Value(t.Field(i))
		if !ok {
			continue
		}
		switch f.Member.Location {
		case schema.InStatusCode:
			status = int(v.Int())
			if status < 200 || status > 599 {
				return 0, fmt.Errorf("httpbind: status %d in %s", status, f.Member.Name)
			}
		case schema.InHeader:
			if err := encodeHeader(h, f, v); err != nil {
				return 0, err
			}
		}
	}
	// Headers of their own win over those of a prefix map.
	for _, i := range n.Bound {
		f := &n.Fields[i]
		if v, ok := f.Value(t.Field(i)); ok && f.Member.Location == schema.InHeaders {
			encodeHeaders(h, f, v)
		}
	}
	return status, nil
}

func encodeHeader(h http.Header, f *plan.Field, v reflect.Value) error {
	name := f.Member.WireName()
	if f.Kind != schema.KindList {
		s, err := text(f, v, schema.TimestampHTTP)
		if err == nil {
			h.Set(name, clean(s))
		}
		return err
	}
	if v.Len() == 0 {
		return nil
	}
	var b strings.Builder
	for i := range v.Len() {
		item, ok := f.Elem.Value(v.Index(i))
		if !ok {
			continue
		}
		s, err := text(f.Elem, item, schema.TimestampHTTP)
		if err != nil {
			return err
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if f.Elem.Kind == schema.KindString && strings.ContainsAny(s, `,"`) {
			s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		b.WriteString(s)
	}
	h.Set(name, clean(b.String()))
	return nil
}

func encodeHeaders(h http.Header, f *plan.Field, v reflect.Value) {
	for _, k := range plan.Keys(v) {
		item, ok := f.Elem.Value(v.MapIndex(k))
		if !ok {
			continue
		}
		name := http.CanonicalHeaderKey(f.Member.LocationName + k.String())
		if _, taken := h[name]; !taken {
			h.Set(name, clean(item.String()))
		}
	}
}

// clean takes line breaks out of a header's value: what users stored must not
// become headers of its own.
func clean(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, s)
}

func text(f *plan.Field, v reflect.Value, format schema.TimestampFormat) (string, error) {
	switch f.Kind {
	case schema.KindString:
		if f.Member.Traits.Has(schema.MemberJSONValue) || f.Shape.Traits.Has(schema.JSONValue) {
			return base64.StdEncoding.EncodeToString([]byte(v.String())), nil
		}
		return v.String(), nil
	case schema.KindBoolean:
		return strconv.FormatBool(v.Bool()), nil
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		return strconv.FormatInt(v.Int(), 10), nil
	case schema.KindFloat:
		return FormatFloat(v.Float(), 32), nil
	case schema.KindDouble:
		return FormatFloat(v.Float(), 64), nil
	case schema.KindTimestamp:
		if f.Format != schema.TimestampDefault {
			format = f.Format
		}
		return timestamp.Format(plan.Time(v), format), nil
	case schema.KindBlob:
		if v.Kind() == reflect.Slice {
			return base64.StdEncoding.EncodeToString(v.Bytes()), nil
		}
	}
	return "", fmt.Errorf("httpbind: shape %s has no header form", f.Shape.Name)
}

// FormatFloat writes a number as text protocols have it; bits is 32 or 64.
func FormatFloat(x float64, bits int) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case math.IsInf(x, 1):
		return "Infinity"
	case math.IsInf(x, -1):
		return "-Infinity"
	}
	format := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(x, format, -1, bits)
}
