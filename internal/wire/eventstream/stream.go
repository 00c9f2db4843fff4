package eventstream

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Documents is how a protocol writes the document of an event.
type Documents struct {
	ContentType string
	// Append writes the given fields of the structure v.
	Append func(b []byte, n *plan.Node, v reflect.Value, fields []int) ([]byte, error)
}

// Is reports whether the output member f is a stream of events.
func Is(f *plan.Field) bool { return f.Type.Kind() == reflect.Func }

// Member returns the index of the member of the output n that is a stream of
// events, or -1.
func Member(n *plan.Node) int {
	for i := range n.Fields {
		if Is(&n.Fields[i]) {
			return i
		}
	}
	return -1
}

// Reply makes rep answer with the events that slot, a schema.EventStreamOf
// held by member f, emits. initial, where not nil, is the document of the event
// that RPC protocols send first.
func Reply(rep *reply.Reply, f *plan.Field, slot reflect.Value, docs Documents, initial []byte) {
	rep.Header.Set("Content-Type", ContentType)
	rep.Length = -1
	rep.Stream = func(w io.Writer, flush func() error) error {
		s := &stream{w: w, flush: flush, docs: docs, union: f.Elem.Node}
		return s.run(slot, initial)
	}
}

type stream struct {
	w     io.Writer
	flush func() error
	docs  Documents
	union *plan.Node
	buf   []byte
	doc   []byte
	// broken is the error of the connection, after which nothing can be told.
	broken error
}

func (s *stream) run(slot reflect.Value, initial []byte) error {
	if initial != nil {
		f := s.begin("event", ":event-type", "initial-response")
		f.str(":content-type", s.docs.ContentType)
		if err := s.send(f, initial); err != nil {
			return err
		}
	} else if err := s.flush(); err != nil {
		return err
	}
	if slot.IsNil() {
		return nil
	}
	emit := reflect.MakeFunc(slot.Type().In(0), func(args []reflect.Value) []reflect.Value {
		err := s.event(args[0])
		out := reflect.New(reflect.TypeFor[error]()).Elem()
		if err != nil {
			out.Set(reflect.ValueOf(err))
		}
		return []reflect.Value{out}
	})
	err, _ := slot.Call([]reflect.Value{emit})[0].Interface().(error)
	switch {
	case s.broken != nil:
		return s.broken
	case err != nil:
		return s.fail(err)
	}
	return nil
}

func (s *stream) begin(message, typeHeader, typ string) frame {
	f := newFrame(s.buf)
	f.str(":message-type", message)
	f.str(typeHeader, typ)
	return f
}

func (s *stream) send(f frame, payload []byte) error {
	msg, err := f.finish(payload)
	if err != nil {
		return err
	}
	s.buf = msg
	if _, err := s.w.Write(msg); err != nil {
		s.broken = err
		return err
	}
	if err := s.flush(); err != nil {
		s.broken = err
		return err
	}
	return nil
}

// event writes one value of the union.
func (s *stream) event(v reflect.Value) error {
	if v.IsNil() {
		return errors.New("eventstream: a nil event")
	}
	i, ok := s.union.Set(v.Elem())
	if !ok {
		return fmt.Errorf("eventstream: an event of %s must have exactly one member set", s.union.Shape.Name)
	}
	member := &s.union.Fields[i]
	message, typeHeader := "event", ":event-type"
	if member.Shape.Traits.Has(schema.Exception) {
		message, typeHeader = "exception", ":exception-type"
	}
	return s.structure(s.begin(message, typeHeader, member.Member.Name), member.Node, v.Elem().Field(i).Elem())
}

// structure writes the event v: headers of the members that are headers, and a
// payload of the one that is the payload, or of the rest as a document.
func (s *stream) structure(f frame, n *plan.Node, v reflect.Value) error {
	body := []int{} // never nil: to the codecs nil means every field
	payload := -1
	for i := range n.Fields {
		m := &n.Fields[i]
		switch {
		case m.Member.Traits.Has(schema.EventHeader):
			if h, ok := m.Value(v.Field(i)); ok {
				if err := header(&f, m, h); err != nil {
					return err
				}
			}
		case m.Member.Traits.Has(schema.EventPayload):
			payload = i
		default:
			body = append(body, i)
		}
	}
	var err error
	if payload < 0 {
		f.str(":content-type", s.docs.ContentType)
		s.doc, err = s.docs.Append(s.doc[:0], n, v, body)
		if err != nil {
			return err
		}
		return s.send(f, s.doc)
	}
	m := &n.Fields[payload]
	p, ok := m.Value(v.Field(payload))
	switch m.Kind {
	case schema.KindBlob:
		f.str(":content-type", "application/octet-stream")
		if !ok {
			return s.send(f, nil)
		}
		return s.send(f, p.Bytes())
	case schema.KindString:
		f.str(":content-type", "text/plain")
		if !ok {
			return s.send(f, nil)
		}
		return s.send(f, []byte(p.String()))
	case schema.KindStructure:
		f.str(":content-type", s.docs.ContentType)
		if !ok {
			return s.send(f, nil)
		}
		all := make([]int, len(m.Fields))
		for i := range all {
			all[i] = i
		}
		if s.doc, err = s.docs.Append(s.doc[:0], m.Node, p, all); err != nil {
			return err
		}
		return s.send(f, s.doc)
	}
	return fmt.Errorf("eventstream: %s cannot be the payload of an event", m.Shape.Name)
}

func header(f *frame, m *plan.Field, v reflect.Value) error {
	name := m.Member.WireName()
	switch m.Kind {
	case schema.KindString:
		f.str(name, v.String())
	case schema.KindBoolean:
		f.boolean(name, v.Bool())
	case schema.KindByte, schema.KindShort, schema.KindInteger, schema.KindLong:
		f.integer(name, plan.Bits(m.Kind), v.Int())
	case schema.KindBlob:
		f.bytes(name, v.Bytes())
	case schema.KindTimestamp:
		f.timestamp(name, plan.Time(v))
	default:
		return fmt.Errorf("eventstream: %s cannot be a header of an event", m.Shape.Name)
	}
	return nil
}

// fail ends the stream with the error of the handler: as the exception of the
// union that it is, else as an error without a model, which is reported back
// for the log.
func (s *stream) fail(err error) error {
	if me, ok := errors.AsType[schema.ModeledError](err); ok {
		for i := range s.union.Fields {
			m := &s.union.Fields[i]
			v := reflect.ValueOf(me)
			if m.Member.Target != me.ErrorShape() || v.Type() != m.Type {
				continue
			}
			return s.structure(s.begin("exception", ":exception-type", m.Member.Name), m.Node, v.Elem())
		}
	}
	f := newFrame(s.buf)
	f.str(":message-type", "error")
	f.str(":error-code", "InternalFailure")
	f.str(":error-message", "The request processing has failed because of an unknown error, exception or failure.")
	if sendErr := s.send(f, nil); sendErr != nil {
		return sendErr
	}
	return &reply.ToldError{Cause: err}
}
