package sqs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
)

func TestVisibility(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q", "VisibilityTimeout", "40")
		c.send(url, "a")
		first := ok[*api.ReceiveMessageResult](t)(c.ReceiveMessage(c.ctx, &api.ReceiveMessageRequest{QueueUrl: &url})).Messages[0]
		time.Sleep(39 * time.Second)
		c.wantReceive(url, 0, "")
		if err := c.visibility(url, first, 100); err != nil { // past the queue's own
			t.Fatal(err)
		}
		time.Sleep(99 * time.Second)
		if got := c.counts(url); got != "0/1/0" {
			t.Error(got)
		}
		time.Sleep(time.Second)
		second := c.wantReceive(url, 10, "a")[0]
		if second.Attributes["ApproximateReceiveCount"] != "2" || second.Attributes["ApproximateFirstReceiveTimestamp"] != "946684800000" || second.Attributes["SentTimestamp"] != "946684800000" {
			t.Errorf("%v", second.Attributes)
		}
		// The first handle is an old one: it deletes nothing, and changes nothing.
		if err := c.delete(url, first); err != nil {
			t.Error(err)
		}
		fails[any](t, "not available for visibility timeout change")(nil, c.visibility(url, first, 5))
		if got := c.counts(url); got != "0/1/0" {
			t.Error(got)
		}
		fails[any](t, "Total VisibilityTimeout for the message is beyond the limit")(nil, func() error { time.Sleep(time.Second); return c.visibility(url, second, 43200) }())
		fails[any](t, "Must be between 0 and 43200")(nil, c.visibility(url, second, 43201))
		if err := c.visibility(url, second, 0); err != nil {
			t.Fatal(err)
		}
		third := c.wantReceive(url, 5, "a")[0]
		time.Sleep(6 * time.Second)
		if err := errors.Join(c.delete(url, third), c.delete(url, third)); err != nil { // after its timeout, and again
			t.Error(err)
		}
		if got := c.counts(url); got != "0/0/0" {
			t.Error(got)
		}
		other := c.create("other")
		if err := c.delete(other, third); code(err) != "ReceiptHandleIsInvalid" {
			t.Errorf("a handle of another queue: %v", err)
		}
		if err := c.delete(url, &api.Message{ReceiptHandle: new("INVALID")}); code(err) != "ReceiptHandleIsInvalid" {
			t.Errorf("no handle: %v", err)
		}
	})
}

func TestDelayAndRetention(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q", "DelaySeconds", "10", "MessageRetentionPeriod", "60")
		c.send(url, "queue's")
		ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("own"), DelaySeconds: new(int32(20))}))
		ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("none"), DelaySeconds: new(int32(0))}))
		if got := c.counts(url); got != "1/0/2" {
			t.Error(got)
		}
		c.wantReceive(url, 100, "none")
		time.Sleep(10 * time.Second)
		c.wantReceive(url, 1, "queue's")
		time.Sleep(10 * time.Second)
		c.wantReceive(url, 1, "queue's own")
		time.Sleep(39 * time.Second)
		if got := c.counts(url); got != "2/1/0" {
			t.Error(got)
		}
		time.Sleep(2 * time.Second)
		if got := c.counts(url); got != "0/0/0" {
			t.Error(got)
		}
		c.wantReceive(url, 1, "")
	})
}

