// Package kafka tests the pollers of Kafka against a real broker.
package kafka

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/test/kafka/broker"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(childVariable); config != "" {
		child(config)
		return
	}
	os.Exit(broker.Run(m))
}

const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:f"

// event is what a function gets.
type event struct {
	EventSource      string              `json:"eventSource"`
	EventSourceARN   string              `json:"eventSourceArn"`
	BootstrapServers string              `json:"bootstrapServers"`
	Records          map[string][]record `json:"records"`
}

type record struct {
	Topic         string           `json:"topic"`
	Partition     int32            `json:"partition"`
	Offset        int64            `json:"offset"`
	Timestamp     int64            `json:"timestamp"`
	TimestampType string           `json:"timestampType"`
	Key           string           `json:"key"`
	Value         []byte           `json:"value"`
	Headers       []map[string]any `json:"headers"`
}

// world is what pollers use: functions, destinations and secrets that are the
// test's, and what they report.
type world struct {
	t *testing.T
	// handle is the function: nil, nil is a success with the answer null.
	handle func(ctx context.Context, e *event) (answer any, failure error)

	mu      sync.Mutex
	events  []event
	raw     [][]byte
	last    string
	problem map[string]int // how often a problem was reported
	sent    []delivery
	changed chan struct{} // closed at each change
	secrets map[string]any
	refuse  error // of destinations
	logger  *slog.Logger
}

type delivery struct {
	destination string
	record      []byte
}

func newWorld(t *testing.T, handle func(context.Context, *event) (any, error)) *world {
	if handle == nil {
		handle = func(context.Context, *event) (any, error) { return nil, nil }
	}
	return &world{t: t, handle: handle, changed: make(chan struct{}), problem: map[string]int{}, secrets: map[string]any{},
		logger: slog.New(slog.NewTextHandler(testLog{t}, nil))}
}

// testLog writes to the test's log, while there is one: a poller that a test
// kills may outlive it by a line.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// change calls f under the lock and wakes who waits.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Call implements eventsource.Functions.
func (w *world) Call(ctx context.Context, arn string, payload []byte) (*function.Result, error) {
	if len(payload) > eventsource.MaxPayload {
		w.t.Errorf("an event of %d bytes", len(payload))
	}
	if arn != functionARN {
		return nil, function.ErrGone
	}
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		w.t.Errorf("event %s: %v", payload, err)
	}
	answer, failure := w.handle(ctx, &e)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if throttled, ok := errors.AsType[*function.ErrThrottled](failure); ok {
		return nil, throttled
	}
	w.change(func() { w.events, w.raw = append(w.events, e), append(w.raw, slices.Clone(payload)) })
	if failure != nil {
		return &function.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"x"}`), RequestID: "request-1", ExecutedVersion: "7"}, nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &function.Result{Payload: body}, nil
}

// Deliver implements eventsource.Destinations.
func (w *world) Deliver(_ context.Context, _ *eventsource.Mapping, destination string, record []byte) (err error) {
	w.change(func() {
		if err = w.refuse; err == nil {
			w.sent = append(w.sent, delivery{destination, record})
		}
	})
	return err
}

// Secret implements eventsource.Secrets.
func (w *world) Secret(_ context.Context, _, _, arn string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.secrets[arn]
	if !ok {
		return "", eventsource.ErrNoSecret
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// Processed implements eventsource.Reporter.
func (w *world) Processed(result string) {
	w.change(func() {
		w.last = result
		if strings.HasPrefix(result, "PROBLEM") {
			w.problem[result]++
		}
	})
}

// wait waits until cond, which is called under the lock.
func (w *world) wait(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		ok, changed := cond(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("waited in vain for %s: %d events, last result %q, problems %v", what, len(w.events), w.last, w.problem)
		}
	}
}

// values are those of the records of all events so far, in their order.
func (w *world) values() []string {
	var out []string
	for _, e := range w.events {
		for _, name := range slices.Sorted(maps.Keys(e.Records)) {
			for _, r := range e.Records[name] {
				out = append(out, string(r.Value))
			}
		}
	}
	return out
}

// mapping is one of a topic of b, as the Lambda service would store it.
func mapping(b *broker.Broker, topic string) *eventsource.Mapping {
	id := uuid.NewString()
	return &eventsource.Mapping{
		UUID: id, Account: "123456789012", Region: "eu-west-1", FunctionARN: functionARN, Kind: eventsource.Kafka, Revision: 1,
		BatchSize: 100, Retries: -1, Topic: &eventsource.Topic{Name: topic, Brokers: []string{b.Plaintext}, Group: id, Start: "TRIM_HORIZON"},
	}
}

// poll is a poller that runs.
type poll struct {
	t             *testing.T
	polling, life context.CancelFunc
	ended         chan struct{}
	err           error
}

func options(b *broker.Broker) kafka.Options {
	return kafka.Options{PlaintextSASL: []string{b.SASLPlaintext}, SessionTimeout: 3 * time.Second, Discovery: time.Second}
}

// run starts a poller, which ends with the test.
func (w *world) run(m *eventsource.Mapping, opts kafka.Options) *poll {
	w.t.Helper()
	p, err := kafka.NewSource(opts).NewPoller(m, eventsource.Host{
		Functions: w, Destinations: w, Secrets: w, Reporter: w, Metrics: metrics.Discard, Logger: w.logger})
	if err != nil {
		w.t.Fatal(err)
	}
	polling, endPolling := context.WithCancel(context.Background())
	life, endLife := context.WithCancel(context.Background())
	out := &poll{t: w.t, polling: endPolling, life: endLife, ended: make(chan struct{})}
	go func() {
		defer close(out.ended)
		if out.err = p.Run(polling, life); out.err != nil {
			w.change(func() { w.problem["ended: "+out.err.Error()]++ })
		}
	}()
	w.t.Cleanup(out.kill)
	return out
}

// stop lets the poller finish what it has begun.
func (p *poll) stop() {
	p.t.Helper()
	p.polling()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the poller does not end")
	}
	if p.err != nil {
		p.t.Errorf("the poller ended with %v", p.err)
	}
}

// kill ends the poller without letting it finish.
func (p *poll) kill() {
	p.polling()
	p.life()
	<-p.ended
}

// produce writes values to a partition.
func produce(t *testing.T, cl *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// numbered are n values "0", "1", ….
func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

// committed is the offset that a group has committed of a partition; -1: none.
func committed(t *testing.T, cl *kgo.Client, group, topic string, partition int32) int64 {
	t.Helper()
	offsets, err := kadm.NewClient(cl).FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := offsets.Lookup(topic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// failed answers that records have failed, as a function with
// ReportBatchItemFailures does.
func failed(records ...record) map[string]any {
	items := make([]any, len(records))
	for i, r := range records {
		items[i] = map[string]any{"itemIdentifier": map[string]any{"partition": fmt.Sprintf("%s-%d", r.Topic, r.Partition), "offset": r.Offset}}
	}
	return map[string]any{"batchItemFailures": items}
}

func text(b64 string) string {
	b, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
