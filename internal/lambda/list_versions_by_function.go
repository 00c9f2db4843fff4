package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// ListVersionsByFunction implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html
func (s *Service) ListVersionsByFunction(ctx context.Context, in *api.ListVersionsByFunctionRequest) (*api.ListVersionsByFunctionResponse, error) {
	r, err := locate(ctx, "ListVersionsByFunction", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	r.qualifier = ""
	_, number, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxItems, maxPage)
	out := &api.ListVersionsByFunctionResponse{Versions: []*api.FunctionConfiguration{}}
	for _, v := range snap.inOrder() {
		if number != "" && !versionLess(number, v.doc.Version) {
			continue
		}
		if len(out.Versions) == limit {
			last := out.Versions[limit-1]
			out.NextMarker = marker(r.name, *last.Version)
			break
		}
		out.Versions = append(out.Versions, v.listed(r, v.doc.Version))
	}
	return out, nil
}
