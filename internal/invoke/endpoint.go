package invoke

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

const (
	// awsPort is where the AWS endpoint listens, where the environment has a
	// network of its own and Options.AWSPort says nothing else.
	awsPort = 9002
	// endpointHeaderTime and endpointHeader bound the heads of requests, as the
	// daemon's own port does.
	endpointHeaderTime = 10 * time.Second
	endpointHeader     = 64 << 10
	// mbPerCPU is the memory at which a function has one processor.
	// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
	mbPerCPU = 1769
)

// AWS is what functions call when they call AWS.
type AWS interface {
	// Admit lets in an environment of a version: handler serves what comes over a
	// listener that is the environment's own, c is what it signs its requests
	// with. leave is called once, when the environment has ended; c is of no use
	// after it.
	Admit(v *function.Version) (c Credentials, handler http.Handler, leave func())
}

// endpoint is the AWS endpoint of one environment.
type endpoint struct {
	url    string
	server *http.Server
	leave  func()
}

// openEndpoint makes the endpoint of an environment, at a listener of its own;
// nil: there is none.
func (e *environment) openEndpoint(ln net.Listener) {
	aws := e.inv.opts.AWS
	if ln == nil {
		return
	}
	credentials, handler, leave := aws.Admit(e.v)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	e.credentials = credentials
	e.aws = &endpoint{
		url:   "http://" + ln.Addr().String(),
		leave: leave,
		server: &http.Server{
			Handler:           handler,
			Protocols:         &protocols,
			ReadHeaderTimeout: endpointHeaderTime,
			MaxHeaderBytes:    endpointHeader,
			ErrorLog:          slog.NewLogLogger(e.inv.log.Handler(), slog.LevelDebug),
		},
	}
	go func(server *http.Server) {
		// Destroy closes the listener, or closeEndpoint the server.
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			e.inv.log.Error("serve an environment's AWS endpoint", "environment", e.id, "function", e.v.ARN, "error", err)
		}
	}(e.aws.server)
}

// closeEndpoint ends what the environment is still asking for.
func (e *environment) closeEndpoint() {
	if e.aws == nil {
		return
	}
	if err := e.aws.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		e.inv.log.Error("close an environment's AWS endpoint", "environment", e.id, "function", e.v.ARN, "error", err)
	}
	e.aws.leave()
	e.aws = nil
}

// limitCPU gives an environment that has initialized its share of the machine's
// processors: Lambda has all of a processor for Init too, and interpreters start
// twice as slow with less.
func (e *environment) limitCPU() {
	if e.inv.opts.NoCPUQuota {
		return
	}
	if err := e.box.SetCPU(max(1, e.v.MemoryMB*1000/mbPerCPU)); err != nil && !errors.Is(err, sandbox.ErrDestroyed) {
		e.inv.log.Error("limit an environment's processors", "environment", e.id, "function", e.v.ARN, "error", err)
	}
}
