package apigateway

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateRestApi", Setting: "endpointConfiguration", Status: coverage.StoredOnly, Note: "An API answers on the addresses that Paddock listens on, whatever its endpoint type."},
	{Operation: "CreateRestApi", Setting: "securityPolicy", Status: coverage.StoredOnly, Note: "Paddock's own listener decides on TLS."},
	{Operation: "CreateRestApi", Setting: "endpointAccessMode", Status: coverage.StoredOnly, Note: "Returned with the API."},
	{Operation: "CreateRestApi", Setting: "policy", Status: coverage.Works, Note: "Checked for its form; shown escaped, as AWS does."},
	{Operation: "CreateDeployment, CreateStage", Setting: "tracingEnabled", Status: coverage.StoredOnly, Note: "There is no X-Ray. The trace header is made and passed on."},
	{Operation: "UpdateStage", Setting: "/tracingEnabled", Status: coverage.StoredOnly, Note: "There is no X-Ray. The trace header is made and passed on."},
	{Operation: "CreateDeployment, CreateStage", Setting: "cacheClusterSize", Status: coverage.Works, Note: "How much a stage's cache holds at most; all together hold what --api-cache says."},
	{Operation: "UpdateStage", Setting: "/webAclArn", Status: coverage.Refused, Note: "There is no WAF."},
	{Operation: "CreateApiKey, UpdateApiKey", Setting: "stageKeys, /stages", Status: coverage.StoredOnly, Note: "Stages are opened by usage plans alone."},
	{Operation: "CreateUsagePlan, UpdateUsagePlan", Setting: "quota.offset, /quota/offset", Status: coverage.Works, Note: "Requests taken off the limit of a key's first period, as documented. Weeks begin on Sunday, months on their first, in UTC."},
	{Operation: "GetAccount", Setting: "throttleSettings", Status: coverage.Works, Note: "An account's limit is what --api-rate and --api-burst say: 10,000 a second, 5,000 at once."},
	{Operation: "UpdateStage", Setting: "/{resource}/{METHOD}/caching/dataEncrypted", Status: coverage.StoredOnly, Note: "The cache is in Paddock's memory."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "mutualTlsAuthentication", Status: coverage.Works, Note: "The trust store is a file of Paddock's machine (file:///…), read when it is named; s3:// is refused. Clients are checked on --tls-listen, and refused elsewhere."},
	{Operation: "UpdateAccount", Setting: "/cloudwatchRoleArn", Status: coverage.Works, Note: "Stages log only once it is set, as at AWS; nothing is asked of the role itself."},
	{Operation: "PutIntegration", Setting: "timeoutInMillis", Status: coverage.Works, Note: "APIs that are not edge-optimized may have up to 300,000 ms, streamed responses up to 900,000 ms, without asking for a quota."},
	{Operation: "PutIntegration, PutIntegrationResponse", Setting: "requestTemplates, responseTemplates", Status: coverage.Works, Note: "A template that does not parse is refused here; AWS takes it and fails each request."},
	{Operation: "CreateApiKey", Setting: "generateDistinctId", Status: coverage.Works, Note: "A key's identifier is always distinct from its value."},
	{Operation: "ImportRestApi, PutRestApi", Setting: "parameters", Status: coverage.Works, Note: "basepath, ignore, endpointConfigurationTypes, vpcEndpointIds; another one is refused."},
	{Operation: "ImportRestApi, PutRestApi", Setting: "body", Status: coverage.Works, Note: "OpenAPI's additions to JSON Schema (example, nullable, discriminator, readOnly, …) are left out of models, with a warning; minItems and maxItems stay."},
	{Operation: "GetExport", Setting: "parameters", Status: coverage.Works, Note: "Descriptions of a documentation part stand at its own location only: entities below it do not inherit them."},
	{Operation: "CreateUsagePlan", Setting: "throttle", Status: coverage.Works, Note: "Where only one of rateLimit and burstLimit is given, the other is an account's default: 10,000 a second, 5,000."},
	{Operation: "GetSdk", Setting: "parameters", Status: coverage.Refused, Note: "Answers 501: export the API and use a generator for OpenAPI documents."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "certificateArn, regionalCertificateArn, certificateName, regionalCertificateName, ownershipVerificationCertificateArn", Status: coverage.StoredOnly, Note: "There is no ACM: the certificate of --tls-cert serves, one that is uploaded with the name, or one that Paddock signs itself."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "securityPolicy", Status: coverage.Works, Note: "The oldest version of TLS that is spoken on --tls-listen; ciphers are Go's."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "endpointAccessMode, endpointConfiguration", Status: coverage.StoredOnly, Note: "Paddock's own listener decides on addresses."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "policy, managementPolicy", Status: coverage.StoredOnly, Note: "Private domain names are not kept from anybody."},
	{Operation: "CreateDomainName, UpdateDomainName", Setting: "routingMode", Status: coverage.Refused, Note: "Only BASE_PATH_MAPPING_ONLY."},
	{Operation: "CreateDomainNameAccessAssociation", Setting: "accessAssociationSourceType, accessAssociationSource", Status: coverage.StoredOnly, Note: "There are no VPC endpoints that could be kept out."},
	{Operation: "CreateVpcLink", Setting: "targetArns", Status: coverage.Works, Note: "Where a link leads, the operator says, by the link's ID or by this ARN: --vpc-link ID=HOST:PORT. Requests over another link answer 500: the host of the integration's URI is not asked."},
	{Operation: "PutIntegration", Setting: "integrationTarget", Status: coverage.Works, Note: "The operator says where it leads: --vpc-link ARN=HOST:PORT."},
}
