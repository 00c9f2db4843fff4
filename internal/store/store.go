// Package store declares the shapes of Paddock's state: documents, blobs, log
// events, messages and series. Each has drivers (store/sqlite, …) and one
// conformance suite (store/storetest) that every driver passes.
//
// What a method has acknowledged survives kill -9 and a full disk, unless the
// method says otherwise. All methods are safe for concurrent use.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// The errors of a store. Drivers return these (wrapped, so use errors.Is) and
// otherwise only faults of the machine: I/O errors, a full disk.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("already exists")
	ErrPrecondition = errors.New("changed in the meantime")
	// ErrLimit is for what the caller should have refused: an empty key or one
	// that is too long, a value or a message that is too large, a Read without a
	// limit. Nothing was written.
	ErrLimit = errors.New("outside the store's limits")
	// ErrClosed is for a call on a store that was closed before or meanwhile.
	ErrClosed = errors.New("the store is closed")
)

// The limits that the drivers enforce, in bytes, both included.
const (
	MaxKey     = 1024    // of a document's key, a group's and a stream's name; at least 1
	MaxValue   = 1 << 20 // of a document's value
	MaxMessage = 1 << 20 // of a log event's message
)

// Document is a value under a key.
//
// Keys are paths of the form service/account/region/kind/name…, compared and
// listed in byte order; each is at most 1024 bytes. Values are opaque to the
// store (JSON by convention), at most 1 MiB.
type Document struct {
	Key   string
	Value []byte
	// Revision is the revision of the write that stored this value. Revisions
	// count the store's writes: each is larger than any before it.
	Revision int64
}

// Condition is what must hold of a key for a write to take place.
type Condition struct {
	kind     uint8
	revision int64
}

var (
	// Always holds.
	Always = Condition{}
	// Absent holds where the key has no value; the write fails with ErrConflict.
	Absent = Condition{kind: 1}
	// Present holds where the key has a value; the write fails with ErrNotFound.
	Present = Condition{kind: 2}
)

// AtRevision holds where the key's value is the one with that revision; the
// write fails with ErrPrecondition (ErrNotFound where there is none).
func AtRevision(r int64) Condition { return Condition{kind: 3, revision: r} }

// Check says which of the store's errors c gives for a key whose present
// revision is r, 0 meaning that it has no value. It is for drivers.
func (c Condition) Check(r int64) error {
	switch {
	case c.kind == 1 && r != 0:
		return ErrConflict
	case c.kind >= 2 && r == 0:
		return ErrNotFound
	case c.kind == 3 && r != c.revision:
		return ErrPrecondition
	}
	return nil
}

// Write is one change: Value nil deletes the key. Deleting an absent key under
// Always does nothing. A write with Check set changes nothing and only requires
// its condition, so that a transaction can depend on what it read.
type Write struct {
	Key   string
	Value []byte
	If    Condition
	Check bool
}

// Documents is the shape of functions, APIs, stages, settings, roles.
type Documents interface {
	// Get returns the document under key, or ErrNotFound.
	Get(ctx context.Context, key string) (Document, error)
	// List returns up to limit documents whose keys begin with prefix and are
	// greater than after, in key order. limit 0 means all.
	List(ctx context.Context, prefix, after string, limit int) ([]Document, error)
	// Write applies all writes as one transaction, or none, and returns the
	// revision they got (one for all). The error of a failed condition wraps one
	// of the store's errors and says which key. It returns once the change is
	// durable; concurrent calls share one commit.
	//
	// The conditions are judged by what was there before the transaction; of
	// several writes to one key the last one stays. A transaction that changes
	// nothing (only checks, deletes of absent keys) returns the revision of the
	// last write that changed something. A caller whose ctx ends stops waiting
	// and gets ctx's error; the write may still happen.
	Write(ctx context.Context, writes ...Write) (revision int64, err error)
	// Watch reports the changes under prefix made after it returns. A slow
	// reader loses intermediate values of a key, never its last one, and sees
	// changes in order of revision. The watch ends with ctx. A Write that has
	// returned is there for the next Next. Values are shared: do not change them.
	Watch(ctx context.Context, prefix string) Watch
}

