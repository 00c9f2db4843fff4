package runtimeapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The reader below is a strict, bounded reader of HTTP/1.1 requests for the
// handful of requests that this API has. It exists because this is the hot path
// of the product: net/http builds a Request, a header map, a context and a
// response writer for each request, and cannot let another goroutine write the
// answer to a long poll while the connection is being read.

const (
	// maxHead bounds a request's line and headers, or its trailers. Runtimes send
	// up to 1 MB in Lambda-Runtime-Function-XRay-Error-Cause.
	maxHead = 1<<20 + 64<<10
	// maxChunkLine bounds the line before a chunk: its size and extensions.
	maxChunkLine = 1 << 10
	// firstBuffer holds the head and the body of nearly every request, so that
	// one read takes both.
	firstBuffer = 4 << 10
)

// protocolError is a request that cannot be understood. The connection is
// closed after its answer: where the next request would begin is not known.
type protocolError struct {
	status int
	reason string
}

func (e *protocolError) Error() string { return e.reason }

func malformed(format string, args ...any) error {
	return &protocolError{status: http.StatusBadRequest, reason: fmt.Sprintf(format, args...)}
}

var errHeadTooLarge = &protocolError{status: http.StatusRequestHeaderFieldsTooLarge, reason: "the request's headers are too large"}

// head is what this API needs of a request's line and headers.
type head struct {
	method, path string
	close        bool // the client wants the connection closed after the answer
	expect       bool // Expect: 100-continue

	length  int64 // of the body; 0 when chunked or absent
	chunked bool

	contentType  string
	errorType    string // Lambda-Runtime-Function-Error-Type
	errorBody    string // Lambda-Runtime-Function-Error-Body, of trailers only
	responseMode string // Lambda-Runtime-Function-Response-Mode

	extension extensionHead
}

// reader reads requests from one connection.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int // what is read and not yet used is buf[r:w]
	cur  head
}

func newReader(src io.Reader) *reader {
	return &reader{src: src, buf: make([]byte, firstBuffer)}
}

