package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

func TestWarmInvocations(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	var pid string
	for i := range 20 {
		res := f.invoke(invocation(v, request{Do: "pid"}))
		if res.FunctionError != "" {
			t.Fatalf("%s", res.Payload)
		}
		if i == 0 {
			pid = string(res.Payload)
		} else if pid != string(res.Payload) {
			t.Errorf("invocation %d ran in another environment", i)
		}
	}
	if got := f.invoke(&function.Invocation{Version: v, RequestID: "empty"}); string(got.Payload) != "{}" {
		t.Errorf("no payload arrives as %s", got.Payload)
	}
}

func TestContext(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	inv := invocation(v, request{Do: "context"})
	inv.InvokedARN = v.ARN + ":alias"
	inv.ClientContext = []byte(`{"custom":{"k":"v"}}`)
	inv.TraceID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
	var got struct {
		ID, ARN, Trace string
		Left           int
		Client         map[string]string
	}
	if err := json.Unmarshal(f.invoke(inv).Payload, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != inv.RequestID || got.ARN != inv.InvokedARN || got.Trace != inv.TraceID || got.Client["k"] != "v" {
		t.Errorf("%+v", got)
	}
	if got.Left < 15_000 || got.Left > 20_000 {
		t.Errorf("%d ms left of 20 s", got.Left)
	}
	inv = invocation(v, request{Do: "context"})
	if err := json.Unmarshal(f.invoke(inv).Payload, &got); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`).MatchString(got.Trace) || got.ARN != v.ARN {
		t.Errorf("%+v", got)
	}
}

func TestVariables(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "1")
	f := newFixture(t, nil)
	v := version(t, "", nil)
	var list []string
	if err := json.Unmarshal(f.invoke(invocation(v, request{Do: "env"})).Payload, &list); err != nil {
		t.Fatal(err)
	}
	env := sorted(list)
	for key, want := range map[string]string{
		"_HANDLER": "h", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
		"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_ENDPOINT_URL": "", "TZ": ":UTC",
		"LAMBDA_TASK_ROOT": v.CodeDir, "GREETING": "hi", "LANG": "C", "_LAMBDA_TELEMETRY_LOG_FD": "3",
		"SECRET_OF_THE_DAEMON": "",
	} {
		if env[key] != want {
			t.Errorf("%s=%s, want %q", key, env[key], want)
		}
	}
	for key, pattern := range map[string]string{
		"AWS_LAMBDA_LOG_STREAM_NAME": `^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$`,
		"AWS_ACCESS_KEY_ID":          `^ASIA[A-Z2-7]{16}$`,
		"AWS_SECRET_ACCESS_KEY":      `^.{40}$`,
		"AWS_SESSION_TOKEN":          `^.{100,}$`,
		"AWS_LAMBDA_RUNTIME_API":     `^127\.0\.0\.1:\d+$`,
		"TMPDIR":                     `/tmp$`,
		"PATH":                       `/usr/bin`,
	} {
		if !regexp.MustCompile(pattern).MatchString(env[key]) {
			t.Errorf("%s=%s", key, env[key])
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	first := string(f.invoke(invocation(v, request{Do: "pid"})).Payload)

	res := f.invoke(invocation(v, request{Do: "fail", Text: "no luck"}))
	if res.FunctionError != "Unhandled" || !strings.Contains(string(res.Payload), `"errorMessage":"no luck"`) {
		t.Errorf("%+v %s", res, res.Payload)
	}
	if again := string(f.invoke(invocation(v, request{Do: "pid"})).Payload); again != first {
		t.Error("an error of the handler ended the environment")
	}
	res = f.invoke(invocation(v, request{Do: "big", N: 6<<20 + 200}))
	if want := `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`; res.FunctionError != "Unhandled" || string(res.Payload) != want {
		t.Errorf("%+v %.200s", res.FunctionError, res.Payload)
	}

	inv := invocation(v, request{Do: "exit", N: 3})
	inv.Tail = true
	res = f.invoke(inv)
	if want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + inv.RequestID + ` Error: Runtime exited with error: exit status 3"}`; res.FunctionError != "Unhandled" || string(res.Payload) != want {
		t.Errorf("%s", res.Payload)
	}
	for _, want := range []string{
		"RequestId: " + inv.RequestID + " Error: Runtime exited with error: exit status 3\nRuntime.ExitError\nEND RequestId",
		"\tStatus: error\tError Type: Runtime.ExitError\n",
	} {
		if !strings.Contains(string(res.LogTail), want) {
			t.Errorf("tail lacks %q:\n%s", want, res.LogTail)
		}
	}
	res = f.invoke(invocation(v, request{Do: "exit"}))
	if !strings.Contains(string(res.Payload), "Error: Runtime exited without providing a reason") {
		t.Errorf("%s", res.Payload)
	}
	if again := string(f.invoke(invocation(v, request{Do: "pid"})).Payload); again == first {
		t.Error("a crash did not end the environment")
	}
}

