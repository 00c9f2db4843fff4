package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// signing is a function that signs a request by hand (Signature Version 4) with
// what its environment holds, as programs without an SDK do.
const signing = `
import datetime, hashlib, hmac, os, urllib.error, urllib.parse, urllib.request

def handler(event, context):
    url = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/"
    host = urllib.parse.urlsplit(url).netloc
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    token = os.environ["AWS_SESSION_TOKEN"] if event.get("token", True) else ""
    signed = "host;x-amz-date;x-amz-security-token" if token else "host;x-amz-date"
    headers = "host:" + host + "\nx-amz-date:" + now + "\n" + ("x-amz-security-token:" + token + "\n" if token else "")
    empty = hashlib.sha256(b"").hexdigest()
    request = "\n".join(["GET", "/2015-03-31/functions/", "", headers, signed, empty])
    scope = "/".join([now[:8], os.environ["AWS_REGION"], "lambda", "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    r = urllib.request.Request(url, headers={"X-Amz-Date": now, "Authorization":
        "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (os.environ["AWS_ACCESS_KEY_ID"], scope, signed, signature)})
    if token:
        r.add_header("X-Amz-Security-Token", token)
    try:
        return urllib.request.urlopen(r).status
    except urllib.error.HTTPError as e:
        return e.code
`

// Where signatures are enforced, those of functions are taken with the
// credentials that they were given, and the operator's with the operator's.
func TestAccessKeys(t *testing.T) {
	d := daemon.Own(t, "--access-key", "AKIAOPERATOR=very secret")
	ctx := sdk.Context(t)
	c := sdk.With(t, d, "AKIAOPERATOR", "very secret")
	name := c.Create(t, sdk.Python(t, signing))
	if got := c.Call(t, name, "{}"); got != "200" {
		t.Errorf("a request that a function has signed is answered with %s", got)
	}
	if got := c.Call(t, name, `{"token":false}`); got != "403" {
		t.Errorf("without its session token it is answered with %s", got)
	}
	for _, wrong := range [][2]string{{"AKIAOPERATOR", "guessed"}, {"AKIANOBODY", "very secret"}, {"000000000000", "very secret"}} {
		_, err := sdk.With(t, d, wrong[0], wrong[1]).Lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{})
		if sdk.Status(err) != 403 {
			t.Errorf("with the key %s and the secret %s: %v", wrong[0], wrong[1], err)
		}
	}
}
