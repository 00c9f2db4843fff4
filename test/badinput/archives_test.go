package badinput

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// archive makes a ZIP archive of one entry beside a good one.
func archive(t *testing.T, name string, mode fs.FileMode, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, entry := range []struct {
		name    string
		mode    fs.FileMode
		content []byte
	}{{"app.py", 0o644, []byte("def handler(event, context):\n    return 1\n")}, {name, mode, content}} {
		h := &zip.FileHeader{Name: entry.name, Method: zip.Deflate}
		h.SetMode(entry.mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write(entry.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestArchives(t *testing.T) {
	d := daemon.Shared(t)
	c := sdk.For(t, d)
	good := archive(t, "b.py", 0o644, []byte("x = 1\n"))
	noise := make([]byte, 50<<20+1)
	source := rand.NewChaCha8([32]byte{1})
	if _, err := source.Read(noise); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		zip    []byte
		status int
		code   string
		says   string
	}{
		{"empty", []byte{}, 400, "", ""},
		{"not a ZIP", []byte("#!/bin/sh\necho hello\n"), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"no entries", []byte("PK\x05\x06" + strings.Repeat("\x00", 18)), 400, "InvalidParameterValueException", "Uploaded file must be a non-empty zip"},
		{"truncated", good[:len(good)/2], 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"no end", good[:len(good)-22], 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"path out", archive(t, "../../outside", 0o644, []byte("x")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"absolute path", archive(t, "/paddock-outside", 0o644, []byte("x")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"path in the middle", archive(t, "a/../../../b", 0o644, []byte("x")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"link out", archive(t, "link", fs.ModeSymlink|0o777, []byte("../../etc/passwd")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"absolute link", archive(t, "link", fs.ModeSymlink|0o777, []byte("/etc/passwd")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"device", archive(t, "dev", fs.ModeDevice|fs.ModeCharDevice|0o666, nil), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"bomb", archive(t, "bomb", 0o644, make([]byte, 300<<20)), 400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"},
		{"too large", noise, 413, "RequestEntityTooLargeException", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := sdk.Python(t, "")
			in.FunctionName, in.Code = new(sdk.Name(t)), &types.FunctionCode{ZipFile: test.zip}
			_, err := c.Lambda.CreateFunction(sdk.Context(t), in)
			if test.code == "" {
				if sdk.Status(err) != test.status {
					t.Errorf("status %d: %v", sdk.Status(err), err)
				}
			} else {
				sdk.Expect(t, err, test.code, test.status)
			}
			if err != nil && (!strings.Contains(err.Error(), test.says) || internals.MatchString(err.Error())) {
				t.Errorf("the error is %v", err)
			}
			if _, err := c.Lambda.GetFunction(sdk.Context(t), &lambda.GetFunctionInput{FunctionName: in.FunctionName}); sdk.Code(err) != "ResourceNotFoundException" {
				t.Errorf("a function of a bad archive is there: %v", err)
			}
		})
	}
	if _, err := os.Lstat("/paddock-outside"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an archive has written outside of its folder: %v", err)
	}

	// The same for a function that is there already: it stays as it is.
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    return 'good'\n"))
	_, err := c.Lambda.UpdateFunctionCode(sdk.Context(t), &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: good[:40]})
	sdk.Expect(t, err, "InvalidParameterValueException", 400)
	if got := c.Call(t, name, "{}"); got != `"good"` {
		t.Errorf("after an update that was refused the function returned %s", got)
	}
	unharmed(t, d)
}

func TestSignatures(t *testing.T) {
	d := daemon.Own(t, "--access-key", "AKIATEST=secret")
	signed := func(name, authorization, date string, status int, code string) request {
		return request{name, "GET", functions + "/", "", []string{"Authorization", authorization, "X-Amz-Date", date}, status, code, ""}
	}
	const now = "20260101T000000Z" // long ago, or not yet
	for _, b := range []request{
		{"none", "GET", functions + "/", "", nil, 403, "MissingAuthenticationTokenException", ""},
		{"none, in Query", "POST", "/", "Action=ListRoles&Version=2010-05-08", []string{"Content-Type", formType}, 403, "MissingAuthenticationToken", ""},
		{"none, in AWS JSON", "POST", "/", "{}", []string{"Content-Type", json11, "X-Amz-Target", "Logs_20140328.DescribeLogGroups"}, 400, "MissingAuthenticationTokenException", ""},
		signed("nonsense", "AWS4-HMAC-SHA256 nonsense", now, 403, "IncompleteSignatureException"),
		signed("a key that nobody has", "AWS4-HMAC-SHA256 Credential=AKIANOBODY/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), now, 403, "InvalidSignatureException"),
		signed("half a credential", "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101, SignedHeaders=host, Signature=00", now, 403, "IncompleteSignatureException"),
		signed("a bearer", "Bearer secret", now, 403, "IncompleteSignatureException"),
	} {
		t.Run(b.name, func(t *testing.T) { b.check(t, d) })
	}
	good := sdk.With(t, d, "AKIATEST", "secret")
	if _, err := good.Lambda.ListFunctions(sdk.Context(t), &lambda.ListFunctionsInput{}); err != nil {
		t.Errorf("with the right key: %v", err)
	}
	_, err := sdk.With(t, d, "AKIATEST", "wrong").Lambda.ListFunctions(sdk.Context(t), &lambda.ListFunctionsInput{})
	sdk.Expect(t, err, "InvalidSignatureException", 403)
	_, err = sdk.With(t, d, "AKIANOBODY", "secret").Lambda.ListFunctions(sdk.Context(t), &lambda.ListFunctionsInput{})
	sdk.Expect(t, err, "UnrecognizedClientException", 403)
}
