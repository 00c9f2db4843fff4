package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/store"
)

// A message's id has the number of its queue above its sequence, so that a
// queue lies together, in the order of sending, without an index for it. A
// purge gives the queue another number, and what has the old one is deleted in
// small transactions afterwards.
//
// due is when a message may be leased: its delay's end, and its lease's. The
// index by it is all that an unordered queue needs: those before now may be
// leased, those after are delayed or leased, and a queue's length plays no part
// in finding the first. In ordered queues message_groups has a row for each
// group: ready is when its head may be leased, which is never before the last
// lease of its messages ends.
//
// Times are milliseconds since 1970. The columns before attributes keep their
// width when they change, so that a lease rewrites one page of a large message.
const messagesSchema = `
CREATE TABLE message_queues (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	name   BLOB NOT NULL UNIQUE,
	number INTEGER NOT NULL UNIQUE,
	total  INTEGER NOT NULL
) STRICT;
CREATE TABLE messages (
	id             INTEGER PRIMARY KEY,
	queue          INTEGER NOT NULL,
	due            INTEGER NOT NULL,
	leased         INTEGER NOT NULL,
	receives       INTEGER NOT NULL,
	leased_at      INTEGER NOT NULL,
	first_received INTEGER NOT NULL,
	sent           INTEGER NOT NULL,
	uuid           BLOB NOT NULL,
	ordered        INTEGER NOT NULL,
	grp            BLOB NOT NULL,
	source         BLOB NOT NULL,
	attributes     BLOB NOT NULL,
	body           BLOB NOT NULL
) STRICT;
CREATE INDEX messages_by_due ON messages (queue, due, leased);
CREATE INDEX messages_by_group ON messages (queue, grp) WHERE ordered = 1;
CREATE TABLE message_groups (
	queue INTEGER NOT NULL,
	grp   BLOB NOT NULL,
	ready INTEGER NOT NULL,
	head  INTEGER NOT NULL,
	PRIMARY KEY (queue, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_groups_by_ready ON message_groups (queue, ready, head);
CREATE TABLE message_dedups (
	queue    INTEGER NOT NULL, -- message_queues.id: a purge forgets nothing here
	key      BLOB NOT NULL,
	until    INTEGER NOT NULL,
	sequence INTEGER NOT NULL,
	uuid     BLOB NOT NULL,
	PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_dedups_by_until ON message_dedups (until);
CREATE TABLE messages_dropped (number INTEGER PRIMARY KEY) STRICT;
`

// A long queue is written at both of its ends and, in its indexes, in between:
// with the cache of other databases, every second page of a lease from among a
// million messages had to be read again. What is not used is not allocated.
const writerCache = `PRAGMA cache_size = -32768`

const (
	sequenceBits = 44
	sequenceMask = 1<<sequenceBits - 1
	maxNumber    = 1<<(63-sequenceBits) - 1
)

// Messages is the shape of queues in a database.
type Messages struct {
	db   *DB
	hub  *waiters
	stop context.CancelFunc

	// Of the writer's goroutine: what is in message_queues, with the changes of
	// the open transaction. After a rollback it is loaded again.
	sequence   counter
	loaded     bool
	queues     map[string]*messageQueue
	dirty      []*messageQueue
	lastNumber int64
	lastSent   int64 // never falls, so that a queue's messages lie in order of age
	dedupSwept int64

	loadQueues, addQueue, setNumber, setTotal, delQueue, freeNumber *sql.Stmt

	insert, leaseAny, leaseOne, anyDue, headsDue, groupRows                 *sql.Stmt
	addGroup, putGroup, delGroup, nextDue, nextReady, countLeased, relocate *sql.Stmt
	find, setDue, del, delLeased, oldestRows, delRange                      *sql.Stmt
	findDedup, putDedup, sweepDedups                                        *sql.Stmt
	drop, nextDropped, doneDropped, purgeMessages, purgeGroups              *sql.Stmt
	clear                                                                   []*sql.Stmt

	count *sql.Stmt

	purge   chan struct{} // holds one: something was dropped
	stopped chan struct{}
}

var _ store.Messages = (*Messages)(nil)

// messageQueue is a row of message_queues and what is known of its messages.
type messageQueue struct {
	id, number, total int64
	name              string
	dirty             bool
	oldest            int64 // no message was sent before
	leased            int64 // no more are under lease
	recounted         int64 // when leased was last exact
	crowded           bool  // somebody was refused for leased
}