func TestLongPolling(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q", "ReceiveMessageWaitTimeSeconds", "5")
		poll := func(ctx context.Context, wait *int32) <-chan string {
			done := make(chan string, 1)
			go func() {
				start := time.Now()
				out, err := c.ReceiveMessage(ctx, &api.ReceiveMessageRequest{QueueUrl: &url, WaitTimeSeconds: wait})
				if err != nil {
					done <- err.Error()
					return
				}
				done <- fmt.Sprint(texts(out.Messages), " after ", time.Since(start))
			}()
			synctest.Wait()
			return done
		}
		if got := <-poll(c.ctx, nil); got != " after 5s" {
			t.Error(got)
		}
		if got := <-poll(c.ctx, new(int32(0))); got != " after 0s" {
			t.Error(got)
		}
		twenty := poll(c.ctx, new(int32(20)))
		time.Sleep(15 * time.Second)
		c.send(url, "a")
		if got := <-twenty; got != "a after 15s" {
			t.Error(got)
		}
		again := poll(c.ctx, new(int32(20))) // until the visibility timeout ends, 30 seconds after
		if got := <-again; got != " after 20s" {
			t.Error(got)
		}
		if got := <-poll(c.ctx, new(int32(20))); got != "a after 10s" {
			t.Error(got)
		}
		ctx, leave := context.WithCancel(c.ctx)
		gone := poll(ctx, new(int32(20)))
		leave()
		if got := <-gone; got != " after 0s" {
			t.Error(got)
		}
		stopped := poll(c.ctx, new(int32(20)))
		c.stopPolling()
		if got := <-stopped; got != " after 0s" {
			t.Error(got)
		}
		for want, in := range map[string]*api.ReceiveMessageRequest{
			"Value 21 for parameter WaitTimeSeconds":           {WaitTimeSeconds: new(int32(21))},
			"Value 11 for parameter MaxNumberOfMessages":       {MaxNumberOfMessages: new(int32(11))},
			"Value -1 for parameter VisibilityTimeout":         {VisibilityTimeout: new(int32(-1))},
			"for parameter ReceiveRequestAttemptId is invalid": {ReceiveRequestAttemptId: new("x")},
		} {
			in.QueueUrl = &url
			fails[*api.ReceiveMessageResult](t, want)(c.ReceiveMessage(c.ctx, in))
		}
	})
}

func TestFIFO(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q.fifo", "FifoQueue", "true")
		c.send(url, "g:1", "h:1", "g:2", "g:1") // the last is a duplicate
		got := c.wantReceive(url, 30, "g:1 g:2 h:1")
		a := got[0].Attributes
		if a["MessageGroupId"] != "g" || a["MessageDeduplicationId"] != "g:1" || len(a["SequenceNumber"]) != 20 || a["SequenceNumber"] >= got[1].Attributes["SequenceNumber"] {
			t.Errorf("%v", a)
		}
		c.send(url, "g:3")
		c.wantReceive(url, 30, "")
		if err := errors.Join(c.delete(url, got[0]), c.visibility(url, got[1], 0)); err != nil {
			t.Fatal(err)
		}
		got = c.wantReceive(url, 10, "g:2 g:3")
		time.Sleep(10 * time.Second)
		fails[any](t, "The receipt handle has expired")(nil, c.delete(url, got[0]))
		c.wantReceive(url, 10, "g:2 g:3")
		time.Sleep(5 * time.Minute)
		c.send(url, "g:1") // is new again
		if got := c.counts(url); got != "4/0/0" {
			t.Error(got)
		}

		in := func() *api.SendMessageRequest {
			return &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("b"), MessageGroupId: new("g"), MessageDeduplicationId: new("d")}
		}
		noGroup, noDedup, delay, long := in(), in(), in(), in()
		noGroup.MessageGroupId, noDedup.MessageDeduplicationId, delay.DelaySeconds, long.MessageGroupId = nil, nil, new(int32(2)), new(strings.Repeat("x", 129))
		for want, in := range map[string]*api.SendMessageRequest{
			"MissingParameter: The request must contain the parameter MessageGroupId.": noGroup,
			"ContentBasedDeduplication enabled or MessageDeduplicationId":              noDedup,
			"Value 2 for parameter DelaySeconds is invalid":                            delay,
			"MessageGroupId can only include":                                          long,
		} {
			fails[*api.SendMessageResult](t, want)(c.SendMessage(c.ctx, in))
		}
		standard := c.create("q")
		fails[*api.SendMessageResult](t, "not valid for this queue type")(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &standard, MessageBody: new("b"), MessageDeduplicationId: new("d")}))
		ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &standard, MessageBody: new("b"), MessageGroupId: new("g")}))
		if m := c.wantReceive(standard, 1, "b")[0]; m.Attributes["MessageGroupId"] != "g" || m.Attributes["SequenceNumber"] != "" {
			t.Errorf("%v", m.Attributes)
		}
	})
}

func TestDeduplication(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
		send := func(group, body string, dedup *string) string {
			return *ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: &body, MessageGroupId: &group, MessageDeduplicationId: dedup})).MessageId
		}
		first := send("g", "a", nil)
		if again := send("g", "a", nil); again != first {
			t.Error("the same content is another message")
		}
		if again := send("other", "a", nil); again != first {
			t.Error("groups tell messages apart in a queue that does not want that")
		}
		// The SHA-256 of "a", given explicitly.
		if again := send("g", "b", new("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")); again != first {
			t.Error("the hash of the content is another ID")
		}
		if other := send("g", "a", new("explicit")); other == first {
			t.Error("an explicit ID does not go before the content")
		}
		c.set(url, "DeduplicationScope", "messageGroup")
		if send("x", "z", nil) == send("y", "z", nil) {
			t.Error("groups do not tell messages apart")
		}
	})
}

