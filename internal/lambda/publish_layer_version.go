package lambda

import (
	"context"
	"encoding/json"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// maxLayerARN is the longest ARN of a layer's version that a function's Layers
// can name.
const maxLayerARN = 140

// PublishLayerVersion implements
// https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
//
// The archive is unpacked when a function first uses it.
func (s *Service) PublishLayerVersion(ctx context.Context, in *api.PublishLayerVersionRequest) (*api.PublishLayerVersionResponse, error) {
	r, err := ownLayer(ctx, "PublishLayerVersion", in.LayerName)
	if err != nil {
		return nil, err
	}
	if !r.reachable(ctx) {
		return nil, notFound("The resource you requested does not exist.")
	}
	from := deref(in.Content)
	if from.ZipFile == nil && from.S3Bucket == nil && from.S3Key == nil && from.S3ObjectVersion == nil {
		return nil, invalidParameter("Please provide a source for layer content.")
	}
	taken, err := takeCode(ctx, from.ZipFile, from.S3Bucket, from.S3Key, from.S3ObjectVersion, nil, nil)
	if err != nil {
		return nil, err
	}
	release, err := s.store(ctx, taken)
	if err != nil {
		return nil, err
	}
	defer release()

	doc := &layerVersionDoc{
		Created: s.opts.Now(), CodeSHA256: taken.sha256, CodeSize: int64(len(taken.zip)),
		Unzipped: taken.archive.UnzippedSize, Entries: taken.archive.Len(),
		Description: deref(in.Description), License: in.LicenseInfo,
		Runtimes: in.CompatibleRuntimes, Architectures: in.CompatibleArchitectures,
	}
	for range maxAttempts {
		if err = s.addLayerVersion(ctx, &r, doc); !changedMeanwhile(err) {
			break
		}
	}
	if changedMeanwhile(err) {
		return nil, updateInProgress(r.arn())
	}
	if err != nil {
		return nil, err
	}
	return &api.PublishLayerVersionResponse{
		Content: s.layerContent(ctx, r, doc), LayerArn: new(r.arn()), LayerVersionArn: new(r.versionARN()),
		Description: new(doc.Description), CreatedDate: doc.createdDate(), Version: new(r.version),
		CompatibleRuntimes: doc.Runtimes, LicenseInfo: doc.License, CompatibleArchitectures: doc.Architectures,
	}, nil
}

// addLayerVersion stores doc under the layer's next number, which it notes in r
// and doc.
func (s *Service) addLayerVersion(ctx context.Context, r *layerRef, doc *layerVersionDoc) error {
	layer, revision, err := getDoc[layerDoc](ctx, s, r.settingsKey())
	if err != nil {
		return err
	}
	cond := store.AtRevision(revision)
	if layer == nil {
		layer, cond = &layerDoc{}, store.Absent
	}
	layer.Last++
	r.version, doc.Version = layer.Last, layer.Last
	if arn := r.versionARN(); len(arn) > maxLayerARN {
		return invalidParameter("The layer's name is too long: functions could not name its versions, whose ARNs would have more than %d characters.", maxLayerARN)
	}
	return s.change(ctx, nil, putJSON(r.versionKey(), doc, store.Absent), putJSON(r.settingsKey(), layer, cond))
}

// putJSON is put for keys of other collections than functions.
func putJSON(key string, v any, cond store.Condition) store.Write {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return store.Write{Key: key, Value: b, If: cond}
}
