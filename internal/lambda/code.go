package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
)

// maxZipped bounds an archive that is sent in a request: 50 MB.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxZipped = 52428800

// code is an archive that was checked and may be stored, or an image.
type code struct {
	image   *imageDoc // nil: an archive
	zip     []byte
	sha256  string // lower-case hex
	archive *archive.Archive
	// small: unpacking it is no matter, so that it can wait until the function runs.
	small bool
}

// What a small archive has at most.
const (
	smallUnzipped = 8 << 20 // bytes
	smallEntries  = 64      // making a file costs far more than its bytes
)

// takeCode checks the code of a request: a ZIP archive that can be unpacked
// within Lambda's limits. Other sources are refused. All of the archive is read,
// about a second for the largest: what is stored replaces the code before for good, so
// that it must not turn out to be damaged afterwards.
func takeCode(ctx context.Context, zip []byte, s3Bucket, s3Key, s3Version, imageURI, kmsKey *string) (*code, error) {
	switch {
	case s3Bucket != nil || s3Key != nil || s3Version != nil:
		return nil, invalidParameter("Paddock does not support code from Amazon S3 yet. Send the archive as ZipFile.")
	case imageURI != nil:
		return nil, invalidParameter("Please don't provide ImageUri when creating a function with packageType Zip.")
	case deref(kmsKey) != "":
		return nil, unsupported("SourceKMSKeyArn")
	case zip == nil:
		return nil, invalidParameter("Please provide a source for function code.")
	case len(zip) > maxZipped:
		return nil, tooLarge("Zipped size must be smaller than %d bytes", maxZipped)
	}
	a, err := archive.Open(bytes.NewReader(zip), int64(len(zip)), archive.Lambda)
	if err != nil {
		return nil, archiveError(err)
	}
	if err := a.Verify(ctx); err != nil {
		return nil, archiveError(err)
	}
	sum := sha256.Sum256(zip)
	small := a.UnzippedSize <= smallUnzipped && a.Len() <= smallEntries
	return &code{zip: zip, sha256: hex.EncodeToString(sum[:]), archive: a, small: small}, nil
}

// store keeps the archive. release ends the hold that keeps it from being
// deleted until a version refers to it.
func (s *Service) store(ctx context.Context, c *code) (release func(), err error) {
	if c.image != nil {
		return s.refs.hold(ctx, imageRef(c.sha256))
	}
	release, err = s.refs.hold(ctx, c.sha256)
	if err != nil {
		return nil, err
	}
	if _, err := s.opts.Blobs.Put(ctx, bytes.NewReader(c.zip)); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// architecture resolves the member Architectures; was is kept where it is absent.
func (s *Service) architecture(list []api.Architecture, was string) (string, error) {
	if len(list) == 0 {
		return was, nil
	}
	if a := string(list[0]); a != s.opts.Architecture {
		return "", invalidParameter("This Paddock runs on %s and cannot run %s functions. Leave out Architectures, or set it to %s.", s.opts.Architecture, a, s.opts.Architecture)
	}
	return string(list[0]), nil
}
