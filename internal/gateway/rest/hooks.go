package rest

import (
	"context"
	"net/http"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/restapi"
)

// APIs finds the REST API to serve. It answers from memory.
type APIs interface {
	// RESTAPI returns the API with that ID, nil where there is none. The same
	// pointer means that nothing has changed, in it and in what it points to.
	RESTAPI(id string) *restapi.API
}

// Functions finds the function version behind an integration. It answers from
// memory.
type Functions interface {
	// account and region are the API's; invokedARN names the alias or version
	// that arn names.
	Resolve(ctx context.Context, account, region, arn string) (v *function.Version, invokedARN string, err error)
}

// Services are the AWS services that integrations may call, in process.
type Services interface {
	// Service finds a service by its name in integration URIs ("sqs"), nil where
	// there is none.
	Service(name string) *Service
}

// Service is an AWS service of this Paddock.
type Service struct {
	// Handler answers requests in the service's protocols. A request's context
	// carries an identity.Identity; its Host is of the form that AWS has.
	Handler http.Handler
	// Target makes X-Amz-Target of an action, for services that speak awsJson and
	// not Query; nil: the action is a Query parameter.
	Target      func(action string) string
	ContentType string // of a JSON service's requests: "application/x-amz-json-1.1"
}

// Links finds what VPC links lead to.
type Links interface {
	// Target returns the host and port that requests over a VPC link go to, ""
	// where the operator named none. listener is the integration's target: the ARN
	// of a load balancer or its listener, or empty.
	Target(api *restapi.API, connectionID, listener string) (hostPort string)
}

// Logs takes log events, without waiting.
type Logs interface {
	Append(account, region, group, stream string, events []LogEvent)
}

// LogEvent is a line of a log.
type LogEvent struct {
	Timestamp int64 // Unix milliseconds
	Message   string
}

// Policies reads APIs' resource policies, once for each deployment.
type Policies interface {
	Compile(document string) (Policy, error)
}

// Policy decides by an API's resource policy.
type Policy interface {
	// Check is asked before the method's authorizer (d is nil) and, where it has
	// one, again after it. A refusal is a Failure.
	Check(ctx context.Context, r *Request, d *Decision) *Failure
}

// Authorizers reads what decides who may call methods, once for each deployment.
type Authorizers interface {
	// Compile readies an authorizer; nil is AWS_IAM's.
	Compile(a *restapi.Authorizer) (Authorizer, error)
}

// Authorizer decides who may call a method.
type Authorizer interface {
	Authorize(ctx context.Context, r *Request) (*Decision, *Failure)
}

// Decision is what an authorizer let pass.
type Decision struct {
	// Silent is set where it neither allowed nor denied: so the request is refused,
	// unless a resource policy allows it.
	Silent      *Failure
	PrincipalID string
	Context     map[string]any    // of a Lambda authorizer: strings, json.Numbers and booleans
	Claims      map[string]string // of a Cognito token
	UsageKey    string            // usageIdentifierKey: the API key, where the API's source is AUTHORIZER
	Caller      *Caller           // of AWS_IAM
	LatencyMS   int64
	Status      int    // of the authorizer's own answer
	RequestID   string // of its invocation
}

// Caller is who signed a request.
type Caller struct {
	AccountID, AccessKey, Caller, User, UserARN, PrincipalOrgID         string
	CognitoIdentityID, CognitoIdentityPoolID, CognitoAuthenticationType string
	CognitoAuthenticationProvider                                       string
	RoleARN                                                             string // of the role that UserARN is a session of; empty: none
}

// Limits are API keys, usage plans and throttling.
type Limits interface {
	// Admit counts a request, or refuses it. key is the API key that came with it,
	// empty where there was none; required says whether the method wants one. It
	// returns the key that was recognized, nil where none was.
	Admit(ctx context.Context, r *Request, key string, required bool) (*restapi.Key, *Failure)
}
