package apigateway

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateRestApi", Setting: "endpointConfiguration", Status: coverage.StoredOnly, Note: "An API answers on the addresses that Paddock listens on, whatever its endpoint type."},
	{Operation: "CreateRestApi", Setting: "securityPolicy", Status: coverage.StoredOnly, Note: "Paddock's own listener decides on TLS."},
	{Operation: "CreateRestApi", Setting: "endpointAccessMode", Status: coverage.StoredOnly, Note: "Returned with the API."},
	{Operation: "CreateRestApi", Setting: "policy", Status: coverage.Works, Note: "Checked for its form; shown escaped, as AWS does."},
	{Operation: "CreateDeployment, CreateStage", Setting: "tracingEnabled", Status: coverage.StoredOnly, Note: "There is no X-Ray."},
	{Operation: "CreateDeployment, CreateStage", Setting: "cacheClusterSize", Status: coverage.StoredOnly, Note: "There is no cluster to be sized."},
	{Operation: "UpdateStage", Setting: "/webAclArn", Status: coverage.StoredOnly, Note: "There is no WAF."},
	{Operation: "UpdateAccount", Setting: "/cloudwatchRoleArn", Status: coverage.StoredOnly, Note: "Stages log without a role: none has to be set first."},
	{Operation: "PutIntegration", Setting: "timeoutInMillis", Status: coverage.Works, Note: "APIs that are not edge-optimized may have up to 300,000 ms, streamed responses up to 900,000 ms, without asking for a quota."},
	{Operation: "PutIntegration, PutIntegrationResponse", Setting: "requestTemplates, responseTemplates", Status: coverage.Works, Note: "A template that does not parse is refused here; AWS takes it and fails each request."},
}
