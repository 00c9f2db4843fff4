package kafka

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/test/kafka/broker"
)

// ledger watches that a topic's records come to functions without a gap and in
// the order of their partition, whoever gets them, and counts those that come
// again. Their values are "0", "1", … in each partition.
type ledger struct {
	t          *testing.T
	mu         sync.Mutex
	next       map[int32]int // the value that comes next
	by         map[string]int
	duplicates int
	changed    chan struct{}
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, next: map[int32]int{}, by: map[string]int{}, changed: make(chan struct{})}
}

// take books an event. Within one event, too, a record comes after its
// predecessor.
func (l *ledger) take(who string, e *event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, records := range e.Records {
		before := int64(-1)
		for _, r := range records {
			if r.Offset <= before {
				l.t.Errorf("offset %d after %d in one batch", r.Offset, before)
			}
			before = r.Offset
			v, err := strconv.Atoi(string(r.Value))
			if err != nil {
				l.t.Error(err)
			}
			switch next := l.next[r.Partition]; {
			case v < next:
				l.duplicates++
			case v > next:
				l.t.Errorf("%s: record %d of partition %d before %d", who, v, r.Partition, next)
				l.next[r.Partition] = v + 1
			default:
				l.next[r.Partition] = v + 1
			}
			l.by[who]++
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) handler(who string) func(context.Context, *event) (any, error) {
	return func(_ context.Context, e *event) (any, error) {
		l.take(who, e)
		return nil, nil
	}
}

func (l *ledger) wait(what string, cond func() bool) {
	l.t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Fatalf("waited in vain for %s: next are %v, by %v", what, l.next, l.by)
		}
	}
}

// source produces a record for each partition in turn, until it is stopped.
type source struct {
	mu         sync.Mutex
	partitions int32
	produced   map[int32]int
	stop       func()
}

func startSource(t *testing.T, cl *kgo.Client, topic string, partitions int32) *source {
	s := &source{partitions: partitions, produced: map[int32]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	s.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s.mu.Lock()
			n := s.partitions
			s.mu.Unlock()
			var records []*kgo.Record
			for p := range n {
				records = append(records, &kgo.Record{Topic: topic, Partition: p, Value: []byte(strconv.Itoa(s.produced[p]))})
				s.produced[p]++
			}
			// What was begun is brought to its end: a record that is given up would
			// be a gap.
			if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(s.stop)
	return s
}

// ahead is how many batches of a partition may come again: five that are not
// committed yet, and one that is at the function.
const ahead = 6

// TestReassignment moves partitions about while records come: a second poller
// joins, one in a process of its own joins and is killed, the topic gets more
// partitions, a poller is stopped.
func TestReassignment(t *testing.T) {
	b := broker.Shared(t)
	topic := b.Topic(t, 4)
	cl, l := b.Client(t, kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(200*time.Millisecond)), newLedger(t)
	s := startSource(t, cl, topic, 4)
	m := mapping(b, topic)
	m.BatchSize = 10
	first := newWorld(t, l.handler("first")).run(m, options(b))
	l.wait("records", func() bool { return l.by["first"] > 100 })

	killed := startChild(t, m, func(e *event) { l.take("killed", e) })
	l.wait("the second process's records", func() bool { return l.by["killed"] > 100 })
	newWorld(t, l.handler("third")).run(m, options(b))
	l.wait("the third poller's records", func() bool { return l.by["third"] > 100 })

	if _, err := kadm.NewClient(cl).CreatePartitions(t.Context(), 2, topic); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if leader, _, err := cl.PartitionLeader(topic, 5); err == nil && leader >= 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the producer does not find the new partitions")
		}
	}
	s.mu.Lock()
	s.partitions = 6
	s.mu.Unlock()
	l.wait("records of the new partitions", func() bool { return l.next[4] > 10 && l.next[5] > 10 })

	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	was := fmt.Sprint(l.next)
	before := map[int32]int{}
	for p, n := range l.next {
		before[p] = n
	}
	l.mu.Unlock()
	l.wait("all partitions to go on from "+was, func() bool {
		for p, n := range before {
			if l.next[p] < n+100 {
				return false
			}
		}
		return true
	})
	first.stop()
	s.stop()
	l.wait("all records", func() bool {
		for p, n := range s.produced {
			if l.next[p] != n {
				return false
			}
		}
		return true
	})
	total := 0
	for _, n := range s.produced {
		total += n
	}
	t.Logf("%d records, by %v; %d came more than once", total, l.by, l.duplicates)
	// Only the process that was killed had no time to commit.
	if limit := 6 * ahead * m.BatchSize; l.duplicates > limit {
		t.Errorf("%d came more than once, want %d at most", l.duplicates, limit)
	}
}

