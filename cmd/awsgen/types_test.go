package main

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/apigatewaymanagementapi"
	"github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/api/cloudformation"
	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/cognitoidp"
	"github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/kms"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/api/secretsmanager"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/api/ssm"
	"github.com/paddock-run/paddock/internal/api/sts"
	"github.com/paddock-run/paddock/internal/awsmodel"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

type generated struct {
	svc           *schema.Service
	handler       reflect.Type
	unimplemented any
}

var packages = []generated{
	{&apigateway.Service, reflect.TypeFor[apigateway.Handler](), apigateway.Unimplemented{}},
	{&apigatewaymanagementapi.Service, reflect.TypeFor[apigatewaymanagementapi.Handler](), apigatewaymanagementapi.Unimplemented{}},
	{&apigatewayv2.Service, reflect.TypeFor[apigatewayv2.Handler](), apigatewayv2.Unimplemented{}},
	{&cloudformation.Service, reflect.TypeFor[cloudformation.Handler](), cloudformation.Unimplemented{}},
	{&cloudwatch.Service, reflect.TypeFor[cloudwatch.Handler](), cloudwatch.Unimplemented{}},
	{&cognitoidp.Service, reflect.TypeFor[cognitoidp.Handler](), cognitoidp.Unimplemented{}},
	{&ecr.Service, reflect.TypeFor[ecr.Handler](), ecr.Unimplemented{}},
	{&iam.Service, reflect.TypeFor[iam.Handler](), iam.Unimplemented{}},
	{&kms.Service, reflect.TypeFor[kms.Handler](), kms.Unimplemented{}},
	{&lambda.Service, reflect.TypeFor[lambda.Handler](), lambda.Unimplemented{}},
	{&logs.Service, reflect.TypeFor[logs.Handler](), logs.Unimplemented{}},
	{&s3.Service, reflect.TypeFor[s3.Handler](), s3.Unimplemented{}},
	{&secretsmanager.Service, reflect.TypeFor[secretsmanager.Handler](), secretsmanager.Unimplemented{}},
	{&sqs.Service, reflect.TypeFor[sqs.Handler](), sqs.Unimplemented{}},
	{&ssm.Service, reflect.TypeFor[ssm.Handler](), ssm.Unimplemented{}},
	{&sts.Service, reflect.TypeFor[sts.Handler](), sts.Unimplemented{}},
}

func TestEveryServiceIsHere(t *testing.T) {
	configs, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range packages {
		have[p.svc.ID] = true
	}
	if len(configs) != len(packages) {
		t.Errorf("services.json has %d services, the tests %d", len(configs), len(packages))
	}
	for _, c := range configs {
		if !have[c.ID] {
			t.Errorf("%s of services.json has no row in packages", c.ID)
		}
	}
}

// TestTypesFollowTheSchema walks every input and output and holds each Go type
// to what schema.Kind promises of it.
func TestTypesFollowTheSchema(t *testing.T) {
	for _, p := range packages {
		t.Run(p.svc.ID, func(t *testing.T) {
			w := typeWalk{t: t, svc: p.svc, seen: map[typeKey]bool{}}
			for i := range p.svc.Operations {
				op := &p.svc.Operations[i]
				if i > 0 && op.Name <= p.svc.Operations[i-1].Name {
					t.Errorf("%s stands after %s", op.Name, p.svc.Operations[i-1].Name)
				}
				m, ok := p.handler.MethodByName(op.Name)
				if !ok {
					t.Errorf("Handler has no %s", op.Name)
					continue
				}
				in, out := m.Type.In(1), m.Type.Out(0)
				if got := reflect.TypeOf(op.NewInput()); got != in {
					t.Errorf("%s: NewInput makes %v, Handler takes %v", op.Name, got, in)
				}
				w.unitOr(op.Input, in, true)
				w.unitOr(op.Output, out, false)
			}
			if p.handler.NumMethod() != len(p.svc.Operations) {
				t.Errorf("Handler has %d methods, the schema %d operations", p.handler.NumMethod(), len(p.svc.Operations))
			}
		})
	}
}

func TestUnimplemented(t *testing.T) {
	for _, p := range packages {
		for i := range p.svc.Operations {
			op := &p.svc.Operations[i]
			_, err := op.Call(context.Background(), p.unimplemented, op.NewInput())
			var e *schema.NotImplementedError
			if !errors.As(err, &e) || e.Operation != op.Name || e.Service != p.svc.ID {
				t.Errorf("%s.%s: got %v", p.svc.ID, op.Name, err)
			}
		}
	}
}

type typeKey struct {
	id  schema.ShapeID
	typ reflect.Type
}

