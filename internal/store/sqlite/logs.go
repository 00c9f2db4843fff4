package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Events lie in the order in which a group is read, and an index has them in
// the order in which a stream is. What is deleted disappears by the row of its
// stream, which every read joins, and is noted in dropped; its events, which may
// be millions, are deleted in small transactions afterwards.
//
// Times are milliseconds since 1970; noTime stands for none, and sorts first.
const logsSchema = `
CREATE TABLE log_groups (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	name BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE log_streams (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	group_id       INTEGER NOT NULL,
	name           BLOB NOT NULL,
	created        INTEGER NOT NULL,
	first_event    INTEGER NOT NULL,
	last_event     INTEGER NOT NULL,
	last_ingestion INTEGER NOT NULL,
	bytes          INTEGER NOT NULL,
	UNIQUE (group_id, name)
) STRICT;
CREATE INDEX log_streams_by_last_event ON log_streams (group_id, last_event, name);
CREATE TABLE log_events (
	group_id  INTEGER NOT NULL,
	time      INTEGER NOT NULL,
	id        INTEGER NOT NULL,
	stream_id INTEGER NOT NULL,
	ingestion INTEGER NOT NULL,
	message   TEXT NOT NULL,
	PRIMARY KEY (group_id, time, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_events_by_stream ON log_events (stream_id, time, id);
CREATE TABLE log_dropped (
	id        INTEGER PRIMARY KEY,
	group_id  INTEGER NOT NULL,
	stream_id INTEGER -- NULL: the whole group
) STRICT;
`

const noTime = math.MinInt64

// rowsPerInsert is how many events one statement inserts. More are no faster.
const rowsPerInsert = 16

// Logs is the shape of log events in a database.
type Logs struct {
	db *DB

	// Of the writer's goroutine.
	id                                      counter
	findStream, addGroup, addStream, touch  *sql.Stmt
	insertOne, insertMany                   *sql.Stmt
	dropStream, dropGroup, delStream        *sql.Stmt
	delStreams, delGroup                    *sql.Stmt
	nextDropped, doneDropped                *sql.Stmt
	purgeStream, purgeGroup                 *sql.Stmt
	expireBound, expireSums, expire, settle *sql.Stmt
	clear                                   []*sql.Stmt
	storedBytes, lastEvent                  *sql.Stmt

	purge   chan struct{} // holds one: something was dropped
	stop    context.CancelFunc
	stopped chan struct{}
}

var _ store.Logs = (*Logs)(nil)

