package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
)

// GetRestApi returns an API of the caller's account and region.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRestApi.html
func (s *Service) GetRestApi(ctx context.Context, in *api.GetRestApiRequest) (*api.RestApi, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	return restAPI(a), nil
}

// GetRestApis lists the APIs of the caller's account and region, by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRestApis.html
func (s *Service) GetRestApis(ctx context.Context, in *api.GetRestApisRequest) (*api.RestApis, error) {
	docs, err := s.docs.List(ctx, recordPrefix, "", 0)
	if err != nil {
		return nil, err
	}
	me := identity.Of(ctx)
	var ids []string
	for _, d := range docs {
		r, err := decodeRecord(d)
		if err != nil {
			return nil, err
		}
		if r.Account == me.Account && r.Region == me.Region {
			ids = append(ids, r.ID)
		}
	}
	ids, next, err := page(ids, func(id string) string { return id }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.RestApis{Items: []*api.RestApi{}, Position: next}
	for _, id := range ids {
		a, err := s.load(ctx, id)
		if isNotFound(err) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, restAPI(a))
	}
	return out, nil
}

// restAPI is an API as clients see it.
func restAPI(a *apiState) *api.RestApi {
	out := &api.RestApi{
		Id: &a.ID, Name: &a.Name, CreatedDate: &a.Created,
		Description: optional(a.Description), Version: optional(a.Version),
		Warnings:                  a.Warnings,
		BinaryMediaTypes:          a.Definition.BinaryMediaTypes,
		MinimumCompressionSize:    a.Definition.MinimumCompressionSize,
		ApiKeySource:              new(api.ApiKeySourceTypeHeader),
		EndpointConfiguration:     &api.EndpointConfiguration{IpAddressType: new(api.IpAddressType(a.IPAddressType)), VpcEndpointIds: a.VPCEndpointIDs},
		Policy:                    optional(policyView(a.Definition.Policy)),
		Tags:                      a.Tags,
		DisableExecuteApiEndpoint: &a.Definition.ExecuteAPIDisabled,
		RootResourceId:            &a.Definition.RootResourceID,
		ApiStatus:                 new(api.ApiStatusAvailable),
	}
	if a.Definition.APIKeySource != "" {
		out.ApiKeySource = new(api.ApiKeySourceType(a.Definition.APIKeySource))
	}
	for _, t := range a.EndpointTypes {
		out.EndpointConfiguration.Types = append(out.EndpointConfiguration.Types, api.EndpointType(t))
	}
	if a.SecurityPolicy != "" {
		out.SecurityPolicy = new(api.SecurityPolicy(a.SecurityPolicy))
	}
	if a.EndpointAccessMode != "" {
		out.EndpointAccessMode = new(api.EndpointAccessMode(a.EndpointAccessMode))
	}
	return out
}

// optional is nil for an empty text: a member that AWS leaves out.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
