package runtimeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

const acceptedBody = `{"status":"OK"}` + "\n"

var acceptedAnswer = []byte("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: " +
	strconv.Itoa(len(acceptedBody)) + "\r\n\r\n" + acceptedBody)

func (c *conn) accepted(h *head) bool {
	if h.close {
		return c.write(h, http.StatusAccepted, acceptedBody)
	}
	c.out.Lock()
	_, err := c.nc.Write(acceptedAnswer)
	c.out.Unlock()
	return err == nil
}

func (c *conn) tooLarge(h *head) bool {
	return c.fail(h, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
		fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxPayload))
}

// truncated answers a request whose body ended early, where that can still be
// answered, and ends the connection.
func (c *conn) truncated(err error) bool {
	var bad *protocolError
	if errors.As(err, &bad) {
		return c.reject(bad)
	}
	return c.fail(&head{close: true}, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

func (c *conn) reject(bad *protocolError) bool {
	return c.fail(&head{close: true}, bad.status, "InvalidRequest", bad.reason)
}

// refuse answers a request whose body is not wanted.
func (c *conn) refuse(h *head, status int, errorType, message string) bool {
	if !c.discard(h) {
		return false
	}
	return c.fail(h, status, errorType, message)
}

func (c *conn) refuseTransition(h *head, refused *transition) bool {
	if !c.discard(h) {
		return false
	}
	return c.badTransition(h, refused)
}

func (c *conn) badTransition(h *head, refused *transition) bool {
	return c.fail(h, http.StatusForbidden, "InvalidStateTransition", refused.Error())
}

func (c *conn) fail(h *head, status int, errorType, message string) bool {
	doc, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
	if err != nil {
		return false // two strings: cannot happen
	}
	return c.write(h, status, string(doc)+"\n")
}

// write sends a JSON answer, and reports whether the connection goes on.
func (c *conn) write(h *head, status int, doc string) bool {
	c.out.Lock()
	defer c.out.Unlock()
	b := fmt.Appendf(c.wbuf[:0], "HTTP/1.1 %d %s\r\nContent-Type: "+typeJSON+"\r\nContent-Length: %d\r\n",
		status, http.StatusText(status), len(doc))
	if h.close {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, doc...)
	c.wbuf = b
	_, err := c.nc.Write(b)
	return err == nil && !h.close
}

// writeEvent answers a request for the next event. c.out is held.
func (c *conn) writeEvent(ev *Event) error {
	b := append(c.wbuf[:0], "HTTP/1.1 200 OK\r\nContent-Type: "+typeJSON+"\r\nLambda-Runtime-Aws-Request-Id: "...)
	b = append(b, ev.RequestID...)
	b = append(b, "\r\nLambda-Runtime-Deadline-Ms: "...)
	b = strconv.AppendInt(b, ev.DeadlineMs, 10)
	b = append(b, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	b = append(b, ev.InvokedARN...)
	if ev.TraceID != "" {
		b = append(b, "\r\nLambda-Runtime-Trace-Id: "...)
		b = oneLine(b, []byte(ev.TraceID))
	}
	if ev.ClientContext != nil {
		b = append(b, "\r\nLambda-Runtime-Client-Context: "...)
		b = oneLine(b, ev.ClientContext)
	}
	if ev.CognitoIdentity != nil {
		b = append(b, "\r\nLambda-Runtime-Cognito-Identity: "...)
		b = oneLine(b, ev.CognitoIdentity)
	}
	if ev.TenantID != "" {
		b = append(b, "\r\nLambda-Runtime-Aws-Tenant-Id: "...)
		b = oneLine(b, []byte(ev.TenantID))
	}
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(ev.Payload)), 10)
	if c.last {
		b = append(b, "\r\nConnection: close"...)
	}
	b = append(b, "\r\n\r\n"...)
	if len(ev.Payload) <= singleWrite {
		b = append(b, ev.Payload...)
		c.wbuf = b
		_, err := c.nc.Write(b)
		return err
	}
	c.wbuf = b
	parts := net.Buffers{b, ev.Payload}
	_, err := parts.WriteTo(c.nc)
	return err
}
