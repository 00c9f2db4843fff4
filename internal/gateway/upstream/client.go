// Package upstream is the HTTP/1.1 client that the gateway calls backends with.
// It differs from net/http's in what a gateway wants: a request runs on its
// caller's goroutine alone, headers are sent without being copied, redirects are
// not followed, nothing is decompressed, and one deadline bounds all of it.
package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	maxHead     = 256 << 10 // bytes, of a response's status line and headers
	maxIdle     = 256       // connections kept for a backend
	idleTimeout = 55 * time.Second
	maxInterim  = 8 // 1xx responses before the real one
)

// Endpoint says where a request goes and how the connection is secured.
// Connections are shared by requests with equal endpoints.
type Endpoint struct {
	Address  string // host:port
	TLS      bool
	Name     string // server name, of TLS
	Insecure bool   // the server's certificate is not checked
	// Certificate is what the server is shown if it asks; nil: nothing.
	Certificate *tls.Certificate
}

// Request is a request to a backend.
type Request struct {
	Endpoint   Endpoint
	Method     string
	RequestURI string // path and query, encoded
	Host       string // the Host header
	Header     http.Header
	// Skip, where set, leaves headers out. Content-Length, Host and
	// Transfer-Encoding never come from Header.
	Skip func(name string, values []string) bool
	// Extra headers replace those of Header with the same name (in canonical form).
	Extra []Header
	Body  []byte
	// Deadline bounds the request until its body has been read.
	Deadline time.Time
}

// Header is a header's canonical name and its value.
type Header struct{ Name, Value string }

// Client calls backends. It is safe for concurrent use.
type Client struct {
	dialer net.Dialer
	mu     sync.Mutex
	idle   map[Endpoint][]*conn // the most recently used last
	swept  time.Time
	closed bool
}

// New makes a client.
func New() *Client { return &Client{idle: map[Endpoint][]*conn{}, swept: time.Now()} }

// Close closes the connections that no request uses; those in use are closed
// when their responses have been read.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, list := range c.idle {
		for _, k := range list {
			_ = k.Close()
		}
	}
	clear(c.idle)
}

// conn is a connection to a backend.
type conn struct {
	net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	left  int64 // bytes that may still be read: what bounds a head
	used  bool  // it has carried a request before
	since time.Time
}

var errHead = errors.New("the response's head is too long")

func (k *conn) Read(p []byte) (int, error) {
	if k.left <= 0 {
		return 0, errHead
	}
	if int64(len(p)) > k.left {
		p = p[:k.left]
	}
	n, err := k.Conn.Read(p)
	k.left -= int64(n)
	return n, err
}

// Do sends a request and reads the head of its response. The response's body must
// be closed; read to its end first, its connection serves again. An error that
// wraps os.ErrDeadlineExceeded or context.DeadlineExceeded means that the
// deadline passed. ctx is asked only while a connection is made.
func (c *Client) Do(ctx context.Context, r *Request) (*http.Response, error) {
	for {
		k, err := c.take(ctx, r)
		if err != nil {
			return nil, err
		}
		resp, err := k.roundTrip(r)
		if err == nil {
			resp.Body = &body{ReadCloser: resp.Body, client: c, conn: k, endpoint: r.Endpoint, keep: !resp.Close, ended: resp.Body == http.NoBody}
			return resp, nil
		}
		_ = k.Close()
		// The backend closed the connection while it was idle. What may have been
		// acted on is not sent twice.
		if k.used && k.left == maxHead && idempotent(r.Method) && !errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return nil, err
	}
}

// take finds an idle connection or makes one.
func (c *Client) take(ctx context.Context, r *Request) (*conn, error) {
	if !r.Deadline.IsZero() && !time.Now().Before(r.Deadline) {
		return nil, os.ErrDeadlineExceeded
	}
	for {
		k := c.pop(r.Endpoint)
		if k == nil {
			return c.dial(ctx, r)
		}
		// A request that must not be sent twice wants to know that somebody is there.
		if !idempotent(r.Method) && !alive(k.Conn) {
			_ = k.Close()
			continue
		}
		return k, nil
	}
}

func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

func (c *Client) pop(e Endpoint) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.idle[e]
	if len(list) == 0 {
		return nil
	}
	k := list[len(list)-1]
	list[len(list)-1] = nil
	c.idle[e] = list[:len(list)-1]
	return k
}

// give keeps a connection for the next request.
func (c *Client) give(e Endpoint, k *conn) {
	now := time.Now()
	k.since, k.used = now, true
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.swept) > idleTimeout/2 {
		c.sweep(now)
	}
	if c.closed || len(c.idle[e]) >= maxIdle {
		_ = k.Close()
		return
	}
	c.idle[e] = append(c.idle[e], k)
}

// sweep closes the connections that have been idle for long.
func (c *Client) sweep(now time.Time) {
	c.swept = now
	for e, list := range c.idle {
		fresh := list[:0]
		for _, k := range list {
			if now.Sub(k.since) < idleTimeout {
				fresh = append(fresh, k)
			} else {
				_ = k.Close()
			}
		}
		clear(list[len(fresh):])
		if c.idle[e] = fresh; len(fresh) == 0 {
			delete(c.idle, e)
		}
	}
}

func (c *Client) dial(ctx context.Context, r *Request) (*conn, error) {
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	raw, err := c.dialer.DialContext(ctx, "tcp", r.Endpoint.Address)
	if err != nil {
		return nil, err
	}
	if r.Endpoint.TLS {
		config := &tls.Config{ServerName: r.Endpoint.Name, InsecureSkipVerify: r.Endpoint.Insecure, NextProtos: []string{"http/1.1"}}
		if r.Endpoint.Certificate != nil {
			config.Certificates = []tls.Certificate{*r.Endpoint.Certificate}
		}
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		raw = secured
	}
	k := &conn{Conn: raw}
	k.r, k.w = bufio.NewReaderSize(k, 8<<10), bufio.NewWriterSize(raw, 4<<10)
	return k, nil
}

// requestOf is what http.ReadResponse wants to know of the request.
var requestOf = map[string]*http.Request{"HEAD": {Method: "HEAD"}, "CONNECT": {Method: "CONNECT"}}

func (k *conn) roundTrip(r *Request) (*http.Response, error) {
	if err := k.SetDeadline(r.Deadline); err != nil {
		return nil, err
	}
	k.left = maxHead
	if err := k.send(r); err != nil {
		return nil, err
	}
	for range maxInterim {
		resp, err := http.ReadResponse(k.r, requestOf[r.Method])
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("the connection ended before the response: %w", err)
			}
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("the backend switched protocols without being asked")
		case resp.StatusCode >= 200:
			k.left = math.MaxInt64
			return resp, nil
		}
	}
	return nil, errors.New("the backend sends interim responses only")
}

// body is a response's body, which gives its connection back.
type body struct {
	io.ReadCloser
	client   *Client
	conn     *conn
	endpoint Endpoint
	keep     bool
	ended    bool
	closed   bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended = true
	}
	return n, err
}

func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	// Bytes behind the response are an answer to nothing.
	if b.keep && b.ended && b.conn.r.Buffered() == 0 {
		b.client.give(b.endpoint, b.conn)
		return nil
	}
	return b.conn.Close()
}
