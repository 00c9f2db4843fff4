// Package restapi holds what the control plane of REST APIs hands to the
// gateway: an API's definition as a deployment froze it, the stages that serve
// it, and what stands beside them (keys, usage plans, domain names). It is also
// what an OpenAPI document is read into and written from, and the form in which
// the control plane stores a definition.
//
// Values are immutable once they are handed on. Names and meanings are those of
// the apigateway model: https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html
package restapi

import "time"

// Definition is all of a REST API that a deployment freezes.
type Definition struct {
	// MinimumCompressionSize in bytes, 0 to 10 MB; nil: nothing is compressed.
	MinimumCompressionSize *int32 `json:",omitempty"`
	BinaryMediaTypes       []string
	APIKeySource           string // "HEADER" or "AUTHORIZER"; empty: "HEADER"
	Policy                 string // resource policy, JSON; empty: none
	ExecuteAPIDisabled     bool   // the API answers only on its custom domain names

	RootResourceID   string
	Resources        map[string]*Resource         // by ID
	Models           map[string]*Model            // by name
	Validators       map[string]*RequestValidator // by ID
	Authorizers      map[string]*Authorizer       // by ID
	GatewayResponses map[string]*GatewayResponse  // by response type; only those that were customized
}

// Resource is a path of an API.
type Resource struct {
	ID       string
	ParentID string             // empty: the root
	PathPart string             // "pets", "{id}", "{proxy+}"; empty: the root
	Path     string             // "/pets/{id}"
	Methods  map[string]*Method // by HTTP method, or "ANY"
}

// Method is a method of a Resource.
type Method struct {
	HTTPMethod          string
	AuthorizationType   string // "NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"
	AuthorizerID        string
	AuthorizationScopes []string
	APIKeyRequired      bool
	RequestValidatorID  string
	OperationName       string
	// RequestParameters: "method.request.{querystring|path|header}.{name}" to whether
	// it is required.
	RequestParameters map[string]bool
	RequestModels     map[string]string // content type to model name
	Responses         map[string]*MethodResponse
	Integration       *Integration // nil: none yet, which no deployment accepts
}

// MethodResponse is a response that a method declares.
type MethodResponse struct {
	StatusCode string
	// Parameters: "method.response.header.{name}" to whether it is required.
	Parameters map[string]bool
	Models     map[string]string // content type to model name
}

// Integration is what answers a method.
type Integration struct {
	Type            string // "HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK"
	HTTPMethod      string // of the request to the backend
	URI             string // may hold ${stageVariables.name} and {path parameters}
	ConnectionType  string // "INTERNET" or "VPC_LINK"; empty: "INTERNET"
	ConnectionID    string // a VPC link's ID, or ${stageVariables.name}
	Credentials     string // a role's ARN, or "arn:aws:iam::*:user/*"
	Target          string // ALB or NLB listener ARN of a VPC link v2
	Parameters      map[string]string
	Templates       map[string]string // content type to template
	Passthrough     string            // "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"; empty: "WHEN_NO_MATCH"
	ContentHandling string            // "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"; empty: passed on as it is
	TimeoutMillis   int32             // 50 to 29000, more where a quota allows; 0: 29000
	CacheNamespace  string
	// CacheKeyParameters are "method.request.…" names.
	CacheKeyParameters []string
	InsecureTLS        bool   // TlsConfig.InsecureSkipVerification
	TransferMode       string // ResponseTransferMode: "BUFFERED" or "STREAM"; empty: "BUFFERED"
	Responses          map[string]*IntegrationResponse
}

// IntegrationResponse is how an answer of the backend becomes the method's.
type IntegrationResponse struct {
	StatusCode string
	// SelectionPattern is a regular expression over the backend's status code, or
	// over the errorMessage of a Lambda function's error; empty: the default.
	SelectionPattern string
	Parameters       map[string]string // "method.response.header.{name}" to a mapping expression
	Templates        map[string]string // content type to template
	ContentHandling  string
}

// Model is a JSON Schema, draft 4.
type Model struct {
	ID          string
	Name        string
	Description string
	ContentType string
	Schema      string
}

// RequestValidator says what of a request is checked.
type RequestValidator struct {
	ID         string
	Name       string
	Body       bool
	Parameters bool
}

// Authorizer decides whether a request may pass.
type Authorizer struct {
	ID           string
	Name         string
	Type         string // "TOKEN", "REQUEST", "COGNITO_USER_POOLS"
	ProviderARNs []string
	AuthType     string // as an OpenAPI document gave it; of no effect
	URI          string
	Credentials  string
	// IdentitySource: "method.request.header.Authorization", several by commas.
	IdentitySource       string
	ValidationExpression string // regular expression, of TOKEN and COGNITO_USER_POOLS
	ResultTTLSeconds     *int32 // 0 to 3600; nil: 300
}

// GatewayResponse is what a caller gets where no integration answers.
type GatewayResponse struct {
	Type       string // "DEFAULT_4XX", "UNAUTHORIZED", …
	StatusCode string // empty: the type's own
	// Parameters: "gatewayresponse.header.{name}" to a static value or an expression.
	Parameters map[string]string
	Templates  map[string]string // content type to template
}

// Stage is a stage's settings.
type Stage struct {
	Name                 string
	DeploymentID         string
	Description          string
	Variables            map[string]string
	ClientCertificateID  string
	CacheClusterEnabled  bool
	CacheClusterSize     string // GB: "0.5" to "237"
	DocumentationVersion string
	TracingEnabled       bool
	WebACLARN            string
	AccessLog            *AccessLog
	Canary               *Canary
	// Methods holds settings by "{resource path}/{METHOD}" with "~1" for each slash
	// of the path ("~1pets~1{id}/GET"), and for all by "*/*".
	Methods         map[string]*MethodSettings
	CreatedDate     time.Time
	LastUpdatedDate time.Time
}

// AccessLog is where and how a stage writes a line for each request.
type AccessLog struct {
	DestinationARN string // a log group
	Format         string
}

// Canary is a stage's canary release.
type Canary struct {
	DeploymentID  string
	Percent       float64 // 0 to 100
	Variables     map[string]string
	UseStageCache bool
}

// MethodSettings are a stage's settings for one method, or for all. A nil field
// was not set: "*/*" or the default applies.
type MethodSettings struct {
	MetricsEnabled            *bool    `json:",omitempty"`
	LoggingLevel              *string  `json:",omitempty"` // "OFF", "ERROR", "INFO"
	DataTraceEnabled          *bool    `json:",omitempty"`
	ThrottlingBurst           *int32   `json:",omitempty"` // requests
	ThrottlingRate            *float64 `json:",omitempty"` // requests a second
	CachingEnabled            *bool    `json:",omitempty"`
	CacheTTLSeconds           *int32   `json:",omitempty"` // 0 to 3600
	CacheDataEncrypted        *bool    `json:",omitempty"`
	CacheControlAuthorization *bool    `json:",omitempty"` // RequireAuthorizationForCacheControl
	UnauthorizedCacheControl  *string  `json:",omitempty"` // "FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"
}
