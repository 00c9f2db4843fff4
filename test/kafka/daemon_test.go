package kafka

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/kafka/broker"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

const (
	loginSecret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kafka-login-AbCdEf"
	caSecret    = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kafka-ca-AbCdEf"
	cluster     = "arn:aws:kafka:us-east-1:000000000000:cluster/tests/0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d-1"
)

// consumer logs its event and the values of its records. "bad" ones fail.
const consumer = `
import base64, json
def handler(event, context):
    failed = []
    print("EVENT", json.dumps(event), flush=True)
    for partition, records in event["records"].items():
        for r in records:
            value = base64.b64decode(r["value"]).decode()
            print("VALUE", value, context.aws_request_id, flush=True)
            if value.startswith("bad"):
                failed.append({"itemIdentifier": {"partition": partition, "offset": r["offset"]}})
    return {"batchItemFailures": failed}
`

// secretFile writes a secret as Secrets Manager would keep it.
func secretFile(t *testing.T, path string, fields map[string]string) {
	t.Helper()
	text, err := json.Marshal(fields)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// site is a Paddock with a function that a topic is mapped to.
type site struct {
	*sdk.Clients
	t        *testing.T
	daemon   *daemon.Daemon
	data     string
	flags    []string
	function string
	uuid     string
}

func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := &site{t: t, data: daemon.Folder(t), flags: flags}
	s.start()
	s.function = s.Create(t, sdk.Python(t, consumer))
	return s
}

func (s *site) start() {
	s.t.Helper()
	s.daemon = daemon.StartOn(s.t, s.data, s.flags...)
	s.Clients = sdk.For(s.t, s.daemon)
}

// mapTopic maps a topic with SCRAM over TLS.
func (s *site) mapTopic(b *broker.Broker, topic string, change func(*lambda.CreateEventSourceMappingInput)) {
	s.t.Helper()
	in := &lambda.CreateEventSourceMappingInput{
		FunctionName: &s.function, Topics: []string{topic}, StartingPosition: types.EventSourcePositionTrimHorizon,
		SelfManagedEventSource:            &types.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {b.SASL}}},
		SelfManagedKafkaEventSourceConfig: &types.SelfManagedKafkaEventSourceConfig{ConsumerGroupId: &topic},
		SourceAccessConfigurations: []types.SourceAccessConfiguration{
			{Type: types.SourceAccessTypeSaslScram512Auth, URI: new(loginSecret)},
			{Type: types.SourceAccessTypeServerRootCaCertificate, URI: new(caSecret)},
		},
		FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
	}
	if change != nil {
		change(in)
	}
	out, err := s.Lambda.CreateEventSourceMapping(sdk.Context(s.t), in)
	if err != nil {
		s.t.Fatal(err)
	}
	s.uuid = *out.UUID
}

func (s *site) mapping() *lambda.GetEventSourceMappingOutput {
	s.t.Helper()
	out, err := s.Lambda.GetEventSourceMapping(sdk.Context(s.t), &lambda.GetEventSourceMappingInput{UUID: &s.uuid})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *site) awaitState(want string) {
	s.t.Helper()
	sdk.Eventually(s.t, "the mapping is "+want, func() bool { return sdk.String(s.mapping().State) == want })
}

func (s *site) awaitResult(prefix string) {
	s.t.Helper()
	sdk.Eventually(s.t, "the mapping says "+prefix, func() bool { return strings.HasPrefix(sdk.String(s.mapping().LastProcessingResult), prefix) })
}

func (s *site) update(in *lambda.UpdateEventSourceMappingInput) {
	s.t.Helper()
	in.UUID = &s.uuid
	if _, err := s.Lambda.UpdateEventSourceMapping(sdk.Context(s.t), in); err != nil {
		s.t.Fatal(err)
	}
}

// logged are the lines of a function's log that begin with a word, without it.
func (s *site) logged(function, word string) []string {
	s.t.Helper()
	var lines []string
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(s.Logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(sdk.Context(s.t))
		if sdk.Code(err) == "ResourceNotFoundException" {
			return nil // nothing has run yet
		}
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range page.Events {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(sdk.String(e.Message)), word+" "); ok {
				lines = append(lines, rest)
			}
		}
	}
	return lines
}

// values are those that the function has seen so far, sorted, each as often as it has.
func (s *site) values() []string {
	s.t.Helper()
	var out []string
	for _, line := range s.logged(s.function, "VALUE") {
		value, _, _ := strings.Cut(line, " ")
		out = append(out, value)
	}
	slices.Sort(out)
	return out
}