// NewMessages sets up the messages in a database, and goes on deleting what was
// dropped before a restart.
func NewMessages(db *DB) (*Messages, error) {
	m := &Messages{db: db, purge: make(chan struct{}, 1), stopped: make(chan struct{}), hub: newWaiters()}
	err := db.setUp("messages", []string{messagesSchema}, func() error { return m.sequence.load(db, "message") })
	if err != nil {
		return nil, err
	}
	if err := m.prepare(); err != nil {
		return nil, err
	}
	// The writer has no other shape's requests yet that could be in its way:
	// hooks are its goroutine's, and change there.
	err = db.writer.do(context.Background(), &request{apply: func() error {
		db.writer.beforeCommit = append(db.writer.beforeCommit, m.saveTotals)
		db.writer.rolledBack = append(db.writer.rolledBack, func() { m.loaded = false })
		if _, err := db.conn.ExecContext(context.Background(), writerCache); err != nil {
			return err
		}
		return m.load()
	}})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.purge <- struct{}{}
	go m.purgeDropped(ctx)
	db.closers = append(db.closers, func() { m.hub.close(); stop(); <-m.stopped })
	return m, nil
}

// A lease's columns, in the order in which scanMessage reads them.
const messageColumns = `id, uuid, receives, first_received, sent, grp, source, attributes, body`

const takeLease = `UPDATE messages SET due = ?2, leased = 1, receives = receives + 1, leased_at = ?3,
	first_received = CASE first_received WHEN 0 THEN ?3 ELSE first_received END `

func (m *Messages) prepare() error {
	clears := []string{`DELETE FROM messages`, `DELETE FROM message_groups`, `DELETE FROM message_queues`,
		`DELETE FROM message_dedups`, `DELETE FROM messages_dropped`}
	m.clear = make([]*sql.Stmt, len(clears))
	for i, query := range clears {
		if err := m.db.forWrites(statement{&m.clear[i], query}); err != nil {
			return err
		}
	}
	return errors.Join(
		m.db.forWrites(
			statement{&m.loadQueues, `SELECT id, number, total, name FROM message_queues
				UNION ALL SELECT 0, number, 0, x'' FROM messages_dropped`},
			statement{&m.addQueue, `INSERT INTO message_queues (name, number, total) VALUES (?, ?, 0) RETURNING id`},
			statement{&m.setNumber, `UPDATE message_queues SET number = ?2 WHERE id = ?1`},
			statement{&m.setTotal, `UPDATE message_queues SET total = ?2 WHERE id = ?1`},
			statement{&m.delQueue, `DELETE FROM message_queues WHERE id = ?`},
			statement{&m.freeNumber, `SELECT min(n) FROM (SELECT 1 AS n UNION SELECT number + 1 FROM message_queues
				UNION SELECT number + 1 FROM messages_dropped) WHERE n NOT IN (SELECT number FROM message_queues)
				AND n NOT IN (SELECT number FROM messages_dropped)`},

			statement{&m.insert, `INSERT INTO messages
				(id, queue, due, leased, receives, leased_at, first_received, sent, uuid, ordered, grp, source, attributes, body)
				VALUES (?, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?, x'', ?, ?)`},
			statement{&m.leaseAny, takeLease + `WHERE id IN (SELECT id FROM messages WHERE queue = ?1 AND due <= ?3
				ORDER BY due, leased, id LIMIT ?4) RETURNING ` + messageColumns},
			statement{&m.leaseOne, takeLease + `WHERE id = ?1 RETURNING ` + messageColumns},
			statement{&m.anyDue, `SELECT id, source FROM messages WHERE queue = ?1 AND due <= ?2
				ORDER BY due, leased, id LIMIT ?3`},
			statement{&m.headsDue, `SELECT grp FROM message_groups WHERE queue = ? AND ready <= ? ORDER BY ready, head LIMIT ?`},
			statement{&m.groupRows, `SELECT id, due, leased, source FROM messages
				WHERE queue = ? AND grp = ? AND ordered = 1 ORDER BY id`},
			statement{&m.addGroup, `INSERT INTO message_groups (queue, grp, ready, head) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`},
			statement{&m.putGroup, `INSERT INTO message_groups (queue, grp, ready, head) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT DO UPDATE SET ready = ?3, head = ?4`},
			statement{&m.delGroup, `DELETE FROM message_groups WHERE queue = ? AND grp = ?`},
			statement{&m.nextDue, `SELECT due FROM messages WHERE queue = ? AND due > ? ORDER BY due LIMIT 1`},
			statement{&m.nextReady, `SELECT ready FROM message_groups WHERE queue = ? AND ready > ? ORDER BY ready LIMIT 1`},
			statement{&m.countLeased, `SELECT count(*) FROM messages WHERE queue = ? AND due > ? AND leased = 1`},
			statement{&m.relocate, `UPDATE messages SET id = ?2, queue = ?3, due = ?4, leased = 0, receives = ?5,
				first_received = CASE ?5 WHEN 0 THEN 0 ELSE first_received END, sent = coalesce(?6, sent),
				source = ?7, uuid = coalesce(?8, uuid) WHERE id = ?1`},

			statement{&m.find, `SELECT receives, due, leased, leased_at, grp FROM messages WHERE id = ?`},
			statement{&m.setDue, `UPDATE messages SET due = ?2 WHERE id = ?1`},
			statement{&m.del, `DELETE FROM messages WHERE id = ?`},
			statement{&m.delLeased, `DELETE FROM messages WHERE id = ? AND receives = ? AND leased = 1`},
			statement{&m.oldestRows, `SELECT id, sent, ordered, grp FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`},
			statement{&m.delRange, `DELETE FROM messages WHERE id > ? AND id <= ?`},

			statement{&m.findDedup, `SELECT sequence, uuid FROM message_dedups WHERE queue = ? AND key = ? AND until > ?`},
			statement{&m.putDedup, `INSERT OR REPLACE INTO message_dedups (queue, key, until, sequence, uuid) VALUES (?, ?, ?, ?, ?)`},
			statement{&m.sweepDedups, `DELETE FROM message_dedups WHERE (queue, key) IN
				(SELECT queue, key FROM message_dedups WHERE until <= ? LIMIT ?)`},

			statement{&m.drop, `INSERT INTO messages_dropped (number) VALUES (?)`},
			statement{&m.nextDropped, `SELECT number FROM messages_dropped ORDER BY number LIMIT 1`},
			statement{&m.doneDropped, `DELETE FROM messages_dropped WHERE number = ?`},
			statement{&m.purgeMessages, `DELETE FROM messages WHERE id IN
				(SELECT id FROM messages WHERE id > ? AND id <= ? LIMIT ?)`},
			statement{&m.purgeGroups, `DELETE FROM message_groups WHERE (queue, grp) IN
				(SELECT queue, grp FROM message_groups WHERE queue = ? LIMIT ?)`},
		),
		m.db.forReads(
			statement{&m.count, strings.ReplaceAll(`SELECT q.total,
				(SELECT count(*) FROM messages m WHERE m.queue = q.number AND m.due > ?2 AND m.leased = 1),
				(SELECT count(*) FROM messages m WHERE m.queue = q.number AND m.due > ?2 AND m.leased = 0),
				(SELECT m.sent FROM messages m WHERE m.id > q.number << BITS AND m.id < (q.number + 1) << BITS ORDER BY m.id LIMIT 1)
				FROM message_queues q WHERE q.name = ?1`, "BITS", fmt.Sprint(sequenceBits))},
		),
	)
}

