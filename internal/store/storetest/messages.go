package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Messages tests a driver of the shape of queues.
func Messages(t *testing.T, open func(t *testing.T) store.Messages) {
	for name, test := range map[string]func(*testing.T, queues){
		"SendLeaseDelete":     sendLeaseDelete,
		"LeasesEnd":           leasesEnd,
		"Receipts":            receiptsOfLeases,
		"OrderedReceipts":     receiptsOfOrderedLeases,
		"ChangeLeases":        changeLeases,
		"Delay":               delayed,
		"Duplicates":          duplicates,
		"Groups":              orderedGroups,
		"GroupsAreFreed":      groupsAreFreed,
		"GroupsShareBatches":  groupsShareBatches,
		"DelayedGroups":       delayedGroups,
		"DeadLetters":         deadLetters,
		"OrderedDeadLetters":  orderedDeadLetters,
		"Retention":           retention,
		"InFlightLimit":       inFlightLimit,
		"Move":                moveMessages,
		"MoveBack":            moveBack,
		"MoveOrdered":         moveOrdered,
		"Queues":              listQueues,
		"Purge":               purgeQueue,
		"Drop":                dropQueue,
		"WaitForSend":         waitForSend,
		"WaitForLease":        waitForLease,
		"WaitForGroup":        waitForGroup,
		"WaitIsOver":          waitIsOver,
		"WaitersAreAllWoken":  waitersAreAllWoken,
		"WaitersPassWakesOn":  waitersPassWakesOn,
		"Limits":              messageLimits,
		"CancelledContext":    messagesCancelled,
		"ConcurrentConsumers": concurrentConsumers,
		"ConcurrentGroups":    concurrentGroups,
		"AgainstAModel":       queueAgainstModel,
	} {
		t.Run(name, func(t *testing.T) { test(t, queues{t, open(t)}) })
	}
}

// queues is a store with the steps of the tests, which fail where a step does.
type queues struct {
	t *testing.T
	store.Messages
}

// long is a time that no test outlasts.
const long = time.Hour

func (q queues) send(queue string, bodies ...string) []store.Sent {
	q.t.Helper()
	var messages []store.NewMessage
	for _, b := range bodies {
		messages = append(messages, store.NewMessage{Body: b})
	}
	sent, err := q.Send(q.t.Context(), queue, false, messages)
	if err != nil || len(sent) != len(bodies) {
		q.t.Fatalf("send to %s: %v, %v", queue, sent, err)
	}
	return sent
}

// sendTo sends messages of an ordered queue: "group:body".
func (q queues) sendTo(queue string, messages ...string) []store.Sent {
	q.t.Helper()
	var ms []store.NewMessage
	for _, m := range messages {
		group, _, _ := strings.Cut(m, ":")
		ms = append(ms, store.NewMessage{Body: m, Group: group})
	}
	sent, err := q.Send(q.t.Context(), queue, true, ms)
	if err != nil || len(sent) != len(messages) {
		q.t.Fatalf("send to %s: %v, %v", queue, sent, err)
	}
	return sent
}

func (q queues) lease(r store.LeaseRequest) []store.Message {
	q.t.Helper()
	got, err := q.Lease(q.t.Context(), r)
	if err != nil {
		q.t.Fatalf("lease %+v: %v", r, err)
	}
	return got
}

func bodies(messages []store.Message) string {
	var b []string
	for _, m := range messages {
		b = append(b, m.Body)
	}
	return strings.Join(b, " ")
}

// take leases for long and wants these bodies.
func (q queues) take(queue string, ordered bool, max int, want string) []store.Message {
	q.t.Helper()
	got := q.lease(store.LeaseRequest{Queue: queue, Ordered: ordered, Max: max, Visibility: long})
	if bodies(got) != want {
		q.t.Fatalf("leased %q from %s, want %q", bodies(got), queue, want)
	}
	return got
}

func (q queues) delete(queue string, ordered bool, messages ...store.Message) {
	q.t.Helper()
	var receipts []store.Receipt
	for _, m := range messages {
		receipts = append(receipts, m.Receipt)
	}
	errs, err := q.Delete(q.t.Context(), queue, ordered, receipts)
	if err = errors.Join(append(errs, err)...); err != nil || len(errs) != len(receipts) {
		q.t.Fatalf("delete %s from %s: %v", bodies(messages), queue, err)
	}
}

