package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/paddock-run/paddock/internal/eventsource/kafka/access"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/registry"
)

// connection reads the mapping's secrets and returns what each client of its
// cluster has.
func (p *poller) connection(ctx context.Context) ([]kgo.Opt, error) {
	c, err := access.Load(ctx, p.host.Secrets, p.mapping.Account, p.mapping.Region, p.mapping.Topic.Access)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(p.brokers...), kgo.ClientID("paddock"),
		kgo.WithLogger(clientLog{p.host.Logger}), kgo.DialTimeout(10 * time.Second),
		kgo.RetryBackoffFn(backoff),
	}
	switch c.Login {
	case access.Plain:
		opts = append(opts, kgo.SASL(plain.Auth{User: c.Username, Pass: c.Password}.AsMechanism()))
	case access.SCRAM256:
		opts = append(opts, kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password}.AsSha256Mechanism()))
	case access.SCRAM512:
		opts = append(opts, kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password}.AsSha512Mechanism()))
	}
	plaintext := !slices.ContainsFunc(p.brokers, func(b string) bool { return !slices.Contains(p.opts.PlaintextSASL, b) })
	if c.Encrypted() || c.Login != "" && !plaintext {
		opts = append(opts, kgo.DialTLSConfig(c.TLS()))
	}
	return opts, nil
}

// backoff is how long the client waits after the nth failure in a row: 0.1 s to
// 2 s, and up to a quarter more, so that those that failed together do not all
// come again at once.
func backoff(n int) time.Duration {
	d := min(2*time.Second, 50*time.Millisecond<<min(n, 10))
	return d + rand.N(d/4)
}

// registry reads the secrets of the mapping's schema registry; nil: it has none.
func (p *poller) registry(ctx context.Context) (*registry.Registry, error) {
	cfg := p.mapping.Topic.SchemaRegistry
	if cfg == nil {
		return nil, nil
	}
	c, err := access.Load(ctx, p.host.Secrets, p.mapping.Account, p.mapping.Region, cfg.Access)
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return registry.New(registry.Options{URI: cfg.URI, Format: cfg.EventRecordFormat, Username: c.Username, Password: c.Password, TLS: c.TLS()})
}

// startTimeout bounds what comes before the first poll.
const startTimeout = 30 * time.Second

// begin looks whether the topic is there, and fixes where the group begins that
// has committed nothing yet: otherwise a group at LATEST would, after each pause
// before its first commit, miss what came meanwhile, and all of a new partition's
// records until it is found.
func (p *poller) begin(ctx context.Context, connection []kgo.Opt) error {
	cl, err := kgo.NewClient(append(slices.Clone(connection), kgo.RequestRetries(3))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	adm, t := kadm.NewClient(cl), p.mapping.Topic
	topics, err := adm.ListTopics(ctx, t.Name)
	if err != nil {
		return explain(err)
	}
	if err := topics[t.Name].Err; err != nil {
		return explain(fmt.Errorf("topic %s: %w", t.Name, err))
	}
	var committed kadm.OffsetResponses
	if err := coordinated(ctx, func() (err error) {
		committed, err = adm.FetchOffsetsForTopics(ctx, t.Group, t.Name)
		return err
	}); err != nil {
		return explain(fmt.Errorf("consumer group %s: %w", t.Group, err))
	}
	for _, o := range committed[t.Name] {
		if o.Err != nil {
			return explain(fmt.Errorf("consumer group %s: %w", t.Group, o.Err))
		}
		if o.At >= 0 {
			return nil
		}
	}
	var listed kadm.ListedOffsets
	switch t.Start {
	case "LATEST":
		listed, err = adm.ListEndOffsets(ctx, t.Name)
	case "AT_TIMESTAMP":
		listed, err = adm.ListOffsetsAfterMilli(ctx, t.StartTimestamp.UnixMilli(), t.Name)
	default:
		listed, err = adm.ListStartOffsets(ctx, t.Name)
	}
	if err = errors.Join(err, listed.Error()); err != nil {
		return explain(fmt.Errorf("topic %s: %w", t.Name, err))
	}
	err = coordinated(ctx, func() error {
		answer, err := adm.CommitOffsets(ctx, t.Group, listed.Offsets())
		return errors.Join(err, answer.Error())
	})
	if err != nil && !errors.Is(err, kerr.UnknownMemberID) { // else another process has done this meanwhile, and joined
		return explain(fmt.Errorf("consumer group %s: %w", t.Group, err))
	}
	return nil
}

// coordinated calls f again while the group's coordinator is not ready, as that of
// a cluster's first group is not.
func coordinated(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !errors.Is(err, kerr.CoordinatorNotAvailable) && !errors.Is(err, kerr.CoordinatorLoadInProgress) && !errors.Is(err, kerr.NotCoordinator) {
			return err
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// explain puts before an error what Lambda calls it.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-troubleshoot.html
func explain(err error) error {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState), errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("SASL authentication failed: %w", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("Cluster failed to authorize Lambda: %w", err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
		return fmt.Errorf("the topic does not exist: %w", err)
	case errors.Is(err, context.Canceled):
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("Lambda failed to authenticate server: %w", err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("Lambda failed to authenticate server: %w", err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" && strings.Contains(err.Error(), "certificate") {
		return fmt.Errorf("Server failed to authenticate Lambda: %w", err)
	}
	return fmt.Errorf("Connection error. Please check your event source connection configuration: %w", err)
}

// lasting says whether an error will not pass by itself: somebody has to change a
// right, a password or a certificate.
func lasting(err error) bool {
	for _, e := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// clientLog is the client's log, as lines of ours.
type clientLog struct{ log *slog.Logger }

// Level implements kgo.Logger.
func (clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l clientLog) Log(level kgo.LogLevel, msg string, pairs ...any) {
	to := slog.LevelDebug // it warns of what it then tries again
	if level == kgo.LogLevelError {
		to = slog.LevelWarn
	}
	l.log.Log(context.Background(), to, "kafka client", append([]any{"message", msg}, pairs...)...)
}
