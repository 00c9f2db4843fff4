package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/paddock-run/paddock/internal/store"
)

// A row of its own and an index, and not WITHOUT ROWID: the values are a few
// kilobytes, which would not fit into the pages of an index and would each
// spill to a page chain. Keys are blobs, so that they compare as bytes.
const documentsSchema = `
CREATE TABLE documents (
	key      BLOB NOT NULL UNIQUE,
	revision INTEGER NOT NULL,
	value    BLOB NOT NULL
) STRICT;
`

// Documents is the shape of documents in a database.
type Documents struct {
	db  *DB
	hub *hub

	// Of the writer's goroutine.
	revision                   counter
	revisionOf, put, del, keys *sql.Stmt
	clear                      *sql.Stmt
	get, list, listAll         *sql.Stmt
}

var _ store.Documents = (*Documents)(nil)

// NewDocuments sets up the documents in a database.
func NewDocuments(db *DB) (*Documents, error) {
	d := &Documents{db: db}
	d.hub = newHub(d.Get)
	err := db.setUp("documents", []string{documentsSchema}, func() error {
		return d.revision.load(db, "revision")
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		db.forWrites(
			statement{&d.revisionOf, `SELECT revision FROM documents WHERE key = ?`},
			statement{&d.put, `INSERT INTO documents (key, revision, value) VALUES (?1, ?2, ?3)
				ON CONFLICT (key) DO UPDATE SET revision = ?2, value = ?3`},
			statement{&d.del, `DELETE FROM documents WHERE key = ?`},
			statement{&d.keys, `SELECT key FROM documents ORDER BY key`},
			statement{&d.clear, `DELETE FROM documents`},
		),
		db.forReads(
			statement{&d.get, `SELECT revision, value FROM documents WHERE key = ?`},
			statement{&d.list, `SELECT key, revision, value FROM documents WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`},
			statement{&d.listAll, `SELECT key, revision, value FROM documents WHERE key >= ? ORDER BY key LIMIT ?`},
		),
	)
	if err != nil {
		return nil, err
	}
	db.closers = append(db.closers, d.hub.close)
	return d, nil
}

// Get implements [store.Documents].
func (d *Documents) Get(ctx context.Context, key string) (store.Document, error) {
	doc := store.Document{Key: key}
	if err := ctx.Err(); err != nil {
		return doc, err
	}
	// A look-up by key is over in microseconds: following ctx further would
	// cost a goroutine each time.
	err := d.get.QueryRow([]byte(key)).Scan(&doc.Revision, &doc.Value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Document{}, fmt.Errorf("document %q: %w", key, store.ErrNotFound)
	case err != nil:
		return store.Document{}, fmt.Errorf("read document %q: %w", key, d.db.explain(err))
	}
	doc.Value = notNil(doc.Value)
	return doc, nil
}

// notNil makes an empty value of what the driver scans an empty blob as.
func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// List implements [store.Documents].
func (d *Documents) List(ctx context.Context, prefix, after string, limit int) ([]store.Document, error) {
	if limit <= 0 {
		limit = -1
	}
	from := prefix
	if after >= prefix && after != "" {
		from = after + "\x00" // the least key greater than after
	}
	var rows *sql.Rows
	var err error
	if end, bounded := prefixEnd(prefix); bounded {
		rows, err = d.list.QueryContext(ctx, []byte(from), end, limit)
	} else {
		rows, err = d.listAll.QueryContext(ctx, []byte(from), limit)
	}
	if err != nil {
		return nil, fmt.Errorf("list documents under %q: %w", prefix, d.db.explain(err))
	}
	defer rows.Close()
	var docs []store.Document
	for rows.Next() {
		var doc store.Document
		if err := rows.Scan(&doc.Key, &doc.Revision, &doc.Value); err != nil {
			return nil, fmt.Errorf("list documents under %q: %w", prefix, err)
		}
		doc.Value = notNil(doc.Value)
		docs = append(docs, doc)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list documents under %q: %w", prefix, err)
	}
	return docs, nil
}

// Write implements [store.Documents].
func (d *Documents) Write(ctx context.Context, writes ...store.Write) (int64, error) {
	if err := store.CheckWrites(writes); err != nil {
		return 0, err
	}
	t := &transaction{d: d, writes: make([]store.Write, len(writes))}
	r := &request{apply: t.apply, committed: t.publish}
	for i, w := range writes {
		if w.Value != nil {
			// The caller may use its bytes again, while this waits or watchers read.
			w.Value = append(make([]byte, 0, len(w.Value)), w.Value...)
		}
		t.writes[i] = w
		r.size += len(w.Key) + len(w.Value)
	}
	if err := d.db.writer.do(ctx, r); err != nil {
		return 0, err
	}
	return t.revision, nil
}

// transaction is one call of Write.
type transaction struct {
	d        *Documents
	writes   []store.Write
	revision int64
	changes  []store.Document
}

func (t *transaction) apply() error {
	t.changes = t.changes[:0]
	there := make([]bool, len(t.writes))
	for i, w := range t.writes {
		var revision int64
		err := t.d.revisionOf.QueryRow([]byte(w.Key)).Scan(&revision)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read document %q: %w", w.Key, err)
		}
		if err := w.If.Check(revision); err != nil {
			return refuse(fmt.Errorf("document %q: %w", w.Key, err))
		}
		there[i] = revision != 0
	}
	revision := t.d.revision.last + 1
	for i, w := range t.writes {
		var err error
		switch {
		case w.Check:
			continue
		case w.Value != nil:
			_, err = t.d.put.Exec([]byte(w.Key), revision, w.Value)
		case there[i] || t.changed(w.Key):
			_, err = t.d.del.Exec([]byte(w.Key))
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("write document %q: %w", w.Key, err)
		}
		t.changes = append(t.changes, store.Document{Key: w.Key, Value: w.Value, Revision: revision})
	}
	if len(t.changes) > 0 {
		t.d.revision.last = revision
	}
	t.revision = t.d.revision.last
	return nil
}

