package validate

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// tooHigh tells an upper limit from a lower one; the value is outside of one.
func tooHigh(v *Violation) bool {
	c, rv := v.Shape.Constraint, reflect.ValueOf(v.Value)
	if !c.HasMax {
		return false
	}
	switch rv.Kind() {
	case reflect.String:
		return int64(utf8.RuneCountInString(rv.String())) > c.Max
	case reflect.Slice, reflect.Map:
		return int64(rv.Len()) > c.Max
	case reflect.Float32, reflect.Float64:
		return !(rv.Float() <= float64(c.Max))
	}
	return rv.Int() > c.Max
}

// maxShown is how many bytes of a value a message shows.
const maxShown = 16 << 10

// display writes a value the way it shows in AWS's messages, which is the way
// of Java's toString: [a, b], {k=v}. The end of a long one is cut off.
func display(svc *schema.Service, s *schema.Shape, v reflect.Value) string {
	var b strings.Builder
	write(&b, svc, s, v)
	return cut(b.String())
}

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "..."
}

func write(b *strings.Builder, svc *schema.Service, s *schema.Shape, v reflect.Value) {
	if b.Len() > maxShown {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		if v.IsNil() {
			b.WriteString("null")
			return
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
	}
	switch s.Kind {
	case schema.KindString:
		// One byte more than is shown, to be seen to be cut off.
		b.WriteString(v.String()[:min(v.Len(), maxShown+1)])
	case schema.KindBoolean:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case schema.KindFloat:
		b.WriteString(javaFloat(v.Float(), 32))
	case schema.KindDouble:
		b.WriteString(javaFloat(v.Float(), 64))
	case schema.KindTimestamp:
		if t, ok := v.Interface().(time.Time); ok {
			b.WriteString(t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006"))
		}
	case schema.KindBlob:
		if v.Kind() == reflect.Slice {
			fmt.Fprintf(b, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", v.Len(), v.Len())
		}
	case schema.KindDocument:
		b.WriteString("Document")
	case schema.KindList:
		b.WriteByte('[')
		for i := range v.Len() {
			if b.Len() > maxShown {
				return
			}
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, svc, svc.Shape(s.Members[0].Target), v.Index(i))
		}
		b.WriteByte(']')
	case schema.KindMap:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		b.WriteByte('{')
		for i, k := range keys {
			if b.Len() > maxShown {
				return
			}
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(k.String()[:min(k.Len(), maxShown+1)])
			b.WriteByte('=')
			write(b, svc, svc.Shape(s.Members[1].Target), v.MapIndex(k))
		}
		b.WriteByte('}')
	case schema.KindStructure, schema.KindUnion:
		b.WriteString(s.Name)
		b.WriteByte('(')
		for i := range s.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(lowerFirst(s.Members[i].Name))
			b.WriteByte('=')
			write(b, svc, svc.Shape(s.Members[i].Target), v.Field(i))
		}
		b.WriteByte(')')
	}
}

// javaFloat writes a number as Java does: 0.0, 1.5, 1.0E10, NaN.
func javaFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-3 || a >= 1e7) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, bits), "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent) // of strconv's own making: digits with a sign
		return mantissa + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(f, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
