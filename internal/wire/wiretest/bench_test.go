package wiretest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

// rewinder is a body that can be read again.
type rewinder struct{ bytes.Reader }

func (*rewinder) Close() error { return nil }

// bench serves the same request over and over: all that wire does of it, and
// nothing of net/http.
func bench(b *testing.B, svc *schema.Service, h any, r *http.Request, body []byte) {
	b.Helper()
	server := wire.NewServer(svc, h, wire.Options{})
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", RequestID: requestID}))
	w := &sink{h: http.Header{}}
	src := &rewinder{}
	r.ContentLength = int64(len(body))
	r.Body = src
	probe := httptest.NewRecorder()
	src.Reset(body)
	server.ServeHTTP(probe, r)
	if probe.Code != http.StatusOK {
		b.Fatalf("%d %s", probe.Code, probe.Body)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		clear(w.h)
		src.Reset(body)
		server.ServeHTTP(w, r)
	}
}

type echo struct{ lambda.Unimplemented }

func (echo) Invoke(_ context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	return &lambda.InvocationResponse{StatusCode: new(int32(200)), ExecutedVersion: new("$LATEST"), Payload: in.Payload}, nil
}

func BenchmarkInvoke(b *testing.B) {
	r := httptest.NewRequest("POST", "/2015-03-31/functions/my-function/invocations", nil)
	r.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	bench(b, &lambda.Service, echo{}, r, bytes.Repeat([]byte("x"), 1024))
}

type sender struct{ sqs.Unimplemented }

func (sender) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchRequest) (*sqs.SendMessageBatchResult, error) {
	out := &sqs.SendMessageBatchResult{}
	for _, e := range in.Entries {
		out.Successful = append(out.Successful, &sqs.SendMessageBatchResultEntry{Id: e.Id, MessageId: e.Id, MD5OfMessageBody: e.Id})
	}
	return out, nil
}

var batch = []byte(`{"QueueUrl":"http://127.0.0.1:4566/000000000000/queue","Entries":[` +
	`{"Id":"1","MessageBody":"{\"order\":1,\"items\":[1,2,3]}","DelaySeconds":5,"MessageAttributes":{"kind":{"DataType":"String","StringValue":"order"},"n":{"DataType":"Number","StringValue":"12"}}},` +
	`{"Id":"2","MessageBody":"{\"order\":2,\"items\":[1,2,3]}","DelaySeconds":5,"MessageAttributes":{"kind":{"DataType":"String","StringValue":"order"},"b":{"DataType":"Binary","BinaryValue":"aGVsbG8="}}},` +
	`{"Id":"3","MessageBody":"{\"order\":3,\"items\":[1,2,3]}","DelaySeconds":5}]}`)

func BenchmarkSendMessageBatchJSON(b *testing.B) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessageBatch")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	bench(b, &sqs.Service, sender{}, r, batch)
}

type putter struct{ cloudwatch.Unimplemented }

func (putter) GetMetricStatistics(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
	out := &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName}
	for range 10 {
		out.Datapoints = append(out.Datapoints, &cloudwatch.Datapoint{Timestamp: in.StartTime, Average: new(1.5), SampleCount: new(3.0)})
	}
	return out, nil
}

func BenchmarkGetMetricStatisticsCBOR(b *testing.B) {
	r := httptest.NewRequest("POST", "/service/GraniteServiceVersion20100801/operation/GetMetricStatistics", nil)
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	bench(b, &cloudwatch.Service, putter{}, r, []byte(
		"\xa7\x69Namespace\x61n\x6aMetricName\x61m\x69StartTime\xc1\x00\x67EndTime\xc1\x01\x66Period\x18\x3c\x6aStatistics\x81\x63Sum"+
			"\x6aDimensions\x82\xa2\x64Name\x61a\x65Value\x61b\xa2\x64Name\x61c\x65Value\x61d"))
}

func BenchmarkSendMessageBatchQuery(b *testing.B) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	bench(b, &sqs.Service, sender{}, r, []byte("Action=SendMessageBatch&QueueUrl=q"+
		"&SendMessageBatchRequestEntry.1.Id=1&SendMessageBatchRequestEntry.1.MessageBody=hello+world"+
		"&SendMessageBatchRequestEntry.2.Id=2&SendMessageBatchRequestEntry.2.MessageBody=hello+world"))
}
