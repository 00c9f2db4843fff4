// Package timestamp reads and writes the forms of a time on AWS's wires.
// https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
package timestamp

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// ErrMalformed says that a text is no time in the format it should have.
var ErrMalformed = errors.New("timestamp: malformed")

// Years that every format can express and a time.Time arithmetic cannot
// overflow: 0001-01-01 to 9999-12-31.
const (
	minEpoch = -62135596800
	maxEpoch = 253402300799
)

const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// Append writes t to b in format. Fractions of a second are kept to the
// millisecond, which is what AWS sends, and only where there are any.
// TimestampDefault writes ISO 8601.
func Append(b []byte, t time.Time, format schema.TimestampFormat) []byte {
	t = t.UTC().Truncate(time.Millisecond)
	frac := t.Nanosecond() != 0
	switch format {
	case schema.TimestampEpoch:
		return AppendEpoch(b, t)
	case schema.TimestampHTTP:
		if frac {
			return t.AppendFormat(b, "Mon, 02 Jan 2006 15:04:05.999 GMT")
		}
		return t.AppendFormat(b, httpDate)
	default:
		return t.AppendFormat(b, "2006-01-02T15:04:05.999Z")
	}
}

// AppendEpoch writes t to b as seconds since 1970, with up to three decimals.
func AppendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if f := ms % 1000; f != 0 {
		b = append(b, '.', byte('0'+f/100))
		if f%100 != 0 {
			b = append(b, byte('0'+f/10%10))
		}
		if f%10 != 0 {
			b = append(b, byte('0'+f%10))
		}
	}
	return b
}

// Format is Append as a string.
func Format(t time.Time, format schema.TimestampFormat) string {
	return string(Append(make([]byte, 0, 32), t, format))
}

// Parse reads s, which must be wholly in format. TimestampDefault reads ISO
// 8601. Times outside the years 1 to 9999 are malformed.
func Parse(s string, format schema.TimestampFormat) (time.Time, error) {
	switch format {
	case schema.TimestampEpoch:
		return parseEpoch(s)
	case schema.TimestampHTTP:
		return parseHTTP(s)
	default:
		return parseISO(s)
	}
}

// FromEpoch is the time sec seconds after 1970.
func FromEpoch(sec float64) (time.Time, error) {
	if math.IsNaN(sec) || sec < minEpoch || sec > maxEpoch+0.9999 {
		return time.Time{}, ErrMalformed
	}
	whole, frac := math.Modf(sec)
	// A double carries microseconds at today's epoch; beyond is noise.
	return time.Unix(int64(whole), int64(math.Round(frac*1e6))*1000).UTC(), nil
}

func parseEpoch(s string) (time.Time, error) {
	// ParseFloat takes hexadecimal, underscores, infinities: none is a time.
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return time.Time{}, ErrMalformed
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return time.Time{}, ErrMalformed
	}
	return FromEpoch(f)
}

func parseISO(s string) (time.Time, error) {
	// Smithy's date-time is RFC 3339 without offsets. time.Parse also takes a
	// comma before the fraction, which RFC 3339 has not.
	if len(s) < 20 || strings.IndexByte(s, ',') >= 0 || s[10] != 'T' || s[len(s)-1] != 'Z' {
		return time.Time{}, ErrMalformed
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, ErrMalformed
	}
	return checkYear(t)
}

func parseHTTP(s string) (time.Time, error) {
	t, err := time.Parse("Mon, 02 Jan 2006 15:04:05 MST", s)
	if err != nil || !strings.HasSuffix(s, " GMT") {
		return time.Time{}, ErrMalformed
	}
	return checkYear(t)
}

func checkYear(t time.Time) (time.Time, error) {
	t = t.UTC()
	if u := t.Unix(); u < minEpoch || u > maxEpoch {
		return time.Time{}, ErrMalformed
	}
	return t, nil
}
