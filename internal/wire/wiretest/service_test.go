package wiretest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"

	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/awsjson"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/cbor"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/query"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/restjson"
	"github.com/paddock-run/paddock/internal/wire/restxml"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// service is an unrolled service that a real wire.Server serves: its operations
// note their input and give back what the test wants.
type service struct {
	svc    *schema.Service
	server *wire.Server
	// called is the operation that the last request reached, nil if none.
	called *schema.Operation
	// made is the last input made, decoded or not.
	made    any
	madeFor *schema.Operation
	// log is what the server logged, for messages.
	log bytes.Buffer
}

const requestID = "5e2b0f0c-6c1c-4a35-8e0b-6b1b5f7f2c11"

func newService(svc *schema.Service) *service {
	s := &service{svc: Unroll(svc)}
	for i := range s.svc.Operations {
		op := &s.svc.Operations[i]
		op.NewInput = func() any { return s.newInput(op) }
		op.Call = func(_ context.Context, _, _ any) (any, error) {
			s.called = op
			return s.zeroOutput(op), nil
		}
	}
	s.server = wire.NewServer(s.svc, nil, wire.Options{Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
	return s
}

func (s *service) newInput(op *schema.Operation) any {
	s.made, s.madeFor = new(schema.Unit), op
	if op.Input != schema.NoShape {
		s.made = reflect.New(TypeOf(s.svc, op.Input, true)).Interface()
	}
	return s.made
}

func (s *service) zeroOutput(op *schema.Operation) any {
	if op.Output == schema.NoShape {
		return new(schema.Unit)
	}
	return reflect.New(TypeOf(s.svc, op.Output, false)).Interface()
}

func (s *service) operation(name string) *schema.Operation {
	for i := range s.svc.Operations {
		if s.svc.Operations[i].Name == name {
			return &s.svc.Operations[i]
		}
	}
	return nil
}

// value makes a value of the shape id from params.
func (s *service) value(id schema.ShapeID, in bool, params any) (any, error) {
	v := reflect.New(TypeOf(s.svc, id, in))
	n := plan.For(s.svc).Of(id, v.Type())
	if params == nil {
		params = map[string]any{}
	}
	return v.Interface(), Fill(n, v, params)
}

func (s *service) serve(r *http.Request) (resp *http.Response) {
	s.called, s.made = nil, nil
	s.log.Reset()
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", RequestID: requestID}))
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w.Result()
}

// decoded checks that the last request was decoded to params.
func (s *service) decoded(name string, params any) error {
	if s.called == nil {
		return fmt.Errorf("no operation was called")
	}
	if s.called.Name != name {
		return fmt.Errorf("the operation called was %s, not %s", s.called.Name, name)
	}
	if s.called.Input == schema.NoShape {
		return nil
	}
	want, err := s.value(s.called.Input, true, params)
	if err != nil {
		return fmt.Errorf("the test's params: %w", err)
	}
	n := plan.For(s.svc).Of(s.called.Input, reflect.TypeOf(want))
	w, err := Dump(n, reflect.ValueOf(want))
	if err != nil {
		return err
	}
	g, err := Dump(n, reflect.ValueOf(s.made))
	if err != nil {
		return err
	}
	return same(w, g)
}

type codec interface {
	Encode(op *schema.Operation, out any, requestID string) (*reply.Reply, error)
	EncodeFault(*fault.Fault) (*reply.Reply, error)
}

// codec is the codec of the service's first protocol.
func (s *service) codec() codec {
	limits := body.Limits{Max: wire.DefaultMaxBody}
	switch s.svc.Protocols[0] {
	case schema.RestJSON:
		return restjson.New(s.svc, limits)
	case schema.RestXML:
		return restxml.New(s.svc, limits)
	case schema.AWSJSON:
		return awsjson.New(s.svc, limits)
	case schema.Query:
		return query.New(s.svc, limits)
	}
	return cbor.New(s.svc, limits)
}

// encode encodes the output of op.
func (s *service) encode(op *schema.Operation, out any) (*http.Response, error) {
	return written(s.codec().Encode(op, out, requestID))
}

// encodeError encodes the exception id with params.
func (s *service) encodeError(id schema.ShapeID, params any) (*http.Response, error) {
	v, err := s.value(id, false, params)
	if err != nil {
		return nil, fmt.Errorf("the test's params: %w", err)
	}
	return written(s.codec().EncodeFault(fault.Modeled(s.svc, id, v, requestID)))
}

func written(rep *reply.Reply, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	if err := rep.WriteTo(w); err != nil {
		return nil, err
	}
	return w.Result(), nil
}
