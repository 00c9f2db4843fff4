package sigv4

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// secrets are the well-known example keys of AWS's documentation.
var secrets = map[string]string{
	"AKIDEXAMPLE":          "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

func verifierAt(now string) *Verifier {
	at, err := time.Parse(timeFormat, now)
	if err != nil {
		panic(err)
	}
	return &Verifier{
		MaxBody: 1 << 20,
		Now:     func() time.Time { return at },
		Lookup: func(_ context.Context, key string) (Credential, error) {
			secret, ok := secrets[key]
			if !ok {
				return Credential{}, ErrUnknownKey
			}
			return Credential{SecretKey: secret, Account: "123456789012"}, nil
		},
	}
}

// request reads a request as a server does.
func request(t testing.TB, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The requests and signatures of AWS's published test suite and of the
// examples in the IAM and S3 guides.
var vectors = []struct{ name, now, text, payload string }{
	{"get-vanilla", "20150830T123600Z", `GET / HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
`, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"get-vanilla-query-order-key-case", "20150830T123600Z", `GET /?Param2=value2&Param1=value1 HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500
`, ""},
	{"post-vanilla", "20150830T123600Z", `POST / HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b
`, ""},
	{"post-x-www-form-urlencoded", "20150830T123600Z", `POST / HTTP/1.1
Host: example.amazonaws.com
Content-Type: application/x-www-form-urlencoded
Content-Length: 13
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a

Param1=value1`, ""},
	{"get-slash-dot-slash", "20150830T123600Z", `GET /./ HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
`, ""},
	{"get-relative-relative", "20150830T123600Z", `GET /example1/example2/../.. HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
`, ""},
	{"IAM ListUsers", "20150830T123600Z", `GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1
Host: iam.amazonaws.com
Content-Type: application/x-www-form-urlencoded; charset=utf-8
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7
`, ""},
	{"S3 GetObject", "20130524T000000Z", `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Range: bytes=0-9
X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
X-Amz-Date: 20130524T000000Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
`, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"S3 PutObject", "20130524T000000Z", `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
Content-Length: 21
X-Amz-Date: 20130524T000000Z
X-Amz-Storage-Class: REDUCED_REDUNDANCY
X-Amz-Content-Sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd

Welcome to Amazon S3.`, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
	{"S3 GetBucketLifecycle", "20130524T000000Z", `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
X-Amz-Date: 20130524T000000Z
X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543
`, ""},
	{"S3 presigned", "20130524T120000Z", `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com
`, UnsignedPayload},
	{"S3 streaming seed", "20130524T000000Z", `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
X-Amz-Date: 20130524T000000Z
X-Amz-Storage-Class: REDUCED_REDUNDANCY
X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
X-Amz-Decoded-Content-Length: 66560
Content-Length: 66824
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
`, StreamingPayload},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			r := request(t, v.text)
			got, err := verifierAt(v.now).Verify(r, "")
			if err != nil {
				t.Fatal(err)
			}
			if v.payload != "" && got.Payload != v.payload {
				t.Errorf("payload %q, want %q", got.Payload, v.payload)
			}
			if got.Account != "123456789012" || got.Presigned != strings.Contains(v.name, "presigned") {
				t.Errorf("verified as %+v", got)
			}
			if strings.HasPrefix(got.Payload, "STREAMING") {
				return // the vector has no body
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Errorf("body: %v", err)
			}
		})
	}
}

// Any change to what is signed must break the signature.
func TestVectorsTampered(t *testing.T) {
	changes := map[string]func(*http.Request){
		"method":    func(r *http.Request) { r.Method = "DELETE" },
		"path":      func(r *http.Request) { r.URL.Path += "x" },
		"parameter": func(r *http.Request) { r.URL.RawQuery += "&extra=1" },
		"host":      func(r *http.Request) { r.Host = "other.amazonaws.com" },
		"target":    func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.DeleteQueue") },
		"token":     func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") },
	}
	for _, v := range vectors {
		for name, change := range changes {
			t.Run(v.name+"/"+name, func(t *testing.T) {
				r := request(t, v.text)
				change(r)
				var refusal *Error
				if _, err := verifierAt(v.now).Verify(r, ""); !errors.As(err, &refusal) {
					t.Errorf("verified, or failed otherwise: %v", err)
				}
			})
		}
	}
}
