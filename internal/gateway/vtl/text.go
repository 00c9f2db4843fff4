package vtl

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// appendText adds what a value's toString is in Java.
func (e *execution) appendText(b []byte, v Value, depth int) ([]byte, error) {
	if depth > maxValueDepth {
		return nil, ErrDepth
	}
	if len(b) > MaxOutput {
		return nil, ErrOutput
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return append(b, v...), nil
	case Number:
		return append(b, v...), nil
	case character:
		return append(b, v...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return append(b, formatDouble(v, 64)...), nil
	case float32:
		return append(b, formatDouble(float64(v), 32)...), nil
	case *big.Int:
		return v.Append(b, 10), nil
	case Decimal:
		return append(b, v.String()...), nil
	case *List:
		return e.appendList(b, v, depth)
	case *Map:
		return e.appendMap(b, v, depth)
	case *Entry:
		return e.appendEntry(b, v.Key, v.Value, depth)
	case *loop:
		if v.storage == nil {
			return append(b, "{}"...), nil
		}
		return e.appendMap(b, v.storage, depth)
	case *Iterator:
		return append(b, "java.util.Iterator"...), nil
	case *definition:
		t, err := v.text(e)
		if s, ok := t.(string); ok || err != nil {
			return append(b, s...), err
		}
		return append(b, "null"...), nil
	case Object:
		return append(b, v.String()...), nil
	}
	return append(b, "null"...), nil
}

func (e *execution) appendList(b []byte, l *List, depth int) ([]byte, error) {
	l.refresh()
	if err := e.work(1 + len(l.items)); err != nil {
		return nil, err
	}
	if l.kind == jsonArray {
		return appendJSON(b, l, depth)
	}
	b = append(b, '[')
	var err error
	for i, item := range l.items {
		if i > 0 {
			b = append(b, ", "...)
		}
		if item == Value(l) {
			b = append(b, "(this Collection)"...)
		} else if b, err = e.appendText(b, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (e *execution) appendMap(b []byte, m *Map, depth int) ([]byte, error) {
	if err := e.work(1 + len(m.entries)); err != nil {
		return nil, err
	}
	b = append(b, '{')
	var err error
	for i, en := range m.entries {
		if i > 0 {
			b = append(b, ", "...)
		}
		k, v := en.Key, en.Value
		if k == Value(m) {
			k = "(this Map)"
		}
		if v == Value(m) {
			v = "(this Map)"
		}
		if b, err = e.appendEntry(b, k, v, depth); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (e *execution) appendEntry(b []byte, k, v Value, depth int) ([]byte, error) {
	b, err := e.appendText(b, k, depth+1)
	if err != nil {
		return nil, err
	}
	return e.appendText(append(b, '='), v, depth+1)
}

// formatDouble is Double.toString, and Float.toString for 32 bits: always a
// fraction, and an exponent below 10^-3 and from 10^7.
func formatDouble(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	abs := math.Abs(f)
	if abs == 0 || abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'e', -1, bits)
	mantissa, exp, _ := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, err := strconv.Atoi(exp)
	if err != nil {
		return s
	}
	return mantissa + "E" + strconv.Itoa(n)
}

// elements is what #foreach goes through.
func elements(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case *List:
		return v.refresh().items, true
	case *Map:
		return view(v, "values").items, true
	case *Iterator:
		return v.items[v.next:], true
	case *loop:
		if v.storage == nil {
			return nil, true
		}
		return elements(v.storage)
	case Mapping:
		return elements(v.Map())
	}
	return nil, false
}

// Text is what a template prints for a value: its toString in Java. It fails where
// that is too long or nested too deeply.
func Text(v Value) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	e := execution{left: maxWork, untilCheck: maxWork + 1}
	b, err := e.appendText(nil, v, 0)
	return string(b), err
}
