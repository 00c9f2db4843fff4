package runtimeapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSubscriptions(t *testing.T) {
	s, h, addr := serve(t)
	x, id := register(t, addr, "x", `[]`)
	put := func(path, id, body string) (int, string) {
		x.write(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %s\r\nContent-Length: %d\r\n\r\n%s", path, id, len(body), body))
		resp, text := x.read()
		return resp.StatusCode, text
	}
	const to = `"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/in"}`
	for _, body := range []string{
		`{`, `{}`,
		`{"schemaVersion":"2022-07-01","types":[],` + to + `}`,
		`{"schemaVersion":"2022-07-01","types":["music"],` + to + `}`,
		`{"schemaVersion":"2019-07-01","types":["platform"],` + to + `}`,
		`{"schemaVersion":"2022-07-01","types":["platform"]}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"UDP","port":80}}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"TCP"}}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://example.com"}}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:9001"}}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"buffering":{"maxItems":999},` + to + `}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"buffering":{"maxBytes":1048577},` + to + `}`,
		`{"schemaVersion":"2022-07-01","types":["platform"],"buffering":{"timeoutMs":24},` + to + `}`,
	} {
		if status, text := put(pathTelemetry, id, body); status != 400 || !strings.Contains(text, "ValidationError") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	whole := `{"schemaVersion":"2025-01-29","types":["function"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},` + to + `}`
	if status, text := put(pathTelemetry, "6e7b9d4b-0000-4000-8000-000000000000", whole); status != 403 || !strings.Contains(text, "Extension.UnknownExtensionIdentifier") {
		t.Error(status, text)
	}
	if status, text := put(pathTelemetry, id, whole); status != 200 || text != `"OK"` {
		t.Error(status, text)
	}
	got := <-h.subscriptions
	if text := fmt.Sprintf("%+v", *got); text != "{Extension:x Logs:false Schema:2025-01-29 Kinds:[function] MaxItems:1000 MaxBytes:262144 Timeout:25ms TCP:false Port:8080 Path:/in Method:POST}" {
		t.Error(text)
	}
	if status, text := put(pathLogs, id, `{"types":["platform"],`+to+`}`); status != 403 || !strings.Contains(text, "Logs.AlreadySubscribed") {
		t.Error(status, text)
	}
	x.askExtension(id)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	if err := s.Send(event("one")); err != nil {
		t.Fatal(err)
	}
	x = dial(t, addr)
	if status, text := put(pathTelemetry, id, whole); status != 403 || !strings.Contains(text, "Telemetry.SubscriptionClosed") {
		t.Error(status, text)
	}
}

func record(n int) *Record {
	return &Record{Time: time.UnixMilli(0), Type: "function", Record: json.RawMessage(fmt.Sprintf(`"line %d\n"`, n))}
}

// deliveries subscribes by a listener of the test's.
func deliveries(t *testing.T, sub *Subscription) (*Subscriber, net.Listener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sub.Path, sub.Method = "/", http.MethodPost
	b := NewSubscriber(sub, func(int) (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) })
	t.Cleanup(func() {
		b.Close()
		_ = ln.Close() // perhaps once more
	})
	return b, ln
}

// A batch that was not taken comes again, and nothing is lost or out of order.
func TestDeliveryAgain(t *testing.T) {
	b, ln := deliveries(t, &Subscription{MaxItems: 10, MaxBytes: 1 << 20, Timeout: time.Hour})
	got := make(chan []Record, 8)
	tries := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var batch []Record
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			t.Error(err)
		}
		got <- batch
	})}
	defer server.Close()
	go server.Serve(ln) // until it is closed
	for n := range 10 {
		b.Add(record(n))
	}
	batch := <-got
	if len(batch) != 10 || string(batch[9].Record) != `"line 9\n"` || batch[0].Type != "function" || !batch[0].Time.Equal(time.UnixMilli(0)) {
		t.Errorf("%v", batch)
	}
	b.Add(record(10)) // whose batch is not due
	b.Flush(t.Context())
	if batch := <-got; len(batch) != 1 {
		t.Errorf("%v", batch)
	}
}

// A subscriber that takes nothing costs no more than so much memory, and hears what
// it has missed.
func TestDeliveryDropped(t *testing.T) {
	b, ln := deliveries(t, &Subscription{MaxItems: 1000, MaxBytes: 1 << 20, Timeout: time.Hour, TCP: true})
	long := &Record{Type: "function", Record: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
	for range 40 { // some are on their way
		b.Add(long)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go b.Flush(context.Background())
	lines := bufio.NewReader(nc)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"type":"platform.logsDropped"`) {
			break
		}
		if len(line) < 1<<20 {
			t.Fatal(line)
		}
	}
}

func TestDeliveryByTCP(t *testing.T) {
	b, ln := deliveries(t, &Subscription{MaxItems: 1000, MaxBytes: 1 << 20, Timeout: 25 * time.Millisecond, TCP: true})
	b.Add(record(1))
	b.Add(record(2))
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	want := `{"time":"1970-01-01T00:00:00.000Z","type":"function","record":"line 1\n"}` + "\n" +
		`{"time":"1970-01-01T00:00:00.000Z","type":"function","record":"line 2\n"}` + "\n"
	text := make([]byte, len(want))
	if _, err := io.ReadFull(nc, text); err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
}
