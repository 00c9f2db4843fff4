package runtimes

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPythonResults(t *testing.T) {
	t.Parallel()
	e := start(t, "python3.12", map[string]string{"app.py": `
import collections, decimal, json, os, sys

def handler(event, context):
    return globals()[event["do"]](event, context)

def echo(event, context): return event
def none(event, context): pass
def text(event, context): return "grüße \u2028"
def decimals(event, context):
    return {"n": decimal.Decimal("1.10"), "big": decimal.Decimal("12345678901234567890.5"), "nan": decimal.Decimal("NaN")}
def inner_bytes(event, context): return {"body": b"abc"}
def raw_bytes(event, context): return b"\x00\xff"
def large(event, context): return "x" * 5000000
def trace(event, context): return os.environ.get("_X_AMZN_TRACE_ID")
def path(event, context): return [sys.path[0] == os.environ["LAMBDA_TASK_ROOT"], os.getcwd() == sys.path[0], sys.argv[1:], os.environ["PYTHONPATH"] == os.environ["LAMBDA_RUNTIME_DIR"]]
def ctx(event, context):
    c = context
    return {"name": c.function_name, "version": c.function_version, "arn": c.invoked_function_arn,
        "memory": c.memory_limit_in_mb, "id": c.aws_request_id, "group": c.log_group_name, "stream": c.log_stream_name,
        "identity": [c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id],
        "client": c.client_context and [c.client_context.custom, c.client_context.env, c.client_context.client.app_title,
            c.client_context.client.installation_id],
        "left": 0 < c.get_remaining_time_in_millis() <= 3000, "repr": repr(c).startswith("LambdaContext([aws_request_id=")}
`}, options{})
	for _, tt := range []struct {
		name, event string
		headers     map[string]string
		want        string
	}{
		{name: "echo", event: `{"do":"echo","list":[1,2.5,null,true,"é"]}`, want: `{"do": "echo", "list": [1, 2.5, null, true, "é"]}`},
		{name: "none", event: `{"do":"none"}`, want: `null`},
		{name: "no escapes from 3.12 on", event: `{"do":"text"}`, want: "\"grüße \u2028\""},
		{name: "decimals", event: `{"do":"decimals"}`, want: `{"n": 1.10, "big": 12345678901234567890.5, "nan": NaN}`},
		{name: "bytes in a value", event: `{"do":"inner_bytes"}`, want: `{"body": "abc"}`},
		{name: "large", event: `{"do":"large","pad":"` + strings.Repeat("y", 1<<20) + `"}`, want: `"` + strings.Repeat("x", 5000000) + `"`},
		{name: "trace", event: `{"do":"trace"}`, headers: map[string]string{"Lambda-Runtime-Trace-Id": "Root=1-2-3"}, want: `"Root=1-2-3"`},
		{name: "no trace", event: `{"do":"trace"}`, want: `null`},
		{name: "path", event: `{"do":"path"}`, want: `[true, true, [], true]`},
		{name: "context", event: `{"do":"ctx"}`, headers: map[string]string{
			"Lambda-Runtime-Client-Context":   `{"custom":{"k":"é"},"env":{"e":1},"client":{"app_title":"T"}}`,
			"Lambda-Runtime-Cognito-Identity": `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`,
		}, want: `{"name": "f", "version": "7", "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "memory": "128", ` +
			`"id": "request-10", "group": "/aws/lambda/f", "stream": "stream", "identity": ["i", "p"], ` +
			`"client": [{"k": "é"}, {"e": 1}, "T", null], "left": true, "repr": true}`},
		{name: "context without a client", event: `{"do":"ctx"}`,
			want: `{"name": "f", "version": "7", "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "memory": "128", ` +
				`"id": "request-11", "group": "/aws/lambda/f", "stream": "stream", "identity": [null, null], ` +
				`"client": null, "left": true, "repr": true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.send(event{tt.event, tt.headers})
			got := e.result()
			if got.kind != "response" || got.body != tt.want {
				t.Errorf("%s %.500s, want %.500s", got.kind, got.body, tt.want)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type %q", ct)
			}
		})
	}
	got := e.invoke(`{"do":"raw_bytes"}`)
	if got.body != "\x00\xff" || got.header.Get("Content-Type") != "application/unknown" {
		t.Errorf("bytes: %q of %q", got.body, got.header.Get("Content-Type"))
	}
}

func TestPythonHandlerErrors(t *testing.T) {
	t.Parallel()
	e := start(t, "python3.11", map[string]string{"app.py": `
import sys
class Odd(Exception): pass
def handler(event, context):
    return globals()[event["do"]]()
def boom(): raise ValueError("boom\nand more")
def custom(): raise Odd("é")
def a_set(): return {1, 2}
def an_object(): return {"o": object()}
def leave(): sys.exit(3)
`}, options{frames: true})
	for _, tt := range []struct{ do, kind, message, trace string }{
		{"boom", "ValueError", "boom\nand more", `^  File ".*/app.py", line 5, in handler\n.*\n(.*\n)?  File ".*/app.py", line 6, in boom\n`},
		{"custom", "Odd", "é", `^  File ".*/app.py", line 5, in handler\n`},
		{"a_set", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable", ""},
		{"an_object", "Runtime.MarshalError", "Unable to marshal response: Object of type object is not JSON serializable", ""},
		{"missing", "KeyError", "'missing'", `^  File ".*/app.py", line 5, in handler\n`},
	} {
		t.Run(tt.do, func(t *testing.T) {
			r := e.invoke(`{"do":"` + tt.do + `"}`)
			got := r.report(t)
			if r.kind != "error" || got.ErrorType != tt.kind || got.ErrorMessage != tt.message || *got.RequestID != r.id {
				t.Errorf("%s: %s", r.kind, r.body)
			}
			if tt.trace == "" && len(got.StackTrace) != 0 || tt.trace != "" && !regexp.MustCompile(tt.trace).MatchString(strings.Join(got.StackTrace, "")) {
				t.Errorf("stack trace %q", got.StackTrace)
			}
		})
	}
	e.send(event{body: `{"do":"echo"`}) // no JSON
	if got := e.result().report(t); got.ErrorType != "Runtime.UnmarshalError" || !strings.HasPrefix(got.ErrorMessage, "Unable to unmarshal input: ") {
		t.Errorf("malformed event: %+v", got)
	}
	e.send(event{body: `{"do":"leave"}`})
	if code := e.ended(); code != 3 {
		t.Errorf("sys.exit(3) ended the process with %d", code)
	}
	messages := e.messages()
	if len(messages) != 6 {
		t.Fatalf("%d events: %q", len(messages), messages)
	}
	want := regexp.MustCompile("^\\[ERROR\\] ValueError: boom\nand more\nTraceback \\(most recent call last\\):\n\u00a0\u00a0File \".*/app.py\", line 5, in handler\n\u00a0\u00a0\u00a0\u00a0return ")
	if !want.MatchString(messages[0]) {
		t.Errorf("the log says %q", messages[0])
	}
}

func TestPythonInitErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, handler, app string
		kind, message      string // message is a pattern
		trace              string // of the whole stack trace
		code               int
	}{
		{name: "module missing", handler: "nope.handler", kind: "Runtime.ImportModuleError", message: `^Unable to import module 'nope': No module named 'nope'$`, code: 1},
		{name: "import fails inside", app: "import absent_thing", kind: "Runtime.ImportModuleError", message: `^Unable to import module 'app': No module named 'absent_thing'$`, code: 1},
		{name: "function missing", handler: "app.foo", kind: "Runtime.HandlerNotFound", message: `^Handler 'foo' missing on module 'app'$`, code: 1},
		{name: "malformed", handler: "x", kind: "Runtime.MalformedHandlerName", message: `^Bad handler 'x': not enough values to unpack \(expected 2, got 1\)$`, code: 1},
		{name: "built in", handler: "sys.exit", kind: "Runtime.BuiltInModuleConflict", message: `^Cannot use built-in module sys as a handler module$`, code: 1},
		{name: "syntax", app: "def handler(:\n", kind: "Runtime.UserCodeSyntaxError", message: `^Syntax error in module 'app': invalid syntax \(app.py, line 1\)$`, trace: `^  File ".*/app.py" Line 1\n    def handler\(:\n$`, code: 1},
		{name: "raises", app: "x = 1/0", kind: "ZeroDivisionError", message: `^division by zero$`, trace: `^(?s).*/app.py", line 1, in <module>\n    x = 1/0\n`, code: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, "python3.11", map[string]string{"app.py": tt.app}, options{handler: tt.handler})
			r := e.result()
			got := r.report(t)
			if r.kind != "init" || got.ErrorType != tt.kind || !regexp.MustCompile(tt.message).MatchString(got.ErrorMessage) {
				t.Errorf("%s: %s", r.kind, r.body)
			}
			if trace := strings.Join(got.StackTrace, ""); !regexp.MustCompile(tt.trace).MatchString(trace) || strings.Contains(trace, "_paddock") {
				t.Errorf("stack trace %q", got.StackTrace)
			}
			if code := e.ended(); code != tt.code {
				t.Errorf("exit code %d", code)
			}
			// Without a descriptor, carriage returns keep it one line.
			if out := e.out.String(); !strings.HasPrefix(out, "[ERROR] "+tt.kind+": ") || strings.Count(out, "\n") != 1 {
				t.Errorf("the log says %q", out)
			}
		})
	}
	t.Run("sys.exit", func(t *testing.T) {
		t.Parallel()
		e := start(t, "python3.11", map[string]string{"app.py": "import sys; sys.exit(4)"}, options{})
		if code := e.ended(); code != 4 {
			t.Errorf("exit code %d", code)
		}
		if len(e.results) != 0 {
			t.Errorf("reported %+v", <-e.results)
		}
	})
}

func TestPythonHandlerNames(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"pkg/__init__.py":     "",
		"pkg/sub.py":          "def fn(e, c): return __name__",
		"dir/deeper/mod.py":   "def fn(e, c): return __name__",
		"vendored.pth":        "vendor\n",
		"vendor/vendored.py":  "def fn(e, c): return __name__",
		"usespaths.py":        "import vendored, inlayer, insite\ndef fn(e, c): return [vendored.__name__, inlayer.__name__, insite.__name__]",
		"json_shadow/json.py": "",
	}
	layer := map[string]string{
		"python/inlayer.py":                             "",
		"python/lib/python3.11/site-packages/insite.py": "",
	}
	for handler, want := range map[string]string{
		"pkg.sub.fn":        `"pkg.sub"`,
		"dir/deeper/mod.fn": `"dir.deeper.mod"`,
		"usespaths.fn":      `["vendored", "inlayer", "insite"]`,
	} {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			e := start(t, "python3.11", files, options{handler: handler, layer: layer})
			if got := e.invoke("{}"); got.body != want {
				t.Errorf("%s, want %s", got.body, want)
			}
		})
	}
}

