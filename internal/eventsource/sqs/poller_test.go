package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/sqs"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
)

// queue is a queue in memory, whose messages come back after visibility.
type queue struct {
	visibility time.Duration

	mu       sync.Mutex
	changed  chan struct{}
	messages []*kept
	received int // calls of Receive
	err      error
}

type kept struct {
	eventsource.Message
	due      time.Time
	receives int
}

func newQueue() *queue {
	return &queue{visibility: 30 * time.Second, changed: make(chan struct{})}
}

func (q *queue) notify() { close(q.changed); q.changed = make(chan struct{}) }

func (q *queue) send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range bodies {
		id := fmt.Sprint("id-", b[:min(len(b), 20)])
		q.messages = append(q.messages, &kept{Message: eventsource.Message{ID: id, ReceiptHandle: "r", Body: b, MD5OfBody: "md5", Attributes: map[string]string{"SenderId": "me"}}})
	}
	q.notify()
}

func (q *queue) Receive(ctx context.Context, _ string, limit int, wait time.Duration) ([]eventsource.Message, error) {
	over := time.After(wait)
	for {
		q.mu.Lock()
		q.received++
		if q.err != nil {
			defer q.mu.Unlock()
			return nil, q.err
		}
		var out []eventsource.Message
		next := time.Hour
		for _, m := range q.messages {
			if d := time.Until(m.due); d > 0 {
				next = min(next, d)
			} else if len(out) < limit {
				m.due, m.receives = time.Now().Add(q.visibility), m.receives+1
				m.Until = m.due
				out = append(out, m.Message)
			}
		}
		changed := q.changed
		q.mu.Unlock()
		if len(out) > 0 || wait <= 0 {
			return out, nil
		}
		select {
		case <-changed:
		case <-time.After(next):
		case <-over:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *queue) each(messages []eventsource.Message, f func(i int)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		if i := slices.IndexFunc(q.messages, func(k *kept) bool { return k.ID == m.ID }); i >= 0 {
			f(i)
		}
	}
	q.notify()
	return nil
}

func (q *queue) Delete(_ context.Context, _ string, messages []eventsource.Message) error {
	return q.each(messages, func(i int) { q.messages = slices.Delete(q.messages, i, i+1) })
}

func (q *queue) Release(_ context.Context, _ string, messages []eventsource.Message) error {
	return q.each(messages, func(i int) { q.messages[i].due = time.Now() })
}

// left are the bodies of the messages that are there, and how often each was received.
func (q *queue) left() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for _, m := range q.messages {
		out = append(out, fmt.Sprint(m.Body, ":", m.receives))
	}
	return strings.Join(out, " ")
}

// fn is the function: it records its batches and answers as answer says.
type fn struct {
	mu      sync.Mutex
	batches []string // bodies
	events  [][]byte
	running int
	most    int // that ran at once
	answer  func(bodies []string) (*function.Result, error)
}

func (f *fn) Call(_ context.Context, arn string, payload []byte) (*function.Result, error) {
	var event struct{ Records []struct{ Body string } }
	if err := json.Unmarshal(payload, &event); err != nil || arn != "the function" {
		return nil, fmt.Errorf("%s got %s: %w", arn, payload, err)
	}
	var bodies []string
	for _, r := range event.Records {
		bodies = append(bodies, r.Body)
	}
	f.mu.Lock()
	f.batches, f.events = append(f.batches, strings.Join(bodies, ",")), append(f.events, payload)
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
	if f.answer == nil {
		return &function.Result{Payload: []byte("null")}, nil
	}
	return f.answer(bodies)
}

func (f *fn) ran() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.batches, " ")
}

// count is how many batches it was given.
func (f *fn) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.batches)
}

func (f *fn) atOnce() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

type report struct {
	mu   sync.Mutex
	last string
}

func (r *report) result() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *report) Processed(s string) { r.mu.Lock(); r.last = s; r.mu.Unlock() }

type world struct {
	*queue
	fn     *fn
	report *report
	stop   context.CancelFunc
	ended  chan error
}

