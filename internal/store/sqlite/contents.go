package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/paddock-run/paddock/internal/store"
)

const contentsSchema = `
CREATE TABLE contents (
	sha256  BLOB NOT NULL UNIQUE,
	content BLOB NOT NULL
) STRICT;
`

// Contents keeps small blobs whole in a database, so that they share its
// commits. It trusts its caller for hashes and sizes: package blobfile, which
// puts those blobs here that are not worth a file.
type Contents struct {
	db              *DB
	put, del, clear *sql.Stmt
	get, list       *sql.Stmt
}

// NewContents sets up the contents in a database.
func NewContents(db *DB) (*Contents, error) {
	if err := db.setUp("contents", []string{contentsSchema}, func() error { return nil }); err != nil {
		return nil, err
	}
	c := &Contents{db: db}
	return c, errors.Join(
		db.forWrites(
			// A content that is there stays, unless it is damaged.
			statement{&c.put, `INSERT INTO contents (sha256, content) VALUES (?1, ?2)
				ON CONFLICT (sha256) DO UPDATE SET content = ?2 WHERE content <> ?2`},
			statement{&c.del, `DELETE FROM contents WHERE sha256 = ?`},
			statement{&c.clear, `DELETE FROM contents`},
		),
		db.forReads(
			statement{&c.get, `SELECT content FROM contents WHERE sha256 = ?`},
			statement{&c.list, `SELECT sha256, length(content) FROM contents ORDER BY sha256`},
		),
	)
}

// Put stores content under its hash and returns once it is durable. The
// content must not change until then, nor after ctx ended it.
func (c *Contents) Put(ctx context.Context, sha256 [32]byte, content []byte) error {
	return c.exec(ctx, len(content), "store", c.put, sha256[:], content)
}

// Get returns the content with a hash, or store.ErrNotFound.
func (c *Contents) Get(ctx context.Context, sha256 [32]byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var content []byte
	err := c.get.QueryRow(sha256[:]).Scan(&content)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("content %x: %w", sha256, store.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read content %x: %w", sha256, c.db.explain(err))
	}
	return content, nil
}

// Delete removes the content with a hash; an absent one is no error.
func (c *Contents) Delete(ctx context.Context, sha256 [32]byte) error {
	return c.exec(ctx, 0, "delete", c.del, sha256[:])
}

// List returns every content's hash and size, in order of hash.
func (c *Contents) List(ctx context.Context) ([]store.Blob, error) {
	rows, err := c.list.QueryContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list contents: %w", c.db.explain(err))
	}
	defer rows.Close()
	var blobs []store.Blob
	for rows.Next() {
		var sum sql.RawBytes
		var b store.Blob
		if err := rows.Scan(&sum, &b.Size); err != nil {
			return nil, fmt.Errorf("list contents: %w", err)
		}
		b.SHA256 = hex.EncodeToString(sum)
		blobs = append(blobs, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list contents: %w", err)
	}
	return blobs, nil
}

func (c *Contents) exec(ctx context.Context, size int, verb string, stmt *sql.Stmt, args ...any) error {
	return c.db.writer.do(ctx, &request{size: size, apply: func() error {
		if _, err := stmt.Exec(args...); err != nil {
			return fmt.Errorf("%s content: %w", verb, err)
		}
		return nil
	}})
}
