package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func endpoint(t *testing.T, address string) Endpoint {
	t.Helper()
	return Endpoint{Address: address}
}

func do(t *testing.T, c *Client, address, method, body string) (int, string, error) {
	t.Helper()
	resp, err := c.Do(t.Context(), &Request{Endpoint: endpoint(t, address), Method: method, RequestURI: "/", Host: "h", Body: []byte(body), Deadline: time.Now().Add(5 * time.Second)})
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), err
}

func TestConnectionsServeAgain(t *testing.T) {
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/" || r.Host != "h" {
			t.Errorf("got %s of %s", r.URL, r.Host)
		}
		if len(b) > 5 {
			w.(http.Flusher).Flush() // chunked
		}
		fmt.Fprintf(w, "%s %s", r.Method, b)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := New()
	defer c.Close()
	for i := range 20 {
		method, body := "POST", strings.Repeat("x", i)
		switch i % 4 {
		case 1:
			method, body = "GET", ""
		case 2:
			method, body = "HEAD", ""
		}
		status, got, err := do(t, c, s.Listener.Addr().String(), method, body)
		want := method + " " + body
		if method == "HEAD" {
			want = ""
		}
		if err != nil || status != 200 || got != want {
			t.Fatalf("got %d %q %v, want %q", status, got, err, want)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections were made for 20 requests", n)
	}
}

// scripted serves one connection after another with raw answers.
func scripted(t *testing.T, serve func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

func TestAConnectionThatWasClosedMeanwhile(t *testing.T) {
	closed := make(chan struct{}, 10)
	address := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			t.Errorf("connection %d: %v", n, err)
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		c.Close()
		closed <- struct{}{}
	})
	c := New()
	defer c.Close()
	for _, method := range []string{"GET", "GET", "POST", "POST"} {
		if status, got, err := do(t, c, address, method, "b"); err != nil || status != 200 || got != "ok" {
			t.Fatalf("%s: %d %q %v", method, status, got, err)
		}
		<-closed
	}
}

func TestBackendsThatMisbehave(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":             "",
		"no HTTP":             "hello\r\n\r\n",
		"half a head":         "HTTP/1.1 200 OK\r\nContent-Le",
		"a body cut off":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
		"a chunk cut off":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort",
		"a chunk of nonsense": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"an endless head":     "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1000),
		"interim responses":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20),
		"another protocol":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			address := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				_, _ = http.ReadRequest(r)
				_, _ = io.WriteString(c, answer)
			})
			c := New()
			defer c.Close()
			if status, body, err := do(t, c, address, "GET", ""); err == nil {
				t.Errorf("got %d %q", status, body)
			}
		})
	}
	t.Run("bytes behind the response", func(t *testing.T) {
		address := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", n)
			_, _ = r.ReadByte() // until the client goes
		})
		c := New()
		defer c.Close()
		for n := range 3 {
			if _, body, err := do(t, c, address, "GET", ""); err != nil || body != fmt.Sprint(n) {
				t.Errorf("request %d: %q %v", n, body, err)
			}
		}
	})
}

func TestTheDeadline(t *testing.T) {
	for name, answer := range map[string]string{"silence": "", "half a body": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"} {
		t.Run(name, func(t *testing.T) {
			address := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				_, _ = http.ReadRequest(r)
				_, _ = io.WriteString(c, answer)
				_, _ = r.ReadByte()
			})
			c := New()
			defer c.Close()
			resp, err := c.Do(t.Context(), &Request{Endpoint: Endpoint{Address: address}, Method: "GET", RequestURI: "/", Host: "h", Deadline: time.Now().Add(50 * time.Millisecond)})
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secret") }))
	defer s.Close()
	s.Config.ErrorLog = nil
	c := New()
	defer c.Close()
	r := &Request{Endpoint: Endpoint{Address: s.Listener.Addr().String(), TLS: true, Name: "localhost"}, Method: "GET", RequestURI: "/", Host: "h", Deadline: time.Now().Add(5 * time.Second)}
	if _, err := c.Do(t.Context(), r); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody signed was taken: %v", err)
	}
	r.Endpoint.Insecure = true
	resp, err := c.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != "secret" {
		t.Errorf("got %q", got)
	}
}
