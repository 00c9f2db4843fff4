package apigateway

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/restapi"
)

// PutIntegration sets what answers a method, in place of what did before.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html
func (s *Service) PutIntegration(ctx context.Context, in *api.PutIntegrationRequest) (*api.Integration, error) {
	i := &restapi.Integration{
		Type:               string(*in.Type),
		HTTPMethod:         text(in.IntegrationHttpMethod),
		URI:                text(in.Uri),
		ConnectionID:       text(in.ConnectionId),
		Credentials:        text(in.Credentials),
		Target:             text(in.IntegrationTarget),
		Parameters:         maps.Clone(in.RequestParameters),
		Templates:          maps.Clone(in.RequestTemplates),
		Passthrough:        passthroughNoMatch,
		TimeoutMillis:      defaultTimeoutMillis,
		CacheNamespace:     *in.ResourceId,
		CacheKeyParameters: slices.Clone(in.CacheKeyParameters),
	}
	if in.ConnectionType != nil {
		i.ConnectionType = string(*in.ConnectionType)
	}
	if in.PassthroughBehavior != nil {
		i.Passthrough = strings.ToUpper(*in.PassthroughBehavior)
	}
	if in.ContentHandling != nil {
		i.ContentHandling = string(*in.ContentHandling)
	}
	if in.TimeoutInMillis != nil {
		i.TimeoutMillis = max(*in.TimeoutInMillis, 1) // 0 is what stands for the default
	}
	if text(in.CacheNamespace) != "" {
		i.CacheNamespace = *in.CacheNamespace
	}
	if in.TlsConfig != nil {
		i.InsecureTLS = truth(in.TlsConfig.InsecureSkipVerification)
	}
	if in.ResponseTransferMode != nil {
		i.TransferMode = string(*in.ResponseTransferMode)
	}
	err := s.changeAt(ctx, place{in.RestApiId, in.ResourceId, in.HttpMethod}, func(t target) error {
		if err := s.checkIntegration(t, i); err != nil {
			return err
		}
		t.method.Integration = i
		return nil
	})
	if err != nil {
		return nil, err
	}
	return integrationView(i), nil
}

// The types of integration, and what becomes of a body that no template takes.
const (
	typeHTTP      = "HTTP"
	typeHTTPProxy = "HTTP_PROXY"
	typeAWS       = "AWS"
	typeAWSProxy  = "AWS_PROXY"
	typeMock      = "MOCK"

	passthroughNoMatch     = "WHEN_NO_MATCH"
	passthroughNoTemplates = "WHEN_NO_TEMPLATES"
	passthroughNever       = "NEVER"

	connectionVPCLink = "VPC_LINK"
	transferStream    = "STREAM"
)

// Timeouts of integrations, in milliseconds. Beyond 29 seconds AWS asks for a
// quota, which APIs that are not edge-optimized can have.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	minTimeoutMillis     = 50
	defaultTimeoutMillis = 29_000
	maxTimeoutMillis     = 300_000
	streamTimeoutMillis  = 900_000
)

// checkIntegration checks an integration of t's method. What an imported one
// left open gets its default.
func (s *Service) checkIntegration(t target, i *restapi.Integration) error {
	i.Passthrough = cmp.Or(i.Passthrough, passthroughNoMatch)
	i.TimeoutMillis = cmp.Or(i.TimeoutMillis, defaultTimeoutMillis)
	if i.Type != typeMock {
		if i.HTTPMethod == "" {
			return badRequest("Enumeration value for HttpMethod must be non-empty")
		}
		if !slices.Contains(httpMethods, i.HTTPMethod) {
			return badRequest("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
		}
	}
	if err := checkIntegrationURI(i); err != nil {
		return err
	}
	if i.Credentials != "" && !arnWithVariables(i.Credentials) {
		return badRequest("Invalid ARN specified in the request")
	}
	if !slices.Contains([]string{passthroughNoMatch, passthroughNoTemplates, passthroughNever}, i.Passthrough) {
		return badRequest("Invalid passthrough behavior specified. Valid options are [WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER]")
	}
	if err := checkTimeout(t.record, i); err != nil {
		return err
	}
	proxy := i.Type == typeAWSProxy || i.Type == typeHTTPProxy
	if i.TransferMode == transferStream && !proxy {
		return badRequest("Response streaming is supported only for integrations of type AWS_PROXY and HTTP_PROXY")
	}
	if i.InsecureTLS && i.Type != typeHTTP && i.Type != typeHTTPProxy {
		return badRequest("TLS configuration is supported only for integrations of type HTTP and HTTP_PROXY")
	}
	if err := checkRequestMapping(t.method, i.Parameters); err != nil {
		return err
	}
	for _, p := range i.CacheKeyParameters {
		if !methodRequestParameter.MatchString(p) && !integrationParameter.MatchString(p) {
			return badRequest("Invalid cache key parameter specified: %s", p)
		}
		if _, mapped := i.Parameters[p]; !mapped && !(methodRequestParameter.MatchString(p) && declares(t.method, p)) {
			return badRequest("Invalid cache key parameter specified: %s", p)
		}
	}
	return s.checkTemplates(i.Templates)
}

func checkTimeout(r *record, i *restapi.Integration) error {
	limit := int32(maxTimeoutMillis)
	switch {
	case i.TransferMode == transferStream:
		limit = streamTimeoutMillis
	case slices.Contains(r.EndpointTypes, string(api.EndpointTypeEdge)):
		limit = defaultTimeoutMillis
	}
	if i.TimeoutMillis < minTimeoutMillis || i.TimeoutMillis > limit {
		return badRequest("Timeout should be between %d ms and %d ms", minTimeoutMillis, limit)
	}
	return nil
}

// awsURI is "arn:aws:apigateway:{region}:{service}:path/{…}" or
// "…:action/{…}"; a service may have its subdomain before it.
var awsURI = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]+:([^:]+):(path|action)/(.+)$`)

// stageVariable stands for a text that only a stage knows.
var stageVariable = regexp.MustCompile(`\$\{stageVariables\.[A-Za-z0-9_]+\}`)

func checkIntegrationURI(i *restapi.Integration) error {
	switch i.Type {
	case typeMock:
		return nil
	case typeHTTP, typeHTTPProxy:
		if i.ConnectionType == connectionVPCLink && i.ConnectionID == "" {
			return badRequest("Connection ID must be specified for integrations over a VPC link")
		}
		uri := stageVariable.ReplaceAllString(i.URI, "x")
		rest, ok := strings.CutPrefix(uri, "http://")
		if !ok {
			rest, ok = strings.CutPrefix(uri, "https://")
		}
		if host, _, _ := strings.Cut(rest, "/"); !ok && !strings.HasPrefix(i.URI, "${stageVariables.") || ok && (host == "" || strings.ContainsAny(host, " \t")) {
			return badRequest("Invalid HTTP endpoint specified for URI")
		}
		return nil
	}
	if _, err := arn.Parse(i.URI); err != nil {
		return badRequest("Invalid ARN specified in the request")
	}
	m := awsURI.FindStringSubmatch(i.URI)
	if m == nil {
		return badRequest("AWS ARN for integration must contain path or action")
	}
	if i.Type == typeAWSProxy && m[1] != "lambda" && m[1] != "firehose" {
		return badRequest("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
	}
	return nil
}

// arnWithVariables says whether s is an ARN, stage variables standing for any
// part of it.
func arnWithVariables(s string) bool {
	if stageVariable.FindString(s) == s {
		return s != ""
	}
	_, err := arn.Parse(stageVariable.ReplaceAllString(s, "x"))
	return err == nil
}
