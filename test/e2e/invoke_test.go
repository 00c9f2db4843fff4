package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/sdk"
)

func TestFormsOfNames(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, returning(t, "context.invoked_function_arn"))
	if _, err := c.Lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &name}); err != nil {
		t.Fatal(err)
	}
	alias, err := c.Lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: &name, Name: new("live"), FunctionVersion: new("1")})
	if err != nil {
		t.Fatal(err)
	}
	arn := strings.TrimSuffix(*alias.AliasArn, ":live")
	account := strings.Split(arn, ":")[4]
	for _, form := range []struct{ name, qualifier, want string }{
		{name, "", arn},
		{name, "live", arn + ":live"},
		{name, "1", arn + ":1"},
		{name + ":live", "", arn + ":live"},
		{name + ":1", "", arn + ":1"},
		{name + ":$LATEST", "", arn + ":$LATEST"},
		{name + ":live", "live", arn + ":live"},
		{arn, "", arn},
		{arn + ":live", "", arn + ":live"},
		{account + ":function:" + name, "", arn},
		{account + ":function:" + name + ":live", "", arn + ":live"},
		{"function:" + name, "", arn},
	} {
		in := &lambda.InvokeInput{FunctionName: &form.name}
		if form.qualifier != "" {
			in.Qualifier = &form.qualifier
		}
		out, err := c.Lambda.Invoke(ctx, in)
		if err != nil {
			t.Errorf("%s, qualifier %q: %v", form.name, form.qualifier, err)
			continue
		}
		if got := decode[string](t, string(out.Payload)); got != form.want {
			t.Errorf("%s, qualifier %q: invoked as %s, want %s", form.name, form.qualifier, got, form.want)
		}
	}
	for _, bad := range []struct {
		name, qualifier, code string
		status                int
	}{
		{name + ":live", "1", "InvalidParameterValueException", 400},
		{name, "nothing", "ResourceNotFoundException", 404},
		{name, "7", "ResourceNotFoundException", 404},
		{"arn:aws:lambda:eu-west-1:" + account + ":function:" + name, "", "ResourceNotFoundException", 404},
		{"arn:aws:lambda:us-east-1:999999999999:function:" + name, "", "AccessDeniedException", 403},
		{"not/a/name", "", "ValidationException", 400},
		{strings.Repeat("x", 300), "", "ValidationException", 400},
	} {
		in := &lambda.InvokeInput{FunctionName: &bad.name}
		if bad.qualifier != "" {
			in.Qualifier = &bad.qualifier
		}
		_, err := c.Lambda.Invoke(ctx, in)
		sdk.Expect(t, err, bad.code, bad.status)
	}
}

func TestInvocationTypes(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    print('seen', event['n'])\n    return event['n']\n"))

	out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"n":1}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := base64.StdEncoding.DecodeString(sdk.String(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 200 || string(out.Payload) != "1" || sdk.String(out.ExecutedVersion) != "$LATEST" {
		t.Errorf("RequestResponse: status %d, payload %s, version %s", out.StatusCode, out.Payload, sdk.String(out.ExecutedVersion))
	}
	rest := string(tail)
	for _, want := range []string{"START RequestId: ", "seen 1\n", "END RequestId: ", "REPORT RequestId: ", "Billed Duration: ", "Max Memory Used: "} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("the log's tail lacks %q where it should have it:\n%s", want, tail)
			break
		}
		rest = after
	}

	out, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"n":2}`), InvocationType: types.InvocationTypeDryRun})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 204 || len(out.Payload) > 0 {
		t.Errorf("DryRun: status %d, payload %s", out.StatusCode, out.Payload)
	}

	out, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"n":3}`), InvocationType: types.InvocationTypeEvent, LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 202 || len(out.Payload) > 0 || out.LogResult != nil {
		t.Errorf("Event: status %d, payload %s, log %v", out.StatusCode, out.Payload, out.LogResult)
	}
	waitForLog(t, c, name, "seen 3")
	for _, message := range messages(t, c, name) {
		if strings.HasPrefix(message, "seen 2") {
			t.Error("DryRun ran the function")
		}
	}
}

// The caller of an event that fails is not told; the log is. (The retry comes
// after a minute: internal/invoke tests it.)
func TestEventThatFails(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    raise ValueError('no')\n"))
	out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 202 || out.FunctionError != nil {
		t.Errorf("status %d, function error %v", out.StatusCode, out.FunctionError)
	}
	waitForLog(t, c, name, "[ERROR] ValueError: no")
}

func TestClientContext(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, returning(t, "{'custom': context.client_context.custom, 'title': context.client_context.client.app_title, 'env': context.client_context.env}"))
	invoke := func(text string) (*lambda.InvokeOutput, error) {
		return c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, ClientContext: new(base64.StdEncoding.EncodeToString([]byte(text)))})
	}
	out, err := invoke(`{"client":{"app_title":"Shop"},"custom":{"k":"v"},"env":{"e":"f"}}`)
	if err != nil {
		t.Fatal(err)
	}
	got := decode[struct {
		Custom, Env map[string]string
		Title       string
	}](t, string(out.Payload))
	if got.Custom["k"] != "v" || got.Title != "Shop" || got.Env["e"] != "f" {
		t.Errorf("the function sees %s", out.Payload)
	}
	_, err = invoke(`{"custom":"` + strings.Repeat("x", 3000) + `"}`)
	sdk.Expect(t, err, "InvalidRequestContentException", 400)
	_, err = invoke(`no JSON`)
	sdk.Expect(t, err, "InvalidRequestContentException", 400)
}

