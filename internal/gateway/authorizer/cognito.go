package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/go-jose/go-jose/v4"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
)

// algorithms are those that a token may be signed with: Cognito's, and the others
// with public keys that issuers use. The key says which of them fit it.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// cognito is a COGNITO_USER_POOLS authorizer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
type cognito struct {
	def    *restapi.Authorizer
	source source
	// audience is what an ID token's aud must match; nil: any will do.
	audience *regexp2.Regexp
	pools    []*pool
	tokens   *cache[*token]
}

// pool is who issues tokens.
type pool struct {
	issuer string
	keys   *keySet
}

func newCognito(owner *Authorizers, def *restapi.Authorizer) (*cognito, error) {
	c := &cognito{def: def, tokens: newCache[*token]()}
	text := def.IdentitySource
	if text == "" {
		text = "method.request.header.Authorization"
	}
	sources, err := parseSources(text)
	if err != nil {
		return nil, err
	}
	if len(sources) != 1 {
		return nil, errors.New("a COGNITO_USER_POOLS authorizer has one identity source")
	}
	c.source = sources[0]
	if c.audience, err = newExpression(def.ValidationExpression); err != nil {
		return nil, err
	}
	for _, provider := range def.ProviderARNs {
		p, err := owner.newPool(provider)
		if err != nil {
			return nil, err
		}
		c.pools = append(c.pools, p)
	}
	if len(c.pools) == 0 {
		return nil, errors.New("the authorizer names no user pool")
	}
	return c, nil
}

// newPool finds a pool's keys. Authorizers that name the same pool share them.
func (a *Authorizers) newPool(provider string) (*pool, error) {
	of, err := arn.Parse(provider)
	if err != nil {
		return nil, err
	}
	id, ok := strings.CutPrefix(of.Resource, "userpool/")
	if !ok || !plainName(of.Region) || !plainName(id) { // a URL is made of them
		return nil, fmt.Errorf("%s is not a user pool's ARN", provider)
	}
	domain := "amazonaws.com"
	if of.Partition == "aws-cn" {
		domain += ".cn"
	}
	p := &pool{issuer: "https://cognito-idp." + of.Region + "." + domain + "/" + id}
	url := a.Issuers[provider]
	if url == "" {
		url = a.Issuers[p.issuer]
	}
	if url == "" {
		url = p.issuer + "/.well-known/jwks.json"
	}
	found, ok := a.keys.Load(url)
	if !ok {
		found, _ = a.keys.LoadOrStore(url, newKeySet(url, a.Client))
	}
	p.keys = found.(*keySet)
	return p, nil
}

// plainName reports whether a text has letters, digits, hyphens and underscores
// only.
func plainName(text string) bool {
	return text != "" && strings.IndexFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) < 0
}

// token is a token whose signature and issuer are good. It is immutable.
type token struct {
	claims   map[string]string
	audience []string
	use      string // "id" or "access"; empty: the issuer does not say
	scopes   []string
	begins   time.Time // zero: at once
	ends     time.Time
}

// tokenTTL is the longest time after which a token's signature is verified again,
// so that a key that is withdrawn is not good for much longer.
const tokenTTL = 5 * time.Minute

// Authorize implements rest.Authorizer.
func (c *cognito) Authorize(ctx context.Context, r *rest.Request) (*rest.Decision, *rest.Failure) {
	text, f := c.token(r)
	if f != nil {
		return nil, f
	}
	t, _, f := c.tokens.get(ctx, key{identity: text}, func(ctx context.Context) (loaded[*token], *rest.Failure) {
		t, f := c.verify(ctx, text)
		if f != nil {
			return loaded[*token]{}, f
		}
		return loaded[*token]{t, 3 * len(text), time.Now().Add(tokenTTL)}, nil
	})
	if f != nil {
		return nil, f
	}
	return c.decide(r, t)
}