// TestBrokerRestart kills the broker while records come and go, and starts it
// again.
func TestBrokerRestart(t *testing.T) {
	b := broker.Shared(t)
	topic := b.Topic(t, 3)
	l := newLedger(t)
	s := startSource(t, b.Client(t), topic, 3)
	m := mapping(b, topic)
	m.BatchSize = 10
	w := newWorld(t, l.handler("a"))
	p := w.run(m, options(b))
	newWorld(t, l.handler("b")).run(m, options(b))
	l.wait("records of both", func() bool { return l.by["a"] > 100 && l.by["b"] > 100 })
	b.Kill(t)
	b.Restart(t)
	l.mu.Lock()
	a, c := l.by["a"], l.by["b"]
	l.mu.Unlock()
	l.wait("both to go on", func() bool { return l.by["a"] > a+100 && l.by["b"] > c+100 })
	s.stop()
	l.wait("all records", func() bool {
		return l.next[0] == s.produced[0] && l.next[1] == s.produced[1] && l.next[2] == s.produced[2]
	})
	p.stop()
	t.Logf("%d records in each partition, by %v; %d came more than once", s.produced[0], l.by, l.duplicates)
	if limit := 3 * ahead * m.BatchSize; l.duplicates > limit {
		t.Errorf("%d came more than once, want %d at most", l.duplicates, limit)
	}
}

// gate is a function that waits in each invocation until it is opened.
type gate struct {
	open    chan struct{}
	mu      sync.Mutex
	inside  int
	most    int
	entered chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{}), entered: make(chan struct{}, 100)} }

func (g *gate) handle(ctx context.Context, _ *event) (any, error) {
	g.mu.Lock()
	g.inside++
	g.most = max(g.most, g.inside)
	g.mu.Unlock()
	g.entered <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.inside--
	g.mu.Unlock()
	return nil, nil
}

// TestStopAndKill: a poller that is told to stop lets its function finish, and
// commits; one whose life ends does neither.
func TestStopAndKill(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 1), b.Client(t)
	produce(t, cl, topic, 0, "x")
	m := mapping(b, topic)
	g := newGate()
	p := newWorld(t, g.handle).run(m, options(b))
	<-g.entered
	p.kill()
	if o := committed(t, cl, m.Topic.Group, topic, 0); o > 0 {
		t.Errorf("killed: committed %d", o)
	}
	w := newWorld(t, g.handle)
	p = w.run(m, options(b))
	<-g.entered
	p.polling()
	select {
	case <-p.ended:
		t.Error("the poller has not waited for its function")
	case <-time.After(300 * time.Millisecond): // long enough to end, were it not for the function
	}
	close(g.open)
	p.stop()
	if o := committed(t, cl, m.Topic.Group, topic, 0); o != 1 || len(w.events) != 1 {
		t.Errorf("stopped: committed %d after %d events", o, len(w.events))
	}
}

// TestRevokedInFlight: a partition is taken from a poller whose function does not
// come to an end. The new owner gets the records again, and the late success is
// committed by nobody.
func TestRevokedInFlight(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 2), b.Client(t)
	produce(t, cl, topic, 0, "x")
	produce(t, cl, topic, 1, "x")
	m := mapping(b, topic)
	stuck, second := newGate(), newGate()
	old := newWorld(t, stuck.handle)
	old.run(m, options(b))
	<-stuck.entered
	<-stuck.entered
	next := newWorld(t, second.handle)
	next.run(m, options(b))
	<-second.entered // after the session timeout, which bounds how long partitions are held
	close(stuck.open)
	old.wait("the batch that was not dropped", func() bool { return len(old.events) == 1 })
	kept, moved := int32(0), int32(1)
	if _, ok := old.events[0].Records[topic+"-0"]; !ok {
		kept, moved = moved, kept
	}
	deadline := time.Now().Add(20 * time.Second)
	for committed(t, cl, m.Topic.Group, topic, kept) != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the batch that was kept is not committed")
		}
	}
	if o := committed(t, cl, m.Topic.Group, topic, moved); o > 0 {
		t.Errorf("committed %d of a partition whose new owner is not done", o)
	}
	close(second.open)
	for committed(t, cl, m.Topic.Group, topic, moved) != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the new owner's batch is not committed")
		}
	}
}

// TestProvisionedPollers bounds how many partitions are at the function at once.
func TestProvisionedPollers(t *testing.T) {
	b := broker.Shared(t)
	topic, cl := b.Topic(t, 4), b.Client(t)
	for p := range int32(4) {
		produce(t, cl, topic, p, "x")
	}
	for name, c := range map[string]struct {
		pollers *eventsource.ProvisionedPollers
		want    int
	}{"on demand": {nil, 4}, "provisioned": {&eventsource.ProvisionedPollers{Min: 1, Max: 2}, 2}} {
		t.Run(name, func(t *testing.T) {
			g, m := newGate(), mapping(b, topic)
			m.Pollers = c.pollers
			w := newWorld(t, g.handle)
			p := w.run(m, options(b))
			for range c.want {
				<-g.entered
			}
			close(g.open)
			w.wait("all", func() bool { return len(w.events) == 4 })
			p.stop()
			if g.most != c.want {
				t.Errorf("%d at once, want %d", g.most, c.want)
			}
		})
	}
}
