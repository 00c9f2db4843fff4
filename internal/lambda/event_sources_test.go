package lambda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/function"
)

const (
	queueARN = "arn:aws:sqs:us-east-1:111111111111:q"
	fifoARN  = queueARN + ".fifo"
	caSecret = "arn:aws:secretsmanager:us-east-1:111111111111:secret:ca"
)

// sources knows the queue and its FIFO twin, and any cluster but that of "lost".
type sources struct{ visibility time.Duration }

func (s sources) QueueVisibility(arn string) (time.Duration, bool) {
	return s.visibility, strings.HasPrefix(arn, queueARN)
}

func (sources) Check(m *eventsource.Mapping) error {
	if strings.Contains(m.EventSourceARN, "lost") {
		return errors.New("No brokers are known of it.")
	}
	return nil
}

// source makes pollers that end when hold does.
type source struct{ hold chan struct{} }

func (s source) NewPoller(*eventsource.Mapping, eventsource.Host) (eventsource.Poller, error) {
	return s, nil
}

func (s source) Run(polling, life context.Context) error {
	<-polling.Done()
	select {
	case <-s.hold:
	case <-life.Done():
	}
	return nil
}

// poll lets the mappings of w be polled. Pollers end at once, unless hold is not nil.
func (w *world) poll(hold chan struct{}) *eventsource.Supervisor {
	if hold == nil {
		hold = make(chan struct{})
		close(hold)
	}
	w.opts.Sources = sources{30 * time.Second}
	sup := eventsource.NewSupervisor(w.t.Context(), eventsource.Options{Sources: map[eventsource.Kind]eventsource.Source{eventsource.SQS: source{hold}, eventsource.Kafka: source{hold}}})
	w.t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		sup.Close(ended)
	})
	w.Poll(sup)
	return sup
}

