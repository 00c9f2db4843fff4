package journal

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// allocateStep is how much of a file is allocated ahead, in bytes.
const allocateStep = 1 << 20

// write is the writer's goroutine: it makes batches durable, one after the
// other, until the journal is closed.
func (j *Journal) write() {
	defer close(j.stopped)
	var spare []byte // the buffer of the batch before
	for range j.kick {
		for {
			// Those who are about to record something share this batch: a sync costs
			// as much as several requests.
			runtime.Gosched()
			j.mu.Lock()
			b := j.next
			if b.empty() {
				closed := j.closed
				j.mu.Unlock()
				if closed {
					return
				}
				break
			}
			j.next = newBatch()
			if spare != nil {
				j.next.buf, spare = spare, nil
			}
			j.mu.Unlock()

			err := j.append(b)
			j.mu.Lock()
			if err == nil {
				j.applied(b)
			} else {
				j.keep(b)
			}
			closed := j.closed
			j.mu.Unlock()
			b.err = err
			close(b.done)
			if err != nil {
				if closed {
					return
				}
				j.log.Error("write the journal of the queues", "error", err)
				time.AfterFunc(retryWrite, j.wake)
				break
			}
			if cap(b.buf) <= 4<<20 {
				spare = appendHeader(b.buf[:0])
			}
			j.compact()
		}
	}
}

// append makes a batch durable.
func (j *Journal) append(b *batch) error {
	if len(b.buf) == batchHeader { // what its callers wait for was written before
		return nil
	}
	s := j.segments[len(j.segments)-1]
	if s.size >= j.opts.SegmentBytes {
		var err error
		if s, err = j.roll(); err != nil {
			return err
		}
	}
	sealBatch(b.buf, j.number+1)
	if err := j.writeAt(s, b.buf); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	j.number++
	return nil
}

// writeAt writes a batch behind the last of a segment. What a failed write
// leaves is overwritten by the next, and until then not a batch for a reader.
func (j *Journal) writeAt(s *segment, batch []byte) error {
	end := s.size + int64(len(batch))
	if end > s.allocated {
		// Without it, every sync has the file's new size to write too. Where the
		// file system cannot, or is full, the write itself tells.
		s.allocated = end + min(allocateStep, j.opts.SegmentBytes)
		_ = allocate(s.file, s.size, s.allocated-s.size)
	}
	_, err := s.file.WriteAt(batch, s.size)
	if err == nil {
		err = syncData(s.file)
	}
	if err != nil {
		s.allocated = 0
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size = end
	return nil
}

// roll begins a segment, which holds all that was said once for those before.
func (j *Journal) roll() (*segment, error) {
	number := int64(1)
	if n := len(j.segments); n > 0 {
		number = j.segments[n-1].number + 1
	}
	path := segmentPath(j.dir, number)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segment{number: number, file: file}
	b := newBatch()
	j.mu.Lock()
	b.sequence(j.lastSeq)
	for _, q := range j.queues {
		b.queue(q)
	}
	j.mu.Unlock()
	sealBatch(b.buf, j.number+1)
	if err = j.writeAt(s, b.buf); err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin a segment of the journal: %w", err), file.Close(), os.Remove(path))
	}
	j.number++
	j.mu.Lock()
	j.segments = append(j.segments, s)
	j.mu.Unlock()
	return s, nil
}

// applied brings into the queues what has become durable. It is called with the
// lock held.
func (j *Journal) applied(b *batch) {
	s := j.segments[len(j.segments)-1]
	base := s.size - int64(len(b.buf))
	now := time.Now().UnixMilli()
	for _, send := range b.sends {
		send.applied(j, s, base, now)
	}
	for _, r := range b.moved {
		r.applied(s, base)
	}
}

// keep saves what a batch that could not be written tells of what has happened.
// It is called with the lock held.
func (j *Journal) keep(b *batch) {
	kept, at := appendHeader(nil), batchHeader
	for _, v := range b.volatile {
		kept, at = append(kept, b.buf[at:v.from]...), v.to
	}
	kept = append(kept, b.buf[at:]...)
	moved := len(kept) - batchHeader
	for i := range j.next.volatile {
		j.next.volatile[i].from += moved
		j.next.volatile[i].to += moved
	}
	for _, send := range j.next.sends {
		send.shift(moved)
	}
	for _, r := range j.next.moved {
		r.at += moved
	}
	j.next.buf = append(kept, j.next.buf[batchHeader:]...)
	for _, send := range b.sends {
		send.failed()
	}
	for _, r := range b.moved {
		r.from.rewritten = false
	}
}
