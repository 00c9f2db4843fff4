package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/store"
)

// CreateRepository implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
func (s *Service) CreateRepository(ctx context.Context, in *api.CreateRepositoryRequest) (*api.CreateRepositoryResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	doc := &repositoryDoc{Name: r.Name, Created: s.opts.Now(), Mutability: string(api.ImageTagMutabilityMutable), Encryption: string(api.EncryptionTypeAes256)}
	if in.ImageTagMutability != nil {
		doc.Mutability = string(*in.ImageTagMutability)
	}
	var err error
	if doc.Exclusions, err = exclusions(doc.Mutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	if in.ImageScanningConfiguration != nil {
		doc.ScanOnPush = deref(in.ImageScanningConfiguration.ScanOnPush)
	}
	if e := in.EncryptionConfiguration; e != nil {
		doc.Encryption, doc.KMSKey = string(deref(e.EncryptionType)), deref(e.KmsKey)
	}
	if doc.Tags, err = withTags(nil, in.Tags); err != nil {
		return nil, err
	}
	_, err = s.opts.Documents.Write(ctx, put(r.key(kindRepository, ""), doc, store.Absent))
	if errors.Is(err, store.ErrConflict) {
		return nil, &api.RepositoryAlreadyExistsException{Message: new(fmt.Sprintf("The repository with name '%s' already exists in the registry with id '%s'", r.Name, r.Account))}
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateRepositoryResponse{Repository: doc.describe(ctx, r)}, nil
}

// exclusions are the patterns of tags that a mutability with exclusions excludes.
func exclusions(mutability string, filters []*api.ImageTagMutabilityExclusionFilter) ([]string, error) {
	if with := strings.HasSuffix(mutability, "_WITH_EXCLUSION"); with != (len(filters) > 0) {
		return nil, invalid("'imageTagMutabilityExclusionFilters': they come with a mutability WITH_EXCLUSION, and only with that")
	}
	var patterns []string
	for _, f := range filters {
		if deref(f.FilterType) != api.ImageTagMutabilityExclusionFilterTypeWildcard {
			return nil, invalid("'filterType' failed to satisfy constraint: 'WILDCARD'")
		}
		patterns = append(patterns, deref(f.Filter))
	}
	return patterns, nil
}

// immutable reports whether a tag stays where it is.
func (d *repositoryDoc) immutable(tag string) bool {
	excluded := false
	for _, pattern := range d.Exclusions {
		ok, err := path.Match(pattern, tag) // tags have no slash
		excluded = excluded || ok && err == nil
	}
	return strings.HasPrefix(d.Mutability, "IMMUTABLE") != excluded
}

func (d *repositoryDoc) describe(ctx context.Context, r Repository) *api.Repository {
	out := &api.Repository{
		RepositoryArn: new(r.arn(ctx)), RegistryId: new(r.Account), RepositoryName: new(r.Name),
		RepositoryUri: new(host(ctx, r.Account, r.Region) + "/" + r.Name), CreatedAt: new(d.Created),
		ImageTagMutability:         new(api.ImageTagMutability(d.Mutability)),
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: new(d.ScanOnPush)},
		EncryptionConfiguration:    &api.EncryptionConfiguration{EncryptionType: new(api.EncryptionType(d.Encryption))},
	}
	if d.KMSKey != "" {
		out.EncryptionConfiguration.KmsKey = new(d.KMSKey)
	}
	out.ImageTagMutabilityExclusionFilters = filters(d.Exclusions)
	return out
}

func filters(patterns []string) (out []*api.ImageTagMutabilityExclusionFilter) {
	for _, p := range patterns {
		out = append(out, &api.ImageTagMutabilityExclusionFilter{FilterType: new(api.ImageTagMutabilityExclusionFilterTypeWildcard), Filter: new(p)})
	}
	return out
}

// DescribeRepositories implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html
func (s *Service) DescribeRepositories(ctx context.Context, in *api.DescribeRepositoriesRequest) (*api.DescribeRepositoriesResponse, error) {
	out := &api.DescribeRepositoriesResponse{}
	for _, name := range in.RepositoryNames {
		r := of(ctx, in.RegistryId, &name)
		doc, _, err := s.repository(ctx, r)
		if err != nil {
			return nil, err
		}
		out.Repositories = append(out.Repositories, doc.describe(ctx, r))
	}
	if len(in.RepositoryNames) > 0 {
		return out, nil
	}
	all := of(ctx, in.RegistryId, nil)
	limit := int(deref(in.MaxResults))
	if limit == 0 {
		limit = 100
	}
	prefix := keyPrefix + all.Account + "/" + all.Region + "/" + kindRepository + "/"
	docs, err := s.opts.Documents.List(ctx, prefix, after(prefix, in.NextToken), limit+1)
	if err != nil {
		return nil, err
	}
	for i, d := range docs {
		if i == limit {
			out.NextToken = new(strings.TrimPrefix(docs[i-1].Key, prefix))
			break
		}
		var doc repositoryDoc
		if err := json.Unmarshal(d.Value, &doc); err != nil {
			return nil, fmt.Errorf("ecr: document %s: %w", d.Key, err)
		}
		out.Repositories = append(out.Repositories, doc.describe(ctx, Repository{all.Account, all.Region, doc.Name}))
	}
	return out, nil
}

// after is the key that a page follows.
func after(prefix string, token *string) string {
	if deref(token) == "" {
		return ""
	}
	return prefix + *token
}

// DeleteRepository implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html
func (s *Service) DeleteRepository(ctx context.Context, in *api.DeleteRepositoryRequest) (*api.DeleteRepositoryResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	for {
		doc, revision, err := s.repository(ctx, r)
		if err != nil {
			return nil, err
		}
		writes := []store.Write{{Key: r.key(kindRepository, ""), If: store.AtRevision(revision)}}
		for _, kind := range []string{kindImage, kindTag, kindLayer} {
			docs, err := s.opts.Documents.List(ctx, r.prefix(kind), "", 0)
			if err != nil {
				return nil, err
			}
			if kind == kindImage && len(docs) > 0 && !deref(in.Force) {
				return nil, &api.RepositoryNotEmptyException{Message: new(fmt.Sprintf("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", r.Name, r.Account))}
			}
			for _, d := range docs {
				writes = append(writes, store.Write{Key: d.Key})
			}
		}
		// What is pushed meanwhile requires the repository as it was, and fails.
		_, err = s.opts.Documents.Write(ctx, writes...)
		if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.collectLater()
		return &api.DeleteRepositoryResponse{Repository: doc.describe(ctx, r)}, nil
	}
}

// PutImageTagMutability implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageTagMutability.html
func (s *Service) PutImageTagMutability(ctx context.Context, in *api.PutImageTagMutabilityRequest) (*api.PutImageTagMutabilityResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	patterns, err := exclusions(string(*in.ImageTagMutability), in.ImageTagMutabilityExclusionFilters)
	if err != nil {
		return nil, err
	}
	err = s.changeRepository(ctx, r, func(d *repositoryDoc) error {
		d.Mutability, d.Exclusions = string(*in.ImageTagMutability), patterns
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutImageTagMutabilityResponse{
		RegistryId: new(r.Account), RepositoryName: new(r.Name), ImageTagMutability: in.ImageTagMutability, ImageTagMutabilityExclusionFilters: filters(patterns),
	}, nil
}

// PutImageScanningConfiguration implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageScanningConfiguration.html
func (s *Service) PutImageScanningConfiguration(ctx context.Context, in *api.PutImageScanningConfigurationRequest) (*api.PutImageScanningConfigurationResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	scan := deref(in.ImageScanningConfiguration.ScanOnPush)
	if err := s.changeRepository(ctx, r, func(d *repositoryDoc) error { d.ScanOnPush = scan; return nil }); err != nil {
		return nil, err
	}
	return &api.PutImageScanningConfigurationResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: new(scan)}}, nil
}