// change sets one lease and returns what became of it.
func (q queues) change(queue string, ordered bool, r store.Receipt, visibility time.Duration) error {
	q.t.Helper()
	errs, err := q.Change(q.t.Context(), queue, ordered, 2*long, []store.LeaseChange{{Receipt: r, Visibility: visibility}})
	if err != nil || len(errs) != 1 {
		q.t.Fatalf("change: %v, %v", errs, err)
	}
	return errs[0]
}

// counted wants so many visible, leased and delayed messages.
func (q queues) counted(queue string, visible, inFlight, delayed int64) store.MessageCount {
	q.t.Helper()
	c, err := q.Count(q.t.Context(), queue, 0)
	if err != nil || c.Visible != visible || c.InFlight != inFlight || c.Delayed != delayed {
		q.t.Fatalf("%s has %+v (%v), want %d visible, %d in flight, %d delayed", queue, c, err, visible, inFlight, delayed)
	}
	if c.Oldest.IsZero() != (visible+inFlight+delayed == 0) {
		q.t.Fatalf("the oldest of %+v", c)
	}
	return c
}

// pass waits until so much time has passed for the store: until a message that
// was delayed so long comes.
func (q queues) pass(d time.Duration) {
	q.t.Helper()
	_, err := q.Send(q.t.Context(), "clock", false, []store.NewMessage{{Body: "tick", Delay: d}})
	if err != nil {
		q.t.Fatal(err)
	}
	got := q.lease(store.LeaseRequest{Queue: "clock", Max: 1, Visibility: long, Wait: time.Minute})
	if len(got) != 1 {
		q.t.Fatal("a delayed message never came")
	}
	q.delete("clock", false, got...)
}

func sendLeaseDelete(t *testing.T, q queues) {
	q.counted("q", 0, 0, 0)
	before := time.Now().Truncate(time.Millisecond)
	body := strings.Repeat("x", 100_000) + "\x00é"
	sent, err := q.Send(t.Context(), "q", false, []store.NewMessage{
		{Body: "one", Attributes: "a\x00b", Group: "g"}, {Body: body}, {}})
	if err != nil {
		t.Fatal(err)
	}
	q.send("other", "elsewhere")
	for i, s := range sent {
		if len(s.ID) != 36 || s.Duplicate || i > 0 && (s.Sequence <= sent[i-1].Sequence || s.ID == sent[i-1].ID) {
			t.Errorf("sent %+v", sent)
		}
	}
	if c := q.counted("q", 3, 0, 0); c.Oldest.Before(before) || c.Oldest.After(time.Now()) {
		t.Errorf("the oldest was sent at %s", c.Oldest)
	}
	got := q.lease(store.LeaseRequest{Queue: "q", Max: 10, Visibility: long})
	if len(got) != 3 || got[0].Body != "one" || got[0].Attributes != "a\x00b" || got[0].Group != "g" ||
		got[1].Body != body || got[2].Body != "" || got[2].Attributes != "" {
		t.Fatalf("leased %d: %+v", len(got), got)
	}
	for i, m := range got {
		if m.ID != sent[i].ID || m.Receipt.Sequence != sent[i].Sequence || m.Receives != 1 || m.Receipt.Lease != 1 || m.Source != "" ||
			m.Sent.Before(before) || m.FirstReceived.Before(m.Sent) || m.FirstReceived.After(time.Now()) {
			t.Errorf("leased %+v", m)
		}
	}
	q.counted("q", 0, 3, 0)
	q.take("q", false, 10, "")
	q.delete("q", false, got...)
	q.counted("q", 0, 0, 0)
	q.take("other", false, 10, "elsewhere")
}

func leasesEnd(t *testing.T, q queues) {
	q.send("q", "a")
	first := q.lease(store.LeaseRequest{Queue: "q", Max: 1, Visibility: 30 * time.Millisecond})
	again := q.lease(store.LeaseRequest{Queue: "q", Max: 1, Visibility: long, Wait: time.Minute})
	if len(first) != 1 || len(again) != 1 {
		t.Fatalf("leased %v and %v", first, again)
	}
	m := again[0]
	if m.ID != first[0].ID || m.Receives != 2 || m.Receipt == first[0].Receipt || !m.FirstReceived.Equal(first[0].FirstReceived) || !m.Sent.Equal(first[0].Sent) {
		t.Errorf("leased %+v after %+v", m, first[0])
	}
	// A lease of no time leaves the message to the next.
	q.send("z", "a")
	for i := range 3 {
		got := q.lease(store.LeaseRequest{Queue: "z", Max: 10})
		if len(got) != 1 || got[0].Receives != i+1 {
			t.Fatalf("leased %+v", got)
		}
		q.counted("z", 1, 0, 0)
	}
}

