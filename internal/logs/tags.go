package logs

import (
	"context"
	"maps"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxTags is the most tags that a resource has.
const maxTags = 50

// ListTagsForResource returns a log group's tags.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	name, err := groupName(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	tags := g.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return &api.ListTagsForResourceResponse{Tags: tags}, nil
}

// TagResource adds tags to a log group or replaces their values.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*schema.Unit, error) {
	name, err := groupName(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(merge(g.Tags, in.Tags)) > maxTags {
		return nil, &api.TooManyTagsException{Message: new("The resource has too many tags."), ResourceName: &g.Name}
	}
	return &schema.Unit{}, s.change(ctx, name, func(g *group) { g.Tags = merge(g.Tags, in.Tags) })
}

func merge(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// UntagResource removes tags from a log group.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*schema.Unit, error) {
	name, err := groupName(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.change(ctx, name, func(g *group) {
		tags := maps.Clone(g.Tags)
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		g.Tags = tags
	})
}