// load reads the queues, in the writer's transaction.
func (m *Messages) load() error {
	if m.loaded {
		return nil
	}
	rows, err := m.loadQueues.Query()
	if err != nil {
		return fmt.Errorf("read the queues: %w", err)
	}
	defer rows.Close()
	m.queues, m.dirty, m.lastNumber = map[string]*messageQueue{}, nil, 0
	for rows.Next() {
		var q messageQueue
		if err := rows.Scan(&q.id, &q.number, &q.total, &q.name); err != nil {
			return fmt.Errorf("read the queues: %w", err)
		}
		m.lastNumber = max(m.lastNumber, q.number)
		if q.id != 0 {
			q.leased = q.total
			m.queues[q.name] = &q
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the queues: %w", err)
	}
	m.loaded = true
	return nil
}

// do runs apply in the writer's transaction, with the queues loaded.
func (m *Messages) do(ctx context.Context, size int, apply func() error, committed func()) error {
	return m.db.writer.do(ctx, &request{size: size, committed: committed, apply: func() error {
		if err := m.load(); err != nil {
			return err
		}
		return apply()
	}})
}

// queue returns a queue, which it makes where there is none.
func (m *Messages) queue(name string) (*messageQueue, error) {
	if q := m.queues[name]; q != nil {
		return q, nil
	}
	number, err := m.newNumber()
	if err != nil {
		return nil, err
	}
	q := &messageQueue{name: name, number: number}
	if err := m.addQueue.QueryRow([]byte(name), q.number).Scan(&q.id); err != nil {
		return nil, fmt.Errorf("add queue %q: %w", name, err)
	}
	m.queues[name] = q
	return q, nil
}

// newNumber returns one that neither a queue nor a remainder of one has.
func (m *Messages) newNumber() (int64, error) {
	if m.lastNumber < maxNumber {
		m.lastNumber++
		return m.lastNumber, nil
	}
	var number int64
	if err := m.freeNumber.QueryRow().Scan(&number); err != nil {
		return 0, fmt.Errorf("number a queue: %w", err)
	}
	if number > maxNumber {
		return 0, fmt.Errorf("number a queue: there are %d", maxNumber)
	}
	return number, nil
}

func (m *Messages) add(q *messageQueue, n int64) {
	q.total += n
	if !q.dirty {
		q.dirty = true
		m.dirty = append(m.dirty, q)
	}
}

func (m *Messages) saveTotals() error {
	for _, q := range m.dirty {
		if _, err := m.setTotal.Exec(q.id, q.total); err != nil {
			return fmt.Errorf("save the length of queue %q: %w", q.name, err)
		}
		q.dirty = false
	}
	m.dirty = m.dirty[:0]
	return nil
}

func (q *messageQueue) messageID(sequence int64) int64 { return q.number<<sequenceBits | sequence }

// now is the time for what is sent: it never goes back.
func (m *Messages) now() int64 {
	m.lastSent = max(m.lastSent, time.Now().UnixMilli())
	return m.lastSent
}

// Send implements [store.Messages].
func (m *Messages) Send(ctx context.Context, queue string, ordered bool, messages []store.NewMessage) ([]store.Sent, error) {
	if err := store.CheckSend(queue, ordered, messages); err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return nil, nil
	}
	s := &sending{m: m, queue: queue, ordered: ordered, messages: make([]store.NewMessage, len(messages)), ids: make([]uuid.UUID, len(messages))}
	copy(s.messages, messages) // the caller may use its slice again when ctx has ended its wait
	size := 0
	for i, msg := range s.messages {
		size += len(msg.Body) + len(msg.Attributes)
		s.ids[i] = uuid.New()
	}
	if err := m.do(ctx, size, s.apply, func() { m.hub.ready(queue, s.due) }); err != nil {
		return nil, err
	}
	return s.sent, nil
}