func TestFunctionErrors(t *testing.T) {
	_, c := open(t)
	python := func(body string) *lambda.CreateFunctionInput { return sdk.Python(t, body) }
	short := func(in *lambda.CreateFunctionInput) *lambda.CreateFunctionInput {
		in.Timeout = new(int32(1))
		return in
	}
	for _, test := range []struct {
		name    string
		in      *lambda.CreateFunctionInput
		errType string
		message string // is in errorMessage
	}{
		{"raise", python("def handler(event, context):\n    raise KeyError('missing')\n"), "KeyError", "'missing'"},
		{"throw", sdk.Node(t, "export const handler = async () => { throw new RangeError('too far'); };\n"), "RangeError", "too far"},
		{"reject", sdk.Node(t, "export const handler = () => Promise.reject(new Error('refused'));\n"), "Error", "refused"},
		{"init", python("raise RuntimeError('at import')\n"), "RuntimeError", "at import"},
		{"no module", sdk.New(t, types.RuntimePython313, "missing.handler", map[string]string{"app.py": "1"}), "Runtime.ImportModuleError", "No module named 'missing'"},
		{"no handler", sdk.New(t, types.RuntimePython313, "app.missing", map[string]string{"app.py": "x = 1"}), "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'"},
		{"syntax", python("def handler(:\n"), "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"},
		{"exit", python("import os\ndef handler(event, context):\n    os._exit(1)\n"), "Runtime.ExitError", "Runtime exited with error: exit status 1"},
		{"exit 0", python("import os\ndef handler(event, context):\n    os._exit(0)\n"), "Runtime.ExitError", "Runtime exited without providing a reason"},
		{"signal", python("import os\ndef handler(event, context):\n    os.kill(os.getpid(), 9)\n"), "Runtime.ExitError", "Runtime exited with error"},
		{"timeout", short(python("import time\ndef handler(event, context):\n    time.sleep(60)\n")), "Sandbox.Timedout", "Task timed out after 1.00 seconds"},
		{"no bootstrap", sdk.New(t, types.RuntimeProvidedal2023, "x", map[string]string{"readme": "x"}), "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s)"},
		{"not JSON", python("def handler(event, context):\n    return object()\n"), "Runtime.MarshalError", "not JSON serializable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := c.Create(t, test.in)
			out := c.Invoke(t, name, "{}")
			if sdk.String(out.FunctionError) != "Unhandled" || out.StatusCode != http.StatusOK {
				t.Fatalf("status %d, function error %q: %s", out.StatusCode, sdk.String(out.FunctionError), out.Payload)
			}
			e := decode[struct {
				ErrorType, ErrorMessage string
			}](t, string(out.Payload))
			if e.ErrorType != test.errType || !strings.Contains(e.ErrorMessage, test.message) {
				t.Errorf("%s, want %s with %q", out.Payload, test.errType, test.message)
			}
		})
	}
}

// A function that crashed is started anew for the next event.
func TestCrashIsNotForGood(t *testing.T) {
	_, c := open(t)
	name := c.Create(t, sdk.Python(t, `
import os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if event.get("crash"):
        os._exit(1)
    return calls
`))
	if got := c.Call(t, name, "{}"); got != "1" {
		t.Errorf("the first call returned %s", got)
	}
	if got := c.Call(t, name, "{}"); got != "2" {
		t.Errorf("the second call returned %s: its environment was not used again", got)
	}
	if out := c.Invoke(t, name, `{"crash":true}`); out.FunctionError == nil {
		t.Errorf("a crash returned %s", out.Payload)
	}
	if got := c.Call(t, name, "{}"); got != "1" {
		t.Errorf("after the crash the call returned %s", got)
	}
}

func TestPayloadLimits(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    return 'x' * event if isinstance(event, int) else len(event)\n"))
	const limit = 6291456
	payload := func(size int) []byte { return []byte(`"` + strings.Repeat("a", size-2) + `"`) }
	out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload(limit)})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.Payload) != "6291454" {
		t.Errorf("a payload of the limit's size: %s", out.Payload)
	}
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload(limit + 1)})
	sdk.Expect(t, err, "RequestEntityTooLargeException", 413)
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload(1<<20 + 1), InvocationType: types.InvocationTypeEvent})
	sdk.Expect(t, err, "RequestEntityTooLargeException", 413)

	if got := c.Call(t, name, "6291454"); len(got) != limit {
		t.Errorf("a response of the limit's size has %d bytes", len(got))
	}
	large := c.Invoke(t, name, "6300000")
	if large.FunctionError == nil || !strings.Contains(string(large.Payload), "Function.ResponseSizeTooLarge") {
		t.Errorf("a response over the limit: %.200s", large.Payload)
	}
}

// What comes in at once runs at once, each in an environment of its own.
func TestConcurrentInvocations(t *testing.T) {
	_, c := open(t)
	name := c.Create(t, sdk.Shell(t, shellEcho))
	const n = 8
	done := make(chan string, n)
	for range n {
		go func() {
			out, err := c.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"a":1}`)})
			if err != nil {
				done <- err.Error()
				return
			}
			done <- string(out.Payload)
		}()
	}
	for range n {
		if got := <-done; got != `{"a":1}` {
			t.Errorf("one of %d at a time: %s", n, got)
		}
	}
}
