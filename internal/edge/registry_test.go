package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/identity"
)

// registry notes whose registry it was asked as.
type registry struct{ got string }

func (r *registry) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	id := identity.Of(req.Context())
	r.got = id.Account + " " + id.Region + " " + req.URL.Path
}

func (*registry) Owns(path string) bool { return strings.HasPrefix(path, "/v2/") }

func TestRegistriesAreToldApart(t *testing.T) {
	for url, want := range map[string]string{
		"http://123456789012.dkr.ecr.eu-west-1.localhost:4566/v2/":           "123456789012 eu-west-1 /v2/",
		"http://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/a/tags/list": "123456789012 eu-west-1 /v2/a/tags/list",
		"http://localhost:4566/v2/a/manifests/b":                             DefaultAccount + " " + DefaultRegion + " /v2/a/manifests/b",
		"http://evil.example/v2/":                                            "",
		"http://evil.dkr.ecr.eu-west-1.amazonaws.com/v2/":                    "",
		"http://localhost:4566/other":                                        "",
	} {
		r := &registry{}
		e, err := New(Options{Registry: r})
		if err != nil {
			t.Fatal(err)
		}
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, url, nil))
		if r.got != want {
			t.Errorf("%s: %q, want %q", url, r.got, want)
		}
	}
	// A page of another origin pushes nothing.
	r := &registry{}
	e, err := New(Options{Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPut, "http://localhost:4566/v2/a/manifests/b", nil)
	req.Header.Set("Origin", "https://evil.example")
	answer := httptest.NewRecorder()
	if e.ServeHTTP(answer, req); r.got != "" || answer.Code != http.StatusForbidden {
		t.Errorf("a page of another origin: %d, %q", answer.Code, r.got)
	}
}
