package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/policy"
	"github.com/paddock-run/paddock/internal/restapi"
)

const (
	defaultTTL      = 300 * time.Second
	functionTimeout = 29 * time.Second
	// matchTimeout bounds what an expression may do to a token.
	matchTimeout = 100 * time.Millisecond
	// maxToken is how many bytes of a token an expression is asked about.
	maxToken = 16 << 10
)

// lambda is a Lambda authorizer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
type lambda struct {
	owner      *Authorizers
	def        *restapi.Authorizer
	sources    []source
	expression *regexp2.Regexp // nil: any token will do
	function   functionName
	ttl        time.Duration // 0: nothing is kept
	answers    *cache[*answer]
}

func newLambda(owner *Authorizers, def *restapi.Authorizer) (*lambda, error) {
	l := &lambda{owner: owner, def: def, ttl: defaultTTL, answers: newCache[*answer]()}
	if def.ResultTTLSeconds != nil {
		l.ttl = time.Duration(*def.ResultTTLSeconds) * time.Second
	}
	var err error
	if l.sources, err = parseSources(def.IdentitySource); err != nil {
		return nil, err
	}
	if def.Type == "TOKEN" && len(l.sources) != 1 {
		return nil, errors.New("a TOKEN authorizer needs one identity source")
	}
	if len(l.sources) == 0 {
		l.ttl = 0 // nothing would tell answers apart
	}
	if l.expression, err = newExpression(def.ValidationExpression); err != nil {
		return nil, err
	}
	l.function, err = parseFunction(def.URI)
	return l, err
}

// newExpression compiles an identityValidationExpression, which all of a token
// must match.
func newExpression(text string) (*regexp2.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	e, err := regexp2.Compile(`\A(?:`+text+`)\z`, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("the identity validation expression: %w", err)
	}
	e.MatchTimeout = matchTimeout
	return e, nil
}

// matches reports whether a token is of the expression's form; what takes too
// long to be told is not.
func matches(e *regexp2.Regexp, token string) bool {
	if e == nil {
		return true
	}
	if len(token) > maxToken {
		return false
	}
	ok, err := e.MatchString(token)
	return err == nil && ok
}

// functionName is a function's ARN with stage variables in it.
type functionName struct{ text []string } // literals and, at odd places, variables

// parseFunction reads arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations.
func parseFunction(uri string) (functionName, error) {
	_, name, ok := strings.Cut(uri, ":lambda:path/")
	if ok {
		_, name, ok = strings.Cut(name, "/functions/")
	}
	if ok {
		name, ok = strings.CutSuffix(name, "/invocations")
	}
	if !ok {
		return functionName{}, fmt.Errorf("the URI %q is no function's", uri)
	}
	var f functionName
	for {
		before, rest, found := strings.Cut(name, "${stageVariables.")
		f.text = append(f.text, before)
		if !found {
			return f, nil
		}
		variable, after, closed := strings.Cut(rest, "}")
		if !closed {
			return functionName{}, fmt.Errorf("the URI %q has an open brace", uri)
		}
		f.text, name = append(f.text, variable), after
	}
}

func (f *functionName) arn(variables map[string]string) string {
	if len(f.text) == 1 {
		return f.text[0]
	}
	var b strings.Builder
	for i, text := range f.text {
		if i%2 == 1 {
			text = variables[text]
		}
		b.WriteString(text)
	}
	return b.String()
}

// Authorize implements rest.Authorizer.
func (l *lambda) Authorize(ctx context.Context, r *rest.Request) (*rest.Decision, *rest.Failure) {
	k, f := l.identify(r)
	if f != nil {
		return nil, f
	}
	if l.ttl == 0 {
		a, f := l.call(ctx, r, k.function)
		if f != nil {
			return nil, f
		}
		return a.decide(r, true)
	}
	a, fresh, f := l.answers.get(ctx, k, func(ctx context.Context) (loaded[*answer], *rest.Failure) {
		a, f := l.call(ctx, r, k.function)
		if f != nil {
			return loaded[*answer]{}, f
		}
		return loaded[*answer]{a, a.weight, time.Now().Add(l.ttl)}, nil
	})
	if f != nil {
		return nil, f
	}
	return a.decide(r, fresh)
}

// identify takes the identity out of a request. Where it lacks it, the function
// is not called.
func (l *lambda) identify(r *rest.Request) (key, *rest.Failure) {
	r.Log("Starting authorizer: %s for request: %s", l.def.ID, r.ID)
	who, err := identityOf(l.sources, r)
	if err != nil {
		return key{}, unauthorized("Unauthorized request: " + r.ID + " (" + err.Error() + ")")
	}
	if l.def.Type == "TOKEN" && !matches(l.expression, l.sources[0].one(r)) {
		return key{}, unauthorized("Unauthorized request: " + r.ID + " (the token is not of the form that the authorizer wants)")
	}
	return key{stage: r.Stage.Name, epoch: r.Stage.AuthorizersEpoch, function: l.function.arn(r.StageVariables), identity: who}, nil
}

