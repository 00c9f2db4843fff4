package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// source is an image where it comes from: its configuration, and how to read its
// layers.
type source struct {
	digest string // "sha256:…"
	config *v1.ConfigFile
	layers []layer // the lowest first
}

// layer is one of a source's. Its stream is as it is stored there: compressed,
// or not.
type layer struct {
	diffID string // "sha256:…" of the unpacked tar
	digest string // "sha256:…" of the stream; empty: not known
	size   int64  // of the stream in bytes; -1: not known
	open   func(ctx context.Context) (io.ReadCloser, error)
}

// maxManifest bounds manifests and configurations, in bytes, as Amazon ECR does.
const maxManifest = 4 << 20

// maxLayers is the most that an image may have, as for Docker's own.
const maxLayers = 127

// find reads an image's manifest and configuration.
func (s *Store) find(ctx context.Context, r reference) (*source, error) {
	var src *source
	var err error
	switch r.kind {
	case fromLayout:
		src, err = s.findInLayout(r)
	case fromArchive:
		src, err = s.findInArchive(r)
	case fromOwn:
		src, err = s.findInOwn(ctx, r)
	default:
		src, err = s.findInRegistry(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return src, s.check(r, src)
}

// unsupported is how Lambda refuses what is no image for one architecture.
func unsupported(r reference) error {
	return function.NewImageError(function.ImageInvalid, "The image manifest, config or layer media type for the source image %s is not supported.", r)
}

func missing(r reference) error {
	return function.NewImageError(function.ImageMissing, "Source image %s does not exist. Provide a valid source image.", r)
}

func damaged(r reference, format string, args ...any) error {
	return function.NewImageError(function.ImageInvalid, "The source image %s is damaged: %s.", r, fmt.Sprintf(format, args...))
}

// check refuses what cannot run here.
func (s *Store) check(r reference, src *source) error {
	c := src.config
	if !strings.EqualFold(c.OS, "linux") {
		return function.NewImageError(function.ImageInvalid, "The image manifest, config or layer media type for the source image %s is not supported. It is an image for %q; functions run on Linux.", r, c.OS)
	}
	if c.Architecture != s.opts.Architecture {
		return function.NewImageError(function.ImageInvalid, "The source image %s is for the architecture %q; functions run on %q here.", r, c.Architecture, s.opts.Architecture)
	}
	if len(src.layers) == 0 || len(src.layers) > maxLayers {
		return function.NewImageError(function.ImageInvalid, "The source image %s has %d layers; it may have 1 to %d.", r, len(src.layers), maxLayers)
	}
	return nil
}

// fromManifest makes a source of a manifest. blob reads what it refers to.
func fromManifest(ctx context.Context, r reference, raw []byte, blob func(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)) (*source, error) {
	sum := sha256.Sum256(raw)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if r.digest != "" && r.digest != digest {
		return nil, damaged(r, "its manifest has the digest %s", digest)
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, damaged(r, "its manifest cannot be read: %v", err)
	}
	// An index has neither; a schema 1 manifest has another version.
	if m.SchemaVersion != 2 || !m.Config.MediaType.IsConfig() {
		return nil, unsupported(r)
	}
	text, err := readBlob(ctx, r, m.Config, blob)
	if err != nil {
		return nil, err
	}
	src := &source{digest: digest}
	if src.config, err = v1.ParseConfigFile(bytes.NewReader(text)); err != nil {
		return nil, damaged(r, "its configuration cannot be read: %v", err)
	}
	diffs := src.config.RootFS.DiffIDs
	if len(diffs) != len(m.Layers) {
		return nil, damaged(r, "its manifest has %d layers, its configuration %d", len(m.Layers), len(diffs))
	}
	for i, l := range m.Layers {
		if !l.MediaType.IsLayer() || !l.MediaType.IsDistributable() {
			return nil, unsupported(r)
		}
		src.layers = append(src.layers, layer{
			diffID: diffs[i].String(), digest: l.Digest.String(), size: l.Size,
			open: func(ctx context.Context) (io.ReadCloser, error) { return blob(ctx, l) },
		})
	}
	return src, nil
}

// readBlob reads a small blob whole and checks it.
func readBlob(ctx context.Context, r reference, d v1.Descriptor, blob func(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)) ([]byte, error) {
	if d.Size > maxManifest {
		return nil, damaged(r, "its configuration is over %d bytes", maxManifest)
	}
	rc, err := blob(ctx, d)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNotFound) {
		return nil, damaged(r, "its configuration %s is missing", d.Digest)
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close() // was only read
	text, err := io.ReadAll(io.LimitReader(rc, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of image %s: %w", r, err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != d.Digest.Hex {
		return nil, damaged(r, "its configuration has not the digest %s", d.Digest)
	}
	return text, nil
}

// findInLayout reads from an OCI layout folder: the image with the digest, the
// one of that name, or the only one.
func (s *Store) findInLayout(r reference) (*source, error) {
	p, err := layout.FromPath(r.path)
	if err != nil {
		return nil, s.notThere(r, err)
	}
	index, err := p.ImageIndex()
	if err != nil {
		return nil, s.notThere(r, err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, damaged(r, "its index.json cannot be read: %v", err)
	}
	found := slices.DeleteFunc(slices.Clone(list.Manifests), func(d v1.Descriptor) bool {
		switch {
		case r.digest != "":
			return d.Digest.String() != r.digest
		case r.tag != "":
			named := d.Annotations["org.opencontainers.image.ref.name"]
			return named != r.tag && !strings.HasSuffix(named, ":"+r.tag)
		}
		return false
	})
	switch {
	case len(found) == 0:
		return nil, missing(r)
	case len(found) > 1 && r.digest == "":
		return nil, function.NewImageError(function.ImageInvalid, "The image manifest, config or layer media type for the source image %s is not supported. It has %d images: name one, as in %s:TAG.", r, len(found), r)
	case found[0].MediaType.IsIndex():
		return nil, unsupported(r)
	}
	raw, err := p.Bytes(found[0].Digest)
	if err != nil {
		return nil, s.notThere(r, err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != found[0].Digest.Hex {
		return nil, damaged(r, "its manifest has not the digest %s", found[0].Digest)
	}
	return fromManifest(context.Background(), r, raw, func(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) { return p.Blob(d.Digest) })
}

// notThere is the error of a local image that cannot be opened.
func (s *Store) notThere(r reference, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return missing(r)
	}
	return function.NewImageError(function.ImageDenied, "The source image %s cannot be read: %v.", r, err)
}

// findInArchive reads from what `docker save` wrote. Such an archive has no
// manifest as registries have them: the digest is its configuration's, which is
// what Docker calls the image's ID.
func (s *Store) findInArchive(r reference) (*source, error) {
	opener := func() (io.ReadCloser, error) { return openFile(r.path) }
	entries, err := tarball.LoadManifest(opener)
	if err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, s.notThere(r, err)
		}
		return nil, damaged(r, "it is no archive of `docker save`: %v", err)
	}
	var picked *source
	for _, e := range entries {
		if r.digest == "" && r.tag != "" && !slices.ContainsFunc(e.RepoTags, func(t string) bool { return strings.HasSuffix(t, ":"+r.tag) }) {
			continue
		}
		src, err := fromEntry(r, e)
		if err != nil {
			return nil, err
		}
		if r.digest != "" && src.digest != r.digest {
			continue
		}
		if picked != nil && picked.digest != src.digest {
			return nil, function.NewImageError(function.ImageInvalid, "The source image %s has several images: name one, as in %s:TAG.", r, r)
		}
		picked = src
	}
	if picked == nil {
		return nil, missing(r)
	}
	return picked, nil
}

func fromEntry(r reference, e tarball.Descriptor) (*source, error) {
	rc, err := openInTar(r.path, e.Config)
	if err != nil {
		return nil, damaged(r, "its configuration cannot be read: %v", err)
	}
	defer rc.Close() // was only read
	text, err := io.ReadAll(io.LimitReader(rc, maxManifest+1))
	if err != nil || len(text) > maxManifest {
		return nil, damaged(r, "its configuration cannot be read: %v", err)
	}
	sum := sha256.Sum256(text)
	src := &source{digest: "sha256:" + hex.EncodeToString(sum[:])}
	if src.config, err = v1.ParseConfigFile(bytes.NewReader(text)); err != nil {
		return nil, damaged(r, "its configuration cannot be read: %v", err)
	}
	diffs := src.config.RootFS.DiffIDs
	if len(diffs) != len(e.Layers) {
		return nil, damaged(r, "its manifest has %d layers, its configuration %d", len(e.Layers), len(diffs))
	}
	for i, file := range e.Layers {
		src.layers = append(src.layers, layer{diffID: diffs[i].String(), size: -1, open: func(context.Context) (io.ReadCloser, error) { return openInTar(r.path, file) }})
	}
	return src, nil
}

// findInOwn reads from Paddock's own registry, in process.
func (s *Store) findInOwn(ctx context.Context, r reference) (*source, error) {
	if s.opts.Registry == nil {
		return nil, missing(r)
	}
	wanted := r.digest
	if wanted == "" {
		wanted = r.tag
	}
	raw, mediaType, err := s.opts.Registry.Manifest(ctx, r.account, r.region, r.repository, wanted)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(r)
	}
	if err != nil {
		return nil, err
	}
	if types.MediaType(mediaType).IsIndex() {
		return nil, unsupported(r)
	}
	return fromManifest(ctx, r, raw, func(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
		return s.opts.Registry.Blob(ctx, r.account, r.region, r.repository, d.Digest.String())
	})
}

// findInRegistry reads from another registry, with the credentials that this
// user's Docker configuration has for it.
func (s *Store) findInRegistry(ctx context.Context, r reference) (*source, error) {
	repo, err := name.NewRepository(r.host + "/" + r.repository)
	if err != nil {
		return nil, function.NewImageError(function.ImageBadName, "Source image %s is not valid. Provide a valid source image.", r)
	}
	var ref name.Reference = repo.Tag(r.tag)
	if r.digest != "" {
		ref = repo.Digest(r.digest)
	}
	puller, err := remote.NewPuller(remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent("paddock"))
	if err != nil {
		return nil, err
	}
	d, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, refused(r, err)
	}
	if d.MediaType.IsIndex() {
		return nil, unsupported(r)
	}
	return fromManifest(ctx, r, d.Manifest, func(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
		l, err := puller.Layer(ctx, repo.Digest(d.Digest.String()))
		if err != nil {
			return nil, refused(r, err)
		}
		rc, err := l.Compressed()
		if err != nil {
			return nil, refused(r, err)
		}
		return rc, nil
	})
}

// refused words a registry's answer.
func refused(r reference, err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return function.NewImageError(function.ImageDenied, "The registry of the source image %s cannot be reached: %v.", r, err)
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return missing(r)
	case http.StatusUnauthorized, http.StatusForbidden:
		return function.NewImageError(function.ImageDenied, "The registry of the source image %s does not permit access to it: %v. Log in to it with docker login, or a tool that writes Docker's config.json, as the user that Paddock runs as.", r, answer)
	}
	return function.NewImageError(function.ImageDenied, "The registry of the source image %s answered: %v.", r, answer)
}
