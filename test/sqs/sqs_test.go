// Package sqs tests queues from outside: the built binary, through the AWS SDK
// for Go, boto3, the AWS SDK for JavaScript and requests of SQS's Query days.
package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

func create(t testing.TB, c *sqs.Client, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := c.CreateQueue(sdk.Context(t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

// name makes a queue's name that no other test has, nor a run before on a
// target of somebody else's.
func name(t testing.TB) string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
}

// code is the error code that the SDK has made of an error.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestGoSDK passes messages through the SDK, which checks every MD5.
func TestGoSDK(t *testing.T) {
	d := daemon.Shared(t)
	c := sdk.For(t, d).SQS
	ctx := sdk.Context(t)
	queue := create(t, c, name(t), map[string]string{"VisibilityTimeout": "60"})
	attributes := map[string]types.MessageAttributeValue{
		"text":   {DataType: new("String"), StringValue: new("§1")},
		"number": {DataType: new("Number.float"), StringValue: new("1.5")},
		"bytes":  {DataType: new("Binary.png"), BinaryValue: []byte{0, 1, 255}},
	}
	sent, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: new("héllo"), MessageAttributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: []types.SendMessageBatchRequestEntry{
		{Id: new("a"), MessageBody: new("a")}, {Id: new("b"), MessageBody: new("b"), DelaySeconds: 901}}})
	if err != nil || len(batch.Successful) != 1 || len(batch.Failed) != 1 || *batch.Failed[0].Code != "InvalidParameterValue" {
		t.Fatalf("batch %+v, %v", batch, err)
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
	if err != nil || len(got.Messages) != 2 {
		t.Fatalf("received %+v, %v", got, err)
	}
	m := got.Messages[0]
	if *m.Body != "héllo" || *m.MessageId != *sent.MessageId || string(m.MessageAttributes["bytes"].BinaryValue) != "\x00\x01\xff" || m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("received %+v", m)
	}
	if _, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}); err != nil {
		t.Fatal(err)
	}
	again, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue})
	if err != nil || len(again.Messages) != 1 || *again.Messages[0].MessageId != *m.MessageId {
		t.Fatalf("received %+v, %v", again, err)
	}
	for _, handle := range []*string{again.Messages[0].ReceiptHandle, got.Messages[1].ReceiptHandle} {
		if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: handle}); err != nil {
			t.Fatal(err)
		}
	}
	left, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil || left.Attributes["ApproximateNumberOfMessages"] != "0" || left.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" || left.Attributes["VisibilityTimeout"] != "60" {
		t.Errorf("attributes %v, %v", left, err)
	}

	_, err = c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: new("no-such-queue")})
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
		t.Errorf("a queue that is not there: %v", err)
	}
	_, err = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: new("nonsense")})
	if _, ok := errors.AsType[*types.ReceiptHandleIsInvalid](err); !ok {
		t.Errorf("a handle that is none: %v", err)
	}
	_, err = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 11})
	if code(err) != "InvalidParameterValue" {
		t.Errorf("eleven messages: %v", err)
	}
	if _, err := c.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
}

// TestLongPollsEndAtShutdown: Paddock does not wait for them.
func TestLongPollsEndAtShutdown(t *testing.T) {
	d := daemon.Own(t)
	c := sdk.For(t, d).SQS
	queue := create(t, c, "q", nil)
	const polls = 3
	type answer struct {
		n   int
		err error
	}
	done := make(chan answer, polls)
	for range polls {
		go func() {
			out, err := c.ReceiveMessage(sdk.Context(t), &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
			if err != nil {
				done <- answer{err: err}
				return
			}
			done <- answer{n: len(out.Messages)}
		}()
	}
	// A message that comes to one of them shows that polls wait; that one is
	// asked for again.
	if _, err := c.SendMessage(sdk.Context(t), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: new("a")}); err != nil {
		t.Fatal(err)
	}
	if a := <-done; a.err != nil || a.n != 1 {
		t.Fatalf("%+v", a)
	}
	start := time.Now()
	d.Stop(t)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	for range polls - 1 {
		if a := <-done; a.err == nil && a.n != 0 {
			t.Errorf("%+v", a)
		}
	}
}

// TestPollsOfClientsThatLeave: what they would have got goes to others.
func TestPollsOfClientsThatLeave(t *testing.T) {
	c := sdk.For(t, daemon.Shared(t)).SQS
	queue := create(t, c, name(t), nil)
	for range 5 {
		ctx, cancel := context.WithTimeout(sdk.Context(t), 50*time.Millisecond)
		if _, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20}); err == nil {
			t.Error("a poll ended before its client left")
		}
		cancel()
	}
	if _, err := c.SendMessage(sdk.Context(t), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: new("a")}); err != nil {
		t.Fatal(err)
	}
	got, err := c.ReceiveMessage(sdk.Context(t), &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("received %+v, %v", got, err)
	}
}

