package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/access"
	eventsqs "github.com/paddock-run/paddock/internal/eventsource/sqs"
)

// superviseEventSources makes what runs the pollers of event source mappings,
// and lets it begin. Pollers take no more records once polling ends.
func (d *daemon) superviseEventSources(polling context.Context) {
	d.pollers = eventsource.NewSupervisor(polling, eventsource.Options{
		Sources: map[eventsource.Kind]eventsource.Source{
			eventsource.SQS:   eventsqs.Source{Queues: d.sqs.Consumer()},
			eventsource.Kafka: d.kafka,
			eventsource.MSK:   d.kafka,
		},
		Functions:    d.lambda,
		Destinations: destinations{d},
		Secrets:      d.secrets,
		Metrics:      d.metrics,
		Logger:       d.log,
	})
	d.lambda.Poll(d.pollers)
}

// stopPolling lets batches that run finish, for as long as requests may.
func (d *daemon) stopPolling(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Grace)
	defer cancel()
	return d.pollers.Close(ctx)
}

// eventSources is what Lambda asks about the sources of mappings.
type eventSources struct{ *daemon }

func (e eventSources) QueueVisibility(arn string) (time.Duration, bool) {
	return e.sqs.Consumer().Visibility(arn)
}

func (e eventSources) Check(m *eventsource.Mapping) error {
	if m.Kind == eventsource.SQS {
		return nil
	}
	if err := e.kafka.Check(m); err != nil {
		return err
	}
	return checkSecrets(e.secrets, m)
}

// checkSecrets refuses a mapping that names a secret which is not there, in AWS's
// words. What is wrong with a secret itself shows when it is used.
func checkSecrets(secrets eventsource.Secrets, m *eventsource.Mapping) error {
	lists := [][]eventsource.Access{m.Topic.Access}
	if m.Topic.SchemaRegistry != nil {
		lists = append(lists, m.Topic.SchemaRegistry.Access)
	}
	for _, list := range lists {
		for _, a := range list {
			if !access.IsSecret(a.Type) {
				continue
			}
			if _, err := secrets.Secret(context.Background(), m.Account, m.Region, a.URI); errors.Is(err, eventsource.ErrNoSecret) {
				return fmt.Errorf("Cannot access secret manager value %s. Please ensure the role can perform the 'secretsmanager:GetSecretValue' action on your broker in IAM. (%w)", a.URI, err)
			}
		}
	}
	return nil
}

// destinations takes records of what pollers gave up.
type destinations struct{ *daemon }

func (t destinations) Deliver(ctx context.Context, _ *eventsource.Mapping, destination string, record []byte) error {
	if parts := strings.Split(destination, ":"); len(parts) != 6 || parts[2] != "sqs" {
		return fmt.Errorf("%s is no queue", destination)
	}
	return t.sqs.Consumer().Deliver(ctx, destination, string(record))
}
