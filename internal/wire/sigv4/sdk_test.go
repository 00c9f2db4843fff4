package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var sdkCredentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secrets["AKIDEXAMPLE"]}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// verifyingServer verifies what arrives over a real connection and echoes the body.
func verifyingServer(t *testing.T, v *Verifier) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Verify(r, "")
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r.Body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server
}

// What the SDK signs must verify when it has come over the wire.
func TestSDKSigner(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	server := verifyingServer(t, verifierAt(now.Format(timeFormat)))
	for _, c := range []struct {
		name, service, method, path, body string
		header                            http.Header
		payload                           string // X-Amz-Content-Sha256 to send; empty is none
	}{
		{name: "json", service: "sqs", method: "POST", path: "/", body: `{"QueueName":"q"}`, header: http.Header{"X-Amz-Target": {"AmazonSQS.CreateQueue"}, "Content-Type": {"application/x-amz-json-1.0"}}},
		{name: "no body", service: "lambda", method: "GET", path: "/2015-03-31/functions/f?Qualifier=%24LATEST"},
		{name: "arn in path", service: "lambda", method: "POST", path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations", body: "{}"},
		{name: "dots and slashes", service: "apigateway", method: "GET", path: "/a//b/../c/./d/"},
		{name: "query", service: "apigateway", method: "GET", path: "/restapis?b=2&a=1&a=%20x&c&d=%C3%A9%2B"},
		{name: "header spaces", service: "lambda", method: "GET", path: "/", header: http.Header{"X-Thing": {"  a   b  "}, "X-Many": {"1", "2"}}},
		{name: "s3 key", service: "s3", method: "PUT", path: "/bucket/a%20b%2Bc/%C3%A9//../x", body: "data", payload: hashOf("data")},
		{name: "s3 unsigned payload", service: "s3", method: "PUT", path: "/bucket/key", body: "data", payload: UnsignedPayload},
		{name: "lambda with the hash", service: "lambda", method: "POST", path: "/2015-03-31/functions", body: "{}", payload: hashOf("{}")},
		{name: "large body", service: "lambda", method: "POST", path: "/2015-03-31/functions", body: strings.Repeat("x", 1<<20)},
	} {
		for _, token := range []string{"", "session/token+=="} {
			t.Run(c.name+" "+token, func(t *testing.T) {
				r, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				for k, vs := range c.header {
					r.Header[k] = vs
				}
				payload := c.payload
				if payload == "" {
					payload = hashOf(c.body)
				} else {
					r.Header.Set("X-Amz-Content-Sha256", payload)
				}
				credentials := sdkCredentials
				credentials.SessionToken = token
				s3 := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" }
				if err := v4.NewSigner(s3).SignHTTP(context.Background(), credentials, r, payload, c.service, "eu-west-1", now); err != nil {
					t.Fatal(err)
				}
				answer, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				body, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Fatal(err)
				}
				// The verifier knows the key without a session token only.
				if token != "" {
					if answer.StatusCode != 403 || !strings.Contains(string(body), "security token") {
						t.Errorf("with a wrong session token: %d %s", answer.StatusCode, body)
					}
				} else if answer.StatusCode != 200 || string(body) != c.body {
					t.Errorf("%d %.300s", answer.StatusCode, body)
				}
			})
		}
	}
}

