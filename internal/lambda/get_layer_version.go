package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/awserr"
)

// GetLayerVersion implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersion.html
func (s *Service) GetLayerVersion(ctx context.Context, in *api.GetLayerVersionRequest) (*api.GetLayerVersionResponse, error) {
	r, err := locateLayer(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	if r, err = r.at(in.VersionNumber); err != nil {
		return nil, err
	}
	return s.describeLayerVersion(ctx, r)
}

// GetLayerVersionByArn implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionByArn.html
func (s *Service) GetLayerVersionByArn(ctx context.Context, in *api.GetLayerVersionByArnRequest) (*api.GetLayerVersionResponse, error) {
	r, ok := parseLayerARN(deref(in.Arn))
	if !ok || r.version == 0 {
		return nil, awserr.Validation("1 validation error detected: Value '%s' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+", deref(in.Arn))
	}
	return s.describeLayerVersion(ctx, r)
}

func (s *Service) describeLayerVersion(ctx context.Context, r layerRef) (*api.GetLayerVersionResponse, error) {
	doc, err := s.readableLayerVersion(ctx, r, notFound("The resource you requested does not exist."))
	if err != nil {
		return nil, err
	}
	return &api.GetLayerVersionResponse{
		Content: s.layerContent(ctx, r, doc), LayerArn: new(r.arn()), LayerVersionArn: new(r.versionARN()),
		Description: new(doc.Description), CreatedDate: doc.createdDate(), Version: new(doc.Version),
		CompatibleRuntimes: doc.Runtimes, LicenseInfo: doc.License, CompatibleArchitectures: doc.Architectures,
	}, nil
}
