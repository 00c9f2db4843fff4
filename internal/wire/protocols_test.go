package wire_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

type queues struct{ sqs.Unimplemented }

func (queues) CreateQueue(_ context.Context, in *sqs.CreateQueueRequest) (*sqs.CreateQueueResult, error) {
	return &sqs.CreateQueueResult{QueueUrl: new(*in.QueueName + in.Attributes["DelaySeconds"] + in.Tags["k"])}, nil
}

func (queues) GetQueueUrl(context.Context, *sqs.GetQueueUrlRequest) (*sqs.GetQueueUrlResult, error) {
	return nil, &sqs.QueueDoesNotExist{Message: new("no <queue>")}
}

func (queues) ReceiveMessage(_ context.Context, in *sqs.ReceiveMessageRequest) (*sqs.ReceiveMessageResult, error) {
	return &sqs.ReceiveMessageResult{Messages: []*sqs.Message{{Body: new("b"), Attributes: map[string]string{"SenderId": "s"}}}}, nil
}

const form = "application/x-www-form-urlencoded"

// TestSQS speaks to SQS as its clients do and did: JSON 1.0, and awsQuery with
// names that the model of today no longer has.
func TestSQS(t *testing.T) {
	const meta = "<ResponseMetadata><RequestId>" + requestID + "</RequestId></ResponseMetadata>"
	const ns = ` xmlns="http://queue.amazonaws.com/doc/2012-11-05/"`
	for _, c := range []struct {
		name, target, body string
		header             []string
		status             int
		want, queryError   string
	}{
		{name: "json", target: "/", header: []string{"X-Amz-Target", "AmazonSQS.CreateQueue"},
			body:   `{"QueueName":"q","Attributes":{"DelaySeconds":"1"},"tags":{"k":"v"}}`,
			status: 200, want: `{"QueueUrl":"q1v"}`},
		{name: "query", target: "/", header: []string{"Content-Type", form},
			body:   "Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=1&Tag.1.Key=k&Tag.1.Value=v",
			status: 200, want: "<CreateQueueResponse" + ns + "><CreateQueueResult><QueueUrl>q1v</QueueUrl></CreateQueueResult>" + meta + "</CreateQueueResponse>"},
		{name: "query by GET", target: "/?Action=CreateQueue&QueueName=q",
			status: 200, want: "<CreateQueueResponse" + ns + "><CreateQueueResult><QueueUrl>q</QueueUrl></CreateQueueResult>" + meta + "</CreateQueueResponse>"},
		{name: "query messages", target: "/", header: []string{"Content-Type", form + "; charset=utf-8"}, body: "Action=ReceiveMessage&QueueUrl=q&AttributeName=All",
			status: 200, want: "<ReceiveMessageResponse" + ns + "><ReceiveMessageResult><Message><Body>b</Body><Attribute><Name>SenderId</Name><Value>s</Value></Attribute></Message></ReceiveMessageResult>" + meta + "</ReceiveMessageResponse>"},
		{name: "json error", target: "/", header: []string{"X-Amz-Target", "AmazonSQS.GetQueueUrl", "X-Amzn-Query-Mode", "true"}, body: `{"QueueName":"q"}`,
			status: 400, want: `"message":"no <queue>"`, queryError: "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		{name: "query error", target: "/", header: []string{"Content-Type", form}, body: "Action=GetQueueUrl&QueueName=q",
			status: 400, want: "<Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>no &lt;queue&gt;</Message></Error><RequestId>" + requestID + "</RequestId>"},
		{name: "query not implemented", target: "/", header: []string{"Content-Type", form}, body: "Action=ListQueues",
			status: 501, want: "<Code>NotImplementedException</Code><Message>Paddock does not implement sqs:ListQueues yet</Message>"},
		{name: "json unknown", target: "/", header: []string{"X-Amz-Target", "AmazonSQS.Nothing"}, status: 400, want: `"__type":"UnknownOperationException"`, queryError: "UnknownOperationException;Sender"},
		{name: "query unknown", target: "/?Action=Nothing&Version=2012-11-05", status: 400, want: "<Code>InvalidAction</Code><Message>Could not find operation Nothing for version 2012-11-05</Message>"},
		{name: "not JSON", target: "/", header: []string{"X-Amz-Target", "AmazonSQS.CreateQueue"}, body: "{", status: 400, want: `SerializationException`, queryError: "SerializationException;Sender"},
		{name: "wrong type", target: "/", header: []string{"X-Amz-Target", "AmazonSQS.CreateQueue"}, body: `{"QueueName":1}`, status: 400, want: `"message":"NUMBER_VALUE can not be converted to a String"`, queryError: "SerializationException;Sender"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, &sqs.Service, queues{}, "POST", c.target, c.body, c.header...)
			got := text(t, r)
			if r.StatusCode != c.status || !strings.Contains(got, c.want) {
				t.Errorf("%d %s\nwant %s", r.StatusCode, got, c.want)
			}
			if g := r.Header.Get("x-amzn-query-error"); g != c.queryError {
				t.Errorf("x-amzn-query-error: %q", g)
			}
			if r.Header.Get("x-amzn-RequestId") != requestID {
				t.Error("no request ID")
			}
		})
	}
}

