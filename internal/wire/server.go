// Package wire is the server's side of the AWS protocols. Each protocol is
// written once, over the schema of a service, in a package of its own; Server
// tells them apart and calls the service.
package wire

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DefaultMaxBody is the limit of a request's body where Options has none, in
// bytes. Lambda takes the largest: an archive of 50 MB in base64, and some.
const DefaultMaxBody = 70 << 20

// Options of a Server.
type Options struct {
	Logger *slog.Logger // nil: slog.Default
	// MaxBody is the most bytes of a body that is read whole, as it came and
	// after inflation alike; 0 is DefaultMaxBody. Members that stream are not
	// limited here: their handler reads as much as it wants.
	MaxBody int64
}

// codec is one protocol of one service.
type codec interface {
	// Open finds the operation that r is for, and how to read its input.
	Open(r *http.Request) (op *schema.Operation, decode func(in any) error, err error)
	Encode(op *schema.Operation, out any, requestID string) (*reply.Reply, error)
	EncodeFault(f *fault.Fault) (*reply.Reply, error)
}

// Server serves the operations of one service in all of its protocols. It
// wants requests behind the edge: with an identity in the context.
type Server struct {
	svc     *schema.Service
	handler any
	log     *slog.Logger
	codecs  map[schema.Protocol]codec
}

// NewServer makes the server of svc's operations, which handler implements: a
// Handler of the service's generated package. It panics on a table with a
// protocol or a URI pattern that no codec knows.
func NewServer(svc *schema.Service, handler any, opts Options) *Server {
	s := &Server{svc: svc, handler: handler, log: opts.Logger, codecs: map[schema.Protocol]codec{}}
	if s.log == nil {
		s.log = slog.Default()
	}
	limits := body.Limits{Max: opts.MaxBody}
	if limits.Max == 0 {
		limits.Max = DefaultMaxBody
	}
	for _, p := range svc.Protocols {
		s.codecs[p] = newCodec(svc, p, limits)
	}
	return s
}

// ServeHTTP answers one request of one of the service's operations.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.exchange(w, r)
	defer x.recover()
	x.serve()
}

// Refuse answers a request with err, in the protocol that it speaks, without
// calling the service. It is for what stands before the services.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	x := s.exchange(w, r)
	defer x.recover()
	x.fail(err)
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	p := s.choose(r)
	return &exchange{Server: s, protocol: p, codec: s.codecs[p], w: w, r: r, id: identity.Of(r.Context())}
}

// exchange is one request and its answer.
type exchange struct {
	*Server
	protocol schema.Protocol
	codec    codec
	w        http.ResponseWriter
	r        *http.Request
	id       *identity.Identity
	op       *schema.Operation
	sent     bool // the head is out
}

func (x *exchange) serve() {
	out, err := x.call()
	if err != nil {
		x.fail(err)
		return
	}
	rep, err := x.codec.Encode(x.op, out, x.id.RequestID)
	if err != nil {
		x.fail(err)
		return
	}
	x.send(rep)
}

func (x *exchange) call() (any, error) {
	op, decode, err := x.codec.Open(x.r)
	if err != nil {
		return nil, err
	}
	x.op = op
	in := op.NewInput()
	if err := decode(in); err != nil {
		return nil, err
	}
	if err := checkInput(x.svc, op, in); err != nil {
		return nil, err
	}
	return op.Call(x.r.Context(), x.handler, in)
}

// recover turns a panic of a handler or codec into a 500. One that says the
// connection is to be cut is passed on.
func (x *exchange) recover() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler || x.sent {
		if v != http.ErrAbortHandler {
			x.log.Error("panic in an answer", append(x.attrs(), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))...)
		}
		panic(http.ErrAbortHandler)
	}
	x.log.Error("panic in a handler", append(x.attrs(), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))...)
	x.sendFault(x.internal())
}

func (x *exchange) fail(err error) {
	f, cause := x.fault(err)
	if cause != nil && x.r.Context().Err() == nil {
		x.log.Error("an operation failed", append(x.attrs(), slog.Any("error", cause))...)
	}
	x.sendFault(f)
}

func (x *exchange) attrs() []any {
	name := ""
	if x.op != nil {
		name = x.op.Name
	}
	return []any{
		slog.String("request_id", x.id.RequestID),
		slog.String("service", x.svc.ID),
		slog.String("operation", name),
		slog.String("account", x.id.Account),
	}
}

func (x *exchange) sendFault(f *fault.Fault) {
	rep, err := x.codec.EncodeFault(f)
	if err != nil {
		x.log.Error("an error has no form in the protocol", append(x.attrs(), slog.String("code", f.Code), slog.Any("error", err))...)
		rep = reply.New(http.StatusInternalServerError, "", nil)
	}
	x.send(rep)
}

// send writes the answer. After the head nothing can be told but by cutting
// the connection.
func (x *exchange) send(rep *reply.Reply) {
	defer func() {
		if err := rep.Done(); err != nil {
			x.log.Warn("closing an output's stream", append(x.attrs(), slog.Any("error", err))...)
		}
	}()
	x.requestIDs()
	x.sent = true
	err := rep.WriteTo(x.w)
	if err == nil {
		return
	}
	told := isTold(err)
	if x.r.Context().Err() == nil {
		x.log.Error("an answer broke off", append(x.attrs(), slog.Any("error", err))...)
	}
	if !told {
		panic(http.ErrAbortHandler)
	}
}

// requestIDs names the request in the answer, as S3 does where the service
// speaks S3's protocol.
func (x *exchange) requestIDs() {
	h := x.w.Header()
	if x.svc.Protocols[0] == schema.RestXML {
		h.Set("X-Amz-Request-Id", x.id.RequestID)
		h.Set("X-Amz-Id-2", fault.HostID(x.id.RequestID))
		return
	}
	h.Set("X-Amzn-Requestid", x.id.RequestID)
}
