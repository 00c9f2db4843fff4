package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
)

// CreateRestApi makes an API with nothing but a root resource, or a copy of
// another one's live definition.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateRestApi.html
func (s *Service) CreateRestApi(ctx context.Context, in *api.CreateRestApiRequest) (*api.RestApi, error) {
	if *in.Name == "" {
		return nil, badRequest("Name cannot be empty")
	}
	if in.Description != nil && *in.Description == "" {
		return nil, badRequest("Description cannot be an empty string")
	}
	if err := checkCompression(in.MinimumCompressionSize); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	r := s.newRecord(ctx, *in.Name)
	r.Tags = maps.Clone(in.Tags)
	if in.Description != nil {
		r.Description = *in.Description
	}
	if in.Version != nil {
		r.Version = *in.Version
	}
	if in.SecurityPolicy != nil {
		r.SecurityPolicy = string(*in.SecurityPolicy)
	}
	if in.EndpointAccessMode != nil {
		r.EndpointAccessMode = string(*in.EndpointAccessMode)
	}
	if err := r.setEndpoint(in.EndpointConfiguration); err != nil {
		return nil, err
	}
	d, err := s.definitionFor(ctx, in.CloneFrom, r)
	if err != nil {
		return nil, err
	}
	if in.BinaryMediaTypes != nil {
		d.BinaryMediaTypes = slices.Clone(in.BinaryMediaTypes)
	}
	if in.MinimumCompressionSize != nil {
		d.MinimumCompressionSize = in.MinimumCompressionSize
	}
	if in.ApiKeySource != nil {
		d.APIKeySource = string(*in.ApiKeySource)
	}
	if in.Policy != nil {
		if d.Policy, err = checkPolicy(*in.Policy); err != nil {
			return nil, err
		}
	}
	if in.DisableExecuteApiEndpoint != nil {
		d.ExecuteAPIDisabled = *in.DisableExecuteApiEndpoint
	}
	if err := s.create(ctx, r, d); err != nil {
		return nil, err
	}
	return restAPI(&apiState{record: r, Definition: d}), nil
}

// newRecord is that of an API of the caller's, with AWS's defaults.
func (s *Service) newRecord(ctx context.Context, name string) *record {
	me := identity.Of(ctx)
	return &record{
		Account: me.Account, Region: me.Region, Name: name, Created: s.timestamp(),
		EndpointTypes: []string{string(api.EndpointTypeEdge)},
		IPAddressType: string(api.IpAddressTypeIpv4),
		Deployments:   map[string]*deployment{},
		Stages:        map[string]*stage{},
	}
}

// definitionFor is the definition of a new API: that of another one, or the
// empty one. What the record lacks comes from that API too.
func (s *Service) definitionFor(ctx context.Context, cloneFrom *string, r *record) (*restapi.Definition, error) {
	if cloneFrom == nil || *cloneFrom == "" {
		return newDefinition(), nil
	}
	from, err := s.load(ctx, *cloneFrom)
	if isNotFound(err) {
		return nil, badRequest("Invalid API identifier specified %s:%s", r.Account, *cloneFrom)
	}
	if err != nil {
		return nil, err
	}
	if r.Description == "" {
		r.Description = from.Description
	}
	return from.Definition, nil
}

// setEndpoint takes an endpoint configuration; nil keeps what is there.
func (r *record) setEndpoint(c *api.EndpointConfiguration) error {
	if c == nil {
		return nil
	}
	if c.Types != nil && len(c.Types) == 0 {
		return badRequest("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
	}
	if len(c.Types) > 1 {
		return badRequest("Cannot create an api with multiple Endpoint Types.")
	}
	if len(c.Types) == 1 {
		r.EndpointTypes = []string{string(c.Types[0])}
	}
	private := r.EndpointTypes[0] == string(api.EndpointTypePrivate)
	switch {
	case c.IpAddressType != nil:
		if private && *c.IpAddressType != api.IpAddressTypeDualstack {
			return badRequest("Only dualstack ipAddressType is supported for Private APIs.")
		}
		r.IPAddressType = string(*c.IpAddressType)
	case private:
		r.IPAddressType = string(api.IpAddressTypeDualstack)
	}
	if !private {
		r.VPCEndpointIDs = nil
	}
	if len(c.VpcEndpointIds) > 0 {
		if !private {
			return badRequest("VPC Endpoint Ids can only be specified for PRIVATE Rest APIs")
		}
		r.VPCEndpointIDs = slices.Clone(c.VpcEndpointIds)
	}
	return nil
}

// maxCompression is the largest minimum compression size, in bytes.
const maxCompression = 10 << 20

func checkCompression(size *int32) error {
	if size != nil && (*size < 0 || *size > maxCompression) {
		return badRequest("Invalid minimum compression size, must be between 0 and %d", maxCompression)
	}
	return nil
}
