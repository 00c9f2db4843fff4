package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// mappingCollection holds a mappingDoc for each event source mapping, at
// lambda/<account>/<region>/event-source-mapping/<uuid>.
const mappingCollection = "event-source-mapping"

// mappingDoc is an event source mapping.
type mappingDoc struct {
	eventsource.Mapping
	Enabled bool `json:"enabled"`
	// Change is the state until the poller has caught up with this document.
	Change       mappingState `json:"change"`
	LastModified time.Time    `json:"lastModified"`
	// Result was LastProcessingResult at the last change, for a time without
	// batches: while the mapping is disabled, and after a restart.
	Result string            `json:"result,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`

	revision int64 // the document's
}

type mappingState string

// https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
const (
	mappingCreating  mappingState = "Creating"
	mappingEnabling  mappingState = "Enabling"
	mappingEnabled   mappingState = "Enabled"
	mappingDisabling mappingState = "Disabling"
	mappingDisabled  mappingState = "Disabled"
	mappingUpdating  mappingState = "Updating"
	mappingDeleting  mappingState = "Deleting"
)

func mappingsPrefix(account, region string) string {
	return keyPrefix + account + "/" + region + "/" + mappingCollection + "/"
}

func (d *mappingDoc) key() string { return mappingsPrefix(d.Account, d.Region) + d.UUID }

func (d *mappingDoc) write(cond store.Condition) store.Write {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return store.Write{Key: d.key(), Value: b, If: cond}
}

// isMapping tells the keys of event source mappings from all others.
func isMapping(key string) bool {
	parts := strings.Split(strings.TrimPrefix(key, keyPrefix), "/")
	return len(parts) == 4 && parts[2] == mappingCollection
}

// Pollers runs the pollers of event source mappings. *eventsource.Supervisor is
// one. Its methods but Wait return at once.
type Pollers interface {
	Run(m *eventsource.Mapping)
	Stop(uuid string)
	Status(uuid string) eventsource.Status
	Wait(ctx context.Context, uuid string) error
}

// Sources is what event source mappings need to know of their sources.
type Sources interface {
	// QueueVisibility is a queue's visibility timeout, by its ARN, and false
	// where there is no such queue.
	QueueVisibility(arn string) (time.Duration, bool)
	// Check says what is wrong with a mapping that only its kind of source knows:
	// that a cluster's brokers are not known, that it cannot be polled here.
	Check(m *eventsource.Mapping) error
}

// mappings knows every event source mapping, and tells the pollers of changes.
// It is fed as the index of functions is: by the list at start, the watch, and
// each own write.
type mappings struct {
	watched *atomic.Int64 // the index's

	// writing is held from the check that a mapping is the only one of its source
	// and function until it is there.
	writing sync.Mutex

	mu      sync.Mutex
	m       map[string]*mappingDoc // by document key
	deleted map[string]int64       // revisions of deletions that the watch has not told of
	pollers Pollers                // nil until Poll is called
	remove  func(*mappingDoc)      // is called for one that is being deleted, once there are pollers
}

// apply takes a document's new state (Value nil: deleted); those that are no
// mapping, and states older than what is known, it ignores.
func (x *mappings) apply(d store.Document) error {
	if !isMapping(d.Key) {
		return nil
	}
	var doc *mappingDoc
	if d.Value != nil {
		doc = &mappingDoc{}
		if err := json.Unmarshal(d.Value, doc); err != nil {
			return fmt.Errorf("lambda: document %s: %w", d.Key, err)
		}
		doc.revision = d.Revision
	}
	x.mu.Lock() // before watched is read: the watch forgets only what it has told of
	defer x.mu.Unlock()
	old := x.m[d.Key]
	if old != nil && old.revision >= d.Revision || x.deleted[d.Key] >= d.Revision || d.Revision <= x.watched.Load() {
		return nil
	}
	if x.m == nil {
		x.m, x.deleted = map[string]*mappingDoc{}, map[string]int64{}
	}
	if doc == nil {
		delete(x.m, d.Key)
		x.deleted[d.Key] = d.Revision
		if old != nil && x.pollers != nil {
			x.pollers.Stop(old.UUID)
		}
		return nil
	}
	x.m[d.Key] = doc
	x.tell(doc)
	return nil
}

// tell lets the pollers know of a mapping; x.mu is held.
func (x *mappings) tell(doc *mappingDoc) {
	switch {
	case x.pollers == nil:
	case doc.Change == mappingDeleting:
		x.pollers.Stop(doc.UUID)
		x.remove(doc)
	case doc.Enabled:
		x.pollers.Run(&doc.Mapping)
	default:
		x.pollers.Stop(doc.UUID)
	}
}

