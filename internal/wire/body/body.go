// Package body reads request bodies whole, within limits.
package body

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// Limits bounds what is read of a request.
type Limits struct {
	// Max is the most bytes a body may have, compressed and after inflation
	// alike.
	Max int64
}

// MaxRatio bounds what gzip may inflate a body to, beside Limits.Max: metrics
// compress about ten to one, deflate's best is a thousand to one.
const MaxRatio = 200

// TooLarge is the 413 that AWS answers to a body over its limit.
func TooLarge() *awserr.Error {
	return awserr.New(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "Request Entity Too Large")
}

// ReadAll reads r's body, inflating it where Content-Encoding says gzip. It
// never holds more than l.Max bytes; over it, the error is TooLarge.
func (l Limits) ReadAll(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > l.Max {
		return nil, TooLarge()
	}
	raw, err := l.read(r.Body, l.Max, r.ContentLength)
	if err != nil {
		return nil, err
	}
	zipped, err := gzipped(r)
	if err != nil || !zipped || len(raw) == 0 {
		return raw, err
	}
	return l.inflate(raw)
}

// gzipped reports whether the outermost encoding is gzip, and takes it off the
// header. aws-chunked is the streaming codec's concern, not ours.
func gzipped(r *http.Request) (bool, error) {
	enc := strings.TrimSpace(r.Header.Get("Content-Encoding"))
	if enc == "" {
		return false, nil
	}
	// The encodings stand in the order they were applied: the last is outermost.
	head, last := "", enc
	if i := strings.LastIndexByte(enc, ','); i >= 0 {
		head, last = strings.TrimSpace(enc[:i]), strings.TrimSpace(enc[i+1:])
	}
	if !strings.EqualFold(last, "gzip") {
		return false, nil
	}
	r.Header = r.Header.Clone()
	if head == "" {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header.Set("Content-Encoding", head)
	}
	return true, nil
}

func (l Limits) inflate(raw []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, awserr.Serialization("The request body is not valid gzip")
	}
	limit := min(l.Max, int64(len(raw))*MaxRatio+4096)
	data, err := l.read(zr, limit, -1)
	if e, ok := errors.AsType[*awserr.Error](err); ok && e.Status == http.StatusRequestEntityTooLarge {
		return nil, err
	}
	if err != nil {
		return nil, awserr.Serialization("The request body is not valid gzip")
	}
	return data, nil
}

// read reads all of src. size is the declared length or -1; it is believed
// only as far as one chunk, so that a header alone makes nobody allocate.
func (l Limits) read(src io.Reader, limit, size int64) ([]byte, error) {
	const chunk = 64 << 10
	start := int64(512)
	if size >= 0 {
		start = min(size+1, chunk)
	}
	buf := make([]byte, 0, start)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, TooLarge()
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return nil, TooLarge()
			}
			return nil, readError(err)
		}
	}
}

// readError is what a client is told of a body that broke off or whose framing
// is wrong. What a reader before us has to say of it passes: that it is not the
// body that was signed, or is inflated beyond bounds.
func readError(err error) error {
	if _, ok := errors.AsType[*awserr.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*sigv4.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return awserr.Serialization("The request body could not be read")
}
