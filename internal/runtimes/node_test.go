package runtimes

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNodeResults(t *testing.T) {
	t.Parallel()
	e := start(t, "nodejs20.x", map[string]string{"app.js": `
const acts = {
  echo: async (event) => event,
  nothing: async () => {},
  aFunction: async () => () => 1,
  large: async () => "x".repeat(5000000),
  accents: async () => "grüße \u2028",
  trace: async () => process.env._X_AMZN_TRACE_ID || null,
  cwd: async () => [process.cwd() === process.env.LAMBDA_TASK_ROOT, process.env.AWS_EXECUTION_ENV, typeof gc],
  heap: async () => Math.round(require("v8").getHeapStatistics().heap_size_limit / 1048576) < 256,
  ctx: async (_, c) => ({...c, getRemainingTimeInMillis: undefined, left: c.getRemainingTimeInMillis() > 0 && c.getRemainingTimeInMillis() <= 3000}),
  syncReturn: () => "ignored",
  callback: (_, c, callback) => { setTimeout(() => callback(null, {by: "callback"}), 1) },
  callbackError: (_, c, callback) => callback(new RangeError("far")),
  callbackString: (_, c, callback) => callback("just text"),
  waits: (_, c, callback) => { callback(null, acts.state = {n: 1}); setTimeout(() => { acts.state.n = 2 }, 20) },
  noWait: (_, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; callback(null, acts.state = {n: 1}); setTimeout(() => { acts.state.n = 2 }, 20).unref() },
  done: (_, c) => c.done(null, "done"),
  succeed: (_, c) => { c.succeed("first"); c.succeed("second") },
  fail: (_, c) => c.fail(new TypeError("failed")),
  never: () => new Promise(() => {}),
};
exports.handler = (event, context, callback) => acts[event.do](event, context, callback);
`}, options{})
	for _, tt := range []struct {
		name, event string
		headers     map[string]string
		want        string
		kind        string
	}{
		{name: "echo", event: `{"do":"echo","list":[1,2.5,null,true,"é"]}`, want: `{"do":"echo","list":[1,2.5,null,true,"é"]}`},
		{name: "nothing", event: `{"do":"nothing"}`, want: `null`},
		{name: "function", event: `{"do":"aFunction"}`, want: `null`},
		{name: "large", event: `{"do":"large","pad":"` + strings.Repeat("é", 1<<20) + `"}`, want: `"` + strings.Repeat("x", 5000000) + `"`},
		{name: "accents", event: `{"do":"accents"}`, want: "\"grüße \u2028\""},
		{name: "trace", event: `{"do":"trace"}`, headers: map[string]string{"Lambda-Runtime-Trace-Id": "Root=1-2-3"}, want: `"Root=1-2-3"`},
		{name: "no trace", event: `{"do":"trace"}`, want: `null`},
		{name: "process", event: `{"do":"cwd"}`, want: `[true,"AWS_Lambda_nodejs20.x","function"]`},
		{name: "heap by memory size", event: `{"do":"heap"}`, want: `true`},
		{name: "context", event: `{"do":"ctx"}`, headers: map[string]string{
			"Lambda-Runtime-Client-Context":   `{"custom":{"k":"é"}}`,
			"Lambda-Runtime-Cognito-Identity": `{"cognitoIdentityId":"i"}`,
		}, want: `{"callbackWaitsForEmptyEventLoop":true,"functionVersion":"7","functionName":"f","memoryLimitInMB":"128",` +
			`"logGroupName":"/aws/lambda/f","logStreamName":"stream","clientContext":{"custom":{"k":"é"}},"identity":{"cognitoIdentityId":"i"},` +
			`"invokedFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f","awsRequestId":"request-10","left":true}`},
		{name: "a sync result is ignored", event: `{"do":"syncReturn"}`, want: `null`},
		{name: "callback", event: `{"do":"callback"}`, want: `{"by":"callback"}`},
		{name: "callback with an error", event: `{"do":"callbackError"}`, kind: "RangeError", want: "far"},
		{name: "callback with a string", event: `{"do":"callbackString"}`, kind: "string", want: "just text"},
		{name: "waits for the event loop", event: `{"do":"waits"}`, want: `{"n":2}`},
		{name: "does not wait", event: `{"do":"noWait"}`, want: `{"n":1}`},
		{name: "done", event: `{"do":"done"}`, want: `"done"`},
		{name: "succeed", event: `{"do":"succeed"}`, want: `"first"`},
		{name: "fail", event: `{"do":"fail"}`, kind: "TypeError", want: "failed"},
		{name: "a promise that never settles", event: `{"do":"never"}`, want: `null`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.send(event{tt.event, tt.headers})
			got := e.result()
			if tt.kind != "" {
				if r := got.report(t); got.kind != "error" || r.ErrorType != tt.kind || r.ErrorMessage != tt.want {
					t.Errorf("%s %s", got.kind, got.body)
				}
				return
			}
			if got.kind != "response" || got.body != tt.want {
				t.Errorf("%s %.500s, want %.500s", got.kind, got.body, tt.want)
			}
		})
	}
}

