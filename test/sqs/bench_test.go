package sqs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
)

// benchClients is how many clients send requests at a time.
const benchClients = 16

// caller sends awsJson requests with as little work as can be: what is measured
// is Paddock, which shares the machine.
type caller struct {
	url  string
	http http.Client
}

func (c *caller) call(operation string, in any) (map[string]json.RawMessage, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", operation, res.StatusCode, answer)
	}
	out := map[string]json.RawMessage{}
	if len(answer) > 0 {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

func (c *caller) queue(b *testing.B, attributes map[string]string) string {
	b.Helper()
	suffix := ""
	if attributes["FifoQueue"] == "true" {
		suffix = ".fifo"
	}
	out, err := c.call("CreateQueue", map[string]any{"QueueName": name(b) + suffix, "Attributes": attributes})
	if err != nil {
		b.Fatal(err)
	}
	var url string
	if err := json.Unmarshal(out["QueueUrl"], &url); err != nil {
		b.Fatal(err)
	}
	return url
}

var benchBody = strings.Repeat("0123456789abcdef", 16)

func (c *caller) send(queue string, i int64) error {
	in := map[string]any{"QueueUrl": queue, "MessageBody": benchBody}
	if strings.HasSuffix(queue, ".fifo") {
		in["MessageGroupId"], in["MessageDeduplicationId"] = fmt.Sprint(i%1000), fmt.Sprint(i)
	}
	_, err := c.call("SendMessage", in)
	return err
}

// receive returns the handles of the messages that there are, up to max.
func (c *caller) receive(queue string, max int) ([]string, error) {
	out, err := c.call("ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": max, "VisibilityTimeout": 3600})
	if err != nil || out["Messages"] == nil {
		return nil, err
	}
	var messages []struct{ ReceiptHandle string }
	err = json.Unmarshal(out["Messages"], &messages)
	var handles []string
	for _, m := range messages {
		handles = append(handles, m.ReceiptHandle)
	}
	return handles, err
}

func (c *caller) delete(queue, handle string) error {
	_, err := c.call("DeleteMessage", map[string]any{"QueueUrl": queue, "ReceiptHandle": handle})
	return err
}

func concurrently(b *testing.B, do func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range benchClients {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkQueues has 16 clients with one message of 256 bytes to a request,
// which is durable when it is answered.
func BenchmarkQueues(b *testing.B) {
	d := daemon.Shared(b)
	c := &caller{url: d.URL, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}}
	for kind, attributes := range map[string]map[string]string{"standard": nil, "fifo": {"FifoQueue": "true"}} {
		b.Run(kind+"/send", func(b *testing.B) {
			queue := c.queue(b, attributes)
			concurrently(b, func(i int64) error { return c.send(queue, i) })
		})
		b.Run(kind+"/roundtrip", func(b *testing.B) {
			queue := c.queue(b, attributes)
			concurrently(b, func(i int64) error {
				if err := c.send(queue, i); err != nil {
					return err
				}
				handles, err := c.receive(queue, 1)
				for _, h := range handles {
					if err == nil {
						err = c.delete(queue, h)
					}
				}
				return err
			})
		})
	}
	queue := c.queue(b, nil)
	var handles []string
	var mu sync.Mutex
	b.Run("standard/receive", func(b *testing.B) {
		handles = nil
		var wg sync.WaitGroup
		for w := range benchClients {
			wg.Go(func() {
				for i := w; i < b.N; i += benchClients {
					if err := c.send(queue, int64(i)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		concurrently(b, func(int64) error {
			got, err := c.receive(queue, 1)
			mu.Lock()
			defer mu.Unlock()
			handles = append(handles, got...)
			if err == nil && len(got) != 1 {
				err = fmt.Errorf("received %d", len(got))
			}
			return err
		})
	})
	b.Run("standard/delete", func(b *testing.B) {
		concurrently(b, func(i int64) error { return c.delete(queue, handles[i%int64(len(handles))]) })
	})
}
