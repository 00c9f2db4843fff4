package kafka

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/registry"
)

// worker takes the records of one partition to the function, in their order.
type worker struct {
	r         *run
	partition int32
	name      string // "topic-0", as events call the partition
	quoted    []byte // name in JSON
	log       *slog.Logger

	ctx      context.Context    // of invocations
	cancel   context.CancelFunc // drops what is in flight
	stopping chan struct{}      // closed: no more batches, no more attempts
	stopOnce sync.Once
	done     chan struct{}
	lost     bool         // guarded by the committer: the partition is another's
	ahead    int          // guarded by the committer: marks that are not committed
	end      atomic.Int64 // the offset after the partition's last record, as of the last poll
	next     atomic.Int64 // the offset after the last record that is settled

	mu     sync.Mutex
	queue  []*kgo.Record
	bytes  int // of queue
	paused bool
	more   chan struct{} // has a token when there is more in the queue
}

// A partition is not fetched while its queue has more than maxQueued bytes, or
// twice as many records as a batch.
const maxQueued = 2 * eventsource.MaxPayload

func newWorker(r *run, partition int32) *worker {
	w := &worker{
		r: r, partition: partition, name: r.mapping.Topic.Name + "-" + strconv.Itoa(int(partition)),
		log: r.host.Logger.With("partition", partition), stopping: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1),
	}
	w.quoted = []byte(strconv.Quote(w.name)) // topics' names are letters, digits, ".", "_" and "-"
	w.ctx, w.cancel = context.WithCancel(r.life)
	return w
}

// stop lets the worker finish the batch that is at the function.
func (w *worker) stop() { w.stopOnce.Do(func() { close(w.stopping) }) }

func (w *worker) stopped() bool {
	select {
	case <-w.stopping:
		return true
	case <-w.ctx.Done():
		return true
	default:
		return false
	}
}

// wait waits for d; false: the worker is to stop.
func (w *worker) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-w.stopping:
		return false
	case <-w.ctx.Done():
		return false
	}
}

// behind is how many records there are that are not settled.
func (w *worker) behind() int64 {
	next := w.next.Load()
	if next == 0 {
		return 0
	}
	return w.end.Load() - next
}

func sizeOf(r *kgo.Record) int { return len(r.Key) + len(r.Value) + 64 }

// partitions is the worker's partition as the client wants it named.
func (w *worker) partitions() map[string][]int32 {
	return map[string][]int32{w.r.mapping.Topic.Name: {w.partition}}
}

// push adds records, and has no more of them fetched when there are many.
func (w *worker) push(records []*kgo.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, records...)
	for _, r := range records {
		w.bytes += sizeOf(r)
	}
	if !w.paused && (w.bytes > maxQueued || len(w.queue) > 2*w.r.mapping.BatchSize) {
		w.paused = true
		w.r.cl.PauseFetchPartitions(w.partitions())
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// pop takes the first record; nil: there is none yet.
func (w *worker) pop() *kgo.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	r := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	w.bytes -= sizeOf(r)
	if w.paused && w.bytes <= maxQueued/2 && len(w.queue) <= w.r.mapping.BatchSize {
		w.paused = false
		w.r.cl.ResumeFetchPartitions(w.partitions())
	}
	return r
}

// close lets go of the records that wait.
func (w *worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = nil
	if w.paused {
		w.paused = false
		w.r.cl.ResumeFetchPartitions(w.partitions())
	}
}

func (w *worker) run() {
	defer close(w.done)
	defer w.close()
	var held *item // did not fit into the batch before
	for {
		var b batch
		b, held = w.gather(held)
		if w.stopped() || !w.process(&b) {
			return
		}
	}
}

// batch is what one turn of the worker is about.
type batch struct {
	items    []*item
	rejected []*item         // that never come to the function
	end      kgo.EpochOffset // after the last record that was taken, filtered ones among them
}

// maxTaken is how many records are filtered out before their offset is committed.
const maxTaken = 10_000

