package cloudwatch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
)

const (
	// flushEvery is how long figures are in memory alone, at most: so much of them
	// a kill -9 may lose.
	flushEvery = 30 * time.Second
	// maxPending bounds what waits for a store that does not take it.
	maxPending = 200_000
)

// recorder adds figures up by the minute, in memory, and takes them to the store
// now and then.
type recorder struct {
	store store.Series
	log   *slog.Logger
	// minute is the present one, since 1970: set by run, so that who records need
	// not ask for the time.
	minute atomic.Int64

	series sync.Map // name → *series

	flushing sync.Mutex
	pending  []store.Sample // what the store did not take
}

// series is one metric. Its lock is held for a few nanoseconds.
type series struct {
	name string
	rec  *recorder

	mu     sync.Mutex
	minute int64
	now    store.Statistics
	before []store.Sample // of minutes that are over
}

func newRecorder(s store.Series, log *slog.Logger) *recorder {
	r := &recorder{store: s, log: log}
	r.minute.Store(time.Now().Unix() / 60)
	return r
}

// Series implements metrics.Recorder.
func (r *recorder) Series(id metrics.ID) metrics.Series {
	name := seriesName(id)
	if found, ok := r.series.Load(name); ok {
		return found.(*series)
	}
	found, _ := r.series.LoadOrStore(name, &series{name: name, rec: r})
	return found.(*series)
}

// Add implements metrics.Series.
func (s *series) Add(value float64) {
	minute := s.rec.minute.Load()
	s.mu.Lock()
	if minute != s.minute {
		s.turn(minute)
	}
	n := &s.now
	if n.Count == 0 {
		n.Min, n.Max = value, value
	} else {
		n.Min, n.Max = min(n.Min, value), max(n.Max, value)
	}
	n.Count++
	n.Sum += value
	s.mu.Unlock()
}

// turn begins another minute; the lock is held.
func (s *series) turn(minute int64) {
	if s.now.Count > 0 {
		s.before = append(s.before, store.Sample{Series: s.name, Time: time.Unix(s.minute*60, 0), Statistics: s.now})
	}
	s.minute, s.now = minute, store.Statistics{}
}

// take returns what was recorded since it was called last.
func (s *series) take(to []store.Sample) []store.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(s.minute)
	to = append(to, s.before...)
	s.before = s.before[:0]
	return to
}

// run keeps the time, and flushes, until ctx ends.
func (r *recorder) run(ctx context.Context) {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		now := time.Now()
		r.minute.Store(now.Unix() / 60)
		turn := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-turn.C:
		case <-flush.C:
			turn.Stop()
			if err := r.flush(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("metrics cannot be stored; they are kept for the next attempt", "error", err)
			}
		case <-ctx.Done():
			turn.Stop()
			return
		}
	}
}

// flush takes what was recorded to the store.
func (r *recorder) flush(ctx context.Context) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	samples := r.pending
	r.pending = nil
	r.series.Range(func(_, found any) bool {
		samples = found.(*series).take(samples)
		return true
	})
	for len(samples) > 0 {
		n := min(len(samples), store.MaxSamples/4)
		// A caller that leaves must not make us wonder whether they were taken.
		if err := r.store.Add(context.WithoutCancel(ctx), samples[:n]); err != nil {
			if len(samples) > maxPending {
				r.log.Error("metrics are lost: too many of them wait for the store", "samples", len(samples)-maxPending)
				samples = samples[len(samples)-maxPending:]
			}
			r.pending = slices.Clone(samples)
			if errors.Is(err, store.ErrClosed) {
				return nil
			}
			return err
		}
		samples = samples[n:]
	}
	return nil
}
