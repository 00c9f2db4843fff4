package edge_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

func enforcing(t *testing.T) *house {
	return newHouse(t, func(o *edge.Options) {
		o.Lookup = func(_ context.Context, key string) (sigv4.Credential, error) {
			switch key {
			case "AKIDADMIN", "555555555555":
				return sigv4.Credential{SecretKey: "secret", Account: "222233334444"}, nil
			case "AKIDBROKEN":
				return sigv4.Credential{}, errors.New("disk on fire")
			}
			return sigv4.Credential{}, sigv4.ErrUnknownKey
		}
	})
}

func sign(t *testing.T, r *http.Request, body, service, key, secret string) *http.Request {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	r.URL.Host = r.Host
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), service, "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEnforcement(t *testing.T) {
	h := enforcing(t)
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, target, code string
		status             int
		r                  *http.Request
	}{
		{name: "signed", target: "sqs", r: sign(t, req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"), "{}", "sqs", "AKIDADMIN", "secret")},
		{name: "query", target: "iam", r: sign(t, req("POST", "http://localhost:4566/", "Action=ListUsers&Version=2010-05-08", "Content-Type", form), "Action=ListUsers&Version=2010-05-08", "iam", "AKIDADMIN", "secret")},
		{name: "key of another account's number", target: "sqs", r: sign(t, req("POST", "http://localhost:4566/", "{}"), "{}", "sqs", "555555555555", "secret")},
		{name: "bucket host", target: "s3", r: sign(t, req("GET", "http://b.s3.localhost:4566/a%2Bb/c", ""), "", "s3", "AKIDADMIN", "secret")},
		{name: "operation without authentication", target: "sts", r: req("POST", "http://localhost:4566/", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "Content-Type", form)},
		{name: "gateway", target: "gateway", r: req("GET", "http://a1.execute-api.us-east-1.localhost:4566/", "")},

		{name: "unsigned action before one that needs no signature", status: 403, code: "MissingAuthenticationToken", r: req("POST", "http://sts.localhost:4566/?%41ction=AssumeRole&Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "")},
		{name: "the same in a form", status: 403, code: "MissingAuthenticationToken", r: req("POST", "http://sts.localhost:4566/", "%41ction=AssumeRole&Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "Content-Type", form)},
		{name: "unsigned json", status: 400, code: "MissingAuthenticationTokenException", r: req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage")},
		{name: "unsigned rest", status: 403, code: "MissingAuthenticationTokenException", r: req("GET", "http://localhost:4566/2015-03-31/functions/f", "")},
		{name: "unsigned query", status: 403, code: "<Code>MissingAuthenticationToken</Code>", r: req("POST", "http://localhost:4566/", "Action=GetCallerIdentity&Version=2011-06-15", "Content-Type", form)},
		{name: "unsigned s3", status: 403, code: "<Error><Code>AccessDenied</Code>", r: req("GET", "http://localhost:4566/bucket", "")},
		// 0x78, 0x23 is CBOR for a text of 35 bytes.
		{name: "unsigned cbor", status: 400, code: "\x78\x23MissingAuthenticationTokenException", r: req("POST", "http://localhost:4566/service/GraniteServiceVersion20100801/operation/PutMetricData", "", "Smithy-Protocol", "rpc-v2-cbor")},
		{name: "wrong secret", status: 400, code: "InvalidSignatureException", r: sign(t, req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"), "{}", "sqs", "AKIDADMIN", "guess")},
		{name: "wrong key", status: 403, code: "UnrecognizedClientException", r: sign(t, req("GET", "http://localhost:4566/2015-03-31/functions/f", ""), "", "lambda", "000000000000", "test")},
		{name: "another body", status: 403, code: "SignatureDoesNotMatch", r: sign(t, req("POST", "http://localhost:4566/", "Action=ListUsers&Version=2010-05-08", "Content-Type", form), "Action=GetCallerIdentity", "iam", "AKIDADMIN", "secret")},
		{name: "lookup fails", status: 500, code: "InternalFailure", r: sign(t, req("GET", "http://localhost:4566/2015-03-31/functions/f", ""), "", "lambda", "AKIDBROKEN", "secret")},
		{name: "signed for another service than the target's", status: 501, code: "NotImplementedException", r: sign(t, req("POST", "http://localhost:4566/", "{}", "X-Amz-Target", "AmazonSQS.SendMessage"), "{}", "dynamodb", "AKIDADMIN", "secret")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := h.do(c.r)
			if c.status == 0 {
				if h.got == nil || h.got.target != c.target {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if c.r.Header.Get("Authorization") != "" && (h.got.id.Account != "222233334444" || h.got.id.Region != "eu-west-1") {
					t.Errorf("identity %+v", h.got.id)
				}
				return
			}
			if h.got != nil || w.Code != c.status || !strings.Contains(w.Body.String(), c.code) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "fire") {
				t.Error("the cause went to the client")
			}
		})
	}
	if !strings.Contains(h.logs.String(), "disk on fire") {
		t.Error("the cause is not in the log")
	}
}

// Of two credentials in one header the verifier takes the last: the identity must
// be that one's, not the first one's.
func TestEnforcedIdentity(t *testing.T) {
	h := newHouse(t, func(o *edge.Options) {
		o.Lookup = func(_ context.Context, key string) (sigv4.Credential, error) {
			if key == "AKIDADMIN" {
				return sigv4.Credential{SecretKey: "secret"}, nil
			}
			return sigv4.Credential{}, sigv4.ErrUnknownKey
		}
	})
	r := sign(t, req("GET", "http://localhost:4566/2015-03-31/functions/f", ""), "", "lambda", "AKIDADMIN", "secret")
	header := r.Header.Get("Authorization")
	r.Header.Set("Authorization", strings.Replace(header, " Credential=", " Credential=111111111111/20260102/us-west-2/lambda/aws4_request, Credential=", 1))
	w := h.do(r)
	if h.got == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if id := h.got.id; id.Account != edge.DefaultAccount || id.Region != "eu-west-1" || id.AccessKey != "AKIDADMIN" {
		t.Errorf("identity %+v", id)
	}
}

// A presigned URL with effects cannot be forged where signatures are verified,
// even where browsers tell nothing of who asks.
func TestEnforcedPresignedAction(t *testing.T) {
	h := enforcing(t)
	sum := sha256.Sum256(nil)
	for secret, want := range map[string]int{"secret": 200, "guess": 403} {
		r := req("GET", "http://192.168.1.7:4566/?Action=CreateRole&Version=2010-05-08", "")
		r.URL.Host = r.Host
		link, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIDADMIN", SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "iam", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if w := h.do(req("GET", link, "")); w.Code != want {
			t.Errorf("signed with %q: %d %s", secret, w.Code, w.Body)
		}
	}
}
