package journal

import (
	"os"
	"slices"
	"time"
)

// The journal is rewritten where more than three quarters of it, and more than
// a segment, are of messages that are gone.
const wasteFactor = 4

// compact deletes the oldest segments that nothing needs any more, and where the
// journal is mostly waste begins to rewrite what is alive in the oldest. It runs
// on the writer's goroutine, between two batches, and takes one batch's time.
//
// Only the oldest may go: what a segment says of messages that are deleted or
// leased concerns those in it and in the ones before.
func (j *Journal) compact() {
	for len(j.segments) > 1 {
		s := j.segments[0]
		j.mu.Lock()
		needed := s.live > 0 || s.until > time.Now().UnixMilli()
		if !needed {
			j.segments = j.segments[1:]
			s.gone = true
		}
		j.mu.Unlock()
		if needed {
			break
		}
		if err := os.Remove(s.file.Name()); err != nil {
			j.log.Error("delete a segment of the journal", "error", err)
		}
		j.mu.Lock()
		err := s.closeIfGone()
		j.mu.Unlock()
		if err != nil {
			j.log.Error("close a segment of the journal", "error", err)
		}
	}
	if len(j.segments) < 2 || !j.wasteful() {
		return
	}
	if err := j.rewrite(j.segments[0]); err != nil {
		j.log.Error("rewrite a segment of the journal", "error", err)
	}
}

// closeIfGone closes the file of a segment that is deleted and that nobody reads.
func (s *segment) closeIfGone() error {
	if !s.gone || s.readers > 0 {
		return nil
	}
	return s.file.Close()
}

// wasteful says whether most of the journal is of messages that are gone.
func (j *Journal) wasteful() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	total := int64(0)
	for _, s := range j.segments {
		total += s.size
	}
	return !j.segments[0].rewritten && total > wasteFactor*j.live+j.opts.SegmentBytes
}

// rewrite is a message that is written anew.
type rewrite struct {
	m    *message
	from *segment
	at   int // where its payload is in the batch
}

// applied is called with the journal's lock held.
func (r *rewrite) applied(s *segment, base int64) {
	if r.m.seg == nil {
		return // it is gone
	}
	r.from.live--
	r.m.seg, r.m.off = s, uint32(base+int64(r.at))
	s.live++
}

// rewriteChunk is how many messages are rewritten under one hold of the lock.
const rewriteChunk = 256

// rewrite records all that is alive in a segment once more. That is little, or
// the journal would not be wasteful.
func (j *Journal) rewrite(s *segment) error {
	var alive []*message
	j.mu.Lock()
	s.rewritten = true
	for _, q := range j.queues {
		for _, m := range q.messages {
			if m.seg == s {
				alive = append(alive, m)
			}
		}
	}
	j.mu.Unlock()
	for chunk := range slices.Chunk(alive, rewriteChunk) {
		if err := j.rewriteMessages(s, chunk); err != nil {
			return err
		}
	}
	j.wake()
	return nil
}

func (j *Journal) rewriteMessages(s *segment, messages []*message) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range messages {
		if m.seg != s {
			continue // it was deleted meanwhile
		}
		payload := m.payload
		if !m.cached {
			buf := make([]byte, m.size)
			if _, err := s.file.ReadAt(buf, int64(m.off)); err != nil {
				return err
			}
			payload = string(buf)
		}
		from := len(j.next.buf)
		at := j.next.message(m.g.q, m, m.g.name, payload[:m.attrs], payload[m.attrs:], "", 0)
		j.next.volatile = append(j.next.volatile, span{from, len(j.next.buf)})
		j.next.moved = append(j.next.moved, &rewrite{m, s, at})
	}
	return nil
}
