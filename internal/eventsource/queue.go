package eventsource

import (
	"context"
	"errors"
	"time"
)

// Queues are the SQS queues that pollers read, by their ARNs. Errors are
// ErrNoQueue, ctx's, or faults of the machine.
type Queues interface {
	// Receive leases up to max messages (1 to 1000), and waits for a first one
	// up to wait: it is woken, and asks nothing of the store meanwhile. Messages
	// that were received too often go to the queue's dead-letter queue instead.
	Receive(ctx context.Context, queueARN string, max int, wait time.Duration) ([]Message, error)
	// Delete deletes messages that were received. One whose lease has ended, or
	// that is gone, is left as it is.
	Delete(ctx context.Context, queueARN string, messages []Message) error
	// Release makes messages visible again that were received.
	Release(ctx context.Context, queueARN string, messages []Message) error
}

// ErrNoQueue is for a queue that is not there.
var ErrNoQueue = errors.New("the queue does not exist")

// Message is a message that was received from a queue.
type Message struct {
	ID            string
	ReceiptHandle string
	Body          string
	MD5OfBody     string
	// Attributes are those of SQS's own, by name: SentTimestamp, MessageGroupId, …
	Attributes map[string]string
	// MessageAttributes are the sender's, and MD5OfMessageAttributes their
	// digest; empty where there are none.
	MessageAttributes      map[string]MessageAttribute
	MD5OfMessageAttributes string
	// Until is when the message becomes visible to others again; zero: it never
	// ceased to be, as the queue's visibility timeout is 0.
	Until time.Time
}

// MessageAttribute is one of a sender's attributes, as a function gets it.
type MessageAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"` // always empty: SQS takes none
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}
