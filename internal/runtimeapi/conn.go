package runtimeapi

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

const (
	pathInvocation = "/2018-06-01/runtime/invocation/"
	pathNext       = pathInvocation + "next"
	pathInitError  = "/2018-06-01/runtime/init/error"

	typeJSON = "application/json"

	// singleWrite is up to which size an event's payload is copied behind its
	// headers, to go out in one piece.
	singleWrite = 32 << 10
	// maxDiscard is how much of an unwanted body is read to keep the connection.
	maxDiscard = 64 << 20
)

// conn is one connection of the runtime.
type conn struct {
	s  *Server
	nc net.Conn
	in *reader

	out  sync.Mutex // held while an answer is written
	wbuf []byte     // guarded by out

	waits     bool // guarded by s.mu: a request was read while this connection is parked
	extension bool // guarded by s.mu: it is an extension's
	last      bool // the client wants the connection closed after the event that it waits for
}

func (c *conn) serve() {
	defer c.s.wg.Done()
	defer c.gone()
	for {
		h, err := c.in.head()
		if !c.released(err) {
			return
		}
		if err != nil {
			var bad *protocolError
			if errors.As(err, &bad) {
				c.reject(bad)
			}
			return
		}
		if !c.handle(h) {
			return
		}
	}
}

// released waits, where this connection is parked, until its event was written:
// a pipelined request must not be answered before. A parked connection that
// ended is forgotten. It reports whether to go on.
func (c *conn) released(err error) bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked != poll(c) {
		return true
	}
	if err != nil {
		s.parked = nil
		return false
	}
	c.waits = true
	for s.parked == poll(c) && !s.closed {
		s.moved.Wait()
	}
	c.waits = false
	return !s.closed
}

func (c *conn) gone() {
	_ = c.nc.Close()
	c.s.left(c, c.nc)
}

// deliver implements poll.
func (c *conn) deliver(ev *Event) error {
	if c.waits {
		c.s.moved.Broadcast()
	}
	c.out.Lock()
	c.s.mu.Unlock()
	err := c.writeEvent(ev)
	last := c.last
	c.out.Unlock()
	if err != nil || last {
		_ = c.nc.Close()
	}
	return err
}

// drop implements poll.
func (c *conn) drop() { _ = c.nc.Close() }

// handle answers one request, and reports whether the connection may be used
// for another.
func (c *conn) handle(h *head) bool {
	switch {
	case h.path == pathNext:
		if h.method != http.MethodGet {
			return c.refuse(h, http.StatusMethodNotAllowed, "MethodNotAllowed", "Method not allowed")
		}
		return c.next(h)
	case h.path == pathInitError:
		if h.method != http.MethodPost {
			return c.refuse(h, http.StatusMethodNotAllowed, "MethodNotAllowed", "Method not allowed")
		}
		return c.initError(h)
	}
	if rest, ok := strings.CutPrefix(h.path, pathInvocation); ok {
		id, what, _ := strings.Cut(rest, "/")
		if what == "response" || what == "error" {
			if h.method != http.MethodPost {
				return c.refuse(h, http.StatusMethodNotAllowed, "MethodNotAllowed", "Method not allowed")
			}
			return c.answer(h, id, what == "error")
		}
	}
	switch h.path {
	case pathTelemetry, pathTelemetry + "/":
		return c.subscribe(h, false)
	case pathLogs, pathLogs + "/":
		return c.subscribe(h, true)
	}
	if strings.HasPrefix(h.path, pathExtension) {
		return c.handleExtension(h)
	}
	return c.refuse(h, http.StatusNotFound, "NotFound", "No such resource of the Runtime API: "+h.path)
}

// next parks the connection until there is an event.
func (c *conn) next(h *head) bool {
	if (h.length > 0 || h.chunked) && !c.discard(h) {
		return false
	}
	c.last = h.close
	err := c.s.ask(c)
	var refused *transition
	if errors.As(err, &refused) {
		return c.badTransition(h, refused)
	}
	return err == nil
}

// initError takes the runtime's report that it cannot start.
func (c *conn) initError(h *head) bool {
	if refused := c.s.beginInitError(); refused != nil {
		return c.refuseTransition(h, refused)
	}
	payload, _, tooLarge, err := c.readBody(h)
	if err != nil {
		c.s.notTaken(stateStarted)
		return c.truncated(err)
	}
	if tooLarge {
		payload = nil // the type is what is left of it
	}
	c.s.handler.InitError(&Error{Type: validErrorType(h.errorType), Payload: payload})
	if tooLarge {
		return c.tooLarge(h)
	}
	return c.accepted(h)
}

