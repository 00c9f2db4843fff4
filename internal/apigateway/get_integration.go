package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// GetIntegration returns what answers a method.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetIntegration.html
func (s *Service) GetIntegration(ctx context.Context, in *api.GetIntegrationRequest) (*api.Integration, error) {
	t, err := s.read(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod})
	if err != nil {
		return nil, err
	}
	i, err := t.integration()
	if err != nil {
		return nil, err
	}
	return integrationView(i), nil
}

// DeleteIntegration removes what answers a method, with its responses.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteIntegration.html
func (s *Service) DeleteIntegration(ctx context.Context, in *api.DeleteIntegrationRequest) (*schema.Unit, error) {
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		if _, err := t.integration(); err != nil {
			return err
		}
		t.method.Integration = nil
		return nil
	})
	return &schema.Unit{}, err
}

// integrationView is an integration as clients see it.
func integrationView(i *restapi.Integration) *api.Integration {
	out := &api.Integration{
		Type:                new(api.IntegrationType(i.Type)),
		HttpMethod:          optional(i.HTTPMethod),
		Uri:                 optional(i.URI),
		ConnectionId:        optional(i.ConnectionID),
		Credentials:         optional(i.Credentials),
		RequestParameters:   i.Parameters,
		RequestTemplates:    i.Templates,
		PassthroughBehavior: new(i.Passthrough),
		TimeoutInMillis:     new(i.TimeoutMillis),
		CacheNamespace:      optional(i.CacheNamespace),
		CacheKeyParameters:  i.CacheKeyParameters,
		IntegrationTarget:   optional(i.Target),
	}
	if out.CacheKeyParameters == nil {
		out.CacheKeyParameters = []string{}
	}
	if i.Passthrough == "" {
		out.PassthroughBehavior = new(passthroughNoMatch)
	}
	if i.TimeoutMillis == 0 {
		out.TimeoutInMillis = new(int32(defaultTimeoutMillis))
	}
	if i.ConnectionType != "" {
		out.ConnectionType = new(api.ConnectionType(i.ConnectionType))
	} else if i.Type == typeHTTP || i.Type == typeHTTPProxy {
		out.ConnectionType = new(api.ConnectionTypeInternet)
	}
	if i.ContentHandling != "" {
		out.ContentHandling = new(api.ContentHandlingStrategy(i.ContentHandling))
	}
	if i.InsecureTLS {
		out.TlsConfig = &api.TlsConfig{InsecureSkipVerification: new(true)}
	}
	if i.TransferMode != "" {
		out.ResponseTransferMode = new(api.ResponseTransferMode(i.TransferMode))
	}
	for status, r := range i.Responses {
		if out.IntegrationResponses == nil {
			out.IntegrationResponses = map[string]*api.IntegrationResponse{}
		}
		out.IntegrationResponses[status] = integrationResponseView(r)
	}
	return out
}
