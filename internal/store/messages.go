package store

import (
	"context"
	"fmt"
	"time"
)

// The limits of messages that the drivers enforce, both included.
const (
	MaxMessageSize = 2 << 20 // bytes of a message's body and attributes together
	MaxLease       = 1000    // messages of one Lease, Move, or list of receipts
)

// NewMessage is a message to send.
type NewMessage struct {
	Body       string
	Attributes string // opaque to the store
	// Group orders messages in an ordered queue, where it must not be empty.
	// Elsewhere it is only kept.
	Group string
	// Delay is how long the message is not to be leased, to the millisecond.
	Delay time.Duration
	// Dedup, where not empty, makes the message a duplicate of one that was
	// sent to the queue with the same Dedup less than DedupWindow ago.
	Dedup       string
	DedupWindow time.Duration
}

// Sent is what became of a NewMessage.
type Sent struct {
	ID string // a UUID
	// Sequence rises with the order of sending, over all queues; it is at most
	// 2^44 - 1.
	Sequence int64
	// Duplicate says that nothing was added: ID and Sequence are those of the
	// message that was sent before.
	Duplicate bool
}

// Message is a message under lease.
type Message struct {
	ID         string
	Body       string
	Attributes string
	Group      string
	// Source is the queue that gave the message up as undeliverable, empty
	// where none did.
	Source string

	Receipt       Receipt
	Sent          time.Time // to the millisecond, as all times here
	FirstReceived time.Time
	Receives      int // how often it was leased, this time included
}

// Receipt names one lease of one message of a queue.
type Receipt struct {
	Sequence int64 // the message's
	Lease    int64 // counts the leases of that message, from 1
}

// LeaseRequest says what Lease is to take.
type LeaseRequest struct {
	Queue   string
	Ordered bool // whether messages were sent with an order; the same for all calls on a queue
	Max     int  // at most this many messages; 1 to MaxLease
	// Visibility is how long the messages are kept from others, to the
	// millisecond. 0 counts as a lease and leaves them to be leased again.
	Visibility time.Duration
	// Wait is how long to wait for a first message where there is none.
	Wait time.Duration
	// Retention is the age at which messages are deleted instead; 0: never.
	Retention time.Duration
	// MaxInFlight, where not 0, refuses with ErrLimit while so many messages of
	// the queue are under lease. With Wait it waits for others to end instead.
	MaxInFlight int
	Redrive     *Redrive // nil: messages are leased however often it takes
}

// Redrive says where messages go that were leased too often.
type Redrive struct {
	Queue string // where to: another queue
	After int    // leases, 1 or more; a message that was leased so often is moved instead of leased
	// Renew gives moved messages a new time of sending; without it they keep
	// theirs, and the retention of the other queue counts from that.
	Renew bool
}

// LeaseChange sets how long a lease goes on from now.
type LeaseChange struct {
	Receipt    Receipt
	Visibility time.Duration // 0 ends the lease
}

// MoveRequest says what Move is to move.
type MoveRequest struct {
	From    string
	Ordered bool // of both queues
	// To is the other queue. Where it is empty, each message goes back to its
	// Source, which must be one of Back.
	To   string
	Back []string
	Max  int // at most this many messages; 1 to MaxLease
}

// MessageCount is the state of a queue at one moment.
type MessageCount struct {
	Visible  int64 // to be leased now, or once their group is free
	InFlight int64 // under lease
	Delayed  int64 // neither was ever leased nor may be yet
	// Oldest is when the oldest message was sent; zero where there is none.
	Oldest time.Time
}

