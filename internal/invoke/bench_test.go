package invoke

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// BenchmarkWarm is a warm invocation in sequence. Its time is that of one whole
// cycle; p50 is what the caller waits for.
func BenchmarkWarm(b *testing.B) {
	for _, c := range []struct{ name, handler string }{{"aws-lambda-go", "h"}, {"loop", "loop"}} {
		b.Run(c.name, func(b *testing.B) {
			f := newFixture(b, func(o *Options) {
				o.Logs = noLogs{}
				o.Logger = slog.New(slog.DiscardHandler)
			})
			v := version(b, "", func(v *function.Version) { v.Handler = c.handler })
			inv := invocation(v, "x")
			for range 50 {
				f.invoke(inv)
			}
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				if _, err := f.Invoke(context.Background(), inv); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
			if n := f.count(); n != 1 {
				b.Errorf("%d environments", n)
			}
		})
	}
}

// BenchmarkCold is the first invocation of a function: the start of its
// environment and of a Go program of some size.
func BenchmarkCold(b *testing.B) {
	f := newFixture(b, func(o *Options) {
		o.Logs = noLogs{}
		o.Logger = slog.New(slog.DiscardHandler)
	})
	v := version(b, "", nil)
	for b.Loop() {
		f.invoke(invocation(v, "x"))
		b.StopTimer()
		f.Retire(v.ARN)
		await(b, "the environment to end", func() bool { return f.count() == 0 })
		b.StartTimer()
	}
}

// BenchmarkSchedule is what limits and pools add to a warm invocation, without
// the function.
func BenchmarkSchedule(b *testing.B) {
	f := newFixture(b, func(o *Options) { o.MemoryMB, o.FreezeAfter = 1000, time.Hour })
	v := version(b, "", nil)
	p := f.pool(v)
	e := newEnvironment(p, false)
	p.release(e)
	for b.Loop() {
		p := f.pool(v)
		slot, err := p.admit()
		if err != nil {
			b.Fatal(err)
		}
		e, err := p.acquire(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		p.release(e)
		slot.release()
	}
	p.take(e)
}
