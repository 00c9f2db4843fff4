package ecr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/store"
)

// MaxManifest is the most bytes that a manifest may have.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
const MaxManifest = 4 << 20

const digestPrefix = "sha256:"

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
)

// Digest is that of content, with its algorithm.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return digestPrefix + hex.EncodeToString(sum[:])
}

// manifest is what is read of one: of an image, or an index of several.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	URLs      []string `json:"urls"`
}

// Media types of manifests.
const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
)

// parseManifest reads a manifest. mediaType is what came with it, if anything did.
func parseManifest(raw []byte, mediaType string) (*imageDoc, error) {
	var m manifest
	if len(raw) > MaxManifest {
		return nil, invalid("'ImageManifest' failed to satisfy constraint: 'Member must have length less than or equal to %d'", MaxManifest)
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.SchemaVersion != 2 {
		return nil, invalid("'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax, or no manifest of schema version 2'")
	}
	doc := &imageDoc{MediaType: m.MediaType}
	if doc.MediaType == "" {
		doc.MediaType = mediaType
	}
	switch {
	case doc.MediaType != "":
	case m.Manifests != nil:
		doc.MediaType = ociIndex
	default:
		doc.MediaType = ociManifest
	}
	if mediaType != "" && mediaType != doc.MediaType {
		return nil, invalid("'imageManifestMediaType' failed to satisfy constraint: 'the manifest says %s'", doc.MediaType)
	}
	for _, d := range m.Manifests {
		if !digestForm.MatchString(d.Digest) {
			return nil, invalid("'ImageManifest' failed to satisfy constraint: 'an image has the digest %q'", d.Digest)
		}
		doc.Images = append(doc.Images, strings.TrimPrefix(d.Digest, digestPrefix))
	}
	layers := m.Layers
	if m.Config != nil {
		doc.Artifact = m.Config.MediaType
		layers = append([]descriptor{*m.Config}, layers...)
	}
	for _, d := range layers {
		if !digestForm.MatchString(d.Digest) {
			return nil, invalid("'ImageManifest' failed to satisfy constraint: 'a layer has the digest %q'", d.Digest)
		}
		doc.Size += d.Size
		if len(d.URLs) == 0 { // a layer that registries do not hold
			doc.Blobs = append(doc.Blobs, strings.TrimPrefix(d.Digest, digestPrefix))
		}
	}
	return doc, nil
}

// PutManifest stores a manifest, and lets a tag name it where there is one. What
// the manifest refers to must be in the repository. Errors are those of PutImage;
// known is true where the image was there, with that tag.
//
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
func (s *Service) PutManifest(ctx context.Context, r Repository, tag, mediaType string, raw []byte) (digest string, known bool, err error) {
	doc, err := parseManifest(raw, mediaType)
	if err != nil {
		return "", false, err
	}
	if tag != "" && !tagForm.MatchString(tag) {
		return "", false, invalid("'imageTag' failed to satisfy constraint: 'must satisfy regular expression %s'", tagForm)
	}
	digest = Digest(raw)
	sum := strings.TrimPrefix(digest, digestPrefix)
	release := s.hold(sum)
	defer release()
	if _, err := s.opts.Blobs.Put(ctx, bytes.NewReader(raw)); err != nil {
		return "", false, err
	}
	for {
		settings, revision, err := s.repository(ctx, r)
		if err != nil {
			return "", false, err
		}
		// The settings are written as they are, so that whoever deletes from the
		// repository at the same time sees a change.
		writes := []store.Write{put(r.key(kindRepository, ""), settings, store.AtRevision(revision))}
		for _, blob := range doc.Blobs {
			writes = append(writes, store.Write{Key: r.key(kindLayer, blob), If: store.Present, Check: true})
		}
		for _, image := range doc.Images {
			writes = append(writes, store.Write{Key: r.key(kindImage, image), If: store.Present, Check: true})
		}
		was, _, there, err := get[imageDoc](ctx, s, r.key(kindImage, sum))
		if err != nil {
			return "", false, err
		}
		doc.Pushed = s.opts.Now()
		if there {
			doc.Pushed = was.Pushed
		}
		writes = append(writes, put(r.key(kindImage, sum), doc, store.Always))
		known = there && tag == ""
		if tag != "" {
			at, atRevision, taken, err := get[tagDoc](ctx, s, r.key(kindTag, tag))
			if err != nil {
				return "", false, err
			}
			cond := store.Absent
			if taken {
				cond = store.AtRevision(atRevision)
				known = there && at.Digest == sum
				if at.Digest != sum && settings.immutable(tag) {
					return "", false, &api.ImageTagAlreadyExistsException{Message: new(fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, r.Name))}
				}
			}
			writes = append(writes, put(r.key(kindTag, tag), &tagDoc{sum}, cond))
		}
		_, err = s.opts.Documents.Write(ctx, writes...)
		if err == nil {
			return digest, known, nil
		}
		if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			return "", false, err
		}
		if err := s.lacking(ctx, r, doc); err != nil {
			return "", false, err
		}
	}
}

