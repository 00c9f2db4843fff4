package runtimeapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// register registers an extension, and returns its connection and identifier.
func register(t *testing.T, addr, name, events string) (*runtime, string) {
	t.Helper()
	x := dial(t, addr)
	resp, body := x.post(pathExtensionRegister, "Lambda-Extension-Name: "+name+"\r\n", `{"events":`+events+`}`)
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, body)
	}
	return x, resp.Header.Get("Lambda-Extension-Identifier")
}

func (r *runtime) askExtension(id string) {
	r.write("GET " + pathExtensionNext + " HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: " + id + "\r\n\r\n")
}

func TestExtensionsTurn(t *testing.T) {
	s, h, addr := serve(t)
	s.function = Function{Name: "f", Version: "7", Handler: "a.b", Account: "123456789012"}
	s.Expect([]string{"outer"})
	outer := dial(t, addr)
	resp, body := outer.post(pathExtensionRegister, "Lambda-Extension-Name: outer\r\nLambda-Extension-Accept-Feature: other, accountId\r\n", `{"events":["SHUTDOWN","INVOKE"]}`)
	if body != `{"functionName":"f","functionVersion":"7","handler":"a.b","accountId":"123456789012"}` {
		t.Fatal(body)
	}
	outerID := resp.Header.Get("Lambda-Extension-Identifier")
	<-h.registered
	inner, innerID := register(t, addr, "inner", `["INVOKE"]`)
	silent, silentID := register(t, addr, "silent", `[]`)
	r := dial(t, addr)
	r.write(getNext)
	<-h.runtimeDone
	outer.askExtension(outerID)
	inner.askExtension(innerID)
	select {
	case <-h.next:
		t.Fatal("Next before every extension waits")
	default:
	}
	silent.askExtension(silentID)
	<-h.next
	for n := range 3 {
		if err := s.Send(event(fmt.Sprint("id-", n))); err != nil {
			t.Fatal(err)
		}
		for _, x := range []*runtime{outer, inner} {
			resp, body := x.read()
			var ev struct {
				EventType, RequestID, InvokedFunctionARN string
				DeadlineMs                               int64
				Tracing                                  struct{ Type, Value string }
			}
			if err := json.Unmarshal([]byte(body), &ev); err != nil {
				t.Fatal(err)
			}
			want := event(fmt.Sprint("id-", n))
			if ev.EventType != "INVOKE" || ev.RequestID != want.RequestID || ev.InvokedFunctionARN != want.InvokedARN || ev.DeadlineMs != want.DeadlineMs ||
				ev.Tracing.Type != "X-Amzn-Trace-Id" || ev.Tracing.Value != want.TraceID || resp.Header.Get("Lambda-Extension-Event-Identifier") == "" {
				t.Errorf("%s %v", body, resp.Header)
			}
		}
		r.read()
		outer.askExtension(outerID)
		r.post(pathInvocation+fmt.Sprint("id-", n)+"/response", "", "{}")
		<-h.answers
		r.write(getNext)
		<-h.runtimeDone
		inner.askExtension(innerID)
		<-h.next
	}
	s.Shutdown(ReasonTimeout, time.UnixMilli(1234))
	if _, body := outer.read(); body != `{"eventType":"SHUTDOWN","shutdownReason":"timeout","deadlineMs":1234}` {
		t.Error(body)
	}
	var states []string
	for _, x := range s.Extensions() {
		states = append(states, fmt.Sprintf("%s %t %s %v %t", x.Name, x.External, x.State, x.Events, x.Subscribed()))
	}
	if got := strings.Join(states, ", "); got != "inner false Ready [INVOKE] false, outer true Running [INVOKE SHUTDOWN] true, silent false Ready [] false" {
		t.Error(got)
	}
}

// An extension at work when the end comes hears of it when it asks again.
func TestShutdownOfBusyExtension(t *testing.T) {
	s, h, addr := serve(t)
	s.Expect([]string{"x"})
	x, id := register(t, addr, "x", `["SHUTDOWN"]`)
	<-h.registered
	s.Shutdown(ReasonFailure, time.Now())
	x.askExtension(id)
	if _, body := x.read(); !strings.Contains(body, `"shutdownReason":"failure"`) {
		t.Error(body)
	}
}

// An extension whose connection broke has its event when it asks again.
func TestExtensionAsksAgain(t *testing.T) {
	s, h, addr := serve(t)
	x, id := register(t, addr, "x", `["INVOKE"]`)
	r := dial(t, addr)
	r.write(getNext)
	x.askExtension(id)
	<-h.next
	again := dial(t, addr)
	again.askExtension(id)
	if _, err := x.r.ReadByte(); err == nil {
		t.Fatal("the older connection got something")
	}
	if err := s.Send(event("one")); err != nil {
		t.Fatal(err)
	}
	if _, body := again.read(); !strings.Contains(body, `"requestId":"one"`) {
		t.Error(body)
	}
}

