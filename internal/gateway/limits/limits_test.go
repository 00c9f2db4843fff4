package limits

import (
	"context"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/local"
)

const account, region = "000000000000", "us-east-1"

// world is a control plane of one API, one plan and its keys.
type world struct {
	mu      sync.Mutex
	api     *restapi.API
	keys    map[string]*restapi.Key
	plan    *restapi.Plan
	changes atomic.Uint64
	clock   atomic.Int64
}

func (w *world) RESTAPI(id string) *restapi.API {
	if id == w.api.ID {
		return w.api
	}
	return nil
}

func (w *world) APIKey(_, _, value string) *restapi.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[value]
}

func (w *world) Plan(_, _, id string) *restapi.Plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id == w.plan.ID {
		return w.plan
	}
	return nil
}

func (w *world) KeyChanges() uint64 { return w.changes.Load() }

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()) }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d)) }

// set replaces the plan and makes keys of it.
func (w *world) set(p restapi.Plan, keys ...restapi.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.ID = "plan"
	w.plan = &p
	w.keys = map[string]*restapi.Key{}
	for _, k := range keys {
		k.Plans = []*restapi.Plan{w.plan}
		w.keys[k.Value] = &k
	}
	w.changes.Add(1)
}

// stage replaces the stage's settings.
func (w *world) stage(methods map[string]*restapi.MethodSettings) {
	w.api.Stages["dev"] = &restapi.ServedStage{Stage: restapi.Stage{Name: "dev", Methods: methods}}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{api: &restapi.API{Account: account, Region: region, ID: "api", Stages: map[string]*restapi.ServedStage{}}}
	w.clock.Store(time.Date(2026, 3, 11, 12, 0, 0, 0, time.UTC).UnixNano()) // a Wednesday
	w.stage(nil)
	w.set(restapi.Plan{Stages: open}, restapi.Key{ID: "id1", Value: "key1", Enabled: true}, restapi.Key{ID: "id2", Value: "key2", Enabled: true})
	return w
}

// open are the stages of a plan that opens the world's.
var open = []restapi.PlanStage{{APIID: "api", Stage: "dev"}}

func documents(t testing.TB) store.Documents {
	t.Helper()
	state, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	return state.Documents
}

