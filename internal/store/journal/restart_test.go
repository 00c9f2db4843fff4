package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

const restartRetention = 2 * time.Second

// state is all that is known of a journal's queues, but for the order of heaps.
func state(t *testing.T, j *Journal) []string {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now().UnixMilli()
	var out []string
	for _, queue := range []string{"any", "fifo"} { // what expired is not written down, and expires again
		if q := j.queues[queue]; q != nil {
			j.expire(q, now-restartRetention.Milliseconds())
		}
	}
	for name, q := range j.queues {
		q.advance(now)
		if len(q.messages) == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("%s: ordered %t, in flight %d, delayed %d", name, q.ordered, q.inFlight, q.delayed))
		for _, m := range q.messages {
			source := ""
			if m.source != nil {
				source = *m.source
			}
			out = append(out, fmt.Sprintf("%s/%06d: %s group %s due %d sent %d first %d at %d receives %d leased %t from %q",
				name, m.seq, m.id, m.g.name, m.due, m.sent, m.first, m.leasedAt, m.receives, m.leased, source))
		}
	}
	slices.Sort(out)
	return out
}

// TestRestart does random things to a journal of small segments, opens it again
// now and then, and wants all to be as it was.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		opts := Options{SegmentBytes: 4 << 10, CacheBytes: 2 << 10}
		r := rand.New(rand.NewPCG(3, 4))
		j := openIn(t, dir, opts)
		type held struct {
			queue   string
			ordered bool
			receipt store.Receipt
			body    string
		}
		var leases []held
		bodies := map[int64]string{}
		sent := 0
		for step := range 3000 {
			ordered := r.IntN(2) == 0
			queue := map[bool]string{false: "any", true: "fifo"}[ordered]
			switch r.IntN(12) {
			case 0, 1, 2, 3:
				sent++
				msg := store.NewMessage{Body: strings.Repeat(fmt.Sprint(sent, " "), 1+r.IntN(40)), Group: fmt.Sprint(r.IntN(3)), Attributes: fmt.Sprint(r.IntN(2))}
				if r.IntN(4) == 0 {
					msg.Delay = time.Duration(r.IntN(100)) * time.Millisecond
				}
				if r.IntN(4) == 0 {
					msg.Dedup, msg.DedupWindow = fmt.Sprint(r.IntN(50)), 200*time.Millisecond
				}
				got, err := j.Send(t.Context(), queue, ordered, []store.NewMessage{msg})
				if err != nil {
					t.Fatal(err)
				}
				if !got[0].Duplicate {
					bodies[got[0].Sequence] = msg.Attributes + msg.Body
				}
			case 4, 5, 6:
				got, err := j.Lease(t.Context(), store.LeaseRequest{Queue: queue, Ordered: ordered, Max: 1 + r.IntN(5),
					Visibility: time.Duration(r.IntN(100)) * time.Millisecond, Retention: restartRetention,
					Redrive: &store.Redrive{Queue: "dead-" + queue, After: 3, Renew: ordered}})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range got {
					if want, ok := bodies[m.Receipt.Sequence]; ok && m.Attributes+m.Body != want {
						t.Fatalf("step %d: message %d is %q, want %q", step, m.Receipt.Sequence, m.Attributes+m.Body, want)
					}
					leases = append(leases, held{queue, ordered, m.Receipt, m.Body})
				}
			case 7, 8:
				if len(leases) == 0 {
					continue
				}
				i := r.IntN(len(leases))
				l := leases[i]
				leases = slices.Delete(leases, i, i+1)
				if _, err := j.Delete(t.Context(), l.queue, l.ordered, []store.Receipt{l.receipt}); err != nil {
					t.Fatal(err)
				}
			case 9:
				if len(leases) == 0 {
					continue
				}
				l := leases[r.IntN(len(leases))]
				change := store.LeaseChange{Receipt: l.receipt, Visibility: time.Duration(r.IntN(50)) * time.Millisecond}
				if _, err := j.Change(t.Context(), l.queue, l.ordered, time.Hour, []store.LeaseChange{change}); err != nil {
					t.Fatal(err)
				}
			case 10:
				if r.IntN(4) == 0 {
					_, err := j.Move(t.Context(), store.MoveRequest{From: "dead-" + queue, Ordered: ordered, Back: []string{queue}, Max: 3})
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				if r.IntN(40) == 0 {
					if err := j.Purge(t.Context(), queue); err != nil {
						t.Fatal(err)
					}
				}
				if r.IntN(60) == 0 {
					if err := j.Drop(t.Context(), queue); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) // of the bubble
			case 11:
				if r.IntN(4) != 0 {
					continue
				}
				want := state(t, j)
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = openIn(t, dir, opts)
				if got := state(t, j); !slices.Equal(got, want) {
					t.Fatalf("step %d: after a restart\n%s\nbefore\n%s", step, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
		if len(j.segments) < 2 || j.segments[0].number == 1 {
			t.Errorf("%d segments, from number %d: nothing was compacted", len(j.segments), j.segments[0].number)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func openIn(t *testing.T, dir string, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestTornWrite cuts the journal short, and writes rubbish behind its end.
func TestTornWrite(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, Options{})
	for _, body := range []string{"a", "b"} {
		if _, err := j.Send(t.Context(), "q", false, []store.NewMessage{{Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	size := j.segments[0].size
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    int64
	}{
		"cut":        {whole[:size-1], 1},
		"cut header": {append(slices.Clone(whole), whole[:batchHeader/2]...), 2},
		"zeros":      {append(slices.Clone(whole), make([]byte, 5000)...), 2},
		"old batch":  {append(slices.Clone(whole), whole...), 2},
		"flipped":    {append(slices.Clone(whole[:size-3]), whole[size-3]^1, whole[size-2], whole[size-1]), 1},
		"empty":      {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(segmentPath(dir, 1), c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, Options{})
			if got, err := j.Count(t.Context(), "q", 0); err != nil || got.Visible != c.want {
				t.Errorf("%+v, %v, want %d messages", got, err, c.want)
			}
			if _, err := j.Send(t.Context(), "q", false, []store.NewMessage{{Body: "more"}}); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, dir, Options{})
			if got, err := again.Count(t.Context(), "q", 0); err != nil || got.Visible != c.want+1 {
				t.Errorf("%+v, %v, want %d messages", got, err, c.want+1)
			}
		})
	}
}

// TestDamage damages what is not the end of the journal.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	opts := Options{SegmentBytes: 1 << 10}
	j := openIn(t, dir, opts)
	for range 20 {
		if _, err := j.Send(t.Context(), "q", false, []store.NewMessage{{Body: strings.Repeat("x", 200)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(segmentPath(dir, 2))
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(segmentPath(dir, 2), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, opts); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("opened with %v", err)
	}
}

// TestFailedWrite takes the file away from the writer for a while.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, Options{})
	send := func(body string) error {
		_, err := j.Send(t.Context(), "q", false, []store.NewMessage{{Body: body, Dedup: body, DedupWindow: time.Hour}})
		return err
	}
	if err := errors.Join(send("a"), send("b")); err != nil {
		t.Fatal(err)
	}
	got, err := j.Lease(t.Context(), store.LeaseRequest{Queue: "q", Max: 1, Visibility: time.Hour})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	file := j.segments[0].file
	broken, err := os.Open(file.Name()) // for reading only
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	j.segments[0].file = broken
	j.mu.Unlock()
	if err := send("c"); err == nil {
		t.Fatal("sent into a file that cannot be written")
	}
	if _, err := j.Delete(t.Context(), "q", false, []store.Receipt{got[0].Receipt}); err == nil {
		t.Fatal("deleted in a file that cannot be written")
	}
	j.mu.Lock()
	j.segments[0].file = file
	j.mu.Unlock()
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := send("c"); err != nil { // not a duplicate of what failed
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, Options{})
	left, err := again.Lease(t.Context(), store.LeaseRequest{Queue: "q", Max: 10, Visibility: time.Hour})
	var bodies []string
	for _, m := range left {
		bodies = append(bodies, m.Body)
	}
	if err != nil || strings.Join(bodies, " ") != "b c" {
		t.Errorf("left: %q, %v", bodies, err) // the deletion, that was kept, is there; its message is not
	}
}

// TestFairness has a noisy tenant's backlog before a quiet one's message.
func TestFairness(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	var noisy []store.NewMessage
	for range 200 {
		noisy = append(noisy, store.NewMessage{Body: "noisy", Group: "noisy"})
	}
	if _, err := j.Send(t.Context(), "q", false, noisy); err != nil {
		t.Fatal(err)
	}
	lease := func(max int) []store.Message {
		got, err := j.Lease(t.Context(), store.LeaseRequest{Queue: "q", Max: max, Visibility: time.Hour})
		if err != nil || len(got) == 0 {
			t.Fatal(got, err)
		}
		return got
	}
	lease(50)
	if _, err := j.Send(t.Context(), "q", false, []store.NewMessage{{Body: "quiet", Group: "quiet"}, {Body: "none"}}); err != nil {
		t.Fatal(err)
	}
	if got := lease(2); got[0].Body != "quiet" || got[1].Body != "none" {
		t.Errorf("leased %s and %s before a quiet tenant's", got[0].Body, got[1].Body)
	}
	if got := lease(1); got[0].Body != "noisy" {
		t.Errorf("leased %s", got[0].Body)
	}
}
