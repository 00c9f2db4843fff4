package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// UpdateFunctionCode implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
//
// The code before goes on serving invocations until the new one is unpacked.
// The new one has been checked by then: only a fault of this machine's can keep
// it from being unpacked, and each invocation then tries again.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *api.UpdateFunctionCodeRequest) (*api.FunctionConfiguration, error) {
	r, err := locateFunction(ctx, "UpdateFunctionCode", in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, unsupported("PublishTo")
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	isImage := snap.doc.Latest.Image != nil
	if in.ImageUri != nil && !isImage {
		return nil, invalidParameter("Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	if in.RevisionId != nil && *in.RevisionId != snap.doc.Latest.RevisionID {
		return nil, wrongRevision()
	}
	if err := snap.latest.mayChange(); err != nil {
		return nil, err
	}
	doc := *snap.doc
	if doc.Latest.Architecture, err = s.architecture(in.Architectures, doc.Latest.Architecture); err != nil {
		return nil, err
	}
	var taken *code
	if isImage {
		taken, err = s.takeImage(ctx, "updating", in.ImageUri, in.ZipFile != nil, in.S3Bucket != nil || in.S3Key != nil || in.S3ObjectVersion != nil, in.SourceKMSKeyArn)
	} else if taken, err = takeCode(ctx, in.ZipFile, in.S3Bucket, in.S3Key, in.S3ObjectVersion, nil, in.SourceKMSKeyArn); err == nil {
		err = fits(taken.archive.UnzippedSize, doc.Latest.Layers)
	}
	if err != nil {
		return nil, err
	}
	if isImage {
		taken.image.Config = doc.Latest.Image.Config
		doc.Latest.Image = taken.image
	}
	doc.Latest.CodeSHA256, doc.Latest.CodeSize = taken.sha256, int64(len(taken.zip))
	doc.Latest.RevisionID, doc.Latest.LastModified = newRevisionID(), s.opts.Now()

	scope := scopeKey{r.account, r.region}
	if deref(in.DryRun) {
		out := succeeding(scope, r.name, &doc.Latest, snap.latest).configuration(r, "")
		return out, nil
	}
	release, err := s.store(ctx, taken)
	if err != nil {
		return nil, err
	}
	defer release()

	var writes []store.Write
	var published *versionDoc
	unchanged := snap.lastPublished()
	if deref(in.Publish) && (unchanged == nil || unchanged.doc.CodeSHA256 != taken.sha256) {
		published = publish(&doc, "")
		writes = append(writes, put(r.key(kindVersion, published.Version), published, store.Absent))
	}
	updated := updating(scope, r.name, &doc.Latest, snap.latest)
	made := map[string]*version{latest: updated}
	states := []*version{updated}
	var shown *version
	if published != nil {
		shown = creating(scope, r.name, published)
		made[published.Version] = shown
		states = append(states, shown)
	}
	writes = append(writes, put(r.key(kindFunction, ""), &doc, store.AtRevision(snap.revision)))
	if err := s.change(ctx, made, writes...); err != nil {
		return nil, s.lost(ctx, r, err)
	}
	var out *api.FunctionConfiguration
	switch {
	case shown != nil:
		out = shown.configuration(r, published.Version)
	case deref(in.Publish):
		out = unchanged.configuration(r, unchanged.doc.Version)
	default:
		out = updated.configuration(r, "")
	}
	s.activate(states...)
	return out, nil
}

// lost is the answer to an update whose function another request changed at
// the same time.
func (s *Service) lost(ctx context.Context, r ref, err error) error {
	if !changedMeanwhile(err) {
		return err
	}
	if rerr := s.refresh(ctx, r.key(kindFunction, "")); rerr != nil {
		return rerr
	}
	return updateInProgress(r.arn())
}
