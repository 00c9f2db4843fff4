package ecr

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/identity"
)

// tokenLifetime is AWS's.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_AuthorizationData.html
const tokenLifetime = 12 * time.Hour

// User is who container tools log in as.
const User = "AWS"

// GetAuthorizationToken implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
func (s *Service) GetAuthorizationToken(ctx context.Context, in *api.GetAuthorizationTokenRequest) (*api.GetAuthorizationTokenResponse, error) {
	id := identity.Of(ctx)
	accounts := in.RegistryIds
	if len(accounts) == 0 {
		accounts = []string{id.Account}
	}
	scheme, _, _ := strings.Cut(id.BaseURL, "://")
	out := &api.GetAuthorizationTokenResponse{}
	for _, account := range accounts {
		expires := s.opts.Now().Add(tokenLifetime).Truncate(time.Second)
		out.AuthorizationData = append(out.AuthorizationData, &api.AuthorizationData{
			AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte(User + ":" + s.token(id.Account, expires)))),
			ExpiresAt:          &expires,
			ProxyEndpoint:      new(scheme + "://" + host(ctx, account, id.Region)),
		})
	}
	return out, nil
}

// token is a password: who has it, until when, and an HMAC of both.
func (s *Service) token(account string, expires time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()))
	b = append(b, account...)
	return base64.RawURLEncoding.EncodeToString(append(b, s.sign(b)...))
}

func (s *Service) sign(b []byte) []byte {
	mac := hmac.New(sha256.New, s.tokenKey)
	mac.Write(b) // never fails
	return mac.Sum(nil)
}

// TokenAccount returns whose password a token is; ok is false where it was not
// given by this process, or has expired.
func (s *Service) TokenAccount(token string) (account string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 8+sha256.Size {
		return "", false
	}
	signed, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, s.sign(signed)) || s.opts.Now().Unix() >= int64(binary.BigEndian.Uint64(signed)) {
		return "", false
	}
	return string(signed[8:]), true
}
