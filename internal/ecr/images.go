package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/store"
)

// PutImage implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
func (s *Service) PutImage(ctx context.Context, in *api.PutImageRequest) (*api.PutImageResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	raw := []byte(*in.ImageManifest)
	if in.ImageDigest != nil && *in.ImageDigest != Digest(raw) {
		return nil, &api.ImageDigestDoesNotMatchException{Message: new(fmt.Sprintf("The provided image digest '%s' does not match the digest of the image manifest '%s'", *in.ImageDigest, Digest(raw)))}
	}
	digest, known, err := s.PutManifest(ctx, r, deref(in.ImageTag), deref(in.ImageManifestMediaType), raw)
	if err != nil {
		return nil, err
	}
	if known {
		return nil, &api.ImageAlreadyExistsException{Message: new(fmt.Sprintf("Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", digest, orNull(in.ImageTag), r.Name, r.Account))}
	}
	doc, err := parseManifest(raw, deref(in.ImageManifestMediaType))
	if err != nil {
		return nil, err
	}
	return &api.PutImageResponse{Image: &api.Image{
		RegistryId: new(r.Account), RepositoryName: new(r.Name), ImageManifest: in.ImageManifest, ImageManifestMediaType: new(doc.MediaType),
		ImageId: &api.ImageIdentifier{ImageDigest: new(digest), ImageTag: in.ImageTag},
	}}, nil
}

// contents are a repository's images and which tags name them.
type contents struct {
	images map[string]*imageDoc // by the hexadecimal form of their digests
	tags   map[string]string    // to that
}

func (s *Service) contents(ctx context.Context, r Repository) (*contents, error) {
	if _, _, err := s.repository(ctx, r); err != nil {
		return nil, err
	}
	c := &contents{images: map[string]*imageDoc{}, tags: map[string]string{}}
	sums, images, err := list[imageDoc](ctx, s, r.prefix(kindImage))
	if err != nil {
		return nil, err
	}
	for i, sum := range sums {
		c.images[sum] = images[i]
	}
	names, tags, err := list[tagDoc](ctx, s, r.prefix(kindTag))
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		c.tags[name] = tags[i].Digest
	}
	return c, nil
}