// answer takes the runtime's response to its event, or its error.
func (c *conn) answer(h *head, id string, failed bool) bool {
	s := c.s
	wantsStream, err := s.beginAnswer(id, failed)
	var refused *transition
	switch {
	case errors.As(err, &refused):
		return c.refuseTransition(h, refused)
	case err != nil:
		return c.refuse(h, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	}

	switch {
	case failed:
	case strings.EqualFold(h.responseMode, "streaming"), wantsStream && h.chunked && h.responseMode == "":
		return c.stream(h)
	case h.responseMode == "":
	default:
		s.answered(&Answer{Failed: true, ErrorType: ErrorResponseMode})
		return c.refuse(h, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
	}
	payload, late, tooLarge, err := c.readBody(h)
	if err != nil {
		s.notTaken(stateRunning) // the runtime may send it again
		return c.truncated(err)
	}
	a := &Answer{Payload: payload, ContentType: h.contentType}
	switch {
	case tooLarge:
		a = answerTooLarge()
	case failed:
		a.Failed, a.ErrorType = true, validErrorType(h.errorType)
	case late != nil:
		a.Failed, a.ErrorType, a.Payload = true, late.Type, late.Payload
	}
	s.answered(a)
	if tooLarge {
		return c.tooLarge(h)
	}
	return c.accepted(h)
}

// stream passes a response on as it comes.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
func (c *conn) stream(h *head) bool {
	pw := c.s.beginStream(h.contentType)
	if pw == nil {
		return false
	}
	b := c.in.body(h)
	c.proceed(h)
	failure, rest := c.copyStream(pw, b)
	c.s.endStream(pw, failure)
	switch {
	case rest != nil:
		return c.truncated(rest)
	case failure != nil && failure.Type == ErrorResponseTooLarge:
		return c.tooLarge(h)
	}
	return c.accepted(h)
}

// copyStream returns how the function failed, and the error that makes the
// connection useless.
func (c *conn) copyStream(pw *io.PipeWriter, b *body) (*Error, error) {
	buf := make([]byte, 32<<10)
	var total int64
	closed := false
	for {
		n, err := b.Read(buf)
		if total += int64(n); total > MaxStream {
			// The rest is read, so that the connection lives, and thrown away.
			if _, err := io.CopyN(io.Discard, b, maxDiscard); !errors.Is(err, io.EOF) {
				return &Error{Type: ErrorResponseTooLarge}, errors.New("a response that is far too large")
			}
			return &Error{Type: ErrorResponseTooLarge}, nil
		}
		if n > 0 && !closed {
			_, werr := pw.Write(buf[:n])
			closed = werr != nil // nobody reads any more: the function may go on all the same
		}
		switch {
		case errors.Is(err, io.EOF):
			return trailerError(&b.trailers), nil
		case err != nil:
			return &Error{Type: ErrorTruncated}, err
		}
	}
}

// trailerError is the error that a runtime reports after it began to stream.
func trailerError(t *head) *Error {
	if t.errorType == "" {
		return nil
	}
	payload, err := base64.StdEncoding.DecodeString(t.errorBody)
	if err != nil {
		payload = []byte(t.errorBody) // some runtimes send the document as it is
	}
	return &Error{Type: validErrorType(t.errorType), Payload: payload}
}

// readBody reads a body of at most MaxPayload bytes, and the error that a
// chunked one may end with: some runtimes (Go's) send every response as if they
// streamed it. A larger body is read and thrown away.
func (c *conn) readBody(h *head) (payload []byte, late *Error, tooLarge bool, err error) {
	if !h.chunked {
		if h.length > MaxPayload {
			return nil, nil, true, c.throwAway(h)
		}
		c.proceed(h)
		payload = make([]byte, h.length)
		_, err = io.ReadFull(c.in.body(h), payload)
		return payload, nil, false, err
	}
	c.proceed(h)
	b := c.in.body(h)
	payload, err = io.ReadAll(io.LimitReader(b, MaxPayload+1))
	if err != nil || len(payload) <= MaxPayload {
		return payload, trailerError(&b.trailers), false, err
	}
	if _, err := io.CopyN(io.Discard, b, maxDiscard); !errors.Is(err, io.EOF) {
		h.close = true
	}
	return nil, nil, true, nil
}

// throwAway reads an unwanted body, unless the client waits to hear whether to
// send it or it is far too long: then the connection ends after the answer.
func (c *conn) throwAway(h *head) error {
	if h.expect || h.length > maxDiscard {
		h.close = true
		return nil
	}
	n, err := io.CopyN(io.Discard, c.in.body(h), maxDiscard)
	if errors.Is(err, io.EOF) && (h.chunked || n == h.length) {
		return nil
	}
	if err == nil { // a chunked body without end
		h.close = true
	}
	return err
}

func (c *conn) discard(h *head) bool {
	if err := c.throwAway(h); err != nil {
		return c.truncated(err)
	}
	return true
}

// proceed tells a client that waits for it to send the body (curl, for one).
func (c *conn) proceed(h *head) {
	if h.expect {
		c.out.Lock()
		_, _ = io.WriteString(c.nc, "HTTP/1.1 100 Continue\r\n\r\n") // a broken connection shows at the next read
		c.out.Unlock()
	}
}
