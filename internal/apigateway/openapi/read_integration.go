package openapi

import (
	"regexp"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// integration reads x-amazon-apigateway-integration.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
func (r *reader) integration(c cursor, method string) *restapi.Integration {
	out := &restapi.Integration{
		Type:               c.upper("type", "", "HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK"),
		HTTPMethod:         strings.ToUpper(c.text("httpMethod")),
		URI:                c.text("uri"),
		ConnectionType:     c.upper("connectionType", "", "INTERNET", "VPC_LINK"),
		ConnectionID:       c.text("connectionId"),
		Credentials:        c.text("credentials"),
		Target:             c.text("integrationTarget"),
		Parameters:         c.textMap("requestParameters"),
		Templates:          c.templates("requestTemplates"),
		Passthrough:        c.upper("passthroughBehavior", "WHEN_NO_MATCH", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"),
		ContentHandling:    c.upper("contentHandling", "", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
		CacheNamespace:     c.text("cacheNamespace"),
		CacheKeyParameters: c.texts("cacheKeyParameters"),
		InsecureTLS:        c.child("tlsConfig").flag("insecureSkipVerification"),
		TransferMode:       c.upper("responseTransferMode", "", "BUFFERED", "STREAM"),
	}
	if n := c.integer("timeoutInMillis"); n != nil {
		out.TimeoutMillis = *n
	}
	if reason := refuseIntegration(out, c.has("timeoutInMillis")); reason != "" {
		r.fail("Unable to put integration on %s: %s", method, reason)
	}
	patterns := map[string]string{} // status code to the pattern that has it
	for pattern, response := range c.children("responses") {
		out.Responses = r.integrationResponse(out.Responses, patterns, pattern, response, method)
	}
	return out
}

// maxTimeout of an integration in milliseconds: what a quota can be raised to,
// and that of a streamed response.
const (
	minTimeout       = 50
	maxTimeout       = 300_000
	maxStreamTimeout = 900_000
)

func refuseIntegration(i *restapi.Integration, timeout bool) string {
	most := int32(maxTimeout)
	if i.TransferMode == "STREAM" {
		most = maxStreamTimeout
	}
	switch {
	case i.Type == "":
		return "Invalid integration type specified"
	case i.Type != "MOCK" && i.HTTPMethod == "":
		return "Enumeration value for HttpMethod must be non-empty"
	case strings.HasPrefix(i.Type, "AWS") && !strings.HasPrefix(i.URI, "arn:") && !strings.HasPrefix(i.URI, "${"):
		return "Invalid ARN specified in the request"
	case strings.HasPrefix(i.Type, "HTTP") && !httpURI.MatchString(i.URI):
		return "Invalid HTTP endpoint specified for URI"
	case i.ConnectionType == "VPC_LINK" && i.ConnectionID == "":
		return "VPC link connection ID cannot be empty"
	case timeout && (i.TimeoutMillis < minTimeout || i.TimeoutMillis > most):
		return "Timeout should be between 50 ms and 29000 ms"
	}
	return ""
}

var httpURI = regexp.MustCompile(`^(?i:https?://|\$\{)`)

// templates are mapping templates; one of null is an empty one.
func (c cursor) templates(key string) map[string]string {
	out := c.textMap(key)
	for media := range out {
		if media == "" {
			c.r.warn("Invalid media type '' of %s. Ignoring.", c.below(key))
			delete(out, media)
		}
	}
	return out
}

func (r *reader) integrationResponse(all map[string]*restapi.IntegrationResponse, patterns map[string]string, pattern string, c cursor, method string) map[string]*restapi.IntegrationResponse {
	if !c.there() {
		return all
	}
	out := &restapi.IntegrationResponse{
		StatusCode: c.text("statusCode"), SelectionPattern: pattern,
		Parameters: c.textMap("responseParameters"), Templates: c.templates("responseTemplates"),
		ContentHandling: c.upper("contentHandling", "", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
	}
	if pattern == "default" {
		out.SelectionPattern = ""
	}
	if !statusCode.MatchString(out.StatusCode) {
		r.fail("Unable to put integration response on %s: Invalid status code '%s'", method, out.StatusCode)
		return all
	}
	if first, twice := patterns[out.StatusCode]; twice {
		r.warn("More than one integration response for %s has status code '%s'. Ignoring '%s' for '%s'.", method, out.StatusCode, pattern, first)
		return all
	}
	patterns[out.StatusCode] = pattern
	if all == nil {
		all = map[string]*restapi.IntegrationResponse{}
	}
	all[out.StatusCode] = out
	return all
}
