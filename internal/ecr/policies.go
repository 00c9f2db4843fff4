package ecr

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/ecr"
)

// SetRepositoryPolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_SetRepositoryPolicy.html
func (s *Service) SetRepositoryPolicy(ctx context.Context, in *api.SetRepositoryPolicyRequest) (*api.SetRepositoryPolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if !isObject(*in.PolicyText) {
		return nil, invalid("'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	if err := s.changeRepository(ctx, r, func(d *repositoryDoc) error { d.Policy = *in.PolicyText; return nil }); err != nil {
		return nil, err
	}
	return &api.SetRepositoryPolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), PolicyText: in.PolicyText}, nil
}

func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

func noPolicy(r Repository) error {
	return &api.RepositoryPolicyNotFoundException{Message: new(fmt.Sprintf("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.Account))}
}

// GetRepositoryPolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetRepositoryPolicy.html
func (s *Service) GetRepositoryPolicy(ctx context.Context, in *api.GetRepositoryPolicyRequest) (*api.GetRepositoryPolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	doc, _, err := s.repository(ctx, r)
	if err != nil {
		return nil, err
	}
	if doc.Policy == "" {
		return nil, noPolicy(r)
	}
	return &api.GetRepositoryPolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), PolicyText: new(doc.Policy)}, nil
}

// DeleteRepositoryPolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepositoryPolicy.html
func (s *Service) DeleteRepositoryPolicy(ctx context.Context, in *api.DeleteRepositoryPolicyRequest) (*api.DeleteRepositoryPolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	var was string
	err := s.changeRepository(ctx, r, func(d *repositoryDoc) error {
		if d.Policy == "" {
			return noPolicy(r)
		}
		was, d.Policy = d.Policy, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteRepositoryPolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), PolicyText: &was}, nil
}

func noLifecycle(r Repository) error {
	return &api.LifecyclePolicyNotFoundException{Message: new(fmt.Sprintf("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.Account))}
}

// PutLifecyclePolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutLifecyclePolicy.html
func (s *Service) PutLifecyclePolicy(ctx context.Context, in *api.PutLifecyclePolicyRequest) (*api.PutLifecyclePolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	if !isObject(*in.LifecyclePolicyText) {
		return nil, invalid("'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: it is no JSON object'")
	}
	err := s.changeRepository(ctx, r, func(d *repositoryDoc) error {
		d.Lifecycle, d.LifecycleChanged = *in.LifecyclePolicyText, s.opts.Now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutLifecyclePolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), LifecyclePolicyText: in.LifecyclePolicyText}, nil
}

// GetLifecyclePolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetLifecyclePolicy.html
func (s *Service) GetLifecyclePolicy(ctx context.Context, in *api.GetLifecyclePolicyRequest) (*api.GetLifecyclePolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	doc, _, err := s.repository(ctx, r)
	if err != nil {
		return nil, err
	}
	if doc.Lifecycle == "" {
		return nil, noLifecycle(r)
	}
	return &api.GetLifecyclePolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), LifecyclePolicyText: new(doc.Lifecycle)}, nil
}

// DeleteLifecyclePolicy implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteLifecyclePolicy.html
func (s *Service) DeleteLifecyclePolicy(ctx context.Context, in *api.DeleteLifecyclePolicyRequest) (*api.DeleteLifecyclePolicyResponse, error) {
	r := of(ctx, in.RegistryId, in.RepositoryName)
	var was string
	err := s.changeRepository(ctx, r, func(d *repositoryDoc) error {
		if d.Lifecycle == "" {
			return noLifecycle(r)
		}
		was, d.Lifecycle = d.Lifecycle, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteLifecyclePolicyResponse{RegistryId: new(r.Account), RepositoryName: new(r.Name), LifecyclePolicyText: &was}, nil
}

// maxTags is how many tags a repository may have.
const maxTags = 50

func withTags(had map[string]string, tags []*api.Tag) (map[string]string, error) {
	if len(tags) == 0 {
		return had, nil
	}
	all := maps.Clone(had)
	if all == nil {
		all = map[string]string{}
	}
	for _, t := range tags {
		key := deref(t.Key)
		if key == "" || len([]rune(key)) > 128 || len([]rune(deref(t.Value))) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, &api.InvalidTagParameterException{Message: new(fmt.Sprintf("The tag with key '%s' is invalid", key))}
		}
		all[key] = deref(t.Value)
	}
	if len(all) > maxTags {
		return nil, &api.TooManyTagsException{Message: new(fmt.Sprintf("A repository can have at most %d tags", maxTags))}
	}
	return all, nil
}

// tagged names the repository with an ARN.
func tagged(ctx context.Context, arn string) (Repository, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[2] == "ecr" {
		if name, ok := strings.CutPrefix(parts[5], "repository/"); ok {
			r := of(ctx, &parts[4], &name)
			r.Region = parts[3]
			return r, nil
		}
	}
	return Repository{}, invalid("'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
}

// TagResource implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	r, err := tagged(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = s.changeRepository(ctx, r, func(d *repositoryDoc) (err error) {
		d.Tags, err = withTags(d.Tags, in.Tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.TagResourceResponse{}, nil
}

// UntagResource implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	r, err := tagged(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = s.changeRepository(ctx, r, func(d *repositoryDoc) error {
		maps.DeleteFunc(d.Tags, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceResponse{}, nil
}

// ListTagsForResource implements
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListTagsForResource.html
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	r, err := tagged(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	doc, _, err := s.repository(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceResponse{}
	for _, key := range slices.Sorted(maps.Keys(doc.Tags)) {
		out.Tags = append(out.Tags, &api.Tag{Key: new(key), Value: new(doc.Tags[key])})
	}
	return out, nil
}
