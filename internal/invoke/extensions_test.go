package invoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// extend is the external extension of these tests, which does what the variable
// with its name says; several things with spaces between them.
func extend(api string) {
	name := filepath.Base(os.Args[0])
	does := make(map[string]bool)
	for word := range strings.FieldsSeq(os.Getenv("EXT_" + name)) {
		does[word] = true
	}
	x := &extensionClient{api: "http://" + api + "/2020-01-01/extension/"}
	switch {
	case does["silent"]:
		select {}
	case does["exit-unregistered"]:
		os.Exit(3)
	}
	events := `{"events":["INVOKE","SHUTDOWN"]}`
	if does["no-shutdown"] {
		events = `{"events":["INVOKE"]}`
	}
	body, head := x.call("POST", "register", events, "Lambda-Extension-Name", name, "Lambda-Extension-Accept-Feature", "accountId")
	x.id = head.Get("Lambda-Extension-Identifier")
	fmt.Printf("registered %s", body)
	fmt.Printf("\nenvironment %q\n", os.Environ())
	for _, api := range []string{"telemetry", "logs"} {
		if does[api] {
			x.listen(api, os.Getenv("EXT_OUT"))
		}
	}
	if does["init-error"] {
		x.call("POST", "init/error", `{}`, "Lambda-Extension-Function-Error-Type", "Extension.NoLuck")
		os.Exit(4)
	}
	if does["exit-init"] {
		os.Exit(5)
	}
	for n := 0; ; n++ {
		body, _ := x.call("GET", "event/next", "")
		fmt.Printf("event %s\n", body)
		var event struct{ EventType string }
		if err := json.Unmarshal(body, &event); err != nil {
			panic(err)
		}
		if event.EventType == "SHUTDOWN" {
			if does["stay"] {
				select {}
			}
			fmt.Println("goodbye from", name)
			return
		}
		switch file := os.Getenv("EXT_WAIT"); {
		case does["wait"]:
			for {
				if _, err := os.Stat(file); err == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
		case does["exit-error"]:
			x.call("POST", "exit/error", `{}`, "Lambda-Extension-Function-Error-Type", "Extension.NoLuck")
			select {}
		case does["crash"]:
			os.Exit(6)
		case does["hang"]:
			select {}
		}
	}
}

type extensionClient struct{ api, id string }

func (x *extensionClient) call(method, path, body string, header ...string) ([]byte, http.Header) {
	req, err := http.NewRequest(method, x.api+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	if x.id != "" {
		req.Header.Set("Lambda-Extension-Identifier", x.id)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println("the API has gone:", err)
		os.Exit(0)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	if resp.StatusCode/100 != 2 {
		panic(resp.Status + string(answer))
	}
	return answer, resp.Header
}

// listen subscribes to telemetry, and keeps what comes in a file.
func (x *extensionClient) listen(api, file string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	out, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	go func() {
		panic(http.Serve(ln, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var batch []json.RawMessage
			if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
				panic(err)
			}
			for _, record := range batch {
				fmt.Fprintf(out, "%s\n", record)
			}
		})))
	}()
	at, schema := "2022-07-01/telemetry", "2022-12-13"
	if api == "logs" {
		at, schema = "2020-08-15/logs", "2021-03-18"
	}
	base := x.api
	x.api = strings.Replace(x.api, "2020-01-01/extension/", at, 1)
	x.call("PUT", "", fmt.Sprintf(`{"schemaVersion":%q,"types":["platform","function","extension"],"buffering":{"timeoutMs":25},
		"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:%d"}}`, schema, ln.Addr().(*net.TCPAddr).Port))
	x.api = base
}

