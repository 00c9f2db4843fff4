package app

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/runtimes"
)

// greet tells the operator where Paddock listens, where its state is, what
// keeps functions apart here, and how to point a client at it.
func (d *daemon) greet() {
	data, err := filepath.Abs(d.cfg.Data)
	if err != nil {
		data = d.cfg.Data
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Paddock %s\n", d.cfg.Version)
	fmt.Fprintf(&b, "  listening   %s\n", d.url())
	if d.tlsAddr != nil {
		fmt.Fprintf(&b, "  tls         https://%s\n", d.tlsAddr)
	}
	fmt.Fprintf(&b, "  data        %s\n", data)
	fmt.Fprintf(&b, "  isolation   %s\n", d.driver.Isolation())
	if d.why != "" {
		fmt.Fprintf(&b, "              (why: %s)\n", d.why)
	}
	if len(d.cfg.AccessKeys) > 0 {
		fmt.Fprintf(&b, "  access      signed with one of %d access keys\n", len(d.cfg.AccessKeys))
	} else {
		fmt.Fprintf(&b, "  access      any credentials; account %s unless the access key is twelve digits\n", d.cfg.Account)
	}
	fmt.Fprintf(&b, "\n  export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=%s", d.url(), d.cfg.Region)
	if len(d.cfg.AccessKeys) == 0 {
		b.WriteString(" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
	}
	b.WriteString("\n  aws lambda list-functions\n\n")
	_, _ = fmt.Fprint(d.cfg.Out, b.String()) // a closed terminal stops nothing
}

// url is the endpoint for clients on this machine.
func (d *daemon) url() string {
	host, port, err := net.SplitHostPort(d.addr.String())
	if err != nil {
		return "http://" + d.addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// port is the one that the daemon listens on.
func (d *daemon) port() int {
	if a, ok := d.addr.(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// announceRuntimes looks through the host's interpreters, which takes a moment
// and spares the first invocations it, and tells the operator what there is.
func (d *daemon) announceRuntimes(ctx context.Context) {
	var names []string
	for _, i := range d.runtimes.List(ctx) {
		if !slices.Contains(names, i.Name()) {
			names = append(names, i.Name())
		}
	}
	if ctx.Err() != nil {
		return
	}
	line := strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		line = "no Python and no Node.js is installed: only provided.* functions can run"
	case d.cfg.RuntimeMatch == runtimes.MatchExact:
		line += " and programs for provided.*; other versions are refused"
	default:
		line += " and programs for provided.*; a version that is missing runs on the nearest one"
	}
	_, _ = fmt.Fprintf(d.cfg.Out, "  runtimes    %s\n\n", line) // a closed terminal stops nothing
}
