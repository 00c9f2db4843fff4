// Package collect is told by the function of the benchmarks of event sources
// which messages it has got.
package collect

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/sdk"
)

// Collector takes connections of functions. Only those of a Paddock with
// sdk.ReachGates reach it.
type Collector struct {
	listener net.Listener

	mu       sync.Mutex
	arrived  map[uint32]time.Time // by a message's number: when it first came
	repeated int
	cpu      map[net.Conn]time.Duration // what a function has used so far
	changed  chan struct{}              // closed at each change
}

// New makes a collector, which ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{listener: l, arrived: map[uint32]time.Time{}, cpu: map[net.Conn]time.Duration{}, changed: make(chan struct{})}
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			readers.Go(func() {
				if err := c.read(conn); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("what a function says cannot be read: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return c
}

// Function is a function that tells the collector of its messages.
func (c *Collector) Function(t testing.TB) *lambda.CreateFunctionInput {
	t.Helper()
	in := sdk.Go(t, "test/eventsource/function")
	in.Environment = &types.Environment{Variables: map[string]string{"COLLECTOR": c.listener.Addr().String()}}
	in.MemorySize = new(int32(1769)) // one processor
	return in
}

// Body is what a message begins with that has a number.
func Body(n uint32) string { return fmt.Sprintf("%08x", n) }

// read takes what one environment says, until the connection ends.
func (c *Collector) read(conn net.Conn) error {
	r := bufio.NewReader(conn)
	var head struct {
		CPU, At uint64
		Count   uint32
	}
	for {
		if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
			return err
		}
		numbers := make([]uint32, head.Count)
		if err := binary.Read(r, binary.LittleEndian, numbers); err != nil {
			return err
		}
		at := time.Unix(0, int64(head.At))
		c.mu.Lock()
		c.cpu[conn] = time.Duration(head.CPU)
		for _, n := range numbers {
			if _, ok := c.arrived[n]; ok {
				c.repeated++
				continue
			}
			c.arrived[n] = at
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

func (c *Collector) wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	late := time.After(sdk.Patience)
	for {
		c.mu.Lock()
		ok, changed, n := done(), c.changed, len(c.arrived)
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited %s in vain for %s: %d messages have arrived", sdk.Patience, what, n)
		}
	}
}

// Await waits for a message and returns when the function had it.
func (c *Collector) Await(t testing.TB, n uint32) (at time.Time) {
	t.Helper()
	c.wait(t, "a message", func() (ok bool) { at, ok = c.arrived[n]; return ok })
	return at
}

// AwaitAll waits until so many different messages have arrived.
func (c *Collector) AwaitAll(t testing.TB, n int) {
	t.Helper()
	c.wait(t, fmt.Sprint(n, " messages"), func() bool { return len(c.arrived) >= n })
}

// Count is how many different messages have arrived.
func (c *Collector) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.arrived)
}

// Repeated is how many messages have come that were there already.
func (c *Collector) Repeated() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repeated
}

// Use is what was used from a moment on.
type Use struct {
	c                         *Collector
	pid                       int
	daemon, functions, sender time.Duration
}

// Measure begins to measure: the daemon by its process, the functions, and this
// process.
func (c *Collector) Measure(t testing.TB, pid int) *Use {
	t.Helper()
	u := &Use{c: c, pid: pid}
	u.daemon, u.functions, u.sender = u.now(t)
	return u
}

func (u *Use) now(t testing.TB) (daemon, functions, sender time.Duration) {
	t.Helper()
	daemon, err := processorTime(u.pid)
	if err != nil {
		t.Fatal(err)
	}
	if sender, err = processorTime(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	u.c.mu.Lock()
	defer u.c.mu.Unlock()
	for _, d := range u.c.cpu {
		functions += d
	}
	return daemon, functions, sender
}

// Report reports what was used for each of b.N messages.
func (u *Use) Report(b *testing.B) {
	b.Helper()
	daemon, functions, sender := u.now(b)
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(b.N) }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(each(daemon-u.daemon), "daemon-µs")
	b.ReportMetric(each(functions-u.functions), "functions-µs")
	b.ReportMetric(each(sender-u.sender), "sender-µs")
}

// processorTime is how long a process has run on processors: Linux's
// /proc/PID/stat counts it in hundredths of a second.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name, in parentheses.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var sum time.Duration
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum, nil
}