func TestNodeHandlerErrors(t *testing.T) {
	t.Parallel()
	e := start(t, "nodejs20.x", map[string]string{"app.mjs": `
class Odd extends Error { constructor(m) { super(m); this.name = "Odd"; this.code = "E1"; } }
const acts = {
  boom: async () => { throw new Odd("boom\nand more") },
  sync: () => { throw new TypeError("at once") },
  text: async () => { throw "text" },
  nothing: async () => { throw undefined },
  circular: async () => { const a = {}; a.a = a; return a },
};
export const handler = (event) => acts[event.do](event);
`}, options{frames: true})
	for _, tt := range []struct{ do, kind, message, trace string }{
		{"boom", "Odd", "boom\nand more", `^(Error|Odd): boom\nand more\n    at .*/app\.mjs:4:\d+`},
		{"sync", "TypeError", "at once", `^TypeError: at once\n    at .*app\.mjs:5:\d+`},
		{"text", "string", "text", `^$`},
		{"nothing", "string", "handled", `^$`},
		{"circular", "Error", "Unable to stringify response body", ""},
		{"missing", "TypeError", "acts[event.do] is not a function", ""},
	} {
		t.Run(tt.do, func(t *testing.T) {
			r := e.invoke(`{"do":"` + tt.do + `"}`)
			got := r.report(t)
			if r.kind != "error" || got.ErrorType != tt.kind || got.ErrorMessage != tt.message || got.Trace == nil {
				t.Errorf("%s: %s", r.kind, r.body)
			}
			if trace := strings.Join(got.Trace, "\n"); !regexp.MustCompile(tt.trace).MatchString(trace) {
				t.Errorf("trace %q", trace)
			}
		})
	}
	if got := e.invoke(`{"do":`).report(t); got.ErrorType != "SyntaxError" {
		t.Errorf("malformed event: %+v", got)
	}
	e.stop()
	log := e.messages()
	want := regexp.MustCompile(`^\S+Z\trequest-1\tERROR\tInvoke Error \t\{"errorType":"Odd","errorMessage":"boom\\nand more","code":"E1",.*"stack":\["(Error|Odd): boom","and more","    at .*\]\}` + "\n$")
	if len(log) != 7 || !want.MatchString(log[0]) {
		t.Errorf("the log says %q", log)
	}
}