// lacking says what of an image is not in the repository; nil: nothing.
func (s *Service) lacking(ctx context.Context, r Repository, doc *imageDoc) error {
	for _, blob := range doc.Blobs {
		if _, _, ok, err := get[layerDoc](ctx, s, r.key(kindLayer, blob)); err != nil {
			return err
		} else if !ok {
			return &api.LayersNotFoundException{Message: new(fmt.Sprintf("Layers with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", digestPrefix+blob, r.Name, r.Account))}
		}
	}
	for _, image := range doc.Images {
		if _, _, ok, err := get[imageDoc](ctx, s, r.key(kindImage, image)); err != nil {
			return err
		} else if !ok {
			return &api.ReferencedImagesNotFoundException{Message: new(fmt.Sprintf("Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", digestPrefix+image, r.Name, r.Account))}
		}
	}
	return nil
}

// Manifest implements image.Registry: it reads the manifest that a tag or a digest
// names. What is not there, the repository included, is store.ErrNotFound.
func (s *Service) Manifest(ctx context.Context, account, region, repository, reference string) (raw []byte, mediaType string, err error) {
	r := Repository{account, region, repository}
	sum, isDigest := strings.CutPrefix(reference, digestPrefix)
	if !isDigest {
		at, _, ok, err := get[tagDoc](ctx, s, r.key(kindTag, reference))
		if err != nil {
			return nil, "", err
		}
		if !ok {
			return nil, "", fmt.Errorf("tag %s of repository %s: %w", reference, repository, store.ErrNotFound)
		}
		sum = at.Digest
	}
	doc, _, ok, err := get[imageDoc](ctx, s, r.key(kindImage, sum))
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fmt.Errorf("image %s of repository %s: %w", sum, repository, store.ErrNotFound)
	}
	blob, err := s.opts.Blobs.Open(ctx, sum)
	if err != nil {
		return nil, "", err
	}
	defer blob.Close() // was only read
	raw, err = io.ReadAll(blob)
	return raw, doc.MediaType, err
}

// Blob implements image.Registry: it opens a configuration or a layer of a
// repository. What is not there is store.ErrNotFound.
func (s *Service) Blob(ctx context.Context, account, region, repository, digest string) (store.BlobReader, error) {
	r := Repository{account, region, repository}
	sum := strings.TrimPrefix(digest, digestPrefix)
	if _, _, ok, err := get[layerDoc](ctx, s, r.key(kindLayer, sum)); err != nil {
		return nil, err
	} else if !ok {
		return nil, fmt.Errorf("layer %s of repository %s: %w", digest, repository, store.ErrNotFound)
	}
	return s.opts.Blobs.Open(ctx, sum)
}

// Tags returns up to limit tags of a repository in order, those after last; 0: all.
func (s *Service) Tags(ctx context.Context, r Repository, last string, limit int) ([]string, error) {
	if _, _, err := s.repository(ctx, r); err != nil {
		return nil, err
	}
	prefix := r.prefix(kindTag)
	docs, err := s.opts.Documents.List(ctx, prefix, after(prefix, &last), limit)
	if err != nil {
		return nil, err
	}
	tags := make([]string, len(docs))
	for i, d := range docs {
		tags[i] = strings.TrimPrefix(d.Key, prefix)
	}
	return tags, nil
}
