// Package access turns a mapping's SourceAccessConfigurations, and the secrets
// that they name, into what a client needs to log in to Kafka or to a schema
// registry.
//
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-cluster-auth.html
package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/paddock-run/paddock/internal/eventsource"
)

// The types of access configurations. Those of networks are stored by the
// Lambda service and mean nothing here: Paddock's host is in its network already.
const (
	Plain         = "BASIC_AUTH"
	SCRAM256      = "SASL_SCRAM_256_AUTH"
	SCRAM512      = "SASL_SCRAM_512_AUTH"
	Certificate   = "CLIENT_CERTIFICATE_TLS_AUTH"
	RootCA        = "SERVER_ROOT_CA_CERTIFICATE"
	Subnet        = "VPC_SUBNET"
	SecurityGroup = "VPC_SECURITY_GROUP"
)

// Credentials are what the secrets of a list of access configurations hold.
type Credentials struct {
	Login              string // Plain, SCRAM256 or SCRAM512; empty: no password
	Username, Password string
	Certificates       []tls.Certificate // the client's; none: it shows none
	Roots              *x509.CertPool    // whom to trust; nil: whom the system trusts
}

// Encrypted says whether there is anything that only makes sense over TLS: a
// certificate, or an authority to trust.
func (c *Credentials) Encrypted() bool { return len(c.Certificates) > 0 || c.Roots != nil }

// TLS is the configuration of a client's connections.
func (c *Credentials) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots, Certificates: c.Certificates}
}

// IsSecret says whether the URI of an access configuration of that type is a
// secret's ARN.
func IsSecret(kind string) bool { return kind != Subnet && kind != SecurityGroup }

// Check says what is wrong with a list before its secrets are read.
func Check(list []eventsource.Access) error {
	logins := 0
	for _, a := range list {
		switch a.Type {
		case Plain, SCRAM256, SCRAM512, Certificate:
			logins++
		case RootCA, Subnet, SecurityGroup:
		default:
			return fmt.Errorf("an event source of Kafka has no access of type %s", a.Type)
		}
	}
	if logins > 1 {
		return errors.New("only one way of logging in can be used at a time")
	}
	return nil
}

// Load reads the secrets of a list. Its errors begin as AWS's do.
func Load(ctx context.Context, secrets eventsource.Secrets, account, region string, list []eventsource.Access) (*Credentials, error) {
	if err := Check(list); err != nil {
		return nil, err
	}
	c := &Credentials{}
	for _, a := range list {
		if !IsSecret(a.Type) {
			continue
		}
		text, err := secrets.Secret(ctx, account, region, a.URI)
		if err != nil {
			return nil, fmt.Errorf("the secret %s of %s cannot be read: %w", a.URI, a.Type, err)
		}
		if err := c.add(a.Type, text); err != nil {
			return nil, fmt.Errorf("the secret %s of %s: %w", a.URI, a.Type, err)
		}
	}
	return c, nil
}

// secret has the fields that Lambda's documentation names.
type secret struct {
	Username           string `json:"username"`
	Password           string `json:"password"`
	Certificate        string `json:"certificate"`
	PrivateKey         string `json:"privateKey"`
	PrivateKeyPassword string `json:"privateKeyPassword"`
}

func (c *Credentials) add(kind, text string) error {
	var s secret
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		// What json says of it may quote the secret.
		return errors.New("is no JSON object of strings")
	}
	switch kind {
	case Plain, SCRAM256, SCRAM512:
		if s.Username == "" || s.Password == "" {
			return errors.New("has no username or no password")
		}
		c.Login, c.Username, c.Password = kind, s.Username, s.Password
	case Certificate:
		pair, err := keyPair(&s)
		if err != nil {
			return fmt.Errorf("provided certificate or private key is invalid: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	case RootCA:
		c.Roots = x509.NewCertPool()
		if !c.Roots.AppendCertsFromPEM([]byte(s.Certificate)) {
			return errors.New("provided certificate is invalid: it has no certificate in PEM form")
		}
	}
	return nil
}

func keyPair(s *secret) (tls.Certificate, error) {
	key := []byte(s.PrivateKey)
	block, _ := pem.Decode(key)
	if block == nil {
		return tls.Certificate{}, errors.New("the private key is not in PEM form")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		der, err := decryptPKCS8(block.Bytes, s.PrivateKeyPassword)
		if err != nil {
			return tls.Certificate{}, err
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	return tls.X509KeyPair([]byte(s.Certificate), key)
}
