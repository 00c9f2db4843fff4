package lambda

import (
	"context"
	"maps"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// taggable resolves the ARN of a function that carries tags.
func taggable(ctx context.Context, action string, resource *string) (ref, error) {
	if strings.Contains(deref(resource), ":function:") {
		r, err := locate(ctx, action, resource, nil)
		if err != nil {
			return ref{}, err
		}
		if r.qualifier != "" {
			return ref{}, invalidParameter("Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
		return r, nil
	}
	return ref{}, notFound("Paddock has no resource %s: it knows tags of functions and of event source mappings.", deref(resource))
}

// changeTags stores what f makes of a function's tags.
func (s *Service) changeTags(ctx context.Context, r ref, f func(map[string]string) error) error {
	err := s.retry(ctx, r.key(kindFunction, ""), func() error {
		snap, err := s.must(ctx, r, r.arn())
		if err != nil {
			return err
		}
		doc := *snap.doc
		doc.Tags = maps.Clone(doc.Tags)
		if doc.Tags == nil {
			doc.Tags = map[string]string{}
		}
		if err := f(doc.Tags); err != nil {
			return err
		}
		// The unpublished version's revision stays: tags are no part of what it is,
		// and a version on its way to Active must not be replaced.
		return s.change(ctx, map[string]*version{latest: snap.latest},
			put(r.key(kindFunction, ""), &doc, store.AtRevision(snap.revision)))
	})
	if changedMeanwhile(err) {
		return updateInProgress(r.arn())
	}
	return err
}

// ListTags implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListTags.html
func (s *Service) ListTags(ctx context.Context, in *api.ListTagsRequest) (*api.ListTagsResponse, error) {
	if key, ok := taggedMapping(ctx, in.Resource); ok {
		return s.mappingTags(ctx, key)
	}
	r, err := taggable(ctx, "ListTags", in.Resource)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(snap.doc.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return &api.ListTagsResponse{Tags: tags}, nil
}