// fill reads more into the buffer, which it lets grow up to limit unused bytes.
func (b *reader) fill(limit int) error {
	if b.w-b.r >= limit {
		return errHeadTooLarge
	}
	if b.r > 0 {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
	if b.w == len(b.buf) {
		grown := make([]byte, min(2*len(b.buf), limit))
		copy(grown, b.buf[:b.w])
		b.buf = grown
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// lines returns what comes up to and with the empty line that ends a head or
// trailers. It stays valid until the next read.
func (b *reader) lines() ([]byte, error) {
	for seen := 0; ; {
		have := b.buf[b.r:b.w]
		if len(have) >= 2 && have[0] == '\r' && have[1] == '\n' {
			b.r += 2
			return have[:2], nil
		}
		if i := bytes.Index(have[seen:], []byte("\r\n\r\n")); i >= 0 {
			end := seen + i + 4
			b.r += end
			return have[:end], nil
		}
		seen = max(0, len(have)-3)
		if err := b.fill(maxHead); err != nil {
			if errors.Is(err, io.EOF) && len(have) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// head reads a request's line and headers. It returns io.EOF where the
// connection ended between two requests. The result is good until the next call.
func (b *reader) head() (*head, error) {
	if cap(b.buf) > 16*firstBuffer && b.r == b.w { // one large request must not keep its memory for good
		b.buf, b.r, b.w = make([]byte, firstBuffer), 0, 0
	}
	raw, err := b.lines()
	if err == nil && len(raw) == 2 { // RFC 9112, 2.2: an empty line before the request line is passed over
		raw, err = b.lines()
	}
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	method, line, ok1 := bytes.Cut(line, []byte(" "))
	target, proto, ok2 := bytes.Cut(line, []byte(" "))
	if !ok1 || !ok2 || !isToken(method) || len(target) == 0 || !isVisible(target) || !isVisible(proto) {
		return nil, malformed("the request line is malformed")
	}
	h := &b.cur
	*h = head{method: asMethod(method)}
	switch string(proto) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.close = true
	default:
		return nil, &protocolError{status: http.StatusHTTPVersionNotSupported, reason: "only HTTP/1.1 is spoken here"}
	}
	h.path = asPath(target)
	old := h.close
	if err := h.fields(rest); err != nil {
		return nil, err
	}
	if old && h.chunked {
		return nil, malformed("HTTP/1.0 knows no transfer encoding")
	}
	return h, nil
}

// asMethod and asPath spare an allocation for what every request has.
func asMethod(b []byte) string {
	switch string(b) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	}
	return string(b)
}

func asPath(target []byte) string {
	if string(target) == pathNext {
		return pathNext
	}
	s := string(target)
	if rest, ok := strings.CutPrefix(s, "http://"); ok { // the absolute form, which clients with a proxy setting send
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return "/"
		}
		s = rest[i:]
	}
	s, _, _ = strings.Cut(s, "?")
	return s
}

// fields takes header or trailer lines, up to and with the empty one.
func (h *head) fields(raw []byte) error {
	var sawLength, sawEncoding bool
	for {
		line, rest, ok := bytes.Cut(raw, []byte("\r\n"))
		if !ok || len(line) == 0 {
			break
		}
		raw = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) { // also a folded line, and a space before the colon
			return malformed("a header line is malformed")
		}
		value = bytes.Trim(value, " \t")
		if !isFieldValue(value) {
			return malformed("the header %s has a control character", name)
		}
		switch {
		case equalFold(name, "Content-Length"):
			n, err := parseLength(value)
			if err != nil || sawLength && n != h.length {
				return malformed("Content-Length is malformed")
			}
			h.length, sawLength = n, true
		case equalFold(name, "Transfer-Encoding"):
			if sawEncoding || !equalFold(value, "chunked") {
				return &protocolError{status: http.StatusNotImplemented, reason: "only the transfer encoding chunked is known here"}
			}
			h.chunked, sawEncoding = true, true
		case equalFold(name, "Connection"):
			for token := range bytes.SplitSeq(value, []byte(",")) {
				switch token = bytes.Trim(token, " \t"); {
				case equalFold(token, "close"):
					h.close = true
				case equalFold(token, "keep-alive"):
					h.close = false
				}
			}
		case equalFold(name, "Expect"):
			if !equalFold(value, "100-continue") {
				return &protocolError{status: http.StatusExpectationFailed, reason: "only 100-continue can be expected"}
			}
			h.expect = true
		case equalFold(name, "Sec-Fetch-Site"), equalFold(name, "Origin") && bytes.HasPrefix(value, []byte("http")):
			// A web page in the operator's browser, which can reach the listener
			// where the sandbox has no network of its own. (Clients on top of fetch
			// may send an Origin too, but not that of a site.)
			return &protocolError{status: http.StatusForbidden, reason: "this API is not for browsers"}
		case equalFold(name, "Content-Type"):
			h.contentType = asContentType(value)
		case equalFold(name, "Lambda-Runtime-Function-Error-Type"):
			h.errorType = string(value)
		case equalFold(name, "Lambda-Runtime-Function-Error-Body"):
			h.errorBody = string(value)
		case equalFold(name, "Lambda-Runtime-Function-Response-Mode"):
			h.responseMode = string(value)
		case len(name) > len(extensionPrefix) && equalFold(name[:len(extensionPrefix)], extensionPrefix):
			h.extension.field(name, value)
		}
	}
	if sawEncoding && sawLength {
		return malformed("a body has either Content-Length or Transfer-Encoding")
	}
	return nil
}

func asContentType(value []byte) string {
	if string(value) == typeJSON {
		return typeJSON
	}
	return string(value)
}

// parseLength is strict where strconv is not: digits only.
func parseLength(value []byte) (int64, error) {
	if len(value) == 0 || len(value) > 18 {
		return 0, errors.New("not a length")
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, errors.New("not a length")
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

func equalFold(b []byte, s string) bool {
	return len(b) == len(s) && strings.EqualFold(string(b), s)
}

// isToken: RFC 9110, 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func isFieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
