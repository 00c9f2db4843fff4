// Package restjson is the server's side of restJson1: Lambda's and API
// Gateway's protocol.
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
package restjson

import (
	"net/http"
	"reflect"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/eventstream"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/jsoncodec"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/route"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

const mediaType = "application/json"

// Codec speaks restJson1 for one service.
type Codec struct {
	plans  *plan.Cache
	routes *route.Table
	limits body.Limits
}

// New makes the codec of svc.
func New(svc *schema.Service, limits body.Limits) *Codec {
	return &Codec{plans: plan.For(svc), routes: route.New(svc), limits: limits}
}

// Open finds the operation that r is for and how its input is read.
func (c *Codec) Open(r *http.Request) (*schema.Operation, func(in any) error, error) {
	m, ok := c.routes.Find(r)
	if !ok {
		return nil, nil, awserr.New(http.StatusNotFound, "UnknownOperationException",
			"No operation has the method %s and this path", r.Method)
	}
	return m.Op, func(in any) error { return c.decode(r, m, in) }, nil
}

func (c *Codec) decode(r *http.Request, m route.Match, in any) error {
	if m.Op.Input == schema.NoShape {
		return nil
	}
	v := reflect.ValueOf(in)
	n := c.plans.Of(m.Op.Input, v.Type())
	if err := httpbind.Decode(r, m.Labels, n, v); err != nil {
		return err
	}
	t := n.Target(v)
	defer n.FillDefaults(t)
	if n.Payload < 0 && len(n.Body) == 0 {
		return nil
	}
	if n.Payload >= 0 && httpbind.IsStream(&n.Fields[n.Payload]) {
		return httpbind.StreamIn(r, &n.Fields[n.Payload], t.Field(n.Payload))
	}
	data, err := c.limits.ReadAll(r)
	if err != nil {
		return err
	}
	if n.Payload < 0 {
		if len(data) == 0 {
			return nil
		}
		if err := httpbind.CheckContentType(r, mediaType); err != nil {
			return err
		}
		return jsoncodec.Decode(data, n, v)
	}
	f, slot := &n.Fields[n.Payload], t.Field(n.Payload)
	if f.Kind == schema.KindString && len(data) > 0 {
		if err := httpbind.CheckContentType(r, "text/plain"); err != nil {
			return err
		}
	}
	if httpbind.SetRaw(f, slot, data) || len(data) == 0 {
		return nil
	}
	if err := httpbind.CheckContentType(r, mediaType); err != nil {
		return err
	}
	return jsoncodec.DecodeValue(data, f, slot)
}

// Encode makes the answer of op from its output.
func (c *Codec) Encode(op *schema.Operation, out any, _ string) (*reply.Reply, error) {
	rep := reply.New(op.Status, "", nil)
	if rep.Status == 0 {
		rep.Status = http.StatusOK
	}
	if op.Output == schema.NoShape {
		return rep, nil
	}
	v := reflect.ValueOf(out)
	n := c.plans.Of(op.Output, v.Type())
	status, err := httpbind.Encode(rep.Header, n, v)
	if err != nil {
		return nil, err
	}
	if status != 0 {
		rep.Status = status
	}
	if n.Payload < 0 {
		rep.Header.Set("Content-Type", mediaType)
		rep.Body, err = jsoncodec.Append(nil, n, v)
		return rep, err
	}
	t, ok := n.Value(v)
	if !ok {
		return rep, nil
	}
	f, slot := &n.Fields[n.Payload], t.Field(n.Payload)
	if eventstream.Is(f) {
		eventstream.Reply(rep, f, slot, eventstream.Documents{ContentType: mediaType, Append: jsoncodec.AppendFields}, nil)
		return rep, nil
	}
	if done, err := httpbind.Raw(rep, f, slot); done || err != nil {
		return rep, err
	}
	if _, ok := f.Value(slot); !ok {
		return rep, nil
	}
	rep.Header.Set("Content-Type", mediaType)
	rep.Body, err = jsoncodec.AppendValue(nil, f, slot)
	return rep, err
}

// EncodeFault makes the answer of an error.
func (c *Codec) EncodeFault(f *fault.Fault) (*reply.Reply, error) {
	rep := reply.New(f.Status, mediaType, nil)
	rep.Header.Set("X-Amzn-Errortype", f.Code)
	if f.Value == nil {
		rep.Body = append(jsoncodec.AppendString([]byte(`{"message":`), f.Message), '}')
		return rep, nil
	}
	v := reflect.ValueOf(f.Value)
	n := c.plans.Of(f.Shape, v.Type())
	if _, err := httpbind.Encode(rep.Header, n, v); err != nil {
		return nil, err
	}
	var err error
	rep.Body, err = jsoncodec.Append(nil, n, v)
	if m := f.LooseMessage(); m != "" && err == nil {
		b := rep.Body[:len(rep.Body)-1]
		if len(b) > 1 {
			b = append(b, ',')
		}
		rep.Body = append(jsoncodec.AppendString(append(b, `"message":`...), m), '}')
	}
	return rep, err
}
