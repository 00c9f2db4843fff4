package sqlite

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/paddock-run/paddock/internal/store"
)

// What a watch keeps of the values that its reader has not taken yet, in bytes,
// and about how many it hands out at once. Beyond this a watch remembers only
// keys and revisions and reads the values when they are asked for, so that a
// reader that stands still costs the names of what changed and no more.
const watchBytes = 4 << 20

// hub tells watches of changes.
type hub struct {
	get func(ctx context.Context, key string) (store.Document, error)

	mu      sync.Mutex // before any watch's
	watches map[*watch]struct{}
	closed  bool
}

func newHub(get func(context.Context, string) (store.Document, error)) *hub {
	return &hub{get: get, watches: map[*watch]struct{}{}}
}

// publish hands the changes of one transaction to the watches. The writer calls
// it in order of revision.
func (h *hub) publish(changes []store.Document) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches {
		w.add(changes)
	}
}

func (h *hub) watch(ctx context.Context, prefix string) *watch {
	w := &watch{
		hub:     h,
		ctx:     ctx,
		prefix:  prefix,
		limit:   watchBytes,
		pending: map[string]change{},
		wake:    make(chan struct{}, 1),
		closed:  make(chan struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(w.closed)
		return w
	}
	h.watches[w] = struct{}{}
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		delete(h.watches, w)
		h.mu.Unlock()
		w.drop()
	})
	return w
}

// close ends every watch with store.ErrClosed.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watches {
		close(w.closed)
	}
	clear(h.watches)
}

// change is the last that a watch knows of a key.
type change struct {
	store.Document
	// order is that of the changes, of which one transaction makes several with
	// one revision.
	order int64
	// read says that the value has to be read: it was too much to keep.
	read bool
}

type watch struct {
	hub    *hub
	ctx    context.Context
	prefix string
	limit  int
	wake   chan struct{} // holds one
	closed chan struct{}

	mu      sync.Mutex
	pending map[string]change
	bytes   int // of the values in pending
	order   int64
}

var _ store.Watch = (*watch)(nil)

// add keeps the changes under the watch's prefix. The slices are shared.
func (w *watch) add(changes []store.Document) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, doc := range changes {
		if !strings.HasPrefix(doc.Key, w.prefix) {
			continue
		}
		w.bytes -= len(w.pending[doc.Key].Value)
		w.order++
		c := change{Document: doc, order: w.order}
		if w.bytes+len(doc.Value) > w.limit {
			c.read, c.Value = true, nil
		}
		w.bytes += len(c.Value)
		w.pending[doc.Key] = c
	}
	if len(w.pending) > 0 {
		w.signal()
	}
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// drop frees what an ended watch holds.
func (w *watch) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending, w.bytes = map[string]change{}, 0
}

// Next implements [store.Watch].
func (w *watch) Next(ctx context.Context) ([]store.Document, error) {
	for {
		if err := cmp.Or(w.ctx.Err(), ctx.Err()); err != nil {
			return nil, err
		}
		changes := w.take()
		docs, err := w.load(ctx, changes)
		if err != nil {
			w.putBack(changes)
			return nil, err
		}
		if len(docs) > 0 {
			return docs, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		case <-w.ctx.Done():
		case <-w.closed:
			return nil, store.ErrClosed
		}
	}
}

// take removes the oldest changes, up to a limit of bytes.
func (w *watch) take() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.SortedFunc(maps.Values(w.pending), func(a, b change) int { return cmp.Compare(a.order, b.order) })
	n, size := 0, 0
	for n < len(all) && size <= w.limit {
		if all[n].read {
			size += store.MaxValue // at most
		}
		size += len(all[n].Value)
		n++
	}
	for _, c := range all[:n] {
		delete(w.pending, c.Key)
		w.bytes -= len(c.Value)
	}
	if n < len(all) {
		w.signal()
	}
	return all[:n]
}

// load turns changes into what Next returns and reads the values that were not
// kept. A value that has changed again since is left out, because that later
// change is pending or about to be: this keeps the order of revisions.
func (w *watch) load(ctx context.Context, changes []change) ([]store.Document, error) {
	docs := make([]store.Document, 0, len(changes))
	for _, c := range changes {
		if c.read {
			doc, err := w.hub.get(ctx, c.Key)
			if errors.Is(err, store.ErrNotFound) || err == nil && doc.Revision != c.Revision {
				continue
			}
			if err != nil {
				return nil, err
			}
			c.Document = doc
		}
		docs = append(docs, c.Document)
	}
	return docs, nil
}

// putBack returns changes that could not be handed out, without their values.
func (w *watch) putBack(changes []change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		if _, newer := w.pending[c.Key]; newer {
			continue
		}
		c.read, c.Value = c.read || c.Value != nil, nil
		w.pending[c.Key] = c
	}
	if len(w.pending) > 0 {
		w.signal()
	}
}
