// Package rawhead remembers how a client wrote the names of its headers. HTTP
// says that their case means nothing, and net/http forgets it; but functions
// behind a REST API see it in their event, and read event.headers.day.
package rawhead

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
)

// maxKept limits, in bytes, how much of a head is remembered: names further on
// are given in their canonical form.
const maxKept = 64 << 10

// Listen makes a listener whose connections remember.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c}, nil
}

// Conn is a connection that remembers the head of the request it carries.
type Conn struct {
	net.Conn
	mu   sync.Mutex
	head []byte
	full bool // the head has ended, or is too long
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.keep(p[:n])
	}
	return n, err
}

func (c *Conn) keep(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return
	}
	from := max(0, len(c.head)-3)
	c.head = append(c.head, p...)
	if bytes.Contains(c.head[from:], []byte("\r\n\r\n")) || len(c.head) > maxKept {
		c.full = true
	}
}

// CloseWrite lets net/http end an answer that it gives before it has read the
// request: closed at once, the connection would be reset, and the answer lost.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ReadFrom keeps net/http's way of copying a file straight to a socket.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// Next forgets the head: a request has ended, and another may come. A request
// that came before the answer to the one before it is not remembered.
func (c *Conn) Next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = false
	if cap(c.head) > 8<<10 {
		c.head = nil
	}
	c.head = c.head[:0]
}

type key struct{}

// With returns the context of a connection's requests.
func With(ctx context.Context, c net.Conn) context.Context {
	if conn, ok := c.(*Conn); ok {
		return context.WithValue(ctx, key{}, conn)
	}
	return ctx
}

// Name is a header's name, given in its canonical form, as the client wrote it;
// the canonical form where that is not known.
func Name(ctx context.Context, canonical string) string {
	c, ok := ctx.Value(key{}).(*Conn)
	if !ok {
		return canonical
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return find(c.head, canonical)
}

// find looks for a line that begins with the name and a colon.
func find(head []byte, name string) string {
	for rest := head; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return name
		}
		rest = rest[i+1:]
		if len(rest) > len(name) && rest[len(name)] == ':' && equalFold(rest[:len(name)], name) {
			return string(rest[:len(name)])
		}
	}
}

// equalFold compares ASCII without regard to case.
func equalFold(a []byte, b string) bool {
	for i := range a {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
