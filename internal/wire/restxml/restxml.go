// Package restxml is the server's side of restXml: S3's protocol.
// https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
package restxml

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/chunked"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/httpbind"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/route"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/xmlcodec"
)

const (
	mediaType = "application/xml"
	prolog    = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
)

// Codec speaks restXml for one service.
type Codec struct {
	svc    *schema.Service
	plans  *plan.Cache
	routes *route.Table
	limits body.Limits
}

// New makes the codec of svc.
func New(svc *schema.Service, limits body.Limits) *Codec {
	return &Codec{svc: svc, plans: plan.For(svc), routes: route.New(svc), limits: limits}
}

// Open finds the operation that r is for and how its input is read.
func (c *Codec) Open(r *http.Request) (*schema.Operation, func(in any) error, error) {
	m, ok := c.routes.Find(r)
	if !ok {
		// S3's words: almost any path is some bucket's or object's.
		return nil, nil, awserr.New(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"The specified method is not allowed against this resource.")
	}
	return m.Op, func(in any) error { return c.decode(r, m, in) }, nil
}

func (c *Codec) decode(r *http.Request, m route.Match, in any) error {
	if m.Op.Input == schema.NoShape {
		return nil
	}
	if chunked.Is(r) {
		if err := chunked.Unwrap(r); err != nil {
			return err
		}
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
		return xmlcodec.Decode(data, &plan.Field{Node: n}, v, n.Body)
	}
	f, slot := &n.Fields[n.Payload], t.Field(n.Payload)
	if httpbind.SetRaw(f, slot, data) || len(data) == 0 {
		return nil
	}
	return xmlcodec.Decode(data, f, slot, f.All())
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
	t, ok := n.Value(v)
	if !ok || n.Payload < 0 && len(n.BodyOut) == 0 {
		return rep, nil
	}
	if n.Payload >= 0 {
		return rep, c.payload(rep, &n.Fields[n.Payload], t.Field(n.Payload))
	}
	rep.Header.Set("Content-Type", mediaType)
	e := xmlcodec.Encoder{B: []byte(prolog)}
	name := cmp.Or(n.Shape.XMLName, n.Shape.Name)
	namespace := cmp.Or(n.Shape.XMLNamespace, c.svc.XMLNamespace)
	if n.Shape.Traits.Has(schema.Unwrapped) {
		err = c.unwrapped(&e, name, namespace, n, t)
	} else {
		err = e.Element(name, n.Shape.XMLPrefix, namespace, n, t, n.BodyOut)
	}
	rep.Body = e.B
	return rep, err
}

// unwrapped writes the only body member's text as the root element's.
func (c *Codec) unwrapped(e *xmlcodec.Encoder, name, namespace string, n *plan.Node, t reflect.Value) error {
	e.Open(name, "", namespace)
	for _, i := range n.BodyOut {
		f := &n.Fields[i]
		v, ok := f.Value(t.Field(i))
		if !ok {
			continue
		}
		if f.Kind != schema.KindString {
			return fmt.Errorf("restxml: %s.%s is unwrapped and no string", n.Shape.Name, f.Member.Name)
		}
		e.Chars(v.String())
	}
	e.Close(name)
	return nil
}

func (c *Codec) payload(rep *reply.Reply, f *plan.Field, slot reflect.Value) error {
	if done, err := httpbind.Raw(rep, f, slot); done || err != nil {
		return err
	}
	v, ok := f.Value(slot)
	if !ok {
		return nil
	}
	if f.Kind != schema.KindStructure && f.Kind != schema.KindUnion {
		return fmt.Errorf("restxml: %s cannot be a payload", f.Shape.Name)
	}
	rep.Header.Set("Content-Type", mediaType)
	e := xmlcodec.Encoder{B: []byte(prolog)}
	prefix, namespace := f.Member.XMLPrefix, f.Member.XMLNamespace
	if namespace == "" {
		prefix, namespace = f.Shape.XMLPrefix, cmp.Or(f.Shape.XMLNamespace, c.svc.XMLNamespace)
	}
	name := cmp.Or(f.Member.LocationName, f.Shape.XMLName, f.Shape.Name)
	err := e.Element(name, prefix, namespace, f.Node, v, f.All())
	rep.Body = e.B
	return err
}

// EncodeFault makes the answer of an error: an Error element with the
// exception's members beside its code and message, and for S3 the request's IDs.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (c *Codec) EncodeFault(f *fault.Fault) (*reply.Reply, error) {
	rep := reply.New(f.Status, mediaType, nil)
	e := xmlcodec.Encoder{B: []byte(prolog)}
	if c.svc.WrappedErrors {
		e.Open("ErrorResponse", "", c.svc.XMLNamespace)
	}
	e.Open("Error", "", "")
	if c.svc.WrappedErrors {
		e.Text("Type", f.Blame())
	}
	e.Text("Code", f.QueryCode)
	if f.Value != nil {
		v := reflect.ValueOf(f.Value)
		n := c.plans.Of(f.Shape, v.Type())
		if _, err := httpbind.Encode(rep.Header, n, v); err != nil {
			return nil, err
		}
		if f.MessageField >= 0 || f.Message != "" {
			e.Text("Message", f.Message)
		}
		if err := e.Members(n, v.Elem(), f.Beside(n.BodyOut)); err != nil {
			return nil, err
		}
	} else if f.Message != "" {
		e.Text("Message", f.Message)
	}
	if c.svc.WrappedErrors {
		e.Close("Error")
		e.Text("RequestId", f.RequestID)
		e.Close("ErrorResponse")
	} else {
		e.Text("RequestId", f.RequestID)
		e.Text("HostId", fault.HostID(f.RequestID))
		e.Close("Error")
	}
	rep.Body = e.B
	return rep, nil
}
