package eventsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/eventsource/collect"
	"github.com/paddock-run/paddock/test/sdk"
)

// bed is a queue that is mapped to a function in Go.
type bed struct {
	*sdk.Clients
	daemon     *daemon.Daemon
	to         *collect.Collector
	queue, uid string
	http       http.Client
}

func newBed(b *testing.B, batch int32) *bed {
	b.Helper()
	d := daemon.Own(b, sdk.ReachGates...)
	w := &bed{Clients: sdk.For(b, d), daemon: d, to: collect.New(b), http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	b.Cleanup(w.http.CloseIdleConnections)
	function := w.Create(b, w.to.Function(b))
	name := sdk.Name(b)
	made, err := w.SQS.CreateQueue(sdk.Context(b), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "600"}})
	if err != nil {
		b.Fatal(err)
	}
	w.queue = *made.QueueUrl
	mapped, err := w.Lambda.CreateEventSourceMapping(sdk.Context(b), &lambda.CreateEventSourceMappingInput{
		FunctionName: &function, EventSourceArn: new("arn:aws:sqs:us-east-1:000000000000:" + name), BatchSize: &batch,
	})
	if err != nil {
		b.Fatal(err)
	}
	w.uid = *mapped.UUID
	w.await(b, "Enabled")
	return w
}

func (w *bed) await(b *testing.B, state string) {
	b.Helper()
	sdk.Eventually(b, "the mapping is "+state, func() bool {
		out, err := w.Lambda.GetEventSourceMapping(sdk.Context(b), &lambda.GetEventSourceMappingInput{UUID: &w.uid})
		return err == nil && string(*out.State) == state
	})
}

func (w *bed) enable(b *testing.B, enabled bool) {
	b.Helper()
	if _, err := w.Lambda.UpdateEventSourceMapping(sdk.Context(b), &lambda.UpdateEventSourceMappingInput{UUID: &w.uid, Enabled: &enabled}); err != nil {
		b.Fatal(err)
	}
}

// send calls SendMessage or SendMessageBatch with as little work as can be: what
// is measured is Paddock, which shares the machine.
func (w *bed) send(operation string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, w.daemon.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	res, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"Failed":[{`)) {
		return fmt.Errorf("%s: %s %.200s %w", operation, res.Status, answer, err)
	}
	return nil
}

// padding makes messages of 256 bytes.
var padding = strings.Repeat("0123456789abcdef", 16)[8:]

type entry struct {
	ID   string `json:"Id"`
	Body string `json:"MessageBody"`
}

// fill sends messages from first up to end, ten at a time, from several clients.
func (w *bed) fill(b *testing.B, first, end uint32) {
	b.Helper()
	var next atomic.Uint32
	next.Store(first)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				from := next.Add(10) - 10
				if from >= end {
					return
				}
				var entries []entry
				for n := from; n < min(from+10, end); n++ {
					entries = append(entries, entry{fmt.Sprint(n - from), collect.Body(n) + padding})
				}
				if err := w.send("SendMessageBatch", map[string]any{"QueueUrl": w.queue, "Entries": entries}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// BenchmarkLatency sends one message after another, each when the one before has
// arrived, and reports the median of the time until the function has it: since
// before the message was sent, and since the sender had its answer. "Frozen" is
// with a function that has nothing to do in between, and is frozen.
func BenchmarkLatency(b *testing.B) {
	for _, c := range []struct {
		name  string
		pause time.Duration
	}{{"warm", 0}, {"frozen", 50 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			w := newBed(b, 10)
			one := func(n uint32) (sent, answered, arrived time.Time) {
				sent = time.Now()
				if err := w.send("SendMessage", map[string]any{"QueueUrl": w.queue, "MessageBody": collect.Body(n) + padding}); err != nil {
					b.Fatal(err)
				}
				answered = time.Now()
				return sent, answered, w.to.Await(b, n)
			}
			next := uint32(0)
			for ; next < 20; next++ {
				one(next) // environments start
			}
			var whole, after []time.Duration
			for b.Loop() {
				if c.pause > 0 {
					b.StopTimer()
					<-time.After(c.pause)
					b.StartTimer()
				}
				sent, answered, arrived := one(next)
				whole, after = append(whole, arrived.Sub(sent)), append(after, arrived.Sub(answered))
				next++
			}
			slices.Sort(whole)
			slices.Sort(after)
			b.ReportMetric(float64(whole[len(whole)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(whole[len(whole)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(after[len(after)/2].Microseconds()), "p50-since-answer-µs")
		})
	}
}

// BenchmarkThroughput takes messages to the function in batches of 10: "live"
// while they are sent, "backlog" those that are there already. CPU figures are
// per message: the daemon's, the functions', and the benchmark's as the sender.
func BenchmarkThroughput(b *testing.B) {
	for _, name := range []string{"live", "backlog"} {
		b.Run(name, func(b *testing.B) {
			w := newBed(b, 10)
			const warm = 2000
			w.fill(b, 0, warm)
			w.to.AwaitAll(b, warm)
			end := uint32(warm + b.N)
			if name == "backlog" {
				w.enable(b, false)
				w.await(b, "Disabled")
				w.fill(b, warm, end)
			}
			use := w.to.Measure(b, w.daemon.PID())
			b.ResetTimer()
			if name == "backlog" {
				w.enable(b, true)
			} else {
				w.fill(b, warm, end)
			}
			w.to.AwaitAll(b, int(end))
			b.StopTimer()
			use.Report(b)
			if twice := w.to.Repeated(); twice > 0 {
				b.Errorf("%d messages came more than once", twice)
			}
		})
	}
}
