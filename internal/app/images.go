package app

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/paddock-run/paddock/internal/ecr"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/image"
	"github.com/paddock-run/paddock/internal/lambda"
	"github.com/paddock-run/paddock/internal/store/blobfile"
)

// openRegistry opens Paddock's own registry of container images.
func (d *daemon) openRegistry() error {
	blobs, err := blobfile.Open(filepath.Join(d.cfg.Data, "registry"), nil)
	if err != nil {
		return err
	}
	d.ecr, err = ecr.New(ecr.Options{Documents: d.state.Documents, Blobs: blobs, Logger: d.log})
	return err
}

// openImages opens the store of container images, where the driver can run them.
func (d *daemon) openImages() (err error) {
	if d.driver.Name() != "linux" {
		return nil
	}
	d.images, err = image.New(image.Options{
		Dir:        filepath.Join(d.cfg.Data, "images"),
		Registry:   d.ecr,
		OwnHosts:   ownHosts(d.cfg.Listen, d.port()),
		Registries: d.cfg.Registries,
		// Who may call a daemon of this machine's own can read its files as well.
		Local:    isLoopback(d.cfg.Listen),
		OwnFiles: os.Geteuid() != 0, // see linux.Rootless
		Logger:   d.log,
	})
	return err
}

// ownHosts are the host:port that mean this daemon in an image's URI.
func ownHosts(listen string, port int) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	for i, host := range hosts {
		hosts[i] = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return hosts
}

func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// lambdaImages are the images as the Lambda service knows them.
type lambdaImages struct{ *image.Store }

var _ lambda.Images = lambdaImages{}

// Resolve implements lambda.Images.
func (i lambdaImages) Resolve(ctx context.Context, account, region, uri string) (digest, resolved string, err error) {
	r, err := i.Store.Resolve(ctx, account, region, uri)
	return r.Digest, r.URI, err
}

// Ensure implements lambda.Images.
func (i lambdaImages) Ensure(ctx context.Context, digest, resolved string) (*function.Image, error) {
	return i.Store.Ensure(ctx, image.Resolved{Digest: digest, URI: resolved})
}

// imagesForLambda is nil where images cannot be run.
func (d *daemon) imagesForLambda() lambda.Images {
	if d.images == nil {
		return nil
	}
	return lambdaImages{d.images}
}
