package runtimes

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNodeStreaming(t *testing.T) {
	t.Parallel()
	for runtime, ctx := range map[string]string{"nodejs20.x": "[true,true]", "nodejs24.x": "[true,null]"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			testNodeStreaming(t, runtime, ctx)
		})
	}
}

func testNodeStreaming(t *testing.T, runtime, ctx string) {
	e := start(t, runtime, map[string]string{"app.mjs": `
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
const acts = {
  plain: async (stream) => { stream.setContentType("text/plain"); stream.write("one "); stream.write(Buffer.from("two")); stream.end() },
  objects: async (stream) => { stream.write({a: 1}); stream.end([2]) },
  http: async (stream) => { stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {"x-a": "b"}}); stream.write("body"); stream.end() },
  httpEmpty: async (stream) => { awslambda.HttpResponseStream.from(stream, {statusCode: 204}).end() },
  pipe: async (stream) => pipeline(Readable.from(["a", "b", "c"]), stream),
  large: async (stream) => pipeline(Readable.from((function* () { for (let i = 0; i < 64; i++) yield Buffer.alloc(65536, "z") })()), stream),
  late: async (stream) => { setTimeout(() => stream.end("late"), 5) },
  empty: async (stream) => { stream.end() },
  tooLate: async (stream) => { stream.write("x"); stream.setContentType("a/b") },
  fails: async (stream) => { stream.write("half"); throw new RangeError("way") },
  failsFirst: async () => { throw new TypeError("first") },
  pipeFails: async (stream) => pipeline(Readable.from((async function* () { yield "some"; throw new Error("source") })()), stream),
  sync: (stream) => { stream.end("x") },
  ctx: async (stream, c) => { stream.end(JSON.stringify([c.awsRequestId !== "", c.callbackWaitsForEmptyEventLoop])) },
};
export const handler = awslambda.streamifyResponse((event, stream, context) => acts[event.do](stream, context));
`}, options{})
	nul := strings.Repeat("\x00", 8)
	for _, tt := range []struct{ do, body, contentType, errorType, message string }{
		{do: "plain", body: "one two", contentType: "text/plain"},
		{do: "objects", body: `{"a":1}[2]`},
		{do: "http", body: `{"statusCode":201,"headers":{"x-a":"b"}}` + nul + "body", contentType: "application/vnd.awslambda.http-integration-response"},
		{do: "httpEmpty", body: `{"statusCode":204}` + nul, contentType: "application/vnd.awslambda.http-integration-response"},
		{do: "pipe", body: "abc"},
		{do: "large", body: strings.Repeat("z", 64*65536)},
		{do: "late", body: "late"},
		{do: "empty", body: ""},
		{do: "tooLate", body: "x", errorType: "Runtime.InvalidStreamingOperation", message: "Cannot set content-type, too late."},
		{do: "fails", body: "half", errorType: "RangeError", message: "way"},
		{do: "failsFirst", body: "", errorType: "TypeError", message: "first"},
		{do: "pipeFails", body: "some", errorType: "Error", message: "source"},
		{do: "sync", body: "x", errorType: "Error", message: "Streaming does not support non-async handlers."},
		{do: "ctx", body: ctx},
		{do: "plain", body: "one two", contentType: "text/plain"},
	} {
		t.Run(tt.do, func(t *testing.T) {
			got := e.invoke(`{"do":"` + tt.do + `"}`)
			if tt.contentType == "" {
				tt.contentType = "application/octet-stream"
			}
			if got.kind != "response" || got.body != tt.body {
				t.Errorf("%s %.200q", got.kind, got.body)
			}
			if ct := got.header.Get("Content-Type"); ct != tt.contentType {
				t.Errorf("content type %q", ct)
			}
			if got.trailer == nil {
				t.Error("it did not stream")
			}
			if kind := got.trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != tt.errorType {
				if tt.do != "sync" { // it had ended before it failed
					t.Errorf("error type %q", kind)
				}
			}
			if tt.errorType == "" || tt.do == "sync" {
				return
			}
			text := got.trailer.Get("Lambda-Runtime-Function-Error-Body")
			var r errorReport
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			if r.ErrorType != tt.errorType || r.ErrorMessage != tt.message || len(r.Trace) == 0 {
				t.Errorf("error %s", text)
			}
		})
	}
	e.stop()
	if out := e.out.String(); !strings.Contains(out, "\tERROR\tInvoke Error \t{\"errorType\":\"RangeError\",\"errorMessage\":\"way\"") {
		t.Errorf("the log says %q", out)
	}
}
