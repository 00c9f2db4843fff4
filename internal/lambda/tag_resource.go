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
	r, err := taggable(ctx, "TagResource", in.Resource)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, invalidParameter("An error occurred and the request cannot be processed.") // AWS's words
	}
	err = s.changeTags(ctx, r, func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		return checkTags(tags)
	})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
