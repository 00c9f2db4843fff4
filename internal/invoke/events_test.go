package invoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
	storejournal "github.com/paddock-run/paddock/internal/store/journal"
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
	r.at = append(r.at, time.Since(r.began))
	n := len(r.at)
	r.mu.Unlock()
	return r.then(n)
}

func (r *tries) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.at)
}

var (
	okay     = &function.Result{}
	failed   = &function.Result{FunctionError: "Unhandled"}
	throttle = &function.ErrThrottled{Reason: "x"}
)

func anEvent(id string) *function.Invocation {
	return &function.Invocation{Version: &function.Version{Account: "0", Region: "r", Name: "f", ARN: "arn", Version: "$LATEST"}, RequestID: id}
}

func openJournal(t testing.TB, dir string) *storejournal.Journal {
	t.Helper()
	j, err := storejournal.Open(dir, storejournal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// queueOf makes a queue of events over a journal, in which run stands for the
// functions. end closes both.
func queueOf(t testing.TB, j *storejournal.Journal, log *slog.Logger, run func(context.Context, *function.Invocation) (*function.Result, error)) (q *eventQueue, end func()) {
	t.Helper()
	q = newEventQueue(j, 10, 2, log)
	q.run = run
	q.resolve = func(context.Context, string) (*function.Version, error) { return anEvent("").Version, nil }
	q.figures = (&Invoker{opts: Options{Metrics: metrics.Discard}}).eventFigures
	return q, func() {
		if err := q.close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

func put(t testing.TB, q *eventQueue, inv *function.Invocation) {
	t.Helper()
	if err := q.put(context.Background(), inv); err != nil {
		t.Fatal(err)
	}
}

// left is how many events there are.
func left(t testing.TB, q *eventQueue) int64 {
	t.Helper()
	n, err := q.messages.Count(context.Background(), eventsOf(anEvent("").Version.ID()), 0)
	if err != nil {
		t.Fatal(err)
	}
	return n.Visible + n.InFlight + n.Delayed
}

func TestEventRetries(t *testing.T) {
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
				q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.NewTextHandler(&log, nil)), r.run)
				defer end()
				put(t, q, anEvent("a"))
				time.Sleep(10 * time.Hour)
				synctest.Wait()
				if n := left(t, q); n != 0 {
					t.Errorf("%d events are left", n)
				}
				if got := rounded(r.at); got != c.at {
					t.Errorf("tried at %s, want %s", got, c.at)
				}
				if c.lost == "" && log.Len() > 0 || !strings.Contains(log.String(), c.lost) {
					t.Error(log.String())
				}
			})
		})
	}
	t.Run("throttled for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			r := &tries{began: time.Now(), then: func(int) (*function.Result, error) { return nil, throttle }}
			q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.NewTextHandler(&log, nil)), r.run)
			defer end()
			put(t, q, anEvent("a"))
			time.Sleep(10 * time.Hour)
			synctest.Wait()
			last := r.at[len(r.at)-1]
			if last > 6*time.Hour || last < 6*time.Hour-6*time.Minute || (last-r.at[len(r.at)-2]).Round(time.Second) != 5*time.Minute {
				t.Error(r.at)
			}
			if !strings.Contains(log.String(), "EventAgeExceeded") {
				t.Error(log.String())
			}
		})
	})
}

// rounded are times to the second: the store wakes up to the millisecond.
func rounded(at []time.Duration) string {
	out := make([]time.Duration, len(at))
	for i, d := range at {
		out[i] = d.Round(time.Second)
	}
	return fmt.Sprint(out)
}

