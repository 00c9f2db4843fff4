// Package chunked decodes aws-chunked bodies: S3's clients send the length and
// the signature of each piece in the body, and a checksum of the whole after
// it, so that they need not read what they send twice.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
package chunked

import (
	"bufio"
	"crypto/sha1" // #nosec: a checksum that S3's clients may choose, not a signature
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
)

// maxLine bounds a chunk's header and a trailer's line, in bytes: a signature
// has 64 digits, a checksum fewer.
const maxLine = 4096

// Is reports whether r's body is in chunks.
func Is(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") ||
		encodings(r.Header.Get("Content-Encoding")) != r.Header.Get("Content-Encoding")
}

// encodings is a Content-Encoding without aws-chunked, which S3 does not keep
// with an object.
func encodings(header string) string {
	if !strings.Contains(strings.ToLower(header), "aws-chunked") {
		return header
	}
	var kept []string
	for e := range strings.SplitSeq(header, ",") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

// Unwrap gives r the body that its chunks hold, and the headers as they would
// be of a body sent plainly. Reading the body fails with an *awserr.Error where
// a chunk is malformed, the length is not the one declared, or a checksum after
// it does not match. The signatures of the chunks are not checked.
func Unwrap(r *http.Request) error {
	length := int64(-1)
	if s := r.Header.Get("X-Amz-Decoded-Content-Length"); s != "" {
		var err error
		if length, err = strconv.ParseInt(s, 10, 64); err != nil || length < 0 {
			return invalid("x-amz-decoded-content-length is no length")
		}
	}
	body := &reader{src: bufio.NewReader(r.Body), closer: r.Body, left: -1, length: length, sums: map[string]hash.Hash{}}
	for name := range strings.SplitSeq(r.Header.Get("X-Amz-Trailer"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if h := newHash(name); h != nil {
			body.sums[name] = h
		}
	}
	r.Header = r.Header.Clone()
	if enc := encodings(r.Header.Get("Content-Encoding")); enc == "" {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header.Set("Content-Encoding", enc)
	}
	r.ContentLength = length
	r.Header.Del("Content-Length")
	if length >= 0 {
		r.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	r.Body = body
	return nil
}

// nvme is the polynomial of CRC-64/NVME, reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func newHash(trailer string) hash.Hash {
	switch strings.TrimPrefix(trailer, "x-amz-checksum-") {
	case "crc32":
		return crc32.NewIEEE()
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		return crc64.New(nvme)
	case "sha1":
		return sha1.New() // #nosec: see the import
	case "sha256":
		return sha256.New()
	}
	return nil
}

func invalid(message string) error {
	return awserr.New(http.StatusBadRequest, "InvalidRequest", "The aws-chunked body is malformed: %s", message)
}

func incomplete() error {
	return awserr.New(http.StatusBadRequest, "IncompleteBody",
		"You did not provide the number of bytes specified by the Content-Length HTTP header")
}

type reader struct {
	src    *bufio.Reader
	closer io.Closer
	left   int64 // of the chunk; -1 before the first
	length int64 // declared, -1 where it is not
	read   int64
	sums   map[string]hash.Hash // by trailer
	err    error
}

func (r *reader) Close() error { return r.closer.Close() }

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.left <= 0 {
		if r.err = r.next(); r.err != nil {
			return 0, r.err
		}
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	r.left -= int64(n)
	r.read += int64(n)
	for _, h := range r.sums {
		h.Write(p[:n])
	}
	switch {
	case err == io.EOF:
		r.err = incomplete()
	case err != nil:
		r.err = err
	case r.length >= 0 && r.read > r.length:
		r.err = incomplete()
	}
	return n, r.err
}

// next reads the head of the next chunk; after the last one, of no bytes, it
// reads the trailers and returns io.EOF.
func (r *reader) next() error {
	if r.left == 0 {
		if line, err := r.line(); err != nil {
			return err
		} else if line != "" {
			return invalid("a chunk is longer than it says")
		}
	}
	line, err := r.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
	if err != nil {
		return invalid("a chunk's size is no hexadecimal number")
	}
	r.left = int64(n)
	if n > 0 {
		return nil
	}
	if r.length >= 0 && r.read != r.length {
		return incomplete()
	}
	return r.trailers()
}

func (r *reader) trailers() error {
	for {
		line, err := r.line()
		if errors.Is(err, errEnd) && len(r.sums) == 0 {
			return io.EOF
		}
		if err != nil {
			return err
		}
		if line == "" {
			if len(r.sums) > 0 {
				return invalid("a checksum that x-amz-trailer names is missing")
			}
			return io.EOF
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return invalid("a trailer has no value")
		}
		name = strings.ToLower(strings.TrimSpace(name))
		h := r.sums[name]
		if h == nil {
			continue // the trailer's signature, or a checksum that nobody named
		}
		delete(r.sums, name)
		if strings.TrimSpace(value) != base64.StdEncoding.EncodeToString(h.Sum(nil)) {
			return awserr.New(http.StatusBadRequest, "BadDigest",
				"The %s you specified did not match the calculated checksum.", strings.ToUpper(strings.TrimPrefix(name, "x-amz-checksum-")))
		}
	}
}

// errEnd is what line returns at the end of the body: incomplete, but that the
// last line may lack its end.
var errEnd = incomplete()

// line reads a line without its end.
func (r *reader) line() (string, error) {
	var out []byte
	for {
		part, err := r.src.ReadSlice('\n')
		out = append(out, part...)
		if len(out) > maxLine {
			return "", invalid("a line is too long")
		}
		switch {
		case err == nil:
			return strings.TrimRight(string(out), "\r\n"), nil
		case err == io.EOF && len(out) > 0:
			return strings.TrimRight(string(out), "\r\n"), nil
		case err == io.EOF:
			return "", errEnd
		case err != bufio.ErrBufferFull:
			return "", err
		}
	}
}
