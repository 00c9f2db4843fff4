package lambda

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
)

// resolveTime bounds how long a registry may take to say what a URI means.
const resolveTime = 30 * time.Second

// imageDoc is the code of a function of PackageType Image.
type imageDoc struct {
	URI      string          `json:"uri"`      // as it was given
	Resolved string          `json:"resolved"` // with the digest that it meant then
	Config   *imageConfigDoc `json:"config,omitempty"`
}

// imageConfigDoc is what takes the place of an image's own settings; nil members
// do not.
type imageConfigDoc struct {
	EntryPoint       []string `json:"entryPoint,omitempty"`
	Command          []string `json:"command,omitempty"`
	WorkingDirectory *string  `json:"workingDirectory,omitempty"`
}

// digestPrefix begins an image's digest. It tells images from archives, whose
// hashes stand alone, where both are counted.
const digestPrefix = "sha256:"

func imageRef(sha string) string       { return digestPrefix + sha }
func isImageRef(reference string) bool { return strings.HasPrefix(reference, digestPrefix) }

// shownSHA256 is the hash of the code as the API shows it: of an image it is the
// digest's hexadecimal form.
func (v *versionDoc) shownSHA256() string {
	if v.Image != nil {
		return v.CodeSHA256
	}
	return codeSHA256(v.CodeSHA256)
}

// imageWithout refuses what an image has in itself.
func imageWithout(runtime *api.Runtime, handler *string, layers []string) error {
	if deref(runtime) != "" || deref(handler) != "" || len(layers) > 0 {
		return invalidParameter("Please don't provide Runtime or Handler or Layer when the intended function PackageType is Image.")
	}
	return nil
}

func hasImageConfig(c *api.ImageConfig) bool {
	return c != nil && (len(c.EntryPoint) > 0 || len(c.Command) > 0 || deref(c.WorkingDirectory) != "")
}

// takeImage finds out which image a request's code is. doing is "creating" or
// "updating".
func (s *Service) takeImage(ctx context.Context, doing string, uri *string, zip, s3 bool, kmsKey *string) (*code, error) {
	switch {
	case zip:
		return nil, invalidParameter("Please don't provide ZipFile when %s a function with packageType Image.", doing)
	case s3:
		return nil, invalidParameter("Please don't provide S3Bucket, S3Key or S3ObjectVersion when %s a function with packageType Image.", doing)
	case deref(kmsKey) != "":
		return nil, unsupported("SourceKMSKeyArn")
	case deref(uri) == "":
		return nil, invalidParameter("Please provide ImageUri when %s a function with packageType Image.", doing)
	case s.opts.Images == nil:
		return nil, invalidParameter("Functions of container images cannot run here: they need the linux sandbox driver, which paddock doctor says more about.")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, resolveTime, errResolve)
	defer cancel()
	id := identity.Of(ctx)
	digest, resolved, err := s.opts.Images.Resolve(ctx, id.Account, id.Region, *uri)
	var bad *function.ImageError
	switch {
	case errors.As(err, &bad):
		return nil, invalidParameter("%s", bad.Reason)
	case err != nil && errors.Is(context.Cause(ctx), errResolve):
		return nil, invalidParameter("The registry of the source image %s did not answer within %v.", *uri, resolveTime)
	case err != nil:
		return nil, err
	}
	return &code{sha256: strings.TrimPrefix(digest, digestPrefix), image: &imageDoc{URI: *uri, Resolved: resolved}}, nil
}

var errResolve = errors.New("the registry is too slow")

// ensureImage returns a version's image, with the settings that its function's
// ImageConfig puts in the place of its own.
//
// https://docs.aws.amazon.com/lambda/latest/dg/images-parms.html
func (s *Service) ensureImage(ctx context.Context, v *versionDoc) (*function.Image, error) {
	if s.opts.Images == nil {
		return nil, function.NewImageError(function.ImageInvalid, "Functions of container images cannot run here: they need the linux sandbox driver.")
	}
	image, err := s.opts.Images.Ensure(ctx, imageRef(v.CodeSHA256), v.Image.Resolved)
	if err != nil || v.Image.Config == nil {
		return image, err
	}
	own, c := *image, v.Image.Config
	if c.EntryPoint != nil {
		own.EntryPoint = c.EntryPoint
	}
	if c.Command != nil {
		own.Command = c.Command
	}
	if c.WorkingDirectory != nil {
		own.WorkingDir = *c.WorkingDirectory
	}
	return &own, nil
}

// with returns the image with other settings. An empty ImageConfig brings back
// the image's own.
func (d *imageDoc) with(c *api.ImageConfig) *imageDoc {
	next := *d
	next.Config = nil
	if hasImageConfig(c) {
		next.Config = &imageConfigDoc{}
		if len(c.EntryPoint) > 0 {
			next.Config.EntryPoint = slices.Clone(c.EntryPoint)
		}
		if len(c.Command) > 0 {
			next.Config.Command = slices.Clone(c.Command)
		}
		if deref(c.WorkingDirectory) != "" {
			next.Config.WorkingDirectory = new(*c.WorkingDirectory)
		}
	}
	return &next
}

// describe changes the description of an archive's function into one of an
// image's.
func (d *imageDoc) describe(c *api.FunctionConfiguration) {
	c.PackageType = new(api.PackageTypeImage)
	c.Runtime, c.Handler = nil, nil
	if d.Config != nil {
		c.ImageConfigResponse = &api.ImageConfigResponse{ImageConfig: &api.ImageConfig{
			EntryPoint: d.Config.EntryPoint, Command: d.Config.Command, WorkingDirectory: d.Config.WorkingDirectory,
		}}
	}
}

// sameImage reports whether two versions start the same way.
func sameImage(a, b *imageDoc) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Resolved != b.Resolved || (a.Config == nil) != (b.Config == nil) {
		return false
	}
	x, y := a.Config, b.Config
	return x == nil || slices.Equal(x.EntryPoint, y.EntryPoint) && slices.Equal(x.Command, y.Command) &&
		deref(x.WorkingDirectory) == deref(y.WorkingDirectory)
}

// imageReasonCode is the StateReasonCode of a version whose image cannot be had.
func imageReasonCode(e *function.ImageError) string {
	switch e.Kind {
	case function.ImageMissing:
		return string(api.StateReasonCodeImageDeleted)
	case function.ImageDenied:
		return string(api.StateReasonCodeImageAccessDenied)
	}
	return string(api.StateReasonCodeInvalidImage)
}