// NewLogs sets up the log events in a database, and goes on deleting what was
// dropped before a restart.
func NewLogs(db *DB) (*Logs, error) {
	l := &Logs{db: db, purge: make(chan struct{}, 1), stopped: make(chan struct{})}
	err := db.setUp("logs", []string{logsSchema}, func() error { return l.id.load(db, "log event") })
	if err != nil {
		return nil, err
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.purge <- struct{}{}
	go l.purgeDropped(ctx)
	db.closers = append(db.closers, func() { stop(); <-l.stopped })
	return l, nil
}

func (l *Logs) prepare() error {
	const insert = `INSERT INTO log_events (group_id, time, id, stream_id, ingestion, message) VALUES `
	const row = `(?, ?, ?, ?, ?, ?)`
	clears := []string{`DELETE FROM log_events`, `DELETE FROM log_streams`, `DELETE FROM log_groups`, `DELETE FROM log_dropped`}
	l.clear = make([]*sql.Stmt, len(clears))
	for i, query := range clears {
		if err := l.db.forWrites(statement{&l.clear[i], query}); err != nil {
			return err
		}
	}
	return errors.Join(
		l.db.forWrites(
			statement{&l.findStream, `SELECT s.id, s.group_id FROM log_groups g
				JOIN log_streams s ON s.group_id = g.id AND s.name = ?2 WHERE g.name = ?1`},
			statement{&l.addGroup, `INSERT INTO log_groups (name) VALUES (?1)
				ON CONFLICT (name) DO UPDATE SET name = ?1 RETURNING id`},
			statement{&l.addStream, `INSERT INTO log_streams
				(group_id, name, created, first_event, last_event, last_ingestion, bytes)
				VALUES (?1, ?2, ?3, ?4, ?4, ?4, 0) RETURNING id`},
			statement{&l.touch, `UPDATE log_streams SET
				first_event = CASE WHEN first_event = ?5 THEN ?2 ELSE min(first_event, ?2) END,
				last_event = max(last_event, ?3), last_ingestion = max(last_ingestion, ?4), bytes = bytes + ?6
				WHERE id = ?1`},
			statement{&l.insertOne, insert + row},
			statement{&l.insertMany, insert + strings.Repeat(row+", ", rowsPerInsert-1) + row},

			statement{&l.dropStream, `INSERT INTO log_dropped (group_id, stream_id) VALUES (?, ?)`},
			statement{&l.dropGroup, `INSERT INTO log_dropped (group_id) SELECT id FROM log_groups WHERE name = ?`},
			statement{&l.delStream, `DELETE FROM log_streams WHERE id = ?`},
			statement{&l.delStreams, `DELETE FROM log_streams WHERE group_id = (SELECT id FROM log_groups WHERE name = ?)`},
			statement{&l.delGroup, `DELETE FROM log_groups WHERE name = ?`},
			statement{&l.nextDropped, `SELECT id, group_id, stream_id FROM log_dropped ORDER BY id LIMIT 1`},
			statement{&l.doneDropped, `DELETE FROM log_dropped WHERE id = ?`},
			statement{&l.purgeStream, `DELETE FROM log_events WHERE (group_id, time, id) IN
				(SELECT group_id, time, id FROM log_events WHERE stream_id = ? LIMIT ?)`},
			statement{&l.purgeGroup, `DELETE FROM log_events WHERE (group_id, time, id) IN
				(SELECT group_id, time, id FROM log_events WHERE group_id = ? LIMIT ?)`},

			statement{&l.expireBound, `SELECT time, id FROM log_events
				WHERE group_id = (SELECT id FROM log_groups WHERE name = ?) AND time < ?
				ORDER BY time, id LIMIT 1 OFFSET ?`},
			statement{&l.expireSums, `SELECT stream_id, sum(octet_length(message)) FROM log_events
				WHERE group_id = (SELECT id FROM log_groups WHERE name = ?) AND (time, id) < (?, ?) GROUP BY stream_id`},
			statement{&l.expire, `DELETE FROM log_events
				WHERE group_id = (SELECT id FROM log_groups WHERE name = ?) AND (time, id) < (?, ?)`},
			statement{&l.settle, `UPDATE log_streams SET bytes = bytes - ?2,
				first_event = coalesce((SELECT min(time) FROM log_events WHERE stream_id = ?1), ?3),
				last_event = coalesce((SELECT max(time) FROM log_events WHERE stream_id = ?1), ?3)
				WHERE id = ?1`},
		),
		l.db.forReads(
			statement{&l.storedBytes, `SELECT coalesce(sum(s.bytes), 0) FROM log_groups g
				JOIN log_streams s ON s.group_id = g.id WHERE g.name = ?`},
			statement{&l.lastEvent, `SELECT s.last_event FROM log_groups g
				JOIN log_streams s ON s.group_id = g.id WHERE g.name = ? AND s.name = ?`},
		),
	)
}

func checkNames(group, stream string) error {
	if err := store.CheckName("group", group); err != nil {
		return err
	}
	return store.CheckName("stream", stream)
}

// CreateStream implements [store.Logs].
func (l *Logs) CreateStream(ctx context.Context, group, stream string) error {
	if err := checkNames(group, stream); err != nil {
		return err
	}
	return l.db.writer.do(ctx, &request{apply: func() error {
		_, _, there, err := l.find(group, stream)
		if err != nil {
			return err
		}
		if there {
			return refuse(fmt.Errorf("stream %q of %q: %w", stream, group, store.ErrConflict))
		}
		_, _, err = l.create(group, stream)
		return err
	}})
}

// find looks a stream up in the writer's transaction.
func (l *Logs) find(group, stream string) (streamID, groupID int64, there bool, err error) {
	err = l.findStream.QueryRow([]byte(group), []byte(stream)).Scan(&streamID, &groupID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("find stream %q of %q: %w", stream, group, err)
	}
	return streamID, groupID, true, nil
}

// create adds a stream, and its group where there is none, in the writer's
// transaction.
func (l *Logs) create(group, stream string) (streamID, groupID int64, err error) {
	if err := l.addGroup.QueryRow([]byte(group)).Scan(&groupID); err != nil {
		return 0, 0, fmt.Errorf("add group %q: %w", group, err)
	}
	err = l.addStream.QueryRow(groupID, []byte(stream), time.Now().UnixMilli(), int64(noTime)).Scan(&streamID)
	if err != nil {
		return 0, 0, fmt.Errorf("add stream %q of %q: %w", stream, group, err)
	}
	return streamID, groupID, nil
}

// Append implements [store.Logs].
func (l *Logs) Append(ctx context.Context, group, stream string, events []store.LogEvent) error {
	if err := checkNames(group, stream); err != nil {
		return err
	}
	size := 0
	for _, e := range events {
		if len(e.Message) > store.MaxMessage {
			return fmt.Errorf("%w: a message has %d bytes, and %d are the most", store.ErrLimit, len(e.Message), store.MaxMessage)
		}
		size += len(e.Message)
	}
	// The caller may use its slice again when ctx has ended its wait.
	own := make([]store.LogEvent, len(events))
	copy(own, events)
	return l.db.writer.do(ctx, &request{size: size, apply: func() error {
		return l.append(group, stream, own, size)
	}})
}

func (l *Logs) append(group, stream string, events []store.LogEvent, size int) error {
	streamID, groupID, there, err := l.find(group, stream)
	if err != nil {
		return err
	}
	if !there {
		if streamID, groupID, err = l.create(group, stream); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	now := time.Now().UnixMilli()
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	row := func(args []any, e store.LogEvent) []any {
		at := e.Time.UnixMilli()
		first, last = min(first, at), max(last, at)
		l.id.last++
		return append(args, groupID, at, l.id.last, streamID, now, e.Message)
	}
	args := make([]any, 0, rowsPerInsert*6)
	insert := func(stmt *sql.Stmt) error {
		_, err := stmt.Exec(args...)
		args = args[:0]
		return err
	}
	for chunk := range slices.Chunk(events, rowsPerInsert) {
		for _, e := range chunk {
			args = row(args, e)
			if len(chunk) < rowsPerInsert {
				err = errors.Join(err, insert(l.insertOne))
			}
		}
		if len(chunk) == rowsPerInsert {
			err = insert(l.insertMany)
		}
		if err != nil {
			return fmt.Errorf("append to stream %q of %q: %w", stream, group, err)
		}
	}
	if _, err := l.touch.Exec(streamID, first, last, now, int64(noTime), size); err != nil {
		return fmt.Errorf("append to stream %q of %q: %w", stream, group, err)
	}
	return nil
}
