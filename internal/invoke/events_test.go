package invoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// tries is a stand-in for running a function: it fails as it is told, and keeps
// when it was called.
type tries struct {
	began time.Time
	mu    sync.Mutex
	at    []time.Duration
	then  func(n int) (*function.Result, error)
}

func (r *tries) run(context.Context, *function.Invocation) (*function.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Since(r.began))
	return r.then(len(r.at))
}

var (
	okay   = &function.Result{}
	failed = &function.Result{FunctionError: "Unhandled"}
)

func anEvent(id string) *function.Invocation {
	return &function.Invocation{Version: &function.Version{ARN: "arn"}, RequestID: id}
}

func TestEventRetries(t *testing.T) {
	throttle := &function.ErrThrottled{Reason: "x"}
	for name, c := range map[string]struct {
		then func(int) (*function.Result, error)
		at   string
		lost string
	}{
		"works": {func(int) (*function.Result, error) { return okay, nil }, "[0s]", ""},
		"fails": {func(int) (*function.Result, error) { return failed, nil }, "[0s 1m0s 3m0s]", "RetriesExhausted"},
		"fails once": {func(n int) (*function.Result, error) {
			if n == 1 {
				return failed, nil
			}
			return okay, nil
		}, "[0s 1m0s]", ""},
		"throttled, then fails": {func(n int) (*function.Result, error) {
			if n <= 4 {
				return nil, throttle
			}
			return failed, nil
		}, "[0s 1s 3s 7s 15s 1m15s 3m15s]", "RetriesExhausted"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := &tries{began: time.Now(), then: c.then}
				q := newEventQueue(10, 2, slog.New(slog.NewTextHandler(&log, nil)), r.run)
				if err := q.put(anEvent("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Hour)
				synctest.Wait()
				if got := fmt.Sprint(r.at); got != c.at {
					t.Errorf("tried at %s, want %s", got, c.at)
				}
				if c.lost == "" && log.Len() > 0 || !strings.Contains(log.String(), c.lost) {
					t.Error(log.String())
				}
				if err := q.close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("throttled for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			r := &tries{began: time.Now(), then: func(int) (*function.Result, error) { return nil, throttle }}
			q := newEventQueue(10, 2, slog.New(slog.NewTextHandler(&log, nil)), r.run)
			if err := q.put(anEvent("a")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Hour)
			synctest.Wait()
			last := r.at[len(r.at)-1]
			if last > 6*time.Hour || last < 6*time.Hour-6*time.Minute || r.at[len(r.at)-1]-r.at[len(r.at)-2] != 5*time.Minute {
				t.Error(r.at)
			}
			if !strings.Contains(log.String(), "EventAgeExceeded") {
				t.Error(log.String())
			}
		})
	})
}

// An event runs what its function is when its turn comes, and is dropped when
// there is none any more.
func TestEventIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var ran []string
		q := newEventQueue(10, 2, slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, inv *function.Invocation) (*function.Result, error) {
			ran = append(ran, inv.Version.CodeDir)
			return failed, nil
		})
		var told []string
		q.told = func(destination string, _ []byte) { told = append(told, destination) }
		inv := anEvent("a")
		inv.Version.CodeDir = "first"
		inv.Event = &function.EventPolicy{Retries: 2, MaxAge: time.Hour, OnFailure: "failures"}
		renewed := []func() (*function.Version, error){
			func() (*function.Version, error) { return inv.Version, nil },
			func() (*function.Version, error) { return nil, errors.New("no space left on device") }, // it is tried again
			func() (*function.Version, error) { return &function.Version{ARN: "arn", CodeDir: "second"}, nil },
			func() (*function.Version, error) { return nil, fmt.Errorf("%w: arn", function.ErrGone) },
		}
		inv.Renew = func(context.Context) (*function.Version, error) {
			f := renewed[0]
			renewed = renewed[1:]
			return f()
		}
		if err := q.put(inv); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if fmt.Sprint(ran) != "[first second]" || len(renewed) != 0 {
			t.Errorf("ran %v, not renewed %d times", ran, len(renewed))
		}
		if inv.Version.CodeDir != "first" {
			t.Error("the caller's invocation was changed")
		}
		if len(told) != 0 || !strings.Contains(log.String(), "the function is gone") {
			t.Errorf("told %v, log %s", told, log.String())
		}
		if err := q.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestEventQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var mu sync.Mutex
		running, most := 0, 0
		q := newEventQueue(5, 2, slog.New(slog.DiscardHandler), func(context.Context, *function.Invocation) (*function.Result, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-free
			mu.Lock()
			running--
			mu.Unlock()
			return okay, nil
		})
		var throttled *function.ErrThrottled
		for n := range 6 {
			if err := q.put(anEvent("a")); (n < 5) != (err == nil) || n == 5 && !errors.As(err, &throttled) {
				t.Errorf("event %d: %v", n, err)
			}
		}
		synctest.Wait()
		close(free)
		synctest.Wait()
		if most != 2 {
			t.Errorf("%d ran at a time", most)
		}
		if err := q.put(anEvent("a")); err != nil {
			t.Error(err)
		}
	})
}

func TestEventsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var ran []string
		var mu sync.Mutex
		q := newEventQueue(10, 1, slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, inv *function.Invocation) (*function.Result, error) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, inv.RequestID)
			if inv.RequestID == "fails" {
				return failed, nil
			}
			return okay, nil
		})
		for _, id := range []string{"fails", "a", "b"} {
			if err := q.put(anEvent(id)); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.close(context.Background()); err != nil {
			t.Error(err)
		}
		slices.Sort(ran)
		if got := fmt.Sprint(ran); got != "[a b fails]" {
			t.Error("ran", got)
		}
		if !strings.Contains(log.String(), "function=arn events=1") {
			t.Error(log.String())
		}
		if err := q.put(anEvent("late")); !errors.Is(err, function.ErrShuttingDown) {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		q := newEventQueue(10, 1, slog.New(slog.DiscardHandler), func(context.Context, *function.Invocation) (*function.Result, error) {
			time.Sleep(time.Hour)
			return okay, nil
		})
		if err := q.put(anEvent("a")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestInvokeEvent(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	if err := f.InvokeEvent(context.Background(), invocation(v, request{Do: "print", Text: "from an event\n"})); err != nil {
		t.Fatal(err)
	}
	await(t, "the event to run", func() bool { return strings.Contains(f.logs.text(), "from an event\nEND ") })
}
