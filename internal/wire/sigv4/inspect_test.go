package sigv4

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// Where credentials are not enforced, a signature must still be one.
func TestInspect(t *testing.T) {
	const credential = "AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request"
	signature := strings.Repeat("0a", 32)
	for _, c := range []struct {
		name, header string
		extra        string
		reason       Reason
		refused      bool
	}{
		{"well formed, with a wrong signature of long ago", "AWS4-HMAC-SHA256 Credential=" + credential + ", SignedHeaders=host;x-amz-date, Signature=" + signature, "", 0, false},
		{"unsigned", "", "", Missing, true},
		{"a bearer token", "Bearer x", "", Incomplete, true},
		{"no hexadecimal", "AWS4-HMAC-SHA256 Credential=" + credential + ", SignedHeaders=host;x-amz-date, Signature=xyz", "", Mismatch, true},
		{"another service", "AWS4-HMAC-SHA256 Credential=" + strings.Replace(credential, "execute-api", "s3", 1) + ", SignedHeaders=host;x-amz-date, Signature=" + signature, "", BadScope, true},
		{"a header that is not signed", "AWS4-HMAC-SHA256 Credential=" + credential + ", SignedHeaders=host;x-amz-date, Signature=" + signature, "X-Amz-Extra", HeadersNotSigned, true},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Date", "20150830T123600Z")
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		if c.extra != "" {
			r.Header.Set(c.extra, "1")
		}
		got, err := Inspect(r, "execute-api")
		if refusal, ok := errors.AsType[*Error](err); ok != c.refused || ok && refusal.Reason != c.reason {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && got.AccessKey != "AKIDEXAMPLE" {
			t.Errorf("%s: the access key is %q", c.name, got.AccessKey)
		}
	}
}
