package lambda

import (
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/filter"
)

// mappingSettings are what requests to create and to update an event source
// mapping have in common; nil is what a request leaves out.
type mappingSettings struct {
	batchSize, window                          *int32
	filters                                    *api.FilterCriteria
	destination                                *api.DestinationConfig
	maxAge, retries, parallelization, tumbling *int32
	bisect                                     *bool
	access                                     []*api.SourceAccessConfiguration
	responses                                  []api.FunctionResponseType
	managed                                    *api.AmazonManagedKafkaEventSourceConfig
	selfManaged                                *api.SelfManagedKafkaEventSourceConfig
	scaling                                    *api.ScalingConfig
	documentDB                                 *api.DocumentDBEventSourceConfig
	key                                        *string
	metrics                                    *api.EventSourceMappingMetricsConfig
	logging                                    *api.EventSourceMappingLoggingConfig
	pollers                                    *api.ProvisionedPollerConfig
}

const (
	maxFilters = 10
	// maxUnwindowed is the largest batch of a queue without a batching window, and
	// of a FIFO queue.
	maxUnwindowed   = 10
	queueBatch      = 10
	kafkaBatch      = 100
	kafkaWindow     = 500 * time.Millisecond
	maxPollers      = 200 // where MaximumPollers is left out
	minQueuePollers = 2
)

func unsupportedByKind(parameter string) error {
	return invalidParameter("Unsupported %s parameter for given event source mapping type.", parameter)
}

func isKafka(m *eventsource.Mapping) bool {
	return m.Kind == eventsource.Kafka || m.Kind == eventsource.MSK
}

// apply checks the settings against the kind of m's source and writes those that
// are present into it.
func (in *mappingSettings) apply(m *eventsource.Mapping) error {
	for _, step := range []func(*eventsource.Mapping) error{
		in.applyUnsupported, in.applyBatching, in.applyFilters, in.applyFailures, in.applyScaling, in.applyReporting, in.applyTopic,
	} {
		if err := step(m); err != nil {
			return err
		}
	}
	return nil
}

// applyUnsupported refuses what no source of ours has.
func (in *mappingSettings) applyUnsupported(*eventsource.Mapping) error {
	switch {
	case deref(in.parallelization) > 1:
		return unsupportedByKind("ParallelizationFactor")
	case deref(in.tumbling) != 0:
		return unsupportedByKind("TumblingWindowInSeconds")
	case in.documentDB != nil:
		return unsupportedByKind("DocumentDBEventSourceConfig")
	case deref(in.key) != "":
		return unsupported("KMSKeyArn of event source mappings")
	}
	return nil
}

