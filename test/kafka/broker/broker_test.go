package broker

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// TestListeners logs in at each listener, and is refused where it should be: a
// broker that lets everybody in would make every test of logging in pass.
func TestListeners(t *testing.T) {
	b := Shared(t)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b.PKI.CA) {
		t.Fatal("no authority")
	}
	pair, err := tls.X509KeyPair(b.PKI.ClientCert, b.PKI.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	trusting := &tls.Config{RootCAs: pool}
	right, wrong := scram.Auth{User: User, Pass: Password}, scram.Auth{User: User, Pass: "guess"}
	for name, c := range map[string]struct {
		opts []kgo.Opt
		ok   bool
	}{
		"plaintext":             {[]kgo.Opt{kgo.SeedBrokers(b.Plaintext)}, true},
		"SASL without TLS":      {[]kgo.Opt{kgo.SeedBrokers(b.SASLPlaintext), kgo.SASL(right.AsSha512Mechanism())}, true},
		"SASL":                  {[]kgo.Opt{kgo.SeedBrokers(b.SASL), kgo.DialTLSConfig(trusting), kgo.SASL(right.AsSha256Mechanism())}, true},
		"TLS":                   {[]kgo.Opt{kgo.SeedBrokers(b.TLS), kgo.DialTLSConfig(trusting)}, true},
		"mutual TLS":            {[]kgo.Opt{kgo.SeedBrokers(b.MutualTLS), kgo.DialTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})}, true},
		"wrong password":        {[]kgo.Opt{kgo.SeedBrokers(b.SASL), kgo.DialTLSConfig(trusting), kgo.SASL(wrong.AsSha512Mechanism())}, false},
		"unknown authority":     {[]kgo.Opt{kgo.SeedBrokers(b.TLS), kgo.DialTLSConfig(&tls.Config{RootCAs: x509.NewCertPool()})}, false},
		"no client certificate": {[]kgo.Opt{kgo.SeedBrokers(b.MutualTLS), kgo.DialTLSConfig(trusting)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := kgo.NewClient(append(c.opts, kgo.RequestRetries(2))...)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if err := cl.Ping(t.Context()); (err == nil) != c.ok {
				t.Errorf("ping: %v, want success %t", err, c.ok)
			}
		})
	}
}
