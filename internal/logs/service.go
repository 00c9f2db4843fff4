// Package logs is Amazon CloudWatch Logs: groups, streams, events, retention,
// and the sink that takes what functions write.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

const keyPrefix = "logs/"

// Service implements the operations: settings of groups are documents, streams
// and events are the store's log shape. It is safe for concurrent use.
type Service struct {
	api.Unimplemented
	docs   store.Documents
	events store.Logs
	log    *slog.Logger
	now    func() time.Time
	groups *snapshot.Map[*group]
	sink   *sink
	// births is held while a group comes or goes, so that the events of a new one
	// are not taken for the old one's.
	births sync.Mutex
}

var _ api.Handler = (*Service)(nil)

// New makes the service, which runs until ctx ends; Close then waits for what
// the sink still holds.
func New(ctx context.Context, docs store.Documents, events store.Logs, log *slog.Logger) (*Service, error) {
	s := &Service{docs: docs, events: events, log: log, now: time.Now}
	var err error
	s.groups, err = snapshot.Open(ctx, docs, keyPrefix, compile, func(err error) {
		log.Error("a log group's change cannot be followed", "error", err)
	})
	if err != nil {
		return nil, err
	}
	s.sink = newSink(s)
	go s.expire(ctx)
	return s, nil
}

// group is a log group's settings, as stored.
type group struct {
	Account, Region, Name string
	Created               int64             // ms since 1970
	RetentionDays         int32             `json:",omitempty"` // 0: events never expire
	Tags                  map[string]string `json:",omitempty"`

	revision int64
}

func compile(d store.Document) (*group, error) {
	g := &group{revision: d.Revision}
	return g, json.Unmarshal(d.Value, g)
}

// key is the group's document key; its part after the service's prefix is the
// group's name in the store of events.
func key(account, region, name string) string {
	return keyPrefix + account + "/" + region + "/" + name
}

func (g *group) key() string       { return key(g.Account, g.Region, g.Name) }
func (g *group) eventsKey() string { return strings.TrimPrefix(g.key(), keyPrefix) }

// arn is the group's ARN without the ":*" that older operations add.
func (g *group) arn() string {
	return arn.ARN{
		Partition: arn.PartitionOf(g.Region), Service: "logs", Region: g.Region, Account: g.Account,
		Resource: "log-group:" + g.Name,
	}.String()
}

// find returns a group of the caller's account and region.
func (s *Service) find(ctx context.Context, name string) (*group, error) {
	id := identity.Of(ctx)
	g, ok := s.groups.Get(key(id.Account, id.Region, name))
	if !ok {
		return nil, noGroup()
	}
	return g, nil
}

// identified finds the group that either a name or an identifier (a name or an
// ARN) gives: exactly one of the two must be there.
func (s *Service) identified(ctx context.Context, name, identifier *string) (*group, error) {
	switch {
	case name != nil && identifier != nil:
		return nil, invalid("LogGroupName and LogGroupIdentifier cannot be specified together.")
	case name != nil:
		return s.find(ctx, *name)
	case identifier == nil:
		return nil, invalid("Either LogGroupName or LogGroupIdentifier must be specified.")
	}
	n, err := groupName(ctx, *identifier)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, n)
}

// groupName takes a group's name or its ARN, with or without ":*". An ARN of
// another account or region is no group of the caller's, whatever its name.
func groupName(ctx context.Context, identifier string) (string, error) {
	if !strings.HasPrefix(identifier, "arn:") {
		return identifier, nil
	}
	a, err := arn.Parse(identifier)
	name, ok := strings.CutPrefix(a.Resource, "log-group:")
	if err != nil || a.Service != "logs" || !ok {
		return "", invalid("Invalid log group ARN: %s", identifier)
	}
	if id := identity.Of(ctx); a.Account != id.Account || a.Region != id.Region {
		return "", noGroup()
	}
	return strings.TrimSuffix(name, ":*"), nil
}

func noGroup() error {
	return &api.ResourceNotFoundException{Message: new("The specified log group does not exist.")}
}

// create stores a new group, which begins empty: events that a crash in the
// middle of a deletion has left, or a writer that was late for it, go first.
func (s *Service) create(ctx context.Context, g *group) error {
	value, err := json.Marshal(g)
	if err != nil {
		return err
	}
	s.births.Lock()
	defer s.births.Unlock()
	if _, err := s.docs.Get(ctx, g.key()); err == nil {
		return store.ErrConflict
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	left, err := s.events.Streams(ctx, g.eventsKey(), "", "", false, false, 1)
	if err == nil && len(left) > 0 {
		err = s.events.DeleteGroup(ctx, g.eventsKey())
	}
	if err != nil {
		return err
	}
	revision, err := s.docs.Write(ctx, store.Write{Key: g.key(), Value: value, If: store.Absent})
	if err != nil {
		return err
	}
	return s.groups.Apply(store.Document{Key: g.key(), Value: value, Revision: revision})
}

// change applies f to a group's settings and stores them, on top of whatever
// others change at the same time.
func (s *Service) change(ctx context.Context, name string, f func(*group)) error {
	for {
		g, err := s.find(ctx, name)
		if err != nil {
			return err
		}
		changed := *g
		f(&changed)
		value, err := json.Marshal(&changed)
		if err != nil {
			return err
		}
		revision, err := s.docs.Write(ctx, store.Write{Key: g.key(), Value: value, If: store.AtRevision(g.revision)})
		switch {
		case errors.Is(err, store.ErrPrecondition):
			if err := s.refresh(ctx, g.key()); err != nil {
				return err
			}
			continue
		case errors.Is(err, store.ErrNotFound):
			return noGroup()
		case err != nil:
			return err
		}
		return s.groups.Apply(store.Document{Key: g.key(), Value: value, Revision: revision})
	}
}

// refresh takes a group from the store where the watch has not told of it yet.
func (s *Service) refresh(ctx context.Context, key string) error {
	d, err := s.docs.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return noGroup()
	}
	if err != nil {
		return err
	}
	return s.groups.Apply(d)
}

func invalid(format string, args ...any) error {
	return &api.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

// millis is a time as CloudWatch Logs gives it.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}
