package authorizer

import (
	"context"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/policy"
)

// Policies readies resource policies.
type Policies struct{}

var _ rest.Policies = Policies{}

// Compile implements rest.Policies.
func (Policies) Compile(document string) (rest.Policy, error) {
	d, err := policy.Parse([]byte(document), policy.Resource)
	if err != nil {
		return nil, err
	}
	return &resourcePolicy{d}, nil
}

// resourcePolicy is an API's.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
type resourcePolicy struct{ document *policy.Document }

// Check implements rest.Policy.
func (p *resourcePolicy) Check(_ context.Context, r *rest.Request, d *rest.Decision) *rest.Failure {
	kind := r.Method.AuthorizationType
	if d == nil && (kind == "AWS_IAM" || kind == "COGNITO_USER_POOLS") {
		return nil // first it must be known who calls
	}
	var who *rest.Caller
	if d != nil {
		who = d.Caller
	}
	switch p.document.Evaluate(question(r, who)) {
	case policy.Allow:
		return nil
	case policy.Deny:
		return refused(r, who, true)
	}
	switch {
	case kind == "COGNITO_USER_POOLS":
		return refused(r, who, false) // a token alone is not enough
	case d != nil:
		return d.Silent // the authorizer or the caller's own permissions have decided
	case kind == "CUSTOM":
		return nil // they are yet to be asked
	}
	return refused(r, nil, false)
}

// refused is AWS's answer to who may not call a method.
func refused(r *rest.Request, who *rest.Caller, explicitly bool) *rest.Failure {
	name := "anonymous"
	if who != nil {
		name = who.UserARN
	}
	text := "User: " + name + " is not authorized to perform: " + invoke + " on resource: " + maskedARN(r)
	if explicitly {
		text += " with an explicit deny"
	}
	return &rest.Failure{Type: rest.TypeAccessDenied, Message: text, Detail: text}
}

// maskedARN is a method's ARN with most of its account's digits hidden.
func maskedARN(r *rest.Request) string {
	account := r.API.Account
	if len(account) == 12 {
		account = "********" + account[8:]
	}
	return replaceAccount(r.ARN(), account)
}
