package wiretest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// target serves fuzzed requests and checks what every one of them must hold to:
// no panic and no error that is ours (a 500), and memory in proportion to its
// size.
type target struct {
	server *wire.Server
	log    bytes.Buffer
}

func newTarget(svc *schema.Service, handler any) *target {
	t := &target{}
	t.server = wire.NewServer(svc, handler, wire.Options{Logger: slog.New(slog.NewTextHandler(&t.log, nil)), MaxBody: 1 << 20})
	return t
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func (t *target) serve(tt *testing.T, r *http.Request, size int) {
	tt.Helper()
	t.log.Reset()
	r = r.WithContext(identity.With(r.Context(), &identity.Identity{Account: "123456789012", RequestID: requestID}))
	w := httptest.NewRecorder()
	before := allocated()
	t.server.ServeHTTP(w, r)
	// plan.Budget is what a decoder may keep; what it throws away while it
	// grows, the error's text and the answer come on top.
	if spent, limit := allocated()-before, uint64(200*size+8<<20); spent > limit {
		tt.Errorf("a request of %d bytes allocated %d, more than %d", size, spent, limit)
	}
	if w.Code == http.StatusInternalServerError || t.log.Len() > 0 {
		tt.Errorf("%d %s\n%s", w.Code, w.Body, t.log.String())
	}
}

// seed adds the bodies of the published vectors whose protocol has the given
// name in it, where they have been fetched.
func seed(f *testing.F, protocol string, add func(body string)) {
	raw, err := os.ReadFile(filepath.Join(deps, "smithy.json"))
	if err != nil {
		return
	}
	var a AST
	if err := json.Unmarshal(raw, &a); err != nil {
		f.Fatal(err)
	}
	for _, s := range a.Shapes {
		var cases []requestTest
		s.Traits.into("smithy.test#httpRequestTests", &cases)
		for _, c := range cases {
			if !strings.Contains(c.Protocol, protocol) || c.Body == nil || *c.Body == "" {
				continue
			}
			body := *c.Body
			if c.BodyMediaType == "application/cbor" {
				b, err := base64.StdEncoding.DecodeString(body)
				if err != nil {
					continue // a client's, which is not in base64
				}
				body = string(b)
			}
			add(body)
		}
	}
}

func FuzzAWSJSON(f *testing.F) {
	t := newTarget(&sqs.Service, sqs.Unimplemented{})
	names := operationNames(&sqs.Service)
	seed(f, "awsJson", func(body string) { f.Add(uint8(0), []byte(body)) })
	for i := range names {
		f.Add(uint8(i), []byte(`{"QueueUrl":"q","Entries":[{"Id":"1","MessageBody":"b","DelaySeconds":1}],"Attributes":{"a":"b"}}`))
	}
	f.Fuzz(func(tt *testing.T, op uint8, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "AmazonSQS."+names[int(op)%len(names)])
		t.serve(tt, r, len(body))
	})
}

func FuzzCBOR(f *testing.F) {
	t := newTarget(&cloudwatch.Service, cloudwatch.Unimplemented{})
	names := operationNames(&cloudwatch.Service)
	seed(f, "rpcv2Cbor", func(body string) { f.Add(uint8(0), []byte(body)) })
	for i := range names {
		f.Add(uint8(i), []byte("\xbf\x69Namespace\x61n\x6aMetricData\x81\xa2\x6aMetricName\x61m\x65Value\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00\xff"))
	}
	f.Fuzz(func(tt *testing.T, op uint8, body []byte) {
		r := httptest.NewRequest("POST", "/service/"+cloudwatch.Service.TargetPrefix+"/operation/"+names[int(op)%len(names)], bytes.NewReader(body))
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		t.serve(tt, r, len(body))
	})
}

func FuzzQuery(f *testing.F) {
	targets := []*target{
		newTarget(&cloudwatch.Service, cloudwatch.Unimplemented{}),
		newTarget(&iam.Service, iam.Unimplemented{}),
		newTarget(&sqs.Service, sqs.Unimplemented{}),
	}
	seed(f, "awsQuery", func(body string) { f.Add(uint8(1), []byte(body)) })
	f.Add(uint8(0), []byte("Action=PutMetricData&Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1000000000.Value=1"))
	f.Add(uint8(1), []byte("Action=CreateRole&RoleName=r&AssumeRolePolicyDocument=%7B%7D&Tags.member.1.Key=k&Tags.member.1.Value=v"))
	f.Add(uint8(2), []byte("Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=1"))
	f.Fuzz(func(tt *testing.T, svc uint8, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		targets[int(svc)%len(targets)].serve(tt, r, len(body))
	})
}

func FuzzRESTXML(f *testing.F) {
	t := newTarget(&s3.Service, s3.Unimplemented{})
	uris := []string{"POST /b?delete", "PUT /b?tagging", "PUT /b?cors", "PUT /b?notification", "POST /b/k?uploadId=u", "PUT /b", "PUT /b?versioning"}
	seed(f, "restXml", func(body string) { f.Add(uint8(0), []byte(body)) })
	for i := range uris {
		f.Add(uint8(i), []byte(`<?xml version="1.0"?><Delete xmlns="x"><Object><Key>a&amp;b</Key></Object><Object><Key><![CDATA[c]]></Key></Object></Delete>`))
		f.Add(uint8(i), []byte(`<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>3</MaxAgeSeconds></CORSRule></CORSConfiguration>`))
	}
	f.Fuzz(func(tt *testing.T, op uint8, body []byte) {
		method, uri, _ := strings.Cut(uris[int(op)%len(uris)], " ")
		t.serve(tt, httptest.NewRequest(method, uri, bytes.NewReader(body)), len(body))
	})
}

func FuzzRESTJSON(f *testing.F) {
	t := newTarget(&lambda.Service, lambda.Unimplemented{})
	seed(f, "restJson1", func(body string) {
		f.Add("POST", "/2015-03-31/functions", "", []byte(body))
	})
	f.Add("PUT", "/2015-03-31/functions/f/configuration", "", []byte(`{"Environment":{"Variables":{"a":"b"}},"Layers":["x"],"VpcConfig":{"SubnetIds":[]}}`))
	f.Add("POST", "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST", "Event", []byte("{}"))
	f.Add("GET", "/2015-03-31/functions/?MaxItems=5&Marker=%zz", "", []byte(nil))
	f.Fuzz(func(tt *testing.T, method, uri, header string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Method = method
		path, query, _ := strings.Cut(uri, "?")
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, "", query
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Amz-Invocation-Type", header)
		t.serve(tt, r, len(uri)+len(header)+len(body))
	})
}

// FuzzGzip sends bodies that say they are compressed.
func FuzzGzip(f *testing.F) {
	t := newTarget(&cloudwatch.Service, cloudwatch.Unimplemented{})
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(tt *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", cloudwatch.Service.TargetPrefix+".PutMetricData")
		r.Header.Set("Content-Encoding", "gzip")
		t.serve(tt, r, len(body)*200)
	})
}

func operationNames(svc *schema.Service) []string {
	var out []string
	for _, op := range svc.Operations {
		out = append(out, op.Name)
	}
	return out
}
