package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/edge"
)

// serve runs a server and returns its address, a function that asks it to end,
// and the channel of Serve's answer.
func serve(t *testing.T, handler http.Handler, o edge.ServeOptions) (addr string, stop func(), ended chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended = make(chan error, 1)
	go func() { ended <- edge.Serve(ctx, listener, handler, o) }()
	return listener.Addr().String(), cancel, ended
}

func client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func forBoth(t *testing.T, test func(t *testing.T, c *http.Client, h2 bool)) {
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, client(t, false), false) })
	t.Run("h2c", func(t *testing.T) { test(t, client(t, true), true) })
}

func TestServe(t *testing.T) {
	h := newHouse(t, nil)
	forBoth(t, func(t *testing.T, c *http.Client, h2 bool) {
		addr, stop, ended := serve(t, h, edge.ServeOptions{})
		r, err := http.NewRequest("POST", "http://"+addr+"/", strings.NewReader(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(body) != "sqs" || (answer.ProtoMajor == 2) != h2 {
			t.Errorf("%s %q %v", answer.Proto, body, err)
		}
		if h.got.body != `{"a":1}` || h.got.id.BaseURL != "http://"+addr {
			t.Errorf("%+v", h.got)
		}
		// An idle connection does not hold the end up.
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("it still listens")
		}
	})
}

// The host check holds for HTTP/2's :authority, too.
func TestServeForeignHost(t *testing.T) {
	h := newHouse(t, nil)
	forBoth(t, func(t *testing.T, c *http.Client, _ bool) {
		addr, _, _ := serve(t, h, edge.ServeOptions{})
		r, err := http.NewRequest("GET", "http://"+addr+"/bucket", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != 403 {
			t.Errorf("%d", answer.StatusCode)
		}
	})
}

// A request that is running when the end comes is finished.
func TestShutdownWaits(t *testing.T) {
	forBoth(t, func(t *testing.T, c *http.Client, _ bool) {
		running, finish := make(chan struct{}), make(chan struct{})
		addr, stop, ended := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(running)
			<-finish
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context ended: %v", err)
			}
			_, _ = io.WriteString(w, "done")
		}), edge.ServeOptions{})
		got := make(chan string, 1)
		go func() {
			answer, err := c.Get("http://" + addr)
			if err != nil {
				got <- err.Error()
				return
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			got <- fmt.Sprint(string(body), err)
		}()
		<-running
		stop()
		waitRefused(t, addr)
		select {
		case err := <-ended:
			t.Fatalf("ended (%v) with a request running", err)
		default:
		}
		close(finish)
		if text := <-got; text != "done<nil>" {
			t.Error(text)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// waitRefused waits until nothing listens at addr.
func waitRefused(t *testing.T, addr string) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
	}
}

// A request that does not finish in the grace has its context cancelled and its
// connection closed.
func TestShutdownCutsOff(t *testing.T) {
	forBoth(t, func(t *testing.T, c *http.Client, _ bool) {
		running, cut := make(chan struct{}), make(chan struct{})
		addr, stop, ended := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(running)
			<-r.Context().Done()
			close(cut)
		}), edge.ServeOptions{Grace: 1})
		failed := make(chan error, 1)
		go func() {
			answer, err := c.Get("http://" + addr)
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
			failed <- err
		}()
		<-running
		stop()
		if err := <-ended; !errors.Is(err, edge.ErrGraceExceeded) {
			t.Error(err)
		}
		<-cut
		<-failed // what the client sees is a broken connection, or an empty answer
	})
}

func TestServeListenerFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := edge.Serve(context.Background(), listener, http.NotFoundHandler(), edge.ServeOptions{}); err == nil {
		t.Error("no error")
	}
}

func TestHeaderLimit(t *testing.T) {
	addr, _, _ := serve(t, newHouse(t, nil), edge.ServeOptions{})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 1<<20)) // it may fail: the server hangs up midway
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", answer.StatusCode)
	}
}

// What a handler may do with a connection it may do behind the edge.
func TestFlushAndHijack(t *testing.T) {
	release := make(chan struct{})
	h := newHouse(t, func(o *edge.Options) {
		o.Internal = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_paddock/hijack" {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello")
				return
			}
			_, _ = io.Copy(w, strings.NewReader("first"))
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-release
			w.(http.Flusher).Flush()
		})
	})
	addr, _, _ := serve(t, h, edge.ServeOptions{})
	answer, err := client(t, false).Get("http://" + addr + "/_paddock/flush")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first" {
		t.Errorf("%q %v", first, err)
	}
	close(release)
	answer.Body.Close()

	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /_paddock/hijack HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(all), "hello") {
		t.Errorf("%q %v", all, err)
	}
}