func TestReceiveRequestAttempts(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q.fifo", "FifoQueue", "true")
		c.send(url, "g:1", "h:1")
		attempt := func(id string) []*api.Message {
			return ok[*api.ReceiveMessageResult](t)(c.ReceiveMessage(c.ctx, &api.ReceiveMessageRequest{QueueUrl: &url, ReceiveRequestAttemptId: &id, VisibilityTimeout: new(int32(60))})).Messages
		}
		first := attempt("1")
		time.Sleep(50 * time.Second)
		again := attempt("1")
		if texts(first) != "g:1" || texts(again) != "g:1" || *first[0].ReceiptHandle != *again[0].ReceiptHandle {
			t.Fatalf("%q, then %q", texts(first), texts(again))
		}
		time.Sleep(50 * time.Second) // the timeout began anew
		if got := c.counts(url); got != "1/1/0" {
			t.Error(got)
		}
		if got := attempt("2"); texts(got) != "h:1" {
			t.Errorf("another attempt: %q", texts(got))
		}
		if err := c.delete(url, first[0]); err != nil {
			t.Fatal(err)
		}
		if got := attempt("1"); len(got) != 0 {
			t.Errorf("after the deletion: %q", texts(got))
		}
	})
}

func TestDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		dead := c.create("dead")
		url := c.create("q", "RedrivePolicy", redriveTo("dead", 2))
		c.send(url, "a")
		for range 2 {
			c.wantReceive(url, 0, "a")
		}
		c.wantReceive(url, 0, "")
		m := c.wantReceive(dead, 0, "a")[0]
		if m.Attributes["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:000000000000:q" || m.Attributes["ApproximateReceiveCount"] != "3" {
			t.Errorf("%v", m.Attributes)
		}
		// A queue that is not allowed any more, and one that is gone, take nothing.
		c.set(dead, "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
		c.send(url, "b")
		for range 4 {
			c.wantReceive(url, 0, "b")
		}
		fails[any](t, "does not allow")(nil, func() error {
			_, err := c.CreateQueue(c.ctx, &api.CreateQueueRequest{QueueName: new("q2"), Attributes: map[string]string{"RedrivePolicy": redriveTo("dead", 2)}})
			return err
		}())
		c.set(dead, "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:q"]}`)
		c.wantReceive(url, 0, "")
		c.set(url, "RedrivePolicy", "")
		if got := c.attribute(url, "RedrivePolicy"); got != "" {
			t.Error(got)
		}
	})
}

func TestMoveTasks(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		const deadARN, qARN, otherARN = "arn:aws:sqs:us-east-1:000000000000:dead", "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sqs:us-east-1:000000000000:other"
		dead := c.create("dead")
		url := c.create("q", "RedrivePolicy", redriveTo("dead", 1))
		other := c.create("other")
		fill := func(n int) {
			for i := range n {
				c.send(url, fmt.Sprint(i))
			}
			for c.counts(url) != "0/0/0" {
				c.receive(url, 0)
			}
		}
		task := func(destination *string, rate *int32) string {
			time.Sleep(time.Second) // tasks are listed by their start
			return *ok[*api.StartMessageMoveTaskResult](t)(c.StartMessageMoveTask(c.ctx, &api.StartMessageMoveTaskRequest{SourceArn: new(deadARN), DestinationArn: destination, MaxNumberOfMessagesPerSecond: rate})).TaskHandle
		}
		last := func() *api.ListMessageMoveTasksResultEntry {
			return ok[*api.ListMessageMoveTasksResult](t)(c.ListMessageMoveTasks(c.ctx, &api.ListMessageMoveTasksRequest{SourceArn: new(deadARN)})).Results[0]
		}
		fill(3)
		task(nil, nil)
		synctest.Wait()
		if e := last(); *e.Status != "COMPLETED" || *e.ApproximateNumberOfMessagesMoved != 3 || *e.ApproximateNumberOfMessagesToMove != 3 || e.DestinationArn != nil || e.TaskHandle != nil {
			t.Errorf("%+v", e)
		}
		if got := c.receive(url, 0); len(got) != 3 || got[0].Attributes["ApproximateReceiveCount"] != "1" || got[0].Attributes["DeadLetterQueueSourceArn"] != "" {
			t.Errorf("%q", texts(got))
		}
		fill(0)
		handle := task(new(otherARN), new(int32(1)))
		fails[*api.StartMessageMoveTaskResult](t, "already a task running")(c.StartMessageMoveTask(c.ctx, &api.StartMessageMoveTaskRequest{SourceArn: new(deadARN)}))
		synctest.Wait()
		if e := last(); *e.Status != "RUNNING" || *e.ApproximateNumberOfMessagesMoved != 1 || *e.DestinationArn != otherARN || *e.TaskHandle != handle || *e.MaxNumberOfMessagesPerSecond != 1 {
			t.Errorf("%+v", e)
		}
		c = c.restart()
		synctest.Wait()
		if got := c.counts(other); got != "2/0/0" {
			t.Errorf("after a restart: %s", got)
		}
		moved := ok[*api.CancelMessageMoveTaskResult](t)(c.CancelMessageMoveTask(c.ctx, &api.CancelMessageMoveTaskRequest{TaskHandle: &handle}))
		if *moved.ApproximateNumberOfMessagesMoved != 2 {
			t.Errorf("moved %d", *moved.ApproximateNumberOfMessagesMoved)
		}
		time.Sleep(time.Minute)
		if got := c.counts(dead) + " " + c.counts(other); got != "1/0/0 2/0/0" || *last().Status != "CANCELLED" {
			t.Errorf("%s, %s", got, *last().Status)
		}
		fails[*api.CancelMessageMoveTaskResult](t, "Only active tasks")(c.CancelMessageMoveTask(c.ctx, &api.CancelMessageMoveTaskRequest{TaskHandle: &handle}))
		c.send(dead, "direct")
		task(nil, new(int32(1)))
		time.Sleep(5 * time.Second)
		if e := last(); *e.Status != "FAILED" || *e.FailureReason != "CouldNotDetermineMessageSource" || *e.ApproximateNumberOfMessagesMoved != 1 {
			t.Errorf("%+v", e)
		}
		c.send(dead, "another")
		task(new(otherARN), new(int32(1)))
		synctest.Wait()
		if _, err := c.DeleteQueue(c.ctx, &api.DeleteQueueRequest{QueueUrl: &other}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if e := last(); *e.Status != "FAILED" || *e.FailureReason != "AWS.SimpleQueueService.NonExistentQueue" {
			t.Errorf("%+v", e)
		}
		for want, in := range map[string]*api.StartMessageMoveTaskRequest{
			"SourceArn parameter doesn't exist":      {SourceArn: new("arn:aws:sqs:us-east-1:000000000000:none")},
			"configured as a Dead Letter Queue":      {SourceArn: new(qARN)},
			"DestinationArn parameter doesn't exist": {SourceArn: new(deadARN), DestinationArn: new(otherARN)},
			"MaxNumberOfMessagesPerSecond":           {SourceArn: new(deadARN), MaxNumberOfMessagesPerSecond: new(int32(501))},
		} {
			fails[*api.StartMessageMoveTaskResult](t, want)(c.StartMessageMoveTask(c.ctx, in))
		}
		fails[*api.CancelMessageMoveTaskResult](t, "TaskHandle is invalid")(c.CancelMessageMoveTask(c.ctx, &api.CancelMessageMoveTaskRequest{TaskHandle: new("foo")}))
	})
}

func TestBatches(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		send := func(entries ...*api.SendMessageBatchRequestEntry) (*api.SendMessageBatchResult, error) {
			return c.SendMessageBatch(c.ctx, &api.SendMessageBatchRequest{QueueUrl: &url, Entries: entries})
		}
		entry := func(id, body string) *api.SendMessageBatchRequestEntry {
			return &api.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
		}
		bad := entry("bad", "x")
		bad.DelaySeconds = new(int32(901))
		out := ok[*api.SendMessageBatchResult](t)(send(entry("1", "a"), bad, entry("2", "\x00"), entry("3", "b")))
		if len(out.Successful) != 2 || *out.Successful[1].Id != "3" || len(out.Failed) != 2 || *out.Failed[0].Code != "InvalidParameterValue" || *out.Failed[1].Code != "InvalidMessageContents" || !*out.Failed[1].SenderFault {
			t.Errorf("%+v", out)
		}
		var eleven []*api.SendMessageBatchRequestEntry
		for i := range 11 {
			eleven = append(eleven, entry(fmt.Sprint(i), "x"))
		}
		fails[any](t, "EmptyBatchRequest")(send())
		fails[any](t, "TooManyEntriesInBatchRequest: Maximum number of entries per request are 10. You have sent 11.")(send(eleven...))
		fails[any](t, "BatchEntryIdsNotDistinct: Id 1 repeated.")(send(entry("1", "a"), entry("1", "b")))
		fails[any](t, "InvalidBatchEntryId")(send(entry("a:b", "a")))
		half := strings.Repeat("x", 1<<19)
		fails[any](t, "BatchRequestTooLong: Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.")(send(entry("1", half), entry("2", half+"x")))
		ok[*api.SendMessageBatchResult](t)(send(entry("1", half), entry("2", half)))

		got := c.receive(url, 30)
		if len(got) != 4 {
			t.Fatalf("received %d", len(got))
		}
		changed := ok[*api.ChangeMessageVisibilityBatchResult](t)(c.ChangeMessageVisibilityBatch(c.ctx, &api.ChangeMessageVisibilityBatchRequest{QueueUrl: &url, Entries: []*api.ChangeMessageVisibilityBatchRequestEntry{
			{Id: new("1"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: new(int32(0))},
			{Id: new("2"), ReceiptHandle: new("x"), VisibilityTimeout: new(int32(0))},
			{Id: new("3"), ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: new(int32(-1))}}}))
		if len(changed.Successful) != 1 || len(changed.Failed) != 2 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" || *changed.Failed[1].Code != "InvalidParameterValue" {
			t.Errorf("%+v", changed)
		}
		deleted := ok[*api.DeleteMessageBatchResult](t)(c.DeleteMessageBatch(c.ctx, &api.DeleteMessageBatchRequest{QueueUrl: &url, Entries: []*api.DeleteMessageBatchRequestEntry{
			{Id: new("1"), ReceiptHandle: got[1].ReceiptHandle}, {Id: new("2"), ReceiptHandle: new("x")}, {Id: new("3"), ReceiptHandle: got[2].ReceiptHandle}}}))
		if len(deleted.Successful) != 2 || len(deleted.Failed) != 1 || *deleted.Failed[0].Id != "2" {
			t.Errorf("%+v", deleted)
		}
		if got := c.counts(url); got != "1/1/0" {
			t.Error(got)
		}
		fifo := c.create("q.fifo", "FifoQueue", "true")
		_, err := c.SendMessageBatch(c.ctx, &api.SendMessageBatchRequest{QueueUrl: &fifo, Entries: []*api.SendMessageBatchRequestEntry{entry("1", "a")}})
		fails[any](t, "InvalidParameterValue: The request must contain the parameter MessageGroupId.")(nil, err)
	})
}

func TestMessageAttributes(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		str := func(s string) *api.MessageAttributeValue {
			return &api.MessageAttributeValue{DataType: new("String"), StringValue: &s}
		}
		sent := ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("msg"),
			MessageAttributes:       map[string]*api.MessageAttributeValue{"Help.Me": str("Me"), "Hello": str("There"), "General": str("Kenobi")},
			MessageSystemAttributes: map[string]*api.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: new("String"), StringValue: new("Root=1-5759e988-bd862e3fe1be46a994272793")}}}))
		// These digests are AWS's own, as LocalStack's tests have recorded them.
		if *sent.MD5OfMessageAttributes != "4c360f3fdafd970e05fae2f149d997f5" || *sent.MD5OfMessageBody != "6e2baaf3b97dbeef01c0043275f9a0e7" || sent.MD5OfMessageSystemAttributes == nil {
			t.Errorf("%+v", sent)
		}
		for wanted, md5 := range map[string]string{"All": "4c360f3fdafd970e05fae2f149d997f5", ".*": "4c360f3fdafd970e05fae2f149d997f5", "*": "4c360f3fdafd970e05fae2f149d997f5",
			"Foo": "", "Hello": "a311262e065454b75da111d535b8dacd", "Hel.*": "83fee93c1bcd8b9a5a923ffacdc636c7", "Hello,General": "fca026605781cb4126a1e9044df24232"} {
			m := ok[*api.ReceiveMessageResult](t)(c.ReceiveMessage(c.ctx, &api.ReceiveMessageRequest{QueueUrl: &url, VisibilityTimeout: new(int32(0)),
				MessageAttributeNames: strings.Split(wanted, ","), AttributeNames: []api.QueueAttributeName{"SenderId", "Policy"}, MessageSystemAttributeNames: []api.MessageSystemAttributeName{"AWSTraceHeader"}})).Messages[0]
			got := ""
			if m.MD5OfMessageAttributes != nil {
				got = *m.MD5OfMessageAttributes
			}
			if got != md5 || m.Attributes["AWSTraceHeader"] != "Root=1-5759e988-bd862e3fe1be46a994272793" || m.Attributes["SenderId"] != account || len(m.Attributes) != 2 {
				t.Errorf("%s: %s, want %s; %v", wanted, got, md5, m.Attributes)
			}
		}
		binary := map[string]*api.MessageAttributeValue{"attr1": {DataType: new("Binary"), BinaryValue: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}}
		if got := attributesMD5(binary); got != "8cbe4db156db8a94db8b801b7addb984" {
			t.Errorf("binary: %s", got)
		}
		typed := func(name, dataType, value string) map[string]*api.MessageAttributeValue {
			return map[string]*api.MessageAttributeValue{name: {DataType: &dataType, StringValue: &value}}
		}
		many := map[string]*api.MessageAttributeValue{}
		for i := range 11 {
			many[fmt.Sprint(i)] = str("x")
		}
		for want, attributes := range map[string]map[string]*api.MessageAttributeValue{
			"'ErrorDetails' must contain a non-empty value of type 'String'": typed("ErrorDetails", "String", ""),
			"exceeds the allowed maximum [10]":                               many,
			"reserved for internal use":                                      typed("AWS.x", "String", "x"),
			"non-alphanumeric character":                                     typed("a b", "String", "x"),
			"begin or end with a dot":                                        typed(".a", "String", "x"),
			"supported type prefixes":                                        typed("a", "Text", "x"),
			"to a number":                                                    typed("a", "Number.int", "1x"),
			"value of type 'Binary'":                                         typed("a", "Binary", "x"),
			"characters that are not allowed":                                typed("a", "String", "\x01"),
		} {
			fails[*api.SendMessageResult](t, want)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("b"), MessageAttributes: attributes}))
		}
		ok[*api.SendMessageResult](t)(c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: new("b"), MessageAttributes: typed("n", "Number", "-1.5e10")}))
		for want, a := range map[string]*api.MessageSystemAttributeValue{
			"non-empty value of type 'String'":                {DataType: new("String"), StringValue: new("x"), BinaryValue: []byte("y")},
			"list values":                                     {DataType: new("String"), StringListValues: []string{"x"}},
			"supported type prefixes: String":                 {DataType: new("Number"), StringValue: new("1")},
			"must contain a non-empty message attribute type": {StringValue: new("x")},
		} {
			fails[any](t, want)(nil, checkSystemAttributes(map[string]*api.MessageSystemAttributeValue{"AWSTraceHeader": a}))
		}
		fails[any](t, "is invalid")(nil, checkSystemAttributes(map[string]*api.MessageSystemAttributeValue{"Other": {DataType: new("String"), StringValue: new("x")}}))
	})
}

func TestSizesAndCharacters(t *testing.T) {
	bubble(t, func(t *testing.T, c *client) {
		url := c.create("q")
		send := func(body string) error {
			_, err := c.SendMessage(c.ctx, &api.SendMessageRequest{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]*api.MessageAttributeValue{"n": {DataType: new("String"), StringValue: new("x")}}})
			return err
		}
		most := strings.Repeat("x", maxMessageSize-len("nStringx"))
		if err := send(most); err != nil {
			t.Error(err)
		}
		fails[any](t, "Message must be shorter than 1048576 bytes.")(nil, send(most+"x"))
		c.set(url, "MaximumMessageSize", "1024")
		fails[any](t, "Message must be shorter than 1024 bytes.")(nil, send(strings.Repeat("x", 1024)))
		fails[any](t, "MessageBody")(nil, send(""))
		for _, good := range []string{"\t\n\r €𝄞", "\ufffd", "\ud7ff\ue000"} {
			if err := send(good); err != nil {
				t.Errorf("%q: %v", good, err)
			}
		}
		for _, bad := range []string{"\x00", "a\x0b", "\ufffe", "\xff"} {
			fails[any](t, "InvalidMessageContents")(nil, send(bad))
		}
	})
}
