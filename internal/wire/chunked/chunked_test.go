package chunked

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/paddock-run/paddock/internal/awserr"
)

const sig = ";chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"

func TestUnwrap(t *testing.T) {
	for _, c := range []struct {
		name, body, length, trailer string
		want, code                  string
	}{
		{name: "one", body: "5\r\nhello\r\n0\r\n\r\n", length: "5", want: "hello"},
		{name: "signed", body: "5" + sig + "\r\nhello\r\n6" + sig + "\r\n world\r\n0" + sig + "\r\n\r\n", length: "11", want: "hello world"},
		{name: "empty", body: "0" + sig + "\r\n\r\n", length: "0", want: ""},
		{name: "no length", body: "a\r\n0123456789\r\n0\r\n\r\n", want: "0123456789"},
		{name: "no last line", body: "5\r\nhello\r\n0\r\n", length: "5", want: "hello"},
		{name: "checksums", body: "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n\r\n", length: "5", trailer: "x-amz-checksum-crc32", want: "hello"},
		{name: "crc32c", body: "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c: mnG7TA==\r\n\r\n", length: "5", trailer: "x-amz-checksum-crc32c", want: "hello"},
		{name: "sha256", body: "5\r\nhello\r\n0\r\nx-amz-checksum-sha256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n", length: "5", trailer: "x-amz-checksum-sha256", want: "hello"},
		{name: "sha1", body: "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n\r\n", length: "5", trailer: "x-amz-checksum-sha1", want: "hello"},
		// The check value of CRC-64/NVME, ae8b14860a799888 for "123456789".
		{name: "crc64nvme", body: "9\r\n123456789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n", length: "9", trailer: "x-amz-checksum-crc64nvme", want: "123456789"},
		{name: "wrong checksum", body: "5\r\nhellp\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", length: "5", trailer: "x-amz-checksum-crc32", code: "BadDigest"},
		{name: "missing checksum", body: "5\r\nhello\r\n0\r\n\r\n", length: "5", trailer: "x-amz-checksum-crc32", code: "InvalidRequest"},
		{name: "cut", body: "5\r\nhel", length: "5", code: "IncompleteBody"},
		{name: "cut between chunks", body: "5\r\nhello\r\n", length: "5", code: "IncompleteBody"},
		{name: "shorter than declared", body: "5\r\nhello\r\n0\r\n\r\n", length: "6", code: "IncompleteBody"},
		{name: "longer than declared", body: "5\r\nhello\r\n0\r\n\r\n", length: "4", code: "IncompleteBody"},
		{name: "no size", body: "x\r\nhello\r\n", length: "5", code: "InvalidRequest"},
		{name: "negative size", body: "-5\r\nhello\r\n", length: "5", code: "InvalidRequest"},
		{name: "huge size", body: "ffffffffffffffff\r\nhello\r\n", length: "5", code: "InvalidRequest"},
		{name: "chunk without an end", body: "5\r\nhelloworld\r\n0\r\n\r\n", length: "5", code: "InvalidRequest"},
		{name: "endless line", body: strings.Repeat("0", 10000), length: "5", code: "InvalidRequest"},
		{name: "no length at all", body: "5\r\nhello\r\n0\r\n\r\n", length: "many", code: "InvalidRequest"},
	} {
		for _, one := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", c.name, one), func(t *testing.T) {
				var src io.Reader = strings.NewReader(c.body)
				if one {
					src = iotest.OneByteReader(src)
				}
				r := httptest.NewRequest("PUT", "/b/k", src)
				r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
				r.Header.Set("Content-Encoding", "gzip, aws-chunked")
				r.Header.Set("X-Amz-Decoded-Content-Length", c.length)
				r.Header.Set("X-Amz-Trailer", c.trailer)
				if !Is(r) {
					t.Fatal("not in chunks")
				}
				var got []byte
				err := Unwrap(r)
				if err == nil {
					got, err = io.ReadAll(r.Body)
				}
				if c.code != "" {
					if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Code != c.code || e.Status != 400 {
						t.Fatalf("%q, %v, not %s", got, err, c.code)
					}
					return
				}
				if err != nil || string(got) != c.want {
					t.Fatalf("%q, %v", got, err)
				}
				if r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Content-Length") != c.length {
					t.Errorf("headers %v", r.Header)
				}
			})
		}
	}
}

func TestPlainBodies(t *testing.T) {
	r := httptest.NewRequest("PUT", "/b/k", strings.NewReader("x"))
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("Content-Encoding", "gzip")
	if Is(r) {
		t.Error("a plain body is taken for chunks")
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add("5"+sig+"\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "5")
	f.Fuzz(func(t *testing.T, body, length string) {
		r := httptest.NewRequest("PUT", "/b/k", strings.NewReader(body))
		r.Header.Set("X-Amz-Decoded-Content-Length", length)
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		if Unwrap(r) != nil {
			return
		}
		got, err := io.ReadAll(r.Body)
		if len(got) > len(body) {
			t.Fatalf("%d bytes out of %d", len(got), len(body))
		}
		if err == nil && r.ContentLength >= 0 && int64(len(got)) != r.ContentLength {
			t.Fatalf("%d bytes where %d were declared", len(got), r.ContentLength)
		}
	})
}