func (s *site) awaitValues(want ...string) {
	s.t.Helper()
	slices.Sort(want)
	var got []string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the function has seen %v, want %v", got, want)
		}
	}()
	sdk.Eventually(s.t, fmt.Sprintf("the function sees %v", want), func() bool { got = s.values(); return slices.Equal(got, want) })
}

// TestThroughTheDaemon takes records from Kafka to functions as its users do: by
// the API of the built binary.
func TestThroughTheDaemon(t *testing.T) {
	t.Parallel()
	b := broker.Shared(t)
	secrets := t.TempDir()
	login, ca := filepath.Join(secrets, "login"), filepath.Join(secrets, "ca")
	secretFile(t, login, map[string]string{"username": broker.User, "password": "the password of last year"})
	secretFile(t, ca, map[string]string{"certificate": string(b.PKI.CA)})
	flags := []string{"--secret", loginSecret + "=" + login, "--secret", caSecret + "=" + ca, "--msk", cluster + "=" + b.Plaintext}
	s := newSite(t, flags...)
	topic, kafka := b.Topic(t, 2), b.Client(t)
	failed := queue(t, s, "failed")

	_, err := s.Lambda.CreateEventSourceMapping(sdk.Context(t), &lambda.CreateEventSourceMappingInput{
		FunctionName: &s.function, Topics: []string{topic}, StartingPosition: types.EventSourcePositionTrimHorizon,
		SelfManagedEventSource:     &types.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {b.SASL}}},
		SourceAccessConfigurations: []types.SourceAccessConfiguration{{Type: types.SourceAccessTypeSaslScram512Auth, URI: new(loginSecret + "x")}},
	})
	sdk.Expect(t, err, "InvalidParameterValueException", 400)
	if err == nil || !strings.Contains(err.Error(), "Cannot access secret manager value "+loginSecret+"x.") {
		t.Errorf("of a secret that is not there: %v", err)
	}
	s.mapTopic(b, topic, func(in *lambda.CreateEventSourceMappingInput) {
		in.MaximumRetryAttempts = new(int32(1))
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &failed.arn}}
	})
	s.awaitState("Enabled")
	s.awaitResult("PROBLEM: SASL authentication failed")
	secretFile(t, login, map[string]string{"username": broker.User, "password": broker.Password})

	record := &kgo.Record{Topic: topic, Partition: 1, Key: []byte("k"), Value: []byte("first"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{1, 0xff}}}}
	if err := kafka.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.awaitValues("first")
	want := fmt.Sprintf(`{"eventSource": "SelfManagedKafka", "bootstrapServers": "%s", "records": {"%s-1": [{"topic": "%[2]s", "partition": 1, "offset": 0, `+
		`"timestamp": %d, "timestampType": "CREATE_TIME", "key": "aw==", "value": "Zmlyc3Q=", "headers": [{"h": [1, -1]}]}]}}`, b.SASL, topic, record.Timestamp.UnixMilli())
	if got := s.logged(s.function, "EVENT"); len(got) != 1 || got[0] != want {
		t.Errorf("the function got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	s.awaitResult("OK")

	produce(t, kafka, topic, 0, "good-1", "bad", "good-2")
	s.awaitValues("first", "good-1", "bad", "bad", "good-2")
	failed.check(s, topic)

	s.update(&lambda.UpdateEventSourceMappingInput{Enabled: new(false)})
	s.awaitState("Disabled")
	s.update(&lambda.UpdateEventSourceMappingInput{BatchSize: new(int32(1))})
	s.awaitState("Disabled")
	produce(t, kafka, topic, 0, "two-1", "two-2")
	seen := len(s.logged(s.function, "EVENT"))
	s.update(&lambda.UpdateEventSourceMappingInput{Enabled: new(true)})
	s.awaitState("Enabled")
	s.awaitValues("first", "good-1", "bad", "bad", "good-2", "two-1", "two-2")
	if n := len(s.logged(s.function, "EVENT")) - seen; n != 2 {
		t.Errorf("two records came in %d batches of 1", n)
	}

	s.daemon.Stop(t)
	produce(t, kafka, topic, 1, "meanwhile")
	s.start()
	s.awaitValues("first", "good-1", "bad", "bad", "good-2", "two-1", "two-2", "meanwhile")

	shared(t, b, s, newSite(t, flags...))
}

// shared lets two Paddocks be in one group: each has one of the partitions, all of
// them once the other is gone.
func shared(t *testing.T, b *broker.Broker, one, two *site) {
	topic, kafka := b.Topic(t, 2), b.Client(t)
	one.mapTopic(b, topic, nil)
	two.mapTopic(b, topic, nil)
	var sent []string
	both := func() []string {
		out := append(one.values(), two.values()...)
		out = slices.DeleteFunc(out, func(v string) bool { return !strings.HasPrefix(v, "shared-") })
		slices.Sort(out)
		return out
	}
	send := func() {
		for p := range int32(2) {
			value := fmt.Sprintf("shared-%03d", len(sent))
			sent = append(sent, value)
			produce(t, kafka, topic, p, value)
		}
	}
	has := func(s *site) bool {
		return slices.ContainsFunc(s.values(), func(v string) bool { return strings.HasPrefix(v, "shared-") })
	}
	sdk.Eventually(t, "both have a partition", func() bool { send(); return has(one) && has(two) })
	sdk.Eventually(t, "all has arrived once", func() bool { return slices.Equal(both(), sent) })
	two.update(&lambda.UpdateEventSourceMappingInput{Enabled: new(false)})
	two.awaitState("Disabled")
	seen := len(two.values())
	send()
	sdk.Eventually(t, "all has arrived once, also after the other has gone", func() bool { return slices.Equal(both(), sent) })
	if n := len(two.values()); n != seen {
		t.Errorf("a mapping that is disabled has seen %d records", n-seen)
	}
}

// TestManagedCluster maps a cluster by its ARN with boto3 to a function in Go.
func TestManagedCluster(t *testing.T) {
	t.Parallel()
	b := broker.Shared(t)
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := need.Program(t, filepath.Join(root, ".deps", "python", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import boto3").Run(); err != nil {
		need.Missing(t, "boto3 in .deps/python (make deps installs it)")
	}
	s := &site{t: t, data: daemon.Folder(t), flags: []string{"--msk", cluster + "=" + b.Plaintext}}
	s.start()
	function := s.Create(t, sdk.Go(t, "test/kafka/function"))
	topic := b.Topic(t, 1)
	cmd := exec.CommandContext(sdk.Context(t), python, filepath.Join(root, "test", "kafka", "mapping.py"), function, cluster, topic)
	cmd.Env = s.daemon.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	record := &kgo.Record{Topic: topic, Value: []byte("managed"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("é")}}}
	if err := b.Client(t).ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var got []string
	sdk.Eventually(t, "the function gets the record", func() bool { got = s.logged(function, "GO"); return len(got) == 1 })
	if want := "aws:kafka " + cluster + " " + topic + "-0 managed h=é"; got[0] != want {
		t.Errorf("the function saw %q, want %q", got[0], want)
	}
}

// destination is a queue.
type destination struct{ url, arn string }

func queue(t *testing.T, s *site, name string) destination {
	t.Helper()
	out, err := s.SQS.CreateQueue(sdk.Context(t), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return destination{*out.QueueUrl, "arn:aws:sqs:us-east-1:000000000000:" + name}
}

// check expects the failure record of "bad", which was tried twice.
func (q destination) check(s *site, topic string) {
	s.t.Helper()
	out, err := s.SQS.ReceiveMessage(sdk.Context(s.t), &sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 20})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(out.Messages) != 1 {
		s.t.Fatalf("the on-failure queue has %d messages", len(out.Messages))
	}
	var record struct {
		RequestContext struct {
			RequestID, FunctionARN, Condition string
			ApproximateInvokeCount            int
		}
		ResponseContext struct{ ExecutedVersion string }
		KafkaBatchInfo  struct {
			BatchSize   int
			RecordsInfo map[string]struct{ FirstRecordOffset, LastRecordOffset string }
		}
	}
	text := *out.Messages[0].Body
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		s.t.Fatal(err)
	}
	tries := slices.DeleteFunc(s.logged(s.function, "VALUE"), func(line string) bool { return !strings.HasPrefix(line, "bad ") })
	offsets := record.KafkaBatchInfo.RecordsInfo[topic+"-0"]
	switch {
	case record.RequestContext.Condition != "RetryAttemptsExhausted", record.RequestContext.ApproximateInvokeCount != 2,
		record.RequestContext.FunctionARN != "arn:aws:lambda:us-east-1:000000000000:function:"+s.function,
		record.ResponseContext.ExecutedVersion != "$LATEST", record.KafkaBatchInfo.BatchSize != 1,
		offsets.FirstRecordOffset != "1" || offsets.LastRecordOffset != "1":
		s.t.Errorf("the failure record is %s", text)
	case len(tries) != 2 || tries[1] != "bad "+record.RequestContext.RequestID:
		s.t.Errorf("the failure record names request %s; the function was tried as %v", record.RequestContext.RequestID, tries)
	}
}
