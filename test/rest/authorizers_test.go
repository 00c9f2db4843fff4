package rest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

const (
	userPool       = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_local"
	userPoolIssuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_local"
)

// token signs claims as Cognito does.
func token(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": userPoolIssuer, "sub": "me", "exp": time.Date(2100, 6, 1, 0, 0, 0, 0, time.UTC).Unix(), "iat": time.Now().Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil)
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

// What boto3 guards is called with and without leave. The daemon has access keys,
// and an issuer on this machine.
func TestAuthorizersByBoto3(t *testing.T) {
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	need.Program(t, "node")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "one", Algorithm: "RS256", Use: "sig"}}}
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(issuer.Close)
	d := daemon.Own(t, "--access-key", "AKIDTEST=secret", "--issuer", userPool+"="+issuer.URL)
	id := map[string]any{"token_use": "id", "aud": "client", "cognito:groups": []string{"a", "b"}}
	expired := maps.Clone(id)
	expired["exp"] = time.Now().Add(-time.Minute).Unix()
	cmd := exec.CommandContext(sdk.Context(t), python, filepath.Join(root, "test", "rest", "authorizers.py"))
	cmd.Env = d.Env("AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=secret", "POOL="+userPool,
		"ID_TOKEN="+token(t, key, id), "EXPIRED_TOKEN="+token(t, key, expired), "FORGED_TOKEN="+token(t, thief, id),
		"ACCESS_TOKEN="+token(t, key, map[string]any{"token_use": "access", "client_id": "client", "scope": "pets/read openid"}))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "ok\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}