// call asks the function.
func (l *lambda) call(ctx context.Context, r *rest.Request, arn string) (*answer, *rest.Failure) {
	payload, err := l.payload(r)
	if err != nil {
		return nil, failed(rest.TypeAuthorizerFailure, "Execution failed: the authorizer's event does not encode: "+err.Error())
	}
	v, invoked, err := l.owner.Functions.Resolve(ctx, r.API.Account, r.API.Region, arn)
	if err != nil {
		return nil, failed(rest.TypeAuthorizerConfiguration, "Execution failed due to configuration error: Invalid permissions on Lambda function ("+err.Error()+")")
	}
	inv := &function.Invocation{Version: v, RequestID: uuid.NewString(), InvokedARN: invoked, Payload: payload, TraceID: r.TraceID}
	if r.Logs() {
		r.LogData("Authorizer request body before transformations: %s", payload)
		r.Log("Sending request to https://lambda.%s.amazonaws.com/2015-03-31/functions/%s/invocations", r.API.Region, invoked)
	}
	ctx, cancel := context.WithTimeout(ctx, functionTimeout)
	defer cancel()
	begin := time.Now()
	result, err := l.owner.Invoker.Invoke(ctx, inv)
	latency := time.Since(begin)
	if err != nil {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, function.ErrShuttingDown) {
			l.owner.Logger.Warn("an authorizer's function could not be run", "api", r.API.ID, "authorizer", l.def.ID, "function", invoked, "request", r.ID, "error", err)
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, failed(rest.TypeAuthorizerFailure, "Execution failed due to a timeout error")
		}
		return nil, failed(rest.TypeAuthorizerFailure, "Execution failed due to an internal error: the authorizer's function could not be run")
	}
	if r.Logs() {
		r.LogData("Authorizer result body before parsing: %s", result.Payload)
	}
	if result.FunctionError != "" {
		var e struct {
			Message string `json:"errorMessage"`
		}
		_ = json.Unmarshal(result.Payload, &e) // a runtime may write anything: the message is then empty
		if e.Message == "Unauthorized" {
			return nil, unauthorized("Unauthorized request: " + r.ID)
		}
		return nil, failed(rest.TypeAuthorizerFailure, "Execution failed due to configuration error: Authorizer error: "+e.Message)
	}
	a, err := parseAnswer(result.Payload)
	if err != nil {
		return nil, failed(rest.TypeAuthorizerConfiguration, "Execution failed due to configuration error: "+err.Error())
	}
	a.requestID, a.latency = inv.RequestID, latency
	if r.Logs() {
		r.Log("Using valid authorizer policy for principal: %s", masked(a.principal))
		r.Log("Successfully completed authorizer execution")
	}
	return a, nil
}

// payload is the function's event.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
func (l *lambda) payload(r *rest.Request) ([]byte, error) {
	if l.def.Type == "REQUEST" {
		return r.AuthorizerEvent()
	}
	return json.Marshal(struct {
		Type  string `json:"type"`
		ARN   string `json:"methodArn"`
		Token string `json:"authorizationToken"`
	}{"TOKEN", r.ARN(), l.sources[0].one(r)})
}

func (l *lambda) test(ctx context.Context, r *rest.Request) (*rest.Decision, string, *rest.Failure) {
	k, f := l.identify(r)
	if f != nil {
		return nil, "", f
	}
	a, f := l.call(ctx, r, k.function)
	if f != nil {
		return nil, "", f
	}
	// Whether the policy allows this very request is the caller's to read.
	return a.decision(true), a.document, nil
}

// decide asks the answer's policy about a request: the one that it was made for,
// or another that it has been kept for.
func (a *answer) decide(r *rest.Request, fresh bool) (*rest.Decision, *rest.Failure) {
	d := a.decision(fresh)
	switch a.policy.Evaluate(question(r, nil)) {
	case policy.Allow:
		return d, nil
	case policy.Deny:
		return nil, &rest.Failure{Type: rest.TypeAccessDenied, Message: "User is not authorized to access this resource with an explicit deny",
			Detail: "The authorizer's policy denies " + r.ARN()}
	}
	d.Silent = &rest.Failure{Type: rest.TypeAccessDenied, Detail: "The authorizer's policy does not allow " + r.ARN()}
	return d, nil
}

// decision is what the answer says of its principal; fresh says that the function
// was called for this request.
func (a *answer) decision(fresh bool) *rest.Decision {
	d := &rest.Decision{PrincipalID: a.principal, Context: a.context, UsageKey: a.usageKey, Status: http.StatusOK}
	if fresh {
		d.LatencyMS, d.RequestID = a.latency.Milliseconds(), a.requestID
	}
	return d
}

// masked hides all of a principal but its last characters, as AWS's log does.
func masked(principal string) string {
	const shown = 2
	if len(principal) <= shown {
		return strings.Repeat("*", len(principal))
	}
	return strings.Repeat("*", len(principal)-shown) + principal[len(principal)-shown:]
}
