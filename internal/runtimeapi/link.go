package runtimeapi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Paddock's own bootstraps speak frames over a socket pair instead of HTTP: the
// same requests and answers with nothing to parse. A frame is its kind (1 byte),
// the length of its fields (3 bytes, big-endian), the length of its body (4
// bytes, big-endian), the fields (UTF-8, with line feeds between them), the body.
//
//	to the runtime:   B  boot        body: a JSON document of whoever starts it (Link.Boot)
//	                  E  event       request ID, deadline, ARN, trace ID, client context,
//	                                 Cognito identity, tenant ID; body: the payload
//	of the runtime:   R  started     the bootstrap runs, and waits to be booted
//	                  N  next        wants an event
//	                  A  answer      request ID, content type; body: the response
//	                  F  failure     request ID, error type; body: the error document
//	                  I  init error  error type; body: the error document
//	                  S  stream      request ID, content type: an answer, in the frames that follow
//	                  D  data        of it; body
//	                  Z  end         of it; the error type, where it failed; body: the error document
//
// Nothing is acknowledged. What the state of the runtime does not allow is passed
// over, as bootstraps pass over HTTP's refusals; what is no frame at all ends the
// connection, and with it the bootstrap.
const (
	frameBoot      = 'B'
	frameEvent     = 'E'
	frameStarted   = 'R'
	frameNext      = 'N'
	frameAnswer    = 'A'
	frameFailure   = 'F'
	frameInitError = 'I'
	frameStream    = 'S'
	frameData      = 'D'
	frameEnd       = 'Z'

	frameHead = 8
	// maxFields bounds a frame's fields.
	maxFields = 1 << 16
	// maxFrame bounds a frame's body: what is longer than a response may be is
	// still read, up to this, and thrown away.
	maxFrame = maxDiscard
	// linkBuffer holds the frames of nearly every invocation, so that one read
	// takes them.
	linkBuffer = 8 << 10
)

// Link is the daemon's end of a framed connection to a bootstrap. It exists
// before there is a Server, because a bootstrap may be started before it is known
// for which function.
type Link struct {
	nc net.Conn
	in *bufio.Reader
	s  *Server // ServeFrames sets it

	out  sync.Mutex // held while an event is written
	wbuf []byte     // guarded by out

	fields []byte // of the frame that is read
}

// NewLink makes a Link, and the file that is to become the bootstrap's
// descriptor; the caller closes its copy when the process has started.
func NewLink() (*Link, *os.File, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, fmt.Errorf("runtimeapi: make a socket pair: %w", err)
	}
	nc, err := net.FileConn(ours)
	_ = ours.Close() // a copy of it is in nc
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("runtimeapi: %w", err)
	}
	return newLink(nc), theirs, nil
}

func newLink(nc net.Conn) *Link {
	return &Link{nc: nc, in: bufio.NewReaderSize(nc, linkBuffer)}
}

// Boot tells the bootstrap what function it is to be: doc is as package runtimes
// makes it. It may come before the bootstrap has started.
func (l *Link) Boot(doc []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	if len(doc) > maxFrame {
		return errors.New("runtimeapi: the boot document is too long")
	}
	return l.write(l.frame(frameBoot, len(doc)), doc)
}

// Started waits until the bootstrap has started, at most for limit. It must not
// be called once the Link is served.
func (l *Link) Started(limit time.Duration) error {
	if err := l.nc.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	kind, length, err := l.head()
	switch {
	case err != nil:
		return err
	case kind != frameStarted || length != 0:
		return errNoFrame
	}
	return l.nc.SetReadDeadline(time.Time{})
}

// Close ends the connection. A Server that serves it does so by itself.
func (l *Link) Close() { _ = l.nc.Close() } // nothing was written that is not sent

// errNoFrame: what came is nothing that a bootstrap sends.
var errNoFrame = errors.New("runtimeapi: not a frame of a bootstrap")

// frame begins a frame whose body has that length; its fields are to be appended.
func (l *Link) frame(kind byte, length int) []byte {
	b := append(l.wbuf[:0], kind, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(length))
}

// write completes the head of b, and writes it and the body. out is held.
func (l *Link) write(b, body []byte) error {
	fields := len(b) - frameHead
	b[1], b[2], b[3] = byte(fields>>16), byte(fields>>8), byte(fields)
	if len(body) <= singleWrite {
		b = append(b, body...)
		l.wbuf = b
		_, err := l.nc.Write(b)
		return err
	}
	l.wbuf = b
	parts := net.Buffers{b, body}
	_, err := parts.WriteTo(l.nc)
	return err
}

// deliver implements poll.
func (l *Link) deliver(ev *Event) error {
	l.out.Lock()
	defer l.out.Unlock()
	l.s.mu.Unlock()
	b := l.frame(frameEvent, len(ev.Payload))
	b = append(b, ev.RequestID...)
	b = append(b, '\n')
	b = strconv.AppendInt(b, ev.DeadlineMs, 10)
	b = append(b, '\n')
	b = append(b, ev.InvokedARN...)
	b = append(b, '\n')
	if ev.TraceID != "" {
		b = oneLine(b, []byte(ev.TraceID))
	}
	b = append(b, '\n')
	b = oneLine(b, ev.ClientContext)
	b = append(b, '\n')
	b = oneLine(b, ev.CognitoIdentity)
	b = append(b, '\n')
	b = oneLine(b, []byte(ev.TenantID))
	return l.write(b, ev.Payload)
}

