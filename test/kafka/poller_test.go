package kafka

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/test/kafka/broker"
)

// TestEvent compares an event with the documented one, byte for byte.
func TestEvent(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 2), b.Client(t)
	at := time.UnixMilli(1545084650987)
	if err := cl.ProduceSync(t.Context(),
		&kgo.Record{Topic: topic, Partition: 1, Timestamp: at, Key: []byte("k<"), Value: []byte("Hello"), Headers: []kgo.RecordHeader{{Key: "headerKey", Value: []byte("head\xff")}, {Key: "none"}}},
		&kgo.Record{Topic: topic, Partition: 1, Timestamp: at},
		&kgo.Record{Topic: topic, Partition: 1, Timestamp: at, Key: []byte{}, Value: []byte{}},
	).FirstErr(); err != nil {
		t.Fatal(err)
	}
	records := fmt.Sprintf(`"records":{"%[1]s-1":[`+
		`{"topic":"%[1]s","partition":1,"offset":0,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"azw=","value":"SGVsbG8=","headers":[{"headerKey":[104,101,97,100,-1]},{"none":[]}]},`+
		`{"topic":"%[1]s","partition":1,"offset":1,"timestamp":1545084650987,"timestampType":"CREATE_TIME","headers":[]},`+
		`{"topic":"%[1]s","partition":1,"offset":2,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"","value":"","headers":[]}]}}`, topic)
	cluster := "arn:aws:kafka:eu-west-1:123456789012:cluster/c/751d2973-a626-431c-9d4e-d7975eb44dd7-2"
	msk := mapping(b, topic)
	msk.Kind, msk.EventSourceARN, msk.Topic.Brokers = eventsource.MSK, cluster, nil
	for name, c := range map[string]struct {
		m    *eventsource.Mapping
		want string
	}{
		"self-managed": {mapping(b, topic), `{"eventSource":"SelfManagedKafka","bootstrapServers":"` + b.Plaintext + `",` + records},
		"MSK":          {msk, `{"eventSource":"aws:kafka","eventSourceArn":"` + cluster + `","bootstrapServers":"` + b.Plaintext + `",` + records},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			opts := options(b)
			opts.MSK = map[string][]string{cluster: {b.Plaintext}}
			p := w.run(c.m, opts)
			w.wait("the event", func() bool { return len(w.raw) > 0 && w.last == eventsource.OK })
			p.stop()
			if got := string(w.raw[0]); got != c.want {
				t.Errorf("event\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestStartingPosition begins in the middle of a topic, and goes on where it was
// when it is started again.
func TestStartingPosition(t *testing.T) {
	b := broker.Shared(t)
	for position, want := range map[string][]string{
		"TRIM_HORIZON": {"old", "young", "new", "after"},
		"AT_TIMESTAMP": {"young", "new", "after"},
		"LATEST":       {"new", "after"},
	} {
		t.Run(position, func(t *testing.T) {
			topic, cl := b.Topic(t, 1), b.Client(t)
			now := time.Now()
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("old"), Timestamp: now.Add(-time.Hour)},
				&kgo.Record{Topic: topic, Value: []byte("young"), Timestamp: now.Add(-time.Minute)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			w, m := newWorld(t, nil), mapping(b, topic)
			m.Topic.Start, m.Topic.StartTimestamp = position, now.Add(-30*time.Minute)
			p := w.run(m, options(b))
			// LATEST is where the poller found the topic, before it was first stopped.
			for committed(t, cl, m.Topic.Group, topic, 0) < 0 {
				if t.Context().Err() != nil {
					t.Fatal("no position")
				}
			}
			p.stop()
			produce(t, cl, topic, 0, "new")
			p = w.run(m, options(b))
			w.wait("what is new", func() bool { v := w.values(); return len(v) > 0 && v[len(v)-1] == "new" })
			p.stop()
			produce(t, cl, topic, 0, "after")
			p = w.run(m, options(b))
			w.wait("what came after", func() bool { return slices.Contains(w.values(), "after") })
			p.stop()
			if got := w.values(); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if o := committed(t, cl, m.Topic.Group, topic, 0); o != 4 {
				t.Errorf("committed %d, want 4", o)
			}
		})
	}
}

// TestLogin polls through each listener, with the credentials in secrets, and is
// told when they are wrong.
func TestLogin(t *testing.T) {
	b := broker.Shared(t)
	topic := b.Topic(t, 1)
	produce(t, b.Client(t), topic, 0, "x")
	login := map[string]string{"username": broker.User, "password": broker.Password}
	wrong := map[string]string{"username": broker.User, "password": "guess"}
	ca := map[string]string{"certificate": string(b.PKI.CA)}
	cert := map[string]string{"certificate": string(b.PKI.ClientCert), "privateKey": string(b.PKI.ClientKey)}
	root := eventsource.Access{Type: "SERVER_ROOT_CA_CERTIFICATE", URI: "ca"}
	with := func(kind, uri string) eventsource.Access { return eventsource.Access{Type: kind, URI: uri} }
	for name, c := range map[string]struct {
		brokers string
		access  []eventsource.Access
		problem string // empty: it works
	}{
		"plain":                     {b.SASL, []eventsource.Access{with("BASIC_AUTH", "login"), root}, ""},
		"SCRAM 256":                 {b.SASL, []eventsource.Access{with("SASL_SCRAM_256_AUTH", "login"), root}, ""},
		"SCRAM 512":                 {b.SASL, []eventsource.Access{with("SASL_SCRAM_512_AUTH", "login"), root, with("VPC_SUBNET", "subnet:subnet-1")}, ""},
		"SCRAM 512 without TLS":     {b.SASLPlaintext, []eventsource.Access{with("SASL_SCRAM_512_AUTH", "login")}, ""},
		"server's authority":        {b.TLS, []eventsource.Access{root}, ""},
		"mutual TLS":                {b.MutualTLS, []eventsource.Access{with("CLIENT_CERTIFICATE_TLS_AUTH", "cert"), root}, ""},
		"wrong password":            {b.SASL, []eventsource.Access{with("SASL_SCRAM_512_AUTH", "wrong"), root}, "SASL authentication failed"},
		"wrong plain password":      {b.SASL, []eventsource.Access{with("BASIC_AUTH", "wrong"), root}, "SASL authentication failed"},
		"unknown authority":         {b.SASL, []eventsource.Access{with("BASIC_AUTH", "login")}, "Lambda failed to authenticate server"},
		"no client certificate":     {b.MutualTLS, []eventsource.Access{root}, "Server failed to authenticate Lambda"},
		"no secret":                 {b.SASL, []eventsource.Access{with("BASIC_AUTH", "gone"), root}, "no such secret"},
		"nobody there":              {"127.0.0.1:1", nil, "Connection error."},
		"a password without TLS":    {b.Plaintext, []eventsource.Access{with("BASIC_AUTH", "login")}, "Connection error."},
		"no TLS where there should": {b.TLS, nil, "Connection error."},
	} {
		t.Run(name, func(t *testing.T) {
			w, m := newWorld(t, nil), mapping(b, topic)
			w.secrets = map[string]any{"login": login, "wrong": wrong, "ca": ca, "cert": cert}
			m.Topic.Brokers, m.Topic.Access = []string{c.brokers}, c.access
			p := w.run(m, options(b))
			if c.problem == "" {
				w.wait("the record", func() bool { return len(w.values()) == 1 })
				p.stop()
				return
			}
			select {
			case <-p.ended:
			case <-time.After(40 * time.Second):
				t.Fatal("the poller does not end")
			}
			if p.err == nil || !strings.Contains(p.err.Error(), c.problem) {
				t.Errorf("%v, want %q", p.err, c.problem)
			}
		})
	}
}

// TestRefused are mappings that cannot be polled as they are.
func TestRefused(t *testing.T) {
	b := &broker.Broker{Plaintext: "127.0.0.1:9092"}
	for want, change := range map[string]func(*eventsource.Mapping){
		"--msk arn:aws:kafka:x=": func(m *eventsource.Mapping) { m.Kind, m.EventSourceARN = eventsource.MSK, "arn:aws:kafka:x" },
		"SQS queues and Kafka":   func(m *eventsource.Mapping) { m.OnFailure = "arn:aws:sns:eu-west-1:123456789012:t" },
		"that the records come":  func(m *eventsource.Mapping) { m.OnFailure = "kafka://t" },
		"is not host:port":       func(m *eventsource.Mapping) { m.Topic.Brokers = []string{"localhost"} },
		"Glue": func(m *eventsource.Mapping) {
			m.Topic.SchemaRegistry = &eventsource.SchemaRegistry{URI: "arn:aws:glue:x"}
		},
	} {
		m := mapping(b, "t")
		change(m)
		if _, err := kafka.NewSource(kafka.Options{}).NewPoller(m, eventsource.Host{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestBatches looks at the sizes of batches: by number, by bytes, by window.
func TestBatches(t *testing.T) {
	b := broker.Shared(t)
	cl := b.Client(t, kgo.ProducerBatchMaxBytes(1<<20))
	t.Run("number", func(t *testing.T) {
		topic := b.Topic(t, 1)
		produce(t, cl, topic, 0, numbered(25)...)
		w, m := newWorld(t, nil), mapping(b, topic)
		m.BatchSize, m.Window = 10, 300*time.Millisecond
		p := w.run(m, options(b))
		w.wait("all", func() bool { return len(w.values()) == 25 })
		p.stop()
		var sizes []int
		for _, e := range w.events {
			sizes = append(sizes, len(e.Records[topic+"-0"]))
		}
		if !slices.Equal(sizes, []int{10, 10, 5}) || !slices.Equal(w.values(), numbered(25)) {
			t.Errorf("batches of %v: %v", sizes, w.values())
		}
	})
	t.Run("window", func(t *testing.T) {
		topic := b.Topic(t, 1)
		w, m := newWorld(t, nil), mapping(b, topic)
		m.Window = time.Second
		p := w.run(m, options(b))
		produce(t, cl, topic, 0, "0")
		produce(t, cl, topic, 0, "1")
		w.wait("both", func() bool { return len(w.values()) == 2 })
		p.stop()
		if len(w.events) != 1 {
			t.Errorf("%d events, want 1", len(w.events))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		topic := b.Topic(t, 1)
		large := strings.Repeat("x", 900<<10) // 1.2 MB in base64: five are 6 MB
		produce(t, cl, topic, 0, large, large, large, large, large, large, large)
		w, m := newWorld(t, nil), mapping(b, topic)
		m.Window = 2 * time.Second
		p := w.run(m, options(b))
		w.wait("all", func() bool { return len(w.values()) == 7 })
		p.stop()
		if n := len(w.events[0].Records[topic+"-0"]); n != 5 {
			t.Errorf("%d in the first batch, want 5", n)
		}
	})
}

// TestFiltered has records that never reach the function, and their offsets
// committed all the same.
func TestFiltered(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 1), b.Client(t)
	produce(t, cl, topic, 0, `{"n":1}`, `{"n":2}`, "text", "\xff\xfe", `{"n":3}`, `{"n":1}`)
	w, m := newWorld(t, nil), mapping(b, topic)
	m.Filters = []string{`{"value":{"n":[{"numeric":[">",1]}]}}`}
	p := w.run(m, options(b))
	w.wait("what passes", func() bool { return len(w.values()) == 2 })
	waitCommitted(t, cl, m, 6)
	p.stop()
	if got := w.values(); !slices.Equal(got, []string{`{"n":2}`, `{"n":3}`}) {
		t.Errorf("got %v", got)
	}
}

// waitCommitted waits until the group of m has committed an offset of partition 0.
func waitCommitted(t *testing.T, cl *kgo.Client, m *eventsource.Mapping, offset int64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		o := committed(t, cl, m.Topic.Group, m.Topic.Name, 0)
		if o == offset {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("committed %d, want %d", o, offset)
		}
	}
}

// TestFailingPartition has one partition that fails and one that does not wait
// for it; the mapping's result shows the problem until it is over.
func TestFailingPartition(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 2), b.Client(t)
	var w *world
	broken := true
	w = newWorld(t, func(_ context.Context, e *event) (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, ok := e.Records[topic+"-0"]; ok && broken {
			return nil, errors.New("broken")
		}
		return nil, nil
	})
	produce(t, cl, topic, 0, "bad")
	m := mapping(b, topic)
	p := w.run(m, options(b))
	w.wait("three failures", func() bool { return w.problem[eventsource.CallFailed] >= 3 })
	produce(t, cl, topic, 1, numbered(3)...)
	w.wait("the other partition", func() bool { return slices.Contains(w.values(), "2") })
	w.mu.Lock()
	if w.last != eventsource.CallFailed {
		t.Errorf("the result is %q while a partition fails", w.last)
	}
	w.mu.Unlock()
	if o := committed(t, cl, m.Topic.Group, topic, 0); o > 0 {
		t.Errorf("committed %d of a batch that failed", o)
	}
	w.change(func() { broken = false })
	w.wait("the end of the problem", func() bool { return w.last == eventsource.OK })
	waitCommitted(t, cl, m, 1)
	p.stop()
}

// TestThrottled does not count what never ran against the retries.
func TestThrottled(t *testing.T) {
	b := broker.Shared(t)
	topic := b.Topic(t, 1)
	calls := 0
	w := newWorld(t, func(context.Context, *event) (any, error) {
		if calls++; calls < 4 {
			return nil, &function.ErrThrottled{Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
		}
		return nil, nil
	})
	produce(t, b.Client(t), topic, 0, "x")
	m := mapping(b, topic)
	m.Retries, m.OnFailure = 0, "arn:aws:sqs:eu-west-1:123456789012:q"
	p := w.run(m, options(b))
	w.wait("the record", func() bool { return len(w.values()) == 1 })
	p.stop()
	if len(w.sent) > 0 || calls != 4 {
		t.Errorf("%d calls, sent %v", calls, w.sent)
	}
}

// TestPoison finds the one record that fails by halving the batch, and sends it
// to the queue; the others are with the function once it has succeeded with them.
func TestPoison(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 1), b.Client(t)
	var done []string
	w := newWorld(t, func(_ context.Context, e *event) (any, error) {
		var values []string
		for _, r := range e.Records[topic+"-0"] {
			if string(r.Value) == "6" {
				return nil, errors.New("poison")
			}
			values = append(values, string(r.Value))
		}
		done = append(done, values...)
		return nil, nil
	})
	produce(t, cl, topic, 0, numbered(10)...)
	m := mapping(b, topic)
	m.Window, m.Bisect, m.Retries, m.OnFailure = 300*time.Millisecond, true, 1, "arn:aws:sqs:eu-west-1:123456789012:dead"
	w.refuse = errors.New("the queue is away")
	p := w.run(m, options(b))
	w.wait("a destination that is away", func() bool {
		for problem := range w.problem {
			if strings.Contains(problem, "the queue is away") {
				return true
			}
		}
		return false
	})
	w.change(func() { w.refuse = nil })
	w.wait("the failure record", func() bool { return len(w.sent) == 1 })
	waitCommitted(t, cl, m, 10)
	p.stop()
	if want := []string{"0", "1", "2", "3", "4", "5", "7", "8", "9"}; !slices.Equal(done, want) {
		t.Errorf("done %v, want %v", done, want)
	}
	var rec map[string]any
	if err := json.Unmarshal(w.sent[0].record, &rec); err != nil {
		t.Fatal(err)
	}
	info := rec["KafkaBatchInfo"].(map[string]any)
	records := info["recordsInfo"].(map[string]any)[topic+"-0"].(map[string]any)
	got := fmt.Sprint(w.sent[0].destination, rec["requestContext"], rec["responseContext"], rec["version"], info["batchSize"], records["firstRecordOffset"], records["lastRecordOffset"], rec["payload"])
	// 10, 5 (5 to 9), 2 (5, 6), 1 (6) and its retry.
	want := fmt.Sprint(m.OnFailure, map[string]any{"requestId": "request-1", "functionArn": functionARN, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 5.0},
		map[string]any{"statusCode": 200.0, "executedVersion": "7", "functionError": "Unhandled"}, "1.0", 1.0, "6", "6", nil)
	if got != want {
		t.Errorf("failure record\n%s\nwant\n%s", got, want)
	}
}

// TestBatchItemFailures retries what the function names, and only that; the last
// to fail goes to a topic of the cluster.
func TestBatchItemFailures(t *testing.T) {
	b := broker.Shared(t)
	topic, dead, cl := b.Topic(t, 1), b.Topic(t, 3), b.Client(t)
	var seen [][]string
	w := newWorld(t, func(_ context.Context, e *event) (any, error) {
		var values []string
		var bad []record
		for _, r := range e.Records[topic+"-0"] {
			values = append(values, string(r.Value))
			if v := string(r.Value); v == "3" || v == "4" && len(seen) == 1 {
				bad = append(bad, r)
			}
		}
		seen = append(seen, values)
		switch len(seen) {
		case 1: // one that is not in the batch: all of it failed
			return failed(record{Topic: topic, Offset: 99}), nil
		case 3:
			return map[string]any{"batchItemFailures": nil}, nil
		}
		return failed(bad...), nil
	})
	produce(t, cl, topic, 0, numbered(6)...)
	m := mapping(b, topic)
	m.Window, m.ReportBatchItemFailures, m.Retries, m.OnFailure = 300*time.Millisecond, true, 2, "kafka://"+dead
	p := w.run(m, options(b))
	waitCommitted(t, cl, m, 6)
	if want := [][]string{numbered(6), numbered(6), {"3", "4"}}; fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Fatalf("seen %v, want %v", seen, want)
	}
	// "3" fails three times by itself now.
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("key"), Value: []byte("3")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	waitCommitted(t, cl, m, 7)
	p.stop()
	if len(seen) != 6 {
		t.Errorf("seen %v: want three more", seen)
	}
	reader := b.Client(t, kgo.ConsumeTopics(dead))
	fetches := reader.PollFetches(t.Context())
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 {
		t.Fatalf("%d records in the other topic, %v", fetches.NumRecords(), err)
	}
	r := fetches.Records()[0]
	var rec struct {
		RequestContext map[string]any `json:"requestContext"`
		Info           struct {
			BatchSize  int               `json:"batchSize"`
			RecordInfo map[string]string `json:"recordInfo"`
		} `json:"KafkaBatchInfo"`
		Payload event `json:"payload"`
	}
	if err := json.Unmarshal(r.Value, &rec); err != nil {
		t.Fatal(err)
	}
	if string(r.Key) != "key" || rec.RequestContext["condition"] != "RetriesExhausted" || rec.RequestContext["approximateInvokeCount"] != 3.0 ||
		rec.Info.BatchSize != 1 || rec.Info.RecordInfo["offset"] != "6" || text(rec.Payload.Records[topic+"-0"][0].Key) != "key" || string(rec.Payload.Records[topic+"-0"][0].Value) != "3" {
		t.Errorf("key %s, %s", r.Key, r.Value)
	}
}

// TestTooOld gives up what is older than the mapping allows, before and between
// attempts.
func TestTooOld(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 1), b.Client(t)
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("old"), Timestamp: time.Now().Add(-time.Hour)},
		&kgo.Record{Topic: topic, Value: []byte("ages"), Timestamp: time.Now().Add(-57 * time.Second)}, &kgo.Record{Topic: topic, Value: []byte("young")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var done []string
	w := newWorld(t, func(_ context.Context, e *event) (any, error) {
		done = nil
		for _, r := range e.Records[topic+"-0"] {
			if done = append(done, string(r.Value)); string(r.Value) == "ages" {
				return nil, errors.New("not yet")
			}
		}
		return nil, nil
	})
	m := mapping(b, topic)
	m.MaxRecordAge, m.Retries, m.OnFailure = time.Minute, 10_000, "arn:aws:sqs:eu-west-1:123456789012:dead"
	p := w.run(m, options(b))
	waitCommitted(t, cl, m, 3)
	p.stop()
	if !slices.Equal(done, []string{"young"}) || len(w.sent) != 2 {
		t.Fatalf("done %v, sent %d", done, len(w.sent))
	}
	for i, offset := range []string{`"firstRecordOffset":"0"`, `"firstRecordOffset":"1"`} {
		if s := string(w.sent[i].record); !strings.Contains(s, `"RecordAgeExceeded"`) || !strings.Contains(s, offset) || !strings.Contains(s, `"responseContext":null`) {
			t.Errorf("sent %s", s)
		}
	}
}

// TestTooLargeForTopic: what an on-failure topic does not take with its payload it
// gets without; otherwise the partition would wait for ever.
func TestTooLargeForTopic(t *testing.T) {
	b := broker.Shared(t)
	topic, dead, cl := b.Topic(t, 1), b.Topic(t, 1), b.Client(t)
	large := make([]byte, 900<<10)
	if _, err := rand.Read(large); err != nil { // what compresses well would be taken
		t.Fatal(err)
	}
	produce(t, cl, topic, 0, string(large))
	w := newWorld(t, func(context.Context, *event) (any, error) { return nil, errors.New("poison") })
	m := mapping(b, topic)
	m.Retries, m.OnFailure = 0, "kafka://"+dead
	p := w.run(m, options(b))
	waitCommitted(t, cl, m, 1)
	p.stop()
	fetches := b.Client(t, kgo.ConsumeTopics(dead)).PollFetches(t.Context())
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 {
		t.Fatalf("%d records in the other topic, %v", fetches.NumRecords(), err)
	}
	if s := string(fetches.Records()[0].Value); !strings.Contains(s, `"RetriesExhausted"`) || !strings.Contains(s, `"recordInfo":{"offset":"0"`) || strings.Contains(s, `"payload"`) {
		t.Errorf("%.500s", s)
	}
}
