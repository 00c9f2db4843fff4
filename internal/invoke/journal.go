package invoke

import (
	"bytes"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/runtimeapi"
)

const (
	// maxLine is the longest log event; what is longer is cut into several.
	maxLine = 256 << 10
	// tailSize is how much of an invocation's log its caller may ask for.
	tailSize = 4 << 10
	// maxDrain bounds how long the end of an invocation waits for a function that
	// never stops to write.
	maxDrain = 1 << 20
)

// LogEvent is one event of a log stream.
type LogEvent struct {
	Timestamp int64  // Unix time in milliseconds
	Message   string // with the line end that it was written with
}

// LogSink takes the logs of functions. Append must not block for longer than
// taking note of the events takes; the events are its own. Streams and groups
// that do not exist yet are the sink's to make.
type LogSink interface {
	Append(account, region, group, stream string, events []LogEvent)
}

// journal is the log of one environment: what the platform says about it and
// what its processes write, in order.
type journal struct {
	sink                           LogSink
	telemetry                      atomic.Pointer[telemetry] // nil: nobody asks for any
	json                           bool                      // the function's log is in that form
	account, region, group, stream string

	mu      sync.Mutex
	pending []LogEvent // not yet given to the sink
	sources []*source
	tail    []byte // of the current invocation, up to twice tailSize
	tailing bool
	buf     [16 << 10]byte // to read into
	readers sync.WaitGroup
}

// source is a pipe that an environment's processes write to. Two readers share
// it: a goroutine that waits for data, and whoever ends an invocation and must
// know that all that was written before has been read.
type source struct {
	file  *os.File
	raw   syscall.RawConn
	split splitter
	emit  func(timestamp int64, message []byte)
	drain func(fd uintptr) // reads what is there; the journal's lock is held
}

// splitter makes log events of what was read. It is called with the journal's
// lock held.
type splitter interface {
	feed(data []byte, now int64, emit func(int64, []byte))
	// flush gives out what is incomplete.
	flush(now int64, emit func(int64, []byte))
}

// read reads the end of a pipe into the journal, from now on, and closes it when
// the journal hangs up. kind is that of telemetry.
func (j *journal) read(r *os.File, split splitter, kind string) error {
	raw, err := r.SyscallConn()
	if err != nil {
		_ = r.Close()
		return err
	}
	s := &source{file: r, raw: raw, split: split}
	s.emit = func(timestamp int64, message []byte) {
		j.add(timestamp, string(message))
		if t := j.telemetry.Load(); t != nil {
			t.add(kind, kind, time.UnixMilli(timestamp), logRecord(message, j.json && kind == runtimeapi.KindFunction))
		}
	}
	s.drain = func(fd uintptr) {
		for total := 0; total < maxDrain; {
			n, _ := j.readOnce(s, fd)
			if n <= 0 {
				return
			}
			total += n
		}
	}
	j.mu.Lock()
	j.sources = append(j.sources, s)
	j.mu.Unlock()
	j.readers.Go(func() {
		// Ends when every writer has closed its end, or hangUp closed ours.
		_ = raw.Read(func(fd uintptr) bool {
			for {
				j.mu.Lock()
				n, err := j.readOnce(s, fd)
				if n <= 0 {
					j.flushLocked() // outside of an invocation's end, lines go out as they come
					j.mu.Unlock()
					return err != syscall.EAGAIN
				}
				j.mu.Unlock()
			}
		})
	})
	return nil
}

// readOnce takes what is there. It is called with the lock held.
func (j *journal) readOnce(s *source, fd uintptr) (int, error) {
	for {
		n, err := syscall.Read(int(fd), j.buf[:])
		if err == syscall.EINTR {
			continue
		}
		if n > 0 {
			s.split.feed(j.buf[:n], time.Now().UnixMilli(), s.emit)
		}
		return n, err
	}
}

// drain reads what the processes have written so far.
func (j *journal) drain() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.sources {
		_ = s.raw.Control(s.drain) // an error: closed, and so drained
	}
}

func (j *journal) add(timestamp int64, message string) {
	j.pending = append(j.pending, LogEvent{timestamp, message})
	if j.tailing {
		if len(j.tail)+len(message) > 2*tailSize {
			j.tail = append(j.tail[:0], j.tail[max(0, len(j.tail)-tailSize):]...)
			message = message[max(0, len(message)-tailSize):]
		}
		j.tail = append(j.tail, message...)
	}
}

func (j *journal) flushLocked() {
	if len(j.pending) > 0 {
		j.sink.Append(j.account, j.region, j.group, j.stream, j.pending)
		j.pending = nil
	}
}

// say writes messages of the platform and hands on what there is.
func (j *journal) say(messages ...string) {
	now := time.Now().UnixMilli()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range messages {
		if m != "" {
			j.add(now, m)
		}
	}
	j.flushLocked()
}

// begin says that an invocation starts.
func (j *journal) begin(message string, tail bool) {
	j.mu.Lock()
	j.tail, j.tailing = j.tail[:0], tail
	j.mu.Unlock()
	j.say(message)
}

// end says that an invocation is over and returns the tail of its log where
// begin was asked to keep it. What its function wrote comes before, if it was
// drained.
func (j *journal) end(messages ...string) []byte {
	now := time.Now().UnixMilli()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.sources {
		s.split.flush(now, s.emit)
	}
	for _, m := range messages {
		if m != "" {
			j.add(now, m)
		}
	}
	j.flushLocked()
	if !j.tailing {
		return nil
	}
	j.tailing = false
	return bytes.Clone(j.tail[max(0, len(j.tail)-tailSize):])
}

// hangUp reads what is left of processes that have ended, and closes the pipes.
func (j *journal) hangUp() {
	j.drain()
	j.mu.Lock()
	sources := j.sources
	j.sources = nil
	now := time.Now().UnixMilli()
	for _, s := range sources {
		s.split.flush(now, s.emit)
	}
	j.flushLocked()
	j.mu.Unlock()
	for _, s := range sources {
		_ = s.file.Close() // the read end of a pipe: nothing can be lost
	}
	j.readers.Wait()
}

// lines makes an event of each line.
type lines struct{ part []byte }

func (l *lines) feed(data []byte, now int64, emit func(int64, []byte)) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		take := i + 1
		if i < 0 {
			take = len(data)
		}
		take = min(take, maxLine-len(l.part))
		whole := take > 0 && data[take-1] == '\n'
		if whole && len(l.part) == 0 {
			emit(now, data[:take])
		} else {
			l.part = append(l.part, data[:take]...)
			if whole || len(l.part) == maxLine {
				l.flush(now, emit)
			}
		}
		data = data[take:]
	}
}

func (l *lines) flush(now int64, emit func(int64, []byte)) {
	if len(l.part) > 0 {
		emit(now, l.part)
		l.part = l.part[:0]
	}
	if cap(l.part) > 16<<10 { // one long line must not keep its memory for good
		l.part = nil
	}
}