func (w *world) limits(t testing.TB, docs store.Documents, o Options) *Limits {
	t.Helper()
	o.Directory, o.APIs, o.Documents, o.Now = w, w, docs, w.now
	l, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l.stop() // tests write when they say so
	<-l.done
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

var (
	pets   = &restapi.Resource{Path: "/pets"}
	get    = &restapi.Method{HTTPMethod: "GET", APIKeyRequired: true}
	anyone = &restapi.Method{HTTPMethod: "ANY"}
)

func (w *world) request(m *restapi.Method, verb string) *rest.Request {
	return &rest.Request{HTTP: httptest.NewRequest(verb, "/", nil), HTTPMethod: verb, API: w.api, Stage: w.api.Stages["dev"], Resource: pets, Method: m}
}

// admit is the type of the failure of a GET with a key, empty where it passes.
func (w *world) admit(l *Limits, key string) string {
	_, f := l.Admit(context.Background(), w.request(get, "GET"), key, true)
	return kind(f)
}

func kind(f *rest.Failure) string {
	if f == nil {
		return ""
	}
	return f.Type
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestKeysOpenTheStagesOfTheirPlans(t *testing.T) {
	w := newWorld(t)
	l := w.limits(t, documents(t), Options{})
	for value, expected := range map[string]string{"": rest.TypeInvalidAPIKey, "nobody": rest.TypeInvalidAPIKey, "key1": ""} {
		want(t, w.admit(l, value), expected)
	}
	k, _ := l.Admit(t.Context(), w.request(get, "GET"), "key1", true)
	if k == nil || k.ID != "id1" {
		t.Fatalf("the key is %+v", k)
	}
	if k, f := l.Admit(t.Context(), w.request(get, "GET"), "key1", false); k != nil || f != nil {
		t.Fatalf("a method that wants no key has the key %v, %v", k, f)
	}
	w.set(restapi.Plan{Stages: open}, restapi.Key{ID: "id1", Value: "key1"})
	want(t, w.admit(l, "key1"), rest.TypeInvalidAPIKey) // disabled
	w.set(restapi.Plan{Stages: []restapi.PlanStage{{APIID: "api", Stage: "prod"}}}, restapi.Key{ID: "id1", Value: "key1", Enabled: true})
	want(t, w.admit(l, "key1"), rest.TypeInvalidAPIKey) // another stage's
}

func TestPlansThrottleEachKey(t *testing.T) {
	w := newWorld(t)
	l := w.limits(t, documents(t), Options{})
	keys := []restapi.Key{{ID: "id1", Value: "key1", Enabled: true}, {ID: "id2", Value: "key2", Enabled: true}}
	w.set(restapi.Plan{Stages: open, Throttle: &restapi.Throttle{Rate: 10, Burst: 2}}, keys...)
	want(t, w.admit(l, "key1"), "")
	want(t, w.admit(l, "key1"), "")
	want(t, w.admit(l, "key1"), rest.TypeThrottled)
	want(t, w.admit(l, "key2"), "") // has its own
	w.pass(100 * time.Millisecond)
	want(t, w.admit(l, "key1"), "")
	want(t, w.admit(l, "key1"), rest.TypeThrottled)

	// A method of the plan has its own bucket, instead of the plan's.
	w.set(restapi.Plan{Throttle: &restapi.Throttle{Rate: 10, Burst: 2}, Stages: []restapi.PlanStage{
		{APIID: "api", Stage: "dev", Throttle: map[string]restapi.Throttle{"/pets/GET": {Rate: 1, Burst: 1}}}}}, keys...)
	want(t, w.admit(l, "key1"), "")
	w.pass(500 * time.Millisecond)
	want(t, w.admit(l, "key1"), rest.TypeThrottled)
	w.set(restapi.Plan{Stages: open, Throttle: &restapi.Throttle{Rate: 0, Burst: 5}}, keys...)
	want(t, w.admit(l, "key1"), rest.TypeThrottled)
}

func TestStagesThrottleTheirMethods(t *testing.T) {
	w := newWorld(t)
	l := w.limits(t, documents(t), Options{})
	admit := func(m *restapi.Method, verb string) string {
		_, f := l.Admit(t.Context(), w.request(m, verb), "", false)
		return kind(f)
	}
	w.stage(map[string]*restapi.MethodSettings{
		"*/*":          {ThrottlingRate: new(1.0), ThrottlingBurst: new(int32(1))},
		"~1pets/PUT":   {ThrottlingBurst: new(int32(3))},
		"~1pets/ANY":   {ThrottlingBurst: new(int32(2))},
		"~1dogs/PATCH": {ThrottlingBurst: new(int32(9))},
	})
	for verb, burst := range map[string]int{"PUT": 3, "PATCH": 2, "POST": 2} {
		for range burst {
			want(t, admit(anyone, verb), "")
		}
		want(t, admit(anyone, verb), rest.TypeThrottled)
	}
	want(t, admit(&restapi.Method{HTTPMethod: "DELETE"}, "DELETE"), "")
	want(t, admit(&restapi.Method{HTTPMethod: "DELETE"}, "DELETE"), rest.TypeThrottled)
	w.stage(nil) // no limit but the account's
	for range 10 {
		want(t, admit(anyone, "PUT"), "")
	}
}

func TestTheAccountHasALimit(t *testing.T) {
	w := newWorld(t)
	w.set(restapi.Plan{Stages: open, Quota: &restapi.Quota{Limit: 10, Period: "DAY"}}, restapi.Key{ID: "id1", Value: "key1", Enabled: true})
	l := w.limits(t, documents(t), Options{Rate: 10, Burst: 3})
	for range 3 {
		want(t, w.admit(l, "key1"), "")
	}
	want(t, w.admit(l, "key1"), rest.TypeThrottled)
	// What was throttled was not used.
	w.uses(t, l, restapi.Use{KeyID: "id1", Used: 3, Remaining: 7})
}

// uses checks what the plan's keys used in March, days counted from the 1st.
func (w *world) uses(t *testing.T, l *Limits, want ...restapi.Use) {
	t.Helper()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	got, err := l.Use(t.Context(), account, region, "plan", "", from, from.AddDate(0, 1, -1))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("used %+v, want %+v", got, want)
	}
	for i, g := range got {
		if g.KeyID != want[i].KeyID || g.Used != want[i].Used || g.Remaining != want[i].Remaining || !want[i].Day.IsZero() && !g.Day.Equal(want[i].Day) {
			t.Fatalf("used %+v, want %+v", g, want[i])
		}
	}
}

func TestQuotasEndWithTheirPeriod(t *testing.T) {
	for period, days := range map[string]int{"DAY": 1, "WEEK": 4, "MONTH": 21} { // from the Wednesday, 11th
		t.Run(period, func(t *testing.T) {
			w := newWorld(t)
			w.set(restapi.Plan{Stages: open, Quota: &restapi.Quota{Limit: 2, Period: period}}, restapi.Key{ID: "id1", Value: "key1", Enabled: true})
			l := w.limits(t, documents(t), Options{})
			want(t, w.admit(l, "key1"), "")
			w.pass(time.Duration(days-1) * 24 * time.Hour) // the period's last day
			want(t, w.admit(l, "key1"), "")
			want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
			w.pass(24 * time.Hour)
			want(t, w.admit(l, "key1"), "")
			want(t, w.admit(l, "key1"), "")
			want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
		})
	}
}

func TestAnOffsetShortensTheFirstPeriod(t *testing.T) {
	w := newWorld(t)
	w.set(restapi.Plan{Stages: open, Quota: &restapi.Quota{Limit: 3, Offset: 2, Period: "WEEK"}}, restapi.Key{ID: "id1", Value: "key1", Enabled: true})
	l := w.limits(t, documents(t), Options{})
	want(t, w.admit(l, "key1"), "")
	want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
	if err := l.usage.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(7 * 24 * time.Hour)
	for range 3 {
		want(t, w.admit(l, "key1"), "")
	}
	want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
}

func TestUsageSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	docs := documents(t)
	keys := []restapi.Key{{ID: "id1", Value: "key1", Enabled: true}, {ID: "id2", Value: "key2", Enabled: true}}
	w.set(restapi.Plan{Stages: open, Quota: &restapi.Quota{Limit: 5, Period: "WEEK"}}, keys...)
	first := w.limits(t, docs, Options{})
	for range 2 {
		want(t, w.admit(first, "key1"), "")
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(24 * time.Hour)
	l := w.limits(t, docs, Options{})
	for range 3 {
		want(t, w.admit(l, "key1"), "")
	}
	want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
	want(t, w.admit(l, "key2"), "")
	w.uses(t, l, restapi.Use{KeyID: "id1", Used: 2, Remaining: 3, Day: time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)},
		restapi.Use{KeyID: "id1", Used: 3, Remaining: 0}, restapi.Use{KeyID: "id2", Used: 1, Remaining: 4})

	// More of the period's quota, which survives too.
	if err := l.SetRemaining(t.Context(), account, region, "plan", "id1", 2); err != nil {
		t.Fatal(err)
	}
	want(t, w.admit(l, "key1"), "")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	l = w.limits(t, docs, Options{})
	want(t, w.admit(l, "key1"), "")
	want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
	w.pass(7 * 24 * time.Hour)
	for range 5 {
		want(t, w.admit(l, "key1"), "")
	}
	want(t, w.admit(l, "key1"), rest.TypeQuotaExceeded)
}

