package limits

import (
	"math"
	"sync/atomic"
	"time"
)

// rate is what a bucket lets through, as the generic cell rate algorithm counts:
// a request takes interval nanoseconds, and tolerance of them may be taken ahead.
type rate struct {
	interval, tolerance int64
	closed              bool // nothing passes
}

// newRate is a token bucket of burst tokens that gains perSecond tokens a second.
func newRate(perSecond float64, burst int32) rate {
	if !(perSecond > 0) || burst <= 0 {
		return rate{closed: true}
	}
	interval := math.Max(1, math.Round(1e9/perSecond))
	// A century is as good as for ever, and nothing overflows.
	const most = float64(100 * 365 * 24 * time.Hour)
	return rate{interval: int64(math.Min(interval, most)), tolerance: int64(math.Min(interval*float64(burst), most))}
}

// bucket is a token bucket, as the time at which it will be full again. It takes
// no lock; the zero value is full. Its rate comes with each request, so that a
// changed limit goes on with the tokens that there are.
type bucket struct{ full atomic.Int64 }

// take takes a token at a time in nanoseconds, or says that there is none.
func (b *bucket) take(now int64, r rate) bool {
	if r.closed {
		return false
	}
	for {
		was := b.full.Load()
		next := max(was, now) + r.interval
		if next-now > r.tolerance {
			return false
		}
		if b.full.CompareAndSwap(was, next) {
			return true
		}
	}
}