func TestSDKPresigner(t *testing.T) {
	signed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, service, url, payload string
		at                          time.Duration
		reason                      Reason
		ok                          bool
	}{
		{name: "s3", service: "s3", url: "http://localhost:4566/bucket/a%20b?X-Amz-Expires=60", payload: UnsignedPayload, at: 59 * time.Second, ok: true},
		{name: "s3 over", service: "s3", url: "http://localhost:4566/bucket/key?X-Amz-Expires=60", payload: UnsignedPayload, at: time.Minute, reason: PresignedExpired},
		{name: "s3 at once", service: "s3", url: "http://localhost:4566/bucket/key?X-Amz-Expires=0", payload: UnsignedPayload, at: 0, reason: PresignedExpired},
		{name: "s3 long", service: "s3", url: "http://localhost:4566/bucket/key?X-Amz-Expires=604800", payload: UnsignedPayload, at: 7*24*time.Hour - 1, ok: true},
		{name: "s3 too long", service: "s3", url: "http://localhost:4566/bucket/key?X-Amz-Expires=604801", payload: UnsignedPayload, reason: IncompleteQuery},
		{name: "early", service: "s3", url: "http://localhost:4566/bucket/key?X-Amz-Expires=60", payload: UnsignedPayload, at: -16 * time.Minute, reason: Skewed},
		{name: "sts", service: "sts", url: "http://localhost:4566/?Action=GetCallerIdentity&Version=2011-06-15", payload: hashOf(""), at: 14 * time.Minute, ok: true},
		{name: "sts late", service: "sts", url: "http://localhost:4566/?Action=GetCallerIdentity&Version=2011-06-15", payload: hashOf(""), at: 16 * time.Minute, reason: Skewed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.url, nil)
			s3 := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" }
			credentials := sdkCredentials
			credentials.SessionToken = "a/b+c=="
			signedURL, header, err := v4.NewSigner(s3).PresignHTTP(context.Background(), credentials, r, c.payload, c.service, "eu-west-1", signed)
			if err != nil {
				t.Fatal(err)
			}
			r = httptest.NewRequest("GET", signedURL, nil)
			for k, vs := range header {
				if k != "Host" {
					r.Header[k] = vs
				}
			}
			v := verifierAt(signed.Add(c.at).Format(timeFormat))
			v.Now = func() time.Time { return signed.Add(c.at) }
			v.Lookup = func(context.Context, string) (Credential, error) {
				return Credential{SecretKey: sdkCredentials.SecretAccessKey, SessionToken: "a/b+c=="}, nil
			}
			got, err := v.Verify(r, c.service)
			if c.ok {
				if err != nil || !got.Presigned {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Reason != c.reason {
				t.Errorf("%v, want reason %d", err, c.reason)
			}
		})
	}
}

// A body that is not the one that was signed must never be read to its end.
func TestBodyMismatch(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		body   string
		length int64
	}{{"evil", 4}, {"evil", -1}, {"", 0}, {"", -1}} {
		r := httptest.NewRequest("POST", "http://localhost:4566/2015-03-31/functions", nil)
		r.Header.Set("X-Amz-Content-Sha256", hashOf("good"))
		if err := v4.NewSigner().SignHTTP(context.Background(), sdkCredentials, r, hashOf("good"), "lambda", "us-east-1", now); err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(strings.NewReader(c.body))
		r.ContentLength = c.length
		_, err := verifierAt(now.Format(timeFormat)).Verify(r, "")
		if err == nil {
			var got []byte
			got, err = io.ReadAll(r.Body)
			if c.length > 0 && len(got) > 0 {
				t.Errorf("%+v: the last bytes of a wrong body were given out", c)
			}
			if _, again := r.Body.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("%+v: reading on gives %v after %v", c, again, err)
			}
		}
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Reason != PayloadMismatch {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// FuzzSigned signs whatever comes and wants it verified, and refused when the
// path's last byte has changed.
func FuzzSigned(f *testing.F) {
	f.Add("/2015-03-31/functions/f", "v a l", "x", "body", false)
	f.Add("/a%2Fb/../é", "\t", "&=+%", "", true)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	verifier := verifierAt(now.Format(timeFormat))
	f.Fuzz(func(t *testing.T, path, header, parameter, body string, s3 bool) {
		r, err := http.NewRequest("PUT", "http://localhost:4566/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path = "/" + path
		q := r.URL.Query()
		q.Set("p", parameter)
		r.URL.RawQuery = q.Encode()
		if !validHeader(header) {
			return
		}
		r.Header.Set("X-Amz-Meta-Thing", header)
		service := "lambda"
		if s3 {
			service = "s3"
			r.Header.Set("X-Amz-Content-Sha256", hashOf(body))
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s3 })
		if err := signer.SignHTTP(context.Background(), sdkCredentials, r, hashOf(body), service, "us-east-1", now); err != nil {
			t.Fatal(err)
		}
		var wire bytes.Buffer
		if err := r.Write(&wire); err != nil {
			return
		}
		verify := func(text string) error {
			got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
			if err != nil {
				return err
			}
			if _, err := verifier.Verify(got, service); err != nil {
				return err
			}
			read, err := io.ReadAll(got.Body)
			if err == nil && string(read) != body {
				t.Errorf("body %q became %q", body, read)
			}
			return err
		}
		text := wire.String()
		if err := verify(text); err != nil {
			t.Errorf("not verified: %v\n%s", err, text)
		}
		if err := verify(strings.Replace(text, "PUT /", "PUT /x", 1)); err == nil {
			t.Errorf("another path verified:\n%s", text)
		}
	})
}

func validHeader(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] > '~' {
			return false
		}
	}
	return true
}