type metricsHandler struct{ cloudwatch.Unimplemented }

func (metricsHandler) GetMetricStatistics(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
	return &cloudwatch.GetMetricStatisticsOutput{Label: new(*in.MetricName + "/" + in.StartTime.Format("2006-01-02"))}, nil
}

// TestCloudWatch speaks the three protocols of CloudWatch's clients.
func TestCloudWatch(t *testing.T) {
	for _, c := range []struct {
		name, target, body string
		header             []string
		contentType, want  string
	}{
		{"cbor", "/service/GraniteServiceVersion20100801/operation/GetMetricStatistics",
			"\xa6\x69Namespace\x61n\x6aMetricName\x61m\x69StartTime\xc1\x00\x67EndTime\xc1\x01\x66Period\x18\x3c\x6aStatistics\x81\x63Sum",
			[]string{"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor"},
			"application/cbor", "\xa1\x65Label\x6cm/1970-01-01"},
		{"json", "/", `{"Namespace":"n","MetricName":"m","StartTime":0,"EndTime":1,"Period":60,"Statistics":["Sum"]}`,
			[]string{"X-Amz-Target", "GraniteServiceVersion20100801.GetMetricStatistics"},
			"application/x-amz-json-1.0", `{"Label":"m/1970-01-01"}`},
		{"query", "/", "Action=GetMetricStatistics&Namespace=n&MetricName=m&StartTime=1970-01-01T00:00:00Z&EndTime=1970-01-01T00:00:01Z&Period=60&Statistics.member.1=Sum",
			[]string{"Content-Type", form},
			"text/xml", "<GetMetricStatisticsResult><Label>m/1970-01-01</Label></GetMetricStatisticsResult>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, &cloudwatch.Service, metricsHandler{}, "POST", c.target, c.body, c.header...)
			if got := text(t, r); r.StatusCode != 200 || !strings.Contains(got, c.want) || r.Header.Get("Content-Type") != c.contentType {
				t.Errorf("%d %s %q", r.StatusCode, r.Header.Get("Content-Type"), got)
			}
		})
	}
}

type objects struct {
	s3.Unimplemented
	body io.Reader
}

