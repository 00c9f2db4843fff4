//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	relayQueries = 512 // at a time, of all environments; more are dropped, and asked again
	relayTimeout = 2 * time.Second
	relayIdle    = 10 * time.Second // of TCP connections
	relayMessage = 64 << 10
	resolvConf   = "/etc/resolv.conf"
)

// relay answers environments' DNS queries by asking the servers that the host
// asks. These often listen on the host's loopback (systemd-resolved, Docker),
// where environments cannot reach them.
type relay struct {
	packets net.PacketConn
	streams net.Listener
	servers func() ([]string, error) // addresses, with ports
	slots   chan struct{}
	done    sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

// newRelay listens on an address of the calling thread's network namespace. Its
// own queries are made in the daemon's.
func newRelay(address netip.AddrPort, servers func() ([]string, error)) (_ *relay, err error) {
	r := &relay{servers: servers, slots: make(chan struct{}, relayQueries)}
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	if r.packets, err = config.ListenPacket(context.Background(), "udp4", address.String()); err != nil {
		return nil, fmt.Errorf("listen for DNS queries: %w", err)
	}
	if r.streams, err = config.Listen(context.Background(), "tcp4", address.String()); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for DNS queries: %w", err), r.packets.Close())
	}
	r.life, r.end = context.WithCancel(context.Background())
	r.done.Go(r.servePackets)
	r.done.Go(r.serveStreams)
	return r, nil
}

func (r *relay) close() error {
	r.end()
	err := errors.Join(r.packets.Close(), r.streams.Close())
	r.done.Wait()
	return err
}

func (r *relay) servePackets() {
	buffer := make([]byte, relayMessage)
	for {
		n, client, err := r.packets.ReadFrom(buffer)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				slog.Error("environments' DNS queries cannot be read", "error", err)
			}
			return
		}
		query := bytes.Clone(buffer[:n])
		if len(query) < dnsHeader {
			continue
		}
		select {
		case r.slots <- struct{}{}:
			r.done.Go(func() {
				defer func() { <-r.slots }()
				if answer := r.ask(query); answer != nil {
					_, _ = r.packets.WriteTo(answer, client) // as unreliable as UDP is
				}
			})
		default: // the client asks again
		}
	}
}

// ask passes a query to one server after the other.
func (r *relay) ask(query []byte) []byte {
	servers, err := r.servers()
	if err != nil {
		slog.Warn("the host's DNS servers are not known", "error", err)
	}
	for _, server := range servers {
		answer, err := r.exchange(server, query)
		if err == nil {
			return answer
		}
		slog.Debug("a DNS server does not answer", "server", server, "error", err)
		if r.life.Err() != nil {
			return nil
		}
	}
	return serverFailure(query)
}

func (r *relay) exchange(server string, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.life, relayTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	answer := make([]byte, relayMessage)
	for {
		n, err := conn.Read(answer)
		if err != nil {
			return nil, err
		}
		if n >= dnsHeader && bytes.Equal(answer[:2], query[:2]) { // the ID
			return answer[:n], nil
		}
	}
}

func (r *relay) serveStreams() {
	for {
		client, err := r.streams.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				slog.Error("environments' DNS connections cannot be accepted", "error", err)
			}
			return
		}
		select {
		case r.slots <- struct{}{}:
			r.done.Go(func() {
				defer func() { <-r.slots }()
				r.serveStream(client)
			})
		default:
			_ = client.Close() // nothing was written
		}
	}
}

// serveStream joins a client with the first server that takes connections.
func (r *relay) serveStream(client net.Conn) {
	defer client.Close()
	servers, err := r.servers()
	if err != nil {
		slog.Warn("the host's DNS servers are not known", "error", err)
	}
	dialer := net.Dialer{Timeout: relayTimeout}
	for _, address := range servers {
		server, err := dialer.DialContext(r.life, "tcp", address)
		if err != nil {
			slog.Debug("a DNS server takes no connection", "server", address, "error", err)
			continue
		}
		defer server.Close()
		defer context.AfterFunc(r.life, func() { _, _ = client.Close(), server.Close() })()
		deadline := time.Now().Add(relayIdle)
		if errors.Join(client.SetDeadline(deadline), server.SetDeadline(deadline)) != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() {
			_, _ = io.Copy(server, client) // either side may leave
			_ = server.(*net.TCPConn).CloseWrite()
		})
		_, _ = io.Copy(client, server)
		_ = client.Close()
		both.Wait()
		return
	}
}

// nameservers are the addresses of the DNS servers that the host asks, at most
// three. See resolv.conf(5).
func nameservers() ([]string, error) {
	text, err := os.ReadFile(resolvConf)
	var servers []string
	for line := range strings.Lines(string(text)) {
		field := strings.Fields(line)
		if len(field) >= 2 && field[0] == "nameserver" && len(servers) < 3 {
			servers = append(servers, net.JoinHostPort(field[1], "53"))
		}
	}
	if len(servers) == 0 {
		servers = []string{"127.0.0.1:53"}
	}
	return servers, err
}

// viaRelay is the host's resolv.conf with the relay in the place of its servers.
func viaRelay(text []byte) []byte {
	var changed bytes.Buffer
	fmt.Fprintf(&changed, "nameserver %s\n", gatewayAddress)
	for line := range bytes.Lines(text) {
		field := bytes.Fields(line)
		if len(field) > 0 && (string(field[0]) == "search" || string(field[0]) == "domain" || string(field[0]) == "options") {
			changed.Write(append(bytes.TrimRight(line, "\n"), '\n'))
		}
	}
	return changed.Bytes()
}

// dnsHeader is the size of a DNS message's header.
// https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1
const dnsHeader = 12

// serverFailure is the answer to a query that nobody answers: SERVFAIL, with the
// question where it can be read.
func serverFailure(query []byte) []byte {
	if query[2]&0x80 != 0 { // an answer itself
		return nil
	}
	end := dnsHeader
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 1 + 4 // the end of the name, type and class
	answer := bytes.Clone(query[:min(end, len(query))])
	answer[2] |= 0x80                     // an answer
	answer[3] = answer[3]&0x70 | 0x80 | 2 // recursion available, SERVFAIL
	clear(answer[6:dnsHeader])            // nothing but the question
	if end > len(query) {
		clear(answer[4:6])
		answer = answer[:dnsHeader]
	}
	return answer
}