// poll runs a poller for a mapping that change has changed.
func poll(t *testing.T, w *world, change func(*eventsource.Mapping)) *world {
	m := &eventsource.Mapping{UUID: "u", FunctionARN: "the function", Kind: eventsource.SQS, EventSourceARN: "arn:aws:sqs:eu-west-1:1:q", Region: "eu-west-1", BatchSize: 10}
	if change != nil {
		change(m)
	}
	w.report, w.ended = &report{}, make(chan error, 1)
	p, err := sqs.Source{Queues: w.queue}.NewPoller(m, eventsource.Host{Functions: w.fn, Metrics: metrics.Discard, Logger: slog.New(slog.DiscardHandler), Reporter: w.report})
	if err != nil {
		t.Fatal(err)
	}
	polling, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { w.ended <- p.Run(polling, context.Background()) }()
	t.Cleanup(stop)
	return w
}

// bubble runs f on fake time, without a poller left at its end.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, &world{queue: newQueue(), fn: &fn{}}) })
}

// pass lets time pass, and whatever is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestTheEvent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.messages = []*kept{{Message: eventsource.Message{
			ID: "m-1", ReceiptHandle: "handle", Body: "<\"&\u2028>", MD5OfBody: "md5-1", MD5OfMessageAttributes: "md5-2",
			Attributes: map[string]string{"SentTimestamp": "1"},
			MessageAttributes: map[string]eventsource.MessageAttribute{
				"a": {StringValue: new("b"), DataType: "String", StringListValues: []string{}, BinaryListValues: [][]byte{}},
				"c": {BinaryValue: []byte("d"), DataType: "Binary", StringListValues: []string{}, BinaryListValues: [][]byte{}},
			},
		}}, {Message: eventsource.Message{ID: "m-2", ReceiptHandle: "handle", Body: "b", MD5OfBody: "md5-3", Attributes: map[string]string{}}}}
		poll(t, w, nil)
		synctest.Wait()
		same(t, "event", string(w.fn.events[0]), `{"Records":[`+
			`{"messageId":"m-1","receiptHandle":"handle","body":"<\"&\u2028>","attributes":{"SentTimestamp":"1"},"messageAttributes":{`+
			`"a":{"stringValue":"b","stringListValues":[],"binaryListValues":[],"dataType":"String"},`+
			`"c":{"binaryValue":"ZA==","stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},`+
			`"md5OfMessageAttributes":"md5-2","md5OfBody":"md5-1","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-west-1:1:q","awsRegion":"eu-west-1"},`+
			`{"messageId":"m-2","receiptHandle":"handle","body":"b","attributes":{},"messageAttributes":{},`+
			`"md5OfBody":"md5-3","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-west-1:1:q","awsRegion":"eu-west-1"}]}`)
		same(t, "left", w.left(), "")
		same(t, "result", w.report.result(), eventsource.OK)
		w.stop()
	})
}

