package runtimeapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const (
	pathExtension          = "/2020-01-01/extension/"
	pathExtensionRegister  = pathExtension + "register"
	pathExtensionNext      = pathExtension + "event/next"
	pathExtensionInitError = pathExtension + "init/error"
	pathExtensionExitError = pathExtension + "exit/error"

	extensionPrefix = "Lambda-Extension-"

	// maxErrorBody is how much of an extension's error document is read.
	maxErrorBody = 1 << 20
)

// extensionHead is what the requests of extensions have beside what every
// request has.
type extensionHead struct {
	name           string // Lambda-Extension-Name
	identifier     string // Lambda-Extension-Identifier
	features       string // Lambda-Extension-Accept-Feature
	functionErr    string // Lambda-Extension-Function-Error-Type
	hasFunctionErr bool
}

// field takes a header whose name begins with "Lambda-Extension-".
func (x *extensionHead) field(name, value []byte) {
	switch {
	case equalFold(name, "Lambda-Extension-Name"):
		x.name = string(value)
	case equalFold(name, "Lambda-Extension-Identifier"):
		x.identifier = string(value)
	case equalFold(name, "Lambda-Extension-Accept-Feature"):
		x.features = string(value)
	case equalFold(name, "Lambda-Extension-Function-Error-Type"):
		x.functionErr, x.hasFunctionErr = string(value), len(value) > 0
	}
}

// handleExtension answers a request of the Extensions API.
func (c *conn) handleExtension(h *head) bool {
	c.s.ofExtension(c)
	method := http.MethodPost
	var answer func(*head) bool
	switch h.path {
	case pathExtensionRegister:
		answer = c.extensionRegister
	case pathExtensionNext:
		method, answer = http.MethodGet, c.extensionNext
	case pathExtensionInitError:
		answer = func(h *head) bool { return c.extensionError(h, true) }
	case pathExtensionExitError:
		answer = func(h *head) bool { return c.extensionError(h, false) }
	default:
		return c.refuse(h, http.StatusNotFound, "NotFound", "No such resource of the Extensions API: "+h.path)
	}
	if h.method != method {
		return c.refuse(h, http.StatusMethodNotAllowed, "MethodNotAllowed", "Method not allowed")
	}
	return answer(h)
}

// forbid answers a request whose body was read.
func (c *conn) forbid(h *head, r *refusal) bool {
	return c.fail(h, http.StatusForbidden, r.errorType, r.message)
}

func (c *conn) extensionRegister(h *head) bool {
	body, _, tooLarge, err := c.readBody(h)
	switch {
	case err != nil:
		return c.truncated(err)
	case tooLarge:
		return c.tooLarge(h)
	case h.extension.name == "":
		return c.forbid(h, refused("Extension.InvalidExtensionName", "Empty extension name"))
	}
	var asked struct {
		Events []string `json:"events"`
		Keys   []string `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return c.forbid(h, refused("InvalidRequestFormat", "%s", err))
	}
	if len(asked.Keys) > 0 {
		return c.forbid(h, refused("InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead"))
	}
	id, last, no := c.s.registerExtension(h.extension.name, asked.Events)
	if no != nil {
		return c.forbid(h, no)
	}
	of := c.s.function
	answer := struct {
		Name    string `json:"functionName"`
		Version string `json:"functionVersion"`
		Handler string `json:"handler"`
		Account string `json:"accountId,omitempty"`
	}{Name: of.Name, Version: of.Version, Handler: of.Handler}
	for feature := range strings.SplitSeq(h.extension.features, ",") {
		if strings.TrimSpace(feature) == "accountId" {
			answer.Account = of.Account
		}
	}
	doc, err := json.Marshal(answer)
	if err != nil {
		return false // strings: cannot happen
	}
	ok := c.writeWith(h, "Lambda-Extension-Identifier", id, doc)
	if last {
		c.s.handler.Registered()
	}
	return ok
}

// extensionNext holds the connection until there is an event.
func (c *conn) extensionNext(h *head) bool {
	if !c.discard(h) {
		return false
	}
	s := c.s
	x, events, all, no := s.askExtension(h.extension.identifier)
	if no != nil {
		return c.forbid(h, no)
	}
	if all {
		s.handler.Next()
	}
	select {
	case ev, ok := <-events:
		if !ok {
			return false
		}
		if c.writeWith(h, "Lambda-Extension-Event-Identifier", ev.id, ev.doc) {
			return true
		}
		if !h.close {
			s.notDelivered(x, ev)
		}
		return false
	case <-s.done:
		return false
	}
}

// extensionError takes an extension's report that it cannot start, or go on.
func (c *conn) extensionError(h *head, init bool) bool {
	if h.length > maxErrorBody {
		return c.refuse(h, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", maxErrorBody))
	}
	if !c.discard(h) {
		return false
	}
	if !h.extension.hasFunctionErr {
		return c.forbid(h, refused("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"))
	}
	name, no := c.s.extensionFailed(h.extension.identifier, h.extension.functionErr, init)
	if no != nil {
		return c.forbid(h, no)
	}
	ok := c.accepted(h)
	errorType := ErrorExtensionExit
	if init {
		errorType = ErrorExtensionInit
	}
	c.s.handler.ExtensionError(&ExtensionError{Name: name, Type: errorType})
	return ok
}

// writeWith sends a JSON answer with one header of its own.
func (c *conn) writeWith(h *head, name, value string, doc []byte) bool {
	c.out.Lock()
	defer c.out.Unlock()
	b := fmt.Appendf(c.wbuf[:0], "HTTP/1.1 200 OK\r\nContent-Type: "+typeJSON+"\r\n%s: %s\r\nContent-Length: %d\r\n", name, value, len(doc))
	if h.close {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, doc...)
	c.wbuf = b
	_, err := c.nc.Write(b)
	return err == nil && !h.close
}
