package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
)

// payload finds the last line of the canonical request: what the client says
// of the body, or the body's own hash where it says nothing.
func (v *Verifier) payload(r *http.Request, a *authorization) (string, error) {
	said := r.Header.Get("X-Amz-Content-Sha256")
	if said == "" && a.presigned {
		said, _ = rawParameter(r.URL.RawQuery, "X-Amz-Content-Sha256")
	}
	switch said {
	case "":
		if a.presigned && a.Service == "s3" {
			return UnsignedPayload, nil
		}
		return v.hashBody(r)
	case UnsignedPayload:
		return said, nil
	case StreamingPayload, StreamingPayloadTrailer, StreamingUnsignedTrailer:
		if a.Service == "s3" { // nothing else speaks aws-chunked
			return said, nil
		}
		return "", mismatch()
	}
	if sum, err := hex.DecodeString(said); err != nil || len(sum) != sha256.Size {
		return "", &Error{Reason: PayloadMismatch, Message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."}
	}
	return said, nil
}

// hashBody reads the whole body, keeps it for the handler and returns its hash.
func (v *Verifier) hashBody(r *http.Request) (string, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		sum := sha256.Sum256(nil)
		return hex.EncodeToString(sum[:]), nil
	}
	tooLarge := &Error{Reason: TooLarge, Message: "Request must be smaller than " + strconv.FormatInt(v.MaxBody, 10) + " bytes"}
	if r.ContentLength > v.MaxBody {
		return "", tooLarge
	}
	var body bytes.Buffer
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(&body, hash), io.LimitReader(r.Body, v.MaxBody+1))
	if err != nil {
		return "", err
	}
	if n > v.MaxBody {
		return "", tooLarge
	}
	r.Body = keptBody{&body, r.Body}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

type keptBody struct {
	io.Reader
	io.Closer
}

// verifyBody makes reading the body check it against the hash that was signed.
func verifyBody(r *http.Request, payload string) error {
	if _, kept := r.Body.(keptBody); kept {
		return nil // payload is this body's own hash
	}
	want, err := hex.DecodeString(payload)
	if err != nil {
		return nil // one of the values that are not a hash
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		if empty := sha256.Sum256(nil); !bytes.Equal(empty[:], want) {
			return payloadMismatch()
		}
		return nil
	}
	r.Body = &checkedBody{body: r.Body, hash: sha256.New(), want: want, left: r.ContentLength}
	return nil
}

func payloadMismatch() *Error { return &Error{Reason: PayloadMismatch, Message: mismatchMessage} }

// checkedBody hashes what is read, and gives out the end of a body only when
// the hash of all of it is the one that was signed.
type checkedBody struct {
	body io.ReadCloser
	hash hash.Hash
	want []byte
	left int64 // bytes to come; negative: not known
	err  error // sticky
}

func (b *checkedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	b.hash.Write(p[:n])
	if b.left > 0 {
		b.left -= int64(n)
	}
	if err == io.EOF || b.left == 0 {
		b.err = io.EOF
		if !bytes.Equal(b.hash.Sum(nil), b.want) {
			b.err = payloadMismatch()
			return 0, b.err
		}
		return n, err
	}
	b.err = err
	return n, err
}

func (b *checkedBody) Close() error { return b.body.Close() }
