// Package query is the server's side of awsQuery: the protocol of IAM, STS and
// CloudFormation, and of older clients of SQS and CloudWatch.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
package query

import (
	"cmp"
	"net/http"
	"reflect"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/xmlcodec"
)

const mediaType = "text/xml"

// Codec speaks awsQuery for one service.
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

// Open reads the form in the body or the query string, finds the operation that
// its Action names and how its input is read.
func (c *Codec) Open(r *http.Request) (*schema.Operation, func(in any) error, error) {
	var data []byte
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/x-www-form-urlencoded") {
		var err error
		if data, err = c.limits.ReadAll(r); err != nil {
			return nil, nil, err
		}
	}
	f, err := parse(r.URL.RawQuery, string(data))
	if err != nil {
		return nil, nil, err
	}
	action, ok := f.get("Action")
	if !ok {
		return nil, nil, awserr.New(http.StatusBadRequest, "MissingAction", "Missing Action")
	}
	op := c.ops[action]
	if op == nil {
		version, _ := f.get("Version")
		return nil, nil, awserr.New(http.StatusBadRequest, "InvalidAction",
			"Could not find operation %s for version %s", action, version)
	}
	return op, func(in any) error {
		if op.Input == schema.NoShape {
			return nil
		}
		v := reflect.ValueOf(in)
		d := decoder{budget: plan.Budget(len(r.URL.RawQuery) + len(data))}
		return d.members(f, "", c.plans.Of(op.Input, v.Type()), v)
	}, nil
}

// Encode makes the answer of op from its output.
func (c *Codec) Encode(op *schema.Operation, out any, requestID string) (*reply.Reply, error) {
	e := xmlcodec.Encoder{Names: xmlcodec.Query}
	root := op.Name + "Response"
	e.Open(root, "", c.svc.XMLNamespace)
	if op.Output != schema.NoShape {
		wrapper := cmp.Or(op.ResultWrapper, op.Name+"Result")
		e.Open(wrapper, "", "")
		v := reflect.ValueOf(out)
		n := c.plans.Of(op.Output, v.Type())
		if t, ok := n.Value(v); ok {
			if err := e.Members(n, t, n.All()); err != nil {
				return nil, err
			}
		}
		e.Close(wrapper)
	}
	e.Open("ResponseMetadata", "", "")
	e.Text("RequestId", requestID)
	e.Close("ResponseMetadata")
	e.Close(root)
	return reply.New(http.StatusOK, mediaType, e.B), nil
}

// EncodeFault makes the answer of an error.
func (c *Codec) EncodeFault(f *fault.Fault) (*reply.Reply, error) {
	e := xmlcodec.Encoder{Names: xmlcodec.Query}
	e.Open("ErrorResponse", "", c.svc.XMLNamespace)
	e.Open("Error", "", "")
	e.Text("Type", f.Blame())
	e.Text("Code", f.QueryCode)
	if f.Value == nil || f.MessageField >= 0 || f.Message != "" {
		e.Text("Message", f.Message)
	}
	if f.Value != nil {
		v := reflect.ValueOf(f.Value)
		n := c.plans.Of(f.Shape, v.Type())
		if err := e.Members(n, v.Elem(), f.Beside(n.All())); err != nil {
			return nil, err
		}
	}
	e.Close("Error")
	e.Text("RequestId", f.RequestID)
	e.Close("ErrorResponse")
	return reply.New(f.Status, mediaType, e.B), nil
}
