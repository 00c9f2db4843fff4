package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// heard is a Handler that keeps what it hears.
type heard struct {
	next    chan struct{}
	initErr chan *Error
	answers chan *Answer
	ends    chan *Error

	runtimeDone, registered chan struct{}
	extensionErrs           chan *ExtensionError
	subscriptions           chan *Subscription
}

func (h *heard) Next()              { h.next <- struct{}{} }
func (h *heard) InitError(e *Error) { h.initErr <- e }
func (h *heard) Answer(a *Answer)   { h.answers <- a }
func (h *heard) AnswerEnd(e *Error) { h.ends <- e }
func (h *heard) RuntimeDone()       { h.runtimeDone <- struct{}{} }
func (h *heard) Registered()        { h.registered <- struct{}{} }

func (h *heard) Subscribed(s *Subscription)       { h.subscriptions <- s }
func (h *heard) ExtensionError(e *ExtensionError) { h.extensionErrs <- e }

func serve(t *testing.T) (*Server, *heard, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{
		next:    make(chan struct{}, 8),
		initErr: make(chan *Error, 8),
		answers: make(chan *Answer, 8),
		ends:    make(chan *Error, 8),

		runtimeDone:   make(chan struct{}, 8),
		registered:    make(chan struct{}, 8),
		extensionErrs: make(chan *ExtensionError, 8),
		subscriptions: make(chan *Subscription, 8),
	}
	s := Serve(ln, h, Function{})
	t.Cleanup(s.Close)
	return s, h, ln.Addr().String()
}

// runtime is a client that writes raw HTTP.
type runtime struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

func dial(t *testing.T, addr string) *runtime {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &runtime{t: t, nc: nc, r: bufio.NewReader(nc)}
}

func (r *runtime) write(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r.nc, s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *runtime) read() (*http.Response, string) {
	r.t.Helper()
	resp, err := http.ReadResponse(r.r, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

func (r *runtime) post(path, headers, payload string) (*http.Response, string) {
	r.t.Helper()
	r.write(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(payload), payload))
	return r.read()
}

const getNext = "GET " + pathNext + " HTTP/1.1\r\nHost: x\r\n\r\n"

func event(id string) *Event {
	return &Event{
		RequestID: id, InvokedARN: "arn:aws:lambda:us-east-1:000000000000:function:f", DeadlineMs: 1542409706888,
		TraceID: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1", Payload: []byte(`{"a":1}`),
	}
}

// running brings a runtime to where it has the event id.
func running(t *testing.T, id string) (*Server, *heard, *runtime, string) {
	t.Helper()
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	if err := s.Send(event(id)); err != nil {
		t.Fatal(err)
	}
	if resp, _ := r.read(); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	return s, h, r, addr
}

func TestInvocation(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	if err := s.Send(event("early")); !errors.Is(err, ErrNotReady) {
		t.Fatalf("Send before next: %v", err)
	}
	for i := range 3 {
		r.write(getNext)
		<-h.next
		ev := event(fmt.Sprint("id-", i))
		ev.ClientContext = []byte("{\"x\":\r\n\"é\"}")
		if err := s.Send(ev); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(ev); !errors.Is(err, ErrNotReady) {
			t.Fatalf("second Send: %v", err)
		}
		resp, got := r.read()
		for k, want := range map[string]string{
			"Content-Type":                        "application/json",
			"Lambda-Runtime-Aws-Request-Id":       ev.RequestID,
			"Lambda-Runtime-Deadline-Ms":          "1542409706888",
			"Lambda-Runtime-Invoked-Function-Arn": ev.InvokedARN,
			"Lambda-Runtime-Trace-Id":             ev.TraceID,
			"Lambda-Runtime-Client-Context":       "{\"x\":  \"é\"}",
			"Lambda-Runtime-Cognito-Identity":     "",
		} {
			if resp.Header.Get(k) != want {
				t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), want)
			}
		}
		if got != `{"a":1}` {
			t.Errorf("payload %q", got)
		}
		resp, got = r.post(pathInvocation+ev.RequestID+"/response", "", `"done"`)
		if resp.StatusCode != 202 || got != acceptedBody {
			t.Errorf("%s %s", resp.Status, got)
		}
		if a := <-h.answers; string(a.Payload) != `"done"` || a.Failed {
			t.Errorf("%+v", a)
		}
	}
}

