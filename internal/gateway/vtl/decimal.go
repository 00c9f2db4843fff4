package vtl

import (
	"math/big"
	"strconv"
	"strings"
)

// Decimal is a java.math.BigDecimal: an integer times ten to the power of -Scale.
type Decimal struct {
	unscaled *big.Int
	scale    int
}

// maxScale bounds a BigDecimal's exponent, so that none takes long to write out.
const maxScale = 1000

// parseDecimal reads a number as BigDecimal does.
func parseDecimal(s string) (Decimal, bool) {
	exp := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return Decimal{}, false
		}
		s, exp = s[:i], n
	}
	scale := 0
	if i := strings.IndexByte(s, '.'); i >= 0 {
		scale = len(s) - i - 1
		s = s[:i] + s[i+1:]
	}
	n, ok := new(big.Int).SetString(s, 10)
	scale -= exp
	if !ok || scale > maxScale || scale < -maxScale {
		return Decimal{}, false
	}
	return Decimal{n, scale}, true
}

// exactly is a double as a BigDecimal, digit for digit.
func exactly(f float64) Decimal {
	s := new(big.Float).SetFloat64(f).Text('f', 1074)
	s = strings.TrimRight(s, "0")
	d, ok := parseDecimalExact(strings.TrimSuffix(s, "."))
	if !ok {
		return Decimal{new(big.Int), 0}
	}
	return d
}

func parseDecimalExact(s string) (Decimal, bool) {
	scale := 0
	if i := strings.IndexByte(s, '.'); i >= 0 {
		scale = len(s) - i - 1
		s = s[:i] + s[i+1:]
	}
	n, ok := new(big.Int).SetString(s, 10)
	return Decimal{n, scale}, ok
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// align brings two to one scale.
func align(a, b Decimal) (x, y *big.Int, scale int) {
	scale = max(a.scale, b.scale)
	return new(big.Int).Mul(a.unscaled, pow10(scale-a.scale)), new(big.Int).Mul(b.unscaled, pow10(scale-b.scale)), scale
}

// String is BigDecimal's toString: with an exponent where the scale is negative or
// the number very small.
func (d Decimal) String() string {
	digits := new(big.Int).Abs(d.unscaled).String()
	sign := ""
	if d.unscaled.Sign() < 0 {
		sign = "-"
	}
	adjusted := len(digits) - 1 - d.scale
	switch {
	case d.scale == 0:
		return sign + digits
	case d.scale > 0 && adjusted >= -6:
		if pad := d.scale - len(digits) + 1; pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		at := len(digits) - d.scale
		return sign + digits[:at] + "." + digits[at:]
	}
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	if adjusted == 0 {
		return sign + digits
	}
	exp := strconv.Itoa(adjusted)
	if adjusted > 0 {
		exp = "+" + exp
	}
	return sign + digits + "E" + exp
}

// whole is the integer part.
func (d Decimal) whole() *big.Int {
	if d.scale <= 0 {
		return new(big.Int).Mul(d.unscaled, pow10(-d.scale))
	}
	return new(big.Int).Quo(d.unscaled, pow10(d.scale))
}

func calculateDecimal(op kind, l, r Decimal) (Value, error) {
	var d Decimal
	switch op {
	case tPlus, tMinus:
		x, y, scale := align(l, r)
		if op == tMinus {
			y.Neg(y)
		}
		d = Decimal{x.Add(x, y), scale}
	case tTimes:
		d = Decimal{new(big.Int).Mul(l.unscaled, r.unscaled), l.scale + r.scale}
	case tDivide:
		d = divideHalfDown(l, r)
	default:
		return nil, errBigModulo
	}
	if d.unscaled.BitLen() > maxBits || d.scale > 4*maxScale || d.scale < -4*maxScale {
		return nil, errTooBig
	}
	return d, nil
}

// divideHalfDown keeps the scale of l, and rounds to the nearest, half of it down.
func divideHalfDown(l, r Decimal) Decimal {
	num, den := new(big.Int).Set(l.unscaled), new(big.Int).Set(r.unscaled)
	if r.scale >= 0 {
		num.Mul(num, pow10(r.scale))
	} else {
		den.Mul(den, pow10(-r.scale))
	}
	q, rest := new(big.Int).QuoRem(num, den, new(big.Int))
	if twice := rest.Abs(rest).Lsh(rest, 1); twice.Cmp(new(big.Int).Abs(den)) > 0 {
		if num.Sign()*den.Sign() < 0 {
			q.Sub(q, big.NewInt(1))
		} else {
			q.Add(q, big.NewInt(1))
		}
	}
	return Decimal{q, l.scale}
}