func (w *world) mapped(change func(*api.CreateEventSourceMappingRequest)) *api.EventSourceMappingConfiguration {
	w.t.Helper()
	in := &api.CreateEventSourceMappingRequest{FunctionName: new("f"), EventSourceArn: new(queueARN)}
	if change != nil {
		change(in)
	}
	out, err := w.CreateEventSourceMapping(ctx(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) mappingState(uuid string) string {
	out, err := w.GetEventSourceMapping(ctx(), &api.GetEventSourceMappingRequest{UUID: &uuid})
	if err != nil {
		return describe(err)
	}
	return *out.State
}

func TestEventSourceMappingLife(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	hold := make(chan struct{})
	w.poll(hold)
	out := w.mapped(nil)
	uuid := *out.UUID
	want := `{"BatchSize":10,"EventSourceArn":"arn:aws:sqs:us-east-1:111111111111:q","EventSourceMappingArn":"arn:aws:lambda:us-east-1:111111111111:event-source-mapping:` + uuid +
		`","FunctionArn":"arn:aws:lambda:us-east-1:111111111111:function:f","FunctionResponseTypes":[],"LastModified":"2026-11-22T16:38:45.123Z","MaximumBatchingWindowInSeconds":0,"State":"Creating","StateTransitionReason":"USER_INITIATED","UUID":"` + uuid + `"}`
	if got := asJSON(t, out); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := w.mappingState(uuid); got != "Enabled" {
		t.Errorf("after it was made: %s", got)
	}
	update := func(in *api.UpdateEventSourceMappingRequest) string {
		in.UUID = &uuid
		out, err := w.UpdateEventSourceMapping(ctx(), in)
		if err != nil {
			return describe(err)
		}
		return *out.State
	}
	// While a batch runs, it is on its way.
	if got := update(&api.UpdateEventSourceMappingRequest{Enabled: new(false)}); got != "Disabling" {
		t.Error(got)
	}
	if got := w.mappingState(uuid); got != "Disabling" {
		t.Errorf("while a batch runs: %s", got)
	}
	if got := update(&api.UpdateEventSourceMappingRequest{Enabled: new(true)}); got != "ResourceInUseException: Cannot update the event source mapping because it is in use." {
		t.Error(got)
	}
	hold <- struct{}{}
	waitFor(t, "Disabled", func() bool { return w.mappingState(uuid) == "Disabled" })
	if got := update(&api.UpdateEventSourceMappingRequest{Enabled: new(true), BatchSize: new(int32(5))}); got != "Enabling" {
		t.Error(got)
	}
	waitFor(t, "Enabled", func() bool { return w.mappingState(uuid) == "Enabled" })
	if got := update(&api.UpdateEventSourceMappingRequest{BatchSize: new(int32(6))}); got != "Updating" {
		t.Error(got)
	}
	if got := w.mappingState(uuid); got != "Updating" {
		t.Errorf("while a batch runs: %s", got)
	}
	hold <- struct{}{}
	waitFor(t, "Enabled", func() bool { return w.mappingState(uuid) == "Enabled" })
	// Tags are no part of what a poller does.
	arn := "arn:aws:lambda:us-east-1:111111111111:event-source-mapping:" + uuid
	if _, err := w.TagResource(ctx(), &api.TagResourceRequest{Resource: &arn, Tags: map[string]string{"a": "b", "c": "d"}}); err != nil {
		t.Error(err)
	}
	if _, err := w.UntagResource(ctx(), &api.UntagResourceRequest{Resource: &arn, TagKeys: []string{"c"}}); err != nil {
		t.Error(err)
	}
	if tags, err := w.ListTags(ctx(), &api.ListTagsRequest{Resource: &arn}); err != nil || fmt.Sprint(tags.Tags) != "map[a:b]" {
		t.Errorf("tags %v, %v", tags, err)
	}
	if got := w.mappingState(uuid); got != "Enabled" {
		t.Errorf("after it was tagged: %s", got)
	}
	// A restart resumes it.
	w.restart()
	close(hold)
	w.poll(hold)
	waitFor(t, "Enabled", func() bool { return w.mappingState(uuid) == "Enabled" })
	deleted, err := w.DeleteEventSourceMapping(ctx(), &api.DeleteEventSourceMappingRequest{UUID: &uuid})
	if err != nil || *deleted.State != "Deleting" || *deleted.BatchSize != 6 {
		t.Errorf("%v, %v", deleted, err)
	}
	const gone = "ResourceNotFoundException: The resource you requested does not exist."
	waitFor(t, "its end", func() bool { return w.mappingState(uuid) == gone })
	if got := update(&api.UpdateEventSourceMappingRequest{}); got != gone {
		t.Error(got)
	}
	_, err = w.DeleteEventSourceMapping(ctx(), &api.DeleteEventSourceMappingRequest{UUID: &uuid})
	wantErr(t, err, gone)
}

// One that was being deleted when the process ended is deleted by the next.
func TestADeletionGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.poll(make(chan struct{}))
	uuid := *w.mapped(nil).UUID
	if _, err := w.DeleteEventSourceMapping(ctx(), &api.DeleteEventSourceMappingRequest{UUID: &uuid}); err != nil {
		t.Fatal(err)
	}
	if got := w.mappingState(uuid); got != "Deleting" {
		t.Errorf("while a batch runs: %s", got)
	}
	_, err := w.DeleteEventSourceMapping(ctx(), &api.DeleteEventSourceMappingRequest{UUID: &uuid})
	wantErr(t, err, "ResourceInUseException: Cannot delete the event source mapping because it is in use.")
	w.restart()
	w.poll(nil)
	waitFor(t, "its end", func() bool { return strings.HasPrefix(w.mappingState(uuid), "ResourceNotFound") })
}

func kafkaRequest(in *api.CreateEventSourceMappingRequest) {
	in.EventSourceArn = nil
	in.SelfManagedEventSource = &api.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {"a:9092", "b:9092"}}}
	in.SourceAccessConfigurations = []*api.SourceAccessConfiguration{{Type: new(api.SourceAccessTypeVpcSubnet), URI: new("subnet:subnet-1")}}
	in.Topics = []string{"topic"}
	in.StartingPosition = new(api.EventSourcePositionLatest)
}

