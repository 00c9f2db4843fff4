package vtl

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

var (
	errBigModulo      = errors.New("the modulo of BigDecimals cannot be calculated")
	errNegativeModulo = errors.New("BigInteger: modulus not positive")
	errTooBig         = errors.New("a number has too many digits")
)

// java is the Java number that a JSON reader makes of the text.
func (n Number) java() Value {
	s := string(n)
	if !strings.ContainsAny(s, ".eE") {
		if v := integer(s); v != nil {
			return v
		}
	} else if len(s) > 18 {
		if d, ok := parseDecimal(s); ok {
			return d
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

func isNumber(v Value) bool {
	switch v.(type) {
	case int32, int64, float32, float64, *big.Int, Decimal, Number:
		return true
	}
	return false
}

func isInteger(v Value) bool {
	switch v.(type) {
	case int32, int64, *big.Int:
		return true
	}
	return false
}

func toDouble(v Value) float64 {
	switch v := v.(type) {
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return float64(v)
	case float64:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case Decimal:
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	case Number:
		return toDouble(v.java())
	}
	return 0
}

// toLong is Java's longValue: doubles are cut off, what is too big is the nearest
// or, of BigIntegers, the lower 64 bits.
func toLong(v Value) int64 {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int64:
		return v
	case float32:
		return doubleToLong(float64(v))
	case float64:
		return doubleToLong(v)
	case *big.Int:
		return int64(new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64)).Uint64())
	case Decimal:
		return toLong(v.whole())
	case Number:
		return toLong(v.java())
	}
	return 0
}

func doubleToLong(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func toInt32(v Value) int32 {
	switch v := v.(type) {
	case float32:
		return doubleToInt(float64(v))
	case float64:
		return doubleToInt(v)
	case Number:
		return toInt32(v.java())
	}
	return int32(toLong(v))
}

func doubleToInt(f float64) int32 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	}
	return int32(f)
}

func toBig(v Value) *big.Int {
	if b, ok := v.(*big.Int); ok {
		return b
	}
	return big.NewInt(toLong(v))
}

func toDecimal(v Value) Decimal {
	switch v := v.(type) {
	case Decimal:
		return v
	case *big.Int:
		return Decimal{v, 0}
	}
	return exactly(toDouble(v))
}

// base is what two numbers are calculated as.
type base uint8

const (
	asLong base = iota
	asFloat
	asDouble
	asBig
	asDecimal
)

func baseOf(l, r Value) base {
	_, ld := l.(Decimal)
	_, rd := r.(Decimal)
	_, lb := l.(*big.Int)
	_, rb := r.(*big.Int)
	li, ri := isInteger(l), isInteger(r)
	_, l64 := l.(float64)
	_, r64 := r.(float64)
	switch {
	case ld || rd || (!li || !ri) && (lb || rb):
		return asDecimal
	case li && ri && (lb || rb):
		return asBig
	case li && ri:
		return asLong
	case l64 || r64:
		return asDouble
	}
	return asFloat
}

// plain turns a JSON number into the Java number.
func plain(v Value) Value {
	if n, ok := v.(Number); ok {
		return n.java()
	}
	return v
}

func compareNumbers(l, r Value) int {
	l, r = plain(l), plain(r)
	switch baseOf(l, r) {
	case asLong:
		return cmp.Compare(toLong(l), toLong(r))
	case asBig:
		return toBig(l).Cmp(toBig(r))
	case asDecimal:
		if infinite(l) || infinite(r) {
			return compareFloats(toDouble(l), toDouble(r))
		}
		x, y, _ := align(toDecimal(l), toDecimal(r))
		return x.Cmp(y)
	}
	return compareFloats(toDouble(l), toDouble(r))
}

// compareFloats has NaN equal to everything, as Velocity does.
func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func infinite(v Value) bool {
	f, ok := v.(float64)
	return ok && (math.IsInf(f, 0) || math.IsNaN(f))
}

// calculate is l op r; nil: a division by zero. An Integer that overflows becomes a
// Long, and that a BigInteger.
func calculate(op kind, l, r Value) (Value, error) {
	l, r = plain(l), plain(r)
	if (op == tDivide || op == tModulo) && isZero(r) {
		return nil, nil
	}
	switch baseOf(l, r) {
	case asLong:
		return calculateLong(op, l, r)
	case asBig:
		return calculateBig(op, toBig(l), toBig(r))
	case asDecimal:
		if infinite(l) || infinite(r) {
			return nil, errors.New("NumberFormatException: infinite or NaN")
		}
		return calculateDecimal(op, toDecimal(l), toDecimal(r))
	case asFloat:
		return float32(calculateDouble(op, toDouble(l), toDouble(r))), nil
	}
	return calculateDouble(op, toDouble(l), toDouble(r)), nil
}

func isZero(v Value) bool {
	switch v := v.(type) {
	case *big.Int:
		return v.Sign() == 0
	case Decimal:
		return v.unscaled.Sign() == 0
	}
	return toDouble(v) == 0
}

func calculateLong(op kind, lv, rv Value) (Value, error) {
	l, r := toLong(lv), toLong(rv)
	var n int64
	overflow := false
	switch op {
	case tPlus:
		n = l + r
		overflow = (n^l) < 0 && (n^r) < 0
	case tMinus:
		n = l - r
		overflow = (n^l) < 0 && (n^^r) < 0
	case tTimes:
		n = l * r
		overflow = r != 0 && n/r != l
	case tDivide:
		n = l / r
	default:
		n = l % r
	}
	if overflow {
		return calculateBig(op, big.NewInt(l), big.NewInt(r))
	}
	_, lInt := lv.(int32)
	_, rInt := rv.(int32)
	if lInt && rInt && n >= math.MinInt32 && n <= math.MaxInt32 {
		return boxInt(int(n)), nil
	}
	return n, nil
}

// maxBits bounds how big a BigInteger or BigDecimal grows.
const maxBits = 1 << 16

func calculateBig(op kind, l, r *big.Int) (Value, error) {
	n := new(big.Int)
	switch op {
	case tPlus:
		n.Add(l, r)
	case tMinus:
		n.Sub(l, r)
	case tTimes:
		n.Mul(l, r)
	case tDivide:
		n.Quo(l, r)
	default:
		if r.Sign() < 0 {
			return nil, errNegativeModulo
		}
		n.Mod(l, r)
	}
	if n.BitLen() > maxBits {
		return nil, errTooBig
	}
	return n, nil
}

func calculateDouble(op kind, l, r float64) float64 {
	switch op {
	case tPlus:
		return l + r
	case tMinus:
		return l - r
	case tTimes:
		return l * r
	case tDivide:
		return l / r
	}
	return math.Mod(l, r)
}
