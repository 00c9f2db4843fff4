// Package limits decides how many requests REST APIs take: API keys, usage plans
// with their throttles and quotas, the throttles of stages' methods and of the
// account. Requests are counted in memory without locks; what keys used is
// written behind them.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
package limits

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
)

// The limits of an account in a region, over all its APIs, unless the operator
// says otherwise.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	DefaultRate  float64 = 10_000 // requests a second
	DefaultBurst int32   = 5_000  // requests
)

// Directory knows keys and plans. It answers from memory.
type Directory interface {
	// APIKey returns the key with that value, nil where there is none.
	APIKey(account, region, value string) *restapi.Key
	// Plan returns a usage plan, nil where there is none.
	Plan(account, region, id string) *restapi.Plan
	// KeyChanges changes whenever what APIKey and Plan return does.
	KeyChanges() uint64
}

// Options are what Limits are made of.
type Options struct {
	Directory Directory
	APIs      rest.APIs
	Documents store.Documents // where usage is kept
	// Rate (requests a second) and Burst (requests) are an account's in a region;
	// 0: the defaults.
	Rate   float64
	Burst  int32
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Limits implements rest.Limits and apigateway.Usage. It is safe for concurrent use.
type Limits struct {
	directory Directory
	apis      rest.APIs
	account   rate
	now       func() time.Time
	epoch     time.Time
	log       *slog.Logger
	usage     *usage

	stages sync.Map // *restapi.ServedStage to *stage

	mu      sync.Mutex
	buckets map[bucketID]*bucket

	stop func()
	done chan struct{}
}

var _ rest.Limits = (*Limits)(nil)

// bucketID names a bucket of an account, a stage's method or a key's plan. Empty
// members do not apply.
type bucketID struct{ account, region, api, stage, method, plan, key string }

// New makes limits with the usage that was recorded, and keeps it written until
// Close.
func New(ctx context.Context, o Options) (*Limits, error) {
	l := &Limits{
		directory: o.Directory, apis: o.APIs, now: o.Now, log: o.Logger,
		account: newRate(orDefault(o.Rate, DefaultRate), orDefault(o.Burst, DefaultBurst)),
		buckets: map[bucketID]*bucket{}, done: make(chan struct{}),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	l.epoch = l.now()
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	var err error
	if l.usage, err = openUsage(life, o.Documents, l.now, l.log); err != nil {
		stop()
		return nil, err
	}
	go func() {
		defer close(l.done)
		l.keep(life)
	}()
	return l, nil
}

func orDefault[T float64 | int32](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// keepEvery is how often usage is written: what a crash may lose.
const keepEvery = time.Second

// keep writes usage, and forgets what nobody needs, until life ends.
func (l *Limits) keep(life context.Context) {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-life.Done():
			return
		case <-t.C:
		}
		if err := l.usage.flush(life); err != nil && life.Err() == nil {
			l.log.Error("the usage of API keys could not be written; it is tried again", "error", err)
		}
		if n%60 == 0 {
			l.sweep()
			if err := l.usage.expire(life); err != nil && life.Err() == nil {
				l.log.Error("old usage of API keys could not be removed", "error", err)
			}
		}
	}
}

// Close writes what was counted, and ends.
func (l *Limits) Close(ctx context.Context) error {
	l.stop()
	<-l.done
	return l.usage.flush(ctx)
}

// sweep forgets stages that are no longer served, and the buckets of stages and
// plans that are gone.
func (l *Limits) sweep() {
	l.stages.Range(func(at, s any) bool {
		if served := at.(*restapi.ServedStage); l.served(s.(*stage).api, served.Name) != served {
			l.stages.Delete(at)
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.buckets {
		if id.api != "" && l.served(id.api, id.stage) == nil || id.plan != "" && l.directory.Plan(id.account, id.region, id.plan) == nil {
			delete(l.buckets, id)
		}
	}
}

func (l *Limits) served(api, stage string) *restapi.ServedStage {
	if a := l.apis.RESTAPI(api); a != nil {
		return a.Stages[stage]
	}
	return nil
}

func (l *Limits) bucket(id bucketID) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[id]
	if b == nil {
		b = &bucket{}
		l.buckets[id] = b
	}
	return b
}

// Admit implements rest.Limits. Limits apply in AWS's order: those of the key's
// usage plan, those of the stage's method, the account's. A request that one of
// them throttles does not count as used.
func (l *Limits) Admit(_ context.Context, r *rest.Request, key string, required bool) (*restapi.Key, *rest.Failure) {
	now := l.now()
	at := int64(now.Sub(l.epoch))
	s := l.stage(r)
	m := s.method(l, r)
	var c *client
	if required {
		var f *rest.Failure
		if c, f = s.client(l, r, key); f != nil {
			return nil, f
		}
		if b, limit := c.throttle(m); b != nil && !b.take(at, limit) {
			return c.key, throttled("Usage plan " + c.plan.ID + " throttles the API key")
		}
		if !c.meter.take(c.plan.Quota, now) {
			return c.key, &rest.Failure{Type: rest.TypeQuotaExceeded, Detail: "The API key's quota of usage plan " + c.plan.ID + " is used up"}
		}
	}
	var f *rest.Failure
	switch {
	case m.bucket != nil && !m.bucket.take(at, m.rate):
		f = throttled("The stage throttles the method")
	case !s.account.take(at, l.account):
		f = throttled("The account's limit of requests is reached")
	}
	if c == nil {
		return nil, f
	}
	if f != nil {
		c.meter.giveBack()
	}
	return c.key, f
}

func throttled(why string) *rest.Failure {
	return &rest.Failure{Type: rest.TypeThrottled, Detail: why}
}