func TestEventSourceMappingErrors(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.create("slow", func(in *api.CreateFunctionRequest) { in.Timeout = new(int32(60)) })
	w.poll(nil)
	const invalid = "InvalidParameterValueException: "
	type request = api.CreateEventSourceMappingRequest
	kafka := func(f func(*request)) func(*request) {
		return func(in *request) { kafkaRequest(in); f(in) }
	}
	access := func(kind api.SourceAccessType, uri string) *api.SourceAccessConfiguration {
		return &api.SourceAccessConfiguration{Type: &kind, URI: &uri}
	}
	to := func(destination string) *api.DestinationConfig {
		return &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: &destination}}
	}
	for name, c := range map[string]struct {
		change func(*request)
		want   string
	}{
		"no source":       {func(in *request) { in.EventSourceArn = nil }, invalid + "Unrecognized event source."},
		"another service": {func(in *request) { in.EventSourceArn = new("arn:aws:s3:::b") }, invalid + "Unrecognized event source."},
		"kinesis":         {func(in *request) { in.EventSourceArn = new("arn:aws:kinesis:us-east-1:111111111111:stream/s") }, invalid + "Paddock does not support Kinesis streams as event sources yet. Remove it from the request."},
		"dynamodb": {func(in *request) {
			in.EventSourceArn = new("arn:aws:dynamodb:us-east-1:111111111111:table/t/stream/1")
		}, invalid + "Paddock does not support DynamoDB streams…"},
		"two sources":     {func(in *request) { kafkaRequest(in); in.EventSourceArn = new(queueARN) }, invalid + "EventSourceArn and SelfManagedEventSource…"},
		"another region":  {func(in *request) { in.EventSourceArn = new("arn:aws:sqs:eu-west-1:111111111111:q") }, invalid + "The event source and the function must be in the same region…"},
		"no function":     {func(in *request) { in.FunctionName = new("g") }, invalid + "Function does not exist"},
		"no alias":        {func(in *request) { in.FunctionName = new("f:live") }, invalid + "Function does not exist"},
		"no queue":        {func(in *request) { in.EventSourceArn = new("arn:aws:sqs:us-east-1:111111111111:none") }, invalid + "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."},
		"visibility":      {func(in *request) { in.FunctionName = new("slow") }, invalid + "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"},
		"batch, window":   {func(in *request) { in.BatchSize = new(int32(11)) }, invalid + "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		"FIFO window":     {func(in *request) { in.EventSourceArn, in.MaximumBatchingWindowInSeconds = new(fifoARN), new(int32(1)) }, invalid + "Batching window is not supported for FIFO queues"},
		"FIFO batch":      {func(in *request) { in.EventSourceArn, in.BatchSize = new(fifoARN), new(int32(11)) }, invalid + "Maximum batch size must be between 1 and 10 inclusive"},
		"position":        {func(in *request) { in.StartingPosition = new(api.EventSourcePositionLatest) }, invalid + "StartingPosition is not valid for SQS event sources."},
		"topics":          {func(in *request) { in.Topics = []string{"t"} }, invalid + "Unsupported Topics parameter for given event source mapping type."},
		"queues":          {func(in *request) { in.Queues = []string{"q"} }, invalid + "Unsupported Queues parameter for given event source mapping type."},
		"parallelization": {func(in *request) { in.ParallelizationFactor = new(int32(2)) }, invalid + "Unsupported ParallelizationFactor parameter for given event source mapping type."},
		"tumbling":        {func(in *request) { in.TumblingWindowInSeconds = new(int32(2)) }, invalid + "Unsupported TumblingWindowInSeconds parameter for given event source mapping type."},
		"retries":         {func(in *request) { in.MaximumRetryAttempts = new(int32(2)) }, invalid + "Unsupported MaximumRetryAttempts parameter for given event source mapping type."},
		"age":             {func(in *request) { in.MaximumRecordAgeInSeconds = new(int32(60)) }, invalid + "Unsupported MaximumRecordAgeInSeconds parameter for given event source mapping type."},
		"bisect":          {func(in *request) { in.BisectBatchOnFunctionError = new(true) }, invalid + "Unsupported BisectBatchOnFunctionError parameter for given event source mapping type."},
		"destination":     {func(in *request) { in.DestinationConfig = to(queueARN) }, invalid + "Unsupported DestinationConfig parameter for given event source mapping type."},
		"access": {func(in *request) {
			in.SourceAccessConfigurations = []*api.SourceAccessConfiguration{access("BASIC_AUTH", caSecret)}
		}, invalid + "Unsupported SourceAccessConfigurations parameter for given event source mapping type."},
		"key": {func(in *request) { in.KMSKeyArn = new("arn:aws:kms:us-east-1:1:key/k") }, invalid + "Paddock does not support KMSKeyArn of event source mappings yet. Remove it from the request."},
		"filter": {func(in *request) {
			in.FilterCriteria = &api.FilterCriteria{Filters: []*api.Filter{{Pattern: new(`{"body": "x"}`)}}}
		}, invalid + "Invalid filter pattern definition."},
		"no filter": {func(in *request) { in.FilterCriteria = &api.FilterCriteria{Filters: []*api.Filter{{}}} }, invalid + "Invalid filter pattern definition."},
		"filters": {func(in *request) {
			in.FilterCriteria = &api.FilterCriteria{Filters: slices.Repeat([]*api.Filter{{Pattern: new(`{"a": [1]}`)}}, 11)}
		}, invalid + "FilterCriteria has 11 filters…"},
		"metrics": {func(in *request) {
			in.MetricsConfig = &api.EventSourceMappingMetricsConfig{Metrics: []api.EventSourceMappingMetric{"KafkaMetrics"}}
		}, invalid + "Unsupported MetricsConfig…"},
		"pollers": {func(in *request) {
			in.ProvisionedPollerConfig = &api.ProvisionedPollerConfig{MinimumPollers: new(int32(1))}
		}, invalid + "MinimumPollers must be at least 2…"},
		"pollers and scaling": {func(in *request) {
			in.ProvisionedPollerConfig, in.ScalingConfig = &api.ProvisionedPollerConfig{MinimumPollers: new(int32(2))}, &api.ScalingConfig{MaximumConcurrency: new(int32(2))}
		}, invalid + "ScalingConfig and ProvisionedPollerConfig cannot be used together."},
		"tags": {func(in *request) { in.Tags = map[string]string{"aws:x": "y"} }, invalid + "Tag keys that begin with aws:…"},

		"kafka, no access":    {kafka(func(in *request) { in.SourceAccessConfigurations = nil }), invalid + "Required 'sourceAccessConfigurations' parameter is missing."},
		"kafka, no topic":     {kafka(func(in *request) { in.Topics = nil }), invalid + "Required 'topics' parameter is missing."},
		"kafka, no position":  {kafka(func(in *request) { in.StartingPosition = nil }), invalid + "1 validation error detected: Value null at 'startingPosition'…"},
		"kafka, no timestamp": {kafka(func(in *request) { in.StartingPosition = new(api.EventSourcePositionAtTimestamp) }), invalid + "Need to specify a timestamp"},
		"kafka, timestamp":    {kafka(func(in *request) { in.StartingPositionTimestamp = new(time.Now()) }), invalid + "StartingPositionTimestamp is only valid…"},
		"kafka, broker": {kafka(func(in *request) {
			in.SelfManagedEventSource.Endpoints["KAFKA_BOOTSTRAP_SERVERS"] = []string{"a"}
		}), invalid + "SelfManagedEventSource: a is not host:port."},
		"kafka, scaling":     {kafka(func(in *request) { in.ScalingConfig = &api.ScalingConfig{MaximumConcurrency: new(int32(2))} }), invalid + "Unsupported ScalingConfig…"},
		"kafka, age":         {kafka(func(in *request) { in.MaximumRecordAgeInSeconds = new(int32(59)) }), invalid + "MaximumRecordAgeInSeconds must be -1…"},
		"kafka, destination": {kafka(func(in *request) { in.DestinationConfig = to("arn:aws:sns:us-east-1:111111111111:t") }), invalid + "Paddock does not support the destination…"},
		"kafka, bad destination": {kafka(func(in *request) {
			in.DestinationConfig = to("arn:aws:kms:us-east-1:111111111111:t")
		}), invalid + "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:kms:us-east-1:111111111111:t)) is invalid."},
		"kafka, on success": {kafka(func(in *request) {
			in.DestinationConfig = &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: new(queueARN)}}
		}), invalid + "Unsupported DestinationConfig…"},
		"kafka, secret": {kafka(func(in *request) { in.SourceAccessConfigurations[0] = access("BASIC_AUTH", "x") }), invalid + "SourceAccessConfigurations: x is not the ARN of a secret."},
		"kafka, host":   {kafka(func(in *request) { in.SourceAccessConfigurations[0] = access("VIRTUAL_HOST", "/") }), invalid + "SourceAccessConfigurations: VIRTUAL_HOST is not supported…"},
		"kafka, logins": {kafka(func(in *request) {
			in.SourceAccessConfigurations = slices.Repeat([]*api.SourceAccessConfiguration{access("BASIC_AUTH", caSecret)}, 2)
		}), invalid + "SourceAccessConfigurations: at most one way…"},
		"kafka, managed": {kafka(func(in *request) { in.AmazonManagedKafkaEventSourceConfig = &api.AmazonManagedKafkaEventSourceConfig{} }), invalid + "Unsupported AmazonManagedKafkaEventSourceConfig…"},
		"kafka, registry": {kafka(func(in *request) {
			in.SelfManagedKafkaEventSourceConfig = &api.SelfManagedKafkaEventSourceConfig{SchemaRegistryConfig: &api.KafkaSchemaRegistryConfig{
				SchemaRegistryURI: new("https://r"), EventRecordFormat: new(api.SchemaRegistryEventRecordFormat("JSON")),
				SchemaValidationConfigs: []*api.KafkaSchemaValidationConfig{{Attribute: new(api.KafkaSchemaValidationAttribute("VALUE"))}},
			}}
		}), invalid + "SchemaRegistryConfig is only available for Provisioned Mode.…"},
		"cluster": {kafka(func(in *request) {
			in.SelfManagedEventSource, in.SourceAccessConfigurations, in.EventSourceArn = nil, nil, new("arn:aws:kafka:us-east-1:111111111111:cluster/lost/1")
		}), invalid + "No brokers are known of it."},
	} {
		t.Run(name, func(t *testing.T) {
			in := &request{FunctionName: new("f"), EventSourceArn: new(queueARN)}
			c.change(in)
			_, err := w.CreateEventSourceMapping(ctx(), in)
			wantErr(t, err, c.want)
		})
	}
	if out, err := w.ListEventSourceMappings(ctx(), &api.ListEventSourceMappingsRequest{}); err != nil || len(out.EventSourceMappings) != 0 {
		t.Errorf("there are %v, %v", out, err)
	}
}

