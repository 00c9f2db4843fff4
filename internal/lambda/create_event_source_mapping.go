package lambda

import (
	"context"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// CreateEventSourceMapping implements
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
func (s *Service) CreateEventSourceMapping(ctx context.Context, in *api.CreateEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	r, err := locate(ctx, "CreateEventSourceMapping", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	doc := &mappingDoc{Enabled: in.Enabled == nil || *in.Enabled, Change: mappingCreating, LastModified: s.opts.Now(), Tags: in.Tags}
	m := &doc.Mapping
	m.UUID, m.Account, m.Region, m.Revision = newRevisionID(), id.Account, id.Region, 1
	m.ARN = "arn:" + id.Partition + ":lambda:" + id.Region + ":" + id.Account + ":" + mappingCollection + ":" + m.UUID
	m.FunctionARN = r.qualified()
	if err := setSource(m, in); err != nil {
		return nil, err
	}
	if err := createSettings(in).apply(m); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mappings.writing.Lock()
	defer s.mappings.writing.Unlock()
	if err := s.checkMapping(ctx, r, doc); err != nil {
		return nil, err
	}
	if err := s.change(ctx, nil, doc.write(store.Absent)); err != nil {
		return nil, err
	}
	return doc.configuration(mappingCreating, ""), nil
}

// setSource finds out what kind of source a request names, and with it the
// settings that a mapping has by default.
func setSource(m *eventsource.Mapping, in *api.CreateEventSourceMappingRequest) (err error) {
	m.EventSourceARN = deref(in.EventSourceArn)
	switch {
	case in.SelfManagedEventSource != nil && m.EventSourceARN != "":
		return invalidParameter("EventSourceArn and SelfManagedEventSource cannot be used together.")
	case in.SelfManagedEventSource != nil:
		m.Kind = eventsource.Kafka
	case m.EventSourceARN == "":
		return invalidParameter("Unrecognized event source.")
	default:
		if m.Kind, err = kindOf(m, m.EventSourceARN); err != nil {
			return err
		}
	}
	if len(in.Queues) > 0 {
		return unsupportedByKind("Queues")
	}
	if m.Kind == eventsource.SQS {
		m.BatchSize = queueBatch
		switch {
		case in.StartingPosition != nil || in.StartingPositionTimestamp != nil:
			return invalidParameter("StartingPosition is not valid for SQS event sources.")
		case len(in.Topics) > 0:
			return unsupportedByKind("Topics")
		}
		return nil
	}
	m.BatchSize, m.Window, m.Retries = kafkaBatch, kafkaWindow, -1
	m.Topic, err = newTopic(in)
	return err
}

// kindOf tells by its ARN what a source is.
func kindOf(m *eventsource.Mapping, source string) (eventsource.Kind, error) {
	a, err := arn.Parse(source)
	if err != nil {
		return "", invalidParameter("Unrecognized event source.")
	}
	switch a.Service {
	case "sqs", "kafka":
	case "kinesis":
		return "", unsupported("Kinesis streams as event sources")
	case "dynamodb":
		return "", unsupported("DynamoDB streams as event sources")
	case "mq":
		return "", unsupported("Amazon MQ brokers as event sources")
	case "rds":
		return "", unsupported("DocumentDB clusters as event sources")
	default:
		return "", invalidParameter("Unrecognized event source.")
	}
	if a.Region != m.Region {
		return "", invalidParameter("The event source and the function must be in the same region: %s is not in %s.", source, m.Region)
	}
	if a.Account != m.Account {
		return "", unsupported("event sources of other accounts")
	}
	if a.Service == "kafka" {
		return eventsource.MSK, nil
	}
	return eventsource.SQS, nil
}

func createSettings(in *api.CreateEventSourceMappingRequest) *mappingSettings {
	return &mappingSettings{
		batchSize: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, filters: in.FilterCriteria,
		destination: in.DestinationConfig, maxAge: in.MaximumRecordAgeInSeconds, retries: in.MaximumRetryAttempts,
		parallelization: in.ParallelizationFactor, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError,
		access: in.SourceAccessConfigurations, responses: in.FunctionResponseTypes,
		managed: in.AmazonManagedKafkaEventSourceConfig, selfManaged: in.SelfManagedKafkaEventSourceConfig,
		scaling: in.ScalingConfig, documentDB: in.DocumentDBEventSourceConfig, key: in.KMSKeyArn,
		metrics: in.MetricsConfig, logging: in.LoggingConfig, pollers: in.ProvisionedPollerConfig,
	}
}

// checkMapping checks a mapping, new or changed, against what else there is: its
// function, its source, and other mappings of the two. s.mappings.writing is
// held.
func (s *Service) checkMapping(ctx context.Context, r ref, doc *mappingDoc) error {
	m := &doc.Mapping
	snap, err := s.find(ctx, r)
	if err != nil {
		return err
	}
	var fn *version
	if snap != nil {
		fn = snap.resolve(r.qualifier)
	}
	if fn == nil {
		return invalidParameter("Function does not exist")
	}
	if m.Topic != nil && m.Topic.Group == "" {
		t := *m.Topic
		t.Group = m.UUID
		m.Topic = &t
	}
	if s.opts.Sources == nil {
		return unsupported("event source mappings")
	}
	if m.Kind == eventsource.SQS {
		if err := s.checkQueue(m, time.Duration(fn.doc.Timeout)*time.Second); err != nil {
			return err
		}
	}
	if err := s.opts.Sources.Check(m); err != nil {
		return invalidParameter("%s", err.Error())
	}
	for _, other := range s.mappings.all(m.Account, m.Region) {
		if err := doc.collides(r, other); err != nil {
			return err
		}
	}
	return nil
}

// checkQueue refuses a queue whose messages become visible again while the
// function may still run, and warns where they soon do.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func (s *Service) checkQueue(m *eventsource.Mapping, timeout time.Duration) error {
	visibility, ok := s.opts.Sources.QueueVisibility(m.EventSourceARN)
	switch {
	case !ok:
		return invalidParameter("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
	case visibility < timeout:
		return invalidParameter("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", visibility/time.Second, timeout/time.Second)
	case visibility < 6*timeout+m.Window:
		s.log.Warn("a queue's visibility timeout is short for its function: AWS recommends six times the function's timeout, and the batching window",
			"queue", m.EventSourceARN, "function", m.FunctionARN, "visibility", visibility, "recommended", 6*timeout+m.Window)
	}
	return nil
}

// collides refuses a second mapping of one source to one function.
func (d *mappingDoc) collides(r ref, other *mappingDoc) error {
	if other.UUID == d.UUID || other.FunctionARN != d.FunctionARN || other.Kind != d.Kind || other.EventSourceARN != d.EventSourceARN {
		return nil
	}
	name := r.name
	if r.qualifier != "" {
		name += ":" + r.qualifier
	}
	if d.Kind == eventsource.SQS {
		return conflict("An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete the existing mapping with UUID %s",
			d.EventSourceARN, name, other.UUID)
	}
	if d.Topic.Name != other.Topic.Name {
		return nil
	}
	source := d.EventSourceARN
	if d.Kind == eventsource.Kafka {
		if !slices.ContainsFunc(d.Topic.Brokers, func(b string) bool { return slices.Contains(other.Topic.Brokers, b) }) {
			return nil
		}
		source = strings.Join(d.Topic.Brokers, ",")
	}
	return conflict("An event source mapping with event source (\"%s\"), function (\"%s\"), topics (\"%s\") already exists. Please update or delete the existing mapping with UUID %s",
		source, d.FunctionARN, d.Topic.Name, other.UUID)
}
