package logs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// The sink keeps what functions write off the path of their invocations: Ingest
// only appends to memory, and a goroutine stores what has come together.
const (
	gatherFor   = 50 * time.Millisecond // how long events come together before they are stored
	maxHeld     = 64 << 20              // bytes held in memory; what comes on top is dropped
	atOnce      = 16                    // streams written at the same time, in shared commits
	retryPeriod = time.Second           // between tries while the store refuses
)

// streamKey names a stream for the sink.
type streamKey struct{ account, region, group, stream string }

type sink struct {
	service *Service
	wake    chan struct{}

	mu      sync.Mutex
	held    map[streamKey][]store.LogEvent
	bytes   int
	dropped int
	// taken counts the batches begun, stored those ended: flush waits for its own.
	taken, stored int64
	urgent        bool
	changed       chan struct{} // closed when a batch has ended
	closed        bool
	done          chan struct{}
}

func newSink(s *Service) *sink {
	k := &sink{service: s, wake: make(chan struct{}, 1), held: map[streamKey][]store.LogEvent{}, changed: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

// Ingest takes what a function's environment wrote, without waiting. The group
// and the stream are made where they are missing. The events become readable
// at once and durable a moment later.
func (s *Service) Ingest(account, region, group, stream string, events []store.LogEvent) {
	k := s.sink
	now := s.now()
	size := 0
	for i := range events {
		events[i].Ingestion = now
		size += len(events[i].Message) + eventOverhead
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.bytes+size > maxHeld {
		k.dropped += len(events)
		return
	}
	key := streamKey{account, region, group, stream}
	k.held[key] = append(k.held[key], events...)
	k.bytes += size
	k.signal()
}

// Close stores what the sink holds and stops it. What comes later is dropped.
func (s *Service) Close(ctx context.Context) error {
	k := s.sink
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		k.signal()
	}
	k.mu.Unlock()
	select {
	case <-k.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush waits until everything that was ingested before it is stored.
func (s *Service) Flush(ctx context.Context) error { return s.sink.flush(ctx) }

func (k *sink) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// flush waits until everything that was ingested before it is stored.
func (k *sink) flush(ctx context.Context) error {
	k.mu.Lock()
	want := k.taken
	if len(k.held) > 0 {
		want++
		k.urgent = true
		k.signal()
	}
	for k.stored < want {
		changed := k.changed
		k.mu.Unlock()
		select {
		case <-changed:
		case <-k.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		k.mu.Lock()
	}
	k.mu.Unlock()
	return nil
}

func (k *sink) run() {
	defer close(k.done)
	gather := time.NewTimer(0)
	<-gather.C
	for range k.wake {
		gather.Reset(gatherFor)
		for waiting := true; waiting; {
			k.mu.Lock()
			hurry := k.urgent || k.closed
			k.mu.Unlock()
			if hurry {
				break
			}
			select {
			case <-gather.C:
				waiting = false
			case <-k.wake: // perhaps somebody is in a hurry: look
			}
		}
		gather.Stop()
		if k.store(k.take()) {
			return
		}
	}
}

// take empties the sink into a batch.
func (k *sink) take() map[streamKey][]store.LogEvent {
	k.mu.Lock()
	defer k.mu.Unlock()
	batch := k.held
	k.held, k.bytes, k.urgent = map[streamKey][]store.LogEvent{}, 0, false
	if k.dropped > 0 {
		k.service.log.Warn("log events were dropped: functions write faster than the disk", "events", k.dropped)
		k.dropped = 0
	}
	k.taken++
	return batch
}

// store writes a batch and says whether it was the last.
func (k *sink) store(batch map[streamKey][]store.LogEvent) (last bool) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for key, events := range batch {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			k.append(key, events)
		})
	}
	wg.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stored++
	close(k.changed)
	k.changed = make(chan struct{})
	return k.closed && len(k.held) == 0
}

// append stores one stream's events, trying again a few times while the store
// refuses: a full disk may have room again.
func (k *sink) append(key streamKey, events []store.LogEvent) {
	s := k.service
	ctx := context.Background() // the events outlive whoever caused them
	g := &group{Account: key.account, Region: key.region, Name: key.group}
	for try := 1; ; try++ {
		err := s.ensure(ctx, g)
		if err == nil {
			err = s.events.Append(ctx, g.eventsKey(), key.stream, events)
		}
		if err == nil {
			return
		}
		if try == 3 || k.isClosed() {
			s.log.Error("log events cannot be stored and are lost", "group", key.group, "stream", key.stream, "events", len(events), "error", err)
			return
		}
		<-time.After(retryPeriod)
	}
}

func (k *sink) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// ensure makes a group where it is missing.
func (s *Service) ensure(ctx context.Context, g *group) error {
	if _, ok := s.groups.Get(g.key()); ok {
		return nil
	}
	created := *g
	created.Created = s.now().UnixMilli()
	if err := s.create(ctx, &created); err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}
