package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/function"
)

// group is some of a batch's records that go to the function together.
type group struct {
	items    []*item
	calls    int // invocations of them so far, together or with others
	failures int // of those that count against the retries
	pause    time.Duration
}

// process brings a batch to its end: every record was with the function
// successfully, or was given up. false: the worker is to stop before.
//
// Records go in their order. What comes after a failure waits for it, so that
// groups are a stack: of a group that failed, what is to be tried again goes back
// on top.
func (w *worker) process(b *batch) bool {
	byReason := map[string][]*item{}
	for _, it := range b.rejected {
		byReason[it.reason] = append(byReason[it.reason], it)
	}
	for reason, items := range byReason {
		if !w.giveUp(items, failure{condition: reason}) {
			return false
		}
	}
	var stack []*group
	if len(b.items) > 0 {
		stack = append(stack, &group{items: b.items, pause: firstPause})
	}
	for len(stack) > 0 {
		g := stack[len(stack)-1]
		w.settle(kgo.EpochOffset{Epoch: g.items[0].epoch, Offset: g.items[0].offset})
		if w.stopped() {
			return false
		}
		stack = stack[:len(stack)-1]
		again, ok := w.attempt(g)
		if !ok {
			return false
		}
		stack = append(stack, again...)
	}
	w.settle(b.end)
	return true
}

// settle has everything before an offset committed.
func (w *worker) settle(next kgo.EpochOffset) {
	if next.Offset <= w.next.Load() {
		return
	}
	first := w.next.Swap(next.Offset) == 0
	if first && next.Offset == 0 {
		return
	}
	w.r.commits.mark(w, next)
	w.r.lag(w)
}

// attempt runs the function once with a group. It returns what is to be tried
// again, last first. false: the worker is to stop.
func (w *worker) attempt(g *group) (again []*group, ok bool) {
	if old := w.expired(g); len(old) > 0 {
		if !w.giveUp(old, failure{condition: tooOld, calls: g.calls}) {
			return nil, false
		}
		if len(g.items) == 0 {
			return nil, true
		}
	}
	payload := w.event(g.items)
	if !w.r.commits.caughtUp(w) || !w.acquire() {
		return nil, false
	}
	res, err := w.r.host.Functions.Call(w.ctx, w.r.mapping.FunctionARN, payload)
	w.free()
	if err != nil && w.ctx.Err() != nil {
		return nil, false
	}
	var failed []*item
	switch {
	case errors.Is(err, function.ErrResponseTooLarge):
		failed = g.items
	case err != nil:
		// The function did not run: this is no failure of the records, and they
		// are tried until they are too old.
		switch {
		case errors.Is(err, function.ErrShuttingDown): // it is over in a moment
		case errors.As(err, new(*function.ErrThrottled)):
			w.failed(slog.LevelDebug, g.items, err)
		default:
			w.failed(slog.LevelWarn, g.items, err)
		}
		if !w.wait(g.pause) {
			return nil, false
		}
		g.pause = min(2*g.pause, lastPause)
		return []*group{g}, true
	case res.FunctionError != "":
		failed, err = g.items, errors.New(res.FunctionError)
	case w.r.mapping.ReportBatchItemFailures:
		if failed, err = w.reported(g.items, res.Payload); err != nil {
			failed = g.items
		}
	}
	g.calls++
	w.r.counts.invoked.Add(float64(len(g.items)))
	if len(failed) == 0 {
		w.r.processed(w, "")
		return nil, true
	}
	whole := len(failed) == len(g.items) && err != nil
	w.failed(slog.LevelDebug, failed, err)
	if whole && w.r.mapping.Bisect && len(g.items) > 1 {
		// Splitting is no retry.
		half := len(g.items) / 2
		return []*group{
			{items: g.items[half:], calls: g.calls, failures: g.failures, pause: firstPause},
			{items: g.items[:half], calls: g.calls, failures: g.failures, pause: firstPause},
		}, true
	}
	g.failures++
	g.items = failed
	if w.r.retries >= 0 && g.failures > w.r.retries {
		return nil, w.giveUp(failed, w.exhausted(g.calls, res))
	}
	if !w.wait(g.pause) {
		return nil, false
	}
	g.pause = min(2*g.pause, lastPause)
	return []*group{g}, true
}

// failed books records that the function has not done.
func (w *worker) failed(level slog.Level, items []*item, err error) {
	w.r.counts.failed.Add(float64(len(items)))
	w.r.counts.invokeErrors.Add(1)
	w.log.Log(w.ctx, level, "the function has not done a batch", "records", len(items), "first", items[0].offset, "error", err)
	w.r.processed(w, eventsource.CallFailed)
}

// expired takes the records out of a group that are too old.
func (w *worker) expired(g *group) []*item {
	if w.r.mapping.MaxRecordAge <= 0 {
		return nil
	}
	limit := time.Now().Add(-w.r.mapping.MaxRecordAge)
	var old, fresh []*item
	for _, it := range g.items {
		if it.timestamp.Before(limit) {
			old = append(old, it)
		} else {
			fresh = append(fresh, it)
		}
	}
	g.items = fresh
	return old
}

// acquire waits for one of the mapping's pollers, where it has a number of them.
func (w *worker) acquire() bool {
	if w.r.slots == nil {
		return true
	}
	select {
	case w.r.slots <- struct{}{}:
		return true
	case <-w.stopping:
		return false
	case <-w.ctx.Done():
		return false
	}
}

func (w *worker) free() {
	if w.r.slots != nil {
		<-w.r.slots
	}
}

// reported returns the records that the function says have failed. An error: all
// of them count as failed.
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html#kafka-partial-batch-response
func (w *worker) reported(items []*item, answer []byte) ([]*item, error) {
	ids, err := eventsource.BatchItemFailures(answer)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	named := make(map[int64]bool, len(ids))
	for _, raw := range ids {
		// Keys are taken as they are written: a struct's would fold their case.
		var id map[string]json.RawMessage
		var partition string
		var offset *int64
		if err := errors.Join(json.Unmarshal(raw, &id), json.Unmarshal(id["partition"], &partition), json.Unmarshal(id["offset"], &offset)); err != nil {
			return nil, fmt.Errorf("the itemIdentifier %s is no partition and offset: %w", raw, err)
		}
		if offset == nil || partition != w.name {
			return nil, fmt.Errorf("the itemIdentifier %s is none of the batch's", raw)
		}
		named[*offset] = true
	}
	var failed []*item
	for _, it := range items {
		if named[it.offset] {
			failed = append(failed, it)
		}
	}
	if len(failed) != len(named) {
		return nil, errors.New("an itemIdentifier is none of the batch's")
	}
	return failed, nil
}
