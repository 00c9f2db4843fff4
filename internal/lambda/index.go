package lambda

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/store"
)

// index holds every function in memory, so that reads and invocations never ask
// the store. It is fed by the list at start, by the watch, and by each own write
// as soon as it is durable; revisions decide which of two states is newer.
//
// Documents are decoded when their function is first looked at: a start with
// ten thousand functions only sorts keys.
//
// Locks: scope.mu and codeRefs.mu may be taken under entry.mu, and nothing under
// those two.
type index struct {
	scopes sync.Map // scopeKey → *scope
	hooks  hooks
	// watched is the revision that the watch has come to: whatever is older has
	// been taken already.
	watched atomic.Int64
}

// hooks are what the index tells of changes to what it holds. They are called
// with the entry's lock held and must not look at the index.
type hooks struct {
	added func(*version)
	// removed is told whether the version itself is gone, or only has a new state.
	removed func(v *version, gone bool)
}

type scopeKey struct{ account, region string }

// scope is one account's functions in one region.
type scope struct {
	key     scopeKey
	entries sync.Map // name → *entry

	mu    sync.Mutex
	names []string // sorted: the functions that may exist
}

// entry is what the index knows of one name.
type entry struct {
	scope *scope
	name  string

	// snap is the decoded state; nil until someone looked.
	snap atomic.Pointer[snapshot]

	mu sync.Mutex
	// raw are documents not decoded yet, by kind and item.
	raw map[docKey]store.Document
	// seen is the newest revision per document, deleted ones included until the
	// watch has passed them: it may still deliver older states.
	seen map[docKey]int64
	dead bool // no longer in scope.entries
}

// snapshot is one state of a function. It is immutable.
type snapshot struct {
	doc      *functionDoc // nil: there is no such function
	revision int64        // of doc
	latest   *version
	versions map[string]*version // published ones, by number
	aliases  map[string]*alias
	policies map[string]*policy // by qualifier

	concurrency *kept[concurrencyDoc]            // nil: none is reserved
	provisioned map[string]*kept[provisionedDoc] // by qualifier
	events      map[string]*kept[eventsDoc]      // by qualifier
}

// kept is a document and its revision.
type kept[T any] struct {
	doc      *T
	revision int64
}

type alias struct {
	doc      *aliasDoc
	revision int64
}

type policy struct {
	doc      *policyDoc
	revision int64
}

func (x *index) scope(k scopeKey, create bool) *scope {
	if s, ok := x.scopes.Load(k); ok {
		return s.(*scope)
	}
	if !create {
		return nil
	}
	s, _ := x.scopes.LoadOrStore(k, &scope{key: k})
	return s.(*scope)
}

// lookup returns the state of a function, nil where it does not exist.
func (x *index) lookup(account, region, name string) (*snapshot, error) {
	s := x.scope(scopeKey{account, region}, false)
	if s == nil {
		return nil, nil
	}
	v, ok := s.entries.Load(name)
	if !ok {
		return nil, nil
	}
	return v.(*entry).get(x.hooks)
}

// get returns the entry's state, nil where there is no function.
func (e *entry) get(h hooks) (*snapshot, error) {
	snap := e.snap.Load()
	if snap == nil {
		var err error
		if snap, err = e.decode(h); err != nil {
			return nil, err
		}
	}
	if snap.doc == nil {
		return nil, nil
	}
	return snap, nil
}

func (e *entry) decode(h hooks) (*snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if snap := e.snap.Load(); snap != nil {
		return snap, nil
	}
	snap := &snapshot{}
	for k, d := range e.raw {
		next, err := snap.with(e, k, d, nil)
		if err != nil {
			return nil, err
		}
		snap = next
	}
	e.raw = nil
	snap.each(h.added)
	e.snap.Store(snap)
	return snap, nil
}

// each calls f with every version.
func (s *snapshot) each(f func(*version)) {
	if s.latest != nil {
		f(s.latest)
	}
	for _, v := range s.versions {
		f(v)
	}
}