func TestTimeout(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", func(v *function.Version) { v.Timeout = time.Second })
	f.invoke(invocation(v, request{}))
	inv := invocation(v, request{Wait: "/nonexistent"})
	inv.Tail = true
	began := time.Now()
	res := f.invoke(inv)
	if took := time.Since(began); took < time.Second || took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if want := `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + inv.RequestID + ` Error: Task timed out after 1.00 seconds"}`; res.FunctionError != "Unhandled" || string(res.Payload) != want {
		t.Errorf("%s", res.Payload)
	}
	pattern := `^START RequestId: ` + inv.RequestID + ` Version: \$LATEST
\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ` + inv.RequestID + ` Task timed out after 1\.00 seconds

END RequestId: ` + inv.RequestID + `
REPORT RequestId: ` + inv.RequestID + `\tDuration: 1000\.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\tStatus: timeout
$`
	if !regexp.MustCompile(pattern).Match(res.LogTail) {
		t.Errorf("%s", res.LogTail)
	}
	if res := f.invoke(invocation(v, request{})); res.FunctionError != "" {
		t.Errorf("%s", res.Payload)
	}
}

// curl is a bash runtime's loop around body, which has the event's ID in $id.
func curl(body string) string {
	return `api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while true; do
  curl -sS -D "${TMPDIR:-/tmp}/h" -o "${TMPDIR:-/tmp}/e" $api/invocation/next || exit 9
  id=$(grep -i '^lambda-runtime-aws-request-id' "${TMPDIR:-/tmp}/h" | tr -d '\r' | cut -d' ' -f2)
  ` + body + `
  curl -sS -o /dev/null -d "{}" $api/invocation/$id/response
done
`
}