func TestNodeCrashes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, runtime, app string
		kind, id           string // of the result: "error", "init", or none
		errorType, message string
		code               int
	}{
		{name: "rejection", runtime: "nodejs20.x", kind: "error", errorType: "Runtime.UnhandledPromiseRejection", message: "Error: lost", code: 128,
			app: `exports.handler = () => { Promise.reject(new Error("lost")); return new Promise(r => setTimeout(r, 9999)) }`},
		{name: "exception", runtime: "nodejs20.x", kind: "error", errorType: "RangeError", message: "thrown", code: 129,
			app: `exports.handler = () => new Promise(() => setTimeout(() => { throw new RangeError("thrown") }, 1))`},
		{name: "exit", runtime: "nodejs20.x", code: 5,
			app: `exports.handler = async () => process.exit(5)`},
		{name: "exception from 24 on", runtime: "nodejs24.x", code: 1,
			app: `exports.handler = () => new Promise(() => setTimeout(() => { throw new RangeError("thrown") }, 1))`},
		{name: "rejection at init", runtime: "nodejs20.x", kind: "init", errorType: "Runtime.UnhandledPromiseRejection", message: "Error: early", code: 128,
			app: `Promise.reject(new Error("early")); require("child_process").execSync("true"); exports.handler = async () => 1;
const end = Date.now() + 1; while (Date.now() < end);`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, tt.runtime, map[string]string{"app.js": tt.app}, options{})
			if tt.kind != "init" {
				e.send(event{body: "{}"})
			}
			if tt.kind != "" {
				r := e.result()
				if got := r.report(t); r.kind != tt.kind || got.ErrorType != tt.errorType || got.ErrorMessage != tt.message {
					t.Errorf("%s %s", r.kind, r.body)
				}
			}
			if code := e.ended(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if len(e.results) != 0 {
				t.Errorf("also reported %+v", <-e.results)
			}
		})
	}
}

func TestNodeInitErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, runtime, handler string
		files                  map[string]string
		kind, message          string // message is a pattern
		title                  string // in the log
		code                   int
	}{
		{name: "module missing", handler: "nope.handler", kind: "Runtime.ImportModuleError", message: `^Error: Cannot find module 'nope'\nRequire stack:\n- /`},
		{name: "require fails inside", files: map[string]string{"app.js": `require("absent-thing")`}, kind: "Runtime.ImportModuleError", message: `^Error: Cannot find module 'absent-thing'\nRequire stack:\n- .*/app.js\n`},
		{name: "function missing", handler: "app.foo", files: map[string]string{"app.js": ""}, kind: "Runtime.HandlerNotFound", message: `^app.foo is undefined or not exported$`},
		{name: "no function", handler: "app.foo", files: map[string]string{"app.js": "exports.foo = 1"}, kind: "Runtime.HandlerNotFound", message: `^app.foo is not a function$`},
		{name: "malformed", handler: "x", kind: "Runtime.MalformedHandlerName", message: `^Bad handler$`},
		{name: "dots", handler: "../app.handler", kind: "Runtime.MalformedHandlerName", message: `^'../app.handler' is not a valid handler name\. `},
		{name: "syntax", files: map[string]string{"app.js": "exports.handler = (\n"}, kind: "Runtime.UserCodeSyntaxError", message: `^SyntaxError: Unexpected end of input$`},
		{name: "throws", files: map[string]string{"app.mjs": "throw new EvalError('early')"}, kind: "EvalError", message: `^early$`},
		{name: "callback on 24", runtime: "nodejs24.x", files: map[string]string{"app.mjs": "export const handler = (e, c, cb) => cb()"},
			kind: "Runtime.CallbackHandlerDeprecated", message: `^ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24\.`, title: "Init Error", code: 1},
		{name: "missing on 24", runtime: "nodejs24.x", handler: "nope.handler", kind: "Runtime.ImportModuleError", message: `^Error: Cannot find module 'nope'`, title: "Init Error", code: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.runtime == "" {
				tt.runtime, tt.title, tt.code = "nodejs20.x", "Uncaught Exception", 129
			}
			e := start(t, tt.runtime, tt.files, options{handler: tt.handler})
			r := e.result()
			got := r.report(t)
			if r.kind != "init" || got.ErrorType != tt.kind || !regexp.MustCompile(tt.message).MatchString(got.ErrorMessage) || len(got.Trace) == 0 {
				t.Errorf("%s: %s", r.kind, r.body)
			}
			if code := e.ended(); code != tt.code {
				t.Errorf("exit code %d", code)
			}
			if out := e.out.String(); !strings.Contains(out, "\tERROR\t"+tt.title+" \t{\"errorType\":\""+tt.kind+"\"") {
				t.Errorf("the log says %q", out)
			}
		})
	}
}

