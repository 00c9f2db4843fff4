package lambda

import (
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/eventsource"
)

// userInitiated is the StateTransitionReason of all changes here.
const userInitiated = "USER_INITIATED"

// described is a mapping as operations return it, in the state that it has now.
func (s *Service) described(doc *mappingDoc) *api.EventSourceMappingConfiguration {
	state, result := s.mappings.state(doc)
	return doc.configuration(state, result)
}

// configuration is a mapping in a state. Members that its kind of source does
// not have are left out, as AWS does.
func (d *mappingDoc) configuration(state mappingState, result string) *api.EventSourceMappingConfiguration {
	out := &api.EventSourceMappingConfiguration{
		UUID: new(d.UUID), EventSourceMappingArn: new(d.ARN), FunctionArn: new(d.FunctionARN),
		BatchSize: new(int32(d.BatchSize)), MaximumBatchingWindowInSeconds: new(int32(d.Window / time.Second)),
		LastModified: new(d.LastModified), State: new(string(state)), StateTransitionReason: new(userInitiated),
		FunctionResponseTypes: []api.FunctionResponseType{},
	}
	if d.EventSourceARN != "" {
		out.EventSourceArn = new(d.EventSourceARN)
	}
	if result != "" {
		out.LastProcessingResult = new(result)
	}
	if d.ReportBatchItemFailures {
		out.FunctionResponseTypes = append(out.FunctionResponseTypes, api.FunctionResponseTypeReportBatchItemFailures)
	}
	if len(d.Filters) > 0 {
		out.FilterCriteria = &api.FilterCriteria{}
		for _, p := range d.Filters {
			out.FilterCriteria.Filters = append(out.FilterCriteria.Filters, &api.Filter{Pattern: new(p)})
		}
	}
	if d.MaximumConcurrency > 0 {
		out.ScalingConfig = &api.ScalingConfig{MaximumConcurrency: new(int32(d.MaximumConcurrency))}
	}
	if p := d.Pollers; p != nil {
		out.ProvisionedPollerConfig = &api.ProvisionedPollerConfig{MinimumPollers: new(int32(p.Min)), MaximumPollers: new(int32(p.Max))}
		if p.Group != "" {
			out.ProvisionedPollerConfig.PollerGroupName = new(p.Group)
		}
	}
	if len(d.Metrics) > 0 {
		out.MetricsConfig = &api.EventSourceMappingMetricsConfig{}
		for _, m := range d.Metrics {
			out.MetricsConfig.Metrics = append(out.MetricsConfig.Metrics, api.EventSourceMappingMetric(m))
		}
	}
	if d.LogLevel != "" {
		out.LoggingConfig = &api.EventSourceMappingLoggingConfig{SystemLogLevel: new(api.EventSourceMappingSystemLogLevel(d.LogLevel))}
	}
	if d.Topic != nil {
		d.describeTopic(out)
	}
	return out
}

// describeTopic fills in what mappings of Kafka have besides.
func (d *mappingDoc) describeTopic(out *api.EventSourceMappingConfiguration) {
	t := d.Topic
	out.Topics = []string{t.Name}
	out.StartingPosition = new(api.EventSourcePosition(t.Start))
	if !t.StartTimestamp.IsZero() {
		out.StartingPositionTimestamp = new(t.StartTimestamp)
	}
	out.MaximumRetryAttempts = new(int32(d.Retries))
	out.MaximumRecordAgeInSeconds = new(int32(-1))
	if d.MaxRecordAge > 0 {
		out.MaximumRecordAgeInSeconds = new(int32(d.MaxRecordAge / time.Second))
	}
	out.BisectBatchOnFunctionError = new(d.Bisect)
	out.DestinationConfig = &api.DestinationConfig{OnFailure: &api.OnFailure{}}
	if d.OnFailure != "" {
		out.DestinationConfig.OnFailure.Destination = new(d.OnFailure)
	}
	if out.LastProcessingResult == nil {
		out.LastProcessingResult = new(eventsource.NothingProcessed)
	}
	for _, a := range t.Access {
		out.SourceAccessConfigurations = append(out.SourceAccessConfigurations, &api.SourceAccessConfiguration{Type: new(api.SourceAccessType(a.Type)), URI: new(a.URI)})
	}
	var registry *api.KafkaSchemaRegistryConfig
	if r := t.SchemaRegistry; r != nil {
		registry = &api.KafkaSchemaRegistryConfig{SchemaRegistryURI: new(r.URI), EventRecordFormat: new(api.SchemaRegistryEventRecordFormat(r.EventRecordFormat))}
		for _, a := range r.Access {
			registry.AccessConfigs = append(registry.AccessConfigs, &api.KafkaSchemaRegistryAccessConfig{Type: new(api.KafkaSchemaRegistryAuthType(a.Type)), URI: new(a.URI)})
		}
		for _, v := range r.Validate {
			registry.SchemaValidationConfigs = append(registry.SchemaValidationConfigs, &api.KafkaSchemaValidationConfig{Attribute: new(api.KafkaSchemaValidationAttribute(v))})
		}
	}
	if d.Kind == eventsource.MSK {
		out.AmazonManagedKafkaEventSourceConfig = &api.AmazonManagedKafkaEventSourceConfig{ConsumerGroupId: new(t.Group), SchemaRegistryConfig: registry}
		return
	}
	out.SelfManagedEventSource = &api.SelfManagedEventSource{Endpoints: map[string][]string{bootstrapServers: t.Brokers}}
	out.SelfManagedKafkaEventSourceConfig = &api.SelfManagedKafkaEventSourceConfig{ConsumerGroupId: new(t.Group), SchemaRegistryConfig: registry}
}
