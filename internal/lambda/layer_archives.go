package lambda

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/store"
)

// layerArchives knows which archive each layer's version has, so that it is kept
// while the version is there, and what they add up to. It is fed as the index
// of functions is: by the list at start, the watch, and each own write.
type layerArchives struct {
	refs    *codeRefs
	watched *atomic.Int64 // the index's

	mu sync.Mutex
	m  map[string]layerArchive // by document key
}

type layerArchive struct {
	revision int64
	sha256   string // empty: the version is deleted, and the watch has not said so yet
	size     int64  // bytes, zipped
}

// isLayerVersion tells the keys of layers' versions from all others.
func isLayerVersion(key string) bool {
	parts := strings.Split(strings.TrimPrefix(key, keyPrefix), "/")
	return len(parts) == 6 && parts[2] == layerCollection && parts[4] == kindLayerVersion
}

// apply takes a document's new state (Value nil: deleted); those that are no
// layer's version, and states older than what is known, it ignores.
func (l *layerArchives) apply(d store.Document) error {
	if !isLayerVersion(d.Key) {
		return nil
	}
	next := layerArchive{revision: d.Revision}
	if d.Value != nil {
		var doc layerVersionDoc
		if err := json.Unmarshal(d.Value, &doc); err != nil {
			return fmt.Errorf("lambda: document %s: %w", d.Key, err)
		}
		next.sha256, next.size = doc.CodeSHA256, doc.CodeSize
	}
	l.mu.Lock() // before watched is read: the watch forgets only what it has told of
	defer l.mu.Unlock()
	old := l.m[d.Key]
	if old.revision >= d.Revision || d.Revision <= l.watched.Load() {
		return nil
	}
	if l.m == nil {
		l.m = map[string]layerArchive{}
	}
	l.m[d.Key] = next
	if next.sha256 != "" { // before the old one's, which may be the same
		l.refs.add(next.sha256)
	}
	if old.sha256 != "" {
		l.refs.drop(old.sha256)
	}
	return nil
}

// forget drops what is kept of a deleted version only against late changes. The
// watch calls it: what it has told of, it does not tell again.
func (l *layerArchives) forget(d store.Document) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.m[d.Key]; ok && known.sha256 == "" && known.revision <= d.Revision {
		delete(l.m, d.Key)
	}
}

// size is the sum of the archives of an account's layers in a region, in bytes.
func (l *layerArchives) size(account, region string) int64 {
	prefix := layersPrefix(account, region)
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum int64
	for key, a := range l.m {
		if strings.HasPrefix(key, prefix) {
			sum += a.size
		}
	}
	return sum
}