func (in *mappingSettings) applyBatching(m *eventsource.Mapping) error {
	if in.batchSize != nil {
		m.BatchSize = int(*in.batchSize)
	}
	if in.window != nil {
		m.Window = time.Duration(*in.window) * time.Second
	}
	if m.Kind != eventsource.SQS {
		return nil
	}
	switch fifo := strings.HasSuffix(m.EventSourceARN, ".fifo"); {
	case fifo && m.Window > 0:
		return invalidParameter("Batching window is not supported for FIFO queues")
	case fifo && m.BatchSize > maxUnwindowed:
		return invalidParameter("Maximum batch size must be between 1 and 10 inclusive")
	case m.BatchSize > maxUnwindowed && m.Window == 0:
		return invalidParameter("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	}
	return nil
}

func (in *mappingSettings) applyFilters(m *eventsource.Mapping) error {
	if in.filters == nil {
		return nil
	}
	if len(in.filters.Filters) > maxFilters {
		return invalidParameter("FilterCriteria has %d filters, and %d are the most.", len(in.filters.Filters), maxFilters)
	}
	var patterns []string
	for _, f := range in.filters.Filters {
		patterns = append(patterns, deref(deref(f).Pattern))
	}
	if _, err := filter.Compile(patterns); err != nil {
		return invalidParameter("Invalid filter pattern definition.")
	}
	m.Filters = patterns
	return nil
}

// applyFailures takes what becomes of records that a function fails with: a
// queue has its redrive policy for that.
func (in *mappingSettings) applyFailures(m *eventsource.Mapping) error {
	if to := in.destination; to != nil {
		if deref(to.OnSuccess).Destination != nil {
			return unsupportedByKind("DestinationConfig")
		}
		failed := deref(deref(to.OnFailure).Destination)
		if err := checkFailureDestination(m, failed); err != nil {
			return err
		}
		m.OnFailure = failed
	}
	if m.Kind == eventsource.SQS {
		switch {
		case in.maxAge != nil:
			return unsupportedByKind("MaximumRecordAgeInSeconds")
		case in.retries != nil:
			return unsupportedByKind("MaximumRetryAttempts")
		case deref(in.bisect):
			return unsupportedByKind("BisectBatchOnFunctionError")
		}
		return nil
	}
	if in.maxAge != nil {
		// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
		if *in.maxAge != -1 && *in.maxAge < 60 {
			return invalidParameter("MaximumRecordAgeInSeconds must be -1, or between 60 and 604800 inclusive")
		}
		m.MaxRecordAge = time.Duration(max(0, *in.maxAge)) * time.Second
	}
	if in.retries != nil {
		m.Retries = int(*in.retries)
	}
	if in.bisect != nil {
		m.Bisect = *in.bisect
	}
	return nil
}

func checkFailureDestination(m *eventsource.Mapping, destination string) error {
	parts := strings.SplitN(destination, ":", 6)
	switch {
	case destination == "":
		return nil
	case !isKafka(m):
		return unsupportedByKind("DestinationConfig")
	case strings.HasPrefix(destination, "kafka://"):
		return nil
	case len(parts) == 6 && parts[2] == "sqs" && !strings.HasSuffix(destination, ".fifo"):
		if parts[3] != m.Region || parts[4] != m.Account {
			return unsupported("the destination " + destination + " of another account or region")
		}
		return nil
	case len(parts) == 6 && (parts[2] == "sns" || parts[2] == "s3"):
		return unsupported("the destination " + destination)
	}
	return invalidParameter("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=%s)) is invalid.", destination)
}

func (in *mappingSettings) applyScaling(m *eventsource.Mapping) error {
	if in.scaling != nil {
		if m.Kind != eventsource.SQS {
			return unsupportedByKind("ScalingConfig")
		}
		m.MaximumConcurrency = int(deref(in.scaling.MaximumConcurrency))
	}
	if p := in.pollers; p != nil {
		m.Pollers = nil
		if p.MinimumPollers != nil || p.MaximumPollers != nil {
			least := 1
			if m.Kind == eventsource.SQS {
				least = minQueuePollers
			}
			m.Pollers = &eventsource.ProvisionedPollers{Min: least, Max: maxPollers, Group: deref(p.PollerGroupName)}
			if p.MinimumPollers != nil {
				m.Pollers.Min = int(*p.MinimumPollers)
			}
			if p.MaximumPollers != nil {
				m.Pollers.Max = int(*p.MaximumPollers)
			}
			if m.Pollers.Min < least {
				return invalidParameter("MinimumPollers must be at least %d for given event source mapping type.", least)
			}
			if m.Pollers.Max < max(least, m.Pollers.Min) {
				return invalidParameter("MaximumPollers must not be less than MinimumPollers.")
			}
		} else if p.PollerGroupName != nil && *p.PollerGroupName != "" {
			return invalidParameter("PollerGroupName needs MinimumPollers or MaximumPollers.")
		}
	}
	if m.Pollers != nil && m.MaximumConcurrency > 0 {
		return invalidParameter("ScalingConfig and ProvisionedPollerConfig cannot be used together.")
	}
	return nil
}

func (in *mappingSettings) applyReporting(m *eventsource.Mapping) error {
	if in.responses != nil {
		m.ReportBatchItemFailures = len(in.responses) > 0 // the model knows one kind only
	}
	if in.metrics != nil {
		m.Metrics = nil
		for _, group := range in.metrics.Metrics {
			if group != api.EventSourceMappingMetricEventCount && !isKafka(m) {
				return unsupportedByKind("MetricsConfig")
			}
			m.Metrics = append(m.Metrics, string(group))
		}
	}
	if in.logging != nil {
		if !isKafka(m) {
			return unsupportedByKind("LoggingConfig")
		}
		m.LogLevel = string(deref(in.logging.SystemLogLevel))
	}
	return nil
}
