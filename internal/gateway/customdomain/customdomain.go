// Package customdomain is TLS for custom domain names: which certificate a client
// is shown, which versions it may speak, and mutual TLS against the domain's trust
// store. The name that the client asks for (SNI) decides.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-custom-domains.html
package customdomain

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Domains finds custom domain names. It answers from memory.
type Domains interface {
	// Domain returns the domain that serves a host name, nil where there is none.
	// The same pointer means that nothing has changed.
	Domain(host string) *restapi.Domain
}

// Front holds what TLS connections need. It is safe for concurrent use.
type Front struct {
	domains Domains
	own     *tls.Certificate // the operator's; nil: none
	names   []string         // of the certificate for hosts that are no custom domain's
	now     func() time.Time

	mu      sync.Mutex
	signed  map[string]*tls.Certificate // by name: those of our own making
	configs map[string]*config          // by the domain's name
}

// config is a domain's, and what it was made of.
type config struct {
	domain *restapi.Domain
	tls    *tls.Config
}

// New makes a front. own is the operator's certificate, for domains that have none
// of their own; nil: Paddock signs one for each domain, and one for names, which
// stands for every other host.
func New(domains Domains, own *tls.Certificate, names []string) *Front {
	return &Front{domains: domains, own: own, names: names, now: time.Now, signed: map[string]*tls.Certificate{}, configs: map[string]*config{}}
}

// protocols are what clients may speak, the preferred first.
var protocols = []string{"h2", "http/1.1"}

// TLS is the configuration of a listener.
func (f *Front) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if f.own != nil {
				return f.own, nil
			}
			return f.selfSigned(f.names...)
		},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			d := f.domains.Domain(hello.ServerName)
			if d == nil {
				return nil, nil // the listener's own
			}
			return f.config(d)
		},
	}
}

// config is what a domain's clients get.
func (f *Front) config(d *restapi.Domain) (*tls.Config, error) {
	f.mu.Lock()
	c := f.configs[d.Name]
	f.mu.Unlock()
	// A certificate of ours is renewed long before it ends.
	if c != nil && c.domain == d && (d.Certificate != nil || f.own != nil) {
		return c.tls, nil
	}
	t := &tls.Config{MinVersion: version(d.SecurityPolicy), NextProtos: protocols}
	certificate, err := f.certificate(d)
	if err != nil {
		return nil, err
	}
	t.Certificates = []tls.Certificate{*certificate}
	if d.Truststore != nil {
		t.ClientCAs = x509.NewCertPool()
		if !t.ClientCAs.AppendCertsFromPEM(d.Truststore) {
			return nil, fmt.Errorf("customdomain: the trust store of %s has no certificate", d.Name)
		}
		t.ClientAuth = tls.RequireAndVerifyClientCert
		// A session that another trust store let in is not taken up again.
		t.SessionTicketsDisabled = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs[d.Name] = &config{d, t}
	return t, nil
}

func (f *Front) certificate(d *restapi.Domain) (*tls.Certificate, error) {
	switch {
	case d.Certificate != nil:
		pair, err := tls.X509KeyPair(d.Certificate, d.PrivateKey)
		return &pair, err
	case f.own != nil:
		return f.own, nil
	}
	return f.selfSigned(d.Name)
}

// version is the oldest version of TLS that a security policy allows.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html
func version(policy string) uint16 {
	switch {
	case policy == "TLS_1_0":
		return tls.VersionTLS10
	case strings.Contains(policy, "TLS13_1_3"), strings.Contains(policy, "TLS13_2025_EDGE"):
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Admits says whether a request may reach a domain: always, unless the domain
// wants mutual TLS. Then the connection must have been made to that very domain:
// a client that reached another one by SNI showed it no certificate.
func (f *Front) Admits(d *restapi.Domain, r *http.Request) bool {
	if d.Truststore == nil {
		return true
	}
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	reached := f.domains.Domain(r.TLS.ServerName)
	return reached != nil && reached.Name == d.Name
}

// errNoNames is of a certificate for nobody.
var errNoNames = errors.New("customdomain: a certificate wants a name")
