package jsoncodec

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/timestamp"
)

// mismatch is the error of a value that is not of n's kind, in the words of
// AWS's own front end.
func (d *decoder) mismatch(n *plan.Node) error {
	var got string
	switch d.peek() {
	case kindObject:
		return awserr.Serialization("Start of structure or map found where not expected.")
	case kindArray:
		return awserr.Serialization("Start of list found where not expected")
	case kindString:
		got = "STRING_VALUE"
	case kindNumber:
		got = "NUMBER_VALUE"
	case kindTrue:
		got = "TRUE_VALUE"
	case kindFalse:
		got = "FALSE_VALUE"
	case kindNull:
		got = "NULL_VALUE"
	default:
		return d.unexpected()
	}
	var want string
	switch n.Kind {
	case schema.KindStructure, schema.KindUnion, schema.KindMap:
		return awserr.Serialization("Unexpected token (%s), expected start of structure or map", got)
	case schema.KindList:
		return awserr.Serialization("Expected list or null")
	case schema.KindBoolean:
		want = "a Boolean"
	case schema.KindByte:
		want = "a Byte"
	case schema.KindShort:
		want = "a Short"
	case schema.KindInteger:
		want = "an Integer"
	case schema.KindLong:
		want = "a Long"
	case schema.KindFloat:
		want = "a Float"
	case schema.KindDouble:
		want = "a Double"
	case schema.KindBlob:
		want = "a Blob"
	case schema.KindTimestamp:
		want = "a Timestamp"
	default:
		want = "a String"
	}
	return awserr.Serialization("%s can not be converted to %s", got, want)
}

func (d *decoder) integer(n *plan.Node, v reflect.Value) error {
	text, integer, err := d.number()
	if err != nil {
		return err
	}
	if !integer {
		return awserr.Serialization("DECIMAL_VALUE can not be converted to an integer number")
	}
	i, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || !n.SetInt(v, i) {
		return awserr.Serialization("Numeric value (%.40s) out of range of %d bits", text, plan.Bits(n.Kind))
	}
	return nil
}

func (d *decoder) float(n *plan.Node, v reflect.Value, k kind) error {
	if k == kindString {
		s, err := d.str()
		if err != nil {
			return err
		}
		switch string(s) {
		case "NaN":
			n.SetFloat(v, math.NaN())
		case "Infinity":
			n.SetFloat(v, math.Inf(1))
		case "-Infinity":
			n.SetFloat(v, math.Inf(-1))
		default:
			return awserr.Serialization("STRING_VALUE can not be converted to a %s", n.Shape.Name)
		}
		return nil
	}
	text, _, err := d.number()
	if err != nil {
		return err
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !n.SetFloat(v, x) {
		return awserr.Serialization("Numeric value (%.40s) out of range of a floating-point number", text)
	}
	return nil
}

func (d *decoder) blob(n *plan.Node, v reflect.Value) error {
	s, err := d.str()
	if err != nil {
		return err
	}
	// Not DecodedLen exactly, but an upper bound: padding is cut below.
	out := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	m, err := base64.StdEncoding.Decode(out, s)
	if err != nil {
		return awserr.Serialization("Invalid base64 in a blob")
	}
	n.Target(v).SetBytes(out[:m:m])
	return nil
}

func (d *decoder) time(f *plan.Field, v reflect.Value, k kind) error {
	format := f.Format
	if format == schema.TimestampDefault {
		format = schema.TimestampEpoch
	}
	if (k == kindNumber) != (format == schema.TimestampEpoch) {
		return d.mismatch(f.Node)
	}
	var text []byte
	var err error
	if k == kindNumber {
		text, _, err = d.number()
	} else {
		text, err = d.str()
	}
	if err != nil {
		return err
	}
	t, err := timestamp.Parse(string(text), format)
	if err != nil {
		return awserr.Serialization("Invalid timestamp: %.64q", text)
	}
	f.SetTime(v, t)
	return nil
}

// document reads free JSON as encoding/json does with UseNumber.
func (d *decoder) document() (any, error) {
	switch d.peek() {
	case kindString:
		s, err := d.str()
		return string(s), err
	case kindNumber:
		text, _, err := d.number()
		return json.Number(text), err
	case kindTrue:
		return true, d.literal("true")
	case kindFalse:
		return false, d.literal("false")
	case kindNull:
		return nil, d.literal("null")
	case kindArray:
		if err := d.open(); err != nil {
			return nil, err
		}
		out := []any{}
		for first := true; ; first = false {
			more, err := d.more(first, ']')
			if err != nil {
				return nil, err
			}
			if !more {
				return out, nil
			}
			if err := d.spend(entryCost); err != nil {
				return nil, err
			}
			v, err := d.document()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	case kindObject:
		if err := d.open(); err != nil {
			return nil, err
		}
		out := map[string]any{}
		for first := true; ; first = false {
			more, err := d.more(first, '}')
			if err != nil {
				return nil, err
			}
			if !more {
				return out, nil
			}
			k, err := d.key()
			if err != nil {
				return nil, err
			}
			key := string(k)
			if err := d.spend(2 * entryCost); err != nil {
				return nil, err
			}
			v, err := d.document()
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
	}
	return nil, d.unexpected()
}
