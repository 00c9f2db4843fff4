package rest

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
)

func TestTemplatesSeeTheClientsCertificate(t *testing.T) {
	const template = `$!context.identity.clientCert.subjectDN|$!context.identity.clientCert.issuerDN|$!context.identity.clientCert.serialNumber|$!context.identity.clientCert.validity.notBefore`
	w := newWorld(t, map[string]map[string]*restapi.Method{"/a": {"GET": {Integration: &restapi.Integration{
		Type: "MOCK", Templates: map[string]string{"application/json": `{"statusCode": 200}`},
		Responses: map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200", Templates: map[string]string{"application/json": template}}},
	}}}})
	cert := &x509.Certificate{
		Subject: pkix.Name{CommonName: "me", Organization: []string{"Org"}}, Issuer: pkix.Name{CommonName: "authority"}, SerialNumber: big.NewInt(0xa1b2),
		NotBefore: time.Date(2026, 5, 8, 12, 30, 2, 0, time.UTC),
	}
	for domain, expected := range map[string]string{
		"api.example": "CN=me,O=Org|CN=authority|a1:b2|May  8 12:30:02 2026 GMT",
		"":            "|||", // not by the API's own address
	} {
		r := httptest.NewRequest("GET", "/test/a", nil)
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
		r = r.WithContext(identity.With(r.Context(), &identity.Identity{RequestID: "11111111-2222-4333-8444-555555555555"}))
		out := httptest.NewRecorder()
		w.gateway.ServeAPI(out, r, Target{APIID: "api1", Path: "/test/a", Domain: domain})
		want(t, out, 200, expected)
	}
}
