package journal

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// message is a message of a queue. Times are milliseconds since 1970.
type message struct {
	seq      int64
	due      int64 // when it may be leased: its delay's end, or its lease's
	sent     int64
	first    int64 // when it was first leased; 0: never
	leasedAt int64
	id       uuid.UUID
	g        *group
	source   *string // the queue that gave it up; nil: none did

	// The attributes and then the body: in memory, or in a segment alone.
	payload string
	seg     *segment
	off     uint32 // of the payload in seg
	size    uint32
	attrs   uint32 // bytes of attributes

	receives int32
	place    int32 // in the queue's timed heap, or in its group's
	bySent   int32 // in the queue's heap of that name
	leased   bool  // due is the end of a lease, and not of a delay
	timed    bool  // due is to come
	cached   bool  // payload is here
}

// group is the messages of one group of a queue. Those of an unordered queue
// without a group are one too.
type group struct {
	q        *queue
	name     string
	n        int
	inFlight int   // timed and leased
	place    int32 // in the queue's ready heap
	since    int64 // of an ordered queue: when it became ready
	rank     int   // of an unordered queue: how noisy it is
	// Of an ordered queue: its messages in order of sequence; what stands before
	// skipped is gone.
	list    []*message
	skipped int
	// Of an unordered queue: those that may be leased.
	ready heap[message]
}

func (g *group) head() *message {
	if g.skipped == len(g.list) {
		return nil
	}
	return g.list[g.skipped]
}

// queue is what is known of one queue. It holds every message in memory but,
// where there are many, not their bodies.
type queue struct {
	number   int64
	name     string
	ordered  bool
	messages map[int64]*message
	groups   map[string]*group
	ready    heap[group]   // those that have a message to lease
	timed    heap[message] // those that are due later
	bySent   heap[message]

	inFlight, delayed int
	dedups            map[string]dedup
	dedupsBy          []dedupEnd        // in the order of sending
	dedupsOver        int               // so many of dedupsBy are forgotten
	pending           map[string]*batch // by key: what is sent and not durable yet
	purged            int64             // what was sent up to this sequence is gone
	dropped           bool
	crowded           bool // somebody was refused, or waits, for MaxInFlight
}

// dedup is what is known of a message for as long as others may repeat it.
type dedup struct {
	until int64
	seq   int64
	id    uuid.UUID
}

type dedupEnd struct {
	key   string
	until int64
}

func newQueue(number int64, name string) *queue {
	q := &queue{number: number, name: name, dedups: map[string]dedup{}}
	q.clear()
	return q
}

// clear forgets the messages.
func (q *queue) clear() {
	q.messages, q.groups, q.inFlight, q.delayed = map[int64]*message{}, map[string]*group{}, 0, 0
	q.ready = heap[group]{before: groupBefore, place: func(g *group) *int32 { return &g.place }}
	q.timed = heap[message]{before: dueBefore, place: func(m *message) *int32 { return &m.place }}
	q.bySent = heap[message]{before: sentBefore, place: func(m *message) *int32 { return &m.bySent }}
}

// dueBefore is the order in which an unordered queue's messages are leased:
// those that may be longest come first.
func dueBefore(a, b *message) bool {
	if a.due != b.due {
		return a.due < b.due
	}
	if a.leased != b.leased {
		return b.leased
	}
	return a.seq < b.seq
}

func sentBefore(a, b *message) bool {
	return a.sent < b.sent || a.sent == b.sent && a.seq < b.seq
}

// groupBefore is the order in which groups are served. In an ordered queue the
// one that is ready longest comes first. In an unordered one quiet groups come
// before noisy ones: that is what makes a queue fair to its tenants.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
func groupBefore(a, b *group) bool {
	if a.q.ordered {
		return a.since < b.since || a.since == b.since && a.head().seq < b.head().seq
	}
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return dueBefore(a.ready.first(), b.ready.first())
}

// noise ranks a group by how many of its messages are in flight. AWS does not
// say where it draws the line; here groups whose numbers are of one order of
// magnitude (of two) are alike, so that the order among them stays that of
// sending.
func (g *group) noise() int {
	if g.name == "" {
		return 0
	}
	return bits.Len(uint(g.inFlight) / 8)
}

// group returns the group of that name, which it makes where there is none.
func (q *queue) group(name string) *group {
	g := q.groups[name]
	if g == nil {
		g = &group{q: q, name: name, place: -1}
		g.ready = heap[message]{before: dueBefore, place: func(m *message) *int32 { return &m.place }}
		q.groups[name] = g
	}
	return g
}

