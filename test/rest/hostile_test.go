package rest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// importAPI makes a REST API of paths, deploys it to the stage test, and returns
// its host.
func importAPI(t *testing.T, d *daemon.Daemon, paths map[string]any) (host string) {
	t.Helper()
	document, err := json.Marshal(map[string]any{"swagger": "2.0", "info": map[string]any{"title": sdk.Name(t), "version": "1"}, "paths": paths})
	if err != nil {
		t.Fatal(err)
	}
	manage := func(path string, body []byte) (made struct{ ID string }) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/apigateway/aws4_request, SignedHeaders=host, Signature=00")
		res, text := d.Do(t, req)
		if res.StatusCode != http.StatusCreated || json.Unmarshal(text, &made) != nil {
			t.Fatalf("%s: %d %s", path, res.StatusCode, text)
		}
		return made
	}
	id := manage("/restapis?mode=import", document).ID
	manage("/restapis/"+id+"/deployments", []byte(`{"stageName":"test"}`))
	return id + ".execute-api.us-east-1.localhost:" + d.Port(t)
}

func integrated(integration map[string]any) map[string]any {
	return map[string]any{
		"responses":                       map[string]any{"200": map[string]any{"description": "fine"}},
		"x-amazon-apigateway-integration": integration,
	}
}

func proxied(address string, timeoutMillis int) map[string]any {
	return integrated(map[string]any{"type": "http_proxy", "httpMethod": "ANY", "uri": "http://" + address + "/", "timeoutInMillis": timeoutMillis})
}

