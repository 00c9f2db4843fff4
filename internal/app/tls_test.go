package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/apigateway"
)

func TestTruststoresAreFiles(t *testing.T) {
	dir := t.TempDir()
	good, large := filepath.Join(dir, "good.pem"), filepath.Join(dir, "large.pem")
	for path, text := range map[string]string{good: "pem", large: strings.Repeat("x", maxTruststore+1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := (truststores{}).Truststore(t.Context(), "file://"+good, ""); err != nil || string(text) != "pem" {
		t.Fatalf("got %q, %v", text, err)
	}
	for _, c := range []struct{ uri, version, want string }{
		{"s3://bucket/truststore.pem", "", "no S3"},
		{"s3://bucket/truststore.pem", "1", "no S3"},
		{good, "", "file:///"},
		{"https://example.com/x", "", "file:///"},
		{"file://host" + good, "", "file:///"},
		{"file:relative.pem", "", "file:///"},
		{"file://" + good, "1", "no versions"},
		{"file://" + good + ".missing", "", "cannot be read"},
		{"file://" + dir, "", "cannot be read"},
		{"file:///dev/zero", "", "cannot be read"},
		{"file://" + large, "", "larger"},
	} {
		_, err := (truststores{}).Truststore(t.Context(), c.uri, c.version)
		var bad *apigateway.TruststoreError
		if !errors.As(err, &bad) || !strings.Contains(bad.Message, c.want) {
			t.Errorf("%s, version %q: %v, want %q", c.uri, c.version, err, c.want)
		}
	}
}

func TestTLSWantsItsFlagsTogether(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{TLSListen: "127.0.0.1:0", TLSCert: "a"}, "go together"},
		{Config{TLSCert: "a", TLSKey: "b"}, "--tls-listen"},
		{Config{TLSListen: "127.0.0.1:0", TLSCert: "/none", TLSKey: "/none"}, "/none"},
	} {
		d := &daemon{cfg: c.config}
		if _, err := d.tlsFront(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
	if err := checkExposure(&Config{Listen: "127.0.0.1:0", TLSListen: "0.0.0.0:443"}); err == nil || !strings.Contains(err.Error(), "--tls-listen") {
		t.Errorf("TLS is served to other machines: %v", err)
	}
}
