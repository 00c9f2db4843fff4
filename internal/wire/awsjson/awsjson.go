// Package awsjson is the server's side of awsJson1_0 and awsJson1_1: the
// protocol of CloudWatch Logs, KMS, Secrets Manager, SSM, Cognito, ECR and SQS.
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
package awsjson

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/eventstream"
	"github.com/paddock-run/paddock/internal/wire/fault"
	"github.com/paddock-run/paddock/internal/wire/jsoncodec"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Codec speaks awsJson for one service.
type Codec struct {
	svc       *schema.Service
	plans     *plan.Cache
	limits    body.Limits
	ops       map[string]*schema.Operation
	mediaType string
}

// New makes the codec of svc.
func New(svc *schema.Service, limits body.Limits) *Codec {
	c := &Codec{svc: svc, plans: plan.For(svc), limits: limits, ops: map[string]*schema.Operation{}}
	for i := range svc.Operations {
		c.ops[svc.Operations[i].Name] = &svc.Operations[i]
	}
	c.mediaType = "application/x-amz-json-" + svc.JSONVersion
	return c
}

// Open finds the operation that X-Amz-Target names and how its input is read.
func (c *Codec) Open(r *http.Request) (*schema.Operation, func(in any) error, error) {
	if r.Method != http.MethodPost {
		return nil, nil, awserr.New(http.StatusNotFound, "UnknownOperationException", "")
	}
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), c.svc.TargetPrefix+".")
	op := c.ops[name]
	if op == nil || !ok {
		return nil, nil, awserr.New(http.StatusBadRequest, "UnknownOperationException", "")
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
	return jsoncodec.DecodeAll(data, n, v)
}

// Encode makes the answer of op from its output.
func (c *Codec) Encode(op *schema.Operation, out any, _ string) (*reply.Reply, error) {
	rep := reply.New(http.StatusOK, c.mediaType, nil)
	if op.Output == schema.NoShape {
		return rep, nil
	}
	v := reflect.ValueOf(out)
	n := c.plans.Of(op.Output, v.Type())
	t, ok := n.Value(v)
	if !ok {
		rep.Body = []byte("{}")
		return rep, nil
	}
	var err error
	if i := eventstream.Member(n); i >= 0 {
		initial, err := jsoncodec.AppendFields(nil, n, t, n.Except(i))
		if err != nil {
			return nil, err
		}
		docs := eventstream.Documents{ContentType: "application/json", Append: jsoncodec.AppendFields}
		eventstream.Reply(rep, &n.Fields[i], t.Field(i), docs, initial)
		return rep, nil
	}
	rep.Body, err = jsoncodec.AppendMembers([]byte{'{'}, n, v, true)
	rep.Body = append(rep.Body, '}')
	return rep, err
}

// EncodeFault makes the answer of an error. Its code stands in the body and in
// X-Amzn-Errortype; a service that used to speak awsQuery adds that protocol's
// code in x-amzn-query-error.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
func (c *Codec) EncodeFault(f *fault.Fault) (*reply.Reply, error) {
	rep := reply.New(f.Status, c.mediaType, nil)
	rep.Header.Set("X-Amzn-Errortype", f.Code)
	if c.svc.QueryCompatible {
		rep.Header.Set("X-Amzn-Query-Error", f.QueryError())
	}
	typ := f.Code
	if c.svc.Namespace != "" && f.Value != nil {
		typ = c.svc.Namespace + "#" + f.Code
	}
	b := jsoncodec.AppendString([]byte(`{"__type":`), typ)
	var err error
	if f.Value != nil {
		v := reflect.ValueOf(f.Value)
		b, err = jsoncodec.AppendMembers(b, c.plans.Of(f.Shape, v.Type()), v, false)
	}
	if m := f.LooseMessage(); m != "" {
		b = jsoncodec.AppendString(append(b, `,"message":`...), m)
	}
	rep.Body = append(b, '}')
	return rep, err
}
