package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/registry"
)

// run is one Run of a poller.
type run struct {
	*poller
	polling, life context.Context
	cl            *kgo.Client
	schemas       *registry.Registry // nil: the mapping has none
	slots         chan struct{}      // one for each poller of provisioned mode; nil: no bound
	commits       *committer

	mu      sync.Mutex
	workers map[int32]*worker
	failing map[int32]bool     // partitions whose last batch failed
	ended   bool               // no worker is started any more
	wake    context.CancelFunc // ends the poll that runs
	yield   bool               // the next poll is to end at once
	cycled  chan struct{}      // closed when a poll's records are with their workers
	looped  chan struct{}      // closed when there are no more polls
}

// Run implements eventsource.Poller.
func (p *poller) Run(polling, life context.Context) error {
	connection, err := p.connection(polling)
	if err != nil {
		return err
	}
	schemas, err := p.registry(polling)
	if err != nil {
		return err
	}
	if schemas != nil {
		defer schemas.Close()
	}
	if err := p.begin(polling, connection); err != nil {
		if polling.Err() != nil {
			return nil
		}
		return err
	}
	r := &run{
		poller: p, polling: polling, life: life, schemas: schemas, workers: map[int32]*worker{}, failing: map[int32]bool{},
		cycled: make(chan struct{}), looped: make(chan struct{}), wake: func() {},
	}
	if p.mapping.Pollers != nil {
		r.slots = make(chan struct{}, max(1, p.mapping.Pollers.Max))
	}
	// The client joins the group at once, and calls back when there is a client
	// but r does not have it yet.
	ready := make(chan struct{})
	after := func(f func(map[string][]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { <-ready; f(parts) }
	}
	r.cl, err = kgo.NewClient(append(connection,
		kgo.ConsumerGroup(p.mapping.Topic.Group), kgo.ConsumeTopics(p.mapping.Topic.Name),
		// begin has committed where the group begins: a partition without a commit
		// is newer than the group, and all of it is to be read.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(p.opts.SessionTimeout), kgo.HeartbeatInterval(min(3*time.Second, p.opts.SessionTimeout/4)),
		kgo.MetadataMaxAge(p.opts.Discovery), kgo.MetadataMinAge(min(250*time.Millisecond, p.opts.Discovery)), kgo.FetchMaxBytes(16<<20), kgo.FetchMaxWait(time.Second),
		kgo.ProducerBatchMaxBytes(32<<20), // the on-failure topic's own limit is what counts
		kgo.OnPartitionsAssigned(after(r.assigned)), kgo.OnPartitionsRevoked(after(r.revoked)), kgo.OnPartitionsLost(after(r.lost)),
	)...)
	if err != nil {
		return err
	}
	r.commits = newCommitter(r.cl, p.mapping.Topic.Name, r.commitFailed)
	close(ready)
	committing, stopCommits := context.WithCancel(life)
	var committer sync.WaitGroup
	committer.Go(func() { r.commits.run(committing) })
	err = r.loop()
	close(r.looped)
	r.finish()
	stopCommits()
	committer.Wait()
	r.leave()
	return err
}

// revokeTimeout is how long partitions that are to become another's are held for
// the batches that their workers have at the function. The others have to wait
// meanwhile; it is below the time after which they would not any more (60 s).
const revokeTimeout = 30 * time.Second

// loop polls and hands out records, until polling ends or an error does not pass.
func (r *run) loop() error {
	for r.polling.Err() == nil {
		ctx, cancel := context.WithCancel(r.polling)
		r.mu.Lock()
		r.wake = cancel
		if r.yield {
			cancel()
		}
		r.mu.Unlock()
		fetches := r.cl.PollFetches(ctx)
		err := r.dispatch(fetches)
		cancel()
		r.mu.Lock()
		r.yield = false
		close(r.cycled)
		r.cycled = make(chan struct{})
		r.mu.Unlock()
		if err != nil && r.polling.Err() == nil {
			return err
		}
	}
	return nil
}

// settlePoll returns when no records of an earlier poll are on their way to a
// worker any more. Those of a partition that was another's in between would be
// behind a gap.
func (r *run) settlePoll() {
	r.mu.Lock()
	cycled := r.cycled
	r.yield = true
	r.wake()
	r.mu.Unlock()
	select {
	case <-cycled:
	case <-r.looped:
	}
}

// dispatch hands records to their workers. An error is one that does not pass.
func (r *run) dispatch(fetches kgo.Fetches) error {
	var last error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
		case lasting(err):
			last = explain(err)
		default:
			r.counts.pollErrors.Add(1)
			r.host.Logger.Warn("a poll of Kafka failed", "topic", topic, "partition", partition, "error", err)
			if !kerr.IsRetriable(err) {
				r.host.Reporter.Processed("PROBLEM: " + explain(err).Error())
			}
		}
	})
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		r.mu.Lock()
		w := r.workers[f.Partition]
		r.mu.Unlock()
		if w == nil {
			return // it is another's by now
		}
		w.end.Store(f.HighWatermark)
		if len(f.Records) > 0 {
			r.counts.polled.Add(float64(len(f.Records)))
			w.push(f.Records)
		}
	})
	return last
}

