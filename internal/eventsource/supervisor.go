package eventsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/metrics"
)

// Options are a Supervisor's.
type Options struct {
	Sources      map[Kind]Source
	Functions    Functions
	Destinations Destinations
	Secrets      Secrets
	Metrics      metrics.Recorder // default: metrics.Discard
	Logger       *slog.Logger     // default: none
}

// Supervisor runs a poller for each mapping that it is told to run, and runs it
// again when it fails. It is safe for concurrent use.
type Supervisor struct {
	opts    Options
	log     *slog.Logger
	polling context.Context
	stop    context.CancelFunc // ends polling
	life    context.Context
	kill    context.CancelFunc // ends life

	mu      sync.Mutex
	closed  bool
	workers map[string]*worker
	running sync.WaitGroup
}

// NewSupervisor makes a supervisor whose pollers take no more records once
// polling ends. Close it to let them finish.
func NewSupervisor(polling context.Context, opts Options) *Supervisor {
	if opts.Metrics == nil {
		opts.Metrics = metrics.Discard
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{opts: opts, log: opts.Logger, workers: map[string]*worker{}}
	s.polling, s.stop = context.WithCancel(polling)
	s.life, s.kill = context.WithCancel(context.WithoutCancel(polling))
	return s
}

// Close lets what is in flight finish, until ctx ends: then it is given up, and
// comes again at the next start.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	defer context.AfterFunc(ctx, s.kill)()
	s.running.Wait()
	s.kill()
	return nil
}

// Status is what a mapping's poller is at.
type Status struct {
	// Running is the Revision of the mapping that is polled, or that the last
	// batches of still run; 0: none is.
	Running int64
	// LastProcessingResult is what became of the last batch since the start;
	// empty: there was none.
	LastProcessingResult string
}

// Run lets a poller run for m, in place of that for an earlier revision. It
// returns at once: the earlier one first finishes what it has begun.
func (s *Supervisor) Run(m *Mapping) { s.want(m.UUID, m) }

// Stop lets the poller of a mapping finish what it has begun, and then forgets
// the mapping. It returns at once.
func (s *Supervisor) Stop(uuid string) { s.want(uuid, nil) }

// Status returns the state of a mapping's poller.
func (s *Supervisor) Status(uuid string) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[uuid]
	if w == nil {
		return Status{}
	}
	st := Status{Running: w.running}
	if p := w.result.Load(); p != nil {
		st.LastProcessingResult = *p
	}
	return st
}

// Wait returns when no poller of the mapping runs but the one that is wanted, or
// with ctx's error.
func (s *Supervisor) Wait(ctx context.Context, uuid string) error {
	for {
		s.mu.Lock()
		w := s.workers[uuid]
		if w == nil || w.wanted != nil && w.running == w.wanted.Revision {
			s.mu.Unlock()
			return nil
		}
		changed := w.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// worker runs the pollers of one mapping, one after another. Its fields but
// result are guarded by the supervisor's lock.
type worker struct {
	uuid    string
	wanted  *Mapping           // nil: none
	running int64              // the revision of what runs
	cancel  context.CancelFunc // ends the polling of what runs
	changed chan struct{}      // closed when running changes
	result  atomic.Pointer[string]
}

// Processed implements Reporter.
func (w *worker) Processed(result string) { w.result.Store(&result) }

func (s *Supervisor) want(uuid string, m *Mapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	w := s.workers[uuid]
	if w == nil {
		if m == nil {
			return
		}
		w = &worker{uuid: uuid, running: m.Revision, changed: make(chan struct{})}
		s.workers[uuid] = w
		s.running.Go(func() { s.work(w) })
	}
	w.wanted = m
	if w.cancel != nil && (m == nil || m.Revision != w.running) {
		w.cancel()
	}
}

// next takes what is to run now; nil: nothing is, and the worker is forgotten.
func (s *Supervisor) next(w *worker) (m *Mapping, polling context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
	if w.wanted == nil || s.polling.Err() != nil {
		w.running = 0
		delete(s.workers, w.uuid)
		return nil, nil
	}
	w.running = w.wanted.Revision
	polling, w.cancel = context.WithCancel(s.polling)
	return w.wanted, polling
}

// The pauses before a poller that failed is run again.
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

func (s *Supervisor) work(w *worker) {
	for {
		m, polling := s.next(w)
		if m == nil {
			return
		}
		log := s.log.With("mapping", m.UUID, "function", m.FunctionARN)
		pause := firstPause
		for polling.Err() == nil {
			began := time.Now()
			err := s.runOnce(polling, m, w, log)
			if polling.Err() != nil {
				if err != nil {
					log.Error("an event source mapping ended with an error", "error", err)
				}
				break
			}
			if err == nil {
				err = errors.New("the poller ended by itself")
			}
			if time.Since(began) > maxPause {
				pause = firstPause
			}
			log.Error("an event source cannot be polled", "error", err, "again", pause)
			w.Processed("PROBLEM: " + err.Error())
			select {
			case <-polling.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
		}
	}
}

// runOnce makes a poller and runs it until it ends.
func (s *Supervisor) runOnce(polling context.Context, m *Mapping, w *worker, log *slog.Logger) error {
	source := s.opts.Sources[m.Kind]
	if source == nil {
		return fmt.Errorf("event sources of kind %q cannot be polled", m.Kind)
	}
	p, err := source.NewPoller(m, Host{
		Functions: s.opts.Functions, Destinations: s.opts.Destinations, Secrets: s.opts.Secrets,
		Metrics: s.opts.Metrics, Logger: log, Reporter: w,
	})
	if err != nil {
		return err
	}
	return p.Run(polling, s.life)
}
