package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/paddock-run/paddock/internal/rawhead"
)

// Limits of a connection. There is none on how long a request's body or an
// answer takes: an invocation may last a quarter of an hour, a stream longer.
const (
	headerTimeout = 10 * time.Second // for the whole head of a request
	idleTimeout   = 2 * time.Minute
	// maxHeader holds the largest heads that AWS takes: a session token, a
	// Lambda client context and a presigned URL at once.
	maxHeader = 64 << 10
)

// DefaultGrace is how long running requests may take to finish at shutdown.
const DefaultGrace = 30 * time.Second

// ServeOptions are what a server may be told. The zero value is good.
type ServeOptions struct {
	Grace  time.Duration // DefaultGrace when 0
	Logger *slog.Logger  // of connections' errors; slog.Default() when nil
	// TLS, where it is set, is spoken on the listener; its GetConfigForClient must
	// name the protocols itself. Header names keep their canonical case then.
	TLS *tls.Config
}

// ErrGraceExceeded is what Serve returns where it had to cut requests off.
var ErrGraceExceeded = errors.New("edge: requests were still running when the grace was over, and were cut off")

// Serve serves HTTP/1.1 and HTTP/2 (without TLS, by prior knowledge) on a
// listener until ctx is done. Then it accepts no more, lets the running
// requests finish, and after the grace cancels their contexts and closes their
// connections. It returns nil after a clean end; it closes the listener.
//
// Connections that a handler took over (WebSockets) are the handler's to close:
// Serve does not wait for them, and cancels their requests' contexts at the end.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, o ServeOptions) error {
	grace, log := o.Grace, o.Logger
	if grace == 0 {
		grace = DefaultGrace
	}
	if log == nil {
		log = slog.Default()
	}
	// The requests outlive ctx: they have the grace to finish in.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(o.TLS == nil)
	protocols.SetHTTP2(o.TLS != nil)
	server := &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       rawhead.With,
		ConnState: func(c net.Conn, state http.ConnState) {
			if k, ok := c.(*rawhead.Conn); ok && state == http.StateIdle {
				k.Next()
			}
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	if o.TLS != nil {
		server.TLSConfig = o.TLS
		go func() { ended <- server.ServeTLS(listener, "", "") }()
	} else {
		go func() { ended <- server.Serve(rawhead.Listen(listener)) }()
	}
	select {
	case err := <-ended:
		_ = server.Close() // the listener failed; what it brought is to end
		return fmt.Errorf("edge: serve: %w", err)
	case <-ctx.Done():
	}
	left, cancel := context.WithTimeout(requests, grace)
	defer cancel()
	err := server.Shutdown(left)
	if accepting := <-ended; !errors.Is(accepting, http.ErrServerClosed) {
		err = errors.Join(err, accepting)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		cut()
		return errors.Join(ErrGraceExceeded, server.Close())
	}
	if err != nil {
		return fmt.Errorf("edge: shutdown: %w", err)
	}
	return nil
}
