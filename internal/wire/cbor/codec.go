package cbor

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/eventstream"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

const mediaType = "application/cbor"

// Codec speaks rpcv2Cbor for one service.
type Codec struct {
	svc    *schema.Service
	plans  *plan.Cache
	limits body.Limits
	ops    map[string]*schema.Operation
}

// New makes the codec of svc.
func New(svc *schema.Service, limits body.Limits) *Codec {
	c := &Codec{svc: svc, plans: plan.For(svc), limits: limits, ops: map[string]*schema.Operation{}}
	for i := range svc.Operations {
		c.ops[svc.Operations[i].Name] = &svc.Operations[i]
	}
	return c
}

// Open finds the operation that the path names, /service/{service}/operation/
// {operation} after any prefix, and how its input is read.
func (c *Codec) Open(r *http.Request) (*schema.Operation, func(in any) error, error) {
	unknown := awserr.New(http.StatusNotFound, "UnknownOperationException", "")
	i := strings.LastIndex(r.URL.Path, "/service/")
	if i < 0 || r.Method != http.MethodPost {
		return nil, nil, unknown
	}
	service, name, ok := strings.Cut(r.URL.Path[i+len("/service/"):], "/operation/")
	op := c.ops[name]
	if !ok || op == nil || service != c.svc.TargetPrefix {
		return nil, nil, unknown
	}
	return op, func(in any) error { return c.decode(r, op, in) }, nil
}

func (c *Codec) decode(r *http.Request, op *schema.Operation, in any) error {
	if op.Input == schema.NoShape {
		return nil
	}
	data, err := c.limits.ReadAll(r)
	if err != nil {
		return err
	}
	v := reflect.ValueOf(in)
	n := c.plans.Of(op.Input, v.Type())
	if len(data) == 0 {
		n.FillDefaults(n.Target(v))
		return nil
	}
	return Decode(data, n, v)
}

// Encode makes the answer of op from its output. An operation without output
// has no body; one whose output has no members has an empty map.
func (c *Codec) Encode(op *schema.Operation, out any, _ string) (*reply.Reply, error) {
	rep := reply.New(http.StatusOK, "", nil)
	rep.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	if op.Output == schema.NoShape {
		return rep, nil
	}
	rep.Header.Set("Content-Type", mediaType)
	v := reflect.ValueOf(out)
	n := c.plans.Of(op.Output, v.Type())
	t, ok := n.Value(v)
	if !ok {
		rep.Body = appendHead(nil, majorMap, 0)
		return rep, nil
	}
	var err error
	if i := eventstream.Member(n); i >= 0 {
		initial, err := AppendFields(nil, n, t, n.Except(i))
		if err != nil {
			return nil, err
		}
		eventstream.Reply(rep, &n.Fields[i], t.Field(i), eventstream.Documents{ContentType: mediaType, Append: AppendFields}, initial)
		return rep, nil
	}
	rep.Body, err = AppendFields(nil, n, t, nil)
	return rep, err
}

// EncodeFault makes the answer of an error; its code is __type in the body.
func (c *Codec) EncodeFault(f *fault.Fault) (*reply.Reply, error) {
	rep := reply.New(f.Status, mediaType, nil)
	rep.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	rep.Header.Set("X-Amzn-Errortype", f.Code)
	if c.svc.QueryCompatible {
		rep.Header.Set("X-Amzn-Query-Error", f.QueryError())
	}
	typ := f.Code
	if c.svc.Namespace != "" && f.Value != nil {
		typ = c.svc.Namespace + "#" + f.Code
	}
	if f.Value == nil {
		rep.Body = appendHead(nil, majorMap, 2)
		rep.Body = appendText(appendText(rep.Body, "__type"), typ)
		rep.Body = appendText(appendText(rep.Body, "message"), f.Message)
		return rep, nil
	}
	v := reflect.ValueOf(f.Value)
	n := c.plans.Of(f.Shape, v.Type())
	e := encoder{}
	more := []text{{"__type", typ}}
	if m := f.LooseMessage(); m != "" {
		more = append(more, text{"message", m})
	}
	err := e.fields(n, v.Elem(), nil, more...)
	rep.Body = e.b
	return rep, err
}
