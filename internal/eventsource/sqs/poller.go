// Package sqs polls SQS queues for event source mappings: it leases messages as
// they come, runs the function with batches of them, and deletes what the
// function is done with.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/filter"
	"github.com/paddock-run/paddock/internal/function"
)

// Source makes pollers of queues.
type Source struct{ Queues eventsource.Queues }

var _ eventsource.Source = Source{}

// NewPoller implements eventsource.Source.
func (s Source) NewPoller(m *eventsource.Mapping, host eventsource.Host) (eventsource.Poller, error) {
	filters, err := filter.Compile(m.Filters)
	if err != nil {
		return nil, err
	}
	return &poller{
		mapping: m, host: host, queues: s.Queues, filters: filters, fields: filters.Fields(),
		fifo: strings.HasSuffix(m.EventSourceARN, ".fifo"), counts: newCounts(m, host.Metrics),
	}, nil
}

type poller struct {
	mapping *eventsource.Mapping
	host    eventsource.Host
	queues  eventsource.Queues
	filters *filter.Set
	fields  []string // that filters look at
	fifo    bool
	counts  counts
}

const (
	// longPoll is how long one call waits for messages: then the queue's settings
	// are read again.
	longPoll = 20 * time.Second
	// maxLease is how many messages one call takes, and maxLeased how many bytes
	// of them there should be in memory before they are in a batch.
	maxLease  = 1000
	maxLeased = 64 << 20
	// settleEvery is how often messages of a standard queue are deleted at most:
	// each time waits for the disk.
	settleEvery = 5 * time.Millisecond
)

// run is one Run of a poller.
type run struct {
	*poller
	polling, life context.Context
	limits        *limiter
	batches       sync.WaitGroup // those at the function
	done          chan []eventsource.Message

	// Only the loop that receives looks at these.
	waiting []message // received, and in no batch yet
	due     time.Time // when the window of waiting ends
	behind  bool      // the queue had as many as were asked for
	average int       // bytes of a message, of late
}

// Run implements eventsource.Poller.
func (p *poller) Run(polling, life context.Context) error {
	r := &run{poller: p, polling: polling, life: life, limits: newLimiter(p.mapping), average: 256 << 10,
		done: make(chan []eventsource.Message, 16)}
	var settled sync.WaitGroup
	settled.Go(r.settle)
	err := r.receive()
	r.release(r.waiting)
	r.batches.Wait()
	close(r.done)
	settled.Wait()
	return err
}

