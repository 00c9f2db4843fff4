package lambda

import (
	"context"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// maxMappings is how many mappings one answer lists at most.
const maxMappings = 100

// ListEventSourceMappings implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
func (s *Service) ListEventSourceMappings(ctx context.Context, in *api.ListEventSourceMappingsRequest) (*api.ListEventSourceMappingsResponse, error) {
	var of string
	if in.FunctionName != nil {
		r, err := locate(ctx, "ListEventSourceMappings", in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		snap, err := s.must(ctx, r, r.qualified())
		if err != nil {
			return nil, err
		}
		if snap.resolve(r.qualifier) == nil {
			return nil, functionNotFound(r.qualified())
		}
		of = r.qualified()
	}
	after, _, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	found := slices.DeleteFunc(s.mappings.all(id.Account, id.Region), func(doc *mappingDoc) bool {
		return doc.UUID <= after || of != "" && doc.FunctionARN != of || in.EventSourceArn != nil && doc.EventSourceARN != *in.EventSourceArn
	})
	slices.SortFunc(found, func(a, b *mappingDoc) int { return strings.Compare(a.UUID, b.UUID) })
	out := &api.ListEventSourceMappingsResponse{EventSourceMappings: []*api.EventSourceMappingConfiguration{}}
	limit := pageSize(in.MaxItems, maxMappings)
	for i, doc := range found {
		if i == limit {
			out.NextMarker = marker(found[i-1].UUID, "")
			break
		}
		out.EventSourceMappings = append(out.EventSourceMappings, s.described(doc))
	}
	return out, nil
}