func TestLogLines(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, curl(`echo out; echo err >&2; printf 'a\nhalf'
  printf '\xa5\x5a\x00\x03\x00\x00\x00\x07\x00\x05\xb8\x1a\x3e\xf0\x40\x00two\nrow' >&3`), nil)
	inv := invocation(v, request{})
	inv.Tail = true
	res := f.invoke(inv)
	tail := string(res.LogTail)
	if framed := "two\nrow"; strings.Count(tail, framed) != 1 { // the two pipes have no order between them
		t.Errorf("tail: %q", tail)
	} else {
		tail = strings.Replace(tail, framed, "", 1)
	}
	pattern := `^START RequestId: ` + inv.RequestID + ` Version: \$LATEST
out
err
a
halfEND RequestId: ` + inv.RequestID + `
REPORT RequestId: ` + inv.RequestID + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\tInit Duration: \d+\.\d\d ms\t
$`
	if !regexp.MustCompile(pattern).MatchString(tail) {
		t.Errorf("tail: %q", res.LogTail)
	}
	inv = invocation(v, request{})
	inv.Tail = true
	if tail := f.invoke(inv).LogTail; strings.Contains(string(tail), "Init Duration") || !strings.HasPrefix(string(tail), "START") {
		t.Errorf("the second tail: %q", tail)
	}
	f.logs.mu.Lock()
	defer f.logs.mu.Unlock()
	events := f.logs.events[f.logs.order[0]]
	var messages []string
	for _, e := range events {
		messages = append(messages, e.Message)
		if e.Message == "two\nrow" && e.Timestamp != 0x0005b81a3ef04000/1000 {
			t.Errorf("timestamp of a frame: %d", e.Timestamp)
		}
	}
	if !strings.HasPrefix(messages[0], "INIT_START Runtime Version: provided:al2023\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:") {
		t.Errorf("%q", messages[0])
	}
	if !strings.HasPrefix(f.logs.order[0], "000000000000 us-east-1 /aws/lambda/f 20") {
		t.Error(f.logs.order)
	}
}

// Everything that a function wrote before it answered lies between its START
// and its END, whichever goroutine reads it.
func TestNoLineAfterEnd(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	for range 200 {
		inv := invocation(v, request{Do: "print", Text: strings.Repeat("line\n", 50)})
		inv.Tail = true
		tail := string(f.invoke(inv).LogTail)
		if n := strings.Count(tail, "line\n"); n != 50 || strings.LastIndex(tail, "line\n") > strings.Index(tail, "END ") {
			t.Fatalf("%d lines in:\n%s", n, tail)
		}
	}
}

func TestTailIsTheLast4KB(t *testing.T) {
	f := newFixture(t, nil)
	inv := invocation(version(t, "", nil), request{Do: "print", Text: strings.Repeat("0123456\n", 10_000)})
	inv.Tail = true
	tail := f.invoke(inv).LogTail
	if len(tail) != 4096 || !strings.Contains(string(tail), "REPORT ") {
		t.Errorf("%d bytes", len(tail))
	}
}

func TestJSONLogs(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", func(v *function.Version) { v.LogFormat = "JSON" })
	inv := invocation(v, request{})
	inv.Tail = true
	f.invoke(inv)
	var kinds []string
	for line := range strings.Lines(f.logs.text()) {
		var doc struct {
			Time, Type string
			Record     struct {
				RequestID, Status, FunctionARN, InitializationType string
				Metrics                                            map[string]float64
			}
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kinds = append(kinds, doc.Type)
		switch doc.Type {
		case "platform.report":
			for _, key := range []string{"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"} {
				if doc.Record.Metrics[key] <= 0 {
					t.Errorf("%s in %s", key, line)
				}
			}
			if doc.Record.Status != "success" || doc.Record.RequestID != inv.RequestID {
				t.Error(line)
			}
		case "platform.start":
			if doc.Record.FunctionARN != v.ARN {
				t.Error(line)
			}
		}
	}
	if got := strings.Join(kinds, " "); got != "platform.initStart platform.start platform.report" {
		t.Error(got)
	}
}

func TestInitFailures(t *testing.T) {
	report := `"Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError"`
	for name, c := range map[string]struct {
		script, payload string
		log             []string
		change          func(*function.Version)
	}{
		"crash": {
			script:  "echo starting; exit 7",
			payload: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`,
			log: []string{"starting\nINIT_REPORT Init Duration: ", " ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\nSTART RequestId: ID Version: $LATEST\nstarting\nINIT_REPORT Init Duration: ",
				"\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\nEND RequestId: ID\nREPORT RequestId: ID\t"},
		},
		"killed": {
			script:  "kill -SEGV $$",
			payload: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: segmentation fault"}`,
		},
		"reported": {
			script:  `curl -sS -o /dev/null -H ` + report + ` -d '{"errorMessage":"Unable to import module","errorType":"Runtime.ImportModuleError"}' http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error; echo last; exit 1`,
			payload: `{"errorMessage":"Unable to import module","errorType":"Runtime.ImportModuleError"}`,
			log:     []string{"last\nINIT_REPORT", "\tStatus: error\tError Type: Runtime.ImportModuleError\n"},
		},
		"missing": {
			change:  func(v *function.Version) { _ = os.Remove(filepath.Join(v.CodeDir, "bootstrap")) },
			payload: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`,
			log:     []string{"\tError Type: Runtime.InvalidEntrypoint\n"},
		},
		"not executable": {
			script:  "true",
			change:  func(v *function.Version) { _ = os.Chmod(filepath.Join(v.CodeDir, "bootstrap"), 0o644) },
			payload: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: fork/exec /var/task/bootstrap: permission denied"}`,
		},
		"no program": {
			change: func(v *function.Version) {
				_ = os.Remove(filepath.Join(v.CodeDir, "bootstrap"))
				_ = os.WriteFile(filepath.Join(v.CodeDir, "bootstrap"), []byte{0, 1, 2, 3}, 0o755)
			},
			payload: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: fork/exec /var/task/bootstrap: exec format error"}`,
		},
		"too slow": {
			script:  "exec sleep 100",
			change:  func(v *function.Version) { v.Timeout = time.Second },
			payload: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}`,
			log: []string{"\tPhase: init\tStatus: timeout\nSTART", "\tPhase: invoke\tStatus: timeout\n", "ID Task timed out after 1.00 seconds\n",
				"Duration: 1000.00 ms\tBilled Duration: 1000 ms\t", "\tStatus: timeout\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.InitLimit = 500 * time.Millisecond })
			v := version(t, c.script, c.change)
			inv := invocation(v, request{})
			res := f.invoke(inv)
			if want := strings.ReplaceAll(c.payload, "ID", inv.RequestID); res.FunctionError != "Unhandled" || !strings.HasPrefix(strings.ReplaceAll(string(res.Payload), " (core dumped)", ""), want) {
				t.Errorf("%s", res.Payload)
			}
			log := f.logs.text()
			for rest, at := log, 0; at < len(c.log); at++ {
				_, after, ok := strings.Cut(rest, strings.ReplaceAll(c.log[at], "ID", inv.RequestID))
				if !ok {
					t.Errorf("%q is not in the log, or not in its place:\n%s", c.log[at], log)
				}
				rest = after
			}
			await(t, "the environment to end", func() bool { return f.count() == 0 })
		})
	}
}

// An Init that is too slow for its own limit has the function's time limit when
// it is repeated.
func TestSlowInitSucceedsInTheInvocation(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.InitLimit = 200 * time.Millisecond })
	v := version(t, "sleep 0.5\n"+curl(""), nil)
	inv := invocation(v, request{})
	inv.Tail = true
	res := f.invoke(inv)
	if res.FunctionError != "" || string(res.Payload) != "{}" {
		t.Errorf("%s", res.Payload)
	}
	if strings.Contains(string(res.LogTail), "Init Duration") || !strings.Contains(f.logs.text(), "Phase: init\tStatus: timeout\n") {
		t.Error(f.logs.text())
	}
	if !regexp.MustCompile(`\tDuration: [5-9]\d\d\.\d\d ms`).Match(res.LogTail) {
		t.Errorf("the duration has the repeated Init in it: %s", res.LogTail)
	}
	f.invoke(invocation(v, request{}))
}

func TestNoRuntime(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", func(v *function.Version) { v.Runtime = "cobol85" })
	if _, err := f.Invoke(context.Background(), invocation(v, request{})); !errors.Is(err, function.ErrNoRuntime) {
		t.Error(err)
	}
	if n := f.running(v); n != 0 {
		t.Error("concurrency is", n)
	}
}

func TestStreams(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", func(v *function.Version) { v.Timeout = 3 * time.Second })
	open := func(t *testing.T, q request) (*function.Stream, *function.Invocation) {
		inv := invocation(v, q)
		inv.Tail = true
		s, err := f.InvokeStream(context.Background(), inv)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Body.Close() })
		return s, inv
	}
	t.Run("as it comes", func(t *testing.T) {
		more := filepath.Join(t.TempDir(), "more")
		s, inv := open(t, request{Do: "stream", Text: more})
		first := make([]byte, 4)
		if _, err := io.ReadFull(s.Body, first); err != nil || string(first) != "one " || s.ContentType != "application/octet-stream" {
			t.Errorf("%q %v %s", first, err, s.ContentType)
		}
		if err := os.WriteFile(more, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(s.Body)
		if err != nil || string(rest) != "two" {
			t.Errorf("%q %v", rest, err)
		}
		if tail := string(s.LogTail()); !strings.Contains(tail, "REPORT RequestId: "+inv.RequestID) {
			t.Error(tail)
		}
	})
	t.Run("fails halfway", func(t *testing.T) {
		s, _ := open(t, request{Do: "stream", N: 1})
		got, err := io.ReadAll(s.Body)
		var failed *function.StreamError
		if !errors.As(err, &failed) || !strings.Contains(failed.Details, "halfway") || string(got) != "one " {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("times out halfway", func(t *testing.T) {
		s, _ := open(t, request{Do: "stream", Text: "/nonexistent"})
		_, err := io.ReadAll(s.Body)
		var failed *function.StreamError
		if !errors.As(err, &failed) || failed.Type != "Sandbox.Timedout" || !strings.Contains(failed.Details, "Task timed out after 3.00 seconds") {
			t.Error(err)
		}
	})
	t.Run("fails at once", func(t *testing.T) {
		s, _ := open(t, request{Do: "fail", Text: "no"})
		_, err := io.ReadAll(s.Body)
		var failed *function.StreamError
		if !errors.As(err, &failed) || !strings.Contains(failed.Details, `"errorMessage":"no"`) {
			t.Error(err)
		}
	})
	t.Run("not streamed", func(t *testing.T) {
		s, _ := open(t, request{Do: "big", N: 100_000})
		if got, err := io.ReadAll(s.Body); err != nil || len(got) != 100_002 {
			t.Error(len(got), err)
		}
	})
	t.Run("wanted whole", func(t *testing.T) {
		if res := f.invoke(invocation(v, request{Do: "stream"})); string(res.Payload) != "one two" || res.FunctionError != "" {
			t.Errorf("%s", res.Payload)
		}
		if res := f.invoke(invocation(v, request{Do: "stream", N: 1})); res.FunctionError != "Unhandled" || !strings.Contains(string(res.Payload), "halfway") {
			t.Errorf("%s", res.Payload)
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	f := newFixture(t, nil)
	v := version(t, "", nil)
	f.invoke(invocation(v, request{}))
	dir := t.TempDir()
	start, wait := filepath.Join(dir, "start"), filepath.Join(dir, "wait")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.Invoke(ctx, invocation(v, request{Start: start, Wait: wait})); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	awaitFile(t, start)
	cancel()
	wg.Wait()
	if n := f.running(v); n != 1 {
		t.Error("the function does not count any more while it runs:", n)
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the function to end", func() bool { return f.running(v) == 0 })
}
