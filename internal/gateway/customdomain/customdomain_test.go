package customdomain

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/restapi"
)

type domains map[string]*restapi.Domain

func (d domains) Domain(host string) *restapi.Domain { return d[host] }

// issue makes a certificate by the front's own means: it is its own authority.
func issue(t *testing.T, name string) (*tls.Certificate, []byte) {
	t.Helper()
	c, err := New(nil, nil, nil).selfSigned(name)
	if err != nil {
		t.Fatal(err)
	}
	return c, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

// serve serves the front, and answers with whether the host's domain admits.
func serve(t *testing.T, f *Front) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := f.domains.Domain(r.Host); d != nil && !f.Admits(d, r) {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = f.TLS()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// get asks for a host over a connection made to a name.
func get(t *testing.T, address, host string, c *tls.Config) (int, *tls.ConnectionState, error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: c.MaxVersion == 0}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	got, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		return 0, nil, err
	}
	return got.StatusCode, got.TLS, got.Body.Close()
}

func TestDomainsShowTheirCertificates(t *testing.T) {
	own, _ := issue(t, "operator.example")
	uploaded, text := issue(t, "has.example")
	key, err := x509.MarshalPKCS8PrivateKey(uploaded.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	all := domains{
		"has.example":  {Name: "has.example", Certificate: text, PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
		"none.example": {Name: "none.example"},
	}
	for _, c := range []struct {
		name string
		own  *tls.Certificate
		host string
		want string
	}{
		{"uploaded", own, "has.example", "has.example"},
		{"the operator's", own, "none.example", "operator.example"},
		{"ours", nil, "none.example", "none.example"},
		{"another host", nil, "x.localhost", "localhost"},
		{"another host, the operator's", own, "x.localhost", "operator.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New(all, c.own, []string{"localhost", "*.localhost", "127.0.0.1"})
			address := serve(t, f)
			for range 2 {
				_, state, err := get(t, address, c.host, &tls.Config{ServerName: c.host, InsecureSkipVerify: true})
				if err != nil {
					t.Fatal(err)
				}
				if got := state.PeerCertificates[0].Subject.CommonName; got != c.want || state.NegotiatedProtocol != "h2" {
					t.Errorf("it shows %s over %s, want %s", got, state.NegotiatedProtocol, c.want)
				}
			}
		})
	}
}

func TestSelfSignedCertificatesAreRenewed(t *testing.T) {
	f := New(domains{}, nil, nil)
	now := time.Now()
	f.now = func() time.Time { return now }
	first, err := f.selfSigned("a.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.example", "127.0.0.1"} {
		if err := first.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	now = now.Add(lifetime * 8 / 10)
	if again, _ := f.selfSigned("a.example"); again != first {
		t.Error("it was renewed too early")
	}
	now = now.Add(lifetime / 5)
	if again, _ := f.selfSigned("a.example"); again == first {
		t.Error("it was not renewed")
	}
}

func TestSecurityPoliciesHaveAnOldestVersion(t *testing.T) {
	address := serve(t, New(domains{
		"old.example": {Name: "old.example", SecurityPolicy: "TLS_1_0"},
		"mid.example": {Name: "mid.example", SecurityPolicy: "TLS_1_2"},
		"new.example": {Name: "new.example", SecurityPolicy: "SecurityPolicy_TLS13_1_3_2025_09"},
	}, nil, []string{"localhost"}))
	for host, oldest := range map[string]uint16{"old.example": tls.VersionTLS10, "mid.example": tls.VersionTLS12, "new.example": tls.VersionTLS13, "localhost": tls.VersionTLS12} {
		for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
			_, _, err := get(t, address, host, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: v, MaxVersion: v})
			if (err == nil) != (v >= oldest) {
				t.Errorf("%s: %s: %v", host, tls.VersionName(v), err)
			}
		}
	}
}

func TestMutualTLS(t *testing.T) {
	good, authority := clientCertificate(t)
	bad, _ := clientCertificate(t)
	all := domains{
		"mutual.example": {Name: "mutual.example", Truststore: authority},
		"open.example":   {Name: "open.example"},
	}
	address := serve(t, New(all, nil, []string{"localhost"}))
	for _, c := range []struct {
		name, sni, host string
		show            *tls.Certificate
		status          int // 0: no connection
	}{
		{"trusted", "mutual.example", "mutual.example", &good, 200},
		{"not trusted", "mutual.example", "mutual.example", &bad, 0},
		{"no certificate", "mutual.example", "mutual.example", nil, 0},
		{"over another domain", "open.example", "mutual.example", &good, 403},
		{"over no domain", "localhost", "mutual.example", &good, 403},
		{"the open one", "open.example", "open.example", nil, 200},
	} {
		config := &tls.Config{ServerName: c.sni, InsecureSkipVerify: true}
		if c.show != nil {
			config.Certificates = []tls.Certificate{*c.show}
		}
		status, _, err := get(t, address, c.host, config)
		if status != c.status || (err == nil) != (c.status != 0) {
			t.Errorf("%s: %d, %v; want %d", c.name, status, err, c.status)
		}
	}
	// Without TLS nobody is let in.
	f := New(all, nil, nil)
	if f.Admits(all["mutual.example"], httptest.NewRequest("GET", "/", nil)) {
		t.Error("a request without TLS passes")
	}
	// What is trusted changes with the domain.
	_, other := clientCertificate(t)
	all["mutual.example"] = &restapi.Domain{Name: "mutual.example", Truststore: other}
	if _, _, err := get(t, address, "mutual.example", &tls.Config{ServerName: "mutual.example", InsecureSkipVerify: true, Certificates: []tls.Certificate{good}}); err == nil {
		t.Error("a certificate of the trust store before passes")
	}
	all["mutual.example"] = &restapi.Domain{Name: "mutual.example", Truststore: []byte("none")}
	if _, _, err := get(t, address, "mutual.example", &tls.Config{ServerName: "mutual.example", InsecureSkipVerify: true}); err == nil || strings.Contains(err.Error(), "panic") {
		t.Errorf("an unreadable trust store lets pass: %v", err)
	}
}
