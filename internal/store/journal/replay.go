package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// replay reads the journal. What stands behind the last whole batch of the last
// segment was never acknowledged, and is cut off.
func (j *Journal) replay() error {
	numbers, err := listSegments(j.dir)
	if err != nil {
		return err
	}
	r := &replaying{j: j, byNumber: map[int64]*queue{}, now: time.Now().UnixMilli()}
	for i, number := range numbers {
		file, err := os.OpenFile(segmentPath(j.dir, number), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		r.seg = &segment{number: number, file: file}
		j.segments = append(j.segments, r.seg)
		if err := r.segment(i == len(numbers)-1); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	if len(r.groups) > 0 {
		r.fill()
	}
	if len(j.segments) == 0 || j.segments[len(j.segments)-1].size == 0 {
		return j.first()
	}
	return nil
}

// first begins a journal that has none, or one whose first write was cut short.
func (j *Journal) first() error {
	if n := len(j.segments); n > 0 { // it holds nothing
		last := j.segments[n-1]
		if err := errors.Join(last.file.Close(), os.Remove(last.file.Name())); err != nil {
			return err
		}
		j.segments = j.segments[:n-1]
	}
	_, err := j.roll()
	return err
}

// replaying is the state of a replay.
type replaying struct {
	j        *Journal
	seg      *segment
	byNumber map[int64]*queue
	groups   map[*message]string
	now      int64
}

func (r *replaying) segment(last bool) error {
	info, err := r.seg.file.Stat()
	if err != nil {
		return err
	}
	var buf []byte
	for n := 0; ; n++ {
		var number uint64
		buf, number, err = readBatch(r.seg.file, r.seg.size, info.Size(), buf)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil && n == 0 && r.j.number != 0 && number != r.j.number+1:
			return fmt.Errorf("the journal is damaged at its beginning, or at the end of the file before: restore the data folder from a copy")
		case errors.Is(err, errTorn), err == nil && n > 0 && number != r.j.number+1:
			if last {
				return r.seg.file.Truncate(r.seg.size)
			}
			return nil // the next segment's number says whether that was all
		case err != nil:
			return err
		}
		d := &decoder{buf: buf, at: batchHeader}
		for d.more() {
			r.record(d)
		}
		if d.err != nil {
			return fmt.Errorf("the journal is damaged in the batch at byte %d: %w", r.seg.size, d.err)
		}
		r.j.number = number
		r.seg.size += int64(len(buf))
	}
}

func (r *replaying) record(d *decoder) {
	switch kind := d.kind(); kind {
	case recordQueue:
		number, name := d.number(), d.text()
		if r.byNumber[number] == nil {
			q := newQueue(number, name)
			r.byNumber[number] = q
			r.j.queues[name] = q
			r.j.lastNum = max(r.j.lastNum, number)
		}
	case recordSequence:
		r.sequence(d.number())
	case recordMessage:
		r.message(d)
	case recordLease:
		if m := r.find(d); m != nil {
			m.receives, m.due, m.leasedAt, m.leased = int32(d.number()), d.number(), d.number(), true
			if m.first == 0 {
				m.first = m.leasedAt
			}
		} else {
			_, _, _ = d.number(), d.number(), d.number()
		}
	case recordDue:
		m, due := r.find(d), d.number()
		if m != nil {
			m.due = due
		}
	case recordDelete:
		if m := r.find(d); m != nil {
			r.forget(m)
		}
	case recordMove:
		r.move(d)
	case recordPurge:
		q, upTo := r.byNumber[d.number()], d.number()
		if q == nil {
			return
		}
		q.purged = upTo
		for seq, m := range q.messages {
			if seq <= upTo {
				r.forget(m)
			}
		}
	case recordDrop:
		number := d.number()
		q := r.byNumber[number]
		if q == nil {
			return
		}
		for _, m := range q.messages {
			r.forget(m)
		}
		delete(r.byNumber, number)
		if r.j.queues[q.name] == q {
			delete(r.j.queues, q.name)
		}
	default:
		d.fail(fmt.Sprintf("kind %d", kind))
	}
}

func (r *replaying) sequence(n int64) { r.j.lastSeq = max(r.j.lastSeq, n) }

// find reads a queue's number and a sequence; nil: the message is gone, with a
// segment that is.
func (r *replaying) find(d *decoder) *message {
	number, seq := d.number(), d.number()
	q := r.byNumber[number]
	if q == nil {
		return nil
	}
	return q.messages[seq]
}

func (r *replaying) forget(m *message) {
	delete(m.g.q.messages, m.seq)
	delete(r.groups, m)
	r.j.release(m)
}

func (r *replaying) message(d *decoder) {
	number := d.number()
	q := r.byNumber[number]
	ordered := d.flag()
	m := &message{seq: d.number(), id: d.id(), due: d.number(), sent: d.number(), leased: d.flag(),
		receives: int32(d.number()), leasedAt: d.number(), first: d.number()}
	name, source, key, until := d.text(), d.source(), d.text(), int64(0)
	if key != "" {
		until = d.number()
	}
	m.source = source
	attrs, body := d.number(), d.number()
	m.attrs, m.size = uint32(attrs), uint32(attrs+body)
	at := d.at
	payload := d.take(attrs + body)
	r.sequence(m.seq)
	r.j.lastSent = max(r.j.lastSent, min(m.sent, r.now))
	if d.err != nil || q == nil {
		return
	}
	q.ordered = ordered
	if old := q.messages[m.seq]; old != nil { // it was rewritten
		r.forget(old)
	}
	m.g = &group{q: q} // until fill
	m.seg, m.off = r.seg, uint32(r.seg.size+int64(at))
	r.seg.live++
	r.j.live += int64(m.size) + overhead
	r.j.cache(m, string(payload))
	q.messages[m.seq] = m
	r.name(m, name)
	if key != "" {
		q.remember(key, dedup{until: until, seq: m.seq, id: m.id}, r.now)
		r.seg.until = max(r.seg.until, until)
	}
}

func (r *replaying) name(m *message, group string) {
	if r.groups == nil {
		r.groups = map[*message]string{}
	}
	r.groups[m] = group
}

func (r *replaying) move(d *decoder) {
	m := r.find(d)
	number := d.number()
	to := r.byNumber[number]
	ordered := d.flag()
	seq, id, due, sent := d.number(), d.id(), d.number(), d.number()
	receives, first, source := d.number(), d.number(), d.source()
	r.sequence(seq)
	if m == nil || d.err != nil {
		return
	}
	delete(m.g.q.messages, m.seq)
	if to == nil { // it was dropped since
		delete(r.groups, m)
		r.j.release(m)
		return
	}
	to.ordered = ordered
	m.seq, m.id, m.due, m.sent, m.first, m.source = seq, id, due, sent, first, source
	m.receives, m.leased = int32(receives), false
	if receives == 0 {
		m.leasedAt = 0
	}
	m.g.q = to
	to.messages[seq] = m
}

// fill puts the messages that are left into their queues.
func (r *replaying) fill() {
	for _, q := range r.j.queues {
		left := slices.SortedFunc(maps.Values(q.messages), func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
		q.clear()
		for _, m := range left {
			q.insert(m, r.groups[m], r.now)
		}
	}
}
