package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/paddock-run/paddock/internal/apigateway"
	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/gateway/customdomain"
)

// tlsFront makes what TLS connections need, with the operator's certificate where
// there is one.
func (d *daemon) tlsFront() (*customdomain.Front, error) {
	cfg := &d.cfg
	var own *tls.Certificate
	switch {
	case (cfg.TLSCert == "") != (cfg.TLSKey == ""):
		return nil, errors.New("--tls-cert and --tls-key go together")
	case cfg.TLSCert != "" && cfg.TLSListen == "":
		return nil, errors.New("--tls-cert is for --tls-listen, which is not given")
	case cfg.TLSCert != "":
		pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", cfg.TLSCert, cfg.TLSKey, err)
		}
		own = &pair
	}
	names := []string{"localhost", "*.localhost", "*.execute-api." + cfg.Region + ".localhost", "127.0.0.1", "::1"}
	return customdomain.New(d.rest, own, append(names, hostsOf(cfg.TLSListen)...)), nil
}

// serve serves on the listener, and with TLS on the secure one where there is one.
// Where one of them ends, so does the other.
func (d *daemon) serve(ctx context.Context, plain, secure net.Listener) error {
	options := edge.ServeOptions{Grace: d.cfg.Grace, Logger: d.log}
	if secure == nil {
		return edge.Serve(ctx, plain, d.edge, options)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() {
		defer end()
		options := options
		options.TLS = d.front.TLS()
		ended <- edge.Serve(ctx, secure, d.edge, options)
	}()
	err := edge.Serve(ctx, plain, d.edge, options)
	end()
	return errors.Join(err, <-ended)
}

// maxTruststore is how large a trust store may be, in bytes.
const maxTruststore = 1 << 20

// truststores reads trust stores of custom domain names from files of this machine.
type truststores struct{}

var _ apigateway.Truststores = truststores{}

// Truststore implements apigateway.Truststores. What it says to clients tells
// nothing of a file but whether it can be read.
func (truststores) Truststore(_ context.Context, uri, version string) ([]byte, error) {
	bad := func(format string, args ...any) error {
		return &apigateway.TruststoreError{Message: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(uri)
	switch {
	case err == nil && u.Scheme == "s3":
		return nil, bad("Paddock has no S3 to read it from yet; name a file of its machine, as file:///path/truststore.pem")
	case err != nil || u.Scheme != "file" || u.Host != "" || !filepath.IsAbs(u.Path):
		return nil, bad("name a file of Paddock's machine, as file:///path/truststore.pem")
	case version != "":
		return nil, bad("a file has no versions")
	}
	info, err := os.Stat(u.Path) // before it is opened: a pipe would wait
	if err != nil || !info.Mode().IsRegular() {
		return nil, bad("the file cannot be read")
	}
	f, err := os.Open(u.Path)
	if err != nil {
		return nil, bad("the file cannot be read")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTruststore+1))
	switch {
	case err != nil:
		return nil, bad("the file cannot be read")
	case len(text) > maxTruststore:
		return nil, bad("the file is larger than %d bytes", maxTruststore)
	}
	return text, nil
}
