package apigateway

import (
	"context"
	"strconv"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// UpdateIntegration changes what answers a method by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateIntegration.html
func (s *Service) UpdateIntegration(ctx context.Context, in *api.UpdateIntegrationRequest) (*api.Integration, error) {
	var i *restapi.Integration
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) (err error) {
		if i, err = t.integration(); err != nil {
			return err
		}
		if err := integrationPatches(i).applyTersely(in.PatchOperations); err != nil {
			return err
		}
		return s.checkIntegration(t, i)
	})
	if err != nil {
		return nil, err
	}
	return integrationView(i), nil
}

func integrationPatches(i *restapi.Integration) patchTable {
	return patchTable{
		{path: "/type", replace: enumPatch(&i.Type, "integration type", []string{typeHTTP, typeHTTPProxy, typeAWS, typeAWSProxy, typeMock})},
		{path: "/httpMethod", replace: setText(&i.HTTPMethod)},
		{path: "/uri", replace: setText(&i.URI)},
		{path: "/connectionType", replace: enumPatch(&i.ConnectionType, "connection type", []string{string(api.ConnectionTypeInternet), connectionVPCLink})},
		{path: "/connectionId", replace: setText(&i.ConnectionID), remove: clearText(&i.ConnectionID)},
		{path: "/credentials", replace: setText(&i.Credentials), remove: clearText(&i.Credentials)},
		{path: "/integrationTarget", replace: setText(&i.Target), remove: clearText(&i.Target)},
		{path: "/passthroughBehavior", replace: setText(&i.Passthrough)},
		contentHandlingPatch(&i.ContentHandling),
		{path: "/timeoutInMillis", replace: func(_, value string) error {
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return badRequest("Invalid timeout specified: %s", value)
			}
			i.TimeoutMillis = int32(n)
			return nil
		}},
		{path: "/cacheNamespace", replace: setText(&i.CacheNamespace)},
		listPatches("/cacheKeyParameters", &i.CacheKeyParameters, noSuchParameter),
		{path: "/tlsConfig/insecureSkipVerification", replace: setBool(&i.InsecureTLS)},
		{path: "/responseTransferMode", replace: enumPatch(&i.TransferMode, "response transfer mode", []string{"BUFFERED", transferStream})},
		entries("/requestParameters", &i.Parameters, noSuchParameter, anyText),
		entries("/requestTemplates", &i.Templates, noSuchContentType, anyText),
	}
}

// contentHandlingPatch sets how bodies are converted; an empty value ends it.
func contentHandlingPatch(to *string) patchPath {
	set := enumPatch(to, "content handling", []string{string(api.ContentHandlingStrategyConvertToBinary), string(api.ContentHandlingStrategyConvertToText), ""})
	return patchPath{path: "/contentHandling", replace: set, remove: clearText(to)}
}
