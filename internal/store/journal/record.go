package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The records of a journal. Each begins with its kind; numbers are varints.
const (
	recordQueue    = 1 + iota // number, name: a queue that the segment speaks of
	recordSequence            // the last sequence that was given
	recordMessage             // a message with all there is of it
	recordLease               // queue, sequence, receives, due, leasedAt
	recordDue                 // queue, sequence, due
	recordDelete              // queue, sequence
	recordMove                // from, sequence, to, what changes
	recordPurge               // queue, the last sequence that is gone
	recordDrop                // queue
)

var errRecord = errors.New("not a record")

// encoder appends records to a buffer.
type encoder struct{ buf []byte }

func (e *encoder) kind(k byte)     { e.buf = append(e.buf, k) }
func (e *encoder) number(n int64)  { e.buf = binary.AppendUvarint(e.buf, uint64(n)) }
func (e *encoder) text(s string)   { e.number(int64(len(s))); e.buf = append(e.buf, s...) }
func (e *encoder) id(id uuid.UUID) { e.buf = append(e.buf, id[:]...) }

func (e *encoder) flag(on bool) {
	if on {
		e.buf = append(e.buf, 1)
	} else {
		e.buf = append(e.buf, 0)
	}
}

func (e *encoder) queue(q *queue) {
	e.kind(recordQueue)
	e.number(q.number)
	e.text(q.name)
}

func (e *encoder) sequence(last int64) {
	e.kind(recordSequence)
	e.number(last)
}

// message writes m, and returns where in the buffer its payload begins.
func (e *encoder) message(q *queue, m *message, group, attributes, body, key string, until int64) int {
	e.kind(recordMessage)
	e.number(q.number)
	e.flag(q.ordered)
	e.number(m.seq)
	e.id(m.id)
	e.number(m.due)
	e.number(m.sent)
	e.flag(m.leased)
	e.number(int64(m.receives))
	e.number(m.leasedAt)
	e.number(m.first)
	e.text(group)
	e.flag(m.source != nil)
	if m.source != nil {
		e.text(*m.source)
	}
	e.text(key)
	if key != "" {
		e.number(until)
	}
	e.number(int64(len(attributes)))
	e.number(int64(len(body)))
	at := len(e.buf)
	e.buf = append(append(e.buf, attributes...), body...)
	return at
}

func (e *encoder) lease(q *queue, m *message) {
	e.kind(recordLease)
	e.number(q.number)
	e.number(m.seq)
	e.number(int64(m.receives))
	e.number(m.due)
	e.number(m.leasedAt)
}

func (e *encoder) due(q *queue, m *message) {
	e.kind(recordDue)
	e.number(q.number)
	e.number(m.seq)
	e.number(m.due)
}

func (e *encoder) delete(q *queue, seq int64) {
	e.kind(recordDelete)
	e.number(q.number)
	e.number(seq)
}

func (e *encoder) purge(q *queue) {
	e.kind(recordPurge)
	e.number(q.number)
	e.number(q.purged)
}

func (e *encoder) drop(q *queue) {
	e.kind(recordDrop)
	e.number(q.number)
}

// move writes what a message is in the queue to, after it was moved there.
func (e *encoder) move(from *queue, seq int64, to *queue, m *message) {
	e.kind(recordMove)
	e.number(from.number)
	e.number(seq)
	e.number(to.number)
	e.flag(to.ordered)
	e.number(m.seq)
	e.id(m.id)
	e.number(m.due)
	e.number(m.sent)
	e.number(int64(m.receives))
	e.number(m.first)
	e.flag(m.source != nil)
	if m.source != nil {
		e.text(*m.source)
	}
}

// decoder reads records. After the first error it reads zeros.
type decoder struct {
	buf []byte
	at  int
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s at byte %d", errRecord, what, d.at)
	}
	d.at = len(d.buf)
}

func (d *decoder) more() bool { return d.err == nil && d.at < len(d.buf) }

func (d *decoder) take(n int64) []byte {
	if n < 0 || n > int64(len(d.buf)-d.at) {
		d.fail("it ends early")
		return nil
	}
	b := d.buf[d.at : d.at+int(n)]
	d.at += int(n)
	return b
}

func (d *decoder) kind() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) flag() bool { return d.kind() == 1 }

func (d *decoder) number() int64 {
	n, size := binary.Uvarint(d.buf[d.at:])
	if size <= 0 || n > 1<<63-1 {
		d.fail("a number")
		return 0
	}
	d.at += size
	return int64(n)
}

func (d *decoder) text() string { return string(d.take(d.number())) }

func (d *decoder) id() (id uuid.UUID) {
	copy(id[:], d.take(int64(len(id))))
	return id
}

func (d *decoder) source() *string {
	if !d.flag() {
		return nil
	}
	return new(d.text())
}
