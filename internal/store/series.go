package store

import (
	"context"
	"fmt"
	"time"
)

// The limits of series that the drivers enforce.
const (
	MaxSeriesName = 48 << 10 // bytes of a series' name; at least 1
	MaxSamples    = 10_000   // of one Add
)

// Statistics is what is kept of the values that a series had in some time.
type Statistics struct {
	Count, Sum float64
	Min, Max   float64 // of no meaning where Count is 0
}

// Merge adds what other knows to s.
func (s *Statistics) Merge(other Statistics) {
	if other.Count == 0 {
		return
	}
	if s.Count == 0 {
		*s = other
		return
	}
	s.Count += other.Count
	s.Sum += other.Sum
	s.Min, s.Max = min(s.Min, other.Min), max(s.Max, other.Max)
}

// Sample is what a series had in one minute.
type Sample struct {
	Series string
	Time   time.Time // any in that minute
	Statistics
}

// SeriesQuery selects minutes of a series.
type SeriesQuery struct {
	Series     string
	Start, End time.Time // Start ≤ minute < End
	// Period is how many minutes a point is made of, counted from the first minute
	// that does not begin before Start: whole minutes, at least one.
	Period time.Duration
}

// Point is what a series had in a period that begins at Time.
type Point struct {
	Time time.Time
	Statistics
}

// SeriesInfo is what the store knows of a series.
type SeriesInfo struct {
	Name string
	Last time.Time // the last minute that has values
}

// Series is the shape of CloudWatch's metrics: values by the minute. A series is
// named by a key that its service makes; it is there from its first sample on,
// and until the last of them has expired.
type Series interface {
	// Add merges samples into what is there of their minutes, all or none, and
	// returns once that is durable.
	Add(ctx context.Context, samples []Sample) error
	// Read returns a point for each period that has values, in order of time.
	Read(ctx context.Context, q SeriesQuery) ([]Point, error)
	// List returns up to limit series whose names begin with prefix and are
	// greater than after, in order of name, of those that have values at since or
	// later. limit 0 means all.
	List(ctx context.Context, prefix, after string, since time.Time, limit int) ([]SeriesInfo, error)
	// Expire deletes what is older than before.
	Expire(ctx context.Context, before time.Time) error
}

// CheckSamples says, by an error that wraps ErrLimit, whether samples are outside
// the store's limits. It is for drivers.
func CheckSamples(samples []Sample) error {
	if len(samples) > MaxSamples {
		return fmt.Errorf("%w: %d samples, and %d are the most", ErrLimit, len(samples), MaxSamples)
	}
	for i := range samples {
		if n := len(samples[i].Series); n == 0 || n > MaxSeriesName {
			return fmt.Errorf("%w: a series' name has 1 to %d bytes, and this one has %d", ErrLimit, MaxSeriesName, n)
		}
	}
	return nil
}

// CheckSeriesQuery says, by an error that wraps ErrLimit, whether a query asks
// for what there cannot be. It is for drivers.
func CheckSeriesQuery(q *SeriesQuery) error {
	if q.Period < time.Minute || q.Period%time.Minute != 0 {
		return fmt.Errorf("%w: a period of %s is not whole minutes", ErrLimit, q.Period)
	}
	return nil
}
