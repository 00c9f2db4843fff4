package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// leasing leases in the background and delivers what came.
func (q queues) leasing(ctx context.Context, r store.LeaseRequest) <-chan []store.Message {
	done := make(chan []store.Message, 1)
	go func() {
		got, err := q.Lease(ctx, r)
		if err != nil && !errors.Is(err, context.Canceled) {
			q.t.Errorf("lease %+v: %v", r, err)
		}
		done <- got
	}()
	return done
}

func waitForSend(t *testing.T, q queues) {
	r := store.LeaseRequest{Queue: "q", Max: 10, Visibility: long, Wait: time.Minute}
	done := q.leasing(t.Context(), r)
	q.send("other", "x")
	q.pass(10 * time.Millisecond)
	q.send("q", "a", "b")
	if got := <-done; bodies(got) != "a b" {
		t.Errorf("leased %q", bodies(got))
	}
	// A delayed message before one that is delayed longer.
	done = q.leasing(t.Context(), r)
	for _, d := range []time.Duration{long, 20 * time.Millisecond} {
		if _, err := q.Send(t.Context(), "q", false, []store.NewMessage{{Body: d.String(), Delay: d}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-done; bodies(got) != "20ms" {
		t.Errorf("leased %q", bodies(got))
	}
}

func waitForLease(t *testing.T, q queues) {
	r := store.LeaseRequest{Queue: "q", Max: 1, Visibility: long, Wait: time.Minute}
	q.send("q", "a")
	got := q.take("q", false, 1, "a")
	done := q.leasing(t.Context(), r)
	if err := q.change("q", false, got[0].Receipt, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got = <-done; bodies(got) != "a" {
		t.Fatalf("leased %q", bodies(got))
	}
	done = q.leasing(t.Context(), r)
	if err := q.change("q", false, got[0].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	if got = <-done; bodies(got) != "a" {
		t.Fatalf("leased %q", bodies(got))
	}
	// A message that another takes while one waits, and gives up.
	q.delete("q", false, got...)
	done = q.leasing(t.Context(), store.LeaseRequest{Queue: "q", Max: 1, Visibility: 20 * time.Millisecond, Wait: time.Minute})
	q.pass(10 * time.Millisecond) // so that it is the first in line
	next := q.leasing(t.Context(), r)
	q.pass(10 * time.Millisecond)
	q.send("q", "b")
	if first, second := <-done, <-next; bodies(first) != "b" && bodies(second) != "b" {
		t.Errorf("leased %q and %q", bodies(first), bodies(second))
	}
}

func waitForGroup(t *testing.T, q queues) {
	r := store.LeaseRequest{Queue: "q", Ordered: true, Max: 1, Visibility: long, Wait: time.Minute}
	q.sendTo("q", "g:1", "g:2", "g:3")
	got := q.take("q", true, 1, "g:1")
	done := q.leasing(t.Context(), r)
	q.delete("q", true, got...)
	if got = <-done; bodies(got) != "g:2" {
		t.Fatalf("leased %q", bodies(got))
	}
	done = q.leasing(t.Context(), r)
	if err := q.change("q", true, got[0].Receipt, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got = <-done; bodies(got) != "g:2" {
		t.Fatalf("leased %q", bodies(got))
	}
	done = q.leasing(t.Context(), r)
	q.sendTo("q", "h:1")
	if got = <-done; bodies(got) != "h:1" {
		t.Fatalf("leased %q", bodies(got))
	}
}

func waitIsOver(t *testing.T, q queues) {
	start := time.Now()
	if got := q.lease(store.LeaseRequest{Queue: "q", Max: 1, Wait: 30 * time.Millisecond}); len(got) != 0 {
		t.Errorf("leased %q", bodies(got))
	}
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("waited for %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := q.Lease(ctx, store.LeaseRequest{Queue: "q", Max: 1, Wait: long})
		done <- err
	}()
	q.pass(10 * time.Millisecond)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
	q.send("q", "a")
	q.take("q", false, 1, "a")
}

// waitersAreAllWoken: as many waiters as messages get one each, however these come.
func waitersAreAllWoken(t *testing.T, q queues) {
	const n = 20
	r := store.LeaseRequest{Queue: "q", Max: 1, Visibility: long, Wait: time.Minute}
	var waiting []<-chan []store.Message
	for range n {
		waiting = append(waiting, q.leasing(t.Context(), r))
	}
	q.pass(10 * time.Millisecond) // most of them wait by now
	var batch []store.NewMessage
	for i := range n / 2 {
		batch = append(batch, store.NewMessage{Body: fmt.Sprint(i), Delay: time.Duration(i%3) * 5 * time.Millisecond})
	}
	if _, err := q.Send(t.Context(), "q", false, batch); err != nil {
		t.Fatal(err)
	}
	for i := range n / 2 {
		q.send("q", fmt.Sprint(n/2+i))
	}
	seen := map[string]bool{}
	for _, done := range waiting {
		if got := <-done; len(got) != 1 || seen[got[0].Body] {
			t.Errorf("leased %q", bodies(got))
		} else {
			seen[got[0].Body] = true
		}
	}
}

// waitersPassWakesOn: no wake is lost to waiters that leave.
func waitersPassWakesOn(t *testing.T, q queues) {
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		leaving := q.leasing(ctx, store.LeaseRequest{Queue: "q", Max: 1, Wait: time.Minute}) // leaves what it takes
		staying := q.leasing(t.Context(), store.LeaseRequest{Queue: "q", Max: 1, Visibility: long, Wait: time.Minute})
		go cancel()
		q.send("q", fmt.Sprint(i))
		<-leaving
		got := <-staying
		if len(got) != 1 {
			t.Fatalf("leased %v", got)
		}
		q.delete("q", false, got...)
	}
}

func concurrentConsumers(t *testing.T, q queues) {
	const n, workers = 600, 8
	var producers, consumers sync.WaitGroup
	for w := range workers {
		producers.Go(func() {
			for i := range n / workers {
				q.send("q", fmt.Sprintf("%d-%d", w, i))
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := map[string]int{}
	for range workers {
		consumers.Go(func() {
			for ctx.Err() == nil {
				got := <-q.leasing(ctx, store.LeaseRequest{Queue: "q", Max: 3, Visibility: long, Wait: time.Minute})
				if len(got) == 0 {
					continue
				}
				q.delete("q", false, got...)
				mu.Lock()
				for _, m := range got {
					seen[m.Body]++
				}
				if len(seen) == n {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	producers.Wait()
	consumers.Wait()
	for body, times := range seen {
		if times != 1 {
			t.Errorf("%s was leased %d times", body, times)
		}
	}
	q.counted("q", 0, 0, 0)
}

// concurrentGroups: each group's messages come in order, one lease at a time.
func concurrentGroups(t *testing.T, q queues) {
	const groups, each, workers = 5, 60, 6
	var producers, consumers sync.WaitGroup
	for g := range groups {
		producers.Go(func() {
			for i := range each {
				q.sendTo("q", fmt.Sprintf("%d:%d", g, i))
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	got := map[string][]string{}
	n := 0
	for range workers {
		consumers.Go(func() {
			for ctx.Err() == nil {
				batch := <-q.leasing(ctx, store.LeaseRequest{Queue: "q", Ordered: true, Max: 4, Visibility: long, Wait: time.Minute})
				if len(batch) == 0 {
					continue
				}
				mu.Lock()
				for _, m := range batch {
					got[m.Group] = append(got[m.Group], m.Body)
				}
				if n += len(batch); n == groups*each {
					cancel()
				}
				mu.Unlock()
				q.delete("q", true, batch...)
			}
		})
	}
	producers.Wait()
	consumers.Wait()
	for g, list := range got {
		for i, body := range list {
			if body != fmt.Sprintf("%s:%d", g, i) {
				t.Fatalf("group %s came as %s", g, strings.Join(list, " "))
			}
		}
	}
}

// queueAgainstModel does random things to an ordered queue, whose leases are
// either long or over at once, and compares it with a list.
func queueAgainstModel(t *testing.T, q queues) {
	type entry struct {
		sequence, lease int64
		group           string
		held            bool
	}
	var model []*entry
	held := func(group string) bool {
		return slices.ContainsFunc(model, func(e *entry) bool { return e.group == group && e.held })
	}
	find := func(sequence int64) *entry {
		i := slices.IndexFunc(model, func(e *entry) bool { return e.sequence == sequence })
		if i < 0 {
			t.Fatalf("message %d is not to be there", sequence)
		}
		return model[i]
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func() *entry {
		if len(model) == 0 {
			return nil
		}
		return model[r.IntN(len(model))]
	}
	for step := range 800 {
		switch r.IntN(5) {
		case 0, 1:
			group := fmt.Sprint(r.IntN(4))
			sent := q.sendTo("q", group+":")
			model = append(model, &entry{sequence: sent[0].Sequence, group: group})
		case 2:
			for _, m := range q.lease(store.LeaseRequest{Queue: "q", Ordered: true, Max: 1 + r.IntN(4), Visibility: long}) {
				e := find(m.Receipt.Sequence)
				for _, before := range model {
					if before.group == e.group && before.sequence < e.sequence && !before.held {
						t.Fatalf("step %d: message %d came before %d", step, e.sequence, before.sequence)
					}
				}
				if e.held || int64(m.Receives) != e.lease+1 {
					t.Fatalf("step %d: leased %+v, and the model has %+v", step, m, *e)
				}
				e.held, e.lease = true, e.lease+1
			}
			// A lease of no time then shows all that is not locked.
			free := map[int64]bool{}
			for _, e := range model {
				if !held(e.group) {
					free[e.sequence] = true
				}
			}
			shown := q.lease(store.LeaseRequest{Queue: "q", Ordered: true, Max: store.MaxLease})
			for _, m := range shown {
				if e := find(m.Receipt.Sequence); free[e.sequence] {
					e.lease = int64(m.Receives)
					continue
				}
				t.Fatalf("step %d: message %d of a locked group was leased", step, m.Receipt.Sequence)
			}
			if len(shown) != len(free) {
				t.Fatalf("step %d: %d of %d free messages were leased", step, len(shown), len(free))
			}
		default:
			e := pick()
			if e == nil || e.lease == 0 {
				continue
			}
			receipt := store.Receipt{Sequence: e.sequence, Lease: e.lease}
			if r.IntN(2) == 0 {
				if err := q.change("q", true, receipt, 0); (err == nil) != e.held {
					t.Fatalf("step %d: change: %v, and the model has %+v", step, err, *e)
				}
				e.held = false
				continue
			}
			errs, err := q.Delete(t.Context(), "q", true, []store.Receipt{receipt})
			if err != nil || (errs[0] == nil) != e.held {
				t.Fatalf("step %d: delete: %v, %v, and the model has %+v", step, errs, err, *e)
			}
			if e.held {
				model = slices.DeleteFunc(model, func(o *entry) bool { return o == e })
			}
		}
		inFlight := int64(0)
		for _, e := range model {
			if e.held {
				inFlight++
			}
		}
		q.counted("q", int64(len(model))-inFlight, inFlight, 0)
	}
}
