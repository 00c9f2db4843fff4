package apigateway

import (
	"context"
	"slices"
	"strconv"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

// UpdateRestApi changes an API's settings by patch operations. What stages serve
// changes with the next deployment only.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRestApi.html
func (s *Service) UpdateRestApi(ctx context.Context, in *api.UpdateRestApiRequest) (*api.RestApi, error) {
	a, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		return restAPIPatches(a).applyTersely(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	out := restAPI(a)
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out, nil
}

func restAPIPatches(a *apiState) patchTable {
	d := a.Definition
	return patchTable{
		{path: "/name", replace: func(_, value string) error {
			if value == "" {
				return badRequest("Name cannot be empty")
			}
			a.Name = value
			return nil
		}},
		{path: "/description", replace: setText(&a.Description), remove: clearText(&a.Description)},
		{path: "/version", replace: setText(&a.Version), remove: clearText(&a.Version)},
		{path: "/policy", replace: func(_, value string) (err error) {
			d.Policy, err = checkPolicy(value)
			return err
		}, remove: clearText(&d.Policy)},
		{path: "/apiKeySource", replace: func(_, value string) error {
			if value != string(api.ApiKeySourceTypeHeader) && value != string(api.ApiKeySourceTypeAuthorizer) {
				return badRequest("Invalid API key source specified. Valid options are HEADER,AUTHORIZER")
			}
			d.APIKeySource = value
			return nil
		}},
		{path: "/disableExecuteApiEndpoint", replace: setBool(&d.ExecuteAPIDisabled)},
		{path: "/minimumCompressionSize", replace: func(_, value string) error {
			if value == "" {
				d.MinimumCompressionSize = nil
				return nil
			}
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				n = -1
			}
			if err := checkCompression(new(int32(n))); err != nil {
				return err
			}
			d.MinimumCompressionSize = new(int32(n))
			return nil
		}},
		listPatches("/binaryMediaTypes", &d.BinaryMediaTypes, "Invalid binary media type specified"),
		{path: "/securityPolicy", replace: enumPatch(&a.SecurityPolicy, "security policy", securityPolicies)},
		{path: "/endpointAccessMode", replace: enumPatch(&a.EndpointAccessMode, "endpoint access mode",
			[]string{string(api.EndpointAccessModeBasic), string(api.EndpointAccessModeStrict)})},
		{path: "/endpointConfiguration/ipAddressType", replace: func(_, value string) error {
			if value != string(api.IpAddressTypeIpv4) && value != string(api.IpAddressTypeDualstack) {
				return badRequest("ipAddressType must be either ipv4 or dualstack.")
			}
			return a.setEndpoint(&api.EndpointConfiguration{Types: a.endpointTypes(), IpAddressType: new(api.IpAddressType(value))})
		}},
		{path: "/endpointConfiguration/types/{type}", replace: func(_, value string) error {
			t := api.EndpointType(value)
			if t != api.EndpointTypeRegional && t != api.EndpointTypeEdge && t != api.EndpointTypePrivate {
				return badRequest("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
			}
			return a.setEndpoint(&api.EndpointConfiguration{Types: []api.EndpointType{t}})
		}},
		{path: "/endpointConfiguration/vpcEndpointIds", add: func(_, value string) error {
			if slices.Contains(a.VPCEndpointIDs, value) {
				return nil
			}
			return a.setEndpoint(&api.EndpointConfiguration{Types: a.endpointTypes(), VpcEndpointIds: append(slices.Clone(a.VPCEndpointIDs), value)})
		}, remove: func(_, value string) error {
			a.VPCEndpointIDs = slices.DeleteFunc(a.VPCEndpointIDs, func(id string) bool { return id == value })
			return nil
		}},
	}
}

// securityPolicies are those that a REST API may have.
var securityPolicies = []string{
	string(api.SecurityPolicyTls10),
	string(api.SecurityPolicyTls12),
	string(api.SecurityPolicySecurityPolicyTls1313202509),
	string(api.SecurityPolicySecurityPolicyTls1313Fips202509),
	string(api.SecurityPolicySecurityPolicyTls1312PfsPq202509),
	string(api.SecurityPolicySecurityPolicyTls1312FipsPq202509),
	string(api.SecurityPolicySecurityPolicyTls1312FipsPfsPq202509),
	string(api.SecurityPolicySecurityPolicyTls1312Pq202509),
	string(api.SecurityPolicySecurityPolicyTls1312202106),
	string(api.SecurityPolicySecurityPolicyTls132025Edge),
	string(api.SecurityPolicySecurityPolicyTls12Pfs2025Edge),
	string(api.SecurityPolicySecurityPolicyTls122018Edge),
}

func (r *record) endpointTypes() []api.EndpointType {
	var out []api.EndpointType
	for _, t := range r.EndpointTypes {
		out = append(out, api.EndpointType(t))
	}
	return out
}

// enumPatch is a patch function that takes one of the options.
func enumPatch(to *string, what string, options []string) func(name, value string) error {
	return func(_, value string) error {
		if !slices.Contains(options, value) {
			return badRequest("Invalid %s specified: %s", what, value)
		}
		*to = value
		return nil
	}
}

// listPatches makes the patch functions of a list whose items are named in the
// path.
func listPatches(path string, list *[]string, missing string) patchPath {
	return patchPath{
		path: path + "/{name}",
		add: func(name, _ string) error {
			if !slices.Contains(*list, name) {
				*list = append(*list, name)
			}
			return nil
		},
		replace: func(name, value string) error {
			i := slices.Index(*list, name)
			if i < 0 {
				return notFound("%s", missing)
			}
			*list = slices.Delete(*list, i, i+1)
			if !slices.Contains(*list, value) {
				*list = append(*list, value)
			}
			return nil
		},
		remove: func(name, _ string) error {
			i := slices.Index(*list, name)
			if i < 0 {
				return notFound("%s", missing)
			}
			if *list = slices.Delete(*list, i, i+1); len(*list) == 0 {
				*list = nil
			}
			return nil
		},
	}
}
