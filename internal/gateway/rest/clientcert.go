package rest

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"
)

// eventCertificate is the certificate that a client showed to a custom domain name
// with mutual TLS.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mutual-tls.html
type eventCertificate struct {
	PEM          string `json:"clientCertPem"`
	SubjectDN    string `json:"subjectDN"`
	IssuerDN     string `json:"issuerDN"`
	SerialNumber string `json:"serialNumber"`
	Validity     struct {
		NotBefore string `json:"notBefore"`
		NotAfter  string `json:"notAfter"`
	} `json:"validity"`
}

// clientCertificate is what the client showed and was trusted for, nil: nothing.
func (c *call) clientCertificate() *eventCertificate {
	if c.Domain == "" || c.HTTP.TLS == nil || len(c.HTTP.TLS.VerifiedChains) == 0 {
		return nil
	}
	return newEventCertificate(c.HTTP.TLS.VerifiedChains[0][0])
}

func newEventCertificate(cert *x509.Certificate) *eventCertificate {
	out := &eventCertificate{
		PEM:       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		SubjectDN: cert.Subject.String(), IssuerDN: cert.Issuer.String(), SerialNumber: colons(cert.SerialNumber.Bytes()),
	}
	out.Validity.NotBefore, out.Validity.NotAfter = validity(cert.NotBefore), validity(cert.NotAfter)
	return out
}

// validity writes a time as OpenSSL does: "May 28 12:30:02 2019 GMT".
func validity(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006 GMT") }

// colons writes bytes as a1:b2:c3.
func colons(b []byte) string {
	pairs := make([]string, len(b))
	for i := range b {
		pairs[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(pairs, ":")
}

// variable is a part of $context.identity.clientCert.
func (e *eventCertificate) variable(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	switch name {
	case "clientCertPem":
		return e.PEM, true
	case "subjectDN":
		return e.SubjectDN, true
	case "issuerDN":
		return e.IssuerDN, true
	case "serialNumber":
		return e.SerialNumber, true
	case "validity.notBefore":
		return e.Validity.NotBefore, true
	case "validity.notAfter":
		return e.Validity.NotAfter, true
	}
	return "", false
}
