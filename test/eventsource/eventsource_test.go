// Package eventsource tests event source mappings of queues from outside: the
// built binary, through the AWS SDK for Go.
package eventsource

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// consumer logs the body of each message before and after its work. Of its
// messages, "bad" ones fail, and "slow" ones never end when they come first.
const consumer = `
import time
def handler(event, context):
    failed = []
    for r in event["Records"]:
        body, count = r["body"], r["attributes"]["ApproximateReceiveCount"]
        print("BEGIN", body, count, r["attributes"].get("MessageGroupId", "-"), r["messageAttributes"].get("n", {}).get("stringValue", "-"), r["eventSourceARN"], flush=True)
        if body.startswith("slow") and count == "1":
            time.sleep(30)
        if body.startswith("bad"):
            failed.append({"itemIdentifier": r["messageId"]})
        else:
            print("DONE", body, flush=True)
    return {"batchItemFailures": failed}
`

// world is a function, a queue and a mapping of the one to the other.
type world struct {
	*sdk.Clients
	t                    *testing.T
	function, queue, arn string // the queue's URL and ARN
	uuid                 string
}

func newWorld(t *testing.T, d *daemon.Daemon, timeout int32, attributes map[string]string, change func(*lambda.CreateEventSourceMappingInput)) *world {
	t.Helper()
	w := &world{Clients: sdk.For(t, d), t: t}
	in := sdk.Python(t, consumer)
	in.Timeout = &timeout
	w.function = w.Create(t, in)
	w.Call(t, w.function, `{"Records": []}`) // a first start may outlast a visibility timeout
	w.queue, w.arn = w.makeQueue(sdk.Name(t), attributes)
	m := &lambda.CreateEventSourceMappingInput{FunctionName: &w.function, EventSourceArn: &w.arn}
	if change != nil {
		change(m)
	}
	out, err := w.Lambda.CreateEventSourceMapping(sdk.Context(t), m)
	if err != nil {
		t.Fatal(err)
	}
	w.uuid = *out.UUID
	w.awaitState("Enabled")
	return w
}

