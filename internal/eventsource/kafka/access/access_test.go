package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/test/need"
)

// secrets are named by their ARN.
type secrets map[string]any

func (s secrets) Secret(_ context.Context, account, region, arn string) (string, error) {
	v, ok := s[arn]
	if !ok || account != "123456789012" || region != "eu-west-1" {
		return "", eventsource.ErrNoSecret
	}
	if text, ok := v.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func load(s secrets, list ...eventsource.Access) (*Credentials, error) {
	return Load(context.Background(), s, "123456789012", "eu-west-1", list)
}

// pair makes a self-signed certificate and its key, both PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestLoad(t *testing.T) {
	cert, key := pair(t)
	s := secrets{
		"user":  map[string]string{"username": "u", "password": "p"},
		"cert":  map[string]string{"certificate": cert, "privateKey": key},
		"ca":    map[string]string{"certificate": cert},
		"empty": map[string]string{"username": "u"},
		"text":  "hunter2",
	}
	for _, login := range []string{Plain, SCRAM256, SCRAM512} {
		c, err := load(s, eventsource.Access{Type: login, URI: "user"}, eventsource.Access{Type: RootCA, URI: "ca"},
			eventsource.Access{Type: Subnet, URI: "subnet:subnet-1"}, eventsource.Access{Type: SecurityGroup, URI: "security_group:sg-1"})
		if err != nil || c.Login != login || c.Username != "u" || c.Password != "p" || c.Roots == nil || !c.Encrypted() {
			t.Errorf("%s: %+v, %v", login, c, err)
		}
	}
	if c, err := load(s); err != nil || c.Login != "" || c.Encrypted() {
		t.Errorf("no access: %+v, %v", c, err)
	}
	if c, err := load(s, eventsource.Access{Type: Certificate, URI: "cert"}); err != nil || len(c.TLS().Certificates) != 1 {
		t.Errorf("certificate: %+v, %v", c, err)
	}
	for want, list := range map[string][]eventsource.Access{
		"no such secret":                 {{Type: Plain, URI: "unknown"}},
		"no username or no password":     {{Type: Plain, URI: "empty"}},
		"is no JSON object":              {{Type: Plain, URI: "text"}},
		"provided certificate is":        {{Type: RootCA, URI: "user"}},
		"certificate or private key is ": {{Type: Certificate, URI: "ca"}},
		"only one way of logging in":     {{Type: Plain, URI: "user"}, {Type: SCRAM256, URI: "user"}},
		"no access of type VIRTUAL_HOST": {{Type: "VIRTUAL_HOST", URI: "/"}},
	} {
		_, err := load(s, list...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", list, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// TestEncryptedKeys reads keys that openssl has encrypted, in every way that it
// has and we know.
func TestEncryptedKeys(t *testing.T) {
	openssl := need.Program(t, "openssl")
	cert, key := pair(t)
	plain := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(plain, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	ways := [][]string{
		{"-v1", "PBE-MD5-DES"}, {"-v1", "PBE-SHA1-DES"}, {"-v1", "PBE-SHA1-3DES"},
		{"-v2", "aes-128-cbc"}, {"-v2", "aes-192-cbc"}, {"-v2", "aes-256-cbc"}, {"-v2", "des3"},
		{"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"}, {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"},
	}
	for _, way := range ways {
		for _, password := range []string{"testpassword", "pä€s𝄞"} {
			t.Run(fmt.Sprint(way, password), func(t *testing.T) {
				args := append([]string{"pkcs8", "-topk8", "-in", plain, "-passout", "pass:" + password, "-provider", "legacy", "-provider", "default"}, way...)
				out, err := exec.Command(openssl, args...).CombinedOutput()
				if err != nil {
					t.Fatalf("openssl %v: %v\n%s", args, err, out)
				}
				s := secrets{
					"right": map[string]string{"certificate": cert, "privateKey": string(out), "privateKeyPassword": password},
					"wrong": map[string]string{"certificate": cert, "privateKey": string(out), "privateKeyPassword": "guess"},
					"none":  map[string]string{"certificate": cert, "privateKey": string(out)},
				}
				if _, err := load(s, eventsource.Access{Type: Certificate, URI: "right"}); err != nil {
					t.Error(err)
				}
				for _, name := range []string{"wrong", "none"} {
					if _, err := load(s, eventsource.Access{Type: Certificate, URI: name}); err == nil {
						t.Errorf("the key decrypts with %s password", name)
					}
				}
			})
		}
	}
}

// FuzzDecryptPKCS8 looks for input that ends the process.
func FuzzDecryptPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := decryptPKCS8(der, "x"); err == nil {
			t.Skip()
		}
	})
}
