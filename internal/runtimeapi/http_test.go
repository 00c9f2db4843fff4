package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

// FuzzReader checks that no input makes the reader panic, read past a body, or
// take a request for well-formed that net/http understands in another way.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		getNext,
		getNext + getNext,
		"POST " + pathInvocation + "a/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" + getNext,
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: T\r\n\r\n" + getNext,
		"\r\nGET http://h/p?q HTTP/1.0\r\nConnection: keep-alive, x\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := requests(bytes.NewReader(in))
		if bytewise := requests(iotest.OneByteReader(bytes.NewReader(in))); !bytes.Equal(whole, bytewise) {
			t.Errorf("in one piece %q, by the byte %q", whole, bytewise)
		}
		b := newReader(bytes.NewReader(in))
		h, err := b.head()
		if err != nil {
			return
		}
		got, err := io.ReadAll(b.body(h))
		if err != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(in, []byte("\r\n")))))
		if err != nil {
			return // stricter than this package (about Host, about the target)
		}
		want, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if req.Method != h.method || !bytes.Equal(got, want) {
			t.Errorf("%s with body %q; net/http reads %s with %q", h.method, got, req.Method, want)
		}
	})
}

// requests is what can be read from src, in a form that can be compared.
func requests(src io.Reader) []byte {
	var out []byte
	b := newReader(src)
	for {
		h, err := b.head()
		if err != nil {
			return append(out, kind(err)...)
		}
		out = append(out, h.method+" "+h.path+" "+h.contentType+" "...)
		y := b.body(h)
		p, err := io.ReadAll(y)
		if err != nil {
			return append(out, kind(err)...)
		}
		out = append(append(out, p...), y.trailers.errorType...)
	}
}

func kind(err error) string {
	var bad *protocolError
	if errors.As(err, &bad) {
		return bad.reason
	}
	return err.Error()
}