func (c *cognito) test(ctx context.Context, r *rest.Request) (*rest.Decision, string, *rest.Failure) {
	text, f := c.token(r)
	if f != nil {
		return nil, "", f
	}
	t, f := c.verify(ctx, text)
	if f != nil {
		return nil, "", f
	}
	d, f := c.decide(r, t)
	return d, "", f
}

func (c *cognito) token(r *rest.Request) (string, *rest.Failure) {
	r.Log("Starting authorizer: %s for request: %s", c.def.ID, r.ID)
	text := strings.TrimSpace(c.source.one(r))
	if scheme, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return "", unauthorized("Unauthorized request: " + r.ID + " (there is no token)")
	}
	if len(text) > maxToken {
		return "", unauthorized("Unauthorized request: " + r.ID + " (the token is too long)")
	}
	return text, nil
}

// verify checks what does not change with time: who issued the token, and that
// nobody else did.
func (c *cognito) verify(ctx context.Context, text string) (*token, *rest.Failure) {
	signed, err := jose.ParseSigned(text, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, unauthorized("The token is not a JSON Web Token, or signed with no algorithm that is accepted")
	}
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &claimed); err != nil || claimed.Issuer == "" {
		return nil, unauthorized("The token names no issuer")
	}
	id := signed.Signatures[0].Header.KeyID
	var unreachable error
	for _, p := range c.pools {
		k, err := p.keys.current(ctx)
		if err != nil {
			unreachable = err
			continue
		}
		issuer := p.issuer
		if k.issuer != "" {
			issuer = k.issuer
		}
		if claimed.Issuer != issuer {
			continue
		}
		if k, err = p.keys.with(ctx, id); err != nil {
			unreachable = err
			continue
		}
		key := k.find(id)
		if key == nil || key.Algorithm != "" && key.Algorithm != signed.Signatures[0].Header.Algorithm {
			return nil, unauthorized("The token's issuer has no such key")
		}
		payload, err := signed.Verify(key)
		if err != nil {
			return nil, unauthorized("The token's signature is not good")
		}
		t, err := parseToken(payload)
		if err != nil {
			return nil, unauthorized("The token's claims: " + err.Error())
		}
		return t, nil
	}
	if unreachable != nil {
		return nil, failed(rest.TypeAuthorizerConfiguration, "Execution failed due to configuration error: the issuer's keys cannot be had: "+unreachable.Error())
	}
	return nil, unauthorized("The token is of another issuer: " + claimed.Issuer)
}

// decide checks what is about this very moment and method.
func (c *cognito) decide(r *rest.Request, t *token) (*rest.Decision, *rest.Failure) {
	now := time.Now()
	wanted := r.Method.AuthorizationScopes
	// Without scopes the token is an ID token, with them an access token. Issuers
	// other than Cognito do not say which it is.
	use := "id"
	if len(wanted) > 0 {
		use = "access"
	}
	switch {
	case !now.Before(t.ends):
		return nil, &rest.Failure{Type: rest.TypeUnauthorized, Message: "The incoming token has expired", Detail: "Unauthorized request: " + r.ID + " (the token has expired)"}
	case now.Before(t.begins):
		return nil, unauthorized("Unauthorized request: " + r.ID + " (the token is not valid yet)")
	case t.use != "" && t.use != use:
		return nil, unauthorized("Unauthorized request: " + r.ID + " (the method wants an " + use + " token, and this is an " + t.use + " token)")
	case len(t.audience) == 0:
		return nil, unauthorized("Unauthorized request: " + r.ID + " (the token is for no client)")
	case c.audience != nil && !slices.ContainsFunc(t.audience, func(a string) bool { return matches(c.audience, a) }):
		return nil, unauthorized("Unauthorized request: " + r.ID + " (the token is for another client)")
	case len(wanted) > 0 && !slices.ContainsFunc(wanted, func(s string) bool { return slices.Contains(t.scopes, s) }):
		return nil, unauthorized("Unauthorized request: " + r.ID + " (the token has none of the method's scopes)")
	}
	return &rest.Decision{Claims: t.claims, Status: 200}, nil
}
