package httpbind

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/reply"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// StreamIn gives the payload member slot the request's body to read. The body
// ends when the handler returns.
func StreamIn(r *http.Request, f *plan.Field, slot reflect.Value) error {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	v := reflect.ValueOf(body)
	if !v.Type().AssignableTo(slot.Type()) {
		return fmt.Errorf("httpbind: %s cannot hold a request's body", f.Type)
	}
	slot.Set(v)
	return nil
}

// IsStream reports whether the payload member is read and written as a stream.
func IsStream(f *plan.Field) bool {
	return f.Kind == schema.KindBlob && f.Type.Kind() == reflect.Interface
}

// SetRaw stores body in a blob or string payload member, and reports false for
// a member of another kind. An empty body leaves the member absent.
func SetRaw(f *plan.Field, slot reflect.Value, body []byte) bool {
	switch f.Kind {
	case schema.KindBlob:
		if len(body) > 0 {
			f.Target(slot).SetBytes(body)
		}
	case schema.KindString:
		if len(body) > 0 {
			f.Target(slot).SetString(string(body))
		}
	default:
		return false
	}
	return true
}

// Raw answers with a blob or string payload member as the body; false for a
// member of another kind.
func Raw(rep *reply.Reply, f *plan.Field, slot reflect.Value) (bool, error) {
	if f.Kind != schema.KindBlob && f.Kind != schema.KindString {
		return false, nil
	}
	fallback := "application/octet-stream"
	if f.Kind == schema.KindString {
		fallback = "text/plain"
	}
	v, ok := f.Value(slot)
	if !ok {
		return true, nil
	}
	if rep.Header.Get("Content-Type") == "" {
		rep.Header.Set("Content-Type", fallback)
	}
	switch {
	case f.Kind == schema.KindString:
		rep.Body = []byte(v.String())
	case IsStream(f):
		src, ok := v.Interface().(io.Reader)
		if !ok {
			return true, fmt.Errorf("httpbind: %s is no io.Reader", f.Type)
		}
		rep.Length = -1
		if sized, ok := src.(interface{ Len() int }); ok {
			rep.Length = int64(sized.Len())
		}
		if c, ok := src.(io.Closer); ok {
			rep.Close = c.Close
		}
		rep.Stream = func(w io.Writer, _ func() error) error {
			_, err := io.Copy(w, src)
			return err
		}
	default:
		rep.Body = v.Bytes()
	}
	return true, nil
}

// CheckContentType refuses a body that is declared to be something else than
// one of the media types want: 415, as the front ends of Smithy's servers do.
func CheckContentType(r *http.Request, want ...string) error {
	header := r.Header.Get("Content-Type")
	if header == want[0] {
		return nil
	}
	got, _, err := mime.ParseMediaType(header)
	if err == nil {
		for _, w := range want {
			if strings.EqualFold(got, w) {
				return nil
			}
		}
	}
	return awserr.New(http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException",
		"The Content-Type must be %s", want[0])
}