func TestTwoPaddocksAddUp(t *testing.T) {
	w := newWorld(t)
	docs := documents(t)
	a, b := w.limits(t, docs, Options{}), w.limits(t, docs, Options{})
	for i := range 6 {
		want(t, w.admit(a, "key1"), "")
		want(t, w.admit(b, "key1"), "")
		if i%2 == 0 {
			w.uses(t, a, restapi.Use{KeyID: "id1", Used: 1 + 2*int64(i)}) // b's is not written yet
			w.uses(t, b, restapi.Use{KeyID: "id1", Used: 2 + 2*int64(i)})
		} else if err := a.usage.flush(t.Context()); err != nil {
			t.Fatal(err)
		} else if err := b.usage.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldUsageIsRemoved(t *testing.T) {
	w := newWorld(t)
	docs := documents(t)
	l := w.limits(t, docs, Options{})
	want(t, w.admit(l, "key1"), "")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(366 * 24 * time.Hour) // within 13 months
	w.limits(t, docs, Options{})
	w.uses(t, l, restapi.Use{KeyID: "id1", Used: 1})
	w.pass(61 * 24 * time.Hour)
	w.limits(t, docs, Options{})
	w.uses(t, l)
}

func TestQuotasHoldUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	w.set(restapi.Plan{Stages: open, Quota: &restapi.Quota{Limit: 1001, Period: "DAY"}}, restapi.Key{ID: "id1", Value: "key1", Enabled: true})
	l := w.limits(t, documents(t), Options{})
	want(t, w.admit(l, "key1"), "") // the day has begun
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				if w.admit(l, "key1") == "" {
					passed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := passed.Load(); n != 1000 {
		t.Fatalf("%d requests passed a quota of 1000", n)
	}
	w.uses(t, l, restapi.Use{KeyID: "id1", Used: 1001})
}

func TestUsageIsWrittenInTheBackground(t *testing.T) {
	w := newWorld(t)
	docs := documents(t)
	l, err := New(t.Context(), Options{Directory: w, APIs: w, Documents: docs, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	watch := docs.Watch(t.Context(), usagePrefix)
	want(t, w.admit(l, "key1"), "")
	if changes, err := watch.Next(t.Context()); err != nil || len(changes) != 1 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBucketsTakeAnyRate(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		burst int32
		want  int // requests that pass in a second, at a thousandth each
	}{{1, 1, 1}, {0.001, 1, 1}, {1e9, 1 << 30, 1000}, {100, 10, 109}, {1e-300, 1 << 30, 1000}, {5, 0, 0}, {0, 5, 0}} {
		var b bucket
		r := newRate(c.rate, c.burst)
		n := 0
		for at := range int64(1000) {
			if b.take(at*int64(time.Millisecond), r) {
				n++
			}
		}
		if c.rate == 1e-300 { // a burst of a century a request does not fit a century
			c.want = 1
		}
		if n != c.want {
			t.Errorf("rate %g, burst %d: %d requests passed, want %d", c.rate, c.burst, n, c.want)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	w := newWorld(b)
	w.set(restapi.Plan{Stages: open, Throttle: &restapi.Throttle{Rate: 1e8, Burst: 1 << 30}, Quota: &restapi.Quota{Limit: 1 << 30, Period: "DAY"}},
		restapi.Key{ID: "id1", Value: "key1", Enabled: true})
	w.stage(map[string]*restapi.MethodSettings{"*/*": {ThrottlingRate: new(1e8), ThrottlingBurst: new(int32(1 << 30))}})
	l := w.limits(b, documents(b), Options{Rate: 1e8, Burst: 1 << 30})
	l.now = time.Now
	for name, m := range map[string]*restapi.Method{"key": get, "none": {HTTPMethod: "GET"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := w.request(m, "GET")
				for pb.Next() {
					if _, f := l.Admit(context.Background(), r, "key1", m.APIKeyRequired); f != nil {
						b.Error(f)
						return
					}
				}
			})
		})
	}
}