func receiptsOfLeases(t *testing.T, q queues) {
	q.send("q", "a")
	old := q.lease(store.LeaseRequest{Queue: "q", Max: 1})[0]
	last := q.lease(store.LeaseRequest{Queue: "q", Max: 1})[0]
	forged := store.Receipt{Sequence: last.Receipt.Sequence + 1, Lease: 1}
	for r, want := range map[store.Receipt]error{old.Receipt: store.ErrPrecondition, forged: store.ErrNotFound} {
		if err := q.change("q", false, r, long); !errors.Is(err, want) {
			t.Errorf("change %+v: %v, want %v", r, err, want)
		}
		if errs, err := q.Delete(t.Context(), "q", false, []store.Receipt{r}); err != nil || !errors.Is(errs[0], want) {
			t.Errorf("delete %+v: %v, %v, want %v", r, errs, err, want)
		}
	}
	// The last receipt is good for as long as nobody else has the message.
	if err := q.change("q", false, last.Receipt, long); err != nil {
		t.Error(err)
	}
	q.counted("q", 0, 1, 0)
	if err := q.change("q", false, last.Receipt, 0); err != nil {
		t.Error(err)
	}
	q.counted("q", 1, 0, 0)
	errs, err := q.Delete(t.Context(), "q", false, []store.Receipt{last.Receipt, forged, last.Receipt})
	if err != nil || errs[0] != nil || !errors.Is(errs[1], store.ErrNotFound) || !errors.Is(errs[2], store.ErrNotFound) {
		t.Errorf("delete: %v, %v", errs, err)
	}
	if errs, err := q.Delete(t.Context(), "nowhere", false, []store.Receipt{forged}); err != nil || !errors.Is(errs[0], store.ErrNotFound) {
		t.Errorf("delete from a queue that is not there: %v, %v", errs, err)
	}
	q.counted("q", 0, 0, 0)
}

func receiptsOfOrderedLeases(t *testing.T, q queues) {
	q.sendTo("q", "g:a")
	m := q.lease(store.LeaseRequest{Queue: "q", Ordered: true, Max: 1})[0]
	if errs, err := q.Delete(t.Context(), "q", true, []store.Receipt{m.Receipt}); err != nil || !errors.Is(errs[0], store.ErrPrecondition) {
		t.Errorf("delete after the lease's end: %v, %v", errs, err)
	}
	if err := q.change("q", true, m.Receipt, long); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("change after the lease's end: %v", err)
	}
	q.counted("q", 1, 0, 0)
	q.delete("q", true, q.take("q", true, 1, "g:a")...)
	q.counted("q", 0, 0, 0)
}

