package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// exchange is a request that is sent again and again, and to whom. The client
// that sends it knows just enough HTTP to take next to no time itself: net/http's
// costs more than what it would measure.
type exchange struct {
	address string // host:port
	request []byte
}

// newExchange writes a request out once.
func newExchange(address, method, host, path string, body []byte, header ...string) exchange {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n", method, path, host)
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return exchange{address, b.Bytes()}
}

// drive sends the exchange's request in a closed loop over as many connections
// until length is over. Every answer must be a 200.
func drive(connections int, length time.Duration, x exchange) (sample, error) {
	var mu sync.Mutex
	var all []time.Duration
	var errs []error
	var wg sync.WaitGroup
	start := time.Now()
	for range connections {
		wg.Go(func() {
			own, err := x.repeat(start.Add(length))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	s := sample{latencies: all, elapsed: time.Since(start)}
	slices.Sort(s.latencies)
	return s, errors.Join(errs...)
}

func (x exchange) repeat(until time.Time) (took []time.Duration, err error) {
	c, err := net.Dial("tcp", x.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 8<<10)
	for began := time.Now(); began.Before(until); {
		if _, err := c.Write(x.request); err != nil {
			return took, err
		}
		if err := readAnswer(r); err != nil {
			return took, err
		}
		now := time.Now()
		took = append(took, now.Sub(began))
		began = now
	}
	return took, nil
}

// readAnswer reads an answer with status 200 and a Content-Length.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		rest := make([]byte, min(r.Buffered(), 1000))
		_, _ = io.ReadFull(r, rest) // for the error's text only
		return fmt.Errorf("answered %s%s", line, rest)
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without Content-Length")
	}
	_, err = r.Discard(length)
	return err
}

// serveUpstream is what the gateways and proxies of a benchmark stand in front of:
// it answers whatever comes with a kilobyte, and costs next to nothing itself.
func serveUpstream(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	body := strings.Repeat("x", 1024)
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			r := bufio.NewReaderSize(c, 8<<10)
			for {
				for { // requests have no bodies here
					line, err := r.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						break
					}
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// cpu is the processor time of a process group so far.
func cpu(group int) (time.Duration, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, name := range names {
		if _, err := strconv.Atoi(name.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + name.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// After the command, which is in parentheses and may hold anything: state,
		// parent, group, …, and as 12th and 13th the times of user and system.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 13 || fields[2] != strconv.Itoa(group) {
			continue
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ
}
