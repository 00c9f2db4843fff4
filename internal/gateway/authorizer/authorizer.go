// Package authorizer decides who may call the methods of REST APIs: Lambda
// authorizers, Amazon Cognito user pools (and any issuer of JSON Web Tokens),
// AWS_IAM signatures, and resource policies beside them.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-to-api.html
package authorizer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// Options are what Authorizers are made of.
type Options struct {
	Functions rest.Functions
	Invoker   function.Invoker
	// Issuers says where the keys of user pools are: by the pool's ARN, or by its
	// issuer (https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example), the
	// URL of a JSON Web Key Set, or of an OpenID configuration, which then says the
	// issuer too. Pools that are not in it have AWS's own URL.
	Issuers map[string]string
	// Lookup finds an access key (see sigv4.Verifier); nil: signatures must be there
	// and well formed, and are not verified.
	Lookup func(ctx context.Context, accessKey string) (sigv4.Credential, error)
	Client *http.Client // fetches keys; nil: one of its own
	Logger *slog.Logger // nil: slog.Default()
}

// Authorizers readies authorizers and resource policies for the gateway. It is
// safe for concurrent use.
type Authorizers struct {
	Options
	keys sync.Map // URL to *keySet
	iam  *iam
}

var _ rest.Authorizers = (*Authorizers)(nil)

// fetchTimeout is how long keys may take to be fetched.
const fetchTimeout = 5 * time.Second

// New makes Authorizers, or says what is wrong with the options.
func New(o Options) (*Authorizers, error) {
	for name, text := range o.Issuers {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("authorizer: the issuer %s: %q is not an HTTP URL", name, text)
		}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &Authorizers{Options: o}
	a.iam = newIAM(a)
	return a, nil
}

// Compile implements rest.Authorizers.
func (a *Authorizers) Compile(def *restapi.Authorizer) (rest.Authorizer, error) {
	return a.compile(def)
}

// compile returns what can also be tested.
func (a *Authorizers) compile(def *restapi.Authorizer) (tested, error) {
	if def == nil {
		return a.iam, nil
	}
	switch def.Type {
	case "TOKEN", "REQUEST":
		return newLambda(a, def)
	case "COGNITO_USER_POOLS":
		return newCognito(a, def)
	}
	return nil, fmt.Errorf("there are no authorizers of type %q", def.Type)
}

// tested is an authorizer that TestInvokeAuthorizer may ask.
type tested interface {
	rest.Authorizer
	// test is Authorize without a cache; policy is what the authorizer answered
	// with, as JSON.
	test(ctx context.Context, r *rest.Request) (d *rest.Decision, policy string, f *rest.Failure)
}

// unauthorized is what callers get who show nothing, or nothing good.
func unauthorized(detail string) *rest.Failure {
	return &rest.Failure{Type: rest.TypeUnauthorized, Detail: detail}
}

// failed is what callers get where the authorizer cannot be asked.
func failed(kind, detail string) *rest.Failure {
	return &rest.Failure{Type: kind, Detail: detail}
}

var errNoIdentity = errors.New("the request lacks an identity source")