// extended is a function with extensions that do that, by their names.
func extended(t testing.TB, script string, does map[string]string, change func(*function.Version)) *function.Version {
	t.Helper()
	layer := t.TempDir()
	if err := os.Mkdir(filepath.Join(layer, "extensions"), 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return version(t, script, func(v *function.Version) {
		v.LayerDirs = []string{layer}
		for name, what := range does {
			if err := os.Symlink(exe, filepath.Join(layer, "extensions", name)); err != nil {
				t.Fatal(err)
			}
			v.Environment["EXT_"+name] = what
		}
		if change != nil {
			change(v)
		}
	})
}

func (f *fixture) awaitGone() {
	f.t.Helper()
	await(f.t, "the environments to end", func() bool { return f.count() == 0 })
}

func TestExtensions(t *testing.T) {
	f := newFixture(t, nil)
	v := extended(t, "", map[string]string{"first": "", "second": "no-shutdown"}, nil)
	inv := invocation(v, "x")
	if res := f.invoke(inv); string(res.Payload) != `"x"` || res.FunctionError != "" {
		t.Fatalf("%s\n%s", res.Payload, f.logs.text())
	}
	f.invoke(invocation(v, "y"))
	f.Retire(v.ARN)
	f.awaitGone()
	log := f.logs.text()
	for _, want := range []string{
		"EXTENSION\tName: first\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n",
		"EXTENSION\tName: second\tState: Ready\tEvents: [INVOKE]\n",
		`registered {"functionName":"f","functionVersion":"$LATEST","handler":"h","accountId":"000000000000"}`,
		`"eventType":"INVOKE","deadlineMs":`, `"requestId":"` + inv.RequestID + `","invokedFunctionArn":"` + v.ARN + `","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=`,
		`event {"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":`,
		"goodbye from first", `"GREETING=hi"`, `"PATH=`, `"AWS_LAMBDA_FUNCTION_NAME=f"`, `"AWS_ACCESS_KEY_ID=`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	for _, not := range []string{`"_HANDLER=`, `"LAMBDA_TASK_ROOT=`, `"AWS_LAMBDA_LOG_GROUP_NAME=`, "goodbye from second"} {
		if strings.Contains(log, not) {
			t.Errorf("%q is in the log", not)
		}
	}
	if i, j := strings.Index(log, "EXTENSION"), strings.Index(log, "START RequestId"); i < 0 || i > j {
		t.Error("EXTENSION does not come before START")
	}
	if n := strings.Count(log, `event {"eventType":"INVOKE"`); n != 4 {
		t.Errorf("%d INVOKE events", n)
	}
	if t.Failed() {
		t.Log(log)
	}
}

// A caller has its answer before the extensions have done, but the environment
// takes nothing else meanwhile.
func TestExtensionAfterTheRuntime(t *testing.T) {
	f := newFixture(t, nil)
	file := filepath.Join(t.TempDir(), "go-on")
	v := extended(t, "", map[string]string{"slow": "wait"}, func(v *function.Version) {
		v.Environment["EXT_WAIT"] = file
	})
	inv := invocation(v, "x")
	f.invoke(inv)
	if strings.Contains(f.logs.text(), "REPORT RequestId: "+inv.RequestID) {
		t.Error("the invocation is over before its extension has done")
	}
	if n := f.running(v); n != 1 {
		t.Errorf("concurrency %d while the extension is at work", n)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the end", func() bool { return strings.Contains(f.logs.text(), "REPORT RequestId: "+inv.RequestID) })
	f.invoke(invocation(v, "y"))
	if n := f.count(); n != 1 {
		t.Errorf("%d environments", n)
	}
	await(t, "no concurrency", func() bool { return f.running(v) == 0 })
}

// What becomes of an invocation when an extension fails.
func TestExtensionFailures(t *testing.T) {
	for _, c := range []struct {
		name, does, errorType, message string
		logged                         []string
		again                          bool // the environment failed with the invocation, not before it
	}{
		{"ends before it registers", "exit-unregistered", "Extension.Crash", "exit status 3",
			[]string{"State: Started\tEvents: []", "INIT_REPORT", "Phase: init\tStatus: error\tError Type: Extension.Crash", "Phase: invoke\tStatus: error\tError Type: Extension.Crash"}, false},
		{"ends after it has", "exit-init", "Extension.Crash", "exit status 5", []string{"State: Registered\tEvents: [INVOKE,SHUTDOWN]"}, false},
		{"init error", "init-error", "Extension.InitError", "", []string{"State: InitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.NoLuck"}, false},
		{"exit error", "exit-error", "Extension.ExitError", "", []string{"State: Ready", "Status: error\tError Type: Extension.ExitError"}, true},
		{"crash", "crash", "Extension.Crash", "exit status 6", []string{"Status: error\tError Type: Extension.Crash"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			// The runtime never answers: what is failing must be seen while it is at work.
			v := extended(t, `api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
curl -s $api/next >/dev/null; sleep 60`, map[string]string{"bad": c.does, "good": ""}, nil)
			res := f.invoke(invocation(v, "x"))
			var doc struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(res.Payload, &doc); err != nil {
				t.Fatal(err)
			}
			if res.FunctionError != "Unhandled" || doc.ErrorType != c.errorType || !strings.Contains(doc.ErrorMessage, c.message) {
				t.Errorf("%s %s", res.FunctionError, res.Payload)
			}
			f.awaitGone()
			log := f.logs.text()
			for _, want := range c.logged {
				if !strings.Contains(log, want) {
					t.Errorf("%q is not in the log", want)
				}
			}
			shutdown := `event {"eventType":"SHUTDOWN","shutdownReason":"failure"`
			if c.again && !strings.Contains(log, shutdown) {
				t.Error("the other extension was not told")
			}
			if n := f.running(v); n != 0 {
				t.Errorf("concurrency %d", n)
			}
			if t.Failed() {
				t.Log(log)
			}
		})
	}
}

func TestExtensionNeverRegisters(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.InitLimit = 300 * time.Millisecond })
	v := extended(t, "", map[string]string{"silent": "silent"}, func(v *function.Version) { v.Timeout = time.Second })
	res := f.invoke(invocation(v, "x"))
	if !strings.Contains(string(res.Payload), "Task timed out after 1.00 seconds") {
		t.Errorf("%s", res.Payload)
	}
	log := f.logs.text()
	for _, want := range []string{"Phase: init\tStatus: timeout", "EXTENSION\tName: silent\tState: Started\tEvents: []\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in %s", want, log)
		}
	}
	f.awaitGone()
}