// drop implements poll: a runtime of the function's own has taken over.
func (l *Link) drop() { l.Close() }

func (l *Link) serve() {
	defer l.s.left(l, l.nc)
	defer l.Close()
	for {
		kind, length, err := l.head()
		if err != nil || !l.handle(kind, length) {
			return
		}
	}
}

// head reads a frame up to its body.
func (l *Link) head() (kind byte, length int64, err error) {
	h, err := l.in.Peek(frameHead)
	if err != nil {
		return 0, 0, err
	}
	kind = h[0]
	fields := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
	length = int64(binary.BigEndian.Uint32(h[4:]))
	if fields > maxFields || length > maxFrame {
		return 0, 0, errNoFrame
	}
	_, _ = l.in.Discard(frameHead) // it is buffered
	l.fields = slices.Grow(l.fields[:0], fields)[:fields]
	_, err = io.ReadFull(l.in, l.fields)
	return kind, length, err
}

// two are the first two fields.
func (l *Link) two() (first, second string) {
	first, second, _ = strings.Cut(string(l.fields), "\n")
	second, _, _ = strings.Cut(second, "\n")
	return first, second
}

// handle takes one frame, and reports whether another one may follow.
func (l *Link) handle(kind byte, length int64) bool {
	s := l.s
	switch kind {
	case frameStarted:
		return l.skip(length)
	case frameNext:
		var refused *transition
		err := s.ask(l)
		return (err == nil || errors.As(err, &refused)) && l.skip(length)
	case frameInitError:
		errorType, _ := l.two()
		if s.beginInitError() != nil {
			return l.skip(length)
		}
		payload, tooLarge, err := l.body(length)
		if err != nil {
			s.notTaken(stateStarted)
			return false
		}
		if tooLarge {
			payload = nil // the type is what is left of it
		}
		s.handler.InitError(&Error{Type: validErrorType(errorType), Payload: payload})
		return true
	case frameAnswer, frameFailure:
		return l.answer(kind == frameFailure, length)
	case frameStream:
		return l.skip(length) && l.stream()
	case frameData, frameEnd: // of a stream that was refused
		return l.skip(length)
	}
	return false
}

// answer takes a whole answer.
func (l *Link) answer(failed bool, length int64) bool {
	id, of := l.two()
	if _, err := l.s.beginAnswer(id, failed); err != nil {
		return l.skip(length)
	}
	payload, tooLarge, err := l.body(length)
	switch {
	case err != nil:
		l.s.notTaken(stateRunning)
		return false
	case tooLarge:
		l.s.answered(answerTooLarge())
	case failed:
		l.s.answered(&Answer{Payload: payload, Failed: true, ErrorType: validErrorType(of)})
	default:
		l.s.answered(&Answer{Payload: payload, ContentType: of})
	}
	return true
}

// body reads a body, or throws one away that is longer than an answer may be.
func (l *Link) body(length int64) (payload []byte, tooLarge bool, err error) {
	if length > MaxPayload {
		_, err := io.CopyN(io.Discard, l.in, length)
		return nil, true, err
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(l.in, payload)
	return payload, false, err
}

func (l *Link) skip(length int64) bool {
	if length == 0 {
		return true
	}
	_, err := io.CopyN(io.Discard, l.in, length)
	return err == nil
}

// stream passes a response on as it comes.
func (l *Link) stream() bool {
	s := l.s
	id, contentType := l.two()
	if _, err := s.beginAnswer(id, false); err != nil {
		return true
	}
	pw := s.beginStream(contentType)
	if pw == nil {
		return false
	}
	failure, err := l.copyStream(pw)
	s.endStream(pw, failure)
	return err == nil
}

// copyStream returns how the function failed, and the error that makes the
// connection useless.
func (l *Link) copyStream(pw *io.PipeWriter) (*Error, error) {
	buf := make([]byte, 32<<10)
	var total int64
	closed := false
	for {
		kind, length, err := l.head()
		switch {
		case err != nil:
			return &Error{Type: ErrorTruncated}, err
		case kind == frameEnd:
			return l.streamEnd(length, total)
		case kind != frameData:
			return &Error{Type: ErrorTruncated}, errNoFrame
		}
		total += length
		for length > 0 {
			n, err := l.in.Read(buf[:min(length, int64(len(buf)))])
			if err != nil {
				return &Error{Type: ErrorTruncated}, err
			}
			length -= int64(n)
			if !closed && total <= MaxStream {
				_, err = pw.Write(buf[:n])
				closed = err != nil // nobody reads any more: the function may go on all the same
			}
		}
		if total > MaxStream+maxDiscard {
			return &Error{Type: ErrorResponseTooLarge}, errors.New("runtimeapi: a response that is far too large")
		}
	}
}

func (l *Link) streamEnd(length, total int64) (*Error, error) {
	errorType, _ := l.two()
	payload, tooLarge, err := l.body(length)
	switch {
	case err != nil:
		return &Error{Type: ErrorTruncated}, err
	case total > MaxStream:
		return &Error{Type: ErrorResponseTooLarge}, nil
	case errorType == "":
		return nil, nil
	case tooLarge:
		payload = nil
	}
	return &Error{Type: validErrorType(errorType), Payload: payload}, nil
}
