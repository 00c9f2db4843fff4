// Package reply holds an answer as a codec has made it and before it is
// written: a codec that fails has written nothing, so the client can still get
// an error in good form.
package reply

import (
	"io"
	"net/http"
	"strconv"
)

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	// Stream writes the body in Body's stead, once the head is out. flush sends
	// what has been written so far to the client. When it fails the connection
	// is cut: that is all HTTP has to tell a client that an answer is not whole.
	Stream func(w io.Writer, flush func() error) error
	// Length is the number of bytes that Stream writes, -1 where it is unknown.
	Length int64
	// Close, where set, is called when the reply has been written, or will not be.
	Close func() error
}

// New makes a reply with a body.
func New(status int, contentType string, body []byte) *Reply {
	rep := &Reply{Status: status, Header: make(http.Header, 4), Body: body}
	if contentType != "" {
		rep.Header["Content-Type"] = []string{contentType}
	}
	return rep
}

// Done calls Close where there is one.
func (p *Reply) Done() error {
	if p.Close == nil {
		return nil
	}
	return p.Close()
}

// WriteTo writes the reply to w. The error is one of the stream or of the
// connection, after the head was written.
func (p *Reply) WriteTo(w http.ResponseWriter) error {
	h := w.Header()
	for name, values := range p.Header {
		h[name] = values
	}
	bodyless := p.Status == http.StatusNoContent || p.Status == http.StatusNotModified
	if p.Stream == nil {
		if !bodyless {
			h["Content-Length"] = []string{strconv.Itoa(len(p.Body))}
		}
		w.WriteHeader(p.Status)
		if bodyless || len(p.Body) == 0 {
			return nil
		}
		_, err := w.Write(p.Body)
		return err
	}
	if p.Length >= 0 && !bodyless && h.Get("Content-Length") == "" {
		h["Content-Length"] = []string{strconv.FormatInt(p.Length, 10)}
	}
	w.WriteHeader(p.Status)
	return p.Stream(w, http.NewResponseController(w).Flush)
}

// ToldError is a stream's failure of which the stream itself has told the
// client: it is to be logged, and the connection may live.
type ToldError struct{ Cause error }

func (e *ToldError) Error() string { return "stream: " + e.Cause.Error() }
func (e *ToldError) Unwrap() error { return e.Cause }
