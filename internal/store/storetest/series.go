package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Series tests a driver of the shape of metrics.
func Series(t *testing.T, open func(t *testing.T) store.Series) {
	for name, test := range map[string]func(*testing.T, store.Series){
		"AddAndRead":  addAndReadSeries,
		"Periods":     periodsOfSeries,
		"List":        listSeries,
		"Expire":      expireSeries,
		"Concurrent":  concurrentSeries,
		"Limits":      seriesLimits,
		"BeforeEpoch": seriesBeforeEpoch,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// hour begins an hour that periods divide.
var hour = time.Unix(1_800_000_000, 0).Truncate(time.Hour)

func sample(series string, at time.Time, values ...float64) store.Sample {
	out := store.Sample{Series: series, Time: at}
	for _, v := range values {
		out.Merge(store.Statistics{Count: 1, Sum: v, Min: v, Max: v})
	}
	return out
}

func addSamples(t *testing.T, s store.Series, samples ...store.Sample) {
	t.Helper()
	if err := s.Add(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
}

// wantPoints compares points: "minute count sum min max".
func wantPoints(t *testing.T, s store.Series, series string, start, end time.Time, period time.Duration, want ...string) {
	t.Helper()
	points, err := s.Read(t.Context(), store.SeriesQuery{Series: series, Start: start, End: end, Period: period})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range points {
		got = append(got, fmt.Sprintf("%g %g %g %g %g", p.Time.Sub(hour).Minutes(), p.Count, p.Sum, p.Min, p.Max))
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s by %s: %q, want %q", series, period, got, want)
	}
}

func addAndReadSeries(t *testing.T, s store.Series) {
	addSamples(t, s, sample("a", hour.Add(30*time.Second), 1, 5), sample("b", hour, 7))
	addSamples(t, s, sample("a", hour.Add(59*time.Second), -2), sample("a", hour.Add(time.Minute), 4))
	addSamples(t, s, sample("a", hour, 3), sample("a", hour.Add(time.Minute)), sample("empty", hour))
	end := hour.Add(time.Hour)
	wantPoints(t, s, "a", hour, end, time.Minute, "0 4 7 -2 5", "1 1 4 4 4")
	wantPoints(t, s, "b", hour, end, time.Minute, "0 1 7 7 7")
	wantPoints(t, s, "empty", hour, end, time.Minute)
	wantPoints(t, s, "nowhere", hour, end, time.Minute)
	// Start counts, End does not; both may lie within a minute.
	wantPoints(t, s, "a", hour.Add(time.Second), end, time.Minute, "1 1 4 4 4")
	wantPoints(t, s, "a", hour, hour.Add(time.Minute), time.Minute, "0 4 7 -2 5")
	wantPoints(t, s, "a", hour, hour.Add(61*time.Second), time.Minute, "0 4 7 -2 5", "1 1 4 4 4")
}

func periodsOfSeries(t *testing.T, s store.Series) {
	var samples []store.Sample
	for n := range 20 {
		samples = append(samples, sample("a", hour.Add(time.Duration(n)*time.Minute), float64(n)))
	}
	addSamples(t, s, samples...)
	end := hour.Add(time.Hour)
	wantPoints(t, s, "a", hour, end, 5*time.Minute, "0 5 10 0 4", "5 5 35 5 9", "10 5 60 10 14", "15 5 85 15 19")
	wantPoints(t, s, "a", hour, end, time.Hour, "0 20 190 0 19")
	wantPoints(t, s, "a", hour.Add(3*time.Minute), hour.Add(7*time.Minute), 5*time.Minute, "3 4 18 3 6")
	wantPoints(t, s, "a", hour.Add(3*time.Minute), hour.Add(9*time.Minute), 5*time.Minute, "3 5 25 3 7", "8 1 8 8 8")
}

func listSeries(t *testing.T, s store.Series) {
	addSamples(t, s, sample("p/b", hour, 1), sample("p/a", hour.Add(time.Minute), 1), sample("q", hour, 1), sample("p/\xff", hour, 1))
	expect := func(prefix, after string, since time.Time, limit int, want ...string) {
		t.Helper()
		found, err := s.List(t.Context(), prefix, after, since, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%s@%g", f.Name, f.Last.Sub(hour).Minutes()))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("list %q after %q: %q, want %q", prefix, after, got, want)
		}
	}
	expect("", "", time.Time{}, 0, "p/a@1", "p/b@0", "p/\xff@0", "q@0")
	expect("p/", "", time.Time{}, 0, "p/a@1", "p/b@0", "p/\xff@0")
	expect("p/", "p/a", time.Time{}, 1, "p/b@0")
	expect("", "", hour.Add(time.Minute), 0, "p/a@1")
	expect("p/\xff", "", time.Time{}, 0, "p/\xff@0")
	addSamples(t, s, sample("p/b", hour.Add(time.Hour), 1), sample("p/b", hour.Add(-time.Hour), 1))
	expect("p/b", "", time.Time{}, 0, "p/b@60")
}

func expireSeries(t *testing.T, s store.Series) {
	addSamples(t, s, sample("old", hour, 1), sample("both", hour, 1), sample("both", hour.Add(10*time.Minute), 2), sample("new", hour.Add(10*time.Minute), 3))
	if err := s.Expire(t.Context(), hour.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	found, err := s.List(t.Context(), "", "", time.Time{}, 0)
	if err != nil || len(found) != 2 || found[0].Name != "both" || found[1].Name != "new" {
		t.Errorf("%v, %v", found, err)
	}
	wantPoints(t, s, "both", hour, hour.Add(time.Hour), time.Minute, "10 1 2 2 2")
	addSamples(t, s, sample("old", hour.Add(time.Hour), 1)) // comes again
	wantPoints(t, s, "old", hour, hour.Add(2*time.Hour), time.Minute, "60 1 1 1 1")
}

func concurrentSeries(t *testing.T, s store.Series) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 25 {
				if err := s.Add(t.Context(), []store.Sample{sample("a", hour, float64(n)), sample(fmt.Sprint("own", n), hour, float64(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantPoints(t, s, "a", hour, hour.Add(time.Hour), time.Minute, "0 200 700 0 7")
	wantPoints(t, s, "own3", hour, hour.Add(time.Hour), time.Minute, "0 25 300 0 24")
}

func seriesLimits(t *testing.T, s store.Series) {
	long := strings.Repeat("x", store.MaxSeriesName)
	addSamples(t, s, sample(long, hour, 1))
	wantPoints(t, s, long, hour, hour.Add(time.Hour), time.Minute, "0 1 1 1 1")
	for name, err := range map[string]error{
		"no name":          s.Add(t.Context(), []store.Sample{sample("a", hour, 1), sample("", hour, 1)}),
		"a long name":      s.Add(t.Context(), []store.Sample{sample("a", hour, 1), sample(long+"x", hour, 1)}),
		"too many":         s.Add(t.Context(), make([]store.Sample, store.MaxSamples+1)),
		"half minutes":     readPeriod(t, s, 90*time.Second),
		"less than one":    readPeriod(t, s, 30*time.Second),
		"no period at all": readPeriod(t, s, 0),
	} {
		if !errors.Is(err, store.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantPoints(t, s, "a", hour, hour.Add(time.Hour), time.Minute) // all or none
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Add(ctx, []store.Sample{sample("a", hour, 1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func readPeriod(t *testing.T, s store.Series, period time.Duration) error {
	_, err := s.Read(t.Context(), store.SeriesQuery{Series: "a", Start: hour, End: hour.Add(time.Hour), Period: period})
	return err
}

func seriesBeforeEpoch(t *testing.T, s store.Series) {
	at := time.Unix(-90, 0)
	addSamples(t, s, sample("a", at, 1), sample("a", time.Unix(-61, 0), 2))
	points, err := s.Read(t.Context(), store.SeriesQuery{Series: "a", Start: time.Unix(-600, 0), End: time.Unix(0, 0), Period: time.Minute})
	if err != nil || len(points) != 1 || points[0].Time.Unix() != -120 || points[0].Count != 2 {
		t.Errorf("%v, %v", points, err)
	}
}
