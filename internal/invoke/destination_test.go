package invoke

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

func TestEventPolicies(t *testing.T) {
	works := func(int) (*function.Result, error) { return &function.Result{Payload: []byte(`{"a":1}`)}, nil }
	fails := func(int) (*function.Result, error) {
		return &function.Result{FunctionError: "Unhandled", Payload: []byte("no JSON")}, nil
	}
	throttled := func(int) (*function.Result, error) { return nil, throttle }
	policy := func(retries int, age time.Duration) function.EventPolicy {
		return function.EventPolicy{Retries: retries, MaxAge: age, OnSuccess: "good", OnFailure: "bad"}
	}
	for name, c := range map[string]struct {
		policy function.EventPolicy
		halted bool
		then   func(int) (*function.Result, error)
		at     string
		told   string // destination, condition, count, status and error
	}{
		"works":             {policy(2, time.Hour), false, works, "[0s]", "good Success 1 200 "},
		"no retries":        {policy(0, time.Hour), false, fails, "[0s]", "bad RetriesExhausted 1 200 Unhandled"},
		"one retry":         {policy(1, time.Hour), false, fails, "[0s 1m0s]", "bad RetriesExhausted 2 200 Unhandled"},
		"two retries":       {policy(2, time.Hour), false, fails, "[0s 1m0s 3m0s]", "bad RetriesExhausted 3 200 Unhandled"},
		"a minute":          {policy(2, time.Minute), false, fails, "[0s 1m0s]", "bad EventAgeExceeded 2 200 Unhandled"},
		"throttled":         {policy(2, time.Minute), false, throttled, "[0s 1s 3s 7s 15s 31s]", "bad EventAgeExceeded 0 0 "},
		"halted":            {policy(2, time.Hour), true, throttled, "[0s]", "bad ZeroReservedConcurrency 0 0 "},
		"nobody to be told": {function.EventPolicy{MaxAge: time.Hour}, false, fails, "[0s]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &tries{began: time.Now(), then: c.then}
				q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.DiscardHandler), r.run)
				defer end()
				told := ""
				var mu sync.Mutex
				q.deliver = func(_ context.Context, destination string, record []byte) error {
					var doc struct {
						RequestContext struct {
							RequestID, FunctionARN, Condition string
							ApproximateInvokeCount            int
						}
						RequestPayload, ResponsePayload any
						ResponseContext                 struct {
							StatusCode                     int
							ExecutedVersion, FunctionError string
						}
					}
					if err := json.Unmarshal(record, &doc); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					told += fmt.Sprintf("%s %s %d %d %s", destination, doc.RequestContext.Condition, doc.RequestContext.ApproximateInvokeCount,
						doc.ResponseContext.StatusCode, doc.ResponseContext.FunctionError)
					if doc.RequestContext.RequestID != "a" || doc.RequestContext.FunctionARN != "arn:$LATEST" || fmt.Sprint(doc.RequestPayload) != "map[q:1]" {
						t.Errorf("%s", record)
					}
					if want := map[int]string{0: "<nil>", 200: "no JSON"}[doc.ResponseContext.StatusCode]; name != "works" && fmt.Sprint(doc.ResponsePayload) != want {
						t.Errorf("%s", record)
					}
					return nil
				}
				q.halted = func(*function.Version) bool { return c.halted }
				inv := anEvent("a")
				inv.Payload, inv.Event = []byte(`{"q":1}`), &c.policy
				put(t, q, inv)
				time.Sleep(10 * time.Hour)
				synctest.Wait()
				if got := rounded(r.at); got != c.at {
					t.Errorf("tried at %s, want %s", got, c.at)
				}
				mu.Lock()
				defer mu.Unlock()
				if told != c.told {
					t.Errorf("told %q, want %q", told, c.told)
				}
			})
		})
	}
}