// An event runs what its function is when its turn comes, and is dropped when
// there is none any more.
func TestEventIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var ran []string
		q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, inv *function.Invocation) (*function.Result, error) {
			ran = append(ran, inv.Version.CodeDir)
			return failed, nil
		})
		defer end()
		var told []string
		q.deliver = func(_ context.Context, destination string, _ []byte) error {
			told = append(told, destination)
			return nil
		}
		inv := anEvent("a")
		inv.InvokedARN = "arn:alias"
		inv.Event = &function.EventPolicy{Retries: 2, MaxAge: time.Hour, OnFailure: "failures"}
		renewed := []func() (*function.Version, error){
			func() (*function.Version, error) { return &function.Version{ARN: "arn", CodeDir: "first"}, nil },
			func() (*function.Version, error) { return nil, errors.New("no space left on device") }, // it is tried again
			func() (*function.Version, error) { return &function.Version{ARN: "arn", CodeDir: "second"}, nil },
			func() (*function.Version, error) { return nil, fmt.Errorf("%w: arn", function.ErrGone) },
		}
		q.resolve = func(_ context.Context, arn string) (*function.Version, error) {
			if arn != inv.InvokedARN {
				t.Errorf("asked what %q is", arn)
			}
			f := renewed[0]
			renewed = renewed[1:]
			return f()
		}
		put(t, q, inv)
		time.Sleep(time.Hour)
		synctest.Wait()
		if fmt.Sprint(ran) != "[first second]" || len(renewed) != 0 {
			t.Errorf("ran %v, not renewed %d times", ran, len(renewed))
		}
		if len(told) != 0 || !strings.Contains(log.String(), "the function is gone") {
			t.Errorf("told %v, log %s", told, log.String())
		}
		if n := left(t, q); n != 0 {
			t.Errorf("%d events are left", n)
		}
	})
}

func TestEventQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var mu sync.Mutex
		running, most := 0, 0
		q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.DiscardHandler), func(context.Context, *function.Invocation) (*function.Result, error) {
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
		defer end()
		var throttled *function.ErrThrottled
		for n := range 11 {
			err := q.put(context.Background(), anEvent("a"))
			if (n < 10) != (err == nil) || n == 10 && !errors.As(err, &throttled) {
				t.Errorf("event %d: %v", n, err)
			}
		}
		other := anEvent("b")
		other.Version.Name = "g"
		put(t, q, other) // has a queue of its own
		// Leases are renewed for as long as it takes.
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		close(free)
		time.Sleep(time.Minute)
		synctest.Wait()
		if most != 3 {
			t.Errorf("%d ran at a time", most)
		}
		if n := left(t, q); n != 0 {
			t.Errorf("%d events are left", n)
		}
		put(t, q, anEvent("a"))
	})
}

// A function that is throttled is not asked to run all of its events in vain.
func TestThrottledLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, refused, done := 0, 0, 0
		open := false
		q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.DiscardHandler), func(context.Context, *function.Invocation) (*function.Result, error) {
			mu.Lock()
			if !open || running >= 3 {
				refused++
				mu.Unlock()
				return nil, throttle
			}
			running++
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			running--
			done++
			mu.Unlock()
			return okay, nil
		})
		defer end()
		q.size, q.workers = 1000, 50
		for range 600 {
			put(t, q, anEvent("a"))
		}
		time.Sleep(time.Minute)
		mu.Lock()
		if refused > 2*50+10 {
			t.Errorf("%d attempts in a minute at a function that is shut", refused)
		}
		open, refused = true, 0
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if done != 600 || refused > 400 {
			t.Errorf("%d have run, %d attempts were refused", done, refused)
		}
		if n := left(t, q); n != 0 {
			t.Errorf("%d events are left", n)
		}
	})
}

