package lambda

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// ListAliases implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListAliases.html
func (s *Service) ListAliases(ctx context.Context, in *api.ListAliasesRequest) (*api.ListAliasesResponse, error) {
	r, err := locateFunction(ctx, "ListAliases", in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, _, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxItems, maxPage)
	out := &api.ListAliasesResponse{Aliases: []*api.AliasConfiguration{}}
	for _, name := range slices.Sorted(maps.Keys(snap.aliases)) {
		a := snap.aliases[name].doc
		_, weighed := a.Weights[deref(in.FunctionVersion)]
		if name <= after || (in.FunctionVersion != nil && a.Version != *in.FunctionVersion && !weighed) {
			continue
		}
		if len(out.Aliases) == limit {
			out.NextMarker = marker(*out.Aliases[limit-1].Name, "")
			break
		}
		out.Aliases = append(out.Aliases, a.configuration(r, name))
	}
	return out, nil
}
