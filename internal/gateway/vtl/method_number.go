package vtl

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func errNumberFormat(s string) error {
	return fmt.Errorf("NumberFormatException: for input string %q", clip(s))
}

// numberMethod is a method of a number, or a static one of its class, which
// templates reach through any number: $n.parseInt("12").
func (e *execution) numberMethod(of Value, name string, args []Value) (Value, error) {
	if len(args) == 0 {
		if v := conversion(of, name); v != nil {
			return v, nil
		}
		return e.objectMethod(of, name, nil)
	}
	if name == "compareTo" && len(args) == 1 {
		if !sameClass(of, args[0]) {
			return nil, errClass("compareTo wants a number of the same class")
		}
		return int32(compareNumbers(of, args[0])), nil
	}
	switch of.(type) {
	case int32:
		return e.integerMethod(of, name, args, 32)
	case int64:
		return e.integerMethod(of, name, args, 64)
	case float64:
		return e.doubleMethod(of, name, args)
	}
	return e.objectMethod(of, name, args)
}

// conversion is a method without arguments; nil: there is none.
func conversion(of Value, name string) Value {
	switch name {
	case "intValue":
		return boxInt(int(toInt32(of)))
	case "longValue":
		return toLong(of)
	case "doubleValue":
		return toDouble(of)
	case "floatValue":
		return float32(toDouble(of))
	case "shortValue":
		return int32(int16(toInt32(of)))
	case "byteValue":
		return int32(int8(toInt32(of)))
	}
	if f, ok := of.(float64); ok {
		switch name {
		case "isNaN":
			return math.IsNaN(f)
		case "isInfinite":
			return math.IsInf(f, 0)
		}
	}
	return nil
}

// integerMethod is of an Integer or, with 64 bits, a Long.
func (e *execution) integerMethod(of Value, name string, args []Value, bits int) (Value, error) {
	parse := "parseInt"
	if bits == 64 {
		parse = "parseLong"
	}
	if s, ok := args[0].(string); ok {
		radix := int32(10)
		if len(args) == 2 {
			if radix, ok = asInteger(args[1]); !ok {
				return nil, nil
			}
		}
		if (name == parse || name == "valueOf") && len(args) <= 2 {
			return parseInteger(s, int(radix), bits)
		}
		return e.objectMethod(of, name, args)
	}
	nums := make([]int64, 0, 2)
	for _, a := range args {
		if c := class(a); c != 3 && (c != 4 || bits == 32) {
			return e.objectMethod(of, name, args)
		}
		nums = append(nums, toLong(a))
	}
	wrap := func(n int64) Value {
		if bits == 32 {
			return boxInt(int(int32(n)))
		}
		return n
	}
	if len(nums) == 2 {
		switch name {
		case "max":
			return wrap(max(nums[0], nums[1])), nil
		case "min":
			return wrap(min(nums[0], nums[1])), nil
		case "sum":
			return wrap(nums[0] + nums[1]), nil
		case "compare":
			return int32(compareNumbers(nums[0], nums[1])), nil
		case "toString":
			if radix := nums[1]; radix >= 2 && radix <= 36 {
				return strconv.FormatInt(nums[0], int(radix)), nil
			}
			return strconv.FormatInt(nums[0], 10), nil
		}
		return nil, nil
	}
	if len(nums) > 2 {
		return nil, nil
	}
	unsigned := uint64(nums[0])
	if bits == 32 {
		unsigned = uint64(uint32(nums[0]))
	}
	switch name {
	case "valueOf":
		return wrap(nums[0]), nil
	case "toString":
		return strconv.FormatInt(nums[0], 10), nil
	case "toHexString":
		return strconv.FormatUint(unsigned, 16), nil
	case "toBinaryString":
		return strconv.FormatUint(unsigned, 2), nil
	case "toOctalString":
		return strconv.FormatUint(unsigned, 8), nil
	}
	return e.objectMethod(of, name, args)
}

func parseInteger(s string, radix, bits int) (Value, error) {
	if radix < 2 || radix > 36 || strings.Contains(s, "_") {
		return nil, errNumberFormat(s)
	}
	n, err := strconv.ParseInt(s, radix, bits)
	if err != nil {
		return nil, errNumberFormat(s)
	}
	if bits == 32 {
		return boxInt(int(n)), nil
	}
	return n, nil
}