func (o objects) GetObject(_ context.Context, in *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
	if o.body == nil {
		return nil, &s3.NoSuchKey{Message: new("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: o.body, Metadata: map[string]string{"a": "b\r\nX-Evil: 1"}, ContentType: new("text/x")}, nil
}

func TestS3(t *testing.T) {
	r := serve(t, &s3.Service, objects{}, "GET", "/b/k", "")
	if got := text(t, r); r.StatusCode != 404 || !strings.Contains(got, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>"+requestID+"</RequestId><HostId>") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if r.Header.Get("x-amz-request-id") != requestID || len(r.Header.Get("x-amz-id-2")) != 76 {
		t.Errorf("headers %v", r.Header)
	}
	r = serve(t, &s3.Service, objects{body: strings.NewReader("hello")}, "GET", "/b/k", "")
	if got := text(t, r); got != "hello" || r.Header.Get("Content-Length") != "5" || r.Header.Get("Content-Type") != "text/x" {
		t.Errorf("%q %v", got, r.Header)
	}
	if r.Header.Get("x-amz-meta-a") != "b  X-Evil: 1" || r.Header.Get("X-Evil") != "" {
		t.Errorf("metadata %q", r.Header.Get("x-amz-meta-a"))
	}
}

func (o objects) PutObject(_ context.Context, in *s3.PutObjectRequest) (*s3.PutObjectOutput, error) {
	got, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	enc := "none"
	if in.ContentEncoding != nil {
		enc = *in.ContentEncoding
	}
	return &s3.PutObjectOutput{ETag: new(string(got) + "/" + enc)}, nil
}

// TestChunkedPut sends an object as SDKs do that sign or sum while they send.
func TestChunkedPut(t *testing.T) {
	header := []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding", "aws-chunked",
		"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-checksum-crc32"}
	r := serve(t, &s3.Service, objects{}, "PUT", "/b/k", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", header...)
	if got := text(t, r); r.StatusCode != 200 || got != "" || r.Header.Get("ETag") != "hello/none" {
		t.Errorf("%d %s %v", r.StatusCode, got, r.Header)
	}
	r = serve(t, &s3.Service, objects{}, "PUT", "/b/k", "5\r\nhallo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", header...)
	if got := text(t, r); r.StatusCode != 400 || !strings.Contains(got, "<Code>BadDigest</Code>") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
}

// TestBrokenStream wants a client to see that an answer is not whole.
func TestBrokenStream(t *testing.T) {
	h := objects{body: io.MultiReader(strings.NewReader("hel"), &failing{})}
	srv := httptest.NewServer(identified(wire.NewServer(&s3.Service, h, quiet())))
	defer srv.Close()
	r, err := http.Get(srv.URL + "/b/k")
	if err != nil {
		return // cut before the head had left its buffer
	}
	defer r.Body.Close()
	if _, err := io.ReadAll(r.Body); err == nil {
		t.Error("the body ended as if it were whole")
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("disk") }

func identified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", RequestID: requestID})))
	})
}

// TestEventStream takes the frames of a stream apart.
func TestEventStream(t *testing.T) {
	chunk := func(s string) *lambda.InvokeWithResponseStreamResponseEvent {
		return &lambda.InvokeWithResponseStreamResponseEvent{PayloadChunk: &lambda.InvokeResponseStreamUpdate{Payload: []byte(s)}}
	}
	for _, c := range []struct {
		name   string
		stream func(emit func(*lambda.InvokeWithResponseStreamResponseEvent) error) error
		want   []string
	}{
		{"whole", func(emit func(*lambda.InvokeWithResponseStreamResponseEvent) error) error {
			return errors.Join(emit(chunk("one")), emit(chunk("")),
				emit(&lambda.InvokeWithResponseStreamResponseEvent{InvokeComplete: &lambda.InvokeWithResponseStreamCompleteEvent{LogResult: new("l")}}))
		}, []string{
			":message-type=event :event-type=PayloadChunk :content-type=application/octet-stream one",
			":message-type=event :event-type=PayloadChunk :content-type=application/octet-stream ",
			`:message-type=event :event-type=InvokeComplete :content-type=application/json {"LogResult":"l"}`,
		}},
		{"broken", func(emit func(*lambda.InvokeWithResponseStreamResponseEvent) error) error {
			return errors.Join(emit(chunk("one")), errors.New("secret"))
		}, []string{
			":message-type=event :event-type=PayloadChunk :content-type=application/octet-stream one",
			":message-type=error :error-code=InternalFailure :error-message=The request processing has failed because of an unknown error, exception or failure. ",
		}},
		{"none", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, &lambda.Service, functions{stream: c.stream}, "POST", "/2021-11-15/functions/f/response-streaming-invocations", "{}")
			if r.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" {
				t.Errorf("%v", r.Header)
			}
			data := []byte(text(t, r))
			var got []string
			for len(data) > 0 {
				var msg string
				msg, data = frame(t, data)
				got = append(got, msg)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// frame reads one message, all of whose headers are strings.
func frame(t *testing.T, b []byte) (string, []byte) {
	t.Helper()
	total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) || crc32.ChecksumIEEE(b[:total-4]) != binary.BigEndian.Uint32(b[total-4:]) {
		t.Fatal("wrong checksum")
	}
	var out strings.Builder
	h := b[12 : 12+headers]
	for len(h) > 0 {
		name := string(h[1 : 1+h[0]])
		h = h[1+h[0]:]
		if h[0] != 7 {
			t.Fatalf("header %s of type %d", name, h[0])
		}
		n := binary.BigEndian.Uint16(h[1:])
		out.WriteString(name + "=" + string(h[3:3+n]) + " ")
		h = h[3+n:]
	}
	out.Write(b[12+headers : total-4])
	return out.String(), b[total:]
}

// TestHostileBodies wants small answers to bodies made to exhaust a server.
func TestHostileBodies(t *testing.T) {
	cw := "/service/GraniteServiceVersion20100801/operation/PutMetricData"
	cborHeader := []string{"Smithy-Protocol", "rpc-v2-cbor"}
	json := []string{"X-Amz-Target", "AmazonSQS.SendMessageBatch"}
	for _, c := range []struct {
		name   string
		svc    *schema.Service
		target string
		body   string
		header []string
		status int
	}{
		{"deep JSON", &sqs.Service, "/", strings.Repeat("[", 1<<20), json, 400},
		{"deep unknown JSON", &sqs.Service, "/", `{"x":` + strings.Repeat(`{"a":`, 1<<18), json, 400},
		{"dense JSON", &sqs.Service, "/", `{"QueueUrl":"q","Entries":[` + strings.Repeat("{},", 1<<20) + `{}]}`, json, 400},
		{"huge CBOR array", &cloudwatch.Service, cw, "\xa1\x6aMetricData\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", cborHeader, 400},
		{"huge CBOR string", &cloudwatch.Service, cw, "\xa1\x69Namespace\x7b\x7f\xff\xff\xff\xff\xff\xff\xff", cborHeader, 400},
		{"huge unknown CBOR map", &cloudwatch.Service, cw, "\xa1\x61x\xbb\xff\xff\xff\xff\xff\xff\xff\xff", cborHeader, 400},
		{"deep CBOR", &cloudwatch.Service, cw, "\xa1\x61x" + strings.Repeat("\x81", 1<<20), cborHeader, 400},
		{"deep CBOR tags", &cloudwatch.Service, cw, "\xa1\x61x" + strings.Repeat("\xc1", 1<<20), cborHeader, 400},
		{"dense CBOR", &cloudwatch.Service, cw, "\xa1\x6aMetricData\x9f" + strings.Repeat("\xa0", 1<<20) + "\xff", cborHeader, 400},
		{"sparse query", &sqs.Service, "/", "Action=CreateQueue&QueueName=q&Attribute.4000000000.Name=DelaySeconds&Attribute.4000000000.Value=b", []string{"Content-Type", form}, 200},
		{"huge query index", &sqs.Service, "/", "Action=CreateQueue&QueueName=q&Attribute.99999999999999999999.Name=a", []string{"Content-Type", form}, 400},
		{"deep query", &sqs.Service, "/", "Action=CreateQueue&QueueName=q&Attribute" + strings.Repeat(".1", 1<<20) + "=a", []string{"Content-Type", form}, 400},
		{"deep XML", &s3.Service, "/b?delete", strings.Repeat("<a>", 1<<19), nil, 400},
		{"XML entities", &s3.Service, "/b?delete", `<!DOCTYPE x [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>`, nil, 400},
		{"dense XML", &s3.Service, "/b?delete", "<Delete>" + strings.Repeat("<Object/>", 1<<18) + "</Delete>", nil, 400},
		{"too large", &sqs.Service, "/", strings.Repeat(" ", 5<<20), json, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := map[*schema.Service]any{&sqs.Service: queues{}, &cloudwatch.Service: cloudwatch.Unimplemented{}, &s3.Service: s3.Unimplemented{}}[c.svc]
			server := identified(wire.NewServer(c.svc, h, func() wire.Options { o := quiet(); o.MaxBody = 4 << 20; return o }()))
			r := httptest.NewRequest("POST", c.target, strings.NewReader(c.body))
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			before := allocated()
			server.ServeHTTP(w, r)
			if spent, limit := allocated()-before, uint64(100*len(c.body)+8<<20); spent > limit {
				t.Errorf("a body of %d bytes allocated %d", len(c.body), spent)
			}
			if w.Code != c.status || w.Body.Len() > 4096 {
				t.Errorf("%d %.300s", w.Code, w.Body)
			}
		})
	}
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestHandlerErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{awserr.New(429, "TooManyRequestsException", "slow down"), 429, "TooManyRequestsException"},
		{awserr.Validation("no"), 400, "ValidationException"},
		{&awserr.Error{Code: "X"}, 500, "X"},
		{errors.Join(errors.New("context"), &lambda.ResourceConflictException{}), 409, "ResourceConflictException"},
		{context.DeadlineExceeded, 500, "ServiceException"},
	} {
		h := functions{invoke: func(*lambda.InvocationRequest) (*lambda.InvocationResponse, error) { return nil, c.err }}
		r := serve(t, &lambda.Service, h, "POST", "/2015-03-31/functions/f/invocations", "")
		if r.StatusCode != c.status || r.Header.Get("X-Amzn-Errortype") != c.code {
			t.Errorf("%v: %d %s", c.err, r.StatusCode, r.Header.Get("X-Amzn-Errortype"))
		}
	}
}
