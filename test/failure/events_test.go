package failure

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// kill -9 amid asynchronous invocations: each that was acknowledged runs, and what
// comes of it reaches its destination.
func TestKillDuringEvents(t *testing.T) {
	const clients, enough = 8, 60
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	c := sdk.For(t, d)
	queue, err := c.SQS.CreateQueue(sdk.Context(t), &sqs.CreateQueueInput{QueueName: new("results")})
	if err != nil {
		t.Fatal(err)
	}
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    return event\n"))
	_, err = c.Lambda.PutFunctionEventInvokeConfig(sdk.Context(t), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: &name,
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: new("arn:aws:sqs:us-east-1:000000000000:results")}}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	acknowledged, killed := map[string]bool{}, make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", client, n)
				_, err := c.Lambda.Invoke(sdk.Context(t), &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent,
					Payload: []byte(`"` + id + `"`)}, func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
				if err != nil {
					return
				}
				mu.Lock()
				acknowledged[id] = true
				all := len(acknowledged)
				mu.Unlock()
				if all >= enough {
					once.Do(func() { close(killed) })
				}
			}
		})
	}
	<-killed
	d.Kill(t)
	wg.Wait()

	d = daemon.StartOn(t, data)
	c = sdk.For(t, d)
	again := 0
	seen := map[string]int{}
	for left := len(acknowledged); left > 0; {
		got, err := c.SQS.ReceiveMessage(sdk.Context(t), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
		if err != nil {
			t.Fatalf("%d of %d events have not come: %v", left, len(acknowledged), err)
		}
		for _, m := range got.Messages {
			var record struct{ ResponsePayload string }
			if err := json.Unmarshal([]byte(*m.Body), &record); err != nil {
				t.Fatal(err)
			}
			if seen[record.ResponsePayload]++; seen[record.ResponsePayload] > 1 {
				again++
			} else if acknowledged[record.ResponsePayload] {
				left--
			}
			if _, err := c.SQS.DeleteMessage(sdk.Context(t), &sqs.DeleteMessageInput{QueueUrl: queue.QueueUrl, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d events were acknowledged before the kill, %d ran more than once", len(acknowledged), again)
}
