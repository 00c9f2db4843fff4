// Package runtimeapi is the Runtime API and the Extensions API as a function sees
// them:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
//
// A Server serves one environment's runtime, which asks for an event, answers
// it, and asks for the next one. Whoever runs the environment hands events in
// with Send, and hears through a Handler what the runtime does.
//
// There are two ways to speak to it, which may be used side by side: HTTP, for
// custom runtimes and for code inside a function that reads
// AWS_LAMBDA_RUNTIME_API, and frames over a socket pair (Link) for Paddock's own
// bootstraps.
package runtimeapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"sync"
	"time"
)

const (
	// MaxPayload is the largest response or error of a function that is not
	// streamed, in bytes: 6 MB and 100 bytes for what API Gateway adds.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	MaxPayload = 6<<20 + 100
	// MaxStream is the largest streamed response, in bytes: 200 MB.
	MaxStream = 200 << 20

	// maxConnections bounds the daemon's memory against a runtime that opens
	// connections and leaves them. Runtimes use one or two.
	maxConnections = 64
)

// Event is an invocation as the runtime gets it.
type Event struct {
	RequestID       string
	InvokedARN      string
	TraceID         string // X-Amzn-Trace-Id; empty: none
	TenantID        string // of functions that isolate tenants; empty: none
	DeadlineMs      int64  // Unix time in milliseconds
	ClientContext   []byte // JSON; nil: none
	CognitoIdentity []byte // JSON; nil: none
	Payload         []byte // not changed, and not read after the Handler's Answer
	// Stream: the response is wanted as it comes. A runtime that does not say
	// that it streams, but sends its response in chunks, is then taken to.
	Stream bool
}

// Answer is what the runtime answered to an Event.
type Answer struct {
	// Payload is the whole response, or where Failed the error document.
	Payload     []byte
	ContentType string // as the runtime gave it; may be empty
	// Failed: the function reported an error of ErrorType, or its response was
	// not acceptable.
	Failed    bool
	ErrorType string
	// Stream is set, and Payload is not, when the runtime streams its response:
	// AnswerEnd follows. It must be read to its end or closed; what comes after
	// it was closed is thrown away. Its end is io.EOF or an *Error.
	Stream io.ReadCloser
}

// Error is a failure that the runtime reported, or that reading its answer came
// to.
type Error struct {
	Type    string // "Runtime.ImportModuleError"
	Payload []byte // the error document as the runtime sent it: errorMessage, errorType, stackTrace; may be empty
}

func (e *Error) Error() string { return e.Type }

// Handler hears what the runtime does. Its methods are called on the goroutine
// that reads the connection and must not block; the runtime gets no further
// while they run.
type Handler interface {
	// Next: the runtime, and every extension, waits for an event. Initialization,
	// or the invocation before, is over. Send may be called from now on, also from
	// within.
	Next()
	// RuntimeDone: where there are extensions, the runtime waits for an event, and
	// they may be at work still. Next follows.
	RuntimeDone()
	// Registered: every extension that Expect named has registered.
	Registered()
	// Subscribed: an extension wants telemetry, again or for the first time.
	Subscribed(*Subscription)
	// ExtensionError: an extension reported that it cannot start or go on. It is
	// about to end.
	ExtensionError(*ExtensionError)
	// InitError: the runtime could not start. It comes at most once, and
	// before any Next.
	InitError(*Error)
	// Answer comes at most once for each event.
	Answer(*Answer)
	// AnswerEnd follows an Answer with a Stream when all of it was received:
	// nil, or how the function failed halfway.
	AnswerEnd(*Error)
}

// ErrNotReady is Send's error when the runtime does not wait for an event.
var ErrNotReady = errors.New("runtimeapi: the runtime does not wait for an event")

// ErrClosed is Send's error after Close.
var ErrClosed = errors.New("runtimeapi: closed")

// Server serves the Runtime API to one environment.
type Server struct {
	handler  Handler
	function Function
	ln       net.Listener
	done     chan struct{} // closed by Close

	mu     sync.Mutex
	moved  sync.Cond // a parked connection was released, or the last one is gone
	closed bool
	state  state
	event  *Event // while Running or Answering
	// undelivered: event waits for the runtime to ask again, because the
	// connection it asked on was gone.
	undelivered bool
	parked      poll // waits for an event
	stream      *io.PipeWriter
	conns       map[io.Closer]struct{} // of HTTP, and the link
	others      int                    // those of conns that extensions use

	extensions   []*extension // nil: there are none, which is how it mostly is
	runtimeWaits bool         // the runtime waits, and Handler.Next was not called yet; kept only with extensions
	initialized  bool         // Handler.Next was called with extensions
	shutdown     []byte       // the SHUTDOWN event, once it was sent
	wg           sync.WaitGroup
}