func TestFailures(t *testing.T) {
	failing := func(answer string, err string) func([]string) (*function.Result, error) {
		return func([]string) (*function.Result, error) {
			return &function.Result{Payload: []byte(answer), FunctionError: err}, nil
		}
	}
	for name, c := range map[string]struct {
		report bool
		answer func([]string) (*function.Result, error)
		left   string
		result string
	}{
		"success":              {false, failing(`{"batchItemFailures":[{"itemIdentifier":"id-b"}]}`, ""), "", eventsource.OK},
		"exception":            {true, failing(`{"batchItemFailures":[]}`, "Unhandled"), "a:1 b:1 c:1", eventsource.CallFailed},
		"partial":              {true, failing(`{"batchItemFailures":[{"itemIdentifier":"id-b"}]}`, ""), "b:1", eventsource.OK},
		"all of it":            {true, failing(`{"batchItemFailures":[{"itemIdentifier":"id-a"},{"itemIdentifier":"id-b"},{"itemIdentifier":"id-c"}]}`, ""), "a:1 b:1 c:1", eventsource.OK},
		"reported, none":       {true, failing(`{"batchItemFailures":[]}`, ""), "", eventsource.OK},
		"reported, unknown ID": {true, failing(`{"batchItemFailures":[{"itemIdentifier":"id-b"},{"itemIdentifier":"id-z"}]}`, ""), "a:1 b:1 c:1", eventsource.CallFailed},
		"reported, bad JSON":   {true, failing(`{"batchItem`, ""), "a:1 b:1 c:1", eventsource.CallFailed},
		"gone":                 {false, func([]string) (*function.Result, error) { return nil, function.ErrGone }, "a:1 b:1 c:1", eventsource.CallFailed},
		"shutting down":        {false, func([]string) (*function.Result, error) { return nil, function.ErrShuttingDown }, "a:1 b:1 c:1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.fn.answer = c.answer
				if name == "shutting down" { // the messages come again at once, for as long as it goes on
					answer := w.fn.answer
					w.fn.answer = func(b []string) (*function.Result, error) { w.stop(); return answer(b) }
				}
				w.send("a", "b", "c")
				poll(t, w, func(m *eventsource.Mapping) { m.ReportBatchItemFailures = c.report })
				synctest.Wait()
				same(t, "ran", w.fn.ran(), "a,b,c")
				same(t, "left", w.left(), c.left)
				same(t, "result", w.report.result(), c.result)
				w.stop()
			})
		})
	}
}

// What failed comes again when its visibility timeout ends, and not before.
func TestAFailureComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.fn.answer = func([]string) (*function.Result, error) {
			if time.Since(began) < time.Minute {
				return &function.Result{FunctionError: "Unhandled"}, nil
			}
			return &function.Result{}, nil
		}
		w.send("a")
		poll(t, w, nil)
		pass(29 * time.Second)
		same(t, "ran", w.fn.ran(), "a")
		pass(62 * time.Second)
		same(t, "ran", w.fn.ran(), "a a a")
		same(t, "left", w.left(), "")
		w.stop()
	})
}

func TestFiltersDeleteWhatDoesNotPass(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.send(`{"a":1}`, `{"a":2}`, `plain`)
		poll(t, w, func(m *eventsource.Mapping) {
			m.Filters = []string{`{"body": {"a": [2]}, "attributes": {"SenderId": ["me"]}}`}
		})
		pass(10 * time.Millisecond) // one deletion may wait for another
		same(t, "ran", w.fn.ran(), `{"a":2}`)
		same(t, "left", w.left(), "")
		w.stop()
	})
}

func TestTheWindowGathersABatch(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		poll(t, w, func(m *eventsource.Mapping) { m.BatchSize, m.Window = 3, 5*time.Second })
		w.send("a")
		pass(4 * time.Second)
		same(t, "before the window ends", w.fn.ran(), "")
		w.send("b")
		pass(1100 * time.Millisecond)
		same(t, "after the window", w.fn.ran(), "a,b")
		w.send("c", "d", "e", "f")
		synctest.Wait()
		same(t, "a full batch", w.fn.ran(), "a,b c,d,e")
		pass(5100 * time.Millisecond)
		same(t, "the rest", w.fn.ran(), "a,b c,d,e f")
		w.stop()
	})
}

func TestABatchHasAtMostSixMegabytes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for i := range 9 {
			w.send(fmt.Sprint(i, strings.Repeat("x", 1_000_000)))
		}
		poll(t, w, func(m *eventsource.Mapping) { m.MaximumConcurrency = 2 })
		pass(time.Second)
		same(t, "left", w.left(), "")
		n := 0
		for _, e := range w.fn.events {
			if len(e) > eventsource.MaxPayload {
				t.Errorf("an event has %d bytes", len(e))
			}
			n += strings.Count(string(e), `"messageId"`)
		}
		if n != 9 || len(w.fn.events) != 2 {
			t.Errorf("%d messages in %d events", n, len(w.fn.events))
		}
		w.stop()
	})
}

