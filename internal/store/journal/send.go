package journal

import (
	"context"

	"github.com/google/uuid"

	"github.com/paddock-run/paddock/internal/store"
)

// sending is one call of Send on its way to the disk.
type sending struct {
	q    *queue
	news []arrival
}

// arrival is a message that is not in its queue yet.
type arrival struct {
	m       *message
	group   string
	payload string // kept where there is room
	key     string
	until   int64
	at      int // where the payload is in the batch
}

// Send implements [store.Messages].
func (j *Journal) Send(ctx context.Context, name string, ordered bool, messages []store.NewMessage) ([]store.Sent, error) {
	if err := store.CheckSend(name, ordered, messages); err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(messages))
	for i := range ids {
		ids[i] = uuid.New()
	}
	for {
		sent, err := j.send(ctx, name, ordered, messages, ids)
		if sent != nil || err != nil {
			return sent, err
		}
	}
}

// send returns nothing where it has to be called again: one of the messages
// repeats one that was not durable yet.
func (j *Journal) send(ctx context.Context, name string, ordered bool, messages []store.NewMessage, ids []uuid.UUID) ([]store.Sent, error) {
	if err := j.begin(ctx); err != nil {
		return nil, err
	}
	q, now := j.queue(name, ordered), j.now()
	for i := range messages {
		if key := messages[i].Dedup; key != "" && q.pending[key] != nil {
			waits := q.pending[key]
			j.mu.Unlock()
			j.wake()
			select {
			case <-waits.done:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	b := j.next
	s := &sending{q: q}
	sent := make([]store.Sent, len(messages))
	var own map[string]store.Sent // what this call itself sends
	for i := range messages {
		msg := &messages[i]
		if key := msg.Dedup; key != "" {
			if d, ok := q.dedups[key]; ok && d.until > now {
				sent[i] = store.Sent{ID: d.id.String(), Sequence: d.seq, Duplicate: true}
				continue
			}
			if first, ok := own[key]; ok {
				first.Duplicate = true
				sent[i] = first
				continue
			}
		}
		j.lastSeq++
		m := &message{seq: j.lastSeq, id: ids[i], sent: now, due: now + msg.Delay.Milliseconds(),
			attrs: uint32(len(msg.Attributes)), size: uint32(len(msg.Attributes) + len(msg.Body))}
		a := arrival{m: m, group: msg.Group, key: msg.Dedup}
		if a.key != "" {
			a.until = now + msg.DedupWindow.Milliseconds()
		}
		if msg.Attributes == "" {
			a.payload = msg.Body
		} else {
			a.payload = msg.Attributes + msg.Body
		}
		from := len(b.buf)
		a.at = b.message(q, m, a.group, msg.Attributes, msg.Body, a.key, a.until)
		b.volatile = append(b.volatile, span{from, len(b.buf)})
		s.news = append(s.news, a)
		sent[i] = store.Sent{ID: m.id.String(), Sequence: m.seq}
		if a.key != "" {
			if own == nil {
				own = map[string]store.Sent{}
			}
			own[a.key] = sent[i]
			if q.pending == nil {
				q.pending = map[string]*batch{}
			}
			q.pending[a.key] = b
		}
	}
	if len(s.news) == 0 {
		j.mu.Unlock()
		return sent, nil
	}
	b.sends = append(b.sends, s)
	if err := j.await(ctx); err != nil {
		return nil, err
	}
	return sent, nil
}

// applied adds what has become durable to its queue.
func (s *sending) applied(j *Journal, seg *segment, base, now int64) {
	s.failed() // it is no longer on its way
	due := int64(never)
	for i := range s.news {
		a := &s.news[i]
		m := a.m
		if a.key != "" {
			s.q.remember(a.key, dedup{until: a.until, seq: m.seq, id: m.id}, now)
			seg.until = max(seg.until, a.until)
		}
		if s.q.dropped || m.seq <= s.q.purged {
			continue // it was sent, and then purged
		}
		m.seg, m.off = seg, uint32(base+int64(a.at))
		seg.live++
		j.live += int64(m.size) + overhead
		j.cache(m, a.payload)
		s.q.insert(m, a.group, now)
		due = min(due, m.due)
	}
	j.hub.ready(s.q.name, due)
}

func (s *sending) failed() {
	for i := range s.news {
		if key := s.news[i].key; key != "" {
			delete(s.q.pending, key)
		}
	}
}

func (s *sending) shift(by int) {
	for i := range s.news {
		s.news[i].at += by
	}
}

// cache keeps a payload in memory where there is room. A message that is sent
// while there is none is read from the disk when its turn comes.
func (j *Journal) cache(m *message, payload string) {
	if j.cached+int64(len(payload)) > j.opts.CacheBytes {
		return
	}
	m.payload, m.cached = payload, true
	j.cached += int64(len(payload))
}

// release forgets what is kept of a message that is gone.
func (j *Journal) release(m *message) {
	if m.cached {
		j.cached -= int64(len(m.payload))
		m.payload, m.cached = "", false
	}
	if m.seg != nil {
		j.live -= int64(m.size) + overhead
		m.seg.live--
		m.seg = nil
	}
}