// Messages is the shape of queues. A queue is named by a key that its service
// makes (account/region/name), at most 1024 bytes; its settings are a document.
// It is there from its first message on.
//
// In an ordered queue the messages of a group are leased in the order of
// sending, and while one of them is under lease or delayed, none of its group
// is. Without an order, those that may be leased longest come first.
type Messages interface {
	// Send adds messages, all or none, in their order, and returns once they
	// are durable; concurrent calls share one commit. A caller whose ctx ends
	// stops waiting; the messages may still be sent.
	Send(ctx context.Context, queue string, ordered bool, messages []NewMessage) ([]Sent, error)
	// Lease takes messages that may be leased. Where it finds none, it waits:
	// sends and ends of leases wake it, nothing is asked of the store meanwhile.
	// It returns none when the wait is over, and ctx's error when ctx ends.
	Lease(ctx context.Context, r LeaseRequest) ([]Message, error)
	// Change extends or shortens leases. The i-th error is ErrNotFound where the
	// message is gone, ErrPrecondition where the receipt is not that of its last
	// lease or, in an ordered queue, that lease has ended, and ErrLimit where the
	// lease would last longer than limit from when it was taken.
	Change(ctx context.Context, queue string, ordered bool, limit time.Duration, changes []LeaseChange) ([]error, error)
	// Delete deletes messages. The i-th error is ErrNotFound where the message
	// is gone, and ErrPrecondition where the receipt is not that of its last
	// lease or, in an ordered queue, that lease has ended.
	Delete(ctx context.Context, queue string, ordered bool, receipts []Receipt) ([]error, error)
	// Move moves messages that may be leased, in one transaction, as if they had
	// been sent anew to the other queue: with a new ID, time and Sequence, never
	// leased, from no Source. It returns how many there were, and ErrNotFound
	// where the first that cannot go anywhere stopped it.
	Move(ctx context.Context, r MoveRequest) (moved int, err error)
	// Count counts a queue's messages, exactly, after deleting those of the age
	// of retention (0: none).
	Count(ctx context.Context, queue string, retention time.Duration) (MessageCount, error)
	// Queues lists the queues whose names begin with prefix and that have messages,
	// in order.
	Queues(ctx context.Context, prefix string) ([]string, error)
	// Purge deletes every message of a queue; what was sent with a Dedup is
	// still known.
	Purge(ctx context.Context, queue string) error
	// Drop deletes a queue with all there is of it; one that is not there is no
	// error.
	Drop(ctx context.Context, queue string) error
}

// CheckSend says, by an error that wraps ErrLimit, whether messages are outside
// the store's limits. It is for drivers.
func CheckSend(queue string, ordered bool, messages []NewMessage) error {
	if err := CheckName("queue", queue); err != nil {
		return err
	}
	for _, m := range messages {
		switch size := len(m.Body) + len(m.Attributes); {
		case size > MaxMessageSize:
			return fmt.Errorf("%w: a message has %d bytes, and %d are the most", ErrLimit, size, MaxMessageSize)
		case len(m.Group) > MaxKey || len(m.Dedup) > MaxKey:
			return fmt.Errorf("%w: a message's group and what tells duplicates have at most %d bytes", ErrLimit, MaxKey)
		case ordered && m.Group == "":
			return fmt.Errorf("%w: a message of an ordered queue needs a group", ErrLimit)
		case m.Delay < 0:
			return fmt.Errorf("%w: a message is delayed by %s", ErrLimit, m.Delay)
		}
	}
	return nil
}

// CheckLease says, by an error that wraps ErrLimit, whether a request is outside
// the store's limits. It is for drivers.
func CheckLease(r *LeaseRequest) error {
	if err := CheckName("queue", r.Queue); err != nil {
		return err
	}
	if d := r.Redrive; d != nil {
		if err := CheckName("queue", d.Queue); err != nil {
			return err
		}
		if d.Queue == r.Queue || d.After < 1 {
			return fmt.Errorf("%w: messages of queue %q go to %q after %d leases", ErrLimit, r.Queue, d.Queue, d.After)
		}
	}
	return CheckCount(r.Max)
}

// CheckCount says, by an error that wraps ErrLimit, whether a call is about no
// message or about too many. It is for drivers.
func CheckCount(n int) error {
	if n < 1 || n > MaxLease {
		return fmt.Errorf("%w: %d messages were asked for, and 1 to %d may be", ErrLimit, n, MaxLease)
	}
	return nil
}
