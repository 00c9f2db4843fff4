package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

func orderedGroups(t *testing.T, q queues) {
	q.sendTo("q", "g:1", "g:2", "h:1", "g:3", "h:2")
	g := q.take("q", true, 2, "g:1 g:2")
	h := q.take("q", true, 10, "h:1 h:2") // g is locked
	q.take("q", true, 10, "")
	q.sendTo("q", "g:4", "i:1")
	i := q.take("q", true, 10, "i:1")
	q.delete("q", true, g[0])
	q.take("q", true, 10, "") // g:2 is still under lease
	q.delete("q", true, g[1])
	g = q.take("q", true, 10, "g:3 g:4")
	q.delete("q", true, append(append(g, h...), i...)...)
	q.counted("q", 0, 0, 0)
}

func groupsAreFreed(t *testing.T, q queues) {
	q.sendTo("q", "g:1", "g:2", "g:3")
	got := q.take("q", true, 2, "g:1 g:2")
	// The first one is given back: the second still holds the group.
	if err := q.change("q", true, got[0].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	q.take("q", true, 10, "")
	q.counted("q", 2, 1, 0)
	if err := q.change("q", true, got[1].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	again := q.take("q", true, 10, "g:1 g:2 g:3")
	if again[0].Receives != 2 || again[2].Receives != 1 {
		t.Errorf("leased %+v", again)
	}
	// The second is deleted before the first: the order of what is left stays.
	q.delete("q", true, again[1])
	for _, m := range []store.Message{again[2], again[0]} {
		if err := q.change("q", true, m.Receipt, 0); err != nil {
			t.Fatal(err)
		}
	}
	q.take("q", true, 1, "g:1")
}

func groupsShareBatches(t *testing.T, q queues) {
	q.sendTo("q", "g:1", "h:1", "i:1", "h:2", "g:2", "i:2")
	q.take("q", true, 3, "g:1 g:2 h:1") // as many of a group as there are, then the next
	q.take("q", true, 3, "i:1 i:2")
}

func delayedGroups(t *testing.T, q queues) {
	start := time.Now()
	_, err := q.Send(t.Context(), "q", true, []store.NewMessage{
		{Body: "1", Group: "g", Delay: 50 * time.Millisecond}, {Body: "2", Group: "g"}, {Body: "1", Group: "h"}})
	if err != nil {
		t.Fatal(err)
	}
	q.take("q", true, 10, "1") // of h: the first of g is delayed
	got := q.lease(store.LeaseRequest{Queue: "q", Ordered: true, Max: 10, Visibility: long, Wait: time.Minute})
	if took := time.Since(start); bodies(got) != "1 2" || took < 49*time.Millisecond {
		t.Errorf("leased %q after %s", bodies(got), took)
	}
}

func deadLetters(t *testing.T, q queues) {
	sent := q.send("q", "a", "b")
	r := store.LeaseRequest{Queue: "q", Max: 1, Redrive: &store.Redrive{Queue: "dead", After: 2}}
	var first time.Time
	for range 4 {
		if got := q.lease(r); len(got) != 1 {
			t.Fatalf("leased %v", got)
		} else if got[0].Body == "a" && first.IsZero() {
			first = got[0].FirstReceived
		}
	}
	q.send("q", "c")
	r.Visibility = long
	r.Max = 10
	if got := q.lease(r); bodies(got) != "c" {
		t.Errorf("leased %q", bodies(got))
	}
	q.counted("q", 0, 1, 0)
	q.counted("dead", 2, 0, 0)
	got := q.take("dead", false, 10, "a b")
	if m := got[0]; m.ID != sent[0].ID || m.Source != "q" || m.Receives != 3 || !m.FirstReceived.Equal(first) {
		t.Errorf("dead: %+v", m)
	}
	q.delete("dead", false, got...)
	// A waiting consumer of dead letters is woken.
	done := make(chan string, 1)
	go func() {
		got, err := q.Lease(t.Context(), store.LeaseRequest{Queue: "dead", Max: 1, Visibility: long, Wait: time.Minute})
		done <- bodies(got)
		if err != nil {
			t.Error(err)
		}
	}()
	q.send("x", "d")
	for range 2 {
		q.lease(store.LeaseRequest{Queue: "x", Max: 1, Redrive: &store.Redrive{Queue: "dead", After: 1}})
	}
	if got := <-done; got != "d" {
		t.Errorf("leased %q", got)
	}
}

func orderedDeadLetters(t *testing.T, q queues) {
	q.sendTo("dead", "g:0")
	sent := q.sendTo("q", "g:1", "g:2", "g:3", "h:1")
	r := store.LeaseRequest{Queue: "q", Ordered: true, Max: 1, Redrive: &store.Redrive{Queue: "dead", After: 1, Renew: true}}
	if got := q.lease(r); bodies(got) != "g:1" {
		t.Fatalf("leased %q", bodies(got))
	}
	q.pass(5 * time.Millisecond)
	r.Visibility, r.Max = long, 2
	if got := bodies(q.lease(r)); !strings.Contains(got, "g:2") || strings.Contains(got, "g:1") {
		t.Fatalf("leased %q", got)
	}
	got := q.take("dead", true, 10, "g:0 g:1")
	if m := got[1]; m.ID != sent[0].ID || m.Source != "q" || m.Receives != 2 || m.Group != "g" || m.Sent.Before(got[0].Sent.Add(5*time.Millisecond)) {
		t.Errorf("dead: %+v after %+v", m, got[0])
	}
}

func moveMessages(t *testing.T, q queues) {
	old := q.send("from", "a", "b", "c", "d")
	q.lease(store.LeaseRequest{Queue: "from", Max: 1, Visibility: long})
	q.lease(store.LeaseRequest{Queue: "from", Max: 1})
	move := func(want int) {
		t.Helper()
		n, err := q.Move(t.Context(), store.MoveRequest{From: "from", To: "to", Max: 2})
		if err != nil || n != want {
			t.Fatalf("moved %d, %v, want %d", n, err, want)
		}
	}
	move(2)
	q.counted("from", 1, 1, 0)
	move(1)
	move(0)
	q.counted("from", 0, 1, 0)
	got := q.lease(store.LeaseRequest{Queue: "to", Max: 10, Visibility: long})
	if len(got) != 3 {
		t.Fatalf("leased %q", bodies(got))
	}
	for _, m := range got {
		if m.Receives != 1 || m.Source != "" || m.Receipt.Sequence <= old[3].Sequence || m.Body == "a" {
			t.Errorf("moved %+v", m)
		}
		for _, o := range old {
			if m.ID == o.ID {
				t.Errorf("%s keeps its ID", m.Body)
			}
		}
	}
	if n, err := q.Move(t.Context(), store.MoveRequest{From: "nowhere", To: "to", Max: 2}); n != 0 || err != nil {
		t.Errorf("moved %d, %v from a queue that is not there", n, err)
	}
}

func moveBack(t *testing.T, q queues) {
	for _, source := range []string{"a", "b"} {
		q.send(source, "of "+source)
		for range 2 {
			q.lease(store.LeaseRequest{Queue: source, Max: 1, Redrive: &store.Redrive{Queue: "dead", After: 1}})
		}
	}
	q.send("dead", "direct")
	q.counted("dead", 3, 0, 0)
	back := store.MoveRequest{From: "dead", Back: []string{"a", "b"}, Max: 10}
	if n, err := q.Move(t.Context(), back); n != 2 || err != nil {
		t.Fatalf("moved %d, %v", n, err)
	}
	if n, err := q.Move(t.Context(), back); n != 0 || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("moved %d, %v", n, err)
	}
	q.counted("dead", 1, 0, 0)
	q.take("a", false, 1, "of a")
	q.take("b", false, 1, "of b")
}

func moveOrdered(t *testing.T, q queues) {
	q.sendTo("to", "g:0")
	q.sendTo("from", "g:1", "h:1", "g:2", "g:3", "i:1")
	got := q.lease(store.LeaseRequest{Queue: "from", Ordered: true, Max: 1, Visibility: long}) // locks g
	move := func(max int) int {
		t.Helper()
		n, err := q.Move(t.Context(), store.MoveRequest{From: "from", To: "to", Ordered: true, Max: max})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := move(10); n != 2 {
		t.Errorf("moved %d", n)
	}
	if err := q.change("from", true, got[0].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	if n := move(2); n != 2 {
		t.Errorf("moved %d", n)
	}
	q.take("from", true, 10, "g:3")
	q.delete("to", true, q.take("to", true, 3, "g:0 g:1 g:2")...)
	q.take("to", true, 10, "h:1 i:1")
}

func listQueues(t *testing.T, q queues) {
	expect := func(prefix string, want ...string) {
		t.Helper()
		if got, err := q.Queues(t.Context(), prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("queues of %q: %v, %v; want %v", prefix, got, err, want)
		}
	}
	expect("")
	q.send("a/2", "x")
	q.send("a/1", "x")
	q.send("b", "x")
	q.sendTo("a/3", "g:1")
	expect("", "a/1", "a/2", "a/3", "b")
	expect("a/", "a/1", "a/2", "a/3")
	// Messages under lease are messages too; queues without any are none.
	got := q.take("a/1", false, 1, "x")
	expect("a/", "a/1", "a/2", "a/3")
	if _, err := q.Delete(t.Context(), "a/1", false, []store.Receipt{got[0].Receipt}); err != nil {
		t.Fatal(err)
	}
	if err := q.Drop(t.Context(), "a/2"); err != nil {
		t.Fatal(err)
	}
	expect("a/", "a/3")
}

func purgeQueue(t *testing.T, q queues) {
	q.send("q", "a", "b")
	got := q.take("q", false, 1, "a")
	q.send("other", "x")
	if err := q.Purge(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	q.counted("q", 0, 0, 0)
	q.take("q", false, 10, "")
	if errs, err := q.Delete(t.Context(), "q", false, []store.Receipt{got[0].Receipt}); err != nil || !errors.Is(errs[0], store.ErrNotFound) {
		t.Errorf("delete: %v, %v", errs, err)
	}
	if sent := q.send("q", "c"); sent[0].Sequence <= got[0].Receipt.Sequence {
		t.Error("sequences begin again")
	}
	q.take("q", false, 10, "c")
	q.take("other", false, 10, "x")
	if err := q.Purge(t.Context(), "nowhere"); err != nil {
		t.Error(err)
	}
	// Groups are free again.
	q.sendTo("o", "g:1", "g:2")
	q.take("o", true, 1, "g:1")
	if err := q.Purge(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	q.sendTo("o", "g:3")
	q.take("o", true, 10, "g:3")
}

func dropQueue(t *testing.T, q queues) {
	q.send("q", "a")
	q.send("other", "x")
	for range 2 {
		if err := q.Drop(t.Context(), "q"); err != nil {
			t.Fatal(err)
		}
	}
	q.counted("q", 0, 0, 0)
	q.take("q", false, 10, "")
	q.sendTo("q", "g:b") // of the other kind
	q.take("q", true, 10, "g:b")
	q.take("other", false, 10, "x")
}
