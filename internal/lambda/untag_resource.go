package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// UntagResource implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*schema.Unit, error) {
	remove := func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	}
	if key, ok := taggedMapping(ctx, in.Resource); ok {
		return &schema.Unit{}, s.changeMappingTags(ctx, key, remove)
	}
	r, err := taggable(ctx, "UntagResource", in.Resource)
	if err != nil {
		return nil, err
	}
	err = s.changeTags(ctx, r, remove)
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
