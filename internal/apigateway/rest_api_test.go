package apigateway

import (
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func TestAnAPIOfAnotherAccountIsNotThere(t *testing.T) {
	f := setup(t)
	for _, ctx := range []struct{ account, region string }{{"111111111111", "us-east-1"}, {"000000000000", "eu-west-1"}} {
		other := as(t.Context(), ctx.account, ctx.region)
		_, err := f.GetRestApi(other, &api.GetRestApiRequest{RestApiId: f.api})
		wantError(t, err, "NotFoundException", "Invalid API identifier specified "+ctx.account+":"+*f.api)
		_, err = f.DeleteRestApi(other, &api.DeleteRestApiRequest{RestApiId: f.api})
		wantError(t, err, "NotFoundException", "Invalid API identifier")
		if list := must(f.GetRestApis(other, &api.GetRestApisRequest{}))(t); len(list.Items) != 0 {
			t.Errorf("listed %v", list.Items)
		}
	}
}

func TestDeletingAnAPILeavesNothing(t *testing.T) {
	f := setup(t)
	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
	if docs := must(f.docs.List(f.ctx, keyPrefix, "", 0))(t); len(docs) != 0 {
		t.Errorf("left: %v", docs)
	}
	_, err := f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api})
	wantError(t, err, "NotFoundException", "Invalid API identifier")
}

func TestAPIsAreListedByPages(t *testing.T) {
	f := setup(t)
	seen := map[string]bool{}
	for range 6 {
		must(f.CreateRestApi(f.ctx, &api.CreateRestApiRequest{Name: new("more")}))(t)
	}
	in := &api.GetRestApisRequest{Limit: new(int32(3))}
	for pages := 1; ; pages++ {
		out := must(f.GetRestApis(f.ctx, in))(t)
		for _, a := range out.Items {
			seen[*a.Id] = true
		}
		if out.Position == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		in.Position = out.Position
	}
	if len(seen) != 7 {
		t.Errorf("saw %d APIs", len(seen))
	}
	_, err := f.GetRestApis(f.ctx, &api.GetRestApisRequest{Position: new("?")})
	wantError(t, err, "BadRequestException", "Invalid position")
	_, err = f.GetRestApis(f.ctx, &api.GetRestApisRequest{Limit: new(int32(0))})
	wantError(t, err, "BadRequestException", "Invalid limit")
}

func TestAPIsAreMadeWithTheirSettings(t *testing.T) {
	f := setup(t)
	a := must(f.GetRestApi(f.ctx, &api.GetRestApiRequest{RestApiId: f.api}))(t)
	if *a.ApiKeySource != "HEADER" || *a.DisableExecuteApiEndpoint || a.EndpointConfiguration.Types[0] != "EDGE" || *a.EndpointConfiguration.IpAddressType != "ipv4" || a.MinimumCompressionSize != nil {
		t.Errorf("defaults: %+v", a)
	}
	for _, c := range []struct {
		in   api.CreateRestApiRequest
		want string
	}{
		{api.CreateRestApiRequest{Name: new("")}, "Name cannot be empty"},
		{api.CreateRestApiRequest{Description: new("")}, "Description cannot be an empty string"},
		{api.CreateRestApiRequest{MinimumCompressionSize: new(int32(10<<20 + 1))}, "Invalid minimum compression size, must be between 0 and 10485760"},
		{api.CreateRestApiRequest{EndpointConfiguration: &api.EndpointConfiguration{Types: []api.EndpointType{"EDGE", "REGIONAL"}}}, "Cannot create an api with multiple Endpoint Types."},
		{api.CreateRestApiRequest{EndpointConfiguration: &api.EndpointConfiguration{Types: []api.EndpointType{}}}, "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED."},
		{api.CreateRestApiRequest{EndpointConfiguration: &api.EndpointConfiguration{Types: []api.EndpointType{"PRIVATE"}, IpAddressType: new(api.IpAddressTypeIpv4)}}, "Only dualstack ipAddressType is supported for Private APIs."},
		{api.CreateRestApiRequest{Policy: new("{}")}, "Invalid policy document"},
		{api.CreateRestApiRequest{CloneFrom: new("nosuch")}, "Invalid API identifier specified"},
	} {
		if c.in.Name == nil {
			c.in.Name = new("n")
		}
		_, err := f.CreateRestApi(f.ctx, &c.in)
		wantError(t, err, "BadRequestException", c.want)
	}
	f.mock(f.resource(f.root, "pets"), "GET")
	clone := must(f.CreateRestApi(f.ctx, &api.CreateRestApiRequest{Name: new("clone"), CloneFrom: f.api, BinaryMediaTypes: []string{"image/png"}}))(t)
	if *clone.Id == *f.api || clone.BinaryMediaTypes[0] != "image/png" {
		t.Errorf("%+v", clone)
	}
	got := must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: clone.Id, Embed: []string{"methods"}}))(t)
	if len(got.Items) != 2 || got.Items[1].ResourceMethods["GET"].MethodIntegration == nil {
		t.Errorf("%+v", got.Items)
	}
}

