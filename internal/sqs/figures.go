package sqs

import (
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
)

// figures are what CloudWatch knows of queues, made once for each.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
type figures struct {
	recorder metrics.Recorder
	queues   sync.Map // queue's id → *queueFigures
}

type queueFigures struct {
	sentCount, sentSize, receivedCount, emptyReceives, deletedCount metrics.Series
	visible, notVisible, delayed, oldest                            metrics.Series
}

func (f *figures) of(q *queue) *queueFigures {
	id := q.id()
	if found, ok := f.queues.Load(id); ok {
		return found.(*queueFigures)
	}
	series := func(name, unit string) metrics.Series {
		return f.recorder.Series(metrics.ID{Account: q.Account, Region: q.Region, Namespace: "AWS/SQS", Name: name, Unit: unit,
			Dimensions: []metrics.Dimension{{Name: "QueueName", Value: q.Name}}})
	}
	found, _ := f.queues.LoadOrStore(id, &queueFigures{
		sentCount: series("NumberOfMessagesSent", "Count"), sentSize: series("SentMessageSize", "Bytes"),
		receivedCount: series("NumberOfMessagesReceived", "Count"), emptyReceives: series("NumberOfEmptyReceives", "Count"),
		deletedCount: series("NumberOfMessagesDeleted", "Count"),
		visible:      series("ApproximateNumberOfMessagesVisible", "Count"),
		notVisible:   series("ApproximateNumberOfMessagesNotVisible", "Count"),
		delayed:      series("ApproximateNumberOfMessagesDelayed", "Count"),
		oldest:       series("ApproximateAgeOfOldestMessage", "Seconds"),
	})
	return found.(*queueFigures)
}

// forget lets go of a queue's that is deleted.
func (f *figures) forget(q *queue) { f.queues.Delete(q.id()) }

// sent notes a message of that many bytes.
func (f *queueFigures) sent(size int) {
	f.sentCount.Add(1)
	f.sentSize.Add(float64(size))
}

// received notes a receive of n messages.
func (f *queueFigures) received(n int) {
	if n == 0 {
		f.emptyReceives.Add(1)
		return
	}
	f.receivedCount.Add(float64(n))
}

func (f *queueFigures) deleted(n int) {
	if n > 0 {
		f.deletedCount.Add(float64(n))
	}
}

// holds notes what is in the queue now.
func (f *queueFigures) holds(n store.MessageCount, now time.Time) {
	f.visible.Add(float64(n.Visible))
	f.notVisible.Add(float64(n.InFlight))
	f.delayed.Add(float64(n.Delayed))
	age := 0.0
	if !n.Oldest.IsZero() {
		age = max(0, now.Sub(n.Oldest).Seconds())
	}
	f.oldest.Add(age)
}
