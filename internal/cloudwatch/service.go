// Package cloudwatch is Amazon CloudWatch's metrics over the store's series, and
// the recorder of Paddock's own figures (AWS/Lambda, AWS/SQS, …).
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
package cloudwatch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
)

// DefaultRetention is how long values are kept: CloudWatch's 15 months.
const DefaultRetention = 455 * 24 * time.Hour

const expireEvery = time.Hour

// Options are a Service's.
type Options struct {
	Series store.Series
	// Retention is how long values are kept, at least a minute; 0: DefaultRetention.
	Retention time.Duration
	Logger    *slog.Logger // nil: slog.Default
}

// Service implements the operations, and metrics.Recorder. It is safe for
// concurrent use.
type Service struct {
	api.Unimplemented
	*recorder

	series    store.Series
	retention time.Duration
	log       *slog.Logger

	stop    context.CancelFunc
	running sync.WaitGroup
}

var (
	_ api.Handler      = (*Service)(nil)
	_ metrics.Recorder = (*Service)(nil)
)

// New starts the service. Close ends it.
func New(opts Options) *Service {
	s := &Service{series: opts.Series, retention: cmp.Or(opts.Retention, DefaultRetention), log: opts.Logger}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.recorder = newRecorder(opts.Series, s.log)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.recorder.run(ctx) })
	s.running.Go(func() { s.expire(ctx) })
	return s
}

// Close writes what was recorded and ends what runs in the background.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	s.running.Wait()
	return s.flush(ctx)
}

// expire deletes values that are older than is kept.
func (s *Service) expire(ctx context.Context) {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		if err := s.series.Expire(ctx, time.Now().Add(-s.retention)); err != nil && ctx.Err() == nil {
			s.log.Error("old metrics cannot be deleted", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// The name of a series in the store: its parts, and after a mark that sorts
// before all that may follow a part, its unit. So the series of one metric, which
// differ in units, stand together.
const (
	partEnd  = "\x1f"
	unitMark = "\x1e"
)

func scopePrefix(account, region string) string { return account + partEnd + region + partEnd }

// metricPrefix is what the names of a metric's series begin with, unit aside.
func metricPrefix(account, region, namespace, name string, dimensions []metrics.Dimension) string {
	sorted := slices.SortedFunc(slices.Values(dimensions), func(a, b metrics.Dimension) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	var b strings.Builder
	b.WriteString(scopePrefix(account, region))
	b.WriteString(namespace + partEnd + name + partEnd)
	for _, d := range sorted {
		b.WriteString(d.Name + partEnd + d.Value + partEnd)
	}
	b.WriteString(unitMark)
	return b.String()
}

func seriesName(id metrics.ID) string {
	return metricPrefix(id.Account, id.Region, id.Namespace, id.Name, id.Dimensions) + cmp.Or(id.Unit, string(api.StandardUnitNone))
}

// parseName takes a series' name apart; ok is false for one of another shape.
func parseName(series string) (id metrics.ID, ok bool) {
	metric, unit, ok := strings.Cut(series, unitMark)
	parts := strings.Split(strings.TrimSuffix(metric, partEnd), partEnd)
	if !ok || len(parts) < 4 || len(parts)%2 != 0 {
		return id, false
	}
	id = metrics.ID{Account: parts[0], Region: parts[1], Namespace: parts[2], Name: parts[3], Unit: unit}
	for d := parts[4:]; len(d) > 0; d = d[2:] {
		id.Dimensions = append(id.Dimensions, metrics.Dimension{Name: d[0], Value: d[1]})
	}
	return id, true
}