// poll is a connection that the runtime waits on for its next event.
type poll interface {
	// deliver writes the event. It is called with the Server's lock held, and
	// releases it as soon as nothing can be written ahead of the event.
	deliver(*Event) error
	// drop ends it: the runtime waits on another one.
	drop()
}

// Serve starts to serve the Runtime API of a function's environment on ln, which
// Close closes.
func Serve(ln net.Listener, h Handler, f Function) *Server {
	s := &Server{handler: h, function: f, ln: ln, done: make(chan struct{}), state: stateStarted, conns: make(map[io.Closer]struct{})}
	s.moved.L = &s.mu
	s.wg.Go(s.accept)
	return s
}

func (s *Server) accept() {
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return // closed; a runtime that finds nobody here ends by itself or at its time limit
		}
		c := &conn{s: s, nc: nc, in: newReader(nc)}
		s.mu.Lock()
		if s.closed || len(s.conns) >= maxConnections {
			s.mu.Unlock()
			_ = nc.Close()
			continue
		}
		s.conns[nc] = struct{}{}
		s.wg.Add(1)
		s.mu.Unlock()
		go c.serve()
	}
}

// ServeFrames starts to serve the runtime at the other end of l as well. Close
// closes l.
func (s *Server) ServeFrames(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.Close()
		return
	}
	l.s = s
	s.conns[l.nc] = struct{}{}
	s.wg.Go(l.serve)
}

// left forgets a connection that has ended.
func (s *Server) left(p poll, nc io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
	if c, ok := p.(*conn); ok && c.extension {
		s.others--
	}
	if s.parked == p {
		s.parked = nil
	}
	if len(s.conns) == s.others {
		s.moved.Broadcast()
	}
}

// ofExtension notes that a connection is not the runtime's.
func (s *Server) ofExtension(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.extension {
		c.extension = true
		s.others++
		s.moved.Broadcast()
	}
}

// Send hands the runtime its next event. It writes on the connection that the
// runtime waits on, and so blocks only where ev.Payload is larger than the
// socket's buffer and the runtime does not read (it may be frozen).
//
// A runtime whose connection broke gets the event when it asks again.
func (s *Server) Send(ev *Event) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.state != stateReady {
		s.mu.Unlock()
		return ErrNotReady
	}
	s.state, s.event = stateRunning, ev
	if s.extensions != nil {
		if err := s.sendExtensions(ev); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	p := s.parked
	if p == nil {
		s.undelivered = true
		s.mu.Unlock()
		return nil
	}
	s.parked = nil
	if err := p.deliver(ev); err != nil {
		s.redeliver(ev)
	}
	return nil
}

// redeliver keeps an event that could not be written for the next time that the
// runtime asks.
func (s *Server) redeliver(ev *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateRunning && s.event == ev {
		s.undelivered = true
	}
}

// Abort ends the stream that is being answered, if there is one, with err: the
// function is about to be killed.
func (s *Server) Abort(err *Error) {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if stream != nil {
		_ = stream.CloseWithError(err)
	}
}

// Settle waits, after the runtime has ended, until all that it sent was read, or
// a process that it left behind has held a connection open for longer than
// limit.
func (s *Server) Settle(limit time.Duration) {
	expired := false
	timer := time.AfterFunc(limit, func() {
		s.mu.Lock()
		expired = true
		s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > s.others && !expired && !s.closed {
		s.moved.Wait()
	}
}

// Close closes the listener and every connection and waits until nothing of the
// Server runs any more: no Handler method is called after it returned. It must
// not be called from within one.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		close(s.done)
	}
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	stream := s.stream
	s.moved.Broadcast()
	s.mu.Unlock()
	if stream != nil {
		_ = stream.CloseWithError(&Error{Type: ErrorTruncated})
	}
	_ = s.ln.Close()
	s.wg.Wait()
}

// Types of the failures that this package finds itself.
const (
	ErrorResponseTooLarge = "Function.ResponseSizeTooLarge"
	ErrorTruncated        = "Runtime.TruncatedResponse"
	ErrorResponseMode     = "Runtime.InvalidResponseModeHeader"
)

var errorTypePattern = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// validErrorType is the type as it stands in logs and metrics, where only those
// of Lambda's own form are let through: a function's own exception class is in
// its error document.
func validErrorType(t string) string {
	if errorTypePattern.MatchString(t) {
		return t
	}
	if len(t) >= 8 && t[:8] == "Runtime." {
		return "Runtime.Unknown"
	}
	return "Function.Unknown"
}

// oneLine makes a header value of what others sent: no line ends, no control
// characters.
func oneLine(dst, value []byte) []byte {
	if bytes.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
		return append(dst, value...)
	}
	for _, c := range value {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}