func TestAPIsArePatched(t *testing.T) {
	f := setup(t)
	update := func(triples ...string) (*api.RestApi, error) {
		return f.UpdateRestApi(f.ctx, &api.UpdateRestApiRequest{RestApiId: f.api, PatchOperations: patch(triples...)})
	}
	a := must(update("add", "/binaryMediaTypes/image~1png", "", "add", "/binaryMediaTypes/image~1jpeg", "", "replace", "/description", "d",
		"replace", "/minimumCompressionSize", "10", "replace", "/apiKeySource", "AUTHORIZER", "replace", "/disableExecuteApiEndpoint", "true",
		"replace", "/endpointConfiguration/types/EDGE", "REGIONAL", "replace", "/policy", `{"Version": "2012-10-17", "Statement": []}`))(t)
	if len(a.BinaryMediaTypes) != 2 || *a.Description != "d" || *a.MinimumCompressionSize != 10 || *a.ApiKeySource != "AUTHORIZER" || !*a.DisableExecuteApiEndpoint ||
		a.EndpointConfiguration.Types[0] != "REGIONAL" || *a.Policy != `{\"Version\":\"2012-10-17\",\"Statement\":[]}` || a.Tags == nil {
		t.Errorf("%+v", a)
	}
	a = must(update("replace", "/binaryMediaTypes/image~1png", "image/gif", "remove", "/description", "", "replace", "/minimumCompressionSize", "",
		"replace", "/endpointConfiguration/types/REGIONAL", "PRIVATE", "add", "/endpointConfiguration/vpcEndpointIds", "vpce-1", "replace", "/policy", ""))(t)
	if len(a.BinaryMediaTypes) != 2 || a.BinaryMediaTypes[1] != "image/gif" || a.Description != nil || a.MinimumCompressionSize != nil ||
		*a.EndpointConfiguration.IpAddressType != "dualstack" || len(a.EndpointConfiguration.VpcEndpointIds) != 1 || a.Policy != nil {
		t.Errorf("%+v", a)
	}
	for _, c := range [][4]string{
		{"add", "/binaryMediaTypes", "image/gif", "Invalid patch path /binaryMediaTypes"},
		{"add", "/minimumCompressionSize", "1", "Invalid patch operation specified. Must be one of: [replace]"},
		{"replace", "/minimumCompressionSize", "-1", "Invalid minimum compression size"},
		{"replace", "/minimumCompressionSize", "x", "Invalid minimum compression size"},
		{"replace", "/endpointConfiguration/ipAddressType", "ipv4", "Only dualstack ipAddressType is supported for Private APIs."},
		{"replace", "/endpointConfiguration/ipAddressType", "ipv5", "ipAddressType must be either ipv4 or dualstack."},
		{"replace", "/endpointConfiguration/types/PRIVATE", "LOCAL", "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"},
		{"replace", "/name", "", "Name cannot be empty"},
		{"replace", "/policy", "x", "Invalid policy document"},
	} {
		_, err := update(c[0], c[1], c[2])
		wantError(t, err, "BadRequestException", c[3])
	}
}

// A policy is shown escaped, and taken in every form that clients send.
func TestPoliciesAreTakenAsTheyAreShown(t *testing.T) {
	f := setup(t)
	const policy = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`
	update := func(value string) string {
		t.Helper()
		out := must(f.UpdateRestApi(f.ctx, &api.UpdateRestApiRequest{RestApiId: f.api, PatchOperations: patch("replace", "/policy", value)}))(t)
		return *out.Policy
	}
	shown := update(policy)
	if !strings.Contains(shown, `\"10.0.0.0\/8\"`) {
		t.Errorf("shown as %s", shown)
	}
	for _, form := range []string{shown, `"` + shown + `"`} {
		if again := update(form); again != shown {
			t.Errorf("%s becomes %s", form, again)
		}
	}
	a, err := f.load(f.ctx, *f.api)
	if err != nil || a.Definition.Policy != policy {
		t.Errorf("%v: stored %s", err, a.Definition.Policy)
	}
}