// What waits, and what runs while the daemon is killed, runs after the next start.
func TestEventsOutliveTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &tries{began: time.Now(), then: func(int) (*function.Result, error) { return failed, nil }}
		j := openJournal(t, dir)
		q, end := queueOf(t, j, slog.New(slog.DiscardHandler), r.run)
		put(t, q, anEvent("retried"))
		time.Sleep(10 * time.Second)
		end()
		if err := q.put(context.Background(), anEvent("late")); !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}

		// The next one is killed while the event runs: its leases stay.
		hang := make(chan struct{})
		j = openJournal(t, dir)
		q, _ = queueOf(t, j, slog.New(slog.DiscardHandler), func(ctx context.Context, inv *function.Invocation) (*function.Result, error) {
			_, _ = r.run(ctx, inv)
			<-hang
			return okay, nil
		})
		if err := q.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if r.count() != 2 {
			t.Fatalf("tried %d times", r.count())
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		close(hang)
		q.endLife()
		q.active.Wait()

		j = openJournal(t, dir)
		r.then = func(int) (*function.Result, error) { return okay, nil }
		q, end = queueOf(t, j, slog.New(slog.DiscardHandler), r.run)
		defer end()
		if err := q.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(eventLease + time.Second)
		synctest.Wait()
		if r.count() != 3 || left(t, q) != 0 {
			t.Errorf("tried %d times, %d events are left", r.count(), left(t, q))
		}
	})
}

// Close waits for what runs and leaves what waits; what it must end is not the
// function's failure.
func TestEventsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := openJournal(t, t.TempDir())
		running := make(chan struct{}, 10)
		aborted := make(chan struct{})
		q, _ := queueOf(t, j, slog.New(slog.DiscardHandler), func(_ context.Context, inv *function.Invocation) (*function.Result, error) {
			running <- struct{}{}
			if inv.RequestID == "long" {
				<-aborted
				return failed, nil
			}
			time.Sleep(time.Second)
			return okay, nil
		})
		inv := anEvent("long")
		inv.Event = &function.EventPolicy{Retries: 0, MaxAge: time.Hour}
		put(t, q, inv)
		<-running
		put(t, q, anEvent("short"))
		<-running
		put(t, q, anEvent("waits"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(aborted)
		q.active.Wait()
		if n := left(t, q); n != 2 {
			t.Errorf("%d events are left", n)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestEventsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &tries{began: time.Now(), then: func(int) (*function.Result, error) {
			time.Sleep(time.Minute)
			return failed, nil
		}}
		q, end := queueOf(t, openJournal(t, t.TempDir()), slog.New(slog.DiscardHandler), r.run)
		defer end()
		for range 5 {
			put(t, q, anEvent("a"))
		}
		time.Sleep(time.Second)
		q.drop(anEvent("").Version.ID())
		time.Sleep(time.Hour)
		synctest.Wait()
		if r.count() != 2 || left(t, q) != 0 {
			t.Errorf("tried %d times, %d events are left", r.count(), left(t, q))
		}
		// A function of that name that comes after has its own.
		put(t, q, anEvent("b"))
		time.Sleep(time.Second)
		if r.count() != 3 {
			t.Errorf("tried %d times", r.count())
		}
	})
}

func TestInvokeEvent(t *testing.T) {
	v := version(t, "", nil)
	f := newFixture(t, withEvents(t, v))
	if err := f.InvokeEvent(context.Background(), invocation(v, request{Do: "print", Text: "from an event\n"})); err != nil {
		t.Fatal(err)
	}
	await(t, "the event to run", func() bool { return strings.Contains(f.logs.text(), "from an event\nEND ") })
}

// withEvents lets a fixture take events of versions.
func withEvents(t *testing.T, versions ...*function.Version) func(*Options) {
	j := openJournal(t, t.TempDir())
	t.Cleanup(func() { // after the fixture's
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(o *Options) {
		o.Messages = j
		o.Resolve = func(_ context.Context, arn string) (*function.Version, error) {
			for _, v := range versions {
				if v.ARN == arn {
					return v, nil
				}
			}
			return nil, function.ErrGone
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	j := openJournal(b, b.TempDir())
	done := make(chan struct{}, 1<<20)
	q, end := queueOf(b, j, slog.New(slog.DiscardHandler), func(context.Context, *function.Invocation) (*function.Result, error) {
		done <- struct{}{}
		return okay, nil
	})
	defer end()
	q.size, q.workers = 1<<40, 100
	inv := anEvent("a")
	inv.Payload = bytes.Repeat([]byte("x"), 256)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := q.put(context.Background(), inv); err != nil {
				b.Error(err)
			}
			<-done
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