func TestStateMachine(t *testing.T) {
	const forbidden, badID = "InvalidStateTransition", "InvalidRequestID"
	response := func(id string) string { return pathInvocation + id + "/response" }
	check := func(t *testing.T, resp *http.Response, body string, status int, errorType string) {
		t.Helper()
		if resp.StatusCode != status || !strings.Contains(body, `"errorType":"`+errorType+`"`) {
			t.Errorf("%s %s, want %d %s", resp.Status, body, status, errorType)
		}
	}
	t.Run("response before next", func(t *testing.T) {
		_, _, addr := serve(t)
		r := dial(t, addr)
		resp, body := r.post(response("x"), "", "1")
		check(t, resp, body, 403, forbidden)
		if want := "State transition from Started to InvocationResponse failed for runtime. Error: State transition is not allowed"; !strings.Contains(body, want) {
			t.Errorf("%s", body)
		}
	})
	t.Run("wrong ID, then the right one", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		resp, body := r.post(response("b"), "", "1")
		check(t, resp, body, 400, badID)
		if resp, _ = r.post(response("a"), "", "1"); resp.StatusCode != 202 {
			t.Error(resp.Status)
		}
		<-h.answers
		resp, body = r.post(response("a"), "", "1")
		check(t, resp, body, 403, forbidden)
	})
	t.Run("next while running", func(t *testing.T) {
		_, _, r, _ := running(t, "a")
		r.write(getNext)
		resp, body := r.read()
		check(t, resp, body, 403, forbidden)
	})
	t.Run("error", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		resp, _ := r.post(pathInvocation+"a/error", "Lambda-Runtime-Function-Error-Type: Runtime.UnknownReason\r\n", `{"errorMessage":"m"}`)
		if resp.StatusCode != 202 {
			t.Error(resp.Status)
		}
		if a := <-h.answers; !a.Failed || a.ErrorType != "Runtime.UnknownReason" || string(a.Payload) != `{"errorMessage":"m"}` {
			t.Errorf("%+v", a)
		}
	})
	t.Run("init error once, and not later", func(t *testing.T) {
		_, h, addr := serve(t)
		r := dial(t, addr)
		resp, _ := r.post(pathInitError, "Lambda-Runtime-Function-Error-Type: ValueError\r\n", `{}`)
		if e := <-h.initErr; resp.StatusCode != 202 || e.Type != "Function.Unknown" || string(e.Payload) != "{}" {
			t.Errorf("%s %+v", resp.Status, e)
		}
		resp, body := r.post(pathInitError, "", `{}`)
		check(t, resp, body, 403, forbidden)
		_, _, r, _ = running(t, "a")
		resp, body = r.post(pathInitError, "", `{}`)
		check(t, resp, body, 403, forbidden)
	})
	t.Run("unknown paths and methods keep the connection", func(t *testing.T) {
		_, _, addr := serve(t)
		r := dial(t, addr)
		resp, body := r.post("/2020-01-01/extension/é\\x", "", strings.Repeat("x", 100_000))
		check(t, resp, body, 404, "NotFound")
		resp, body = r.post(pathNext, "", "")
		check(t, resp, body, 405, "MethodNotAllowed")
	})
	t.Run("too large", func(t *testing.T) {
		for _, chunked := range []bool{false, true} {
			_, h, r, _ := running(t, "a")
			big := strings.Repeat("x", MaxPayload+1)
			var resp *http.Response
			var body string
			if chunked {
				r.write(fmt.Sprintf("POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", response("a"), len(big), big))
				resp, body = r.read()
			} else {
				resp, body = r.post(response("a"), "", big)
			}
			check(t, resp, body, 413, "RequestEntityTooLarge")
			a := <-h.answers
			want := `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`
			if !a.Failed || string(a.Payload) != want {
				t.Errorf("%+v", a)
			}
			r.write(getNext)
			<-h.next
		}
	})
	t.Run("just not too large", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		if resp, _ := r.post(response("a"), "", strings.Repeat("x", MaxPayload)); resp.StatusCode != 202 {
			t.Error(resp.Status)
		}
		if a := <-h.answers; a.Failed || len(a.Payload) != MaxPayload {
			t.Errorf("%v %d", a.Failed, len(a.Payload))
		}
	})
	t.Run("unknown response mode", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		resp, body := r.post(response("a"), "Lambda-Runtime-Function-Response-Mode: magic\r\n", "x")
		check(t, resp, body, 400, "InvalidFunctionResponseMode")
		if a := <-h.answers; a.ErrorType != ErrorResponseMode {
			t.Errorf("%+v", a)
		}
	})
}

