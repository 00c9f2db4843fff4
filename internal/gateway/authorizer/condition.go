package authorizer

import (
	"strconv"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/policy"
)

// invoke is the action of every call of a method.
const invoke = "execute-api:Invoke"

// question is what a policy is asked about a request. who is nil for callers that
// nobody knows.
func question(r *rest.Request, who *rest.Caller) *policy.Request {
	q := &policy.Request{Action: invoke, Resources: []string{r.ARN(), shortARN(r)}, Keys: func(name string) []string {
		if v := conditionKey(r, who, name); v != "" {
			return []string{v}
		}
		return nil
	}}
	if who != nil {
		q.Principal = policy.Principal{Account: who.AccountID, ARN: who.UserARN, RoleARN: who.RoleARN}
	}
	return q
}

// shortARN is the form of a method's ARN that resource policies may also have.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-examples.html
func shortARN(r *rest.Request) string {
	return "execute-api:/" + r.Stage.Name + "/" + r.HTTPMethod + r.Path()
}

// conditionKey is the value of a condition key, whose name is lower-case; empty
// where there is none. There are no VPCs, organizations and tags here.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-aws-condition-keys.html
func conditionKey(r *rest.Request, who *rest.Caller, name string) string {
	switch name {
	case "aws:currenttime":
		return time.Now().UTC().Format(time.RFC3339)
	case "aws:epochtime":
		return strconv.FormatInt(time.Now().Unix(), 10)
	case "aws:sourceip":
		return r.SourceIP()
	case "aws:securetransport":
		return strconv.FormatBool(r.HTTP.TLS != nil)
	case "aws:referer":
		return r.HTTP.Header.Get("Referer")
	case "aws:useragent":
		return r.HTTP.Header.Get("User-Agent")
	}
	if who == nil {
		return ""
	}
	switch name {
	case "aws:principalaccount":
		return who.AccountID
	case "aws:principalarn":
		if who.RoleARN != "" {
			return who.RoleARN // of a session, IAM compares the role
		}
		return who.UserARN
	case "aws:principaltype":
		if who.RoleARN != "" {
			return "AssumedRole"
		}
		return "Account"
	case "aws:userid":
		return who.Caller
	}
	return ""
}