// forget drops what is kept of a deletion only against late changes.
func (x *mappings) forget(d store.Document) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.deleted[d.Key] <= d.Revision {
		delete(x.deleted, d.Key)
	}
}

func (x *mappings) get(key string) *mappingDoc {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.m[key]
}

// all are the mappings of an account in a region, in no order.
func (x *mappings) all(account, region string) []*mappingDoc {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []*mappingDoc
	for _, doc := range x.m {
		if doc.Account == account && doc.Region == region {
			out = append(out, doc)
		}
	}
	return out
}

// state is what a mapping is at, and what became of its last batch.
func (x *mappings) state(doc *mappingDoc) (mappingState, string) {
	x.mu.Lock()
	p := x.pollers
	x.mu.Unlock()
	if p == nil {
		return doc.Change, doc.Result
	}
	st := p.Status(doc.UUID)
	result := cmp.Or(st.LastProcessingResult, doc.Result)
	switch {
	case doc.Change == mappingDeleting:
		return doc.Change, result
	case doc.Enabled && st.Running == doc.Revision:
		return mappingEnabled, result
	case !doc.Enabled && st.Running == 0:
		return mappingDisabled, result
	}
	return doc.Change, result
}

// Poll lets the pollers run what is mapped, now and from now on. It is called
// once, when all is there that pollers need.
func (s *Service) Poll(p Pollers) {
	x := &s.mappings
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pollers = p
	for _, doc := range x.m {
		x.tell(doc)
	}
}

// removeMapping deletes a mapping's document once its last batch has finished.
// The lock of s.mappings is held.
func (s *Service) removeMapping(doc *mappingDoc) {
	pollers := s.mappings.pollers
	s.background.Go(func() {
		if err := pollers.Wait(s.ctx, doc.UUID); err != nil {
			return // Paddock stops; the next start goes on here
		}
		for {
			err := s.change(s.ctx, nil, store.Write{Key: doc.key()})
			if err == nil || s.ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
				return
			}
			s.log.Error("an event source mapping cannot be deleted", "mapping", doc.UUID, "error", err)
			select {
			case <-s.ctx.Done():
			case <-time.After(faultPause):
			}
		}
	})
}

// Call implements eventsource.Functions.
func (s *Service) Call(ctx context.Context, functionARN string, payload []byte) (*function.Result, error) {
	r, err := parseName(functionARN)
	if err != nil {
		return nil, err
	}
	fn, invoked, err := s.resolve(ctx, r)
	if missing := (*api.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: %s", function.ErrGone, deref(missing.Message))
	}
	if err != nil {
		return nil, err
	}
	id := newRevisionID()
	res, err := s.opts.Invoker.Invoke(ctx, &function.Invocation{Version: fn, RequestID: id, InvokedARN: invoked, Payload: payload})
	if errors.Is(err, function.ErrResponseTooLarge) {
		res, err = tooLargeResult(), nil
	}
	if err != nil {
		return nil, err
	}
	named := *res // what the invoker hands out may be shared
	named.RequestID, named.ExecutedVersion = id, fn.Version
	return &named, nil
}

// maxSettling is how long an operation waits for a mapping on its way from one
// state to another, which is usually there in no time.
const maxSettling = time.Second

func (s *Service) settleMapping(ctx context.Context, uuid string) {
	s.mappings.mu.Lock()
	p := s.mappings.pollers
	s.mappings.mu.Unlock()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxSettling)
	defer cancel()
	_ = p.Wait(ctx, uuid) // the state tells
}

// changeMapping writes what f makes of a mapping. f gets a copy, whose lists and
// maps it must not change.
func (s *Service) changeMapping(ctx context.Context, key string, f func(*mappingDoc) error) (*mappingDoc, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mappings.writing.Lock()
	defer s.mappings.writing.Unlock()
	for attempt := 0; ; attempt++ {
		old := s.mappings.get(key)
		if old == nil {
			return nil, noMapping()
		}
		next := *old
		if err := f(&next); err != nil {
			return nil, err
		}
		err := s.change(ctx, nil, next.write(store.AtRevision(old.revision)))
		if err == nil {
			return &next, nil
		}
		if !changedMeanwhile(err) || attempt == maxAttempts {
			return nil, err
		}
		// Another process was faster; where the watch has not told yet, ask.
		d, err := s.opts.Documents.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noMapping()
		}
		if err != nil {
			return nil, err
		}
		if err := s.mappings.apply(d); err != nil {
			return nil, err
		}
	}
}

func noMapping() error { return notFound("The resource you requested does not exist.") }
