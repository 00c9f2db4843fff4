// Package snapshot keeps compiled values of documents in memory, so that hot
// paths never ask the store: it loads what is under a prefix, follows a watch,
// and takes a service's own writes at once.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// faultPause keeps a machine that has a fault from being asked without end.
const faultPause = time.Second

// Map holds one compiled value per key. It is safe for concurrent use.
type Map[T any] struct {
	compile func(store.Document) (T, error)

	changes atomic.Uint64

	mu      sync.RWMutex
	entries map[string]entry[T]
}

// entry is a key's newest known state. A deleted key stays as a tombstone until
// the watch has told of it too: an older change may still be on its way.
type entry[T any] struct {
	revision int64
	deleted  bool
	value    T
}

// Open loads every document under prefix and follows its changes until ctx
// ends. compile must depend on nothing but the document; a document that does
// not compile makes Open fail, and a later one is handed to onError and leaves
// the key as it was.
func Open[T any](ctx context.Context, docs store.Documents, prefix string, compile func(store.Document) (T, error), onError func(error)) (*Map[T], error) {
	m := &Map[T]{compile: compile, entries: map[string]entry[T]{}}
	watch := docs.Watch(ctx, prefix) // before the list: nothing falls between them
	list, err := docs.List(ctx, prefix, "", 0)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if err := m.Apply(d); err != nil {
			return nil, err
		}
	}
	go func() {
		for {
			changes, err := watch.Next(ctx)
			switch {
			case ctx.Err() != nil || errors.Is(err, store.ErrClosed):
				return
			case err != nil: // a fault of the machine's, after which the watch goes on
				onError(fmt.Errorf("watch %s: %w", prefix, err))
				select {
				case <-ctx.Done():
				case <-time.After(faultPause):
				}
				continue
			}
			for _, d := range changes {
				if err := m.follow(d); err != nil {
					onError(err)
				}
			}
		}
	}()
	return m, nil
}

// Get returns the value of a key.
func (m *Map[T]) Get(key string) (T, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, ok := m.entries[key]
	return e.value, ok && !e.deleted
}

// Apply takes a document that the caller has just written: a nil Value is a
// deletion. What is older than the present state changes nothing.
func (m *Map[T]) Apply(d store.Document) error {
	e := entry[T]{revision: d.Revision, deleted: d.Value == nil}
	if !e.deleted {
		v, err := m.compile(d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Key, err)
		}
		e.value = v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[d.Key].revision < d.Revision {
		m.entries[d.Key] = e
		m.changes.Add(1)
	}
	return nil
}

// follow is Apply for what the watch tells, after which no older change comes.
func (m *Map[T]) follow(d store.Document) error {
	if err := m.Apply(d); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[d.Key]; e.deleted && e.revision <= d.Revision {
		delete(m.entries, d.Key)
	}
	return nil
}

// Changes counts the changes there were: as long as it stays, so does what Get
// returns. Ask for it before Get to keep what Get returned.
func (m *Map[T]) Changes() uint64 { return m.changes.Load() }

// Values yields every value there is, in no order, as of the call.
func (m *Map[T]) Values() iter.Seq[T] {
	m.mu.RLock()
	defer m.mu.RUnlock()
	values := make([]T, 0, len(m.entries))
	for _, e := range m.entries {
		if !e.deleted {
			values = append(values, e.value)
		}
	}
	return slices.Values(values)
}