// upstream answers each connection's requests as serve does, until that returns.
func upstream(t *testing.T, serve func(c *net.TCPConn, request int) error) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for n := 0; ; n++ {
					if _, err := http.ReadRequest(r); err != nil || serve(c.(*net.TCPConn), n) != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Whatever a backend does, its caller gets an answer of the gateway's in time, and
// nobody else's.
func TestUpstreamsThatMisbehave(t *testing.T) {
	t.Parallel()
	d := daemon.Shared(t)
	const patience = 400
	write := func(c net.Conn, text string) error {
		_, err := io.WriteString(c, text)
		return err
	}
	over := strings.Repeat("x", 64<<10)
	cases := []struct {
		name   string
		serve  func(c *net.TCPConn, request int) error
		status int
		body   string
	}{
		{"hangs", func(c *net.TCPConn, _ int) error { _, err := io.Copy(io.Discard, c); return err }, 504, `{"message": "Endpoint request timed out"}`},
		{"hangs within its head", func(c *net.TCPConn, _ int) error { return write(c, "HTTP/1.1 200 OK\r\nX-A: ") }, 504, `{"message": "Endpoint request timed out"}`},
		{"hangs within its body", func(c *net.TCPConn, _ int) error { return write(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }, 504, `{"message": "Endpoint request timed out"}`},
		{"resets", func(c *net.TCPConn, _ int) error { _ = c.SetLinger(0); return io.EOF }, 504, `{"message": "Network error communicating with endpoint"}`},
		{"closes within its body", func(c *net.TCPConn, _ int) error {
			_ = write(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
			return io.EOF
		}, 504, `{"message": "Network error communicating with endpoint"}`},
		{"says two lengths", func(c *net.TCPConn, _ int) error {
			return write(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nab")
		}, 504, `{"message": "Network error communicating with endpoint"}`},
		{"speaks no HTTP", func(c *net.TCPConn, _ int) error { return write(c, "220 mail\r\n\r\n") }, 504, `{"message": "Network error communicating with endpoint"}`},
		// What stands behind the announced body is not the next caller's answer.
		{"says too small a length", func(c *net.TCPConn, request int) error {
			return write(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}, 200, "ok"},
		{"has no end", func(c *net.TCPConn, _ int) error {
			err := write(c, "HTTP/1.1 200 OK\r\n\r\n")
			for err == nil {
				err = write(c, over)
			}
			return err
		}, 500, `{"message": "Internal server error"}`},
		{"announces too much", func(c *net.TCPConn, _ int) error {
			return write(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
		}, 500, `{"message": "Internal server error"}`},
	}
	paths := map[string]any{}
	for i, c := range cases {
		limit := patience
		if c.status == 500 {
			limit = 20_000 // it is not the time that runs out
		}
		paths[fmt.Sprintf("/c%d", i)] = map[string]any{"get": proxied(upstream(t, c.serve), limit)}
	}
	host := importAPI(t, d, paths)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for range 3 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+fmt.Sprintf("/test/c%d", i), nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				res, body := d.Do(t, req)
				// A message is the same with and without the space that AWS writes.
				if res.StatusCode != c.status || strings.ReplaceAll(string(body), `": "`, `":"`) != strings.ReplaceAll(c.body, `": "`, `":"`) {
					t.Errorf("answered %d %.200s, want %d %s", res.StatusCode, body, c.status, c.body)
				}
			}
		})
	}
}

// maxHead is how many bytes the daemon reads of a request's head.
const maxHead = 64<<10 + 4096

// Requests that no client would send are refused or answered, and cost nobody
// else anything.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	d := daemon.Shared(t)
	backend := upstream(t, func(c *net.TCPConn, _ int) error {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return err
	})
	reach := integrated(map[string]any{"type": "http_proxy", "httpMethod": "ANY", "uri": "http://" + backend + "/base/{proxy}",
		"requestParameters": map[string]any{"integration.request.path.proxy": "method.request.path.proxy"}})
	reach["parameters"] = []any{map[string]any{"name": "proxy", "in": "path", "required": true, "type": "string"}}
	host := importAPI(t, d, map[string]any{"/{proxy+}": map[string]any{"x-amazon-apigateway-any-method": reach}})
	ask := func(t *testing.T, request string) (status int, body string) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(sdk.Patience)); err != nil {
			t.Fatal(err)
		}
		// What is refused early may not be read to its end.
		go func() { _, _ = io.WriteString(c, strings.ReplaceAll(request, "HOST", host)) }()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	fine := func(t *testing.T) {
		t.Helper()
		if status, body := ask(t, "GET /test/a HTTP/1.1\r\nHost: HOST\r\n\r\n"); status != 200 || body != "ok" {
			t.Errorf("and then: %d %s", status, body)
		}
	}
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a path that climbs":           {"GET /test/../../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
		"a path that climbs, encoded":  {"GET /test/x/%2e%2e/%2e%2e/admin HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
		"a slash that hides":           {"GET /test/a%2f..%2fb HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
		"an escape that is none":       {"GET /test/%zz HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
		"a path that is not UTF-8":     {"GET /test/\xff\xfe HTTP/1.1\r\nHost: HOST\r\n\r\n", 200},
		"an overlong head":             {"GET /test/a HTTP/1.1\r\nHost: HOST\r\nX-Long: " + strings.Repeat("a", maxHead+1000) + "\r\n\r\n", 431},
		"a header with a NUL":          {"GET /test/a HTTP/1.1\r\nHost: HOST\r\nX-A: a\x00b\r\n\r\n", 400},
		"a header folded":              {"GET /test/a HTTP/1.1\r\nHost: HOST\r\n X-Folded: a\r\n\r\n", 400},
		"two lengths":                  {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"a length and chunks":          {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", 200},
		"an unknown transfer coding":   {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
		"a body over 10 MB":            {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10485761\r\n\r\n", 413},
		"another method in a header":   {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nX-HTTP-Method-Override: TRACE\r\nContent-Length: 0\r\n\r\n", 200},
		"an expectation nobody has":    {"POST /test/a HTTP/1.1\r\nHost: HOST\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n", 417},
		"a line end within the target": {"GET /test/a\rb HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := ask(t, c.request); status != c.status {
				t.Errorf("answered %d %.300s, want %d", status, body, c.status)
			}
			fine(t)
		})
	}
	// Clients that stop in the middle, and stay, hold up nobody else.
	t.Run("slow clients", func(t *testing.T) {
		for i := range 100 {
			c, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			text := "POST /test/a HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 100\r\n\r\nhalf"
			if i%2 == 0 {
				text = "GET /test/a HTTP/1.1\r\nHost: " + host + "\r\nX-Slow"
			}
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			fine(t)
		}
	})
}
