// Package sqs is Amazon Simple Queue Service: standard and FIFO queues over the
// store's messages, whose settings are documents.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

const (
	queuePrefix = "sqs/"
	taskPrefix  = "sqs-moves/"
)

// Service implements the operations. It is safe for concurrent use.
type Service struct {
	api.Unimplemented
	docs     store.Documents
	messages store.Messages
	log      *slog.Logger
	queues   *snapshot.Map[*queue]
	attempts attempts
	figures  figures
	creating sync.Mutex // held while a queue is made

	// What is done without a request ends with life; waits for messages end with
	// polling, which is before it.
	life    context.Context
	polling context.Context
	running sync.WaitGroup
	tasks   tasks
}

var _ api.Handler = (*Service)(nil)

// New makes the service. Waits for messages (long polls) end when polling does;
// message move tasks go on where a restart interrupted them, and end for the
// time being with life. Close waits for them. The figures of AWS/SQS go to to.
func New(life, polling context.Context, docs store.Documents, messages store.Messages, to metrics.Recorder, log *slog.Logger) (*Service, error) {
	s := &Service{docs: docs, messages: messages, log: log, life: life, polling: polling}
	s.tasks.cancels = map[string]context.CancelFunc{}
	s.figures.recorder = to
	var err error
	s.queues, err = snapshot.Open(life, docs, queuePrefix, compile, func(err error) {
		log.Error("a queue's change cannot be followed", "error", err)
	})
	if err != nil {
		return nil, err
	}
	if err := s.resumeTasks(life); err != nil {
		return nil, err
	}
	s.running.Go(s.sweep)
	return s, nil
}

// Close waits for what the end of life has ended.
func (s *Service) Close() error {
	s.running.Wait()
	return nil
}

// queue is a queue's settings, as stored.
type queue struct {
	Account, Region, Name string
	Created, Modified     int64             // seconds since 1970
	Attributes            map[string]string // those that were set
	Tags                  map[string]string `json:",omitempty"`
	// Secret makes receipt handles that no other queue takes, not even a later
	// one of this name.
	Secret  []byte
	Purged  int64 `json:",omitempty"` // ms since 1970
	Deleted int64 `json:",omitempty"` // ms since 1970: the name is not free yet

	settings settings
	revision int64
}

func compile(d store.Document) (*queue, error) {
	q := &queue{revision: d.Revision}
	if err := json.Unmarshal(d.Value, q); err != nil {
		return nil, err
	}
	q.settings = q.compile()
	return q, nil
}

// id names the queue in the store of messages.
func (q *queue) id() string { return queueID(q.Account, q.Region, q.Name) }

func (q *queue) key() string { return queuePrefix + q.id() }

func queueID(account, region, name string) string { return account + "/" + region + "/" + name }

func (q *queue) fifo() bool { return strings.HasSuffix(q.Name, ".fifo") }

func (q *queue) arn() string { return queueARN(q.Account, q.Region, q.Name) }

func queueARN(account, region, name string) string {
	return arn.ARN{Partition: arn.PartitionOf(region), Service: "sqs", Region: region, Account: account, Resource: name}.String()
}

// arnOf turns the name that a queue has in the store into its ARN.
func arnOf(id string) string {
	account, rest, _ := strings.Cut(id, "/")
	region, name, _ := strings.Cut(rest, "/")
	return queueARN(account, region, name)
}

// byARN finds a queue by its ARN.
func (s *Service) byARN(text string) (*queue, bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "sqs" {
		return nil, false
	}
	return s.get(a.Account, a.Region, a.Resource)
}

func (s *Service) get(account, region, name string) (*queue, bool) {
	q, ok := s.queues.Get(queuePrefix + queueID(account, region, name))
	return q, ok && q.Deleted == 0
}

// url is where clients of the queue send their requests: the host that this one
// came to, for a host name below it need not resolve where the client is. Only
// clients that use such names already get one.
func (q *queue) url(ctx context.Context) string {
	base := identity.Of(ctx).BaseURL
	if u, err := url.Parse(base); err == nil && strings.HasSuffix(u.Hostname(), ".localhost") {
		u.Host = strings.Replace(u.Host, u.Hostname(), "sqs."+q.Region+".localhost", 1)
		base = u.String()
	}
	return base + "/" + q.Account + "/" + q.Name
}

