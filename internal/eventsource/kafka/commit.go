package kafka

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committer commits offsets for all the workers of a run, the newest of each in
// one request: a worker does not wait for the broker between two batches.
type committer struct {
	cl    *kgo.Client
	topic string
	on    func(error) // told of each request that fails

	mu      sync.Mutex
	wanted  map[*worker]kgo.EpochOffset // not yet sent
	sending map[*worker]bool
	changed chan struct{} // closed when a request has ended
	wake    chan struct{}
}

func newCommitter(cl *kgo.Client, topic string, on func(error)) *committer {
	return &committer{cl: cl, topic: topic, on: on, wanted: map[*worker]kgo.EpochOffset{}, sending: map[*worker]bool{},
		changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// mark asks for an offset to be committed. It does nothing for a worker whose
// partition is another's by now: that one may be further on.
func (c *committer) mark(w *worker, next kgo.EpochOffset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.lost {
		return
	}
	c.wanted[w] = next
	w.ahead++
	c.signal()
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// maxAhead is how many times a worker's offset is marked before one of them has
// to be committed: as many batches of a partition may come again.
const maxAhead = 5

// caughtUp waits until no more than maxAhead batches of a worker would come again
// with its next one; false: it is to stop.
func (c *committer) caughtUp(w *worker) bool {
	for {
		c.mu.Lock()
		ahead, changed := w.ahead, c.changed
		c.mu.Unlock()
		if ahead < maxAhead {
			return true
		}
		select {
		case <-changed:
		case <-w.stopping:
			return false
		case <-w.ctx.Done():
			return false
		}
	}
}

// tell wakes who waits for a change. The lock is held.
func (c *committer) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// lose forgets workers whose partitions are another's.
func (c *committer) lose(workers []*worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range workers {
		w.lost = true
		delete(c.wanted, w)
	}
	c.tell()
}

// flush waits until what was marked for workers is committed; false: ctx ended
// before.
func (c *committer) flush(ctx context.Context, workers []*worker) bool {
	for {
		c.mu.Lock()
		open := false
		for _, w := range workers {
			_, wanted := c.wanted[w]
			open = open || wanted || c.sending[w]
		}
		changed := c.changed
		c.mu.Unlock()
		if !open {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// commitPause is how long a request that failed is not repeated, and
// commitTimeout how long one may take.
const (
	commitPause   = 200 * time.Millisecond
	commitTimeout = 10 * time.Second
)

// run sends requests until ctx ends.
func (c *committer) run(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		for c.send(ctx) != nil {
			select {
			case <-time.After(commitPause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// send makes one request of what is wanted. What it does not commit it wants
// again, unless there is a newer offset.
func (c *committer) send(ctx context.Context) error {
	c.mu.Lock()
	batch := maps.Clone(c.wanted)
	clear(c.wanted)
	offsets, ahead := map[int32]kgo.EpochOffset{}, map[*worker]int{}
	for w, o := range batch {
		c.sending[w], ahead[w] = true, w.ahead
		offsets[w.partition] = o
	}
	c.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	failed := map[int32]error{}
	var failure error
	c.cl.CommitOffsetsSync(bounded, map[string]map[int32]kgo.EpochOffset{c.topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if failure = err; err != nil || resp == nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						failed[p.Partition], failure = err, err
					}
				}
			}
		})
	c.mu.Lock()
	for w, o := range batch {
		_, newer := c.wanted[w]
		switch {
		case failure == nil, len(failed) > 0 && failed[w.partition] == nil:
			w.ahead -= ahead[w]
		case !newer && !w.lost:
			c.wanted[w] = o
		}
		delete(c.sending, w)
	}
	c.tell()
	c.mu.Unlock()
	if failure != nil && ctx.Err() == nil {
		c.on(failure)
	}
	return failure
}
