// Package httpapi holds what the control plane of HTTP APIs hands to the
// gateway: an API as it is to be served. Values are immutable.
package httpapi

import "time"

// API is an HTTP API, compiled from its routes, integrations and stages.
type API struct {
	Account, Region string
	ID              string
	// ExecuteAPIDisabled: the API answers only on its custom domain names.
	ExecuteAPIDisabled bool
	CORS               *CORS // nil: the integrations answer for themselves
	Stages             map[string]*Stage
}

// Stage is one stage: "$default" is served at the root, others under /{name}.
type Stage struct {
	Name      string
	Variables map[string]string
	Routes    []Route
}

// Route is one route with its integration.
type Route struct {
	// Key is "$default", or a method (or ANY) and a path: "GET /pets/{id}",
	// "ANY /files/{path+}".
	Key string
	// FunctionARN is the Lambda function of an AWS_PROXY integration, qualified
	// or not.
	FunctionARN string
	// Timeout of the integration: 50 ms to 30 s.
	Timeout time.Duration
}

// CORS is an API's CORS configuration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
type CORS struct {
	AllowOrigins     []string // "*", "https://*", "http://*" or an origin
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAge           *int32 // seconds
}