// find returns the queue of a URL. Its path counts: …/{account}/{name}, in
// LocalStack's form behind /queue/{region}. Some clients send the name alone.
func (s *Service) find(ctx context.Context, queueURL *string) (*queue, error) {
	id := identity.Of(ctx)
	account, region, name := id.Account, id.Region, *queueURL
	if strings.Contains(name, "/") {
		u, err := url.Parse(*queueURL)
		if err != nil {
			return nil, invalidAddress(*queueURL)
		}
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		switch {
		case len(parts) == 2:
		case len(parts) == 4 && parts[0] == "queue":
			region, parts = parts[1], parts[2:]
		default:
			return nil, invalidAddress(*queueURL)
		}
		account, name = parts[0], parts[1]
	}
	q, ok := s.get(account, region, name)
	if !ok {
		return nil, noQueue()
	}
	return q, nil
}

// save stores a queue, new or changed, on top of the revision that it has.
func (s *Service) save(ctx context.Context, q *queue) error {
	value, err := json.Marshal(q)
	if err != nil {
		return err
	}
	condition := store.Absent
	if q.revision != 0 {
		condition = store.AtRevision(q.revision)
	}
	revision, err := s.docs.Write(ctx, store.Write{Key: q.key(), Value: value, If: condition})
	if err != nil {
		return err
	}
	return s.queues.Apply(store.Document{Key: q.key(), Value: value, Revision: revision})
}

// change applies f to a queue's settings and stores them, on top of whatever
// others change at the same time. f must copy what it changes in a map.
func (s *Service) change(ctx context.Context, queueURL *string, f func(*queue) error) error {
	for {
		q, err := s.find(ctx, queueURL)
		if err != nil {
			return err
		}
		changed := *q
		if err := f(&changed); err != nil {
			return err
		}
		err = s.save(ctx, &changed)
		if !raced(err) {
			return err
		}
		if err := s.refresh(ctx, q.key()); err != nil {
			return err
		}
	}
}

// raced says whether somebody else has changed a document in the meantime.
func raced(err error) bool {
	return errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}

// refresh takes a queue from the store where the watch has not told of it yet.
func (s *Service) refresh(ctx context.Context, key string) error {
	d, err := s.docs.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return noQueue()
	}
	if err != nil {
		return err
	}
	return s.queues.Apply(d)
}

// reload waits until the queues in memory are as the store has them under key.
func (s *Service) reload(ctx context.Context, key string) error {
	for {
		known, ok := s.queues.Get(key)
		d, err := s.docs.Get(ctx, key)
		switch {
		case err == nil:
			return s.queues.Apply(d)
		case !errors.Is(err, store.ErrNotFound):
			return err
		case !ok:
			return nil
		}
		// The watch will tell of it; until then the deletion is as new as can be.
		revision, err := s.docs.Write(ctx, store.Write{Key: key, If: store.Absent, Check: true})
		if raced(err) {
			continue
		}
		if err != nil {
			return err
		}
		return s.queues.Apply(store.Document{Key: known.key(), Revision: revision})
	}
}

// How often messages are expired that nobody receives or counts, and names of
// deleted queues are forgotten.
const sweepEvery = time.Minute

// sweep deletes what time has made useless, and samples what queues hold, until
// life ends.
func (s *Service) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-ticker.C:
		}
		for q := range s.queues.Values() {
			if err := s.tidy(q); err != nil && s.life.Err() == nil {
				s.log.Error("a queue cannot be tidied", "queue", q.arn(), "error", err)
			}
		}
	}
}

func (s *Service) tidy(q *queue) error {
	if q.Deleted == 0 {
		n, err := s.messages.Count(s.life, q.id(), q.settings.retention)
		if err != nil {
			return err
		}
		s.figures.of(q).holds(n, time.Now())
		return nil
	}
	if time.Since(time.UnixMilli(q.Deleted)) < reuseAfter {
		return nil
	}
	revision, err := s.docs.Write(s.life, store.Write{Key: q.key(), If: store.AtRevision(q.revision)})
	if raced(err) {
		return nil // somebody uses the name again
	}
	if err != nil {
		return err
	}
	s.figures.forget(q)
	return s.queues.Apply(store.Document{Key: q.key(), Revision: revision})
}
