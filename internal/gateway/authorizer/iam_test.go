package authorizer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

const root = "|||arn:aws:iam::123456789012:root"

func lookup(_ context.Context, id string) (sigv4.Credential, error) {
	switch id {
	case "AKIDGOOD":
		return sigv4.Credential{SecretKey: "secret"}, nil
	case "ASIAFUNCTION":
		return sigv4.Credential{SecretKey: "secret", SessionToken: "session", Account: account}, nil
	case "ASIAEXPIRED":
		return sigv4.Credential{SecretKey: "secret", SessionToken: "session", Expires: time.Unix(1, 0)}, nil
	}
	return sigv4.Credential{}, sigv4.ErrUnknownKey
}

// sign signs with the SDK's own signer.
func sign(t testing.TB, r *http.Request, id, service, body string) *http.Request {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: id, SecretAccessKey: "secret"}
	if strings.HasPrefix(id, "ASIA") {
		credentials.SessionToken = "session"
	}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIAM(t *testing.T) {
	const mismatch = `{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`
	w := newWorld(t, Options{Lookup: lookup}, "AWS_IAM", nil)
	get := func() *http.Request { return w.request("GET", "/prod/pets/7?b=2&a=1", "") }
	w.wantOf("unsigned", get(), 403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException")
	w.wantOf("signed", sign(t, get(), "AKIDGOOD", "execute-api", ""), 200, root, "")
	w.wantOf("an unknown key", sign(t, get(), "AKIDBAD", "execute-api", ""), 403, `{"message":"The security token included in the request is invalid."}`, "UnrecognizedClientException")
	w.wantOf("an expired session", sign(t, get(), "ASIAEXPIRED", "execute-api", ""), 403, `{"message":"The security token included in the request is expired"}`, "ExpiredTokenException")
	w.wantOf("for another service", sign(t, get(), "AKIDGOOD", "lambda", ""), 403, `{"message":"Credential should be scoped to correct service: 'execute-api'."}`, "InvalidSignatureException")
	changed := sign(t, get(), "AKIDGOOD", "execute-api", "")
	changed.URL.RawQuery = "a=1&b=3"
	w.wantOf("changed on the way", changed, 403, mismatch, "InvalidSignatureException")
	w.wantOf("a bearer token", w.request("GET", "/prod/pets/7", "", "Authorization", "Bearer x"), 403, "*", "IncompleteSignatureException")

	post := sign(t, w.request("POST", "/prod/pets/7", "{}"), "AKIDGOOD", "execute-api", "{}")
	w.wantOf("with a body", post, 200, root, "")
	post = w.request("POST", "/prod/pets/7", "{}")
	sum := sha256.Sum256([]byte("{}"))
	post.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	post = sign(t, post, "AKIDGOOD", "execute-api", "{}")
	w.wantOf("with a body and its hash", post, 200, root, "")
	post.Body = io.NopCloser(strings.NewReader("[]"))
	w.wantOf("with another body", post, 403, mismatch, "InvalidSignatureException")

	// A function's own credentials are its role's.
	w.identity.FunctionARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
	w.wantOf("a function", sign(t, get(), "ASIAFUNCTION", "execute-api", ""), 200, "|||arn:aws:sts::123456789012:assumed-role/runner/fn", "")
	w.wantOf("a function with the operator's key", sign(t, get(), "AKIDGOOD", "execute-api", ""), 200, root, "")
}

// Another account's callers need the API's own leave.
func TestIAMOfAnotherAccount(t *testing.T) {
	const refusal = `{"Message":"User: arn:aws:iam::999999999999:root is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:api1/prod/GET/pets/7"}`
	w := newWorld(t, Options{Lookup: lookup}, "AWS_IAM", nil)
	w.identity.Account = "999999999999"
	get := func() *http.Request {
		return sign(t, w.request("GET", "/prod/pets/7", ""), "AKIDGOOD", "execute-api", "")
	}
	w.wantOf("no policy", get(), 403, refusal, "AccessDeniedException")
	w.policy(`{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"execute-api:*","Resource":"execute-api:/*/GET/*"}`)
	w.wantOf("allowed", get(), 200, "|||arn:aws:iam::999999999999:root", "")
	w.policy(`{"Effect":"Allow","Principal":{"AWS":"888888888888"},"Action":"execute-api:*","Resource":"execute-api:/*/GET/*"}`)
	w.wantOf("others allowed", get(), 403, refusal, "AccessDeniedException")
}

// Without access keys a signature must be one, and nobody verifies it.
func TestIAMWithoutKeys(t *testing.T) {
	w := newWorld(t, Options{}, "AWS_IAM", nil)
	w.want("unsigned", 403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException")
	w.wantOf("signed by anybody", sign(t, w.request("GET", "/prod/pets/7", ""), "anybody", "execute-api", ""), 200, root, "")
	w.want("badly formed", 403, "*", "IncompleteSignatureException", "Authorization", "AWS4-HMAC-SHA256 Credential=x")
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
func TestResourcePolicies(t *testing.T) {
	const (
		statement = `,"Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/prod/GET/pets/*"`
		allow     = `{"Effect":"Allow"` + statement + `}`
		deny      = `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny"` + statement + `}`
		silent    = `{"Effect":"Allow"` + statement + `,"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`
		anonymous = `{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:api1/prod/GET/pets/7`
		loudly    = anonymous + ` with an explicit deny"}`
		quietly   = anonymous + `"}`
	)
	for _, c := range []struct {
		kind, policy, authorizer string
		status                   int
		body                     string
		calls                    int32
	}{
		{"NONE", allow, "", 200, "|||", 0},
		{"NONE", deny, "", 403, loudly, 0},
		{"NONE", silent, "", 403, quietly, 0},
		{"CUSTOM", allow, "Allow", 200, goodAnswer, 1},
		{"CUSTOM", allow, "Deny", 403, deniedLoudly, 1},
		{"CUSTOM", allow, "Silent", 200, goodAnswer, 1},
		{"CUSTOM", deny, "Allow", 403, loudly, 0}, // before anybody is asked
		{"CUSTOM", silent, "Allow", 200, goodAnswer, 1},
		{"CUSTOM", silent, "Deny", 403, deniedLoudly, 1},
		{"CUSTOM", silent, "Silent", 403, denied, 1},
		{"AWS_IAM", allow, "", 200, root, 0},
		{"AWS_IAM", silent, "", 200, root, 0},
		{"AWS_IAM", deny, "", 403, strings.Replace(loudly, "anonymous", "arn:aws:iam::123456789012:root", 1), 0},
	} {
		def := tokenAuthorizer(0)
		if c.kind != "CUSTOM" {
			def = nil
		}
		w := newWorld(t, Options{}, c.kind, def)
		w.policy(c.policy)
		w.function = func(map[string]any) (string, bool) {
			if c.authorizer == "Silent" {
				return allows("Allow", "arn:aws:execute-api:*:*:other/*", ""), false
			}
			return allows(c.authorizer, "*", ""), false
		}
		r := w.request("GET", "/prod/pets/7", "", "X-Token", "t")
		errorType := ""
		if c.status == 403 {
			errorType = "AccessDeniedException"
		}
		if c.kind == "AWS_IAM" {
			r = sign(t, r, "anybody", "execute-api", "")
		}
		name := c.kind + " " + c.policy + " " + c.authorizer
		w.wantOf(name, r, c.status, c.body, errorType)
		w.wantCalls(name, c.calls)
	}
}

func TestConditionKeys(t *testing.T) {
	for condition, want := range map[string]int{
		`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`:                                        200,
		`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`:                                     403,
		`"StringLike":{"aws:UserAgent":"curl/*"}`:                                              200,
		`"StringEquals":{"aws:Referer":"http://example.com/"}`:                                 200,
		`"Bool":{"aws:SecureTransport":"true"}`:                                                403,
		`"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}`:                         200,
		`"NumericLessThan":{"aws:EpochTime":"1000"}`:                                           403,
		`"StringEquals":{"aws:SourceVpc":"vpc-1"}`:                                             403,
		`"StringNotEquals":{"aws:SourceVpc":"vpc-1"}`:                                          200,
		`"StringEquals":{"aws:PrincipalAccount":"123456789012","aws:PrincipalType":"Account"}`: 200,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"}`:                                 200,
		`"StringEquals":{"aws:userid":"123456789012"}`:                                         200,
		`"Null":{"aws:username":"false"}`:                                                      403,
	} {
		w := newWorld(t, Options{}, "AWS_IAM", nil)
		w.identity.Account = "123456789012"
		// The caller's own permissions would let it pass: what the condition spares is denied.
		w.policy(`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{` + condition + `}}`)
		r := w.request("GET", "/prod/pets/7", "", "User-Agent", "curl/8", "Referer", "http://example.com/")
		status := 200 + 403 - want
		if got := w.send(sign(t, r, "anybody", "execute-api", "")); got.Code != status {
			t.Errorf("%s: %d %s", condition, got.Code, got.Body)
		}
	}
}

func TestPolicyThatDoesNotParse(t *testing.T) {
	w := newWorld(t, Options{}, "NONE", nil)
	w.policy(`{"Effect":"Allow","Action":"*","Resource":"*"}`) // no principal
	w.want("a policy that cannot be enforced", 500, `{"message":"Internal server error"}`, "InternalServerErrorException")
}
