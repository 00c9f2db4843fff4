package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxHeld bounds the records that wait for a subscriber that does not take them:
	// what comes after that is dropped, and the subscriber told so.
	maxHeld = 4 << 20
	// A delivery that failed is tried again after this, doubling up to the second.
	firstRedelivery = 20 * time.Millisecond
	lastRedelivery  = time.Second
)

// Record is one event of an environment's telemetry.
type Record struct {
	Time time.Time
	Type string // "platform.start", "function", "extension"
	// Record is a JSON document: of log lines a string, or an object where the
	// function logs JSON.
	Record json.RawMessage
}

// append writes the record as subscribers get it.
func (r *Record) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = r.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","type":"`...)
	b = append(b, r.Type...)
	b = append(b, `","record":`...)
	b = append(b, r.Record...)
	return append(b, '}')
}

// Subscriber delivers records to an extension, in order and at least once, in
// batches. While the environment is frozen they wait, as does what is on its way.
type Subscriber struct {
	*Subscription
	dial func() (net.Conn, error)

	mu       sync.Mutex
	batch    []byte // records with commas between them
	items    int
	since    time.Time // of the first one
	dropped  int       // records that were not taken
	lost     int       // their bytes
	flushing []chan struct{}
	wake     chan struct{}

	cancel context.CancelFunc
	done   chan struct{}
	client http.Client
	tcp    net.Conn
}

// NewSubscriber starts to deliver. dial connects to the subscription's port inside.
func NewSubscriber(s *Subscription, dial func(port int) (net.Conn, error)) *Subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Subscriber{
		Subscription: s, dial: func() (net.Conn, error) { return dial(s.Port) },
		wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	b.client.Transport = &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return b.dial() },
		DisableCompression: true, MaxIdleConnsPerHost: 1,
	}
	go b.run(ctx)
	return b
}

// Add takes a record. It does not block.
func (b *Subscriber) Add(r *Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.batch)+len(r.Record) > maxHeld {
		b.dropped++
		b.lost += len(r.Record)
		return
	}
	if b.items > 0 {
		b.batch = append(b.batch, b.separator())
	} else {
		b.since = time.Now()
	}
	b.batch = r.append(b.batch)
	b.items++
	if b.items == 1 || b.full() {
		b.poke()
	}
}

// separator stands between records: those of TCP are lines.
func (b *Subscriber) separator() byte {
	if b.TCP {
		return '\n'
	}
	return ','
}

func (b *Subscriber) full() bool { return b.items >= b.MaxItems || len(b.batch) >= b.MaxBytes }

func (b *Subscriber) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Flush delivers what there is, and returns when it was taken, or ctx is done.
func (b *Subscriber) Flush(ctx context.Context) {
	taken := make(chan struct{})
	b.mu.Lock()
	b.flushing = append(b.flushing, taken)
	b.poke()
	b.mu.Unlock()
	select {
	case <-taken:
	case <-ctx.Done():
	case <-b.done:
	}
}

// Close ends delivery; what was not delivered is lost.
func (b *Subscriber) Close() {
	b.cancel()
	<-b.done
}

func (b *Subscriber) run(ctx context.Context) {
	defer close(b.done)
	defer b.client.CloseIdleConnections()
	defer func() {
		if b.tcp != nil {
			_ = b.tcp.Close()
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		batch, waiting, pause := b.next()
		if batch != nil && !b.deliver(ctx, batch) {
			return
		}
		for _, taken := range waiting {
			close(taken)
		}
		if batch != nil {
			continue
		}
		timer.Reset(pause)
		select {
		case <-b.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// next is the batch that is due, and who waits for it; else for how long there is
// none.
func (b *Subscriber) next() (batch []byte, waiting []chan struct{}, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting, b.flushing = b.flushing, nil
	if b.items == 0 {
		return nil, waiting, time.Hour
	}
	if age := time.Since(b.since); age < b.Timeout && !b.full() && waiting == nil {
		return nil, nil, b.Timeout - age
	}
	batch = b.batch
	if b.dropped > 0 {
		r := Record{Time: time.Now(), Type: "platform.logsDropped", Record: fmt.Appendf(nil,
			`{"reason":"The extension did not take its telemetry in time","droppedRecords":%d,"droppedBytes":%d}`, b.dropped, b.lost)}
		batch = r.append(append(batch, b.separator()))
	}
	b.batch, b.items, b.dropped, b.lost = nil, 0, 0, 0
	if b.TCP {
		return append(batch, '\n'), waiting, 0
	}
	return append(append(append(make([]byte, 0, len(batch)+2), '['), batch...), ']'), waiting, 0
}

// deliver tries until the batch was taken, or ctx is done: then it reports false.
func (b *Subscriber) deliver(ctx context.Context, batch []byte) bool {
	for pause := firstRedelivery; ; pause = min(2*pause, lastRedelivery) {
		var err error
		if b.TCP {
			err = b.write(batch)
		} else {
			err = b.send(ctx, batch)
		}
		if err == nil {
			return true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

func (b *Subscriber) write(batch []byte) (err error) {
	if b.tcp == nil {
		if b.tcp, err = b.dial(); err != nil {
			b.tcp = nil
			return err
		}
	}
	// Its end comes with the environment's, at the latest.
	if _, err = b.tcp.Write(batch); err != nil {
		_ = b.tcp.Close()
		b.tcp = nil
	}
	return err
}

func (b *Subscriber) send(ctx context.Context, batch []byte) error {
	req, err := http.NewRequestWithContext(ctx, b.Method, fmt.Sprintf("http://sandbox.localdomain:%d%s", b.Port, b.Path), bytes.NewReader(batch))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", typeJSON)
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode >= 500 {
		err = errors.New(resp.Status)
	}
	return err
}
