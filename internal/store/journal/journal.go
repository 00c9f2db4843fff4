// Package journal is the driver of the message shape: an append-only journal on
// disk, and an index of every message in memory.
//
// A message is written several times in its life (sent, leased, deleted), and
// all but its body is small; a database pays for each of these with pages of
// its tables and indexes, a journal with a few dozen bytes behind the last.
// Concurrent calls share one write and one fdatasync.
//
// What is in memory: some 120 bytes a message, and the bodies of the first
// [Options].CacheBytes of them. What is on disk is read again when it is opened
// (2.7 s for a million messages), and rewritten, oldest segment first,
// once most of it is of messages that are gone.
//
// A message that is sent is to be seen once it is durable. Leases, changes of
// leases and deletions take effect at once, and are written in the same order:
// a call that promises durability waits for its record, and where that cannot
// be written the record is kept and written later. The lease of an unordered
// queue promises none: after a crash the message may come once more, which
// standard queues allow; the leases of ordered queues are waited for.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

const (
	defaultSegmentBytes = 64 << 20
	defaultCacheBytes   = 64 << 20
	// overhead is about what a message takes on disk beside its payload.
	overhead = 100
	// lazyWrite is how long records that nobody waits for stay in memory.
	lazyWrite = 20 * time.Millisecond
	// retryWrite is how long the writer waits after a write that failed, where
	// nobody asks for the next.
	retryWrite = 200 * time.Millisecond
)

// Options are how a journal is kept. The zero value is good.
type Options struct {
	SegmentBytes int64 // of a file; 0: 64 MB
	CacheBytes   int64 // of bodies in memory; 0: 64 MB
	Logger       *slog.Logger
}

// Journal holds queues in a folder. It is safe for concurrent use.
type Journal struct {
	dir  string
	opts Options
	log  *slog.Logger
	hub  *waiters
	kick chan struct{} // holds one: there is something to write
	// stopped is closed when the writer has ended.
	stopped chan struct{}

	mu       sync.Mutex // taken before the hub's
	closed   bool
	queues   map[string]*queue
	lastSeq  int64
	lastSent int64 // never falls, so that a queue's messages lie in order of age
	lastNum  int64 // of a queue
	cached   int64 // bytes of payloads in memory
	live     int64 // bytes on disk of the messages that are there
	next     *batch
	lazy     *time.Timer

	// Of the writer's goroutine, but for reading under the lock:
	segments []*segment
	number   uint64 // of the last batch
}

var _ store.Messages = (*Journal)(nil)

// batch is what is written at once. The caller that makes the first record of it
// begins it; the writer ends it.
type batch struct {
	encoder
	sends []*sending
	moved []*rewrite
	// volatile are the parts of buf that are dropped where it cannot be written;
	// the others tell of what has happened already.
	volatile []span
	waiters  int
	lazy     bool // it will be written though nobody waits
	done     chan struct{}
	err      error // once done is closed
}

type span struct{ from, to int }

func newBatch() *batch {
	return &batch{encoder: encoder{appendHeader(nil)}, done: make(chan struct{})}
}

func (b *batch) empty() bool { return len(b.buf) == batchHeader && b.waiters == 0 }

// Open opens the journal in a folder, which it makes where there is none.
func Open(dir string, opts Options) (*Journal, error) {
	if opts.SegmentBytes == 0 {
		opts.SegmentBytes = defaultSegmentBytes
	}
	if opts.CacheBytes == 0 {
		opts.CacheBytes = defaultCacheBytes
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	j := &Journal{
		dir: dir, opts: opts, log: opts.Logger, hub: newWaiters(), queues: map[string]*queue{}, next: newBatch(),
		kick: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	if err := j.replay(); err != nil {
		for _, s := range j.segments {
			err = errors.Join(err, s.file.Close())
		}
		return nil, fmt.Errorf("open the queues: %w", err)
	}
	go j.write()
	return j, nil
}

// Close writes what is left and ends every wait with [store.ErrClosed].
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		<-j.stopped
		return nil
	}
	j.closed = true
	if j.lazy != nil {
		j.lazy.Stop()
	}
	j.mu.Unlock()
	j.hub.close()
	j.wake()
	<-j.stopped
	var errs []error
	if len(j.next.buf) > batchHeader {
		errs = append(errs, errors.New("close the queues: the last leases could not be written"))
	}
	for _, s := range j.segments {
		errs = append(errs, s.file.Truncate(s.size), s.file.Close())
	}
	return errors.Join(errs...)
}

func (j *Journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// now is the time for what is sent: it never goes back.
func (j *Journal) now() int64 {
	j.lastSent = max(j.lastSent, time.Now().UnixMilli())
	return j.lastSent
}

// queue returns a queue, which it makes where there is none. It is called with
// the lock held, like all that follows.
func (j *Journal) queue(name string, ordered bool) *queue {
	q := j.queues[name]
	if q == nil {
		j.lastNum++
		q = newQueue(j.lastNum, name)
		q.ordered = ordered
		j.queues[name] = q
		j.next.queue(q)
	}
	if q.ordered != ordered && len(q.messages) == 0 {
		q.ordered = ordered
	}
	return q
}

// await gives up the lock and waits until what was recorded is durable.
func (j *Journal) await(ctx context.Context) error {
	b := j.next
	b.waiters++
	j.mu.Unlock()
	j.wake()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recorded sees to it that what nobody waits for is written soon.
func (j *Journal) recorded() {
	if j.next.waiters > 0 || j.next.lazy || j.closed {
		return
	}
	j.next.lazy = true
	if j.lazy == nil {
		j.lazy = time.AfterFunc(lazyWrite, j.wake)
	} else {
		j.lazy.Reset(lazyWrite)
	}
}

// begin checks that a call may go on, and takes the lock.
func (j *Journal) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return store.ErrClosed
	}
	return nil
}

// Reset deletes every queue. Sequences go on rising.
func (j *Journal) Reset(ctx context.Context) error {
	if err := j.begin(ctx); err != nil {
		return err
	}
	for _, q := range j.queues {
		j.drop(q)
	}
	return j.await(ctx)
}