// apply takes a document's new state (Value nil: deleted). made are the
// versions that an operation of this process prepared for it, by version
// number; others start out as they do after a restart.
func (x *index) apply(d store.Document, made map[string]*version) error {
	k, ok := parseKey(d.Key)
	if !ok || (d.Revision <= x.watched.Load() && len(made) == 0) {
		return nil
	}
	// A deletion of what is not known yet is kept in mind, too: what it deleted
	// may still come.
	s := x.scope(scopeKey{k.account, k.region}, true)
	for {
		v, ok := s.entries.Load(k.name)
		if !ok {
			v, _ = s.entries.LoadOrStore(k.name, &entry{scope: s, name: k.name})
		}
		done, err := v.(*entry).apply(x, k, d, made)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

// apply reports false where the entry has left the index.
func (e *entry) apply(x *index, k docKey, d store.Document, made map[string]*version) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		return false, nil
	}
	h := x.hooks
	// Read now that this is known to be the name's entry: one that was forgotten
	// before it was made, the watch has passed.
	watched := x.watched.Load()
	// The watch may be faster than the operation that wrote: then the state is
	// known already, and only lacks the versions that the operation made.
	if seen := e.seen[k]; d.Revision < seen || (d.Revision == seen && len(made) == 0) || (d.Revision <= watched && seen != d.Revision) {
		e.leave() // it may have been made for this document only
		return true, nil
	}
	if k.kind == kindFunction {
		e.scope.note(e.name, d.Value != nil)
	}
	old := e.snap.Load()
	if old == nil { // nobody looked yet
		if e.raw == nil {
			e.raw = map[docKey]store.Document{}
		}
		e.see(k, d.Revision)
		if d.Value == nil {
			delete(e.raw, k)
		} else {
			e.raw[k] = d
		}
		if len(made) == 0 {
			return true, nil
		}
		old = &snapshot{} // a function made just now: decode this, and all that came before
		for rk, rd := range e.raw {
			if rk == k {
				continue
			}
			next, err := old.with(e, rk, rd, nil)
			if err != nil {
				return false, err
			}
			old = next
		}
		e.raw = nil
		old.each(h.added)
	}
	next, err := old.with(e, k, d, made)
	if err != nil {
		return false, err
	}
	e.see(k, d.Revision)
	had := map[*version]bool{}
	old.each(func(v *version) { had[v] = true })
	next.each(func(v *version) {
		if !had[v] {
			h.added(v)
		}
		delete(had, v)
	})
	e.snap.Store(next)
	for v := range had {
		h.removed(v, next.version(v.doc.Version) == nil)
	}
	return true, nil
}

// version returns the version with a number, or "$LATEST"; nil where there is none.
func (s *snapshot) version(number string) *version {
	if number == latest {
		return s.latest
	}
	return s.versions[number]
}

func (e *entry) see(k docKey, revision int64) {
	if e.seen == nil {
		e.seen = map[docKey]int64{}
	}
	e.seen[k] = revision
}

