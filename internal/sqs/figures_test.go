package sqs

import (
	"fmt"
	"sync"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/metrics"
)

// told keeps what is recorded, by the metric's name.
type told struct {
	mu     sync.Mutex
	values map[string][]float64
}

type toldSeries struct {
	of   *told
	name string
}

func (r *told) Series(id metrics.ID) metrics.Series {
	if id.Namespace != "AWS/SQS" || id.Account != account || len(id.Dimensions) != 1 || id.Dimensions[0] != (metrics.Dimension{Name: "QueueName", Value: "q"}) {
		panic(fmt.Sprintf("%+v", id))
	}
	return toldSeries{r, id.Name}
}

func (s toldSeries) Add(v float64) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.values[s.name] = append(s.of.values[s.name], v)
}

func TestFigures(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		r := &told{values: map[string][]float64{}}
		c.figures.recorder = r
		q := c.create("q")
		c.wantReceive(q, 30, "")
		c.send(q, "a", "bcd", "ef")
		m := c.receive(q, 300)
		if err := c.delete(q, m[0]); err != nil {
			t.Fatal(err)
		}
		if err := c.delete(q, m[0]); err != nil { // it is gone: no error, and no deletion
			t.Fatal(err)
		}
		if _, err := c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &q, MessageBody: new("later"), DelaySeconds: new(int32(900))}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(sweepEvery + time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		left := len(m) - 1
		for name, want := range map[string]string{
			"NumberOfEmptyReceives":                 "[1]",
			"NumberOfMessagesSent":                  "[1 1 1 1]",
			"SentMessageSize":                       "[1 3 2 5]",
			"NumberOfMessagesReceived":              fmt.Sprintf("[%d]", len(m)),
			"NumberOfMessagesDeleted":               "[1]",
			"ApproximateNumberOfMessagesVisible":    fmt.Sprintf("[%d]", 3-len(m)),
			"ApproximateNumberOfMessagesNotVisible": fmt.Sprintf("[%d]", left),
			"ApproximateNumberOfMessagesDelayed":    "[1]",
			"ApproximateAgeOfOldestMessage":         "[60]",
		} {
			if got := fmt.Sprint(r.values[name]); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}
