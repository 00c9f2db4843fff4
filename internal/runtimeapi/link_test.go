package runtimeapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// bootstrap is the runtime's end of a Link.
type bootstrap struct {
	t  *testing.T
	nc net.Conn
}

// linked is a Server with a bootstrap, beside its HTTP listener.
func linked(t *testing.T) (*Server, *heard, *bootstrap, string) {
	t.Helper()
	s, h, addr := serve(t)
	l, theirs, err := NewLink()
	if err != nil {
		t.Fatal(err)
	}
	b := newBootstrap(t, theirs)
	s.ServeFrames(l)
	return s, h, b, addr
}

func newBootstrap(t *testing.T, theirs *os.File) *bootstrap {
	t.Helper()
	nc, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	t.Cleanup(func() { _ = nc.Close() })
	return &bootstrap{t, nc}
}

func frameOf(kind byte, fields, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|uint32(len(fields)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(append(b, fields...), body...)
}

func (b *bootstrap) put(kind byte, fields, body string) {
	b.t.Helper()
	if _, err := b.nc.Write(frameOf(kind, fields, body)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bootstrap) get() (kind byte, fields []string, body string) {
	b.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(b.nc, head[:]); err != nil {
		b.t.Fatal(err)
	}
	n := int(binary.BigEndian.Uint32(head[:]) & 0xffffff)
	rest := make([]byte, n+int(binary.BigEndian.Uint32(head[4:])))
	if _, err := io.ReadFull(b.nc, rest); err != nil {
		b.t.Fatal(err)
	}
	return head[0], strings.Split(string(rest[:n]), "\n"), string(rest[n:])
}

// gone waits for the daemon to hang up.
func (b *bootstrap) gone() {
	b.t.Helper()
	if err := b.nc.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	if n, err := b.nc.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		b.t.Errorf("read %d, %v", n, err)
	}
}

func TestLinkInvocations(t *testing.T) {
	s, h, b, _ := linked(t)
	b.put('R', "", "")
	for _, size := range []int{0, 100, singleWrite + 1, 6 << 20} {
		b.put('N', "", "")
		<-h.next
		ev := &Event{
			RequestID: "id", InvokedARN: "arn", TraceID: "Root=1", DeadlineMs: 42, TenantID: "t",
			ClientContext: []byte("{\"a\":\n\"é\"}"), Payload: bytes.Repeat([]byte("x"), size),
		}
		sent := make(chan error, 1)
		go func() { sent <- s.Send(ev) }()
		kind, fields, body := b.get()
		want := []string{"id", "42", "arn", "Root=1", `{"a": "é"}`, "", "t"}
		if kind != 'E' || strings.Join(fields, "|") != strings.Join(want, "|") || len(body) != size {
			t.Errorf("%c %q and %d bytes", kind, fields, len(body))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		b.put('A', "id\ntext/x", body)
		if a := <-h.answers; a.Failed || a.ContentType != "text/x" || len(a.Payload) != size {
			t.Errorf("%v %q %d", a.Failed, a.ContentType, len(a.Payload))
		}
	}
	// A failure and the next request in one piece.
	b.put('N', "", "")
	<-h.next
	if err := s.Send(&Event{RequestID: "2"}); err != nil {
		t.Fatal(err)
	}
	b.get()
	if _, err := b.nc.Write(append(frameOf('F', "2\nRuntime.Bad", "{}"), frameOf('N', "", "")...)); err != nil {
		t.Fatal(err)
	}
	if a := <-h.answers; !a.Failed || a.ErrorType != "Runtime.Bad" || string(a.Payload) != "{}" {
		t.Errorf("%+v", a)
	}
	<-h.next
}

// What the state does not allow is passed over, and the connection lives.
func TestLinkOutOfTurn(t *testing.T) {
	s, h, b, _ := linked(t)
	b.put('A', "1\n", "too early")
	b.put('S', "1\n", "")
	b.put('D', "", "of a stream that was refused")
	b.put('Z', "", "")
	b.put('N', "", "")
	<-h.next
	b.put('I', "Runtime.Late", "{}")
	if err := s.Send(&Event{RequestID: "1"}); err != nil {
		t.Fatal(err)
	}
	b.get()
	b.put('A', "other\n", "of another one")
	b.put('A', "1\n", "right")
	b.put('A', "1\n", "twice")
	if a := <-h.answers; string(a.Payload) != "right" {
		t.Errorf("%s", a.Payload)
	}
	b.put('N', "", "")
	<-h.next
	if len(h.answers)+len(h.initErr) > 0 {
		t.Error("heard of what was out of turn")
	}
	b.put('?', "", "")
	b.gone()
}

func TestLinkInitError(t *testing.T) {
	_, h, b, _ := linked(t)
	b.put('I', "Runtime.ImportModuleError", `{"errorMessage":"x"}`)
	if e := <-h.initErr; e.Type != "Runtime.ImportModuleError" || string(e.Payload) != `{"errorMessage":"x"}` {
		t.Errorf("%+v", e)
	}
}

func TestLinkTooLarge(t *testing.T) {
	s, h, b, _ := linked(t)
	for _, size := range []int{MaxPayload, MaxPayload + 1} {
		b.put('N', "", "")
		<-h.next
		if err := s.Send(&Event{RequestID: "1"}); err != nil {
			t.Fatal(err)
		}
		b.get()
		b.put('A', "1\n", strings.Repeat("x", size))
		a := <-h.answers
		if want := size > MaxPayload; a.Failed != want || want && a.ErrorType != ErrorResponseTooLarge {
			t.Errorf("%d: %v %s", size, a.Failed, a.ErrorType)
		}
	}
}

func TestLinkStream(t *testing.T) {
	for _, failure := range []string{"", "Runtime.Halfway", "cut"} {
		s, h, b, _ := linked(t)
		b.put('N', "", "")
		<-h.next
		if err := s.Send(&Event{RequestID: "1", Stream: true}); err != nil {
			t.Fatal(err)
		}
		b.get()
		b.put('S', "1\ntext/plain", "")
		b.put('D', "", "one ")
		a := <-h.answers
		if a.ContentType != "text/plain" || a.Stream == nil {
			t.Fatalf("%+v", a)
		}
		var first [4]byte // as it comes
		if _, err := io.ReadFull(a.Stream, first[:]); err != nil || string(first[:]) != "one " {
			t.Errorf("%s %v", first, err)
		}
		want := failure
		if failure == "cut" {
			want = ErrorTruncated
			_ = b.nc.Close()
		} else {
			go func() {
				_, _ = b.nc.Write(append(frameOf('D', "", strings.Repeat("x", 1<<20)), frameOf('Z', failure, "{}")...))
			}()
		}
		rest, err := io.ReadAll(a.Stream)
		var failed *Error
		if want == "" && (err != nil || len(rest) != 1<<20) || want != "" && (!errors.As(err, &failed) || failed.Type != want) {
			t.Errorf("%q: %d bytes, %v", failure, len(rest), err)
		}
		if e := <-h.ends; (e == nil) != (want == "") || e != nil && e.Type != want {
			t.Errorf("%q: %+v", failure, e)
		}
	}
}

// A runtime of the function's own that speaks HTTP may take the bootstrap's place.
func TestLinkBesideHTTP(t *testing.T) {
	s, h, b, addr := linked(t)
	b.put('N', "", "")
	<-h.next
	r := dial(t, addr)
	r.write("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
	b.gone()
	if err := s.Send(&Event{RequestID: "1", Payload: []byte("hi")}); err != nil {
		t.Fatal(err)
	}
	if res, body := r.read(); res.StatusCode != 200 || body != "hi" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// A bootstrap may be started before there is a Server.
func TestLinkStartedAhead(t *testing.T) {
	l, theirs, err := NewLink()
	if err != nil {
		t.Fatal(err)
	}
	b := newBootstrap(t, theirs)
	if err := l.Started(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("before it has: %v", err)
	}
	b.put('R', "", "")
	if err := l.Started(10 * time.Second); err != nil {
		t.Error(err)
	}
	if err := l.Boot([]byte(`{"dir":"/"}`)); err != nil {
		t.Error(err)
	}
	if kind, _, body := b.get(); kind != 'B' || body != `{"dir":"/"}` {
		t.Errorf("%c %s", kind, body)
	}
	s, h, _ := serve(t)
	s.ServeFrames(l)
	b.put('N', "", "")
	<-h.next
	s.Close()
	b.gone()
}

func TestLinkEndsBeforeItStarted(t *testing.T) {
	l, theirs, err := NewLink()
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	if err := l.Started(10 * time.Second); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	l.Close()
}

// ignored is a Handler that takes what comes.
type ignored struct{}

func (ignored) Next()            {}
func (ignored) InitError(*Error) {}
func (ignored) Answer(a *Answer) {
	if a.Stream != nil {
		go func() { _, _ = io.Copy(io.Discard, a.Stream) }()
	}
}
func (ignored) AnswerEnd(*Error) {}
func (ignored) RuntimeDone()     {}
func (ignored) Registered()      {}

func (ignored) Subscribed(*Subscription)       {}
func (ignored) ExtensionError(*ExtensionError) {}

// FuzzLink sends a Link what no bootstrap would.
func FuzzLink(f *testing.F) {
	for _, seed := range [][]byte{
		frameOf('R', "", ""), frameOf('N', "", ""), append(frameOf('N', "", ""), frameOf('A', "1\n", "x")...),
		append(append(frameOf('N', "", ""), frameOf('S', "1\nx", "")...), frameOf('Z', "Runtime.X", "{}")...),
		frameOf('I', "x", "{}"), []byte("N\xff\xff\xff\xff\xff\xff\xff"), []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := Serve(ln, ignored{}, Function{})
		defer s.Close()
		ours, theirs := net.Pipe()
		s.ServeFrames(newLink(ours))
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		half := len(sent) / 2
		_, _ = theirs.Write(sent[:half]) // it may have hung up already
		_ = s.Send(&Event{RequestID: "1", Payload: []byte("{}")})
		_, _ = theirs.Write(sent[half:])
		_ = theirs.Close()
		s.Settle(10 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.conns) != 0 {
			t.Error("it still waits for something")
		}
	})
}
