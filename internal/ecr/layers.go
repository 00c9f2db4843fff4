package ecr

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/identity"
)

// partSize is what InitiateLayerUpload asks parts to have, in bytes, as AWS does.
const partSize = 10 << 20

// InitiateLayerUpload implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_InitiateLayerUpload.html
func (s *Service) InitiateLayerUpload(ctx context.Context, in *api.InitiateLayerUploadRequest) (*api.InitiateLayerUploadResponse, error) {
	id, err := s.StartUpload(ctx, of(ctx, in.RegistryId, in.RepositoryName))
	if err != nil {
		return nil, err
	}
	return &api.InitiateLayerUploadResponse{UploadId: &id, PartSize: new(int64(partSize))}, nil
}

// UploadLayerPart implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UploadLayerPart.html
func (s *Service) UploadLayerPart(ctx context.Context, in *api.UploadLayerPartRequest) (*api.UploadLayerPartResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if *in.PartLastByte-*in.PartFirstByte+1 != int64(len(in.LayerPartBlob)) {
		return nil, invalid("'partLastByte' failed to satisfy constraint: 'the part has %d bytes'", len(in.LayerPartBlob))
	}
	size, err := s.AppendUpload(ctx, r, *in.UploadId, *in.PartFirstByte, bytes.NewReader(in.LayerPartBlob))
	if err != nil {
		return nil, err
	}
	return &api.UploadLayerPartResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), UploadId: in.UploadId, LastByteReceived: new(size - 1)}, nil
}

// CompleteLayerUpload implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CompleteLayerUpload.html
func (s *Service) CompleteLayerUpload(ctx context.Context, in *api.CompleteLayerUploadRequest) (*api.CompleteLayerUploadResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if len(in.LayerDigests) != 1 {
		return nil, invalid("'layerDigests' failed to satisfy constraint: 'one digest'")
	}
	known, err := s.FinishUpload(ctx, r, *in.UploadId, in.LayerDigests[0])
	if err != nil {
		return nil, err
	}
	if known {
		return nil, &api.LayerAlreadyExistsException{Message: new(fmt.Sprintf("Layer with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", in.LayerDigests[0], r.Name, r.Account))}
	}
	return &api.CompleteLayerUploadResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), UploadId: in.UploadId, LayerDigest: new(in.LayerDigests[0])}, nil
}

// BatchCheckLayerAvailability implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchCheckLayerAvailability.html
func (s *Service) BatchCheckLayerAvailability(ctx context.Context, in *api.BatchCheckLayerAvailabilityRequest) (*api.BatchCheckLayerAvailabilityResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if _, _, err := s.repository(ctx, r); err != nil {
		return nil, err
	}
	out := &api.BatchCheckLayerAvailabilityResponse{}
	for _, digest := range in.LayerDigests {
		if !digestForm.MatchString(digest) {
			out.Failures = append(out.Failures, &api.LayerFailure{LayerDigest: new(digest), FailureCode: new(api.LayerFailureCodeInvalidLayerDigest), FailureReason: new("Invalid layer digest")})
			continue
		}
		doc, _, ok, err := get[layerDoc](ctx, s, r.key(kindLayer, strings.TrimPrefix(digest, digestPrefix)))
		if err != nil {
			return nil, err
		}
		layer := &api.Layer{LayerDigest: new(digest), LayerAvailability: new(api.LayerAvailabilityUnavailable)}
		if ok {
			layer.LayerAvailability, layer.LayerSize = new(api.LayerAvailabilityAvailable), new(doc.Size)
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

// GetDownloadUrlForLayer implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html
//
// The URL is the layer's in the registry, which wants to be asked with the
// authorization token where credentials are enforced.
func (s *Service) GetDownloadUrlForLayer(ctx context.Context, in *api.GetDownloadUrlForLayerRequest) (*api.GetDownloadUrlForLayerResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if _, _, err := s.repository(ctx, r); err != nil {
		return nil, err
	}
	if _, _, ok, err := get[layerDoc](ctx, s, r.key(kindLayer, strings.TrimPrefix(*in.LayerDigest, digestPrefix))); err != nil {
		return nil, err
	} else if !ok {
		return nil, &api.LayersNotFoundException{Message: new(fmt.Sprintf("Layers with digests '[%s]' do not exist in the repository with name '%s' in the registry with id '%s'", *in.LayerDigest, r.Name, r.Account))}
	}
	scheme, _, _ := strings.Cut(identity.Of(ctx).BaseURL, "://")
	return &api.GetDownloadUrlForLayerResponse{LayerDigest: in.LayerDigest, DownloadUrl: new(scheme + "://" + host(ctx, r.Account, r.Region) + "/v2/" + r.Name + "/blobs/" + *in.LayerDigest)}, nil
}
