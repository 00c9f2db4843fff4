package customdomain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// lifetime is how long a certificate of ours is good; the last tenth is kept for
// whoever has been given it.
const lifetime = 365 * 24 * time.Hour

// selfSigned makes a certificate for names and addresses, or finds the one it made.
func (f *Front) selfSigned(names ...string) (*tls.Certificate, error) {
	if len(names) == 0 {
		return nil, errNoNames
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if c := f.signed[names[0]]; c != nil && now.Before(c.Leaf.NotAfter.Add(-lifetime/10)) {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if len(names[0]) <= 64 { // a common name holds no more
		template.Subject = pkix.Name{CommonName: names[0]}
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	f.signed[names[0]] = c
	return c, nil
}