// receive takes messages and hands batches of them to the function, until
// polling ends.
func (r *run) receive() error {
	for {
		if !r.pause(r.limits.pause()) || !r.limits.wait(r.polling.Done(), r.behind) {
			return nil
		}
		if n, ready := r.batch(); ready {
			r.start(r.waiting[:n:n])
			r.waiting = r.waiting[n:]
			r.due = time.Now().Add(r.mapping.Window)
			continue
		}
		if err := r.more(); err != nil {
			if r.polling.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// pause reports false where polling ended.
func (r *run) pause(d time.Duration) bool {
	if d <= 0 {
		return r.polling.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-r.polling.Done():
		return false
	}
}

// batch is how many of the waiting messages go to the function next, and whether
// they go now.
func (r *run) batch() (n int, ready bool) {
	n, full := cut(r.waiting, r.mapping.BatchSize)
	return n, full || n > 0 && !time.Now().Before(r.due)
}

// more receives messages and adds to the waiting ones those that pass the
// filters; the others are deleted.
func (r *run) more() error {
	wait := longPoll
	if len(r.waiting) > 0 {
		wait = time.Until(r.due)
	}
	limit := r.room()
	got, err := r.queues.Receive(r.polling, r.mapping.EventSourceARN, limit, wait)
	if err != nil {
		return fmt.Errorf("receive from %s: %w", r.mapping.EventSourceARN, err)
	}
	r.behind = len(got) == limit
	if len(got) == 0 && len(r.waiting) == 0 {
		r.limits.idle()
		return nil
	}
	r.counts.polled.Add(float64(len(got)))
	if len(r.waiting) == 0 {
		r.due = time.Now().Add(r.mapping.Window)
	}
	var dropped []eventsource.Message
	for i := range got {
		rec := r.record(&got[i])
		text, err := encode(&rec)
		if err != nil {
			return err
		}
		r.average += (len(text) - r.average) / 16
		if r.passes(&rec, text) {
			r.waiting = append(r.waiting, message{got[i], text})
		} else {
			dropped = append(dropped, got[i])
		}
	}
	if len(dropped) > 0 {
		r.counts.filtered.Add(float64(len(dropped)))
		r.done <- dropped
	}
	return nil
}

// room is how many messages to ask for: as many as can be at the function at
// once. The batches of a FIFO queue are taken one by one, so that messages of
// one group are in one.
func (r *run) room() int {
	batch := r.mapping.BatchSize
	if r.fifo {
		return batch
	}
	n := batch*max(1, r.limits.free()) - len(r.waiting)
	return max(1, min(n, maxLease, maxLeased/max(r.average, 1)))
}

func (r *run) start(batch []message) {
	r.limits.begin()
	r.batches.Go(func() {
		defer r.limits.end()
		r.process(batch)
	})
}

// Pauses before a batch that was throttled is tried again, while its messages
// are still its own.
const (
	firstThrottled = 100 * time.Millisecond
	lastThrottled  = 5 * time.Second
)

// process runs the function with a batch.
func (r *run) process(batch []message) {
	log := r.host.Logger
	for pause := firstThrottled; ; pause = min(2*pause, lastThrottled) {
		if batch = current(batch); len(batch) == 0 {
			return
		}
		res, err := r.host.Functions.Call(r.life, r.mapping.FunctionARN, event(batch))
		switch {
		case r.life.Err() != nil && err != nil:
			return
		case errors.Is(err, function.ErrShuttingDown):
			r.release(batch)
			return
		case err != nil && errors.As(err, new(*function.ErrThrottled)):
			r.failed(len(batch))
			log.Debug("a batch was throttled", "messages", len(batch), "again", pause)
			if !r.pause(pause) {
				r.release(batch)
				return
			}
			continue
		case err != nil:
			r.failed(len(batch))
			log.Warn("a batch could not be given to the function", "messages", len(batch), "error", err)
			return
		case res.FunctionError != "":
			r.failed(len(batch))
			log.Debug("the function failed with a batch", "messages", len(batch))
			return
		}
		r.settleResult(batch, res.Payload)
		return
	}
}

func (r *run) failed(messages int) {
	r.limits.failed()
	r.counts.failed.Add(float64(messages))
	r.host.Reporter.Processed(eventsource.CallFailed)
}

// settleResult deletes what the function has done.
func (r *run) settleResult(batch []message, answer []byte) {
	var failed map[string]bool
	if r.mapping.ReportBatchItemFailures {
		known := make(map[string]bool, len(batch))
		for i := range batch {
			known[batch[i].ID] = true
		}
		var err error
		if failed, err = eventsource.FailedIDs(answer, func(id string) bool { return known[id] }); err != nil {
			r.failed(len(batch))
			r.host.Logger.Warn("a batch failed as a whole for what the function said of its items", "error", err)
			return
		}
	}
	r.limits.succeeded()
	r.counts.invoked.Add(float64(len(batch)))
	r.counts.failed.Add(float64(len(failed)))
	r.host.Reporter.Processed(eventsource.OK)
	done := make([]eventsource.Message, 0, len(batch))
	for i := range batch {
		if !failed[batch[i].ID] {
			done = append(done, batch[i].Message)
		}
	}
	if len(done) > 0 {
		r.done <- done
	}
}

// settle deletes messages, those of several batches at once where they come
// faster than the store takes them. What it cannot delete comes again.
func (r *run) settle() {
	var next time.Time // when messages may be deleted again
	for messages := range r.done {
		messages = r.gather(messages, next)
		if !r.fifo { // where a group waits for its message to be gone
			next = time.Now().Add(settleEvery)
		}
		switch err := r.queues.Delete(r.life, r.mapping.EventSourceARN, messages); {
		case err == nil:
			r.counts.deleted.Add(float64(len(messages)))
		case r.life.Err() == nil:
			r.host.Logger.Error("messages cannot be deleted, and will come again", "messages", len(messages), "error", err)
		}
	}
}

// gather adds what else there is to delete, until a moment comes or there are
// many.
func (r *run) gather(messages []eventsource.Message, until time.Time) []eventsource.Message {
	timer := time.NewTimer(max(0, time.Until(until)))
	defer timer.Stop()
	expired := false
	for len(messages) < maxLease {
		select {
		case more, ok := <-r.done:
			if !ok {
				return messages
			}
			messages = append(messages, more...)
			continue
		default:
		}
		if expired || r.polling.Err() != nil {
			return messages
		}
		select {
		case more, ok := <-r.done:
			if !ok {
				return messages
			}
			messages = append(messages, more...)
		case <-timer.C:
			expired = true
		case <-r.polling.Done():
		}
	}
	return messages
}

// release makes messages visible again that did not come to the function.
func (r *run) release(batch []message) {
	batch = current(batch)
	if len(batch) == 0 {
		return
	}
	messages := make([]eventsource.Message, len(batch))
	for i := range batch {
		messages[i] = batch[i].Message
	}
	if err := r.queues.Release(r.life, r.mapping.EventSourceARN, messages); err != nil && r.life.Err() == nil {
		r.host.Logger.Error("messages cannot be released, and will come again when their visibility timeout ends", "messages", len(messages), "error", err)
	}
}

// current leaves out the messages that others may have received by now.
func current(batch []message) []message {
	now := time.Now()
	over := func(m message) bool { return !m.Until.IsZero() && !now.Before(m.Until) }
	if !slices.ContainsFunc(batch, over) {
		return batch
	}
	return slices.DeleteFunc(slices.Clone(batch), over)
}
