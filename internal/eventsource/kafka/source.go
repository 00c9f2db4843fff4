// Package kafka polls Apache Kafka for event source mappings. A mapping's
// consumer group shares out the partitions of its topic, among Paddock processes
// too; each partition has a worker of its own that runs the function with one
// batch after another and commits the offset of what the function is done with.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-esm.html
package kafka

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/filter"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/access"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/registry"
)

// Options are an operator's.
type Options struct {
	// MSK are the brokers (host:port) of what mappings name by the ARN of an
	// Amazon MSK cluster.
	MSK map[string][]string
	// PlaintextSASL are brokers (host:port) that take a password without TLS.
	// Lambda gives a password to nobody without TLS.
	PlaintextSASL []string
	// SessionTimeout is after which time the partitions of a process that is gone
	// are given to others; default: 20 s.
	SessionTimeout time.Duration
	// Discovery is after which time new partitions of a topic are found; default:
	// 30 s.
	Discovery time.Duration
}

// Source makes pollers of Kafka's topics.
type Source struct{ opts Options }

var _ eventsource.Source = (*Source)(nil)

// NewSource makes a source.
func NewSource(opts Options) *Source {
	if opts.SessionTimeout <= 0 {
		opts.SessionTimeout = 20 * time.Second
	}
	if opts.Discovery <= 0 {
		opts.Discovery = 30 * time.Second
	}
	return &Source{opts: opts}
}

// kafkaDestination is what an on-failure destination begins with that is a topic
// of the same cluster.
const kafkaDestination = "kafka://"

// Check says what is wrong with a mapping that its fields alone do not show:
// that its cluster is not in the operator's table, that its destination is one
// that Paddock cannot reach, that its schema registry is.
func (s *Source) Check(m *eventsource.Mapping) error {
	if m.Topic == nil || m.Topic.Name == "" {
		return errors.New("the mapping has no topic")
	}
	brokers, err := s.brokers(m)
	if err != nil {
		return err
	}
	for _, b := range brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("the bootstrap server %q is not host:port", b)
		}
	}
	if err := access.Check(m.Topic.Access); err != nil {
		return err
	}
	if err := checkDestination(m); err != nil {
		return err
	}
	if r := m.Topic.SchemaRegistry; r != nil {
		if _, err := registry.New(registry.Options{URI: r.URI, Format: r.EventRecordFormat}); err != nil {
			return err
		}
		if err := access.Check(r.Access); err != nil {
			return err
		}
	}
	return nil
}

func checkDestination(m *eventsource.Mapping) error {
	topic, isTopic := strings.CutPrefix(m.OnFailure, kafkaDestination)
	switch {
	case m.OnFailure == "":
		return nil
	case strings.HasPrefix(m.OnFailure, "arn:"):
		if parts := strings.Split(m.OnFailure, ":"); len(parts) == 6 && parts[2] == "sqs" {
			return nil
		}
	case isTopic && topic == "":
		return errors.New("the on-failure destination kafka:// names no topic")
	case isTopic && topic == m.Topic.Name:
		return errors.New("the on-failure destination is the topic that the records come from")
	case isTopic:
		return nil
	}
	return fmt.Errorf("records cannot be sent to %s: on-failure destinations are SQS queues and Kafka topics (kafka://topic)", m.OnFailure)
}

func (s *Source) brokers(m *eventsource.Mapping) ([]string, error) {
	if m.Kind != eventsource.MSK {
		if len(m.Topic.Brokers) == 0 {
			return nil, errors.New("the mapping has no bootstrap servers")
		}
		return m.Topic.Brokers, nil
	}
	brokers := s.opts.MSK[m.EventSourceARN]
	if len(brokers) == 0 {
		return nil, fmt.Errorf("Paddock was not told where the cluster %s is: start it with --msk %[1]s=host:port", m.EventSourceARN)
	}
	return brokers, nil
}

// NewPoller implements eventsource.Source.
func (s *Source) NewPoller(m *eventsource.Mapping, host eventsource.Host) (eventsource.Poller, error) {
	if err := s.Check(m); err != nil {
		return nil, err
	}
	brokers, err := s.brokers(m)
	if err != nil {
		return nil, err
	}
	filters, err := filter.Compile(m.Filters)
	if err != nil {
		return nil, err
	}
	p := &poller{
		mapping: m, host: host, opts: s.opts, brokers: brokers, counts: newCounts(m, host.Metrics),
		filters: filters, fields: filters.Fields(), start: eventStart(m, brokers), retries: m.Retries,
	}
	if p.retries < 0 && m.OnFailure != "" {
		p.retries = maxRetriesToDestination
	}
	if r := m.Topic.SchemaRegistry; r != nil {
		p.validateKey, p.validateValue = slices.Contains(r.Validate, "KEY"), slices.Contains(r.Validate, "VALUE")
	}
	return p, nil
}

// maxRetriesToDestination is what infinite retries come to where there is an
// on-failure destination.
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
const maxRetriesToDestination = 10

type poller struct {
	mapping *eventsource.Mapping
	host    eventsource.Host
	opts    Options
	brokers []string
	counts  counts
	filters *filter.Set
	fields  []string // that filters look at
	start   []byte   // what each event begins with
	retries int      // of a batch that failed; -1: for ever

	validateKey, validateValue bool // by the schema registry
}