// What comes of an event reaches its destination, and a function whose
// concurrency is 0 loses its events at once.
func TestDestinations(t *testing.T) {
	records := make(chan string, 10)
	v := named(t, "f", "1")
	f := newFixture(t, func(o *Options) {
		withEvents(t, v)(o)
		o.Deliver = func(_ context.Context, destination string, record []byte) error {
			records <- destination + " " + string(record)
			return nil
		}
	})
	send := func() string {
		inv := invocation(v, "x")
		inv.Event = &function.EventPolicy{Retries: 0, MaxAge: time.Minute, OnSuccess: "good", OnFailure: "bad"}
		if err := f.InvokeEvent(context.Background(), inv); err != nil {
			t.Fatal(err)
		}
		return <-records
	}
	if got := send(); !strings.HasPrefix(got, "good ") || !strings.Contains(got, `"responsePayload":"x"`) || !strings.Contains(got, `"functionArn":"`+v.ARN+`"`) {
		t.Error(got)
	}
	f.Reserve(v.ID(), new(0))
	if got := send(); !strings.HasPrefix(got, "bad ") || !strings.Contains(got, "ZeroReservedConcurrency") {
		t.Error(got)
	}
}

// A dead letter is the event itself, with what is known of its end.
func TestDeadLetters(t *testing.T) {
	long := strings.Repeat("é", 600)
	for name, c := range map[string]struct {
		then   func(int) (*function.Result, error)
		halted bool
		letter DeadLetter
	}{
		"fails": {func(int) (*function.Result, error) {
			return &function.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"boom","errorType":"E"}`)}, nil
		}, false, DeadLetter{`{"q":1}`, "a", 200, "boom"}},
		"fails at length": {func(int) (*function.Result, error) {
			return &function.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"x` + long + `"}`)}, nil
		}, false, DeadLetter{`{"q":1}`, "a", 200, "x" + long[:1022]}},
		"fails without a message": {func(int) (*function.Result, error) {
			return &function.Result{FunctionError: "Unhandled", Payload: []byte(`null`)}, nil
		}, false, DeadLetter{`{"q":1}`, "a", 200, "null"}},
		"throttled": {func(int) (*function.Result, error) { return nil, throttle }, true, DeadLetter{`{"q":1}`, "a", 429, "Rate Exceeded."}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &tries{began: time.Now(), then: c.then}
				q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.DiscardHandler), r.run)
				defer end()
				q.halted = func(*function.Version) bool { return c.halted }
				q.resolve = func(context.Context, string) (*function.Version, error) {
					v := anEvent("").Version
					v.DeadLetter = "dlq"
					return v, nil
				}
				letters := make(chan DeadLetter, 10)
				q.deadLetter = func(_ context.Context, target string, letter DeadLetter) error {
					if target != "dlq" {
						t.Error(target)
					}
					letters <- letter
					return nil
				}
				inv := anEvent("a")
				inv.Payload = []byte(`{"q":1}`)
				put(t, q, inv)
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(letters) != 1 {
					t.Fatalf("%d letters", len(letters))
				}
				if got := <-letters; got != c.letter {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// An event that is older than it may become when its turn comes is not run.
func TestEventsThatAreTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := openJournal(t, dir)
		r := &tries{began: time.Now(), then: func(int) (*function.Result, error) { return failed, nil }}
		q, end := queueOf(t, j, slog.New(slog.DiscardHandler), r.run)
		inv := anEvent("a")
		inv.Event = &function.EventPolicy{Retries: 2, MaxAge: time.Hour, OnFailure: "bad"}
		put(t, q, inv)
		time.Sleep(time.Second)
		end()
		time.Sleep(2 * time.Hour) // nobody is there
		j = openJournal(t, dir)
		q, end = queueOf(t, j, slog.New(slog.DiscardHandler), r.run)
		defer end()
		told := make(chan []byte, 1)
		q.deliver = func(_ context.Context, _ string, record []byte) error { told <- record; return nil }
		if err := q.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if record := string(<-told); !strings.Contains(record, "EventAgeExceeded") || !strings.Contains(record, `"approximateInvokeCount":1`) {
			t.Error(record)
		}
		if r.count() != 1 {
			t.Errorf("ran %d times", r.count())
		}
	})
}
