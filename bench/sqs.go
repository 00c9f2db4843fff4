package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	sqsCallers = 16
	// goawsPort is the one in GoAws's own configuration; $GOAWS_PORT is for others.
	goawsPort = "4100"
)

// queueSide is a server of queues, and what was measured of it.
type queueSide struct {
	name   string
	server *server
	url    string // of the round's queue

	rates, busy map[string][]float64 // by what is done: a second; microseconds of the server's processors
}

// sqs measures sending, and a message's whole way, by 16 callers in awsJson:
// Paddock, which has every message on the disk before it answers, beside GoAws
// ($GOAWS names its program, $GOAWS_CONFIG its configuration) and moto_server,
// which keep them in memory.
func (b *bench) sqs() error {
	p, err := b.startPaddock(filepath.Join(b.dir, "sqs"), "--api-rate=1e9", "--api-burst=1000000000")
	if err != nil {
		return err
	}
	defer p.stop()
	sides := []*queueSide{{name: "Paddock, durable", server: p}}
	if program := os.Getenv("GOAWS"); program != "" {
		port := goawsPort
		if other := os.Getenv("GOAWS_PORT"); other != "" {
			port = other
		}
		s, err := startQueues(exec.Command(program, "-config", os.Getenv("GOAWS_CONFIG"), "Local"), port)
		if err != nil {
			return err
		}
		defer s.stop()
		sides = append(sides, &queueSide{name: "GoAws, in memory", server: s})
	} else {
		fmt.Println("\nGoAws is left out: $GOAWS does not name its program.")
	}
	// moto_server of pyenv may be a shim of a Python that lacks it.
	if program, err := exec.LookPath("moto_server"); err == nil && exec.Command(program, "--help").Run() == nil {
		port, err := freePort()
		if err != nil {
			return err
		}
		s, err := startQueues(exec.Command(program, "-H", "127.0.0.1", "-p", fmt.Sprint(port)), fmt.Sprint(port))
		if err != nil {
			return err
		}
		defer s.stop()
		sides = append(sides, &queueSide{name: "moto_server, in memory", server: s})
	} else {
		fmt.Println("\nmoto_server is left out: it is not installed.")
	}
	return b.queues(sides)
}

// startQueues starts a server that listens on this port of loopback.
func startQueues(cmd *exec.Cmd, port string) (*server, error) {
	address := "127.0.0.1:" + port
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		return nil, fmt.Errorf("another server listens on %s", address)
	}
	s, err := startServer(cmd, "http://"+address+"/")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + address
	return s, nil
}

// queues has the sides take turns, each round with a queue of its own.
func (b *bench) queues(sides []*queueSide) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: sqsCallers, DisableCompression: true}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	kinds := []struct {
		name string
		once func(*queueSide) error
	}{
		{"send", func(s *queueSide) error { return s.send(client) }},
		{"send, receive and delete", func(s *queueSide) error { return s.pass(client) }},
	}
	for round := range b.rounds {
		for _, kind := range kinds {
			for i := range sides {
				s := sides[i]
				if round%2 == 1 {
					s = sides[len(sides)-1-i]
				}
				if err := s.measure(client, fmt.Sprintf("q-%d-%d", round, len(kind.name)), kind.name, b.length, kind.once); err != nil {
					return fmt.Errorf("%s: %s: %w", s.name, kind.name, err)
				}
			}
		}
	}
	fmt.Printf("\n| queues, %d callers, awsJson | a second | the server's CPU each |\n|---|---|---|\n", sqsCallers)
	for _, kind := range kinds {
		for _, s := range sides {
			fmt.Printf("| %s: %s | %.0f | %.0f µs |\n", s.name, kind.name, median(s.rates[kind.name]), median(s.busy[kind.name]))
		}
	}
	return nil
}

// measure has the callers do one thing in a closed loop until length is over.
func (s *queueSide) measure(client *http.Client, queue, kind string, length time.Duration, once func(*queueSide) error) error {
	var made struct{ QueueUrl string }
	if err := s.call(client, "CreateQueue", map[string]any{"QueueName": queue}, &made); err != nil {
		return err
	}
	s.url = made.QueueUrl
	before, err := cpu(s.server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	count := 0
	var wg sync.WaitGroup
	start := time.Now()
	for range sqsCallers {
		wg.Go(func() {
			own := 0
			var err error
			for ; err == nil && time.Since(start) < length; own++ {
				err = once(s)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
			count += own
		})
	}
	wg.Wait()
	took := time.Since(start)
	if failed != nil {
		return failed
	}
	after, err := cpu(s.server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if s.rates == nil {
		s.rates, s.busy = map[string][]float64{}, map[string][]float64{}
	}
	s.rates[kind] = append(s.rates[kind], float64(count)/took.Seconds())
	s.busy[kind] = append(s.busy[kind], float64((after-before).Microseconds())/float64(count))
	return s.call(client, "DeleteQueue", map[string]any{"QueueUrl": s.url}, nil)
}

func (s *queueSide) send(client *http.Client) error {
	return s.call(client, "SendMessage", map[string]any{"QueueUrl": s.url, "MessageBody": strings.Repeat("m", 200)}, nil)
}

// pass sends a message, and receives and deletes one: as many callers as have
// sent and not yet received find one each.
func (s *queueSide) pass(client *http.Client) error {
	if err := s.send(client); err != nil {
		return err
	}
	var got struct {
		Messages []struct{ ReceiptHandle string }
	}
	if err := s.call(client, "ReceiveMessage", map[string]any{"QueueUrl": s.url, "MaxNumberOfMessages": 1, "WaitTimeSeconds": 5, "VisibilityTimeout": 60}, &got); err != nil {
		return err
	}
	if len(got.Messages) != 1 {
		return fmt.Errorf("received %d messages", len(got.Messages))
	}
	return s.call(client, "DeleteMessage", map[string]any{"QueueUrl": s.url, "ReceiptHandle": got.Messages[0].ReceiptHandle}, nil)
}

func (s *queueSide) call(client *http.Client, operation string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, s.server.url+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", strings.Replace(signed, "/lambda/", "/sqs/", 1))
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	text, err := ask(client, req, http.StatusOK)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
