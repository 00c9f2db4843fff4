package authorizer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/paddock-run/paddock/internal/restapi"
)

const (
	poolARN    = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_pool"
	poolIssuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
)

// keyOf makes RSA keys, which takes a while, once each.
var keyOf = func() func(id string) *rsa.PrivateKey {
	var made sync.Map
	return func(id string) *rsa.PrivateKey {
		if k, ok := made.Load(id); ok {
			return k.(*rsa.PrivateKey)
		}
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		made.Store(id, k)
		return k
	}
}()

// issuer serves keys.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched atomic.Int32
	broken  atomic.Bool
}

func newIssuer(t testing.TB, ids ...string) *issuer {
	i := &issuer{}
	i.use(ids...)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetched.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		switch {
		case i.broken.Load():
			http.Error(w, "no", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": "http://local-issuer", "jwks_uri": i.URL + "/keys"})
		default:
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) use(ids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = nil
	for _, id := range ids {
		i.keys = append(i.keys, jose.JSONWebKey{Key: &keyOf(id).PublicKey, KeyID: id, Algorithm: "RS256", Use: "sig"})
	}
}

type claims map[string]any

// issue makes a token, an ID token of the pool's where claims say nothing else.
func issue(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id string, c claims) string {
	t.Helper()
	all := claims{"iss": poolIssuer, "sub": "me", "aud": "client1", "token_use": "id", "exp": time.Now().Add(time.Hour).Unix(), "iat": 1700000000, "auth_time": 1700000000,
		"cognito:groups": []string{"a", "b"}, "email_verified": true}
	for name, value := range c {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func pooled(expression string) *restapi.Authorizer {
	return &restapi.Authorizer{ID: "auth1", Name: "a", Type: "COGNITO_USER_POOLS", ProviderARNs: []string{poolARN}, IdentitySource: "method.request.header.Authorization", ValidationExpression: expression}
}

func TestUserPool(t *testing.T) {
	at := newIssuer(t, "one", "two")
	w := newWorld(t, Options{Issuers: map[string]string{poolARN: at.URL}}, "COGNITO_USER_POOLS", pooled("client.*"))
	one := func(c claims) string { return issue(t, jose.RS256, keyOf("one"), "one", c) }
	good := one(nil)
	const me = "||me|"
	for _, c := range []struct {
		name, token string
		status      int
		body        string
	}{
		{"a good one", good, 200, me},
		{"a good one again", good, 200, me},
		{"with its scheme", "Bearer " + good, 200, me},
		{"by the other key", issue(t, jose.RS256, keyOf("two"), "two", nil), 200, me},
		{"none", "", 401, unknown},
		{"no token", "hello", 401, unknown},
		{"expired", one(claims{"exp": time.Now().Add(-time.Second).Unix()}), 401, `{"message":"The incoming token has expired"}`},
		{"never expiring", one(claims{"exp": nil}), 401, unknown},
		{"not yet", one(claims{"nbf": time.Now().Add(time.Hour).Unix()}), 401, unknown},
		{"of another issuer", one(claims{"iss": poolIssuer + "2"}), 401, unknown},
		{"of no issuer", one(claims{"iss": nil}), 401, unknown},
		{"an access token", one(claims{"token_use": "access"}), 401, unknown},
		{"for another client", one(claims{"aud": "other"}), 401, unknown},
		{"for several clients", one(claims{"aud": []string{"other", "client2"}}), 200, me},
		{"for no client", one(claims{"aud": nil}), 401, unknown},
		{"of an issuer that has no kinds", one(claims{"token_use": nil}), 200, me},
		{"signed by somebody else", issue(t, jose.RS256, keyOf("thief"), "one", nil), 401, unknown},
		{"by a key that is unknown", issue(t, jose.RS256, keyOf("thief"), "thief", nil), 401, unknown},
		{"by an algorithm that is not the key's", issue(t, jose.PS256, keyOf("one"), "one", nil), 401, unknown},
		{"by a shared secret", issue(t, jose.HS256, []byte(strings.Repeat("k", 32)), "one", nil), 401, unknown},
		{"unsigned", "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".", 401, unknown},
		{"changed", strings.Split(good, ".")[0] + "." + strings.Split(one(claims{"sub": "root"}), ".")[1] + "." + strings.Split(good, ".")[2], 401, unknown},
		{"too long", good + strings.Repeat("x", maxToken), 401, unknown},
	} {
		errorType := ""
		if c.status == 401 {
			errorType = "UnauthorizedException"
		}
		w.want(c.name, c.status, c.body, errorType, "Authorization", c.token)
	}
	if n := at.fetched.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times, though those that are unknown were asked for too soon", n)
	}
}

func TestScopes(t *testing.T) {
	at := newIssuer(t, "one")
	w := newWorld(t, Options{Issuers: map[string]string{poolIssuer: at.URL}}, "COGNITO_USER_POOLS", pooled(""))
	w.definition.Resources["pet"].Methods["GET"].AuthorizationScopes = []string{"pets/read", "pets/all"}
	one := func(c claims) string {
		c["aud"], c["client_id"] = nil, "client1"
		return issue(t, jose.RS256, keyOf("one"), "one", c)
	}
	w.want("one of the scopes", 200, "||me|", "", "Authorization", one(claims{"token_use": "access", "scope": "openid pets/all"}))
	w.want("no such scope", 401, unknown, "UnauthorizedException", "Authorization", one(claims{"token_use": "access", "scope": "openid pets"}))
	w.want("an ID token", 401, unknown, "UnauthorizedException", "Authorization", one(claims{"scope": "pets/all"}))
}

// A resource policy must allow as well.
func TestUserPoolAndResourcePolicy(t *testing.T) {
	at := newIssuer(t, "one")
	w := newWorld(t, Options{Issuers: map[string]string{poolARN: at.URL}}, "COGNITO_USER_POOLS", pooled(""))
	good := issue(t, jose.RS256, keyOf("one"), "one", nil)
	w.policy(`{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*/POST/*"}`)
	w.want("no token", 401, unknown, "UnauthorizedException")
	w.want("silent", 403, "*", "AccessDeniedException", "Authorization", good)
	w.policy(`{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"}`)
	w.want("allowed", 200, "||me|", "", "Authorization", good)
}

// An OpenID configuration says the issuer, and where the keys are.
func TestOpenIDConfiguration(t *testing.T) {
	at := newIssuer(t, "one")
	w := newWorld(t, Options{Issuers: map[string]string{poolARN: at.URL + "/.well-known/openid-configuration"}}, "COGNITO_USER_POOLS", pooled(""))
	w.want("its own issuer", 200, "||me|", "", "Authorization", issue(t, jose.RS256, keyOf("one"), "one", claims{"iss": "http://local-issuer"}))
	w.want("the pool's", 401, unknown, "UnauthorizedException", "Authorization", issue(t, jose.RS256, keyOf("one"), "one", nil))
}

func TestOtherAlgorithms(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := newIssuer(t)
	at.keys = []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "e"}, {Key: &keyOf("two").PublicKey, KeyID: "enc", Use: "enc"}}
	w := newWorld(t, Options{Issuers: map[string]string{poolARN: at.URL}}, "COGNITO_USER_POOLS", pooled(""))
	w.want("ES256", 200, "||me|", "", "Authorization", issue(t, jose.ES256, key, "e", nil))
	w.want("the only key, unnamed", 200, "||me|", "", "Authorization", issue(t, jose.ES256, key, "", nil))
	w.want("a key to encrypt with", 401, unknown, "UnauthorizedException", "Authorization", issue(t, jose.RS256, keyOf("two"), "enc", nil))
}

func TestIssuerThatIsDown(t *testing.T) {
	at := newIssuer(t, "one")
	at.broken.Store(true)
	w := newWorld(t, Options{Issuers: map[string]string{poolARN: at.URL}}, "COGNITO_USER_POOLS", pooled(""))
	good := issue(t, jose.RS256, keyOf("one"), "one", nil)
	w.want("down", 500, noMessage, "AuthorizerConfigurationException", "Authorization", good)
	w.want("still down", 500, noMessage, "AuthorizerConfigurationException", "Authorization", good)
	if n := at.fetched.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times within its pause", n)
	}
}

// Keys are fetched again for one that is unknown, at most once in a while, and
// stay where that fails.
func TestKeysAreRefreshed(t *testing.T) {
	at := newIssuer(t, "one")
	now := time.Now()
	s := newKeySet(at.URL, http.DefaultClient)
	s.now = func() time.Time { return now }
	has := func(id string) bool {
		t.Helper()
		k, err := s.with(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return k.find(id) != nil
	}
	if !has("one") || has("two") {
		t.Error("the keys are not the issuer's")
	}
	at.use("one", "two")
	if has("two") || at.fetched.Load() != 1 {
		t.Errorf("fetched %d times, the second too soon", at.fetched.Load())
	}
	if now = now.Add(keysPause); !has("two") || at.fetched.Load() != 2 {
		t.Errorf("a new key was not fetched, at the %d. time", at.fetched.Load())
	}
	at.use("two")
	if now = now.Add(keysAge); has("one") {
		t.Error("a withdrawn key is good for ever")
	}
	at.broken.Store(true)
	now = now.Add(keysAge)
	for range 2 {
		if !has("two") || at.fetched.Load() != 4 {
			t.Errorf("keys went away with their issuer, asked %d times", at.fetched.Load())
		}
	}
}

func TestClaims(t *testing.T) {
	got, err := parseToken([]byte(`{"exp":1700000000,"iat":1700000000.5,"auth_time":1700000000,"cognito:groups":["a","b"],"email_verified":true,"address":{"city":"Rome"},"nothing":null,"scope":["x","y"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"exp": "Tue Nov 14 22:13:20 UTC 2023", "iat": "Tue Nov 14 22:13:20 UTC 2023", "auth_time": "1700000000", "cognito:groups": "a,b",
		"email_verified": "true", "address": `{"city":"Rome"}`, "nothing": "",
	} {
		if got.claims[name] != want {
			t.Errorf("%s: %q, want %q", name, got.claims[name], want)
		}
	}
	if len(got.scopes) != 2 {
		t.Errorf("the scopes are %q", got.scopes)
	}
	for _, bad := range []string{`[]`, `{}`, `{"exp":"soon"}`, `{"exp":1e99}`, `{"exp":1,"nbf":"x"}`} {
		if _, err := parseToken([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	if _, err := New(Options{Issuers: map[string]string{"a": "nowhere"}}); err == nil {
		t.Error("an issuer without a URL was accepted")
	}
}

// A pool's ARN must not lead to hosts that are not AWS's.
func TestPoolsThatAreNone(t *testing.T) {
	a, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range []string{
		"arn:aws:cognito-idp:example.com/#:123456789012:userpool/x", "arn:aws:cognito-idp:us-east-1:123456789012:userpool/../x",
		"arn:aws:cognito-idp:us-east-1:123456789012:userpool/", "arn:aws:cognito-idp:us-east-1:123456789012:x", "x",
	} {
		def := pooled("")
		def.ProviderARNs = []string{provider}
		if _, err := a.Compile(def); err == nil {
			t.Errorf("%s was accepted", provider)
		}
	}
	z, err := a.Compile(pooled(""))
	if err != nil {
		t.Fatal(err)
	}
	if url := z.(*cognito).pools[0].keys.url; url != poolIssuer+"/.well-known/jwks.json" {
		t.Errorf("the keys are at %s", url)
	}
}

// FuzzClaims: claims of any form are texts, or an error.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"exp":1,"a":[{"b":[1]}],"aud":["x"]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got, err := parseToken(payload); err == nil && got.ends.IsZero() {
			t.Error("a token without an end")
		}
	})
}
