package body

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

func zipped(t *testing.T, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadAll(t *testing.T) {
	small := zipped(t, "hello")
	for _, c := range []struct {
		name, encoding string
		body           io.Reader
		length         int64
		want           string
		status         int
	}{
		{name: "plain", body: strings.NewReader("hello"), length: 5, want: "hello"},
		{name: "chunked", body: iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 900))), length: -1, want: strings.Repeat("x", 900)},
		{name: "at the limit", body: strings.NewReader(strings.Repeat("x", 1000)), length: 1000, want: strings.Repeat("x", 1000)},
		{name: "over it", body: strings.NewReader(strings.Repeat("x", 1001)), length: -1, status: 413},
		{name: "declared over it", body: strings.NewReader(""), length: 1 << 40, status: 413},
		{name: "gzip", encoding: "gzip", body: bytes.NewReader(small), length: int64(len(small)), want: "hello"},
		{name: "gzip in capitals", encoding: "GZIP", body: bytes.NewReader(small), length: -1, want: "hello"},
		{name: "gzip outermost", encoding: "identity, gzip", body: bytes.NewReader(small), length: -1, want: "hello"},
		{name: "inflates over the limit", encoding: "gzip", body: bytes.NewReader(zipped(t, strings.Repeat("x", 5000))), length: -1, status: 413},
		{name: "no gzip", encoding: "gzip", body: strings.NewReader("hello"), length: 5, status: 400},
		{name: "cut gzip", encoding: "gzip", body: bytes.NewReader(small[:len(small)-9]), length: -1, status: 400},
		{name: "empty gzip", encoding: "gzip", body: strings.NewReader(""), length: -1, want: ""},
		{name: "another encoding", encoding: "br", body: strings.NewReader("hello"), length: 5, want: "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", c.body)
			r.ContentLength = c.length
			r.Header.Set("Content-Encoding", c.encoding)
			got, err := Limits{Max: 1000}.ReadAll(r)
			if c.status != 0 {
				if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Status != c.status {
					t.Fatalf("error %v, not %d", err, c.status)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Fatalf("%q, %v", got, err)
			}
		})
	}
}

func TestGzipBomb(t *testing.T) {
	bomb := zipped(t, strings.Repeat("\x00", 64<<20))
	r := httptest.NewRequest("POST", "/", bytes.NewReader(bomb))
	r.Header.Set("Content-Encoding", "gzip")
	_, err := Limits{Max: 1 << 30}.ReadAll(r)
	if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Status != http.StatusRequestEntityTooLarge {
		t.Fatalf("a body of %d bytes that inflates a thousandfold: %v", len(bomb), err)
	}
}

func TestBrokenConnection(t *testing.T) {
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err := (Limits{Max: 1000}).ReadAll(r)
	if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Status != http.StatusBadRequest || strings.Contains(e.Message, "EOF") {
		t.Fatalf("%v: want a 400 in words of our own", err)
	}
	tampered := &sigv4.Error{Reason: sigv4.PayloadMismatch}
	r = httptest.NewRequest("POST", "/", iotest.ErrReader(tampered))
	if _, err := (Limits{Max: 1000}).ReadAll(r); !errors.Is(err, tampered) {
		t.Fatalf("%v: what the verifier says of a body must pass", err)
	}
}
