package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store/local"
)

const (
	account = "000000000000"
	base    = "http://127.0.0.1:4566/" + account + "/"
)

// client calls a service over a real store, inside a bubble in which time
// passes when all wait for it.
type client struct {
	*Service
	t           *testing.T
	ctx         context.Context
	stopPolling context.CancelFunc
	restart     func() *client
}

func bubble(t *testing.T, test func(t *testing.T, c *client)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, start(t, t.TempDir()))
	})
}

func start(t *testing.T, dir string) *client {
	t.Helper()
	state, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	polling, stopPolling := context.WithCancel(life)
	s, err := New(life, polling, state.Documents, state.Messages, metrics.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var closed bool
	closeAll := func() {
		if closed {
			return
		}
		closed = true
		end()
		if err := errors.Join(s.Close(), state.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(closeAll)
	c := &client{Service: s, t: t, stopPolling: stopPolling}
	c.ctx = identity.With(context.Background(), &identity.Identity{Account: account, Region: "us-east-1", BaseURL: "http://127.0.0.1:4566"})
	c.restart = func() *client { closeAll(); return start(t, dir) }
	return c
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails wants an error whose text holds want: its code, or a part of its message.
func fails[T any](t *testing.T, want string) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func (c *client) create(name string, attributes ...string) string {
	c.t.Helper()
	in := &api.CreateQueueRequest{QueueName: &name, Attributes: pairs(attributes)}
	return *ok[*api.CreateQueueResult](c.t)(c.CreateQueue(c.ctx, in)).QueueUrl
}

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

func (c *client) set(url string, attributes ...string) {
	c.t.Helper()
	if _, err := c.SetQueueAttributes(c.ctx, &api.SetQueueAttributesRequest{QueueUrl: &url, Attributes: pairs(attributes)}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) attribute(url string, name api.QueueAttributeName) string {
	c.t.Helper()
	out := ok[*api.GetQueueAttributesResult](c.t)(c.GetQueueAttributes(c.ctx, &api.GetQueueAttributesRequest{QueueUrl: &url, AttributeNames: []api.QueueAttributeName{name}}))
	return out.Attributes[string(name)]
}

// counts gives the three numbers of messages.
func (c *client) counts(url string) string {
	c.t.Helper()
	return c.attribute(url, api.QueueAttributeNameApproximateNumberOfMessages) + "/" +
		c.attribute(url, api.QueueAttributeNameApproximateNumberOfMessagesNotVisible) + "/" +
		c.attribute(url, api.QueueAttributeNameApproximateNumberOfMessagesDelayed)
}

func (c *client) send(url string, bodies ...string) {
	c.t.Helper()
	for _, b := range bodies {
		in := &api.SendMessageRequest{QueueUrl: &url, MessageBody: &b}
		if strings.HasSuffix(url, ".fifo") {
			group, _, _ := strings.Cut(b, ":")
			in.MessageGroupId, in.MessageDeduplicationId = &group, &b
		}
		ok[*api.SendMessageResult](c.t)(c.SendMessage(c.ctx, in))
	}
}

// receive receives up to ten messages, for so many seconds.
func (c *client) receive(url string, visibility int32) []*api.Message {
	c.t.Helper()
	return ok[*api.ReceiveMessageResult](c.t)(c.ReceiveMessage(c.ctx, &api.ReceiveMessageRequest{QueueUrl: &url, MaxNumberOfMessages: new(int32(10)),
		VisibilityTimeout: &visibility, MessageSystemAttributeNames: []api.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"}})).Messages
}

func texts(messages []*api.Message) string {
	var out []string
	for _, m := range messages {
		out = append(out, *m.Body)
	}
	return strings.Join(out, " ")
}

func (c *client) wantReceive(url string, visibility int32, want string) []*api.Message {
	c.t.Helper()
	got := c.receive(url, visibility)
	if texts(got) != want {
		c.t.Fatalf("received %q, want %q", texts(got), want)
	}
	return got
}

func (c *client) delete(url string, m *api.Message) error {
	_, err := c.DeleteMessage(c.ctx, &api.DeleteMessageRequest{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (c *client) visibility(url string, m *api.Message, seconds int32) error {
	_, err := c.ChangeMessageVisibility(c.ctx, &api.ChangeMessageVisibilityRequest{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: &seconds})
	return err
}

func TestCreateQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q", "DelaySeconds", "5")
		if url != base+"q" {
			t.Errorf("URL %s", url)
		}
		for _, same := range [][]string{{}, {"DelaySeconds", "5"}, {"VisibilityTimeout", "30", "MaximumMessageSize", "1048576"}} {
			if again := c.create("q", same...); again != url {
				t.Errorf("created again: %s", again)
			}
		}
		for want, in := range map[string][]string{
			"QueueNameExists: A queue already exists with the same name and a different value for attribute DelaySeconds": {"q", "DelaySeconds", "6"},
			"Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length":                        {"q.fifo"},
			"must end with .fifo suffix":                                    {"q2", "FifoQueue", "true"},
			"1 to 80 in length":                                             {strings.Repeat("x", 81)},
			"InvalidAttributeName: Unknown Attribute Colour":                {"x", "Colour", "red"},
			"Unknown Attribute FifoQueue":                                   {"x2", "FifoQueue", "false"},
			"DeduplicationScope only when FifoQueue is set to true":         {"x", "DeduplicationScope", "queue"},
			"Invalid value for the parameter DelaySeconds":                  {"x", "DelaySeconds", "901"},
			"Invalid value for the parameter MaximumMessageSize":            {"x", "MaximumMessageSize", "1023"},
			"Invalid value for the parameter MessageRetentionPeriod":        {"x", "MessageRetentionPeriod", "59"},
			"Invalid value for the parameter ReceiveMessageWaitTimeSeconds": {"x", "ReceiveMessageWaitTimeSeconds", "21"},
			"Invalid value for the parameter VisibilityTimeout":             {"x", "VisibilityTimeout", "43201"},
			"Invalid value for the parameter Policy":                        {"x", "Policy", "{"},
			"one type of server-side encryption":                            {"x", "KmsMasterKeyId", "k", "SqsManagedSseEnabled", "true"},
			"perMessageGroupId value is allowed only":                       {"x.fifo", "FifoQueue", "true", "FifoThroughputLimit", "perMessageGroupId"},
			"not a valid JSON map":                                          {"x", "RedrivePolicy", "5"},
			"mandatory attribute: maxReceiveCount":                          {"x", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q"}`},
			"Invalid value for deadLetterTargetArn":                         {"x", "RedrivePolicy", `{"deadLetterTargetArn":"dummy","maxReceiveCount":1}`},
			"Dead letter target does not exist":                             {"x", "RedrivePolicy", redriveTo("nowhere", 1)},
			"valid values are from 1 to 1000":                               {"x", "RedrivePolicy", redriveTo("q", 1001)},
			"must be another queue":                                         {"x", "RedrivePolicy", redriveTo("x", 1)},
			"owner should be same":                                          {"x", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111111111111:q","maxReceiveCount":1}`},
			"same type of queue":                                            {"x.fifo", "FifoQueue", "true", "RedrivePolicy", redriveTo("q", 1)},
			"unsupported format":                                            {"x", "RedriveAllowPolicy", `{"redrivePermission":"some"}`},
		} {
			fails[*api.CreateQueueResult](t, want)(c.CreateQueue(c.ctx, &api.CreateQueueRequest{QueueName: &in[0], Attributes: pairs(in[1:])}))
		}
		if list := ok[*api.ListQueuesResult](t)(c.ListQueues(c.ctx, &api.ListQueuesRequest{})); len(list.QueueUrls) != 1 {
			t.Errorf("queues %v", list.QueueUrls)
		}
	})
}

func redriveTo(queue string, n int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:%s:%s","maxReceiveCount":%d}`, account, queue, n)
}

func TestDeletedQueues(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		c.send(url, "old")
		old := c.receive(url, 1)[0]
		if _, err := c.DeleteQueue(c.ctx, &api.DeleteQueueRequest{QueueUrl: &url}); err != nil {
			t.Fatal(err)
		}
		fails[*api.GetQueueUrlResult](t, "QueueDoesNotExist")(c.GetQueueUrl(c.ctx, &api.GetQueueUrlRequest{QueueName: new("q")}))
		fails[*api.CreateQueueResult](t, "QueueDeletedRecently")(c.CreateQueue(c.ctx, &api.CreateQueueRequest{QueueName: new("q")}))
		c = c.restart()
		time.Sleep(59 * time.Second)
		fails[*api.CreateQueueResult](t, "QueueDeletedRecently")(c.CreateQueue(c.ctx, &api.CreateQueueRequest{QueueName: new("q")}))
		time.Sleep(2 * time.Second)
		c.create("q")
		c.wantReceive(url, 1, "")
		if err := c.delete(url, old); !errors.As(err, new(*api.ReceiptHandleIsInvalid)) {
			t.Errorf("a handle of the deleted queue: %v", err)
		}
		// A name that was swept is free too.
		if _, err := c.DeleteQueue(c.ctx, &api.DeleteQueueRequest{QueueUrl: &url}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		c.create("q")
	})
}

func TestQueueURLs(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		c.create("q")
		c.send(base+"q", "a")
		for _, url := range []string{base + "q", "https://sqs.us-east-1.amazonaws.com/000000000000/q", "http://sqs.us-east-1.localhost:4566/000000000000/q",
			"http://localhost:4566/queue/us-east-1/000000000000/q", "http://us-east-1.queue.localhost/000000000000/q", "q"} {
			if got := c.counts(url); got != "1/0/0" {
				t.Errorf("%s: %s", url, got)
			}
		}
		for url, want := range map[string]string{base: "not valid for this endpoint", base + "x": "does not exist", "http://h/queue/eu-west-1/000000000000/q": "does not exist",
			"http://h/111111111111/q": "does not exist", "http://h/a/b/c": "not valid", "http://h/%zz/q": "not valid"} {
			fails[*api.GetQueueAttributesResult](t, want)(c.GetQueueAttributes(c.ctx, &api.GetQueueAttributesRequest{QueueUrl: &url}))
		}
		for host, want := range map[string]string{"https://host.example": "https://host.example/000000000000/q", "http://localhost:4566": "http://localhost:4566/000000000000/q",
			"http://sqs.eu-west-1.localhost:4566": "http://sqs.us-east-1.localhost:4566/000000000000/q"} {
			ctx := identity.With(c.ctx, &identity.Identity{Account: account, Region: "us-east-1", BaseURL: host})
			if got := *ok[*api.GetQueueUrlResult](t)(c.GetQueueUrl(ctx, &api.GetQueueUrlRequest{QueueName: new("q"), QueueOwnerAWSAccountId: new(account)})).QueueUrl; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

func TestQueueAttributes(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		time.Sleep(5 * time.Second)
		all := func() map[string]string {
			return ok[*api.GetQueueAttributesResult](t)(c.GetQueueAttributes(c.ctx, &api.GetQueueAttributesRequest{QueueUrl: &url, AttributeNames: []api.QueueAttributeName{"All"}})).Attributes
		}
		want := map[string]string{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
			"ApproximateNumberOfMessagesDelayed": "0", "CreatedTimestamp": "946684800", "LastModifiedTimestamp": "946684800", "VisibilityTimeout": "30",
			"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true"}
		if got := all(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v\nwant %v", got, want)
		}
		c.set(url, "VisibilityTimeout", "69", "KmsMasterKeyId", "alias/aws/sqs")
		for name, value := range map[string]string{"VisibilityTimeout": "69", "LastModifiedTimestamp": "946684805", "KmsMasterKeyId": "alias/aws/sqs",
			"KmsDataKeyReusePeriodSeconds": "300", "SqsManagedSseEnabled": "false"} {
			if got := all()[name]; got != value {
				t.Errorf("%s is %s, want %s", name, got, value)
			}
		}
		c.set(url, "SqsManagedSseEnabled", "true")
		if got := all(); got["KmsMasterKeyId"] != "" || got["SqsManagedSseEnabled"] != "true" {
			t.Errorf("%v", got)
		}
		fails[*api.GetQueueAttributesResult](t, "Unknown Attribute Foo")(c.GetQueueAttributes(c.ctx, &api.GetQueueAttributesRequest{QueueUrl: &url, AttributeNames: []api.QueueAttributeName{"Foo"}}))
		for want, attributes := range map[string][]string{"Attribute.Name": {}, "Unknown Attribute QueueArn": {"QueueArn", "x"}, "Unknown Attribute FifoQueue": {"FifoQueue", "true"}} {
			_, err := c.SetQueueAttributes(c.ctx, &api.SetQueueAttributesRequest{QueueUrl: &url, Attributes: pairs(attributes)})
			fails[any](t, want)(nil, err)
		}
		fifo := c.create("q.fifo", "FifoQueue", "true")
		_, err := c.SetQueueAttributes(c.ctx, &api.SetQueueAttributesRequest{QueueUrl: &fifo, Attributes: map[string]string{"FifoQueue": "false"}})
		fails[any](t, "Modifying queue type is not supported")(nil, err)
		c.set(fifo, "FifoThroughputLimit", "perMessageGroupId", "DeduplicationScope", "messageGroup")
		if got := c.attribute(fifo, "FifoQueue") + c.attribute(fifo, "ContentBasedDeduplication") + c.attribute(fifo, "FifoThroughputLimit"); got != "truefalseperMessageGroupId" {
			t.Error(got)
		}
		c = c.restart()
		if got := c.attribute(fifo, "DeduplicationScope"); got != "messageGroup" {
			t.Errorf("after a restart: %s", got)
		}
	})
}

func TestListsOfQueues(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		dead := c.create("dead")
		for i := range 5 {
			c.create(fmt.Sprintf("q%d", i), "RedrivePolicy", redriveTo("dead", 3))
		}
		var names []string
		in := &api.ListQueuesRequest{QueueNamePrefix: new("q"), MaxResults: new(int32(2))}
		for pages := 1; ; pages++ {
			out := ok[*api.ListQueuesResult](t)(c.ListQueues(c.ctx, in))
			names = append(names, out.QueueUrls...)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				if pages != 3 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		if len(names) != 5 || names[0] != base+"q0" || names[4] != base+"q4" {
			t.Errorf("%v", names)
		}
		sources := ok[*api.ListDeadLetterSourceQueuesResult](t)(c.ListDeadLetterSourceQueues(c.ctx, &api.ListDeadLetterSourceQueuesRequest{QueueUrl: &dead, MaxResults: new(int32(4))}))
		if len(sources.QueueUrls) != 4 || sources.NextToken == nil {
			t.Errorf("%+v", sources)
		}
		fails[*api.ListQueuesResult](t, "MaxResults")(c.ListQueues(c.ctx, &api.ListQueuesRequest{MaxResults: new(int32(1001))}))
		fails[*api.ListQueuesResult](t, "next token")(c.ListQueues(c.ctx, &api.ListQueuesRequest{NextToken: new("!")}))
	})
}

func TestTagsAndPermissions(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		tag := func(tags map[string]string) error {
			_, err := c.TagQueue(c.ctx, &api.TagQueueRequest{QueueUrl: &url, Tags: tags})
			return err
		}
		if err := errors.Join(tag(map[string]string{"a": "1", "b": ""}), tag(map[string]string{"a": "2"})); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UntagQueue(c.ctx, &api.UntagQueueRequest{QueueUrl: &url, TagKeys: []string{"b", "c"}}); err != nil {
			t.Fatal(err)
		}
		if got := ok[*api.ListQueueTagsResult](t)(c.ListQueueTags(c.ctx, &api.ListQueueTagsRequest{QueueUrl: &url})).Tags; fmt.Sprint(got) != "map[a:2]" {
			t.Errorf("tags %v", got)
		}
		fails[any](t, "reserved prefix")(nil, tag(map[string]string{"aws:x": "1"}))
		add := func(label string, accounts, actions []string) error {
			_, err := c.AddPermission(c.ctx, &api.AddPermissionRequest{QueueUrl: &url, Label: &label, AWSAccountIds: accounts, Actions: actions})
			return err
		}
		remove := func(label string) error {
			_, err := c.RemovePermission(c.ctx, &api.RemovePermissionRequest{QueueUrl: &url, Label: &label})
			return err
		}
		if err := add("one", []string{"111111111111", "222222222222"}, []string{"ReceiveMessage"}); err != nil {
			t.Fatal(err)
		}
		const want = `{"Version":"2008-10-17","Id":"arn:aws:sqs:us-east-1:000000000000:q/SQSDefaultPolicy","Statement":[{"Sid":"one","Effect":"Allow",` +
			`"Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::222222222222:root"]},"Action":"SQS:ReceiveMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:q"}]}`
		if got := c.attribute(url, "Policy"); got != want {
			t.Errorf("policy %s\nwant %s", got, want)
		}
		fails[any](t, "Value one for parameter Label is invalid. Reason: Already exists.")(nil, add("one", []string{"111111111111"}, []string{"*"}))
		fails[any](t, "Only the queue owner")(nil, add("two", []string{"111111111111"}, []string{"CreateQueue"}))
		fails[any](t, "Unable to verify")(nil, add("two", []string{"me"}, []string{"*"}))
		fails[any](t, "can't find label")(nil, remove("two"))
		if err := remove("one"); err != nil {
			t.Fatal(err)
		}
		if got := c.attribute(url, "Policy"); got != "" {
			t.Errorf("policy %s", got)
		}
	})
}

func TestPurgeQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		c.send(url, "a", "b")
		c.receive(url, 0)
		purge := func() error {
			_, err := c.PurgeQueue(c.ctx, &api.PurgeQueueRequest{QueueUrl: &url})
			return err
		}
		if err := purge(); err != nil {
			t.Fatal(err)
		}
		if got := c.counts(url); got != "0/0/0" {
			t.Error(got)
		}
		fails[any](t, "PurgeQueueInProgress: Only one PurgeQueue operation on q is allowed every 60 seconds.")(nil, purge())
		time.Sleep(61 * time.Second)
		if err := purge(); err != nil {
			t.Error(err)
		}
	})
}

// code is the error code that clients see of an error.
func code(err error) string {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e.Code
	}
	text, _, _ := strings.Cut(fmt.Sprint(err), ":")
	return text
}