// insert adds a message, whose group it sets.
func (q *queue) insert(m *message, group string, now int64) {
	g := q.group(group)
	m.g, m.place, m.bySent, m.timed = g, -1, -1, false
	q.messages[m.seq] = m
	q.bySent.push(m)
	g.n++
	if q.ordered {
		g.insert(m)
	}
	q.put(m, now)
}

// insert keeps the list in order: what comes from another queue may be older
// than the last.
func (g *group) insert(m *message) {
	i := len(g.list)
	if i > g.skipped && g.list[i-1].seq > m.seq {
		i, _ = g.search(m.seq)
	}
	g.list = slices.Insert(g.list, i, m)
}

func (g *group) search(seq int64) (int, bool) {
	i, found := slices.BinarySearchFunc(g.list[g.skipped:], seq, func(m *message, seq int64) int { return cmp.Compare(m.seq, seq) })
	return g.skipped + i, found
}

// cut takes a message out of the list. What is deleted stands near its head.
func (g *group) cut(m *message) {
	i, found := g.search(m.seq)
	if !found {
		return
	}
	copy(g.list[g.skipped+1:i+1], g.list[g.skipped:i])
	g.list[g.skipped] = nil
	g.skipped++
	if g.skipped > 32 && g.skipped > len(g.list)/2 {
		g.list = append(g.list[:0:0], g.list[g.skipped:]...)
		g.skipped = 0
	}
}

// remove takes a message out of the queue.
func (q *queue) remove(m *message) {
	q.lift(m)
	g := m.g
	delete(q.messages, m.seq)
	q.bySent.remove(m)
	g.n--
	if q.ordered {
		g.cut(m)
	}
	q.settle(g)
	if g.n == 0 {
		delete(q.groups, g.name)
	}
}

// put puts a message where its due time says.
func (q *queue) put(m *message, now int64) {
	switch {
	case m.due > now:
		m.timed = true
		q.timed.push(m)
		if m.leased {
			q.inFlight++
			m.g.inFlight++
		} else {
			q.delayed++
		}
	case !q.ordered:
		m.g.ready.push(m)
	}
	q.settle(m.g)
}

// lift takes a message from where put has put it. Its group is for the caller
// to settle.
func (q *queue) lift(m *message) {
	switch {
	case m.timed:
		q.timed.remove(m)
		m.timed = false
		if m.leased {
			q.inFlight--
			m.g.inFlight--
		} else {
			q.delayed--
		}
	case !q.ordered && m.place >= 0:
		m.g.ready.remove(m)
	}
}

// settle brings up to date whether a group has a message to lease, and its rank.
//
// A group of an ordered queue is ready once its head is due and every lease has
// ended. The messages that were ever leased are its first ones, for a lease
// takes them from its head.
func (q *queue) settle(g *group) {
	free := g.ready.len() > 0
	if q.ordered {
		head := g.head()
		if free = head != nil && g.inFlight == 0 && !head.timed; free {
			g.since = head.due
			for _, m := range g.list[g.skipped:] {
				if !m.leased {
					break
				}
				g.since = max(g.since, m.due)
			}
		}
	} else {
		g.rank = g.noise()
	}
	switch {
	case free && g.place < 0:
		q.ready.push(g)
	case free:
		q.ready.fix(g)
	case g.place >= 0:
		q.ready.remove(g)
	}
}

// advance makes ready what has become due.
func (q *queue) advance(now int64) {
	for m := q.timed.first(); m != nil && m.due <= now; m = q.timed.first() {
		q.lift(m)
		if !q.ordered {
			m.g.ready.push(m)
		}
		q.settle(m.g)
	}
}

// next is when the next message will be due; never, where none will.
func (q *queue) next() int64 {
	if m := q.timed.first(); m != nil {
		return m.due
	}
	return never
}

// remember keeps what tells duplicates, and forgets what is over.
func (q *queue) remember(key string, d dedup, now int64) {
	if d.until <= now {
		return
	}
	q.dedups[key] = d
	q.dedupsBy = append(q.dedupsBy, dedupEnd{key, d.until})
	q.forget(now)
}

func (q *queue) forget(now int64) {
	for q.dedupsOver < len(q.dedupsBy) && q.dedupsBy[q.dedupsOver].until <= now {
		end := q.dedupsBy[q.dedupsOver]
		if q.dedups[end.key].until == end.until {
			delete(q.dedups, end.key)
		}
		q.dedupsOver++
	}
	if q.dedupsOver > 64 && q.dedupsOver > len(q.dedupsBy)/2 {
		q.dedupsBy = append(q.dedupsBy[:0:0], q.dedupsBy[q.dedupsOver:]...)
		q.dedupsOver = 0
	}
}