func (w *world) makeQueue(name string, attributes map[string]string) (url, arn string) {
	w.t.Helper()
	if attributes["FifoQueue"] == "true" {
		name += ".fifo"
	}
	out, err := w.SQS.CreateQueue(sdk.Context(w.t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.QueueUrl, w.attributes(*out.QueueUrl)["QueueArn"]
}

func (w *world) attributes(url string) map[string]string {
	w.t.Helper()
	out, err := w.SQS.GetQueueAttributes(sdk.Context(w.t), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Attributes
}

// depth is how many messages a queue has, in flight or not.
func (w *world) depth(url string) string {
	a := w.attributes(url)
	return a["ApproximateNumberOfMessages"] + "+" + a["ApproximateNumberOfMessagesNotVisible"]
}

func (w *world) awaitDepth(url, want string) {
	w.t.Helper()
	sdk.Eventually(w.t, "the queue has "+want, func() bool { return w.depth(url) == want })
}

func (w *world) mapping() *lambda.GetEventSourceMappingOutput {
	w.t.Helper()
	out, err := w.Lambda.GetEventSourceMapping(sdk.Context(w.t), &lambda.GetEventSourceMappingInput{UUID: &w.uuid})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) awaitState(want string) {
	w.t.Helper()
	sdk.Eventually(w.t, "the mapping is "+want, func() bool { return sdk.String(w.mapping().State) == want })
}

func (w *world) enable(enabled bool) {
	w.t.Helper()
	if _, err := w.Lambda.UpdateEventSourceMapping(sdk.Context(w.t), &lambda.UpdateEventSourceMappingInput{UUID: &w.uuid, Enabled: &enabled}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) send(bodies ...string) {
	w.t.Helper()
	for _, b := range bodies {
		if _, err := w.SQS.SendMessage(sdk.Context(w.t), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: new(b),
			MessageAttributes: map[string]sqstypes.MessageAttributeValue{"n": {DataType: new("Number"), StringValue: new("7")}}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// logged are the lines of the function's log that begin with a word, without it.
func (w *world) logged(word string) []string {
	w.t.Helper()
	var lines []string
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(w.Logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + w.function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(sdk.Context(w.t))
		if sdk.Code(err) == "ResourceNotFoundException" {
			return nil // nothing has run yet
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.Events {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(sdk.String(e.Message)), word+" "); ok {
				lines = append(lines, rest)
			}
		}
	}
	return lines
}

func (w *world) awaitLogged(word string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	var got []string
	sdk.Eventually(w.t, fmt.Sprintf("%s of %v", word, want), func() bool {
		got = w.logged(word)
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

func TestMessagesReachTheFunction(t *testing.T) {
	w := newWorld(t, daemon.Shared(t), 20, nil, func(in *lambda.CreateEventSourceMappingInput) {
		in.FilterCriteria = &lambdatypes.FilterCriteria{Filters: []lambdatypes.Filter{{Pattern: new(`{"body": [{"anything-but": {"prefix": "not"}}]}`)}}}
	})
	w.send("a", "b", "not this", "c")
	w.awaitLogged("BEGIN", "a 1 - 7 "+w.arn, "b 1 - 7 "+w.arn, "c 1 - 7 "+w.arn)
	w.awaitDepth(w.queue, "0+0")
	if m := w.mapping(); sdk.String(m.LastProcessingResult) != "OK" || sdk.String(m.StateTransitionReason) != "USER_INITIATED" {
		t.Errorf("the mapping says %q, %q", sdk.String(m.LastProcessingResult), sdk.String(m.StateTransitionReason))
	}
}

func TestPartialFailuresGoToTheDeadLetterQueue(t *testing.T) {
	d := daemon.Shared(t)
	c := &world{Clients: sdk.For(t, d), t: t}
	dead, deadARN := c.makeQueue(sdk.Name(t), nil)
	w := newWorld(t, d, 3, map[string]string{
		"VisibilityTimeout": "3", "RedrivePolicy": `{"maxReceiveCount":2,"deadLetterTargetArn":"` + deadARN + `"}`,
	}, func(in *lambda.CreateEventSourceMappingInput) {
		in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{"ReportBatchItemFailures"}
		in.BatchSize, in.MaximumBatchingWindowInSeconds = new(int32(3)), new(int32(1))
	})
	w.send("good 1", "bad", "good 2")
	w.awaitDepth(dead, "1+0")
	w.awaitDepth(w.queue, "0+0")
	w.awaitLogged("DONE", "good 1", "good 2")
	if tries := len(w.logged("BEGIN bad")); tries != 2 {
		t.Errorf("the bad message was tried %d times", tries)
	}
}

func TestGroupsOfAFIFOQueueStayInOrder(t *testing.T) {
	w := newWorld(t, daemon.Shared(t), 20, map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}, nil)
	const groups, each = 5, 12
	var want []string
	for i := range each {
		for g := range groups {
			body, group := fmt.Sprintf("%d/%d", g, i), fmt.Sprint("g", g)
			if _, err := w.SQS.SendMessage(sdk.Context(t), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: &body, MessageGroupId: &group}); err != nil {
				t.Fatal(err)
			}
			want = append(want, body)
		}
	}
	w.awaitLogged("DONE", want...)
	last := map[string]int{}
	for _, line := range w.logged("DONE") {
		var g, i int
		if _, err := fmt.Sscanf(line, "%d/%d", &g, &i); err != nil {
			t.Fatal(err)
		}
		if next := last[fmt.Sprint(g)]; i != next {
			t.Errorf("group %d: message %d came where %d was due", g, i, next)
		}
		last[fmt.Sprint(g)] = i + 1
	}
}

func TestDisableAndEnable(t *testing.T) {
	w := newWorld(t, daemon.Shared(t), 20, nil, nil)
	w.send("before")
	w.awaitLogged("DONE", "before")
	w.enable(false)
	w.awaitState("Disabled")
	if got := sdk.String(w.mapping().LastProcessingResult); got != "OK" {
		t.Errorf("a mapping that is disabled says %q of its last batch", got)
	}
	w.send("while disabled")
	if got := w.depth(w.queue); got != "1+0" {
		t.Errorf("while the mapping is disabled, the queue has %s", got)
	}
	w.enable(true)
	w.awaitLogged("DONE", "before", "while disabled")
	if _, err := w.Lambda.DeleteEventSourceMapping(sdk.Context(t), &lambda.DeleteEventSourceMappingInput{UUID: &w.uuid}); err != nil {
		t.Fatal(err)
	}
	sdk.Eventually(t, "the mapping is gone", func() bool {
		_, err := w.Lambda.GetEventSourceMapping(sdk.Context(t), &lambda.GetEventSourceMappingInput{UUID: &w.uuid})
		return sdk.Code(err) == "ResourceNotFoundException"
	})
}

// After a restart a mapping goes on by itself, and what was in flight when the
// daemon was killed comes again once its visibility timeout ends.
func TestAKillRepeatsAndLosesNothing(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	w := newWorld(t, d, 3, map[string]string{"VisibilityTimeout": "3"}, func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = new(int32(1)) })
	w.send("first")
	w.awaitLogged("DONE", "first")
	w.send("slow")
	sdk.Eventually(t, "the function is in the middle of it", func() bool { return len(w.logged("BEGIN slow 1")) == 1 })
	d.Kill(t)

	d = daemon.StartOn(t, data)
	w.Clients = sdk.For(t, d)
	w.awaitState("Enabled")
	w.send("second")
	w.awaitLogged("DONE", "first", "second", "slow")
	w.awaitDepth(w.queue, "0+0")

	d.Stop(t)
	d = daemon.StartOn(t, data)
	w.Clients = sdk.For(t, d)
	w.send("third")
	w.awaitLogged("DONE", "first", "second", "slow", "third")
}

// A stop waits for the batches that are at the function, and deletes their
// messages: none of them comes again.
func TestAStopLetsBatchesFinish(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data, sdk.ReachGates...)
	w := &world{Clients: sdk.For(t, d), t: t}
	gate := sdk.NewGate(t)
	in := sdk.Python(t, `
import urllib.request
def handler(event, context):
    for r in event.get("Records", []):
        print("BEGIN", r["body"], r["attributes"]["ApproximateReceiveCount"], flush=True)
        urllib.request.urlopen("`+gate.URL+`").read()
`)
	in.Timeout = new(int32(30))
	w.function = w.Create(t, in)
	w.Call(t, w.function, "{}")
	w.queue, w.arn = w.makeQueue(sdk.Name(t), nil)
	if _, err := w.Lambda.CreateEventSourceMapping(sdk.Context(t), &lambda.CreateEventSourceMappingInput{FunctionName: &w.function, EventSourceArn: &w.arn}); err != nil {
		t.Fatal(err)
	}
	w.send("before")
	gate.Await(t, 1)
	d.Terminate(t)
	sdk.Eventually(t, "it takes no more requests", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
		if err != nil {
			return true
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return false
	})
	gate.Open()
	d.Stop(t)
	d = daemon.StartOn(t, data, sdk.ReachGates...)
	w.Clients = sdk.For(t, d)
	w.awaitDepth(w.queue, "0+0")
	w.send("after")
	w.awaitLogged("BEGIN", "before 1", "after 1")
}
