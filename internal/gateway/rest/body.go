package rest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// readBody reads the request's body, which may not take longer than an
// integration, and undoes its compression where the API compresses.
func (c *call) readBody() *Failure {
	r := c.HTTP
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > maxPayload {
		return fail(requestTooLarge, "")
	}
	c.setReadDeadline(time.Now().Add(defaultTimeout))
	body, err := readAll(r.Body, r.ContentLength, maxPayload)
	c.setReadDeadline(time.Time{})
	if f, ok := errors.AsType[*Failure](err); ok { // an authorizer that watches the body
		return f
	}
	switch {
	case errors.Is(err, errTooLarge):
		return fail(requestTooLarge, "")
	case errors.Is(err, os.ErrDeadlineExceeded):
		f := fail(default4XX, "The request's body did not arrive in time")
		f.Status, f.Code, f.Message = http.StatusRequestTimeout, "RequestTimeoutException", "Request Timeout"
		return f
	case err != nil:
		return fail(default4XX, "The request's body could not be read: "+err.Error())
	}
	c.body = body
	return c.decompress()
}

// setReadDeadline limits how long a slow client may take; zero: no longer.
func (c *call) setReadDeadline(t time.Time) {
	// A writer without a connection below it (in tests) has no slow client.
	_ = http.NewResponseController(c.writer).SetReadDeadline(t)
}

var errTooLarge = errors.New("the payload is too large")

// readAll reads a body of a length that may be known (else -1), and no more than limit.
func readAll(r io.Reader, length, limit int64) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	if length > 0 && length <= limit {
		// What is announced is not yet sent: memory follows what arrives.
		if length <= 64<<10 {
			body := make([]byte, length)
			_, err := io.ReadFull(r, body)
			return body, err
		}
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	if n > limit {
		return nil, errTooLarge
	}
	if err == nil && length > 0 && n < length {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// decompress undoes a request's Content-Encoding, in APIs that compress.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-make-request-with-compressed-payload.html
func (c *call) decompress() *Failure {
	encoding := strings.ToLower(strings.TrimSpace(c.HTTP.Header.Get("Content-Encoding")))
	if c.definition.MinimumCompressionSize == nil || encoding == "" || encoding == "identity" || len(c.body) == 0 {
		return nil
	}
	var reader io.Reader
	var err error
	switch encoding {
	case "gzip":
		reader, err = gzip.NewReader(bytes.NewReader(c.body))
	case "deflate":
		reader, err = zlib.NewReader(bytes.NewReader(c.body))
		if err != nil { // some clients send it without zlib's frame
			reader, err = flate.NewReader(bytes.NewReader(c.body)), nil
		}
	default:
		return fail(unsupportedMediaType, "The content encoding "+encoding+" is not supported")
	}
	if err != nil {
		return fail(unsupportedMediaType, "The payload is not compressed as its Content-Encoding says")
	}
	plain, err := readAll(reader, -1, maxPayload)
	if errors.Is(err, errTooLarge) {
		return fail(requestTooLarge, "The payload is too large once decompressed")
	}
	if err != nil {
		return fail(unsupportedMediaType, "The payload is not compressed as its Content-Encoding says")
	}
	c.body = plain
	c.HTTP.Header.Del("Content-Encoding")
	return nil
}

// compress compresses a response where the API does, the caller accepts it and
// nobody has done so yet.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-receive-response-with-compressed-payload.html
func (c *call) compress(out *response) {
	if c.definition == nil || c.definition.MinimumCompressionSize == nil || out.stream != nil ||
		len(out.body) == 0 || int64(len(out.body)) < int64(*c.definition.MinimumCompressionSize) || out.header.Get("Content-Encoding") != "" {
		return
	}
	encoding := acceptedEncoding(c.HTTP.Header.Get("Accept-Encoding"))
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		return
	}
	// Writing into memory does not fail.
	_, _ = w.Write(out.body)
	_ = w.Close()
	if out.header == nil {
		out.header = http.Header{}
	}
	out.body = b.Bytes()
	out.header.Set("Content-Encoding", encoding)
}
