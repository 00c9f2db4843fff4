package runtimeapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// This file is where extensions stand, as transitions.go is for the runtime.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html

// MaxExtensions is how many extensions an environment may have, internal ones
// included.
const MaxExtensions = 10

// What extensions may register for.
const (
	eventInvoke   = "INVOKE"
	eventShutdown = "SHUTDOWN"
)

// Why an environment is shut down.
const (
	ReasonSpindown = "spindown" // it is not needed any more
	ReasonTimeout  = "timeout"  // an invocation, or Init, took too long
	ReasonFailure  = "failure"  // the runtime or an extension failed
)

// Types of the failures of extensions.
const (
	ErrorExtensionInit   = "Extension.InitError"
	ErrorExtensionExit   = "Extension.ExitError"
	ErrorExtensionCrash  = "Extension.Crash"
	ErrorExtensionLaunch = "Extension.LaunchError"
)

// Function is what extensions are told about the function that they are beside.
type Function struct{ Name, Version, Handler, Account string }

// Extension is an extension as the log tells of it.
type Extension struct {
	Name     string
	External bool     // a process of its own; else a part of the runtime's
	State    string   // "Started", "Registered", "Ready", "Running", "InitError", "ExitError"
	Events   []string // what it has registered for, sorted
	// ErrorType is what it reported itself ("Extension.ConfigInvalid").
	ErrorType string
}

// Subscribed tells whether it has registered for SHUTDOWN.
func (e *Extension) Subscribed() bool { return slices.Contains(e.Events, eventShutdown) }

// ExtensionError is an extension's report that it cannot go on.
type ExtensionError struct {
	Name string
	Type string // ErrorExtensionInit or ErrorExtensionExit
}

// Names of extensions' states, which are part of what the API answers.
const (
	extStarted    = "Started"
	extRegistered = "Registered"
	extReady      = "Ready"
	extRunning    = "Running"
	extInitError  = "InitError"
	extExitError  = "ExitError"
)

// extension is one extension; the Server's lock guards it.
type extension struct {
	Extension
	subscribed string               // "Telemetry" or "Logs", to which it has subscribed
	id         string               // empty: it has not registered
	waiting    chan *extensionEvent // of the connection that it waits on; closed when another one replaces it
	// undelivered could not be written: it gets it when it asks again.
	undelivered *extensionEvent
}

// extensionEvent is an answer to a request for the next event.
type extensionEvent struct {
	id  string
	doc []byte
}

// refusal is an answer with an error.
type refusal struct{ errorType, message string }

func (r *refusal) Error() string { return r.message }

func refused(errorType, format string, args ...any) *refusal {
	return &refusal{errorType, fmt.Sprintf(format, args...)}
}

func badExtensionTransition(from, to, name string) *refusal {
	return refused("Extension.InvalidExtensionState", "State transition from %s to %s failed for extension %s. Error: State transition is not allowed", from, to, name)
}

// Expect names the external extensions that are about to be started. It must be
// called before they, and the runtime, are.
func (s *Server) Expect(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.extensions = append(s.extensions, &extension{Extension: Extension{Name: name, External: true, State: extStarted}})
	}
}

