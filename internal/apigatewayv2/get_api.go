package apigatewayv2

import (
	"context"
	"encoding/json"
	"strconv"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/identity"
)

// GetApi returns an API of the caller's account and region.
func (s *Service) GetApi(ctx context.Context, in *api.GetApiRequest) (*api.GetApiResponse, error) {
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	out := api.GetApiResponse(*createOutput(ctx, r))
	return &out, nil
}

// GetApis lists the APIs of the caller's account and region, by ID.
func (s *Service) GetApis(ctx context.Context, in *api.GetApisRequest) (*api.GetApisResponse, error) {
	limit, err := pageSize(in.MaxResults)
	if err != nil {
		return nil, err
	}
	after := ""
	if in.NextToken != nil {
		after = keyPrefix + *in.NextToken
	}
	me := identity.Of(ctx)
	out := &api.GetApisResponse{Items: []*api.Api{}}
	for {
		docs, err := s.docs.List(ctx, keyPrefix, after, 500)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			after = d.Key
			var r record
			if err := json.Unmarshal(d.Value, &r); err != nil {
				return nil, err
			}
			if r.Account != me.Account || r.Region != me.Region {
				continue
			}
			if len(out.Items) == limit {
				out.NextToken = out.Items[limit-1].ApiId
				return out, nil
			}
			item := api.Api(*createOutput(ctx, &r))
			out.Items = append(out.Items, &item)
		}
		if len(docs) < 500 {
			return out, nil
		}
	}
}

// pageSize is how many items a page has at most.
func pageSize(maxResults *string) (int, error) {
	if maxResults == nil {
		return 100, nil
	}
	n, err := strconv.Atoi(*maxResults)
	if err != nil || n < 1 {
		return 0, badRequest("Invalid MaxResults specified: %s", *maxResults)
	}
	return min(n, 500), nil
}

// createOutput is an API as CreateApi, GetApi and GetApis show it: the three
// shapes are alike.
func createOutput(ctx context.Context, r *record) *api.CreateApiResponse {
	return &api.CreateApiResponse{
		ApiEndpoint:               new(endpoint(ctx, r)),
		ApiId:                     &r.ID,
		ApiKeySelectionExpression: new("$request.header.x-api-key"),
		CorsConfiguration:         r.CORS,
		CreatedDate:               &r.Created,
		Description:               r.Description,
		DisableExecuteApiEndpoint: &r.DisableExecuteAPIEndpoint,
		IpAddressType:             new(api.IpAddressType(r.IPAddressType)),
		Name:                      &r.Name,
		ProtocolType:              new(api.ProtocolTypeHttp),
		RouteSelectionExpression:  new(routeSelection),
		Tags:                      r.Tags,
		Version:                   r.Version,
	}
}
