package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be Paddock.
func TestMain(m *testing.M) {
	if os.Getenv("PADDOCK_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Shells start what runs in the background with SIGINT ignored. Both signals
// work all the same: the first stops Paddock in order, the second at once.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `trap "" INT; exec "$0" serve --sandbox process --listen 127.0.0.1:0 --data "$1"`, self, t.TempDir())
	cmd.Env = append(os.Environ(), "PADDOCK_TEST_MAIN=1")
	var complaints strings.Builder
	cmd.Stderr = &complaints // read after Wait
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := ""
	lines := bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "http://")
	}
	if address == "" {
		t.Fatal("Paddock did not say where it listens: ", complaints.String())
	}
	go func() {
		for lines.Scan() {
		}
	}()
	// A request that lacks its body keeps Paddock from stopping.
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the request is not being read: %q, %v", line, err)
	}
	ended := make(chan error, 1)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// In order: it takes no new connections any more, and waits for the request.
	for {
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
	}
	go func() { ended <- cmd.Wait() }()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		if !strings.Contains(complaints.String(), "second signal") {
			t.Errorf("it ended otherwise: %s", complaints.String())
		}
	case <-time.After(10 * time.Second):
		t.Error("the second signal did not end Paddock")
		_ = cmd.Process.Kill()
		<-ended
	}
}