func TestExtensionRefusals(t *testing.T) {
	s, h, addr := serve(t)
	s.Expect([]string{"outer"})
	_, id := register(t, addr, "outer", `["INVOKE"]`)
	_, failed := register(t, addr, "failed", `["INVOKE"]`)
	x := dial(t, addr)
	const typed = "Lambda-Extension-Function-Error-Type: Extension.X\r\n"
	who := func(id string) string { return "Lambda-Extension-Identifier: " + id + "\r\n" }
	if resp, body := x.post(pathExtensionInitError, who(failed)+typed, "{}"); resp.StatusCode != 202 || body != acceptedBody {
		t.Fatal(resp.Status, body)
	}
	if err := <-h.extensionErrs; *err != (ExtensionError{"failed", ErrorExtensionInit}) {
		t.Error(err)
	}
	for n := range MaxExtensions - 2 {
		register(t, addr, fmt.Sprint("x", n), `[]`)
	}
	for _, c := range []struct {
		method, path, headers, body string
		status                      int
		errorType, message          string
	}{
		{"POST", pathExtensionRegister, "", `{}`, 403, "Extension.InvalidExtensionName", "Empty extension name"},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: n\r\n", `{`, 403, "InvalidRequestFormat", ""},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: n\r\n", `{"events":["DANCE"]}`, 403, "Extension.InvalidEventType", ""},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: n\r\n", `{"events":["SHUTDOWN"]}`, 403, "Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: n\r\n", `{"configurationKeys":["k"]}`, 403, "InvalidRequestFormat", ""},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: n\r\n", `{}`, 403, "Extension.TooManyExtensions", "Extension limit (10) reached"},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: x0\r\n", `{}`, 403, "Extension.InvalidExtensionState", "Extension with this name already registered"},
		{"POST", pathExtensionRegister, "Lambda-Extension-Name: outer\r\n", `{}`, 403, "Extension.InvalidExtensionState", "State transition from Registered to Registered failed for extension outer. Error: State transition is not allowed"},
		{"GET", pathExtensionNext, "", "", 403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"},
		{"GET", pathExtensionNext, who("x"), "", 403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"},
		{"GET", pathExtensionNext, who("6e7b9d4b-0000-4000-8000-000000000000"), "", 403, "Extension.UnknownExtensionIdentifier", ""},
		{"GET", pathExtensionNext, who(failed), "", 403, "Extension.InvalidExtensionState", ""},
		{"POST", pathExtensionInitError, who(id), "{}", 403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"},
		{"POST", pathExtensionExitError, typed, "{}", 403, "Extension.MissingExtensionIdentifier", ""},
		{"PUT", pathExtensionRegister, "", "", 405, "MethodNotAllowed", ""},
		{"GET", pathExtension + "else", "", "", 404, "NotFound", ""},
	} {
		x.write(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", c.method, c.path, c.headers, len(c.body), c.body))
		resp, body := x.read()
		var doc struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err, body)
		}
		if resp.StatusCode != c.status || doc.ErrorType != c.errorType || c.message != "" && doc.ErrorMessage != c.message {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, body)
		}
	}

	// Once the runtime is there, nobody can join.
	r := dial(t, addr)
	r.write(getNext)
	<-h.runtimeDone
	if resp, body := x.post(pathExtensionRegister, "Lambda-Extension-Name: late\r\n", "{}"); resp.StatusCode != 403 || !strings.Contains(body, "Extension.RegistrationClosed") {
		t.Error(resp.Status, body)
	}
	// One that cannot go on.
	if resp, _ := x.post(pathExtensionExitError, who(id)+typed, "{}"); resp.StatusCode != 202 {
		t.Error(resp.Status)
	}
	if err := <-h.extensionErrs; *err != (ExtensionError{"outer", ErrorExtensionExit}) {
		t.Error(err)
	}
}

// Settle does not wait for extensions, which go on when the runtime has ended.
func TestSettleWithExtensions(t *testing.T) {
	s, h, addr := serve(t)
	x, id := register(t, addr, "x", `[]`)
	x.askExtension(id)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	_ = r.nc.Close()
	began := time.Now()
	s.Settle(time.Minute)
	if took := time.Since(began); took > 30*time.Second {
		t.Error("it waited for ", took)
	}
}