func changeLeases(t *testing.T, q queues) {
	q.send("q", "a", "b")
	got := q.take("q", false, 2, "a b")
	if err := q.change("q", false, got[0].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	q.counted("q", 1, 1, 0)
	again := q.take("q", false, 2, "a")
	if again[0].Receives != 2 {
		t.Errorf("leased %+v", again)
	}
	if err := q.change("q", false, again[0].Receipt, 2*long+time.Minute); !errors.Is(err, store.ErrLimit) {
		t.Errorf("longer than the limit: %v", err)
	}
	if err := q.change("q", false, again[0].Receipt, 30*time.Millisecond); err != nil {
		t.Error(err)
	}
	if last := q.lease(store.LeaseRequest{Queue: "q", Max: 2, Visibility: long, Wait: time.Minute}); bodies(last) != "a" {
		t.Errorf("leased %q", bodies(last))
	}
}

func delayed(t *testing.T, q queues) {
	start := time.Now()
	_, err := q.Send(t.Context(), "q", false, []store.NewMessage{{Body: "late", Delay: 50 * time.Millisecond}, {Body: "now"}, {Body: "never", Delay: long}})
	if err != nil {
		t.Fatal(err)
	}
	q.counted("q", 1, 0, 2)
	q.take("q", false, 10, "now")
	got := q.lease(store.LeaseRequest{Queue: "q", Max: 10, Visibility: long, Wait: time.Minute})
	if took := time.Since(start); bodies(got) != "late" || took < 49*time.Millisecond {
		t.Errorf("leased %q after %s", bodies(got), took)
	}
	q.counted("q", 0, 2, 1)
}

func duplicates(t *testing.T, q queues) {
	send := func(queue, body, dedup string, window time.Duration) store.Sent {
		t.Helper()
		sent, err := q.Send(t.Context(), queue, true, []store.NewMessage{{Body: body, Group: "g", Dedup: dedup, DedupWindow: window}})
		if err != nil {
			t.Fatal(err)
		}
		return sent[0]
	}
	first := send("q", "1", "a", long)
	if again := send("q", "2", "a", long); !again.Duplicate || again.ID != first.ID || again.Sequence != first.Sequence {
		t.Errorf("%+v after %+v", again, first)
	}
	if other := send("other", "1", "a", long); other.Duplicate {
		t.Error("another queue's message is a duplicate")
	}
	if other := send("q", "3", "b", long); other.Duplicate {
		t.Error("another message is a duplicate")
	}
	q.delete("q", true, q.take("q", true, 10, "1 3")...)
	if again := send("q", "4", "a", long); !again.Duplicate {
		t.Error("a message is forgotten once it is deleted")
	}
	if err := q.Purge(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if again := send("q", "5", "a", long); !again.Duplicate {
		t.Error("a message is forgotten once its queue is purged")
	}
	send("q", "6", "c", 20*time.Millisecond)
	q.pass(40 * time.Millisecond)
	if again := send("q", "7", "c", long); again.Duplicate {
		t.Error("the window never ends")
	}
	// In one batch.
	sent, err := q.Send(t.Context(), "batch", true, []store.NewMessage{
		{Body: "1", Group: "g", Dedup: "x", DedupWindow: long}, {Body: "2", Group: "g", Dedup: "x", DedupWindow: long}})
	if err != nil || sent[0].Duplicate || !sent[1].Duplicate {
		t.Errorf("sent %+v, %v", sent, err)
	}
	q.counted("batch", 1, 0, 0)
	// A queue that is made again has forgotten.
	if err := q.Drop(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if again := send("q", "8", "a", long); again.Duplicate {
		t.Error("a dropped queue remembers")
	}
}

func retention(t *testing.T, q queues) {
	old := q.send("q", "old", "older", "leased")
	q.lease(store.LeaseRequest{Queue: "q", Max: 1, Visibility: long})
	q.sendTo("o", "g:old", "h:old")
	q.pass(600 * time.Millisecond)
	q.send("q", "new")
	q.sendTo("o", "g:new")
	got := q.lease(store.LeaseRequest{Queue: "q", Max: 10, Visibility: long, Retention: 500 * time.Millisecond})
	if bodies(got) != "new" || got[0].Receipt.Sequence <= old[2].Sequence {
		t.Errorf("leased %q", bodies(got))
	}
	q.counted("q", 0, 1, 0)
	ordered := q.lease(store.LeaseRequest{Queue: "o", Ordered: true, Max: 10, Visibility: long, Retention: 500 * time.Millisecond})
	if bodies(ordered) != "g:new" {
		t.Errorf("leased %q", bodies(ordered))
	}
	// Counting expires too, leased or not, many or few.
	var many []store.NewMessage
	for i := range 2500 {
		many = append(many, store.NewMessage{Body: fmt.Sprint(i), Group: fmt.Sprint(i % 7)})
	}
	if _, err := q.Send(t.Context(), "many", true, many); err != nil {
		t.Fatal(err)
	}
	q.pass(1100 * time.Millisecond)
	q.sendTo("many", "0:new")
	c, err := q.Count(t.Context(), "many", time.Second)
	if err != nil || c.Visible != 1 || c.InFlight+c.Delayed != 0 {
		t.Errorf("counted %+v, %v", c, err)
	}
	q.take("many", true, 10, "0:new")
	if c, err := q.Count(t.Context(), "none", 1); err != nil || c != (store.MessageCount{}) {
		t.Errorf("counted %+v, %v in a queue that is not there", c, err)
	}
}

func inFlightLimit(t *testing.T, q queues) {
	q.send("q", "a", "b", "c", "d")
	limited := store.LeaseRequest{Queue: "q", Max: 10, Visibility: long, MaxInFlight: 3}
	got := q.lease(limited)
	if len(got) != 3 {
		t.Fatalf("leased %q", bodies(got))
	}
	if _, err := q.Lease(t.Context(), limited); !errors.Is(err, store.ErrLimit) {
		t.Fatalf("leased a fourth: %v", err)
	}
	done := make(chan []store.Message, 1)
	go func() {
		waiting := limited
		waiting.Wait = time.Minute
		more, err := q.Lease(t.Context(), waiting)
		if err != nil {
			t.Error(err)
		}
		done <- more
	}()
	q.delete("q", false, got[0])
	if more := <-done; bodies(more) != "d" {
		t.Errorf("leased %q", bodies(more))
	}
	q.counted("q", 0, 3, 0)
}

func messageLimits(t *testing.T, q queues) {
	ctx := t.Context()
	big := strings.Repeat("x", store.MaxMessageSize)
	long := strings.Repeat("x", store.MaxKey+1)
	_, tooLarge := q.Send(ctx, "q", false, []store.NewMessage{{Body: "a"}, {Body: big, Attributes: "y"}})
	_, noName := q.Send(ctx, "", false, []store.NewMessage{{Body: "a"}})
	_, longGroup := q.Send(ctx, "q", true, []store.NewMessage{{Group: long}})
	_, longDedup := q.Send(ctx, "q", true, []store.NewMessage{{Group: "g", Dedup: long}})
	_, noGroup := q.Send(ctx, "q", true, []store.NewMessage{{Body: "a"}})
	_, back := q.Send(ctx, "q", false, []store.NewMessage{{Body: "a", Delay: -1}})
	_, none := q.Lease(ctx, store.LeaseRequest{Queue: "q"})
	_, many := q.Lease(ctx, store.LeaseRequest{Queue: "q", Max: store.MaxLease + 1})
	_, itself := q.Lease(ctx, store.LeaseRequest{Queue: "q", Max: 1, Redrive: &store.Redrive{Queue: "q", After: 1}})
	_, never := q.Lease(ctx, store.LeaseRequest{Queue: "q", Max: 1, Redrive: &store.Redrive{Queue: "r"}})
	_, noReceipts := q.Delete(ctx, "q", false, nil)
	_, noChanges := q.Change(ctx, "q", false, 1, nil)
	_, noMove := q.Move(ctx, store.MoveRequest{From: "q", To: "r"})
	_, noCount := q.Count(ctx, "", 0)
	for i, err := range []error{tooLarge, noName, longGroup, longDedup, noGroup, back, none, many, itself, never, noReceipts, noChanges, noMove, noCount,
		q.Purge(ctx, ""), q.Drop(ctx, "")} {
		if !errors.Is(err, store.ErrLimit) {
			t.Errorf("%d: %v, want ErrLimit", i, err)
		}
	}
	q.counted("q", 0, 0, 0)
	q.send("q", big)
	if got := q.lease(store.LeaseRequest{Queue: "q", Max: 1, Visibility: time.Hour}); len(got) != 1 || got[0].Body != big {
		t.Error("the largest message is not there")
	}
	if sent, err := q.Send(ctx, "q", false, nil); err != nil || len(sent) != 0 {
		t.Errorf("sent %v, %v", sent, err)
	}
}

func messagesCancelled(t *testing.T, q queues) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, send := q.Send(ctx, "q", false, []store.NewMessage{{Body: "a"}})
	_, lease := q.Lease(ctx, store.LeaseRequest{Queue: "q", Max: 1, Wait: time.Minute})
	_, del := q.Delete(ctx, "q", false, make([]store.Receipt, 1))
	_, change := q.Change(ctx, "q", false, 1, make([]store.LeaseChange, 1))
	_, move := q.Move(ctx, store.MoveRequest{From: "q", To: "r", Max: 1})
	_, count := q.Count(ctx, "q", 1)
	for i, err := range []error{send, lease, del, change, move, count, q.Purge(ctx, "q"), q.Drop(ctx, "q")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	q.counted("q", 0, 0, 0)
}