// Concurrency begins at 5 and grows while there is a backlog, up to its maximum.
func TestConcurrencyGrowsWithTheBacklog(t *testing.T) {
	slow := func([]string) (*function.Result, error) {
		time.Sleep(10 * time.Second)
		return &function.Result{}, nil
	}
	for _, c := range []struct{ maximum, first, then int }{{0, 5, 25}, {2, 2, 2}, {12, 5, 12}} {
		bubble(t, func(t *testing.T, w *world) {
			w.queue.visibility = time.Hour
			w.fn.answer = slow
			for i := range 1000 {
				w.send(fmt.Sprint(i))
			}
			poll(t, w, func(m *eventsource.Mapping) { m.BatchSize, m.MaximumConcurrency = 1, c.maximum })
			synctest.Wait()
			if w.fn.atOnce() != c.first {
				t.Errorf("at first %d run at once, want %d", w.fn.atOnce(), c.first)
			}
			pass(4500 * time.Millisecond)
			if w.fn.atOnce() != c.then {
				t.Errorf("then %d run at once, want %d", w.fn.atOnce(), c.then)
			}
			w.stop()
			<-w.ended
		})
	}
}

// A batch that is throttled is tried again for as long as its messages are its
// own, and comes again afterwards; concurrency shrinks meanwhile.
func TestThrottling(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.fn.answer = func([]string) (*function.Result, error) {
			if time.Since(began) < 40*time.Second {
				return nil, fmt.Errorf("wrapped: %w", &function.ErrThrottled{Reason: "ConcurrentInvocationLimitExceeded"})
			}
			return &function.Result{}, nil
		}
		w.send("a", "b")
		poll(t, w, nil)
		pass(29 * time.Second)
		same(t, "left", w.left(), "a:1 b:1")
		tries := w.fn.count()
		if tries < 5 || tries > 15 {
			t.Errorf("%d tries in 29 s", tries)
		}
		pass(30 * time.Second)
		same(t, "left in the end", w.left(), "")
		same(t, "result", w.report.result(), eventsource.OK)
		w.stop()
	})
}

// Failures one after another make the poller take messages more slowly.
func TestFailuresSlowThePollerDown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.queue.visibility = time.Hour
		w.fn.answer = func([]string) (*function.Result, error) { return &function.Result{FunctionError: "Unhandled"}, nil }
		for i := range 10_000 {
			w.send(fmt.Sprint(i))
		}
		poll(t, w, func(m *eventsource.Mapping) { m.BatchSize = 1 })
		pass(10 * time.Second)
		if n := w.fn.count(); n < 5 || n > 40 {
			t.Errorf("%d batches failed in 10 s", n)
		}
		w.stop()
	})
}

// A stop lets batches that run finish, and gives back what waits.
func TestAGracefulStop(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		finish := make(chan struct{})
		w.fn.answer = func([]string) (*function.Result, error) { <-finish; return &function.Result{}, nil }
		w.send("a", "b", "c")
		poll(t, w, func(m *eventsource.Mapping) { m.BatchSize, m.Window = 2, time.Minute })
		synctest.Wait()
		w.stop()
		synctest.Wait()
		select {
		case <-w.ended:
			t.Fatal("it ends while a batch runs")
		default:
		}
		w.queue.mu.Lock()
		due := w.messages[2].due
		w.queue.mu.Unlock()
		if due.After(time.Now()) {
			t.Errorf("what waited for its window is due in %s", time.Until(due))
		}
		close(finish)
		if err := <-w.ended; err != nil {
			t.Error(err)
		}
		same(t, "ran", w.fn.ran(), "a,b")
		same(t, "left", w.left(), "c:1")
	})
}

func TestAnIdleQueueIsNotAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		poll(t, w, nil)
		pass(time.Minute + time.Second)
		w.queue.mu.Lock()
		received := w.received
		w.queue.mu.Unlock()
		if received > 8 { // each wait of 20 s looks again at its end
			t.Errorf("it asked %d times in a minute", received)
		}
		w.stop()
	})
}

func TestAQueueThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.queue.err = eventsource.ErrNoQueue
		poll(t, w, nil)
		if err := <-w.ended; !errors.Is(err, eventsource.ErrNoQueue) {
			t.Errorf("%v", err)
		}
	})
}
