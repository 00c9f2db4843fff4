package apigateway

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateRestApi", Setting: "endpointConfiguration", Status: coverage.StoredOnly, Note: "An API answers on the addresses that Paddock listens on, whatever its endpoint type."},
	{Operation: "CreateRestApi", Setting: "securityPolicy", Status: coverage.StoredOnly, Note: "Paddock's own listener decides on TLS."},
	{Operation: "CreateRestApi", Setting: "endpointAccessMode", Status: coverage.StoredOnly, Note: "Returned with the API."},
}
