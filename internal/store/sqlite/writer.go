package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/paddock-run/paddock/internal/store"
)

// A batch is what one commit makes durable. The limits bound the time that the
// first of a batch waits for the last, and the size of the log.
const (
	maxBatch      = 256
	maxBatchBytes = 4 << 20
	queueLength   = 256
)

// A request is one caller's transaction.
type request struct {
	ctx context.Context
	// size is about how many bytes it writes.
	size int
	// apply makes the changes, on the writer's goroutine inside an open
	// transaction that other requests share. An error made by refuse fails this
	// request alone, which must not have changed anything; any other error is a
	// fault and undoes the whole batch. It is called again when a batch failed.
	apply func() error
	// committed, where set, runs after the commit and before the caller hears
	// of it, in the order of the requests.
	committed func()

	err  error
	done chan error // buffered
}

// refusal is an error of one request that changed nothing.
type refusal struct{ error }

func refuse(err error) error    { return refusal{err} }
func (r refusal) Unwrap() error { return r.error }

// writer runs transactions one after the other on one connection and lets
// those that wait share a commit, whose sync is what a write costs: under load
// the batch grows to the number of callers and the syncs a second stay what
// the disk can do.
//
// When a batch fails (a full disk, an I/O error) it is rolled back and its
// requests run again one at a time, so that each caller learns what became of
// its own and a small one may pass where a large one did not fit.
type writer struct {
	begin, commit, rollback *sql.Stmt
	// beforeCommit writes what is written once a commit and not once a request:
	// counters. It belongs to the writer's goroutine.
	beforeCommit []func() error
	// rolledBack forgets what apply has left in memory, after a rollback.
	rolledBack []func()

	queue   chan *request
	closing chan struct{}
	stopped chan struct{}
	once    sync.Once
}

func newWriter(db *DB) (*writer, error) {
	w := &writer{
		queue:   make(chan *request, queueLength),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	err := db.forWrites(
		statement{&w.begin, "BEGIN IMMEDIATE"},
		statement{&w.commit, "COMMIT"},
		statement{&w.rollback, "ROLLBACK"})
	if err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

// do runs r and returns once it is durable, or with the reason why it is not.
// When ctx ends first it returns ctx's error, and r may still happen.
func (w *writer) do(ctx context.Context, r *request) error {
	r.ctx = ctx
	r.done = make(chan error, 1)
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.closing:
		return store.ErrClosed
	default:
	}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return store.ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stopped:
		// It may have been the last that was done, or have come too late.
		select {
		case err := <-r.done:
			return err
		default:
			return store.ErrClosed
		}
	}
}

// close runs what is queued and stops.
func (w *writer) close() {
	w.once.Do(func() { close(w.closing) })
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	batch := make([]*request, 0, maxBatch)
	for {
		var first *request
		select {
		case first = <-w.queue:
		case <-w.closing:
			select {
			case first = <-w.queue:
			default:
				return
			}
		}
		batch = w.collect(append(batch[:0], first))
		w.perform(batch)
		clear(batch)
	}
}

// collect adds what is waiting to a batch.
func (w *writer) collect(batch []*request) []*request {
	// The callers of the last batch have just been woken, and many of them will
	// write again: let them, before this batch closes.
	runtime.Gosched()
	for size := batch[0].size; len(batch) < maxBatch && size < maxBatchBytes; {
		select {
		case r := <-w.queue:
			batch = append(batch, r)
			size += r.size
		default:
			return batch
		}
	}
	return batch
}

// perform makes a batch durable, or what of it can be.
func (w *writer) perform(batch []*request) {
	err := w.try(batch)
	if err == nil || len(batch) == 1 {
		finish(batch, err)
		return
	}
	for i := range batch {
		one := batch[i : i+1]
		finish(one, w.try(one))
	}
}

// finish tells the callers of a batch what try made of it.
func finish(batch []*request, fault error) {
	for _, r := range batch {
		if fault == nil && r.err == nil && r.committed != nil {
			r.committed()
		}
	}
	for _, r := range batch {
		if fault != nil {
			r.done <- fault
		} else {
			r.done <- r.err
		}
	}
}

// try runs the requests in one transaction. Without an error, it is durable and
// each request's err says whether it was refused.
func (w *writer) try(batch []*request) error {
	ctx := context.Background()
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	err := w.apply(batch)
	if err == nil {
		if _, err = w.commit.ExecContext(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite has rolled back by itself after some faults, and then says that no
	// transaction is active: the connection is in order either way, or the next
	// BEGIN says that it is not.
	_, _ = w.rollback.ExecContext(ctx)
	for _, f := range w.rolledBack {
		f()
	}
	return err
}

func (w *writer) apply(batch []*request) error {
	for _, r := range batch {
		// Nobody waits for it and it has not begun: best it never happens.
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		err := r.apply()
		if refused := (refusal{}); errors.As(err, &refused) {
			r.err = refused.error
		} else if err != nil {
			return err
		}
	}
	for _, f := range w.beforeCommit {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}
