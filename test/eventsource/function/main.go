// Function is what the benchmarks of event sources are about: it says to the
// benchmark, over one connection, which messages it has got, and when.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// event is a batch of SQS's, or of Kafka's. A message begins with its number, in
// eight hexadecimal digits.
type event struct {
	Source  string          `json:"eventSource"` // of Kafka's only
	Records json.RawMessage // encoding/json does not mind that Kafka's begin with a small letter
}

type message struct {
	Body  string `json:"body"`
	Value []byte `json:"value"`
}

// bodies are those of the event's messages.
func (e *event) bodies() (out []string, err error) {
	if e.Source == "" {
		var list []message
		err = json.Unmarshal(e.Records, &list)
		for _, m := range list {
			out = append(out, m.Body)
		}
		return out, err
	}
	var partitions map[string][]message
	err = json.Unmarshal(e.Records, &partitions)
	for _, list := range partitions {
		for _, m := range list {
			out = append(out, string(m.Value))
		}
	}
	return out, err
}

// batch is what the benchmark is told of one invocation: how much time of a
// processor the function has had so far, when it got the batch, and how many
// messages follow.
func batch(numbers []uint32) ([]byte, error) {
	now := time.Now()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return nil, err
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(use.Utime.Nano()+use.Stime.Nano()))
	out = binary.LittleEndian.AppendUint64(out, uint64(now.UnixNano()))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(numbers)))
	for _, n := range numbers {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out, nil
}

func number(body string) (uint32, error) {
	n, err := strconv.ParseUint(body[:min(8, len(body))], 16, 32)
	return uint32(n), err
}

func main() {
	collector, err := net.Dial("tcp", os.Getenv("COLLECTOR"))
	if err != nil {
		panic(err)
	}
	lambda.Start(func(_ context.Context, payload json.RawMessage) error {
		var e event
		if err := json.Unmarshal(payload, &e); err != nil {
			return err
		}
		bodies, err := e.bodies()
		if err != nil {
			return err
		}
		var numbers []uint32
		for _, body := range bodies {
			n, err := number(body)
			if err != nil {
				return err
			}
			numbers = append(numbers, n)
		}
		told, err := batch(numbers)
		if err != nil {
			return err
		}
		_, err = collector.Write(told)
		return err
	})
}