func TestNodeHandlerNames(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"common.js":                 `exports.handler = async () => "common"`,
		"explicit.cjs":              `exports.handler = async () => "explicit"`,
		"module.mjs":                `export const handler = async () => "module"`,
		"late.mjs":                  `const x = await Promise.resolve("late"); export const handler = async () => x`,
		"dir/nested.js":             `exports.a = {b: {fn: async () => "nested"}}`,
		"esm/package.json":          `{"type": "module"}`,
		"esm/app.js":                `export const handler = async () => "esm"`,
		"esm/inner/app.js":          `export const handler = async () => import.meta.url.endsWith("app.js")`,
		"index/index.js":            `exports.handler = async () => "index"`,
		"layered.js":                `exports.handler = async () => require("inlayer")`,
		"node_modules/pkg/index.js": `exports.handler = async () => "pkg"`,
		"eslayered.mjs": `
import x from "versioned";
import y from "inlayer";
const missing = await import("not-there").catch((error) => error.code);
export const handler = async () => x + " " + y + " " + missing`,
		"default.mjs": `export default {handler: async () => "default"}`,
	}
	layer := map[string]string{
		"nodejs/node_modules/inlayer/index.js":              `module.exports = "inlayer"`,
		"nodejs/node_modules/esinlayer/package.json":        `{"type": "module", "exports": {"./sub": {"import": "./es.js"}}}`,
		"nodejs/node_modules/esinlayer/es.js":               `export default "es in layer"`,
		"nodejs/node20/node_modules/versioned/index.mjs":    `import x from "esinlayer/sub"; export default "versioned " + x`,
		"nodejs/node20/node_modules/versioned/package.json": `{"exports": "./index.mjs"}`,
	}
	for _, tt := range []struct{ runtime, handler, want string }{
		{"nodejs20.x", "common.handler", `"common"`},
		{"nodejs20.x", "explicit.handler", `"explicit"`},
		{"nodejs20.x", "module.handler", `"module"`},
		{"nodejs20.x", "late.handler", `"late"`},
		{"nodejs20.x", "dir/nested.a.b.fn", `"nested"`},
		{"nodejs20.x", "esm/app.handler", `"esm"`},
		{"nodejs20.x", "esm/inner/app.handler", `true`},
		{"nodejs20.x", "index.handler", `"index"`},
		{"nodejs20.x", "layered.handler", `"inlayer"`},
		{"nodejs20.x", "eslayered.handler", `"versioned es in layer inlayer ERR_MODULE_NOT_FOUND"`},
		{"nodejs20.x", "pkg.handler", `"pkg"`},
		{"nodejs24.x", "common.handler", `"common"`},
		{"nodejs24.x", "esm/app.handler", `"esm"`},
		{"nodejs24.x", "dir/nested.a.b.fn", `"nested"`},
		{"nodejs24.x", "default.handler", `"default"`},
		{"nodejs24.x", "pkg.handler", `"pkg"`},
	} {
		t.Run(tt.runtime+" "+tt.handler, func(t *testing.T) {
			t.Parallel()
			e := start(t, tt.runtime, files, options{handler: tt.handler, layer: layer})
			if got := e.invoke("{}"); got.body != tt.want {
				t.Errorf("%s, want %s", got.body, tt.want)
			}
		})
	}
}

func TestNodeModern(t *testing.T) {
	t.Parallel()
	e := start(t, "nodejs24.x", map[string]string{"app.mjs": `
const acts = {
  sync: () => "sync",
  ctx: (_, c) => Object.keys(c),
  pending: async () => { setTimeout(() => {}, 99999); return "at once" },
  circular: async () => { const a = {}; a.a = a; return a },
};
export const handler = (event, context) => acts[event.do](event, context);
`}, options{})
	for do, want := range map[string]string{
		"sync": `"sync"`, "pending": `"at once"`,
		"ctx": `["functionVersion","functionName","memoryLimitInMB","logGroupName","logStreamName","clientContext","identity",` +
			`"invokedFunctionArn","awsRequestId","tenantId","getRemainingTimeInMillis"]`,
	} {
		if got := e.invoke(`{"do":"` + do + `"}`); got.body != want {
			t.Errorf("%s: %s, want %s", do, got.body, want)
		}
	}
	if got := e.invoke(`{"do":"circular"}`).report(t); got.ErrorType != "Runtime.JSONStringifyError" {
		t.Errorf("%+v", got)
	}
}

