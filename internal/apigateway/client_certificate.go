package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// clientCertificate is what a stage shows to HTTP backends, as stored under
// clientCertificateKey.
type clientCertificate struct {
	ID          string
	Description string `json:",omitempty"`
	Certificate []byte // PEM
	Key         []byte // PEM, PKCS #8
	Created     time.Time
	Expires     time.Time
	Tags        map[string]string `json:",omitempty"`
}

func clientCertificateKey(account, region, id string) string {
	return keyPrefix + "clientcertificates/" + account + "/" + region + "/" + id
}

// loadClientCertificate reads a certificate: a NotFoundException where there is none.
func (s *Service) loadClientCertificate(ctx context.Context, account, region, id string) (*clientCertificate, store.Document, error) {
	d, err := s.docs.Get(ctx, clientCertificateKey(account, region, id))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return nil, d, notFound("Invalid Client Certificate identifier specified")
	}
	if err != nil {
		return nil, d, err
	}
	c := new(clientCertificate)
	return c, d, json.Unmarshal(d.Value, c)
}