// tagsOf are the tags that name an image, sorted.
func (c *contents) tagsOf(sum string) (tags []string) {
	for tag, at := range c.tags {
		if at == sum {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

// find returns the image that an identifier names, or why there is none.
func (c *contents) find(id *api.ImageIdentifier) (sum string, failure *api.ImageFailure) {
	fail := func(code api.ImageFailureCode, reason string) (string, *api.ImageFailure) {
		return "", &api.ImageFailure{ImageId: id, FailureCode: new(code), FailureReason: new(reason)}
	}
	switch {
	case id == nil || id.ImageDigest == nil && id.ImageTag == nil:
		return fail(api.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null")
	case id.ImageDigest != nil && !digestForm.MatchString(*id.ImageDigest):
		return fail(api.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")
	case id.ImageDigest != nil:
		sum = strings.TrimPrefix(*id.ImageDigest, digestPrefix)
	default:
		sum = c.tags[*id.ImageTag]
	}
	if c.images[sum] == nil {
		return fail(api.ImageFailureCodeImageNotFound, "Requested image not found")
	}
	if id.ImageDigest != nil && id.ImageTag != nil && c.tags[*id.ImageTag] != sum {
		return fail(api.ImageFailureCodeImageTagDoesNotMatchDigest, "Requested image not found")
	}
	return sum, nil
}

// BatchGetImage implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
func (s *Service) BatchGetImage(ctx context.Context, in *api.BatchGetImageRequest) (*api.BatchGetImageResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	c, err := s.contents(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.BatchGetImageResponse{}
	for _, id := range in.ImageIds {
		sum, failure := c.find(id)
		if failure == nil && len(in.AcceptedMediaTypes) > 0 && !slices.Contains(in.AcceptedMediaTypes, c.images[sum].MediaType) {
			failure = &api.ImageFailure{ImageId: id, FailureCode: new(api.ImageFailureCodeImageNotFound), FailureReason: new("Requested image has none of the accepted media types: it is " + c.images[sum].MediaType)}
		}
		if failure != nil {
			out.Failures = append(out.Failures, failure)
			continue
		}
		raw, mediaType, err := s.Manifest(ctx, r.Account, r.Region, r.Name, digestPrefix+sum)
		if err != nil {
			return nil, err
		}
		out.Images = append(out.Images, &api.Image{
			RegistryId: new(r.Account), RepositoryName: new(r.Name), ImageManifest: new(string(raw)), ImageManifestMediaType: new(mediaType),
			ImageId: &api.ImageIdentifier{ImageDigest: new(digestPrefix + sum), ImageTag: id.ImageTag},
		})
	}
	return out, nil
}

// ListImages implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImages.html
func (s *Service) ListImages(ctx context.Context, in *api.ListImagesRequest) (*api.ListImagesResponse, error) {
	c, err := s.contents(ctx, of(ctx, in.RegistryId, in.RepositoryName))
	if err != nil {
		return nil, err
	}
	status, filter := api.TagStatusAny, deref(in.Filter)
	if filter.TagStatus != nil {
		status = *filter.TagStatus
	}
	var all []*api.ImageIdentifier
	if !archived(filter.ImageStatus) {
		for _, sum := range sorted(c.images) {
			tags := c.tagsOf(sum)
			if len(tags) == 0 && status != api.TagStatusTagged {
				all = append(all, &api.ImageIdentifier{ImageDigest: new(digestPrefix + sum)})
			}
			for _, tag := range tags {
				if status != api.TagStatusUntagged {
					all = append(all, &api.ImageIdentifier{ImageDigest: new(digestPrefix + sum), ImageTag: new(tag)})
				}
			}
		}
	}
	page, next, err := page(all, in.MaxResults, in.NextToken)
	return &api.ListImagesResponse{ImageIds: page, NextToken: next}, err
}

// archived reports whether only images that Amazon put into its archive are
// wanted: there are none.
func archived(status *api.ImageStatusFilter) bool {
	return status != nil && *status != "ACTIVE" && *status != "ANY"
}

func sorted(images map[string]*imageDoc) []string {
	var sums []string
	for sum := range images {
		sums = append(sums, sum)
	}
	slices.SortFunc(sums, func(a, b string) int {
		if d := images[a].Pushed.Compare(images[b].Pushed); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return sums
}

// page cuts out what a request asks for; the token is where the next one begins.
func page[T any](all []T, most *int32, token *string) (part []T, next *string, err error) {
	from, limit := 0, 100
	if most != nil {
		limit = int(*most)
	}
	if token != nil {
		if _, err := fmt.Sscanf(*token, "%d", &from); err != nil || from < 0 {
			return nil, nil, invalid("'nextToken' failed to satisfy constraint: 'Invalid token'")
		}
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to < len(all) {
		next = new(fmt.Sprint(to))
	}
	return all[from:to], next, nil
}

// DescribeImages implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
func (s *Service) DescribeImages(ctx context.Context, in *api.DescribeImagesRequest) (*api.DescribeImagesResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	c, err := s.contents(ctx, r)
	if err != nil {
		return nil, err
	}
	filter := deref(in.Filter)
	var sums []string
	for _, id := range in.ImageIds {
		sum, failure := c.find(id)
		if failure != nil {
			return nil, noImage(r, describeID(id))
		}
		sums = append(sums, sum)
	}
	if len(in.ImageIds) == 0 {
		sums = sorted(c.images)
	}
	var all []*api.ImageDetail
	for _, sum := range sums {
		doc, tags := c.images[sum], c.tagsOf(sum)
		if t := filter.TagStatus; t != nil && (*t == api.TagStatusTagged && len(tags) == 0 || *t == api.TagStatusUntagged && len(tags) > 0) || archived(filter.ImageStatus) {
			continue
		}
		d := &api.ImageDetail{
			RegistryId: new(r.Account), RepositoryName: new(r.Name), ImageDigest: new(digestPrefix + sum), ImageTags: tags,
			ImageSizeInBytes: new(doc.Size), ImagePushedAt: new(doc.Pushed), ImageManifestMediaType: new(doc.MediaType), ImageStatus: new(api.ImageStatusActive),
		}
		if doc.Artifact != "" {
			d.ArtifactMediaType = new(doc.Artifact)
		}
		all = append(all, d)
	}
	page, next, err := page(all, in.MaxResults, in.NextToken)
	return &api.DescribeImagesResponse{ImageDetails: page, NextToken: next}, err
}

// BatchDeleteImage deletes tags, and with the last tag the image; or images by
// their digests, with all their tags.
//
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
func (s *Service) BatchDeleteImage(ctx context.Context, in *api.BatchDeleteImageRequest) (*api.BatchDeleteImageResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	out := &api.BatchDeleteImageResponse{}
	for _, id := range in.ImageIds {
		deleted, failure, err := s.deleteImage(ctx, r, id)
		switch {
		case err != nil:
			return nil, err
		case failure != nil:
			out.Failures = append(out.Failures, failure)
		default:
			out.ImageIds = append(out.ImageIds, deleted...)
		}
	}
	return out, nil
}

// DeleteManifest deletes an image by its digest, or a tag.
func (s *Service) DeleteManifest(ctx context.Context, r Repository, reference string) error {
	id := &api.ImageIdentifier{ImageTag: &reference}
	if strings.HasPrefix(reference, digestPrefix) {
		id = &api.ImageIdentifier{ImageDigest: &reference}
	}
	_, failure, err := s.deleteImage(ctx, r, id)
	if err == nil && failure != nil {
		err = noImage(r, describeID(id))
	}
	return err
}

func (s *Service) deleteImage(ctx context.Context, r Repository, id *api.ImageIdentifier) (deleted []*api.ImageIdentifier, _ *api.ImageFailure, err error) {
	for {
		settings, revision, err := s.repository(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		c, err := s.contents(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		sum, failure := c.find(id)
		if failure != nil {
			return nil, failure, nil
		}
		tags := c.tagsOf(sum)
		whole := id.ImageTag == nil || len(tags) == 1
		if !whole {
			tags = []string{*id.ImageTag}
		}
		// The settings are written as they are: what is pushed meanwhile tries again.
		writes := []store.Write{put(r.key(kindRepository, ""), settings, store.AtRevision(revision))}
		deleted = nil
		for _, tag := range tags {
			writes = append(writes, store.Write{Key: r.key(kindTag, tag)})
			deleted = append(deleted, &api.ImageIdentifier{ImageDigest: new(digestPrefix + sum), ImageTag: new(tag)})
		}
		if whole {
			for other, doc := range c.images {
				if slices.Contains(doc.Images, sum) {
					return nil, &api.ImageFailure{ImageId: id, FailureCode: new(api.ImageFailureCodeImageReferencedByManifestList), FailureReason: new("Requested image referenced by manifest list: [" + digestPrefix + other + "]")}, nil
				}
			}
			writes = append(writes, store.Write{Key: r.key(kindImage, sum)})
			for _, blob := range c.ownBlobs(sum) {
				writes = append(writes, store.Write{Key: r.key(kindLayer, blob)})
			}
			if len(tags) == 0 {
				deleted = append(deleted, &api.ImageIdentifier{ImageDigest: new(digestPrefix + sum)})
			}
		}
		_, err = s.opts.Documents.Write(ctx, writes...)
		if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil && whole {
			s.collectLater()
		}
		return deleted, nil, err
	}
}

// ownBlobs are those of an image that no other one of the repository has.
func (c *contents) ownBlobs(sum string) []string {
	others := map[string]bool{}
	for other, doc := range c.images {
		for _, blob := range doc.Blobs {
			others[blob] = others[blob] || other != sum
		}
	}
	return slices.DeleteFunc(slices.Clone(c.images[sum].Blobs), func(blob string) bool { return others[blob] })
}