func (e *execution) doubleMethod(of Value, name string, args []Value) (Value, error) {
	if s, ok := args[0].(string); ok && len(args) == 1 {
		if name != "parseDouble" && name != "valueOf" {
			return e.objectMethod(of, name, args)
		}
		return parseDouble(s)
	}
	for _, a := range args {
		if !isNumber(a) {
			return e.objectMethod(of, name, args)
		}
	}
	f := toDouble(args[0])
	if len(args) == 2 {
		g := toDouble(args[1])
		switch name {
		case "max":
			return math.Max(f, g), nil
		case "min":
			return math.Min(f, g), nil
		case "sum":
			return f + g, nil
		case "compare":
			return int32(compareFloats(f, g)), nil
		}
		return nil, nil
	}
	if len(args) > 2 {
		return nil, nil
	}
	switch name {
	case "valueOf":
		return f, nil
	case "toString":
		return formatDouble(f, 64), nil
	case "isNaN":
		return math.IsNaN(f), nil
	case "isInfinite":
		return math.IsInf(f, 0), nil
	}
	return e.objectMethod(of, name, args)
}

// parseDouble is Double.parseDouble but for hexadecimal.
func parseDouble(s string) (Value, error) {
	t := strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	if n := len(t); n > 1 && strings.ContainsRune("dDfF", rune(t[n-1])) && (isDigit(t[n-2]) || t[n-2] == '.') {
		t = t[:n-1]
	}
	switch strings.TrimLeft(t, "+-") {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1 - 2*btoi(strings.HasPrefix(t, "-"))), nil
	}
	if strings.ContainsAny(t, "_xXpPnNiI") {
		return nil, errNumberFormat(s)
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errNumberFormat(s)
	}
	return f, nil
}

// hash is Java's hashCode, of values whose own is not their address.
func (e *execution) hash(v Value, depth int) (Value, error) {
	h, err := e.hashOf(v, depth)
	return h, err
}

func (e *execution) hashOf(v Value, depth int) (int32, error) {
	if depth > maxValueDepth {
		return 0, ErrDepth
	}
	if err := e.work(1); err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case string:
		h := int32(0)
		for _, u := range units(v) {
			h = 31*h + int32(u)
		}
		return h, e.work(len(v) / 64)
	case character:
		return e.hashOf(string(v), depth)
	case bool:
		if v {
			return 1231, nil
		}
		return 1237, nil
	case int32:
		return v, nil
	case int64:
		return int32(v ^ int64(uint64(v)>>32)), nil
	case float64:
		b := math.Float64bits(v)
		return int32(b ^ b>>32), nil
	case float32:
		return int32(math.Float32bits(v)), nil
	case *big.Int:
		return hashBig(v), nil
	case Decimal:
		return 31*hashBig(v.unscaled) + int32(v.scale), nil
	case Number:
		return e.hashOf(v.java(), depth+1)
	case *List:
		h := int32(1)
		if v.kind == setView {
			h = 0
		}
		for _, item := range v.items {
			n, err := e.hashOf(item, depth+1)
			if err != nil {
				return 0, err
			}
			if v.kind != setView {
				h *= 31
			}
			h += n
		}
		return h, nil
	case *Map:
		h := int32(0)
		for _, en := range v.entries {
			n, err := e.hashOf(en, depth+1)
			if err != nil {
				return 0, err
			}
			h += n
		}
		return h, nil
	case *Entry:
		k, err := e.hashOf(v.Key, depth+1)
		if err != nil {
			return 0, err
		}
		n, err := e.hashOf(v.Value, depth+1)
		return k ^ n, err
	}
	return 0, nil
}

func hashBig(n *big.Int) int32 {
	h := int32(0)
	b := n.Bytes()
	for len(b)%4 != 0 {
		b = append([]byte{0}, b...)
	}
	for i := 0; i < len(b); i += 4 {
		h = 31*h + int32(uint32(b[i])<<24|uint32(b[i+1])<<16|uint32(b[i+2])<<8|uint32(b[i+3]))
	}
	return h * int32(n.Sign())
}
