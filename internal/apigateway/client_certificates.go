package apigateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// clientCertificates stand where loadClientCertificate finds them.
var clientCertificates = shelf[clientCertificate]{kind: "clientcertificates", missing: func(context.Context, string) error {
	return notFound("Invalid Client Certificate identifier specified")
}}

// clientCertificateLife is how long a client certificate is good for: AWS's are
// for 365 days.
const clientCertificateLife = 365 * 24 * time.Hour

// GenerateClientCertificate makes a self-signed certificate (P-256) that stages
// can show to HTTP backends. Its key is never given out.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GenerateClientCertificate.html
func (s *Service) GenerateClientCertificate(ctx context.Context, in *api.GenerateClientCertificateRequest) (*api.ClientCertificate, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	now := s.timestamp()
	certificate, key, err := selfSigned(now)
	if err != nil {
		return nil, err
	}
	c, err := clientCertificates.create(ctx, s, 6, func(id string) (*clientCertificate, []store.Write) {
		return &clientCertificate{
			ID: id, Description: text(in.Description), Certificate: certificate, Key: key,
			Created: now, Expires: now.Add(clientCertificateLife), Tags: maps.Clone(in.Tags),
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return clientCertificateView(c), nil
}

// selfSigned makes a certificate and its key, both PEM, with the subject that
// AWS's have.
func selfSigned(from time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			CommonName: "ApiGateway", OrganizationalUnit: []string{"ApiGateway"}, Organization: []string{"Amazon"},
			Locality: []string{"Seattle"}, Province: []string{"Washington"}, Country: []string{"US"},
		},
		NotBefore: from, NotAfter: from.Add(clientCertificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// GetClientCertificate returns a client certificate.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetClientCertificate.html
func (s *Service) GetClientCertificate(ctx context.Context, in *api.GetClientCertificateRequest) (*api.ClientCertificate, error) {
	c, _, err := clientCertificates.get(ctx, s, *in.ClientCertificateId)
	if err != nil {
		return nil, err
	}
	return clientCertificateView(c), nil
}

// GetClientCertificates lists client certificates by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetClientCertificates.html
func (s *Service) GetClientCertificates(ctx context.Context, in *api.GetClientCertificatesRequest) (*api.ClientCertificates, error) {
	all, err := clientCertificates.list(ctx, s)
	if err != nil {
		return nil, err
	}
	all, next, err := page(all, func(c *clientCertificate) string { return c.ID }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.ClientCertificates{Items: []*api.ClientCertificate{}, Position: next}
	for _, c := range all {
		out.Items = append(out.Items, clientCertificateView(c))
	}
	return out, nil
}

// UpdateClientCertificate changes a certificate's description by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateClientCertificate.html
func (s *Service) UpdateClientCertificate(ctx context.Context, in *api.UpdateClientCertificateRequest) (*api.ClientCertificate, error) {
	c, err := clientCertificates.change(ctx, s, *in.ClientCertificateId, func(c *clientCertificate) ([]store.Write, error) {
		return nil, patchTable{{path: "/description", replace: setText(&c.Description)}}.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return clientCertificateView(c), nil
}

// DeleteClientCertificate removes a client certificate, which no stage may show
// any more.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteClientCertificate.html
func (s *Service) DeleteClientCertificate(ctx context.Context, in *api.DeleteClientCertificateRequest) (*schema.Unit, error) {
	me := identity.Of(ctx)
	return &schema.Unit{}, clientCertificates.remove(ctx, s, *in.ClientCertificateId, func(c *clientCertificate) ([]store.Write, error) {
		for r := range s.records.Values() {
			if r.Account != me.Account || r.Region != me.Region {
				continue
			}
			for name, st := range r.Stages {
				if st.ClientCertificateID == c.ID {
					return nil, badRequest("Client Certificate '%s' is in use by stage '%s' of API '%s'", c.ID, name, r.ID)
				}
			}
		}
		return nil, nil
	})
}

func clientCertificateView(c *clientCertificate) *api.ClientCertificate {
	return &api.ClientCertificate{
		ClientCertificateId: &c.ID, Description: optional(c.Description), PemEncodedCertificate: new(string(c.Certificate)),
		CreatedDate: &c.Created, ExpirationDate: &c.Expires, Tags: c.Tags,
	}
}
