package runtimeapi

import (
	"errors"
	"fmt"
	"io"
)

// This file is where the runtime stands, and how it gets from there to the next
// place, whichever way it speaks.

// state is where the runtime stands. Its name is part of what the API answers.
type state string

const (
	stateStarted    state = "Started"            // not yet asked for an event
	stateInitError  state = "InitError"          // reported that it cannot start
	stateReady      state = "Ready"              // waits for an event
	stateRunning    state = "Running"            // has an event
	stateAnswering  state = "InvocationResponse" // its answer is being read
	stateAnswered   state = "ResponseSent"       // has answered, not yet asked for more
	stateErrorState state = "InvocationErrorResponse"
)

// transition is one that is not allowed.
type transition struct{ from, to state }

func (t *transition) Error() string {
	return fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", t.from, t.to)
}

// errUnknownRequest: an answer to an event that the runtime was not given.
var errUnknownRequest = errors.New("runtimeapi: the answer is to another event")

// ask is the runtime's request for its next event, on p. The error is a
// *transition, ErrClosed, or that an event could not be written.
func (s *Server) ask(p poll) error {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return ErrClosed
	case s.state == stateStarted || s.state == stateAnswered:
		s.state, s.event = stateReady, nil
		s.parked = p
		extensions := s.extensions != nil
		s.mu.Unlock()
		if !extensions || s.runtimeDone() {
			s.handler.Next()
		}
		return nil
	case s.state == stateReady: // asks again: the newest connection counts
		old := s.parked
		s.parked = p
		s.moved.Broadcast()
		s.mu.Unlock()
		if old != nil && old != p {
			old.drop()
		}
		return nil
	case s.state == stateRunning && s.undelivered:
		ev := s.event
		s.undelivered = false
		err := p.deliver(ev)
		if err != nil {
			s.redeliver(ev)
		}
		return err
	}
	at := s.state
	s.mu.Unlock()
	return &transition{at, stateReady}
}

// runtimeDone says that the runtime waits, and tells whether every extension does.
func (s *Server) runtimeDone() bool {
	s.handler.RuntimeDone()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runtimeWaits = true
	return s.allWait()
}

// beginInitError is the beginning of a report that the runtime cannot start.
func (s *Server) beginInitError() *transition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateStarted {
		return &transition{s.state, stateInitError}
	}
	s.state = stateInitError
	return nil
}

// notTaken undoes beginInitError or beginAnswer: what followed broke off.
func (s *Server) notTaken(back state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = back
}

// beginAnswer is the beginning of an answer to the event of that ID, and tells
// whether it is wanted as a stream. The error is a *transition or
// errUnknownRequest.
func (s *Server) beginAnswer(id string, failed bool) (wantsStream bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateRunning && failed:
		return false, &transition{s.state, stateErrorState}
	case s.state != stateRunning:
		return false, &transition{s.state, stateAnswering}
	case s.undelivered, s.event == nil, s.event.RequestID != id:
		return false, errUnknownRequest
	}
	s.state = stateAnswering
	return s.event.Stream, nil
}

// answered passes an answer on. After that the runtime may ask for more, also on
// another connection: Next must not overtake Answer.
func (s *Server) answered(a *Answer) {
	s.handler.Answer(a)
	s.mu.Lock()
	s.state, s.event = stateAnswered, nil
	s.mu.Unlock()
}

// beginStream begins to pass a response on as it comes; endStream must follow.
// Nil: the Server is closed.
func (s *Server) beginStream(contentType string) *io.PipeWriter {
	pr, pw := io.Pipe()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.stream = pw
	s.mu.Unlock()
	s.handler.Answer(&Answer{ContentType: contentType, Stream: pr})
	return pw
}

// endStream ends what beginStream began; failure is nil where all went well.
func (s *Server) endStream(pw *io.PipeWriter, failure *Error) {
	if failure != nil {
		_ = pw.CloseWithError(failure)
	} else {
		_ = pw.Close()
	}
	s.handler.AnswerEnd(failure)
	s.mu.Lock()
	s.stream = nil
	s.state, s.event = stateAnswered, nil
	s.mu.Unlock()
}

// answerTooLarge is what a function's response of more than MaxPayload bytes
// comes to.
func answerTooLarge() *Answer {
	return &Answer{Failed: true, ErrorType: ErrorResponseTooLarge, ContentType: typeJSON, Payload: fmt.Appendf(nil,
		`{"errorMessage":"Response payload size exceeded maximum allowed payload size (%d bytes).","errorType":%q}`, MaxPayload, ErrorResponseTooLarge)}
}