// Watch is a subscription to changes.
type Watch interface {
	// Next waits for changes and returns those that are there, oldest first; a
	// deleted key has a nil Value. It returns ctx's error when the watch ended,
	// and ErrClosed when the store was closed. After any other error (a fault of
	// the machine) the watch goes on and nothing of it is lost: call it again.
	Next(ctx context.Context) ([]Document, error)
}

// Blob is stored content.
type Blob struct {
	SHA256 string // lower-case hex
	Size   int64  // bytes
}

// BlobReader reads a blob.
type BlobReader interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
	Size() int64
}

// Blobs is the shape of code archives and layers: content under its SHA-256.
type Blobs interface {
	// Put stores what r yields and returns its hash; content that is already
	// there is stored once. It returns once the content is durable.
	Put(ctx context.Context, r io.Reader) (Blob, error)
	// Open returns the content, checked against its hash by the time that a
	// sequential read ends, or ErrNotFound. (A Read from the start to io.EOF is
	// such a read; ReadAt is not checked.)
	Open(ctx context.Context, sha256 string) (BlobReader, error)
	// Delete removes the content; an absent one is no error. Open readers go on.
	Delete(ctx context.Context, sha256 string) error
	// List returns every blob, in order of hash.
	List(ctx context.Context) ([]Blob, error)
}

// LogEvent is one event of a log stream.
type LogEvent struct {
	ID        int64     // set by the store, rising with the order of appending
	Time      time.Time // the event's own time, to the millisecond
	Ingestion time.Time // when it was appended, to the millisecond
	Stream    string    // set in what Read returns
	Message   string    // at most 1 MiB
}

// LogStream is what the store knows of a log stream.
type LogStream struct {
	Name          string
	Created       time.Time
	FirstEvent    time.Time // zero: no events
	LastEvent     time.Time
	LastIngestion time.Time
	StoredBytes   int64 // the sum of its messages' bytes
}

// LogQuery selects events of a group.
type LogQuery struct {
	Group      string
	Streams    []string  // any of these; empty: all
	Prefix     string    // streams whose names begin with it
	Start, End time.Time // Start ≤ event < End; zero: unbounded
	// After continues after the event with that time and ID: (time, ID) order.
	// With Backward it continues before it.
	After    *LogCursor
	Backward bool // newest first
	Limit    int  // at most this many; required
}

// LogCursor is a place in the (time, ID) order of events.
type LogCursor struct {
	Time time.Time
	ID   int64
}

// Logs is the shape of CloudWatch Logs' streams. A group is named by a key that
// its service makes (account/region/name); its settings are a document.
type Logs interface {
	// CreateStream makes an empty stream: ErrConflict if it is there.
	CreateStream(ctx context.Context, group, stream string) error
	// Append adds events to a stream, which it makes where there is none. It
	// returns once they are durable; concurrent calls share one commit. ID,
	// Ingestion and Stream of the events are ignored. A caller whose ctx ends
	// stops waiting; the events may still be appended, all or none.
	Append(ctx context.Context, group, stream string, events []LogEvent) error
	// Read returns the events that match, in order of time and ID.
	Read(ctx context.Context, q LogQuery) ([]LogEvent, error)
	// Streams lists a group's streams in name order, or by last event (and name
	// where that is the same; streams without events before all others), up or
	// descending. after is the last name of the page before; by last event,
	// ErrNotFound says that this stream is gone. limit 0 means all.
	Streams(ctx context.Context, group, prefix, after string, byLastEvent, descending bool, limit int) ([]LogStream, error)
	// DeleteStream deletes a stream and its events: ErrNotFound if absent.
	DeleteStream(ctx context.Context, group, stream string) error
	// DeleteGroup deletes every stream and event of a group.
	DeleteGroup(ctx context.Context, group string) error
	// StoredBytes is the sum of a group's streams.
	StoredBytes(ctx context.Context, group string) (int64, error)
	// Expire deletes a group's events older than before.
	Expire(ctx context.Context, group string, before time.Time) error
}