// assigned starts workers for partitions that are now this process's.
func (r *run) assigned(parts map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	for _, p := range parts[r.mapping.Topic.Name] {
		w := newWorker(r, p)
		r.workers[p] = w
		go w.run()
	}
}

// take removes workers, so that they get no more records.
func (r *run) take(parts []int32) []*worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*worker
	for _, p := range parts {
		if w := r.workers[p]; w != nil {
			out = append(out, w)
			delete(r.workers, p)
			delete(r.failing, p)
		}
	}
	return out
}

// revoked lets the workers of partitions that are to become another's finish
// their batches, within revokeTimeout. The batch of one that does not comes to
// its new owner again.
func (r *run) revoked(parts map[string][]int32) {
	workers := r.take(parts[r.mapping.Topic.Name])
	if len(workers) == 0 {
		return
	}
	r.settlePoll()
	ctx, cancel := context.WithTimeout(r.life, min(revokeTimeout, r.opts.SessionTimeout))
	defer cancel()
	for _, w := range workers {
		w.stop()
	}
	dropped := 0
	for _, w := range workers {
		select {
		case <-w.done:
		case <-ctx.Done():
			dropped++
		}
	}
	flushed := r.commits.flush(ctx, workers)
	r.commits.lose(workers)
	for _, w := range workers {
		w.cancel()
	}
	r.host.Logger.Info("partitions are another's now", "partitions", len(workers), "batches_dropped", dropped, "committed", flushed)
}

// lost drops what is in flight of partitions that are another's already.
func (r *run) lost(parts map[string][]int32) {
	workers := r.take(parts[r.mapping.Topic.Name])
	r.commits.lose(workers)
	for _, w := range workers {
		w.stop()
		w.cancel()
	}
	if len(workers) > 0 {
		r.settlePoll()
		r.host.Logger.Warn("partitions were lost, and will be assigned anew", "partitions", len(workers))
	}
}

// finish lets all workers finish their batches and commits what they did, until
// life ends.
func (r *run) finish() {
	r.mu.Lock()
	r.ended = true
	var workers []*worker
	for _, w := range r.workers {
		workers = append(workers, w)
	}
	r.mu.Unlock()
	for _, w := range workers {
		w.stop()
	}
	for _, w := range workers {
		select {
		case <-w.done:
		case <-r.life.Done():
		}
	}
	ctx, cancel := context.WithTimeout(r.life, commitTimeout)
	defer cancel()
	if !r.commits.flush(ctx, workers) {
		r.host.Logger.Warn("offsets could not be committed before the end: records will come again")
	}
	r.commits.lose(workers)
	for _, w := range workers {
		w.cancel()
	}
}

// leave tells the group, so that others need not wait for the session's end.
func (r *run) leave() {
	bound := commitTimeout
	if r.life.Err() != nil {
		bound = 500 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.life), bound)
	defer cancel()
	if err := r.cl.LeaveGroupContext(ctx); err != nil {
		r.host.Logger.Debug("the consumer group was not left", "error", err)
	}
	r.cl.Close()
}

func (r *run) commitFailed(err error) {
	r.counts.commitErrors.Add(1)
	r.host.Logger.Debug("offsets were not committed, and will be again", "error", err)
}

// processed reports what became of a partition's batch. While any partition
// fails, that is what the mapping shows.
func (r *run) processed(w *worker, problem string) {
	r.mu.Lock()
	switch {
	case r.workers[w.partition] != w: // its partition is another's: that one reports
	case problem == "":
		delete(r.failing, w.partition)
	default:
		r.failing[w.partition] = true
	}
	failing := len(r.failing)
	r.mu.Unlock()
	switch {
	case problem != "":
		r.host.Reporter.Processed(problem)
	case failing == 0:
		r.host.Reporter.Processed(eventsource.OK)
	}
}

// lag adds the figures of how far the workers are behind.
func (r *run) lag(of *worker) {
	var sum, most int64
	r.mu.Lock()
	for _, w := range r.workers {
		if behind := w.behind(); behind > 0 {
			sum, most = sum+behind, max(most, behind)
		}
	}
	r.mu.Unlock()
	r.counts.offsetLag.Add(float64(max(0, of.behind())))
	r.counts.maxLag.Add(float64(most))
	r.counts.sumLag.Add(float64(sum))
}