// TestKill: what was acknowledged is there after kill -9, in the order of its
// group and once.
func TestKill(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	c := sdk.For(t, d).SQS
	queue := create(t, c, "q.fifo", map[string]string{"FifoQueue": "true"})
	const groups = 4
	acknowledged := make([]int, groups)
	var wg sync.WaitGroup
	var once sync.Once
	for g := range groups {
		wg.Go(func() {
			for {
				body := fmt.Sprintf("%06d", acknowledged[g])
				_, err := c.SendMessage(sdk.Context(t), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body, MessageGroupId: new(fmt.Sprint(g)), MessageDeduplicationId: new(fmt.Sprint(g, body))})
				if err != nil {
					return
				}
				if acknowledged[g]++; acknowledged[g] == 300 {
					once.Do(func() { d.Kill(t) })
				}
			}
		})
	}
	wg.Wait()
	d = daemon.StartOn(t, data)
	c = sdk.For(t, d).SQS
	queue = create(t, c, "q.fifo", map[string]string{"FifoQueue": "true"})
	next := make([]int, groups)
	for {
		got, err := c.ReceiveMessage(sdk.Context(t), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			break
		}
		var entries []types.DeleteMessageBatchRequestEntry
		for i, m := range got.Messages {
			var g, n int
			if _, err := fmt.Sscan(m.Attributes["MessageGroupId"]+" "+strings.TrimLeft(*m.Body, "0")+"0", &g, &n); err != nil {
				t.Fatal(err)
			}
			if n /= 10; n != next[g] {
				t.Fatalf("group %d: message %d in the place of %d", g, n, next[g])
			}
			next[g]++
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: new(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if out, err := c.DeleteMessageBatch(sdk.Context(t), &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: entries}); err != nil || len(out.Failed) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	for g := range groups {
		// One more may have been stored whose answer the kill cut off.
		if next[g] != acknowledged[g] && next[g] != acknowledged[g]+1 {
			t.Errorf("group %d: %d messages, and %d were acknowledged", g, next[g], acknowledged[g])
		}
	}
}

// query sends a request as clients did before 2023.
func query(t *testing.T, d *daemon.Daemon, at string, form url.Values) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(sdk.Context(t), http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	res, body := d.Do(t, req)
	return res.StatusCode, string(body)
}

func TestQueryProtocol(t *testing.T) {
	d := daemon.Shared(t)
	queue := name(t)
	steps := []struct {
		path   string
		form   url.Values
		status int
		want   []string
	}{
		{"/", url.Values{"Action": {"CreateQueue"}, "Version": {"2012-11-05"}, "QueueName": {queue}, "Attribute.1.Name": {"VisibilityTimeout"}, "Attribute.1.Value": {"35"}, "Tag.1.Key": {"k"}, "Tag.1.Value": {"v"}}, 200,
			[]string{"<CreateQueueResult><QueueUrl>" + d.URL + "/000000000000/" + queue + "</QueueUrl>"}},
		{"/", url.Values{"Action": {"CreateQueue"}, "QueueName": {queue}, "Attribute.1.Name": {"VisibilityTimeout"}, "Attribute.1.Value": {"36"}}, 400, []string{"<Code>QueueAlreadyExists</Code>", "<Type>Sender</Type>"}},
		// The queue by the path, the way old clients name it.
		{"/000000000000/" + queue, url.Values{"Action": {"SendMessage"}, "MessageBody": {"one"}, "MessageAttribute.1.Name": {"a"}, "MessageAttribute.1.Value.DataType": {"String"}, "MessageAttribute.1.Value.StringValue": {"b"}}, 200,
			[]string{"<MD5OfMessageBody>f97c5d29941bfb1b2fdab0874906ab82</MD5OfMessageBody>", "<MD5OfMessageAttributes>"}},
		{"/queue/us-east-1/000000000000/" + queue, url.Values{"Action": {"SendMessageBatch"}, "SendMessageBatchRequestEntry.1.Id": {"x"}, "SendMessageBatchRequestEntry.1.MessageBody": {"two"}, "SendMessageBatchRequestEntry.2.Id": {"y"}, "SendMessageBatchRequestEntry.2.MessageBody": {"\x01"}}, 200,
			[]string{"<SendMessageBatchResultEntry><Id>x</Id>", "<BatchResultErrorEntry><Id>y</Id>", "<Code>InvalidMessageContents</Code>"}},
		{"/000000000000/" + queue, url.Values{"Action": {"ReceiveMessage"}, "MaxNumberOfMessages": {"10"}, "AttributeName.1": {"All"}, "MessageAttributeName.1": {"All"}}, 200,
			[]string{"<Body>one</Body>", "<Body>two</Body>", "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>", "<MessageAttribute><Name>a</Name><Value><StringValue>b</StringValue>"}},
		{"/000000000000/" + queue, url.Values{"Action": {"GetQueueAttributes"}, "AttributeName.1": {"ApproximateNumberOfMessagesNotVisible"}}, 200, []string{"<Attribute><Name>ApproximateNumberOfMessagesNotVisible</Name><Value>2</Value></Attribute>"}},
		{"/000000000000/nowhere", url.Values{"Action": {"ReceiveMessage"}}, 400, []string{"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"}},
		{"/000000000000/" + queue, url.Values{"Action": {"DeleteQueue"}}, 200, []string{"<DeleteQueueResponse"}},
	}
	for _, s := range steps {
		status, body := query(t, d, d.URL+s.path, s.form)
		if status != s.status {
			t.Fatalf("%s: %d %s", s.form.Get("Action"), status, body)
		}
		for _, want := range s.want {
			if !strings.Contains(strings.ReplaceAll(body, "\n", ""), want) {
				t.Errorf("%s: %s\nis without %s", s.form.Get("Action"), body, want)
			}
		}
	}
}

// TestErrorsInJSON: the code of the protocol's own, and the one of the Query days
// in a header, for clients that match by it.
func TestErrorsInJSON(t *testing.T) {
	d := daemon.Shared(t)
	req, err := http.NewRequestWithContext(sdk.Context(t), http.MethodPost, d.URL, strings.NewReader(`{"QueueName":"no-such-queue"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueUrl")
	req.Header.Set("X-Amzn-Query-Mode", "true")
	res, body := d.Do(t, req)
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 400 || !strings.HasSuffix(e.Type, "QueueDoesNotExist") || e.Message != "The specified queue does not exist." ||
		res.Header.Get("X-Amzn-Query-Error") != "AWS.SimpleQueueService.NonExistentQueue;Sender" {
		t.Errorf("%d %s, %v", res.StatusCode, body, res.Header)
	}
}