type typeWalk struct {
	t    *testing.T
	svc  *schema.Service
	seen map[typeKey]bool
}

func (w *typeWalk) unitOr(id schema.ShapeID, typ reflect.Type, input bool) {
	if id == schema.NoShape {
		if typ != reflect.TypeFor[*schema.Unit]() {
			w.t.Errorf("%v where there is no shape", typ)
		}
		return
	}
	w.structure(id, typ, input)
}

func (w *typeWalk) structure(id schema.ShapeID, typ reflect.Type, input bool) {
	s := w.svc.Shape(id)
	if w.seen[typeKey{id, typ}] {
		return
	}
	w.seen[typeKey{id, typ}] = true
	if typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		w.t.Errorf("%s is held by %v", s.Name, typ)
		return
	}
	typ = typ.Elem()
	fields := typ.NumField()
	if s.Traits.Has(schema.Exception) && fields == len(s.Members)+1 && typ.Field(fields-1).Name == "Message" {
		fields-- // the message that the model does not have
	}
	if fields != len(s.Members) {
		w.t.Errorf("%s has %d members, %v %d fields", s.Name, len(s.Members), typ, fields)
		return
	}
	for i := range s.Members {
		m, f := &s.Members[i], typ.Field(i)
		if f.Name != awsmodel.ExportName(m.Name) && f.Name != awsmodel.ExportName(m.Name)+"Field" {
			w.t.Errorf("%s.%s is held by field %s", s.Name, m.Name, f.Name)
		}
		w.member(s, m, f.Type, input)
	}
}

func (w *typeWalk) member(s *schema.Shape, m *schema.Member, typ reflect.Type, input bool) {
	target := w.svc.Shape(m.Target)
	switch {
	case m.Traits.Has(schema.Streaming) && input:
		w.same(s, m, typ, reflect.TypeFor[io.ReadCloser]())
	case m.Traits.Has(schema.Streaming):
		w.same(s, m, typ, reflect.TypeFor[io.Reader]())
	case target.Traits.Has(schema.EventStream):
		// func(emit func(*T) error) error
		if typ.Kind() != reflect.Func {
			w.t.Errorf("%s.%s is %v", s.Name, m.Name, typ)
			return
		}
		w.structure(m.Target, typ.In(0).In(0), false)
	default:
		w.value(s, m, typ, true, input)
	}
}

var scalars = map[schema.Kind]reflect.Kind{
	schema.KindBoolean: reflect.Bool, schema.KindByte: reflect.Int8, schema.KindShort: reflect.Int16, schema.KindInteger: reflect.Int32,
	schema.KindLong: reflect.Int64, schema.KindFloat: reflect.Float32, schema.KindDouble: reflect.Float64, schema.KindString: reflect.String,
}

func (w *typeWalk) value(s *schema.Shape, m *schema.Member, typ reflect.Type, mayBeAbsent, input bool) {
	target := w.svc.Shape(m.Target)
	sparse := target.Traits.Has(schema.Sparse)
	switch target.Kind {
	case schema.KindStructure, schema.KindUnion:
		w.structure(m.Target, typ, input)
		return
	case schema.KindBlob:
		w.same(s, m, typ, reflect.TypeFor[[]byte]())
		return
	case schema.KindDocument:
		w.same(s, m, typ, reflect.TypeFor[any]())
		return
	case schema.KindList:
		if typ.Kind() != reflect.Slice {
			w.t.Errorf("%s.%s is %v", s.Name, m.Name, typ)
			return
		}
		w.value(target, &target.Members[0], typ.Elem(), sparse, input)
		return
	case schema.KindMap:
		if typ.Kind() != reflect.Map || typ.Key() != reflect.TypeFor[string]() {
			w.t.Errorf("%s.%s is %v", s.Name, m.Name, typ)
			return
		}
		w.value(target, &target.Members[1], typ.Elem(), sparse, input)
		return
	}
	if mayBeAbsent {
		if typ.Kind() != reflect.Pointer {
			w.t.Errorf("%s.%s is %v, no pointer", s.Name, m.Name, typ)
			return
		}
		typ = typ.Elem()
	}
	if target.Kind == schema.KindTimestamp {
		w.same(s, m, typ, reflect.TypeFor[time.Time]())
	} else if typ.Kind() != scalars[target.Kind] || (target.Enum == nil) != (typ.PkgPath() == "") {
		w.t.Errorf("%s.%s is %v", s.Name, m.Name, typ)
	}
}

func (w *typeWalk) same(s *schema.Shape, m *schema.Member, got, want reflect.Type) {
	if got != want {
		w.t.Errorf("%s.%s is %v, want %v", s.Name, m.Name, got, want)
	}
}