// gather takes records until the batch is full or its window ends. It returns the
// record that did not fit. When the worker is to stop, the batch is not whole.
func (w *worker) gather(held *item) (b batch, left *item) {
	size, taken := w.eventSize(), 0
	var window <-chan time.Time
	add := func(it *item) bool {
		switch {
		case it.reason != "":
			b.rejected = append(b.rejected, it)
		case len(b.items) > 0 && size+len(it.json)+1 > eventsource.MaxPayload:
			return false
		default:
			b.items, size = append(b.items, it), size+len(it.json)+1
		}
		b.end = kgo.EpochOffset{Epoch: it.epoch, Offset: it.offset + 1}
		return true
	}
	if held != nil {
		add(held)
	}
	for !w.stopped() && len(b.items) < w.r.mapping.BatchSize {
		if window == nil && len(b.items) > 0 && w.r.mapping.Window > 0 {
			window = time.After(w.r.mapping.Window)
		}
		select {
		case <-window:
			return b, nil
		default:
		}
		if taken++; taken > maxTaken && len(b.items) == 0 {
			return b, nil
		}
		r := w.pop()
		if r == nil {
			if len(b.items) > 0 && window == nil || len(b.items) == 0 && b.end.Offset > 0 {
				return b, nil
			}
			select {
			case <-w.more:
			case <-window:
				return b, nil
			case <-w.stopping:
			case <-w.ctx.Done():
			}
			continue
		}
		it, ok := w.prepare(r)
		if !ok {
			return b, nil
		}
		if it == nil { // filtered out
			b.end = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
			continue
		}
		if !add(it) {
			return b, it
		}
	}
	return b, nil
}

// Pauses between attempts: of a function that fails, a registry or a destination
// that is not there.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// prepare validates, filters and writes a record. nil: it was filtered out;
// false: the worker is to stop.
func (w *worker) prepare(r *kgo.Record) (it *item, ok bool) {
	rec := newRecord(r)
	reason := ""
	if w.r.schemas != nil {
		for pause := firstPause; ; pause = min(2*pause, lastPause) {
			var err error
			if reason, err = w.validate(rec); err == nil {
				break
			}
			if w.ctx.Err() != nil {
				return nil, false
			}
			w.r.counts.registryErrors.Add(1)
			w.log.Warn("the schema registry cannot be used", "error", err, "again", pause)
			w.r.processed(w, "PROBLEM: "+err.Error())
			if !w.wait(pause) {
				return nil, false
			}
		}
	}
	if reason == "" && !w.r.passes(rec) {
		w.r.counts.filtered.Add(1)
		return nil, true
	}
	text, err := marshal(rec)
	if err != nil {
		// Nothing in a record can be no JSON.
		w.log.Error("a record cannot be written", "offset", r.Offset, "error", err)
		reason = registry.DeserializationError
	}
	if reason == "" && w.eventSize()+len(text)+1 > eventsource.MaxPayload {
		reason = tooLarge
	}
	return &item{offset: r.Offset, epoch: r.LeaderEpoch, timestamp: r.Timestamp, key: r.Key, json: text, reason: reason}, true
}

// validate puts a record's key and value into the form that the function gets. An
// error is the registry's, and may pass; a reason is for ever.
func (w *worker) validate(rec *record) (reason string, err error) {
	for _, part := range []struct {
		validate bool
		data     **[]byte
		schema   **schemaMetadata
		doc      *[]byte
	}{
		{w.r.validateKey, &rec.Key, &rec.KeySchema, &rec.keyDoc},
		{w.r.validateValue, &rec.Value, &rec.ValueSchema, &rec.valDoc},
	} {
		if !part.validate || *part.data == nil {
			continue
		}
		d, err := w.r.schemas.Decode(w.ctx, **part.data)
		if invalid, ok := errors.AsType[*registry.InvalidError](err); ok {
			w.r.counts.validationErrors.Add(1)
			w.log.Warn("a record is not what its schema says", "offset", rec.Offset, "error", err)
			// A destination gets the record as it is.
			return invalid.Reason, nil
		}
		if err != nil {
			return "", err
		}
		*part.data, *part.schema, *part.doc = &d.Data, metadata(d), d.JSON
	}
	return "", nil
}
