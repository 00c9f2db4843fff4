package lambda

import (
	"context"
	"maps"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// TagResource implements
// https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*schema.Unit, error) {
	add := func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		return checkTags(tags)
	}
	if key, ok := taggedMapping(ctx, in.Resource); ok {
		if len(in.Tags) == 0 {
			return nil, noTags()
		}
		return &schema.Unit{}, s.changeMappingTags(ctx, key, add)
	}
	r, err := taggable(ctx, "TagResource", in.Resource)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, noTags()
	}
	err = s.changeTags(ctx, r, add)
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}

func noTags() error {
	return invalidParameter("An error occurred and the request cannot be processed.") // AWS's words
}
