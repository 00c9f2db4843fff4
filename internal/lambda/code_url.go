package lambda

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// CodePath is where the daemon serves code archives: a token follows.
const CodePath = "/_paddock/code/"

// codeURLLifetime is how long GetFunction's Code.Location is valid, as on AWS.
// https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html
const codeURLLifetime = 10 * time.Minute

// ErrCodeToken says that a token for a code archive was not issued by this
// process, is no longer valid, or names an archive that is gone.
var ErrCodeToken = errors.New("the code location is not valid or has expired; call GetFunction for a new one")

// CodeArchive is a function's code, as uploaded. The caller closes Content.
type CodeArchive struct {
	FileName string // for a Content-Disposition header
	Content  store.BlobReader
}

// A token is base64url of: expiry (Unix seconds, 8 bytes), the archive's hash
// (32 bytes), the function's name, and an HMAC-SHA256 of all that (32 bytes).
const tokenFixed = 8 + sha256.Size

func (s *Service) codeURL(baseURL, name, sha string) string {
	sum, err := hex.DecodeString(sha)
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(s.opts.Now().Add(codeURLLifetime).Unix()))
	b = append(b, sum...)
	b = append(b, name...)
	b = append(b, s.sign(b)...)
	return baseURL + CodePath + base64.RawURLEncoding.EncodeToString(b)
}

func (s *Service) sign(b []byte) []byte {
	mac := hmac.New(sha256.New, s.tokenKey)
	mac.Write(b)
	return mac.Sum(nil)
}

// CodeByToken opens the archive that a URL from GetFunction's Code.Location
// names by its last path segment. A bad or expired token is ErrCodeToken.
func (s *Service) CodeByToken(ctx context.Context, token string) (*CodeArchive, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < tokenFixed+sha256.Size {
		return nil, ErrCodeToken
	}
	signed, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, s.sign(signed)) {
		return nil, ErrCodeToken
	}
	if expiry := int64(binary.BigEndian.Uint64(signed)); s.opts.Now().Unix() >= expiry {
		return nil, ErrCodeToken
	}
	content, err := s.opts.Blobs.Open(ctx, hex.EncodeToString(signed[8:tokenFixed]))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrCodeToken // the function was deleted since
	}
	if err != nil {
		return nil, err
	}
	return &CodeArchive{FileName: string(signed[tokenFixed:]) + ".zip", Content: content}, nil
}