// sending is one call of Send.
type sending struct {
	m        *Messages
	queue    string
	ordered  bool
	messages []store.NewMessage
	ids      []uuid.UUID
	sent     []store.Sent
	due      int64 // the first
}

func (s *sending) apply() error {
	q, err := s.m.queue(s.queue)
	if err != nil {
		return err
	}
	now := s.m.now()
	s.sent, s.due = make([]store.Sent, 0, len(s.messages)), never
	for i := range s.messages {
		sent, due, err := s.m.send(q, &s.messages[i], s.ids[i], s.ordered, now)
		if err != nil {
			return fmt.Errorf("send to queue %q: %w", s.queue, err)
		}
		s.sent, s.due = append(s.sent, sent), min(s.due, due)
	}
	return nil
}

// send adds one message and returns when it is due.
func (m *Messages) send(q *messageQueue, msg *store.NewMessage, id uuid.UUID, ordered bool, now int64) (store.Sent, int64, error) {
	if msg.Dedup != "" {
		sent, there, err := m.duplicateOf(q, msg.Dedup, now)
		if err != nil || there {
			return sent, never, err
		}
	}
	m.sequence.last++
	sequence, due, isOrdered := m.sequence.last, now+msg.Delay.Milliseconds(), 0
	if ordered {
		isOrdered = 1
	}
	_, err := m.insert.Exec(q.messageID(sequence), q.number, due, now, id[:], isOrdered, []byte(msg.Group), []byte(msg.Attributes), []byte(msg.Body))
	if err != nil {
		return store.Sent{}, 0, err
	}
	if ordered {
		if _, err := m.addGroup.Exec(q.number, []byte(msg.Group), due, sequence); err != nil {
			return store.Sent{}, 0, err
		}
	}
	if msg.Dedup != "" {
		if _, err := m.putDedup.Exec(q.id, []byte(msg.Dedup), now+msg.DedupWindow.Milliseconds(), sequence, id[:]); err != nil {
			return store.Sent{}, 0, err
		}
	}
	if q.total == 0 {
		q.oldest = now
	}
	m.add(q, 1)
	return store.Sent{ID: id.String(), Sequence: sequence}, due, nil
}

// How often, in milliseconds, what tells duplicates is swept, and how many at a
// time: more than the dedups that one second brings.
const (
	sweepEvery = 1000
	sweepMax   = 50_000
)

// duplicateOf finds the message that was sent under the same key.
func (m *Messages) duplicateOf(q *messageQueue, key string, now int64) (store.Sent, bool, error) {
	if now-m.dedupSwept >= sweepEvery {
		m.dedupSwept = now
		if _, err := m.sweepDedups.Exec(now, sweepMax); err != nil {
			return store.Sent{}, false, err
		}
	}
	sent := store.Sent{Duplicate: true}
	var id uuid.UUID
	err := m.findDedup.QueryRow(q.id, []byte(key), now).Scan(&sent.Sequence, (*uuidBytes)(&id))
	if errors.Is(err, sql.ErrNoRows) {
		return store.Sent{}, false, nil
	}
	sent.ID = id.String()
	return sent, true, err
}

// uuidBytes scans a UUID's sixteen bytes.
type uuidBytes uuid.UUID

func (u *uuidBytes) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(u) {
		return fmt.Errorf("a message's ID is %v", src)
	}
	copy(u[:], b)
	return nil
}
