package runtimeapi

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// body reads a request's body, and nothing after it.
type body struct {
	b       *reader
	left    int64 // of the body, or of the current chunk
	chunked bool
	started bool // a chunk was read: its line end is still to come
	done    bool
	// trailers are known once Read returned io.EOF on a chunked body.
	trailers head
}

func (b *reader) body(h *head) *body {
	return &body{b: b, left: h.length, chunked: h.chunked, done: !h.chunked && h.length == 0}
}

func (y *body) Read(p []byte) (int, error) {
	if y.done {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if y.chunked && y.left == 0 {
		if err := y.nextChunk(); err != nil {
			return 0, err
		}
		if y.done {
			return 0, io.EOF
		}
	}
	if int64(len(p)) > y.left {
		p = p[:y.left]
	}
	n, err := y.b.read(p)
	y.left -= int64(n)
	if y.left == 0 && !y.chunked {
		y.done = true
	}
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}

// read takes what is buffered, else reads past the buffer.
func (b *reader) read(p []byte) (int, error) {
	if b.r < b.w {
		n := copy(p, b.buf[b.r:b.w])
		b.r += n
		return n, nil
	}
	return b.src.Read(p)
}

// nextChunk reads the line before a chunk, and with the last one the trailers.
func (y *body) nextChunk() error {
	if y.started {
		end, err := y.b.chunkLine()
		if err != nil {
			return err
		}
		if len(end) != 0 {
			return malformed("a chunk is longer than its size")
		}
	}
	line, err := y.b.chunkLine()
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	if y.left, err = parseChunkSize(bytes.TrimRight(size, " \t")); err != nil {
		return err
	}
	y.started = true
	if y.left > 0 {
		return nil
	}
	raw, err := y.b.lines()
	if err != nil {
		return unexpected(err)
	}
	y.done = true
	return y.trailers.fields(raw)
}

func (b *reader) chunkLine() ([]byte, error) {
	for {
		have := b.buf[b.r:b.w]
		if i := bytes.Index(have, []byte("\r\n")); i >= 0 {
			b.r += i + 2
			return have[:i], nil
		}
		if len(have) >= maxChunkLine {
			return nil, malformed("the line before a chunk is too long")
		}
		if err := b.fill(2 * maxChunkLine); err != nil {
			return nil, unexpected(err)
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func parseChunkSize(hex []byte) (int64, error) {
	if len(hex) == 0 {
		return 0, malformed("a chunk has no size")
	}
	var n int64
	for _, c := range hex {
		var d int64
		switch {
		case '0' <= c && c <= '9':
			d = int64(c - '0')
		case 'a' <= c && c <= 'f':
			d = int64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = int64(c-'A') + 10
		default:
			return 0, malformed("a chunk's size is malformed")
		}
		if n > math.MaxInt64>>4 {
			return 0, malformed("a chunk's size is malformed")
		}
		n = n<<4 | d
	}
	return n, nil
}
