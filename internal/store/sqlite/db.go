package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/store"

	"modernc.org/sqlite"
)

// How a database file is opened. WAL with synchronous=FULL syncs the log at
// every commit, so that a commit survives the machine and not only the process.
//
// The page caches are small on purpose: an idle Paddock is a few megabytes, and
// what is hot is in the kernel's page cache. A checkpoint every 2000 pages (8
// MB) halves the share of checkpoints in the writer's time against SQLite's
// 1000, and what a start after a crash has to read stays a few milliseconds.
const (
	writerPragmas = "busy_timeout(10000) journal_mode(WAL) synchronous(FULL) " +
		"cache_size(-2048) wal_autocheckpoint(2000) journal_size_limit(67108864) temp_store(MEMORY)"
	readerPragmas = "busy_timeout(10000) query_only(1) cache_size(-1024) temp_store(MEMORY)"

	maxReaders = 4
)

// What every file has: the versions of the shapes in it, and counters.
const fileSchema = `
CREATE TABLE IF NOT EXISTS shapes (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

// DB is one database file: a connection that writes, behind a writer that
// groups commits, and a few that only read. The process that opens it must be
// the only one (package local holds a lock).
type DB struct {
	path    string
	write   *sql.DB   // one connection, kept in conn
	conn    *sql.Conn // the writer's
	readers *sql.DB
	writer  *writer
	// Closed before their connections: SQLite keeps a connection open, and the
	// log unmerged, while it has statements, and database/sql does not know of
	// those of a sql.Conn.
	prepared []*sql.Stmt
	closers  []func() // what the shapes stop before the writer does
	closed   atomic.Bool
}

// Open opens the database file at path and makes it where there is none, with
// permissions 0600. The shapes in it are set up by NewDocuments, NewContents
// and NewLogs, each once.
func Open(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite gives -wal and -shm the permissions of the database. Values hold
	// functions' environments: they are the owner's alone.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db := &DB{path: path}
	if err := db.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open() error {
	var err error
	if db.write, err = connect(db.path, "rw", writerPragmas); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	if db.conn, err = db.write.Conn(context.Background()); err != nil {
		return err
	}
	if db.readers, err = connect(db.path, "ro", readerPragmas); err != nil {
		return err
	}
	db.readers.SetMaxOpenConns(maxReaders)
	db.readers.SetMaxIdleConns(maxReaders)
	db.readers.SetConnMaxIdleTime(time.Minute)
	db.writer, err = newWriter(db)
	return err
}

func connect(path, mode, pragmas string) (*sql.DB, error) {
	query := url.Values{"mode": {mode}}
	query["_pragma"] = strings.Fields(pragmas)
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Close waits for the writes under way, answers those that come later with
// store.ErrClosed, and closes the file, its log merged into it.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	for _, c := range db.closers {
		c()
	}
	if db.writer != nil {
		db.writer.close()
	}
	var errs []error
	for _, stmt := range db.prepared {
		errs = append(errs, stmt.Close())
	}
	// The readers first: the last connection to close merges and removes the
	// log, and a read-only one cannot.
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	return errors.Join(errs...)
}

// setUp brings the tables of a shape to the newest version: schema[i] leads from
// version i to version i+1. Then it calls load, in the same transaction of the
// writer, to read what the shape keeps in memory.
func (db *DB) setUp(name string, schema []string, load func() error) error {
	err := db.writer.do(context.Background(), &request{apply: func() error {
		if err := db.migrate(name, schema); err != nil {
			return err
		}
		return load()
	}})
	if err != nil {
		return fmt.Errorf("%s: set up %s: %w", db.path, name, err)
	}
	return nil
}

func (db *DB) migrate(name string, schema []string) error {
	ctx := context.Background()
	if _, err := db.conn.ExecContext(ctx, fileSchema); err != nil {
		return err
	}
	var at int
	err := db.conn.QueryRowContext(ctx, `SELECT version FROM shapes WHERE name = ?`, name).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if at > len(schema) {
		return fmt.Errorf("the file has format %d of it and this version of Paddock knows up to %d: "+
			"use the version that wrote it, or a newer one", at, len(schema))
	}
	if at == len(schema) {
		return nil
	}
	for _, ddl := range schema[at:] {
		if _, err := db.conn.ExecContext(ctx, ddl); err != nil {
			return err
		}
	}
	_, err = db.conn.ExecContext(ctx, `INSERT OR REPLACE INTO shapes VALUES (?, ?)`, name, len(schema))
	return err
}

// counter is a number that only rises, across restarts too. It belongs to the
// writer's goroutine, which writes it once a commit. What a batch that failed
// took of it is not used again.
type counter struct {
	last, saved int64
	save        *sql.Stmt
}

// load reads the counter, which begins at 0, in the writer's transaction.
func (c *counter) load(db *DB, name string) error {
	ctx := context.Background()
	if _, err := db.conn.ExecContext(ctx, `INSERT INTO counters VALUES (?, 0) ON CONFLICT DO NOTHING`, name); err != nil {
		return err
	}
	if err := db.conn.QueryRowContext(ctx, `SELECT last FROM counters WHERE name = ?`, name).Scan(&c.last); err != nil {
		return err
	}
	c.saved = c.last
	if err := db.forWrites(statement{&c.save, `UPDATE counters SET last = ?2 WHERE name = ?1`}); err != nil {
		return err
	}
	db.writer.beforeCommit = append(db.writer.beforeCommit, func() error {
		if c.saved == c.last {
			return nil
		}
		if _, err := c.save.Exec(name, c.last); err != nil {
			return fmt.Errorf("save the last %s: %w", name, err)
		}
		c.saved = c.last
		return nil
	})
	return nil
}

// statement is a query and where to put it, prepared.
type statement struct {
	into  **sql.Stmt
	query string
}

// forWrites prepares statements on the writer's connection.
func (db *DB) forWrites(statements ...statement) error {
	return db.prepare(db.conn, statements)
}

// forReads prepares statements on the readers, where database/sql prepares them
// again on each connection that it opens.
func (db *DB) forReads(statements ...statement) error {
	return db.prepare(db.readers, statements)
}

func (db *DB) prepare(on interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}, statements []statement) error {
	for _, s := range statements {
		stmt, err := on.PrepareContext(context.Background(), s.query)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", s.query, err)
		}
		*s.into = stmt
		db.prepared = append(db.prepared, stmt)
	}
	return nil
}

// explain gives an error of a read after Close its name.
func (db *DB) explain(err error) error {
	if err != nil && db.closed.Load() {
		return errors.Join(store.ErrClosed, err)
	}
	return err
}
