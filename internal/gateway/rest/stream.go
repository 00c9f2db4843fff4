package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// stream is a response's body, sent on as it comes.
type stream struct {
	body io.ReadCloser
	done func() // after the last byte; may be nil
}

// send writes the head and the body out and returns how many bytes the body had,
// and whether it came whole.
func (s *stream) send(c *call, status int) (total int64, whole bool) {
	defer func() {
		_ = s.body.Close()
		if s.done != nil {
			s.done()
		}
	}()
	c.writer.WriteHeader(status)
	if c.HTTP.Method == http.MethodHead {
		return 0, true
	}
	flush := http.NewResponseController(c.writer)
	buffer := make([]byte, 16<<10)
	for {
		n, err := s.body.Read(buffer)
		if n > 0 {
			if _, werr := c.writer.Write(buffer[:n]); werr != nil {
				c.gateway.Logger.Debug("a client went away", "request", c.ID, "error", werr)
				return total, true
			}
			total += int64(n)
			// A writer that cannot flush (in tests) has nothing to wait for.
			_ = flush.Flush()
		}
		if errors.Is(err, io.EOF) {
			return total, true
		}
		if err != nil {
			c.integrationError = err.Error()
			c.gateway.Logger.Debug("a streamed response broke off", "request", c.ID, "error", err)
			return total, false
		}
	}
}

// maxPrelude limits, in bytes, the JSON that a streaming function begins with.
const maxPrelude = 64 << 10

// preludeEnd parts it from the body.
var preludeEnd = make([]byte, 8)

// doStream calls a function whose answer is sent on as it comes: its status and
// headers as JSON, eight zero bytes, then the body.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
func (l *lambdaProxy) doStream(c *call, payload []byte) (*response, *Failure) {
	ctx, cancel := context.WithTimeout(c.HTTP.Context(), l.timeout)
	inv, f := l.invocation(ctx, c, payload)
	if f != nil {
		cancel()
		return nil, f
	}
	c.trace.lambdaRequest(c, inv.InvokedARN, payload)
	begin := time.Now()
	s, err := c.gateway.Invoker.InvokeStream(ctx, inv)
	if err != nil {
		c.took(begin)
		f := c.lambdaFailure(ctx, err)
		cancel()
		return nil, f
	}
	reader := bufio.NewReaderSize(s.Body, 16<<10)
	prelude, err := readPrelude(reader)
	c.took(begin)
	c.integrationStatus = http.StatusOK
	var out *response
	if err == nil {
		out, err = parsePrelude(prelude)
	}
	if err != nil {
		timedOut := ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
		_ = s.Body.Close()
		cancel()
		if timedOut {
			c.integrationError = "Execution failed due to a timeout error"
			return nil, fail(integrationTimeout, "Execution failed due to a timeout error")
		}
		c.integrationError = err.Error()
		return nil, malformedProxy("Execution failed due to configuration error: " + err.Error())
	}
	c.backendStatus = out.status
	out.header["X-Amzn-Trace-Id"] = []string{c.TraceID}
	if out.header["Content-Type"] == nil {
		out.header["Content-Type"] = jsonType
	}
	out.stream = &stream{body: struct {
		io.Reader
		io.Closer
	}{reader, s.Body}, done: cancel}
	return out, nil
}

// readPrelude reads up to and over the eight zero bytes.
func readPrelude(r *bufio.Reader) ([]byte, error) {
	var prelude []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return nil, errMalformed
		}
		prelude = append(prelude, b)
		if b == 0 && bytes.HasSuffix(prelude, preludeEnd) {
			return prelude[:len(prelude)-len(preludeEnd)], nil
		}
		if len(prelude) > maxPrelude {
			return nil, errMalformed
		}
	}
}

func parsePrelude(prelude []byte) (*response, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(prelude, &object) != nil || object == nil {
		return nil, errMalformed
	}
	out := &response{status: http.StatusOK, header: make(http.Header, 4)}
	if raw, ok := object["statusCode"]; ok {
		status, err := statusCode(raw)
		if err != nil {
			return nil, err
		}
		out.status = status
	}
	if err := setHeaders(out.header, object["headers"], object["multiValueHeaders"]); err != nil {
		return nil, err
	}
	var cookies []any
	if err := optionalJSON(object["cookies"], &cookies); err != nil {
		return nil, err
	}
	for _, cookie := range cookies {
		if err := addHeader(out.header, "Set-Cookie", cookie); err != nil {
			return nil, err
		}
	}
	return out, nil
}
