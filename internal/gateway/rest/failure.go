package rest

import "net/http"

// responseType is a type of gateway response.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
type responseType struct {
	name    string
	status  int
	code    string // the X-Amzn-Errortype header
	message string
	null    bool // there is no message: null on the wire
}

var (
	accessDenied            = &responseType{name: "ACCESS_DENIED", status: 403, code: "AccessDeniedException", message: "User is not authorized to access this resource"}
	configurationError      = &responseType{name: "API_CONFIGURATION_ERROR", status: 500, code: "InternalServerErrorException", message: "Internal server error"}
	authorizerConfiguration = &responseType{name: "AUTHORIZER_CONFIGURATION_ERROR", status: 500, code: "AuthorizerConfigurationException", null: true}
	authorizerFailure       = &responseType{name: "AUTHORIZER_FAILURE", status: 500, code: "AuthorizerFailureException", null: true}
	badParameters           = &responseType{name: "BAD_REQUEST_PARAMETERS", status: 400, code: "BadRequestException", message: "Bad Request"}
	badBody                 = &responseType{name: "BAD_REQUEST_BODY", status: 400, code: "BadRequestException", message: "Invalid request body"}
	default4XX              = &responseType{name: "DEFAULT_4XX", status: 400, code: "BadRequestException", message: "Bad Request"}
	default5XX              = &responseType{name: "DEFAULT_5XX", status: 500, code: "InternalServerErrorException", message: "Internal server error"}
	expiredToken            = &responseType{name: "EXPIRED_TOKEN", status: 403, code: "ExpiredTokenException", message: "The security token included in the request is expired"}
	integrationFailure      = &responseType{name: "INTEGRATION_FAILURE", status: 504, code: "InternalServerErrorException", message: "Network error communicating with endpoint"}
	integrationTimeout      = &responseType{name: "INTEGRATION_TIMEOUT", status: 504, code: "InternalServerErrorException", message: "Endpoint request timed out"}
	invalidAPIKey           = &responseType{name: "INVALID_API_KEY", status: 403, code: "ForbiddenException", message: "Forbidden"}
	invalidSignature        = &responseType{name: "INVALID_SIGNATURE", status: 403, code: "InvalidSignatureException", message: "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	missingToken            = &responseType{name: "MISSING_AUTHENTICATION_TOKEN", status: 403, code: "MissingAuthenticationTokenException", message: "Missing Authentication Token"}
	quotaExceeded           = &responseType{name: "QUOTA_EXCEEDED", status: 429, code: "LimitExceededException", message: "Limit Exceeded"}
	requestTooLarge         = &responseType{name: "REQUEST_TOO_LARGE", status: 413, code: "RequestTooLargeException", message: "Request Too Long"}
	resourceNotFound        = &responseType{name: "RESOURCE_NOT_FOUND", status: 404, code: "NotFoundException", message: "Resource not found"}
	throttled               = &responseType{name: "THROTTLED", status: 429, code: "TooManyRequestsException", message: "Too Many Requests"}
	unauthorized            = &responseType{name: "UNAUTHORIZED", status: 401, code: "UnauthorizedException", message: "Unauthorized"}
	unsupportedMediaType    = &responseType{name: "UNSUPPORTED_MEDIA_TYPE", status: 415, code: "BadRequestException", message: "Unsupported Media Type"}
	wafFiltered             = &responseType{name: "WAF_FILTERED", status: 403, code: "ForbiddenException", message: "Forbidden"}

	responseTypes = func() map[string]*responseType {
		m := map[string]*responseType{}
		for _, t := range []*responseType{accessDenied, configurationError, authorizerConfiguration, authorizerFailure, badParameters, badBody,
			default4XX, default5XX, expiredToken, integrationFailure, integrationTimeout, invalidAPIKey, invalidSignature, missingToken,
			quotaExceeded, requestTooLarge, resourceNotFound, throttled, unauthorized, unsupportedMediaType, wafFiltered} {
			m[t.name] = t
		}
		return m
	}()
)

// The types of gateway responses that hooks refuse requests with.
const (
	TypeAccessDenied            = "ACCESS_DENIED"
	TypeUnauthorized            = "UNAUTHORIZED"
	TypeAuthorizerFailure       = "AUTHORIZER_FAILURE"
	TypeAuthorizerConfiguration = "AUTHORIZER_CONFIGURATION_ERROR"
	TypeExpiredToken            = "EXPIRED_TOKEN"
	TypeInvalidSignature        = "INVALID_SIGNATURE"
	TypeMissingToken            = "MISSING_AUTHENTICATION_TOKEN"
	TypeInvalidAPIKey           = "INVALID_API_KEY"
	TypeQuotaExceeded           = "QUOTA_EXCEEDED"
	TypeThrottled               = "THROTTLED"
	TypeWAFFiltered             = "WAF_FILTERED"
)

// Failure is why a request gets a gateway response.
type Failure struct {
	Type string // one of the types above, or another of API Gateway's; empty: DEFAULT_5XX
	// Message for the caller; empty: the type's own.
	Message string
	// Code is the X-Amzn-Errortype header; empty: the type's own.
	Code string
	// Status of the answer, before a customized gateway response changes it; 0:
	// the type's own.
	Status int
	// Validation is $context.error.validationErrorString; empty: the message.
	Validation string
	// Detail goes to the execution log and to nobody else.
	Detail string

	kind *responseType
}

func fail(kind *responseType, detail string) *Failure {
	return &Failure{Type: kind.name, Detail: detail, kind: kind}
}

func (f *Failure) Error() string {
	if f.Detail != "" {
		return f.Detail
	}
	return f.message()
}

// of is the failure's type; one that nobody knows is a fault of ours.
func (f *Failure) of() *responseType {
	if f.kind == nil {
		if f.kind = responseTypes[f.Type]; f.kind == nil {
			f.kind = default5XX
		}
	}
	return f.kind
}

func (f *Failure) message() string {
	if f.Message != "" {
		return f.Message
	}
	return f.of().message
}

func (f *Failure) null() bool { return f.Message == "" && f.of().null }

func (f *Failure) status() int {
	if f.Status != 0 {
		return f.Status
	}
	return f.of().status
}

// StatusCode is the status of the answer that the failure makes, as far as nobody
// customized it.
func (f *Failure) StatusCode() int { return f.status() }

func (f *Failure) code() string {
	if f.Code != "" {
		return f.Code
	}
	return f.of().code
}

// malformedProxy is what AWS answers where a function's response is none.
func malformedProxy(detail string) *Failure {
	f := fail(default5XX, detail)
	f.Status = http.StatusBadGateway
	return f
}