func TestKafkaMapping(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.poll(nil)
	out := w.mapped(func(in *api.CreateEventSourceMappingRequest) {
		kafkaRequest(in)
		in.ProvisionedPollerConfig = &api.ProvisionedPollerConfig{MinimumPollers: new(int32(1)), MaximumPollers: new(int32(3))}
		in.DestinationConfig = &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: new(queueARN)}}
		in.SelfManagedKafkaEventSourceConfig = &api.SelfManagedKafkaEventSourceConfig{SchemaRegistryConfig: &api.KafkaSchemaRegistryConfig{
			SchemaRegistryURI: new("https://r"), EventRecordFormat: new(api.SchemaRegistryEventRecordFormat("JSON")),
			SchemaValidationConfigs: []*api.KafkaSchemaValidationConfig{{Attribute: new(api.KafkaSchemaValidationAttribute("VALUE"))}},
		}}
	})
	uuid := *out.UUID
	want := `{"BatchSize":100,"BisectBatchOnFunctionError":false,"DestinationConfig":{"OnFailure":{"Destination":"` + queueARN + `"}},` +
		`"EventSourceMappingArn":"arn:aws:lambda:us-east-1:111111111111:event-source-mapping:` + uuid + `","FunctionArn":"` + arnBase + `f","FunctionResponseTypes":[],` +
		`"LastModified":"2026-11-22T16:38:45.123Z","LastProcessingResult":"No records processed","MaximumBatchingWindowInSeconds":0,"MaximumRecordAgeInSeconds":-1,"MaximumRetryAttempts":-1,` +
		`"ProvisionedPollerConfig":{"MaximumPollers":3,"MinimumPollers":1},"SelfManagedEventSource":{"Endpoints":{"KAFKA_BOOTSTRAP_SERVERS":["a:9092","b:9092"]}},` +
		`"SelfManagedKafkaEventSourceConfig":{"ConsumerGroupId":"` + uuid + `","SchemaRegistryConfig":{"EventRecordFormat":"JSON","SchemaRegistryURI":"https://r","SchemaValidationConfigs":[{"Attribute":"VALUE"}]}},` +
		`"SourceAccessConfigurations":[{"Type":"VPC_SUBNET","URI":"subnet:subnet-1"}],"StartingPosition":"LATEST","State":"Creating","StateTransitionReason":"USER_INITIATED","Topics":["topic"],"UUID":"` + uuid + `"}`
	if got := asJSON(t, out); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	_, err := w.CreateEventSourceMapping(ctx(), func() *api.CreateEventSourceMappingRequest {
		in := &api.CreateEventSourceMappingRequest{FunctionName: new("f")}
		kafkaRequest(in)
		return in
	}())
	wantErr(t, err, `ResourceConflictException: An event source mapping with event source ("a:9092,b:9092"), function ("`+arnBase+`f"), topics ("topic") already exists. Please update or delete the existing mapping with UUID `+uuid)
	update := func(group string) error {
		_, err := w.UpdateEventSourceMapping(ctx(), &api.UpdateEventSourceMappingRequest{UUID: &uuid, SelfManagedKafkaEventSourceConfig: &api.SelfManagedKafkaEventSourceConfig{ConsumerGroupId: &group}})
		return err
	}
	wantErr(t, update("other"), "InvalidParameterValueException: The consumer group ID of an event source mapping cannot be changed.")
	wantErr(t, update(uuid), "")
}