const pythonLogging = `
import logging
log = logging.getLogger("mine")
logging.getLogger().setLevel(logging.INFO)
log.info("during init")
def handler(event, context):
    print("printed")
    log.info("one\ntwo %s", 3, extra={"order": 17})
    log.debug("unseen")
    logging.warning({"a": 1})
    context.log("raw")
    try:
        1/0
    except ZeroDivisionError:
        log.exception("caught")
`

func TestPythonTextLog(t *testing.T) {
	t.Parallel()
	for _, framed := range []bool{true, false} {
		t.Run(map[bool]string{true: "frames", false: "stdout"}[framed], func(t *testing.T) {
			t.Parallel()
			e := start(t, "python3.11", map[string]string{"app.py": pythonLogging}, options{frames: framed})
			e.invoke("{}")
			e.stop()
			const at = `\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t`
			want := []string{
				`\[INFO\]` + at + "\tduring init\n",
				`\[INFO\]` + at + "request-1\tone\ntwo 3\n",
				`\[WARNING\]` + at + "request-1\t{'a': 1}\n",
				`raw`,
				`\[ERROR\]` + at + "request-1\tcaught\nTraceback (?s).*ZeroDivisionError: division by zero\n",
			}
			if !framed {
				want = slices.Insert(want, 1, "printed\n")
				if out := e.out.String(); !regexp.MustCompile("^" + strings.Join(want, "") + "$").MatchString(out) {
					t.Errorf("stdout: %q", out)
				}
				return
			}
			got := e.messages()
			if len(got) != len(want) {
				t.Fatalf("%d events: %q", len(got), got)
			}
			for n, pattern := range want {
				if !regexp.MustCompile("^" + pattern + "$").MatchString(got[n]) {
					t.Errorf("event %d: %q", n, got[n])
				}
			}
			if out := e.out.String(); out != "printed\n" {
				t.Errorf("stdout: %q", out)
			}
		})
	}
}