// with returns s with one document changed.
func (s *snapshot) with(e *entry, k docKey, d store.Document, made map[string]*version) (*snapshot, error) {
	next := *s
	switch k.kind {
	case kindFunction:
		next.doc, next.latest, next.revision = nil, nil, 0
		if d.Value != nil {
			doc, err := decodeDoc[functionDoc](d)
			if err != nil {
				return nil, err
			}
			next.doc, next.revision = doc, d.Revision
			next.latest = adopt(e, &doc.Latest, made, s.latest)
		}
	case kindVersion:
		next.versions = cloneWithout(s.versions, k.item)
		if d.Value != nil {
			doc, err := decodeDoc[versionDoc](d)
			if err != nil {
				return nil, err
			}
			next.versions[k.item] = adopt(e, doc, made, s.versions[k.item])
		}
	case kindAlias:
		next.aliases = cloneWithout(s.aliases, k.item)
		if d.Value != nil {
			doc, err := decodeDoc[aliasDoc](d)
			if err != nil {
				return nil, err
			}
			next.aliases[k.item] = &alias{doc, d.Revision}
		}
	case kindPolicy:
		next.policies = cloneWithout(s.policies, k.item)
		if d.Value != nil {
			doc, err := decodeDoc[policyDoc](d)
			if err != nil {
				return nil, err
			}
			next.policies[k.item] = &policy{doc, d.Revision}
		}
	case kindConcurrency:
		next.concurrency = nil
		if d.Value != nil {
			doc, err := decodeDoc[concurrencyDoc](d)
			if err != nil {
				return nil, err
			}
			next.concurrency = &kept[concurrencyDoc]{doc, d.Revision}
		}
	case kindProvisioned:
		next.provisioned = cloneWithout(s.provisioned, k.item)
		if d.Value != nil {
			doc, err := decodeDoc[provisionedDoc](d)
			if err != nil {
				return nil, err
			}
			next.provisioned[k.item] = &kept[provisionedDoc]{doc, d.Revision}
		}
	case kindEvents:
		next.events = cloneWithout(s.events, k.item)
		if d.Value != nil {
			doc, err := decodeDoc[eventsDoc](d)
			if err != nil {
				return nil, err
			}
			next.events[k.item] = &kept[eventsDoc]{doc, d.Revision}
		}
	}
	return &next, nil
}

// adopt chooses the version that stands for doc: the one an operation made, the
// old one where nothing about it changed, else a new one.
func adopt(e *entry, doc *versionDoc, made map[string]*version, old *version) *version {
	if v := made[doc.Version]; v != nil {
		return v
	}
	if old != nil && old.doc.RevisionID == doc.RevisionID {
		return old
	}
	return newVersion(e.scope.key, e.name, doc)
}

func cloneWithout[V any](m map[string]V, key string) map[string]V {
	out := make(map[string]V, len(m)+1)
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func decodeDoc[T any](d store.Document) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(d.Value, v); err != nil {
		return nil, fmt.Errorf("lambda: document %s: %w", d.Key, err)
	}
	return v, nil
}

// note keeps the sorted names.
func (s *scope) note(name string, exists bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.names); exists && (n == 0 || s.names[n-1] < name) { // as a list comes
		s.names = append(s.names, name)
		return
	}
	i, found := slices.BinarySearch(s.names, name)
	switch {
	case exists && !found:
		s.names = slices.Insert(s.names, i, name)
	case !exists && found:
		s.names = slices.Delete(s.names, i, i+1)
	}
}

// list returns up to limit names from the given one on, itself only where it is
// inclusive.
func (s *scope) list(from string, inclusive bool, limit int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := slices.BinarySearch(s.names, from)
	if found && !inclusive {
		i++
	}
	return slices.Clone(s.names[i:min(i+limit, len(s.names))])
}

func (s *scope) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.names)
}

// forget drops what is kept of a deleted document only against late changes.
// The watch calls it: what it has told of, it does not tell again.
func (x *index) forget(d store.Document) {
	k, ok := parseKey(d.Key)
	if !ok {
		return
	}
	s := x.scope(scopeKey{k.account, k.region}, false)
	if s == nil {
		return
	}
	if v, ok := s.entries.Load(k.name); ok {
		v.(*entry).forget(k, d.Revision)
	}
}

func (e *entry) forget(k docKey, revision int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[k] <= revision {
		delete(e.seen, k)
	}
	e.leave()
}

// leave takes an entry that knows nothing out of the index; e.mu is held.
func (e *entry) leave() {
	snap := e.snap.Load()
	if len(e.seen) == 0 && len(e.raw) == 0 && (snap == nil || snap.doc == nil) {
		e.dead = true
		e.scope.entries.CompareAndDelete(e.name, e)
	}
}

// all calls f with every entry until it returns false.
func (x *index) all(f func(*entry) bool) {
	x.scopes.Range(func(_, s any) bool {
		on := true
		s.(*scope).entries.Range(func(_, e any) bool {
			on = f(e.(*entry))
			return on
		})
		return on
	})
}
