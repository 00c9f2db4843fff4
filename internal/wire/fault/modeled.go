package fault

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Modeled makes the fault of value, a pointer to the Go struct of the
// exception id of svc's model.
func Modeled(svc *schema.Service, id schema.ShapeID, value any, requestID string) *Fault {
	shape := svc.Shape(id)
	f := &Fault{
		Status: http.StatusBadRequest, Code: shape.Name, QueryCode: shape.Name,
		RequestID: requestID, Shape: id, Value: value, MessageField: -1,
	}
	if t := shape.Error; t != nil {
		switch {
		case t.Status != 0:
			f.Status = t.Status
		case !t.SenderFault:
			f.Status = http.StatusInternalServerError
		}
		if t.Code != "" {
			f.QueryCode = t.Code
			if !svc.QueryCompatible {
				f.Code = t.Code
			}
		}
	}
	f.MessageField, f.Message = message(svc, id, value)
	return f
}

// message is the exception's own message member and its index, which models spell in
// several ways.
func message(svc *schema.Service, id schema.ShapeID, value any) (int, string) {
	v := reflect.ValueOf(value)
	n := plan.For(svc).Of(id, v.Type())
	t, ok := n.Value(v)
	if !ok {
		return -1, ""
	}
	if n.OwnMessage {
		if s, ok := t.Field(len(n.Fields)).Interface().(*string); ok && s != nil {
			return -1, *s
		}
		return -1, ""
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		if f.Kind != schema.KindString || !strings.EqualFold(f.Member.Name, "message") && !strings.EqualFold(f.Member.Name, "errorMessage") {
			continue
		}
		if s, ok := f.Value(t.Field(i)); ok {
			return i, s.String()
		}
	}
	return -1, ""
}
