package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// TestInvokeMethod sends a request through a method of the live definition,
// without its authorizer, key and validator of keys, and returns the answer and
// the execution log.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeMethod.html
func (s *Service) TestInvokeMethod(ctx context.Context, in *api.TestInvokeMethodRequest) (*api.TestInvokeMethodResponse, error) {
	tester := s.theTester()
	if tester == nil {
		return nil, &schema.NotImplementedError{Service: "apigateway", Operation: "TestInvokeMethod"}
	}
	t, err := s.read(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod})
	if err != nil {
		return nil, err
	}
	if t.method.Integration == nil {
		return nil, badRequest("No integration defined for method")
	}
	test := TestMethod{
		Account: t.Account, Region: t.Region, APIID: t.ID, Definition: t.Definition,
		ResourceID: t.resource.ID, HTTPMethod: t.method.HTTPMethod,
		PathWithQuery: text(in.PathWithQueryString), Body: text(in.Body),
		Headers: mergeHeaders(in.Headers, in.MultiValueHeaders), StageVariables: in.StageVariables,
	}
	if id := text(in.ClientCertificateId); id != "" {
		c, _, err := s.loadClientCertificate(ctx, t.Account, t.Region, id)
		if err != nil {
			return nil, err
		}
		test.ClientCertificate, test.ClientKey = c.Certificate, c.Key
	}
	r, err := tester.TestMethod(ctx, test)
	if err != nil {
		return nil, err
	}
	out := &api.TestInvokeMethodResponse{
		Status: new(int32(r.Status)), Body: &r.Body, Log: &r.Log, Latency: new(r.Latency.Milliseconds()),
		Headers: map[string]string{}, MultiValueHeaders: r.Headers,
	}
	for name, values := range r.Headers {
		if len(values) > 0 {
			out.Headers[name] = values[len(values)-1]
		}
	}
	return out, nil
}

// TestInvokeAuthorizer asks an authorizer of the live definition and returns
// what it said and the execution log.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeAuthorizer.html
func (s *Service) TestInvokeAuthorizer(ctx context.Context, in *api.TestInvokeAuthorizerRequest) (*api.TestInvokeAuthorizerResponse, error) {
	tester := s.theTester()
	if tester == nil {
		return nil, &schema.NotImplementedError{Service: "apigateway", Operation: "TestInvokeAuthorizer"}
	}
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	if a.Definition.Authorizers[*in.AuthorizerId] == nil {
		return nil, errNoAuthorizer
	}
	r, err := tester.TestAuthorizer(ctx, TestAuthorizer{
		Account: a.Account, Region: a.Region, APIID: a.ID, Definition: a.Definition, AuthorizerID: *in.AuthorizerId,
		Headers:       mergeHeaders(in.Headers, in.MultiValueHeaders),
		PathWithQuery: text(in.PathWithQueryString), Body: text(in.Body),
		StageVariables: in.StageVariables, AdditionalContext: in.AdditionalContext,
	})
	if err != nil {
		return nil, err
	}
	return &api.TestInvokeAuthorizerResponse{
		ClientStatus: new(int32(r.ClientStatus)), Log: &r.Log, Latency: new(r.Latency.Milliseconds()),
		PrincipalId: optional(r.PrincipalID), Policy: optional(r.Policy), Authorization: r.Authorization, Claims: r.Claims,
	}, nil
}

// mergeHeaders joins the two ways of giving headers; where both name one, the
// values of both count.
func mergeHeaders(single map[string]string, multi map[string][]string) map[string][]string {
	out := map[string][]string{}
	for name, values := range multi {
		out[name] = slices.Clone(values)
	}
	for _, name := range slices.Sorted(maps.Keys(single)) {
		if !slices.Contains(out[name], single[name]) {
			out[name] = append(out[name], single[name])
		}
	}
	return out
}