func TestListEventSourceMappings(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.create("g")
	w.publish("f")
	w.poll(nil)
	one := *w.mapped(nil).UUID
	_, err := w.CreateEventSourceMapping(ctx(), &api.CreateEventSourceMappingRequest{FunctionName: new(arnBase + "f"), EventSourceArn: new(queueARN)})
	wantErr(t, err, `ResourceConflictException: An event source mapping with SQS arn (" `+queueARN+` ") and function (" f ") already exists. Please update or delete the existing mapping with UUID `+one)
	for _, name := range []string{"f:1", "111111111111:function:f:$LATEST", arnBase + "g"} {
		w.mapped(func(in *api.CreateEventSourceMappingRequest) { in.FunctionName, in.Enabled = new(name), new(false) })
	}
	two := *w.mapped(func(in *api.CreateEventSourceMappingRequest) { in.EventSourceArn = new(fifoARN) }).UUID
	list := func(in *api.ListEventSourceMappingsRequest) (found []string) {
		for {
			out, err := w.ListEventSourceMappings(ctx(), in)
			if err != nil {
				return []string{describe(err)}
			}
			for _, m := range out.EventSourceMappings {
				found = append(found, strings.TrimPrefix(*m.FunctionArn, arnBase))
			}
			if in.Marker = out.NextMarker; in.Marker == nil {
				slices.Sort(found)
				return found
			}
		}
	}
	for want, in := range map[string]*api.ListEventSourceMappingsRequest{
		"[f f f:$LATEST f:1 g]": {MaxItems: new(int32(2))},
		"[f f]":                 {FunctionName: new("f")},
		"[f:1]":                 {FunctionName: new("f:1")},
		"[f]":                   {FunctionName: new("f"), EventSourceArn: new(fifoARN)},
		"[f f:$LATEST f:1 g]":   {EventSourceArn: new(queueARN)},
		"[]":                    {EventSourceArn: new("arn:aws:sqs:us-east-1:111111111111:none")},
		"[ResourceNotFoundException: Function not found: " + arnBase + "h]": {FunctionName: new("h")},
	} {
		if got := fmt.Sprint(list(in)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// A change must not make two mappings of one queue to one function.
	_, err = w.UpdateEventSourceMapping(ctx(), &api.UpdateEventSourceMappingRequest{UUID: &two, FunctionName: new("g")})
	wantErr(t, err, "")
	if got := fmt.Sprint(list(&api.ListEventSourceMappingsRequest{FunctionName: new("g")})); got != "[g g]" {
		t.Error(got)
	}
	// As on AWS, a function's mappings stay when it is deleted.
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("g")}); err != nil {
		t.Fatal(err)
	}
	if got := w.mappingState(two); got != "Enabled" {
		t.Errorf("after its function was deleted: %s", got)
	}
	if _, err := w.Call(ctx(), arnBase+"g", []byte("{}")); !errors.Is(err, function.ErrGone) {
		t.Errorf("a call of a deleted function: %v", err)
	}
	if err := w.Reset(ctx()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(list(&api.ListEventSourceMappingsRequest{})); got != "[]" {
		t.Errorf("after the reset: %s", got)
	}
}

// Who calls a function by its ARN alone learns which version ran, and as which
// request.
func TestCallSaysWhatRan(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	published, err := w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("live"), FunctionVersion: published.Version}); err != nil {
		t.Fatal(err)
	}
	shared := &function.Result{FunctionError: "Unhandled", Payload: []byte("{}")}
	for _, c := range []struct {
		qualifier, version string
		err                error
	}{
		{"", "$LATEST", nil}, {":live", "1", nil}, {":1", "1", nil}, {":live", "1", function.ErrResponseTooLarge},
	} {
		w.invoker.result, w.invoker.err = shared, c.err
		res, err := w.Call(ctx(), arnBase+"f"+c.qualifier, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		inv := w.invoker.last()
		if res.ExecutedVersion != c.version || res.RequestID != inv.RequestID || res.RequestID == "" || res.FunctionError != "Unhandled" {
			t.Errorf("f%s ran as request %q: %+v", c.qualifier, inv.RequestID, res)
		}
	}
	if shared.RequestID != "" {
		t.Error("the invoker's own result was changed")
	}
}
