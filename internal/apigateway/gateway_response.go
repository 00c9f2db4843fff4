package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// The two responses that stand for every type that has none of its own.
const (
	default4XX = "DEFAULT_4XX"
	default5XX = "DEFAULT_5XX"
)

// gatewayStatus is the status of each type's own response; the two defaults have
// none: each answer keeps its status.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var gatewayStatus = map[string]string{
	"ACCESS_DENIED":                  "403",
	"API_CONFIGURATION_ERROR":        "500",
	"AUTHORIZER_CONFIGURATION_ERROR": "500",
	"AUTHORIZER_FAILURE":             "500",
	"BAD_REQUEST_BODY":               "400",
	"BAD_REQUEST_PARAMETERS":         "400",
	default4XX:                       "",
	default5XX:                       "",
	"EXPIRED_TOKEN":                  "403",
	"INTEGRATION_FAILURE":            "504",
	"INTEGRATION_TIMEOUT":            "504",
	"INVALID_API_KEY":                "403",
	"INVALID_SIGNATURE":              "403",
	"MISSING_AUTHENTICATION_TOKEN":   "403",
	"QUOTA_EXCEEDED":                 "429",
	"REQUEST_TOO_LARGE":              "413",
	"RESOURCE_NOT_FOUND":             "404",
	"THROTTLED":                      "429",
	"UNAUTHORIZED":                   "401",
	"UNSUPPORTED_MEDIA_TYPE":         "415",
	"WAF_FILTERED":                   "403",
}

// defaultGatewayTemplate is the template of every type's own response.
const defaultGatewayTemplate = `{"message":$context.error.messageString}`

// PutGatewayResponse customizes a gateway response, in place of what stood for
// that type. What the request leaves out is the type's own.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutGatewayResponse.html
func (s *Service) PutGatewayResponse(ctx context.Context, in *api.PutGatewayResponseRequest) (*api.GatewayResponse, error) {
	r := &restapi.GatewayResponse{
		Type: string(*in.ResponseType), StatusCode: text(in.StatusCode),
		Parameters: maps.Clone(in.ResponseParameters), Templates: maps.Clone(in.ResponseTemplates),
	}
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if err := s.checkGatewayResponse(r); err != nil {
			return err
		}
		a.Definition.GatewayResponses[r.Type] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gatewayResponseView(nil, r.Type, r), nil
}

// GetGatewayResponse returns a type's response: the customized one, that of the
// customized DEFAULT_4XX or DEFAULT_5XX, or the type's own.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetGatewayResponse.html
func (s *Service) GetGatewayResponse(ctx context.Context, in *api.GetGatewayResponseRequest) (*api.GatewayResponse, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	t := string(*in.ResponseType)
	return gatewayResponseView(a.Definition, t, a.Definition.GatewayResponses[t]), nil
}

// GetGatewayResponses lists the responses of all types, by type.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetGatewayResponses.html
func (s *Service) GetGatewayResponses(ctx context.Context, in *api.GetGatewayResponsesRequest) (*api.GatewayResponses, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	types, next, err := page(slices.Collect(maps.Keys(gatewayStatus)), func(t string) string { return t }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.GatewayResponses{Items: []*api.GatewayResponse{}, Position: next}
	for _, t := range types {
		out.Items = append(out.Items, gatewayResponseView(a.Definition, t, a.Definition.GatewayResponses[t]))
	}
	return out, nil
}

// UpdateGatewayResponse changes a type's response by patch operations: it is a
// customized one then.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateGatewayResponse.html
func (s *Service) UpdateGatewayResponse(ctx context.Context, in *api.UpdateGatewayResponseRequest) (*api.GatewayResponse, error) {
	var r *restapi.GatewayResponse
	t := string(*in.ResponseType)
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if r = a.Definition.GatewayResponses[t]; r == nil {
			r = &restapi.GatewayResponse{Type: t}
			a.Definition.GatewayResponses[t] = r
		}
		if r.Templates == nil {
			r.Templates = map[string]string{"application/json": defaultGatewayTemplate}
		}
		patches := patchTable{
			{path: "/statusCode", replace: setText(&r.StatusCode)},
			entries("/responseParameters", &r.Parameters, noSuchParameter, notEmpty("responseParameters")),
			entries("/responseTemplates", &r.Templates, noSuchContentType, notEmpty("responseTemplates")),
		}
		if err := patches.applyOr(in.PatchOperations, func(_, path string) error { return badRequest("Invalid patch path %s", path) }); err != nil {
			return err
		}
		return s.checkGatewayResponse(r)
	})
	if err != nil {
		return nil, err
	}
	return gatewayResponseView(nil, t, r), nil
}

// notEmpty takes an entry of a map that must have a value.
func notEmpty(what string) func(name, value string) (string, error) {
	return func(_, value string) (string, error) {
		if value == "" {
			return "", badRequest("Invalid null or empty value in %s", what)
		}
		return value, nil
	}
}

// DeleteGatewayResponse gives a type its own response back.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteGatewayResponse.html
func (s *Service) DeleteGatewayResponse(ctx context.Context, in *api.DeleteGatewayResponseRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		t := string(*in.ResponseType)
		if a.Definition.GatewayResponses[t] == nil {
			return notFound("Gateway response type not defined on api")
		}
		delete(a.Definition.GatewayResponses, t)
		return nil
	})
	return &schema.Unit{}, err
}

func (s *Service) checkGatewayResponse(r *restapi.GatewayResponse) error {
	if r.StatusCode != "" && !statusCode.MatchString(r.StatusCode) {
		return badRequest("Invalid status code specified: %s", r.StatusCode)
	}
	if err := checkKeys(r.Parameters, gatewayParameter); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(r.Parameters)) {
		if !requestExpression.MatchString(r.Parameters[k]) {
			return badExpression(r.Parameters[k])
		}
	}
	// The templates of gateway responses are texts with variables, no VTL.
	for _, ct := range slices.Sorted(maps.Keys(r.Templates)) {
		if !contentType.MatchString(ct) {
			return badRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", ct)
		}
	}
	return nil
}

// gatewayResponseView is a type's response as clients see it. r is the
// customized one, or nil: then it is that of d's default for the type's status,
// or the type's own.
func gatewayResponseView(d *restapi.Definition, t string, r *restapi.GatewayResponse) *api.GatewayResponse {
	out := &api.GatewayResponse{ResponseType: new(api.GatewayResponseType(t)), DefaultResponse: new(r == nil), ResponseParameters: map[string]string{}}
	status := gatewayStatus[t]
	if r == nil && status != "" {
		family := default4XX
		if strings.HasPrefix(status, "5") {
			family = default5XX
		}
		r = d.GatewayResponses[family]
	}
	if r != nil {
		if r.StatusCode != "" {
			status = r.StatusCode
		}
		if r.Parameters != nil {
			out.ResponseParameters = r.Parameters
		}
		out.ResponseTemplates = r.Templates
	}
	if len(out.ResponseTemplates) == 0 {
		out.ResponseTemplates = map[string]string{"application/json": defaultGatewayTemplate}
	}
	out.StatusCode = optional(status)
	return out
}