const nodeLogging = `
console.log("during init");
exports.handler = async () => {
  process.stdout.write("printed\n");
  console.log("one\ntwo %d", 3, {a: 1});
  console.debug("fine");
  console.warn({a: [1]});
  console.error("failed", new RangeError("far"));
  console.trace("at", 1);
  console.fatal("over");
};`

func TestNodeTextLog(t *testing.T) {
	t.Parallel()
	const at = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t`
	want := []string{
		at + "undefined\tINFO\tduring init\n",
		at + `request-1\tINFO\tone` + "\n" + `two 3 \{ a: 1 \}` + "\n",
		at + `request-1\tDEBUG\tfine` + "\n",
		at + `request-1\tWARN\t\{ a: \[ 1 \] \}` + "\n",
		at + `request-1\tERROR\tfailed RangeError: far` + "\n" + `    at (?s).*` + "\n",
		at + `request-1\tTRACE\tat 1` + "\n",
		at + `request-1\tFATAL\tover` + "\n",
	}
	t.Run("frames", func(t *testing.T) {
		t.Parallel()
		e := start(t, "nodejs20.x", map[string]string{"app.js": nodeLogging}, options{frames: true})
		e.invoke("{}")
		e.stop()
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
	t.Run("stdout and a level", func(t *testing.T) {
		t.Parallel()
		e := start(t, "nodejs20.x", map[string]string{"app.js": nodeLogging}, options{env: []string{"AWS_LAMBDA_LOG_LEVEL=WARN"}})
		e.invoke("{}")
		e.stop()
		pattern := "^printed\n" + want[3] + strings.ReplaceAll(strings.TrimSuffix(want[4], "\n"), "\n", "\r") + "\n" + want[6] + "$"
		if out := e.out.String(); !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("stdout: %q", out)
		}
	})
}

func TestNodeJSONLog(t *testing.T) {
	t.Parallel()
	e := start(t, "nodejs20.x", map[string]string{"app.js": nodeLogging + `
const inner = exports.handler;
exports.handler = async () => { await inner(); console.log("n", 10n); console.log({n: 10n}); throw new TypeError("end") }`},
		options{frames: true, env: []string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO"}})
	e.invoke("{}")
	e.stop()
	const at = `\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",`
	const id = `"requestId":"request-1",`
	want := []string{
		at + `"level":"INFO","message":"during init"\}`,
		at + `"level":"INFO",` + id + `"message":"one\\ntwo 3 \{ a: 1 \}"\}`,
		at + `"level":"WARN",` + id + `"message":\{"a":\[1\]\}\}`,
		at + `"level":"ERROR",` + id + `"message":"failed RangeError: far\\n.*","errorType":"RangeError","errorMessage":"far","stackTrace":\["RangeError: far","    at .*"\]\}`,
		at + `"level":"FATAL",` + id + `"message":"over"\}`,
		at + `"level":"INFO",` + id + `"message":"n 10n"\}`,
		at + `"level":"INFO",` + id + `"message":"\{ n: 10n \}"\}`,
		at + `"level":"ERROR",` + id + `"message":\{"errorType":"TypeError","errorMessage":"end","stackTrace":\["TypeError: end",.*\]\}\}`,
	}
	got := e.messages()
	if len(got) != len(want) {
		t.Fatalf("%d events: %q", len(got), got)
	}
	for n, pattern := range want {
		if !regexp.MustCompile("^" + pattern + "\n$").MatchString(got[n]) {
			t.Errorf("event %d: %s", n, got[n])
		}
	}
}

// TestNodeReconnects: a connection that the daemon closed while it was idle
// costs nothing but another one.
// TestNodeHangUp: where the daemon is gone, or has given up the environment, the
// process ends too.
func TestNodeHangUp(t *testing.T) {
	t.Parallel()
	e := start(t, "nodejs20.x", map[string]string{"app.js": "exports.handler = async (e) => e"}, options{})
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

func TestNodeFlags(t *testing.T) {
	want := []string{"--expose-gc", "--max-http-header-size=81920", "--max-semi-space-size=51", "--max-old-space-size=921"}
	if got := nodeFlags(1024); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := nodeFlags(0); len(got) != 2 {
		t.Errorf("without a size: %q", got)
	}
}
