package rest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// fill sets everything that a value holds, so that no member is forgotten.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n, " <\"\\é>\n"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64, reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprint("any ", *n)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic(v.Kind().String())
	}
}

// sameJSON says whether an event is written as encoding/json has it.
func sameJSON(t *testing.T, e *event) {
	t.Helper()
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.appendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEventsAreWrittenWhole(t *testing.T) {
	sameJSON(t, &event{})
	var e event
	n := 0
	fill(reflect.ValueOf(&e).Elem(), &n)
	sameJSON(t, &e)
}

func FuzzEventText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\x1f\"\\/\b\f\n\r\t\x7f", "é€😀", "\xff\xc3(\xed\xa0\x80", "\u2028<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sameJSON(t, &event{Resource: s, Headers: map[string]string{s: s}, Body: &s, MultiValueHeaders: map[string][]string{"a": {s, s}}})
	})
}