func TestTruncatedResponseCanBeSentAgain(t *testing.T) {
	_, h, r, addr := running(t, "a")
	r.write("POST " + pathInvocation + "a/response HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
	if err := r.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if resp, body := r.read(); resp.StatusCode != 400 || !strings.Contains(body, "TruncatedHTTPRequest") {
		t.Errorf("%s %s", resp.Status, body)
	}
	r = dial(t, addr)
	if resp, _ := r.post(pathInvocation+"a/response", "", "again"); resp.StatusCode != 202 {
		t.Error(resp.Status)
	}
	if a := <-h.answers; string(a.Payload) != "again" {
		t.Errorf("%s", a.Payload)
	}
}

func TestLongPollReconnects(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	second := dial(t, addr)
	second.write(getNext)
	if _, err := r.r.ReadByte(); err == nil { // closed once the second one waits
		t.Fatal("the first connection got something")
	}
	if err := s.Send(event("a")); err != nil {
		t.Fatal(err)
	}
	if resp, _ := second.read(); resp.Header.Get("Lambda-Runtime-Aws-Request-Id") != "a" {
		t.Error(resp.Header)
	}
	select {
	case <-h.next:
		t.Error("Next was reported twice")
	default:
	}
}

func TestEventWaitsForBrokenLongPoll(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	_ = r.nc.Close()
	for parked := true; parked; { // until the server has noticed
		s.mu.Lock()
		parked = s.parked != nil
		s.mu.Unlock()
	}
	if err := s.Send(event("a")); err != nil {
		t.Fatal(err)
	}
	r = dial(t, addr)
	if resp, body := r.post(pathInvocation+"a/response", "", "1"); resp.StatusCode != 403 && resp.StatusCode != 400 {
		t.Error("an event nobody got was answered", resp.Status, body)
	}
	r.write(getNext)
	if resp, _ := r.read(); resp.Header.Get("Lambda-Runtime-Aws-Request-Id") != "a" {
		t.Error(resp.Status, resp.Header)
	}
}

func TestPipelining(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write(getNext + "POST " + pathInvocation + "a/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n42" + getNext)
	<-h.next
	if err := s.Send(event("a")); err != nil {
		t.Fatal(err)
	}
	if resp, _ := r.read(); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if resp, body := r.read(); resp.StatusCode != 202 {
		t.Error(resp.Status, body)
	}
	<-h.next
	if a := <-h.answers; string(a.Payload) != "42" {
		t.Errorf("%s", a.Payload)
	}
}

func TestExpectContinue(t *testing.T) {
	_, h, r, _ := running(t, "a")
	r.write("POST " + pathInvocation + "a/response HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	line, err := r.r.ReadString('\n')
	if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	if _, err = r.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.write("abc")
	if resp, _ := r.read(); resp.StatusCode != 202 {
		t.Error(resp.Status)
	}
	if a := <-h.answers; string(a.Payload) != "abc" {
		t.Errorf("%s", a.Payload)
	}
}

func TestStreaming(t *testing.T) {
	start := "POST " + pathInvocation + "a/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n" +
		"Content-Type: text/x\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n"
	t.Run("as it comes", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		r.write(start + "3\r\nabc\r\n")
		a := <-h.answers
		got := make([]byte, 3)
		if _, err := io.ReadFull(a.Stream, got); err != nil || string(got) != "abc" || a.ContentType != "text/x" {
			t.Errorf("%q %v %+v", got, err, a)
		}
		r.write("2;ext=1\r\nde\r\n0\r\n\r\n")
		rest, err := io.ReadAll(a.Stream)
		if err != nil || string(rest) != "de" {
			t.Errorf("%q %v", rest, err)
		}
		if e := <-h.ends; e != nil {
			t.Error(e)
		}
		if resp, _ := r.read(); resp.StatusCode != 202 {
			t.Error(resp.Status)
		}
		r.write(getNext)
		<-h.next
	})
	t.Run("error trailers", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		doc := `{"errorMessage":"late"}`
		r.write(start + "3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\nLambda-Runtime-Function-Error-Body: " +
			base64.StdEncoding.EncodeToString([]byte(doc)) + "\r\n\r\n")
		a := <-h.answers
		got, err := io.ReadAll(a.Stream)
		var failure *Error
		if !errors.As(err, &failure) || failure.Type != "Runtime.StreamError" || string(failure.Payload) != doc || string(got) != "abc" {
			t.Errorf("%q %v", got, err)
		}
		if e := <-h.ends; e != failure {
			t.Error(e)
		}
	})
	t.Run("reader gone", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		r.write(start)
		a := <-h.answers
		_ = a.Stream.Close()
		r.write("3\r\nabc\r\n0\r\n\r\n")
		if resp, _ := r.read(); resp.StatusCode != 202 {
			t.Error(resp.Status)
		}
		if e := <-h.ends; e != nil {
			t.Error(e)
		}
	})
	t.Run("runtime gone", func(t *testing.T) {
		_, h, r, _ := running(t, "a")
		r.write(start + "3\r\nabc\r\n")
		a := <-h.answers
		_ = r.nc.Close()
		_, err := io.ReadAll(a.Stream)
		var failure *Error
		if !errors.As(err, &failure) || failure.Type != ErrorTruncated {
			t.Error(err)
		}
		<-h.ends
	})
	t.Run("chunks that nobody called a stream", func(t *testing.T) {
		chunks := "POST " + pathInvocation + "a/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
		for _, wanted := range []bool{false, true} {
			s, h, addr := serve(t)
			r := dial(t, addr)
			r.write(getNext)
			<-h.next
			ev := event("a")
			ev.Stream = wanted
			if err := s.Send(ev); err != nil {
				t.Fatal(err)
			}
			r.read()
			r.write(chunks + "Lambda-Runtime-Function-Error-Type: errorString\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n")
			a := <-h.answers
			if streamed := a.Stream != nil; streamed != wanted || !wanted && (!a.Failed || string(a.Payload) != "{}") {
				t.Errorf("%+v", a)
			}
			if wanted {
				if _, err := io.ReadAll(a.Stream); err == nil {
					t.Error("no error")
				}
			}
		}
	})
	t.Run("aborted", func(t *testing.T) {
		s, h, r, _ := running(t, "a")
		r.write(start + "3\r\nabc\r\n")
		a := <-h.answers
		want := &Error{Type: "Sandbox.Timedout"}
		s.Abort(want)
		if _, err := io.ReadAll(a.Stream); err != error(want) {
			t.Error(err)
		}
	})
}

