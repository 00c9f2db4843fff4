package wiretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Fill stores params, free JSON (numbers as json.Number) in the form that the
// published tests have, in v of node n. null is absent.
func Fill(n *plan.Node, v reflect.Value, params any) error {
	if params == nil {
		return nil
	}
	if err := fill(n, v, params); err != nil {
		return fmt.Errorf("%s: %w", n.Shape.Name, err)
	}
	return nil
}

func fill(n *plan.Node, v reflect.Value, params any) error {
	bad := func() error { return fmt.Errorf("%T %v does not fit", params, params) }
	switch n.Kind {
	case schema.KindStructure, schema.KindUnion:
		m, ok := params.(map[string]any)
		if !ok {
			return bad()
		}
		t := n.Target(v)
		for name, p := range m {
			i := n.Named(name)
			if i < 0 {
				if n.Kind == schema.KindUnion || p == nil {
					return fmt.Errorf("no member %s", name)
				}
				return fmt.Errorf("no member %s", name)
			}
			if err := Fill(n.Fields[i].Node, t.Field(i), p); err != nil {
				return err
			}
		}
	case schema.KindList:
		list, ok := params.([]any)
		if !ok {
			return bad()
		}
		t := n.Target(v)
		t.Set(reflect.MakeSlice(t.Type(), len(list), len(list)))
		for i, p := range list {
			if err := Fill(n.Elem.Node, t.Index(i), p); err != nil {
				return err
			}
		}
	case schema.KindMap:
		m, ok := params.(map[string]any)
		if !ok {
			return bad()
		}
		t := n.Target(v)
		t.Set(reflect.MakeMap(t.Type()))
		for k, p := range m {
			slot := reflect.New(t.Type().Elem()).Elem()
			if err := Fill(n.Elem.Node, slot, p); err != nil {
				return err
			}
			t.SetMapIndex(reflect.ValueOf(k), slot)
		}
	case schema.KindDocument:
		n.Target(v).Set(reflect.ValueOf(params))
	case schema.KindBoolean:
		b, ok := params.(bool)
		if !ok {
			return bad()
		}
		n.Target(v).SetBool(b)
	case schema.KindString:
		s, ok := params.(string)
		if !ok {
			return bad()
		}
		n.Target(v).SetString(s)
	case schema.KindBlob:
		s, ok := params.(string)
		if !ok {
			return bad()
		}
		if n.Type.Kind() == reflect.Interface {
			v.Set(reflect.ValueOf(io.NopCloser(bytes.NewReader([]byte(s)))))
			return nil
		}
		n.Target(v).SetBytes([]byte(s))
	case schema.KindTimestamp:
		t, err := instant(params)
		if err != nil {
			return err
		}
		n.SetTime(v, t)
	case schema.KindFloat, schema.KindDouble:
		x, err := strconv.ParseFloat(fmt.Sprint(params), 64)
		if err != nil {
			return bad()
		}
		n.SetFloat(v, x)
	default:
		i, err := strconv.ParseInt(fmt.Sprint(params), 10, 64)
		if err != nil || !n.SetInt(v, i) {
			return bad()
		}
	}
	return nil
}

// instant reads a time as tests have it: seconds since 1970, or ISO 8601.
func instant(p any) (time.Time, error) {
	switch x := p.(type) {
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			return time.Time{}, err
		}
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(math.Round(frac*1e3))*1e6).UTC(), nil
	case string:
		return time.Parse(time.RFC3339, x)
	}
	return time.Time{}, fmt.Errorf("%T is no time", p)
}

// Dump turns v of node n into free values that reflect.DeepEqual can compare:
// absent members are left out, times are in milliseconds, NaN is a string, and
// streams are read. An empty stream is absent.
func Dump(n *plan.Node, v reflect.Value) (any, error) {
	t, ok := n.Value(v)
	if !ok {
		return nil, nil
	}
	switch n.Kind {
	case schema.KindStructure, schema.KindUnion:
		out := map[string]any{}
		for i := range n.Fields {
			f := &n.Fields[i]
			x, err := Dump(f.Node, t.Field(i))
			if err != nil {
				return nil, err
			}
			if x != nil {
				out[f.Member.Name] = x
			}
		}
		return out, nil
	case schema.KindList:
		out := []any{}
		for i := range t.Len() {
			x, err := Dump(n.Elem.Node, t.Index(i))
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case schema.KindMap:
		out := map[string]any{}
		for _, k := range t.MapKeys() {
			x, err := Dump(n.Elem.Node, t.MapIndex(k))
			if err != nil {
				return nil, err
			}
			out[k.String()] = x
		}
		return out, nil
	case schema.KindTimestamp:
		return plan.Time(t).UnixMilli(), nil
	case schema.KindFloat, schema.KindDouble:
		return strconv.FormatFloat(t.Float(), 'g', -1, 32), nil
	case schema.KindBlob:
		if src, ok := t.Interface().(io.Reader); ok {
			b, err := io.ReadAll(src)
			if err != nil || len(b) == 0 {
				return nil, err
			}
			return string(b), nil
		}
		return string(t.Bytes()), nil
	case schema.KindDocument:
		return normal(t.Interface())
	}
	return t.Interface(), nil
}

// normal is a JSON value in one form, whatever types it was built of.
func normal(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	err = json.Unmarshal(b, &out)
	return out, err
}
