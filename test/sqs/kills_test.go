package sqs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// ledger is what the clients of a queue know of its messages, each of which has a
// group and a number in it.
type ledger struct {
	t    *testing.T
	fifo bool

	mu         sync.Mutex
	sent       []int          // by group: the number to send next
	unknown    []map[int]bool // of those before, what was not acknowledged
	acts       int            // what was acknowledged since enough was set
	enough     func(acts int)
	received   []map[int]int
	deleted    []map[int]bool // acknowledged
	duplicates int
}

func newLedger(t *testing.T, fifo bool, groups int) *ledger {
	l := &ledger{t: t, fifo: fifo, sent: make([]int, groups)}
	for range groups {
		l.unknown = append(l.unknown, map[int]bool{})
		l.received, l.deleted = append(l.received, map[int]int{}), append(l.deleted, map[int]bool{})
	}
	return l
}

// act counts what was acknowledged; the lock is held.
func (l *ledger) act() {
	l.acts++
	l.enough(l.acts)
}

// send sends a group's messages until the daemon is gone. One whose answer did not
// come is sent again after the restart, with its deduplication ID, in a FIFO
// queue; elsewhere it may have come to be or not.
func (l *ledger) send(c *sqs.Client, queue *string, group int) {
	for {
		l.mu.Lock()
		n := l.sent[group]
		l.mu.Unlock()
		in := &sqs.SendMessageInput{QueueUrl: queue, MessageBody: new(fmt.Sprintf("%d %d", group, n))}
		if l.fifo {
			in.MessageGroupId, in.MessageDeduplicationId = new(fmt.Sprint(group)), new(fmt.Sprint(group, "-", n))
		}
		if _, err := c.SendMessage(sdk.Context(l.t), in); err != nil {
			if !l.fifo {
				l.mu.Lock()
				l.unknown[group][n] = true
				l.sent[group]++
				l.mu.Unlock()
			}
			return
		}
		l.mu.Lock()
		l.sent[group]++
		l.act()
		l.mu.Unlock()
	}
}

// consume receives and deletes until the daemon is gone or, where wait is not 0, a
// long poll finds nothing.
func (l *ledger) consume(c *sqs.Client, queue *string, wait int32) {
	for {
		got, err := c.ReceiveMessage(sdk.Context(l.t), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait})
		if err != nil {
			if wait > 0 {
				l.t.Error(err)
			}
			return
		}
		if len(got.Messages) == 0 && wait > 0 {
			return
		}
		for _, m := range got.Messages {
			group, n := l.took(*m.Body)
			_, err := c.DeleteMessage(sdk.Context(l.t), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle})
			if err == nil {
				l.mu.Lock()
				l.deleted[group][n] = true
				l.act()
				l.mu.Unlock()
			} else if wait > 0 {
				l.t.Error(err)
			}
		}
	}
}

// took notes a message that came, and checks its place in its group.
func (l *ledger) took(body string) (group, n int) {
	if _, err := fmt.Sscan(body, &group, &n); err != nil {
		l.t.Error(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case n > l.sent[group]:
		l.t.Errorf("group %d: message %d came and was never sent", group, n)
	case l.fifo && n > 0 && l.received[group][n-1] == 0:
		l.t.Errorf("group %d: message %d came before the one before it", group, n)
	case l.deleted[group][n]:
		l.t.Errorf("group %d: message %d came after its deletion was acknowledged", group, n)
	}
	if l.received[group][n]++; l.received[group][n] > 1 {
		l.duplicates++
	}
	return group, n
}

// settled checks at the end that what was acknowledged has come.
func (l *ledger) settled() (messages int) {
	for group, sent := range l.sent {
		messages += sent - len(l.unknown[group])
		for n := range sent {
			if l.received[group][n] == 0 && !l.unknown[group][n] {
				l.t.Errorf("group %d: message %d was acknowledged and is lost", group, n)
			}
		}
	}
	return messages
}

// TestKills kills Paddock at random moments while messages are sent, received
// and deleted: 20 times, or as often as SQS_KILLS says.
func TestKills(t *testing.T) {
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("SQS_KILLS")); err == nil {
		kills = n
	}
	const groups = 4
	data := daemon.Folder(t)
	ledgers := map[string]*ledger{"standard": newLedger(t, false, groups), "ordered.fifo": newLedger(t, true, groups)}
	queues := func(d *daemon.Daemon) (*sqs.Client, map[string]*string) {
		c := sqs.New(sdk.For(t, d).SQS.Options(), func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		urls := map[string]*string{}
		for name, l := range ledgers {
			attributes := map[string]string{"VisibilityTimeout": "2"}
			if l.fifo {
				attributes["FifoQueue"] = "true"
			}
			urls[name] = create(t, c, name, attributes)
		}
		return c, urls
	}
	for range kills {
		d := daemon.StartOn(t, data)
		c, urls := queues(d)
		var wg sync.WaitGroup
		after, killed := 1+rand.IntN(150), make(chan struct{})
		var once sync.Once
		for _, l := range ledgers {
			l.mu.Lock()
			l.acts, l.enough = 0, func(acts int) {
				if acts >= after {
					once.Do(func() {
						go func() {
							defer close(killed)
							d.Kill(t)
						}()
					})
				}
			}
			l.mu.Unlock()
		}
		for name, l := range ledgers {
			wg.Go(func() { l.consume(c, urls[name], 0) })
			for group := range groups {
				wg.Go(func() { l.send(c, urls[name], group) })
			}
		}
		<-killed
		wg.Wait()
		if t.Failed() {
			return
		}
	}
	d := daemon.StartOn(t, data)
	c, urls := queues(d)
	for name, l := range ledgers {
		l.enough = func(int) {}
		l.consume(c, urls[name], 4) // longer than any message is invisible
		n := l.settled()
		t.Logf("%s: %d messages through %d kills, %d came more than once", name, n, kills, l.duplicates)
	}
	if out, err := c.GetQueueAttributes(sdk.Context(t), &sqs.GetQueueAttributesInput{QueueUrl: urls["ordered.fifo"],
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}}); err != nil || out.Attributes["ApproximateNumberOfMessages"] != "0" || out.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("%+v, %v", out, err)
	}
}