func TestMalformed(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"no version":         {"GET /\r\n\r\n", 400},
		"old version":        {"GET / HTTP/0.9\r\n\r\n", 505},
		"folded header":      {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400},
		"space before colon": {"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400},
		"control character":  {"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400},
		"from a web page":    {"GET " + pathNext + " HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403},
		"its script":         {"POST " + pathInitError + " HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n", 403},
		"bare line feed":     {"GET / HTTP/1.1\nA: b\n\n\r\n\r\n", 400},
		"signed length":      {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
		"two lengths":        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"length and chunked": {"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"gzip, chunked":      {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		"expectation":        {"POST / HTTP/1.1\r\nExpect: more\r\n\r\n", 417},
		"chunk size":         {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		"endless chunk line": {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1", 4000), 400},
		"chunk overrun":      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400},
		"huge chunk":         {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, addr := serve(t)
			r := dial(t, addr)
			r.write(c.request)
			resp, _ := r.read()
			if resp.StatusCode != c.status || !resp.Close {
				t.Errorf("%s close=%v, want %d", resp.Status, resp.Close, c.status)
			}
		})
	}
	t.Run("endless headers", func(t *testing.T) {
		_, _, addr := serve(t)
		r := dial(t, addr)
		go func() { // the server closes before it has read all
			_, _ = io.WriteString(r.nc, "GET / HTTP/1.1\r\nA: "+strings.Repeat("x", maxHead))
		}()
		if resp, _ := r.read(); resp.StatusCode != 431 {
			t.Error(resp.Status)
		}
	})
}

func TestHTTP10ClosesAfterEvent(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write("GET http://" + addr + pathNext + "?x HTTP/1.0\r\n\r\n")
	<-h.next
	if err := s.Send(event("a")); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r.r)
	if err != nil || !bytes.HasSuffix(all, []byte(`{"a":1}`)) {
		t.Errorf("%q %v", all, err)
	}
}

func TestLargeEvent(t *testing.T) {
	s, h, addr := serve(t)
	r := dial(t, addr)
	r.write(getNext)
	<-h.next
	ev := event("a")
	ev.Payload = bytes.Repeat([]byte("0123456789"), 600_000)
	sent := make(chan error, 1)
	go func() { sent <- s.Send(ev) }()
	if _, body := r.read(); body != string(ev.Payload) {
		t.Error("the payload is another")
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func BenchmarkNextAndResponse(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	h := &heard{next: make(chan struct{}, 1), answers: make(chan *Answer, 1)}
	s := Serve(ln, h, Function{})
	defer s.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	go func() { // the smallest runtime there can be
		buf := make([]byte, 4096)
		for {
			if _, err := io.WriteString(nc, getNext); err != nil {
				return
			}
			if _, err := nc.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(nc, "POST "+pathInvocation+"a/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				return
			}
			if _, err := nc.Read(buf); err != nil {
				return
			}
		}
	}()
	ev := event("a")
	b.ReportAllocs()
	for b.Loop() {
		<-h.next
		if err := s.Send(ev); err != nil {
			b.Fatal(err)
		}
		<-h.answers
	}
}
