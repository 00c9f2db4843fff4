package wiretest

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxUnroll is how often a shape stands in itself before Unroll cuts it off.
const maxUnroll = 4

// Unroll copies svc so that no shape refers to itself: reflect.StructOf makes
// no recursive types. A recursive shape has copies down to a fixed depth, the
// last of which lack the members that lead back.
func Unroll(svc *schema.Service) *schema.Service {
	out := *svc
	out.Shapes, out.Operations = nil, slices.Clone(svc.Operations)
	u := &unroller{from: svc, to: &out, within: map[schema.ShapeID]int{}, errors: map[schema.ShapeID]schema.ShapeID{}}
	for i := range out.Operations {
		op := &out.Operations[i]
		if op.Input != schema.NoShape {
			op.Input, _ = u.copy(op.Input)
		}
		if op.Output != schema.NoShape {
			op.Output, _ = u.copy(op.Output)
		}
		op.Errors = slices.Clone(op.Errors)
		for j, id := range op.Errors {
			made, ok := u.errors[id]
			if !ok {
				made, _ = u.copy(id)
				u.errors[id] = made
			}
			op.Errors[j] = made
		}
	}
	return &out
}

type unroller struct {
	from, to *schema.Service
	within   map[schema.ShapeID]int
	errors   map[schema.ShapeID]schema.ShapeID
}

func (u *unroller) copy(id schema.ShapeID) (schema.ShapeID, bool) {
	if u.within[id] >= maxUnroll {
		return 0, false
	}
	u.within[id]++
	defer func() { u.within[id]-- }()
	shape := *u.from.Shape(id)
	members := shape.Members
	shape.Members = nil
	for _, m := range members {
		target, ok := u.copy(m.Target)
		switch {
		case ok:
			m.Target = target
			shape.Members = append(shape.Members, m)
		case shape.Kind == schema.KindList || shape.Kind == schema.KindMap:
			return 0, false
		}
	}
	made := schema.ShapeID(len(u.to.Shapes))
	if made == schema.NoShape {
		panic("wiretest: too many shapes")
	}
	u.to.Shapes = append(u.to.Shapes, shape)
	return made, true
}

// TypeOf is the Go type of a structure of an unrolled service, laid out as
// cmd/awsgen lays out the types it generates. in says whether streams are read
// or written by the handler.
func TypeOf(svc *schema.Service, id schema.ShapeID, in bool) reflect.Type {
	fields := []reflect.StructField{}
	for i, m := range svc.Shape(id).Members {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: memberType(svc, &m, in)})
	}
	return reflect.StructOf(fields)
}

func memberType(svc *schema.Service, m *schema.Member, in bool) reflect.Type {
	if m.Traits.Has(schema.Streaming) && svc.Shape(m.Target).Kind == schema.KindBlob {
		if in {
			return reflect.TypeFor[io.ReadCloser]()
		}
		return reflect.TypeFor[io.Reader]()
	}
	t := valueType(svc, m.Target, in)
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Func:
		return t
	}
	return reflect.PointerTo(t)
}

var simple = map[schema.Kind]reflect.Type{
	schema.KindBoolean: reflect.TypeFor[bool](), schema.KindByte: reflect.TypeFor[int8](),
	schema.KindShort: reflect.TypeFor[int16](), schema.KindInteger: reflect.TypeFor[int32](),
	schema.KindLong: reflect.TypeFor[int64](), schema.KindFloat: reflect.TypeFor[float32](),
	schema.KindDouble: reflect.TypeFor[float64](), schema.KindString: reflect.TypeFor[string](),
	schema.KindBlob: reflect.TypeFor[[]byte](), schema.KindTimestamp: reflect.TypeFor[time.Time](),
	schema.KindDocument: reflect.TypeFor[any](),
}

// valueType is the type of an element: the value itself for simple kinds.
func valueType(svc *schema.Service, id schema.ShapeID, in bool) reflect.Type {
	s := svc.Shape(id)
	switch s.Kind {
	case schema.KindStructure, schema.KindUnion:
		t := reflect.PointerTo(TypeOf(svc, id, in))
		if s.Traits.Has(schema.EventStream) {
			fail := reflect.TypeFor[error]()
			emit := reflect.FuncOf([]reflect.Type{t}, []reflect.Type{fail}, false)
			return reflect.FuncOf([]reflect.Type{emit}, []reflect.Type{fail}, false)
		}
		return t
	case schema.KindList:
		return reflect.SliceOf(elementType(svc, s, &s.Members[0], in))
	case schema.KindMap:
		return reflect.MapOf(reflect.TypeFor[string](), elementType(svc, s, &s.Members[1], in))
	}
	return simple[s.Kind]
}

func elementType(svc *schema.Service, holder *schema.Shape, m *schema.Member, in bool) reflect.Type {
	t := valueType(svc, m.Target, in)
	if holder.Traits.Has(schema.Sparse) {
		switch t.Kind() {
		case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		default:
			return reflect.PointerTo(t)
		}
	}
	return t
}