// changed says whether an earlier write of the transaction touched key.
func (t *transaction) changed(key string) bool {
	for _, c := range t.changes {
		if c.Key == key {
			return true
		}
	}
	return false
}

func (t *transaction) publish() { t.d.hub.publish(t.changes) }

// Watch implements [store.Documents].
func (d *Documents) Watch(ctx context.Context, prefix string) store.Watch {
	return d.hub.watch(ctx, prefix)
}

// Reset deletes every document in one write, which watchers see as deletions.
// Revisions go on rising.
func (d *Documents) Reset(ctx context.Context) error {
	var changes []store.Document
	return d.db.writer.do(ctx, &request{
		apply: func() error {
			changes = changes[:0]
			rows, err := d.keys.Query()
			if err != nil {
				return fmt.Errorf("reset documents: %w", err)
			}
			defer rows.Close()
			for rows.Next() {
				doc := store.Document{Revision: d.revision.last + 1}
				if err := rows.Scan(&doc.Key); err != nil {
					return fmt.Errorf("reset documents: %w", err)
				}
				changes = append(changes, doc)
			}
			if err := rows.Err(); err != nil {
				return fmt.Errorf("reset documents: %w", err)
			}
			if len(changes) == 0 {
				return nil
			}
			if _, err := d.clear.Exec(); err != nil {
				return fmt.Errorf("reset documents: %w", err)
			}
			d.revision.last++
			return nil
		},
		committed: func() { d.hub.publish(changes) },
	})
}

// prefixEnd returns the least key greater than every key that begins with
// prefix, and false where there is none: for a prefix of 0xFF bytes only.
func prefixEnd(prefix string) ([]byte, bool) {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xFF {
			end[i]++
			return end[:i+1], true
		}
	}
	return nil, false
}