func TestPythonJSONLog(t *testing.T) {
	t.Parallel()
	e := start(t, "python3.11", map[string]string{"app.py": strings.Replace(pythonLogging, "logging.getLogger().setLevel(logging.INFO)", "", 1) + `
    raise KeyError("k")
`}, options{frames: true, env: []string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO"}})
	e.invoke("{}")
	e.stop()
	got := e.messages()
	const at = `{"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", `
	want := []string{
		at + `"level": "INFO", "message": "during init", "logger": "mine", "requestId": ""}` + "\n",
		at + `"level": "INFO", "message": "one\\ntwo 3", "logger": "mine", "requestId": "request-1", "order": 17}` + "\n",
		at + `"level": "WARNING", "message": {"a": 1}, "logger": "root", "requestId": "request-1"}` + "\n",
		`raw`,
		at + `"level": "ERROR", "message": "caught", "logger": "mine", "stackTrace": \[".*app.py.*"\], "errorType": "ZeroDivisionError", "errorMessage": "division by zero", "requestId": "request-1", "location": ".*app.py:handler:\d+"}` + "\n",
		at + `"level": "ERROR", "errorMessage": "'k'", "errorType": "KeyError", "requestId": "request-1", "stackTrace": \[".*"\]}` + "\n",
	}
	if len(got) != len(want) {
		t.Fatalf("%d events: %q", len(got), got)
	}
	for n, pattern := range want {
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got[n]) {
			t.Errorf("event %d: %s", n, got[n])
		}
	}
}

// TestPythonReleases runs a function that uses most of the bootstrap on every
// Python of this host.
func TestPythonReleases(t *testing.T) {
	t.Parallel()
	for _, i := range hostRuntimes(t).List(context.Background()) {
		if i.Language != string(langPython) {
			continue
		}
		id := identifier(langPython, i.Version.release(langPython))
		t.Run(id, func(t *testing.T) {
			e := start(t, id, map[string]string{"app.py": `
import decimal, logging, os, sys
logging.getLogger().setLevel("INFO")
def handler(event, context):
    logging.info("é")
    if "fail" in event: raise ValueError(event["fail"])
    return ["%d.%d" % sys.version_info[:2], decimal.Decimal("0.10"), "é", os.environ["AWS_EXECUTION_ENV"]]
`}, options{frames: true})
			accent := "é"
			if i.Version.Minor < 12 {
				accent = `\u00e9`
			}
			want := `["` + strings.TrimPrefix(id, "python") + `", 0.10, "` + accent + `", "AWS_Lambda_` + id + `"]`
			if got := e.invoke("{}"); got.body != want {
				t.Errorf("%s, want %s", got.body, want)
			}
			if got := e.invoke(`{"fail":"x"}`).report(t); got.ErrorType != "ValueError" || len(got.StackTrace) != 1 {
				t.Errorf("%+v", got)
			}
			e.stop()
			if got := e.messages(); len(got) != 3 || !strings.HasSuffix(got[0], "\trequest-1\té\n") {
				t.Errorf("log: %q", got)
			}
		})
	}
}

// TestPythonHangUp: where the daemon is gone, or has given up the environment, the
// process ends too.
func TestPythonHangUp(t *testing.T) {
	t.Parallel()
	e := start(t, "python3.11", map[string]string{"app.py": "def handler(e, c): return e"}, options{})
	if got := e.invoke("1"); got.body != "1" {
		t.Fatalf("%+v", got)
	}
	<-e.asked
	<-e.asked
	if e.link == nil {
		t.Skip("it speaks HTTP")
	}
	e.link.Close()
	if code := e.ended(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