// Extensions is all extensions there are, by name.
func (s *Server) Extensions() []Extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Extension, 0, len(s.extensions))
	for _, x := range s.extensions {
		all = append(all, x.Extension)
	}
	slices.SortFunc(all, func(a, b Extension) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Shutdown sends the extensions that have registered for it their SHUTDOWN event,
// now or when they ask for the next event. Nothing but that is sent after it.
func (s *Server) Shutdown(reason string, deadline time.Time) {
	doc, err := json.Marshal(struct {
		EventType  string `json:"eventType"`
		Reason     string `json:"shutdownReason"`
		DeadlineMs int64  `json:"deadlineMs"`
	}{eventShutdown, reason, deadline.UnixMilli()})
	if err != nil {
		return // strings and a number: cannot happen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shutdown = doc
	for _, x := range s.extensions {
		if x.waiting != nil && x.Subscribed() {
			s.hand(x, &extensionEvent{id: uuid.NewString(), doc: doc})
		}
	}
}

// registerExtension returns the identifier of an extension that registers, and
// whether it was the last one that Expect named.
func (s *Server) registerExtension(name string, events []string) (id string, last bool, err *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.extensions, func(x *extension) bool { return x.Name == name })
	internal := i < 0 || !s.extensions[i].External
	for _, event := range events {
		switch {
		case event != eventInvoke && event != eventShutdown:
			return "", false, refused("Extension.InvalidEventType", "%s: ErrorInvalidEventType", event)
		case event == eventShutdown && internal:
			return "", false, refused("Extension.InvalidEventType", "%s: ShutdownEventNotSupportedForInternalExtension", event)
		}
	}
	var x *extension
	switch {
	case i >= 0 && !internal && s.extensions[i].State == extStarted:
		x = s.extensions[i]
	case i >= 0 && !internal:
		return "", false, badExtensionTransition(s.extensions[i].State, extRegistered, name)
	case s.state != stateStarted || s.closed:
		return "", false, refused("Extension.RegistrationClosed", "Extension registration closed already")
	case i >= 0:
		return "", false, refused("Extension.InvalidExtensionState", "Extension with this name already registered")
	case len(s.extensions) >= MaxExtensions:
		return "", false, refused("Extension.TooManyExtensions", "Extension limit (%d) reached", MaxExtensions)
	default:
		x = &extension{Extension: Extension{Name: name}}
		s.extensions = append(s.extensions, x)
	}
	x.id, x.State = uuid.NewString(), extRegistered
	x.Events = slices.Compact(slices.Sorted(slices.Values(events)))
	if internal {
		return x.id, false, nil
	}
	last = !slices.ContainsFunc(s.extensions, func(x *extension) bool { return x.State == extStarted })
	return x.id, last, nil
}

// extension finds one by its identifier; the lock is held.
func (s *Server) extension(id string) (*extension, *refusal) {
	if id == "" {
		return nil, refused("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
	}
	if uuid.Validate(id) != nil {
		return nil, refused("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
	}
	for _, x := range s.extensions {
		if x.id == id {
			return x, nil
		}
	}
	return nil, refused("Extension.UnknownExtensionIdentifier", "Unknown extension %s", id)
}

// askExtension is an extension's request for its next event, which comes over the
// channel; closed without one: the connection is of no use any more. all: with it
// the runtime and every extension wait, and the Handler is to hear of it.
func (s *Server) askExtension(id string) (_ *extension, events chan *extensionEvent, all bool, err *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.extension(id)
	if err != nil {
		return nil, nil, false, err
	}
	events = make(chan *extensionEvent, 1)
	if s.closed {
		close(events)
		return x, events, false, nil
	}
	switch {
	case x.undelivered != nil:
		events <- x.undelivered
		x.undelivered = nil
		return x, events, false, nil
	case s.shutdown != nil && x.Subscribed():
		x.State = extRunning
		events <- &extensionEvent{id: uuid.NewString(), doc: s.shutdown}
		return x, events, false, nil
	case x.State == extReady: // asks again: the newest connection counts
		if x.waiting != nil {
			close(x.waiting)
		}
		x.waiting = events
		return x, events, false, nil
	case x.State != extRegistered && x.State != extRunning:
		return nil, nil, false, badExtensionTransition(x.State, extReady, id)
	}
	x.State, x.waiting = extReady, events
	return x, events, s.allWait(), nil
}

// allWait tells, once a turn, that the runtime and every extension wait for an
// event. The lock is held.
func (s *Server) allWait() bool {
	if !s.runtimeWaits || s.shutdown != nil {
		return false
	}
	for _, x := range s.extensions {
		if x.State != extReady {
			return false
		}
	}
	s.runtimeWaits, s.initialized = false, true
	return true
}

// notDelivered keeps an event that could not be written.
func (s *Server) notDelivered(x *extension, ev *extensionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.State == extRunning && x.waiting == nil {
		x.undelivered = ev
	}
}

// hand gives a waiting extension its event; the lock is held.
func (s *Server) hand(x *extension, ev *extensionEvent) {
	x.State = extRunning
	if x.waiting == nil {
		x.undelivered = ev
		return
	}
	x.waiting <- ev // which is the only one
	x.waiting = nil
}

// sendExtensions tells extensions of an invocation; the lock is held.
func (s *Server) sendExtensions(ev *Event) error {
	type tracing struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	doc := struct {
		EventType  string   `json:"eventType"`
		DeadlineMs int64    `json:"deadlineMs"`
		RequestID  string   `json:"requestId"`
		ARN        string   `json:"invokedFunctionArn"`
		Tracing    *tracing `json:"tracing,omitempty"`
	}{EventType: eventInvoke, DeadlineMs: ev.DeadlineMs, RequestID: ev.RequestID, ARN: ev.InvokedARN}
	if ev.TraceID != "" {
		doc.Tracing = &tracing{"X-Amzn-Trace-Id", ev.TraceID}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	for _, x := range s.extensions {
		if slices.Contains(x.Events, eventInvoke) {
			s.hand(x, &extensionEvent{id: uuid.NewString(), doc: text})
		}
	}
	return nil
}

// extensionFailed takes an extension's report of an error of its own.
func (s *Server) extensionFailed(id, errorType string, init bool) (name string, err *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.extension(id)
	if err != nil {
		return "", err
	}
	to := extExitError
	if init {
		to = extInitError
	}
	ok := x.State == extRegistered || x.State == to
	if !init {
		ok = ok || x.State == extReady || x.State == extRunning
	}
	if !ok {
		return "", badExtensionTransition(x.State, to, id)
	}
	x.State, x.ErrorType = to, errorType
	return x.Name, nil
}
