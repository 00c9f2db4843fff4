package timestamp

import (
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

func TestForms(t *testing.T) {
	whole := time.Date(2019, 12, 16, 23, 48, 18, 0, time.UTC)
	for _, c := range []struct {
		t      time.Time
		format schema.TimestampFormat
		text   string
	}{
		{whole, schema.TimestampEpoch, "1576540098"},
		{whole.Add(120 * time.Millisecond), schema.TimestampEpoch, "1576540098.12"},
		{whole.Add(5 * time.Millisecond), schema.TimestampEpoch, "1576540098.005"},
		{time.Unix(-1, 5e8).UTC(), schema.TimestampEpoch, "-0.5"},
		{time.Unix(-2, 0).UTC(), schema.TimestampEpoch, "-2"},
		{whole, schema.TimestampISO8601, "2019-12-16T23:48:18Z"},
		{whole.Add(123 * time.Millisecond), schema.TimestampISO8601, "2019-12-16T23:48:18.123Z"},
		{whole, schema.TimestampHTTP, "Mon, 16 Dec 2019 23:48:18 GMT"},
		{whole.Add(456 * time.Millisecond), schema.TimestampHTTP, "Mon, 16 Dec 2019 23:48:18.456 GMT"},
	} {
		if got := Format(c.t, c.format); got != c.text {
			t.Errorf("Format(%v) = %q, not %q", c.t, got, c.text)
		}
		if got, err := Parse(c.text, c.format); err != nil || !got.Equal(c.t) {
			t.Errorf("Parse(%q) = %v, %v, not %v", c.text, got, err, c.t)
		}
	}
}

func TestMalformed(t *testing.T) {
	for text, format := range map[string]schema.TimestampFormat{
		"": schema.TimestampEpoch, "0x1p4": schema.TimestampEpoch, "1e300": schema.TimestampEpoch, "NaN": schema.TimestampEpoch,
		"Infinity": schema.TimestampEpoch, "1_0": schema.TimestampEpoch, "2019-12-16T23:48:18Z": schema.TimestampEpoch,
		"2019-12-16T23:48:18": schema.TimestampISO8601, "2019-12-16 23:48:18Z": schema.TimestampISO8601,
		"2019-12-16T23:48:18,5Z": schema.TimestampISO8601, "2019-12-16T23:48:18+01:00": schema.TimestampISO8601,
		"0000-12-16T23:48:18Z": schema.TimestampISO8601, "1576540098": schema.TimestampISO8601,
		"Mon, 16 Dec 2019 23:48:18 CET": schema.TimestampHTTP, "16 Dec 2019": schema.TimestampHTTP,
	} {
		if got, err := Parse(text, format); err == nil {
			t.Errorf("Parse(%q) = %v", text, got)
		}
	}
}