// The time limit of a function is that of its extensions, too.
func TestExtensionTimeout(t *testing.T) {
	f := newFixture(t, nil)
	v := extended(t, "", map[string]string{"hang": "hang", "other": ""}, func(v *function.Version) { v.Timeout = time.Second })
	inv := invocation(v, "x")
	if res := f.invoke(inv); string(res.Payload) != `"x"` { // the runtime has answered
		t.Errorf("%s", res.Payload)
	}
	f.awaitGone()
	log := f.logs.text()
	for _, want := range []string{"Task timed out after 1.00 seconds", "Status: timeout", `"shutdownReason":"timeout"`, "goodbye from other"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in %s", want, log)
		}
	}
}

// One that ignores SHUTDOWN is killed when its 2 s are over.
func TestExtensionIgnoresShutdown(t *testing.T) {
	f := newFixture(t, nil)
	v := extended(t, "", map[string]string{"stays": "stay"}, nil)
	f.invoke(invocation(v, "x"))
	began := time.Now()
	f.Retire(v.ARN)
	f.awaitGone()
	if took := time.Since(began); took < shutdownExternal || took > shutdownExternal+5*time.Second {
		t.Errorf("it lasted %s", took)
	}
}

func TestExtensionCannotBeStarted(t *testing.T) {
	f := newFixture(t, nil)
	v := extended(t, "", nil, func(v *function.Version) {
		if err := os.WriteFile(filepath.Join(v.LayerDirs[0], "extensions", "text"), []byte("#!/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	res := f.invoke(invocation(v, "x"))
	if !strings.Contains(string(res.Payload), "Extension.LaunchError") || !strings.Contains(string(res.Payload), "/opt/extensions/text: permission denied") {
		t.Errorf("%s", res.Payload)
	}
	if log := f.logs.text(); !strings.Contains(log, "EXTENSION\tName: text\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n") {
		t.Error(log)
	}
	many := make(map[string]string)
	for n := range 11 {
		many[fmt.Sprint("x", n)] = ""
	}
	res = f.invoke(invocation(extended(t, "", many, nil), "x"))
	if !strings.Contains(string(res.Payload), "Extension.LaunchError") {
		t.Errorf("%s", res.Payload)
	}
	if log := f.logs.text(); !strings.Contains(log, "State: LaunchError\tEvents: []\tError Type: TooManyExtensions") {
		t.Error(log)
	}
}

// Extensions of managed runtimes, also where the interpreter was started ahead.
func TestExtensionsOfManagedRuntimes(t *testing.T) {
	eachStart(t, "python3.13", func(t *testing.T, f *fixture) {
		v := extended(t, "", map[string]string{"x": ""}, func(v *function.Version) {
			v.Runtime, v.Handler, v.MemoryMB = "python3.13", "app.handler", 512
			delete(v.Environment, "LANG") // which would want a program of its own
			code := `
import signal, sys
def ending(*_):
    print("goodbye from python", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, ending)
def handler(event, context):
    return event
`
			if err := os.WriteFile(filepath.Join(v.CodeDir, "app.py"), []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		for range 2 {
			if res := f.invoke(invocation(v, "x")); string(res.Payload) != `"x"` {
				t.Errorf("%s", res.Payload)
			}
		}
		f.Retire(v.ARN)
		f.awaitGone()
		log := f.logs.text()
		python, extension := strings.Index(log, "goodbye from python"), strings.Index(log, "goodbye from x")
		if python < 0 || extension < python {
			t.Errorf("%s", log)
		}
	})
}
