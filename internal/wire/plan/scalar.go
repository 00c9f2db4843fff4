package plan

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Bits is the width of an integer kind, or 0 for any other kind.
func Bits(k schema.Kind) int {
	switch k {
	case schema.KindByte:
		return 8
	case schema.KindShort:
		return 16
	case schema.KindInteger:
		return 32
	case schema.KindLong:
		return 64
	}
	return 0
}

// SetInt stores i in v, the target of an integer node, and reports whether it
// is in the kind's range.
func (n *Node) SetInt(v reflect.Value, i int64) bool {
	t := n.Target(v)
	if t.OverflowInt(i) {
		return false
	}
	t.SetInt(i)
	return true
}

// SetFloat stores f in v, the target of a float or double node, and reports
// whether it is in the kind's range.
func (n *Node) SetFloat(v reflect.Value, f float64) bool {
	t := n.Target(v)
	if !math.IsInf(f, 0) && t.OverflowFloat(f) {
		return false
	}
	t.SetFloat(f)
	return true
}

// SetTime stores t in v, the target of a timestamp node.
func (n *Node) SetTime(v reflect.Value, t time.Time) {
	*n.Target(v).Addr().Interface().(*time.Time) = t
}

// Time returns the time in v, the value of a timestamp node.
func Time(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// Set returns the index of the field that is present in the union v, and
// false unless there is exactly one.
func (n *Node) Set(v reflect.Value) (int, bool) {
	found := -1
	for i := range n.Fields {
		if _, ok := n.Fields[i].Value(v.Field(i)); ok {
			if found >= 0 {
				return 0, false
			}
			found = i
		}
	}
	return found, found >= 0
}

// FillDefaults gives the fields of the structure v that are absent the defaults
// of the model.
func (n *Node) FillDefaults(v reflect.Value) {
	for _, i := range n.Defaults {
		f := v.Field(i)
		if _, ok := n.Fields[i].Value(f); !ok {
			f.Set(clone(n.Fields[i].Default))
		}
	}
}

// clone copies a default so that no two requests share what a handler might
// change.
func clone(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		return c
	case reflect.Slice:
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		return c
	case reflect.Map:
		return reflect.MakeMap(v.Type())
	}
	return v
}

// fallback builds the default of a member from its JSON literal. Smithy allows
// only empty lists and maps beside scalars and documents.
func (b *builder) fallback(f *Field) reflect.Value {
	v := reflect.New(f.Type).Elem()
	var lit any
	if err := json.Unmarshal([]byte(f.Member.Default), &lit); err != nil {
		panic(fmt.Sprintf("plan: %s: default of %s: %v", b.c.svc.ID, f.Member.Name, err))
	}
	switch x := lit.(type) {
	case nil:
		return v
	case bool:
		if f.Kind == schema.KindBoolean {
			f.Target(v).SetBool(x)
			return v
		}
	case float64:
		switch f.Kind {
		case schema.KindFloat, schema.KindDouble:
			f.SetFloat(v, x)
			return v
		case schema.KindTimestamp:
			sec, frac := math.Modf(x)
			f.SetTime(v, time.Unix(int64(sec), int64(frac*1e9)).UTC())
			return v
		case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
			f.SetInt(v, int64(x))
			return v
		}
	case string:
		switch f.Kind {
		case schema.KindString:
			f.Target(v).SetString(x)
			return v
		case schema.KindBlob:
			if f.Type.Kind() == reflect.Interface {
				return reflect.Value{} // a stream is there or not: it has no default
			}
			data, err := base64.StdEncoding.DecodeString(x)
			if err == nil {
				f.Target(v).SetBytes(data)
				return v
			}
		case schema.KindTimestamp:
			if t, err := time.Parse(time.RFC3339, x); err == nil {
				f.SetTime(v, t.UTC())
				return v
			}
		}
	case []any:
		if f.Kind == schema.KindList {
			f.Target(v).Set(reflect.MakeSlice(f.Type, 0, 0))
			return v
		}
	case map[string]any:
		if f.Kind == schema.KindMap {
			f.Target(v).Set(reflect.MakeMap(f.Type))
			return v
		}
	}
	if f.Kind == schema.KindDocument {
		v.Set(reflect.ValueOf(lit))
		return v
	}
	panic(fmt.Sprintf("plan: %s: default of %s: %s does not fit a %s", b.c.svc.ID, f.Member.Name, strconv.Quote(f.Member.Default), f.Shape.Name))
}

// Keys returns the keys of the map v in order.
func Keys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
