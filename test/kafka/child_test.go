package kafka

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/test/kafka/broker"
)

// childVariable makes this program a poller in a process of its own, for a test
// to kill: it holds a mapping.
const childVariable = "PADDOCK_TEST_KAFKA_CHILD"

// child polls, and has its parent handle each event: it writes the event as a
// line and waits for a line that answers it.
func child(config string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var m eventsource.Mapping
	if err := json.Unmarshal([]byte(config), &m); err != nil {
		fail(err)
	}
	relay := relay{calls: make(chan []byte), answers: make(chan struct{})}
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for payload := range relay.calls {
			if _, err := os.Stdout.Write(append(payload, '\n')); err != nil {
				fail(err)
			}
			if !in.Scan() {
				os.Exit(0)
			}
			relay.answers <- struct{}{}
		}
	}()
	p, err := kafka.NewSource(options(&broker.Broker{})).NewPoller(&m, eventsource.Host{
		Functions: relay, Reporter: relay, Metrics: metrics.Discard, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fail(err)
	}
	if err := p.Run(context.Background(), context.Background()); err != nil {
		fail(err)
	}
}

type relay struct {
	calls   chan []byte
	answers chan struct{}
}

func (r relay) Call(_ context.Context, _ string, payload []byte) (*function.Result, error) {
	r.calls <- payload
	<-r.answers
	return &function.Result{Payload: []byte("null")}, nil
}

func (relay) Processed(string) {}

// startChild starts a poller in a process of its own. Its events come to handle.
func startChild(t *testing.T, m *eventsource.Mapping, handle func(*event)) *exec.Cmd {
	t.Helper()
	config, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"="+string(config)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReaderSize(out, 1<<20)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Errorf("event %s: %v", line, err)
			}
			handle(&e)
			if _, err := in.Write([]byte("\n")); err != nil {
				return // it was killed
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return cmd
}
