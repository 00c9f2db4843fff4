package route

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

func TestFind(t *testing.T) {
	for _, c := range []struct {
		svc     *schema.Service
		request string // method, URI, and a header
		want    string // operation and labels
	}{
		{&lambda.Service, "GET /2015-03-31/functions/", "ListFunctions"},
		{&lambda.Service, "GET /2015-03-31/functions", "ListFunctions"},
		{&lambda.Service, "GET /2015-03-31/functions?MaxItems=3", "ListFunctions"},
		{&lambda.Service, "GET /2015-03-31/functions/f", "GetFunction FunctionName=f"},
		{&lambda.Service, "GET /2015-03-31/functions/a%2Fb", "GetFunction FunctionName=a%2Fb"},
		{&lambda.Service, "GET /2015-03-31/functions//configuration", ""},
		{&lambda.Service, "PATCH /2015-03-31/functions/f", ""},
		{&lambda.Service, "GET /2015-03-31/FUNCTIONS/f", ""},
		{&lambda.Service, "GET /2015-03-31/event-source-mappings/", "ListEventSourceMappings"},
		{&lambda.Service, "GET /2018-10-31/layers?find=LayerVersion&Arn=x", "GetLayerVersionByArn"},
		{&lambda.Service, "GET /2018-10-31/layers", "ListLayers"},
		{&apigateway.Service, "POST /restapis?mode=import", "ImportRestApi"},
		{&apigateway.Service, "POST /restapis", "CreateRestApi"},
		{&apigateway.Service, "GET /tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fa", "GetTags resource_arn=arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fa"},
		{&s3.Service, "GET /", "ListBuckets"},
		{&s3.Service, "GET /b", "ListObjects Bucket=b"},
		{&s3.Service, "GET /b/", "ListObjects Bucket=b"},
		{&s3.Service, "GET /b?list-type=2", "ListObjectsV2 Bucket=b"},
		{&s3.Service, "GET /b?list-type=3", "ListObjects Bucket=b"},
		{&s3.Service, "GET /b?location", "GetBucketLocation Bucket=b"},
		{&s3.Service, "GET /b?location=", "GetBucketLocation Bucket=b"},
		{&s3.Service, "GET /b/k", "GetObject Bucket=b Key=k"},
		{&s3.Service, "GET /b/a/b//c/", "GetObject Bucket=b Key=a/b//c/"},
		{&s3.Service, "GET /b//k", "GetObject Bucket=b Key=/k"},
		{&s3.Service, "GET /b/k?uploadId=u", "ListParts Bucket=b Key=k"},
		{&s3.Service, "PUT /b/k", "PutObject Bucket=b Key=k"},
		{&s3.Service, "PUT /b/k?x-id=PutObject", "PutObject Bucket=b Key=k"},
		{&s3.Service, "PUT /b/k X-Amz-Copy-Source:/b/j", "CopyObject Bucket=b Key=k"},
		{&s3.Service, "PUT /b/k?partNumber=1&uploadId=u", "UploadPart Bucket=b Key=k"},
		{&s3.Service, "PUT /b/k?partNumber=1&uploadId=u X-Amz-Copy-Source:/b/j", "UploadPartCopy Bucket=b Key=k"},
		{&s3.Service, "POST /b/k?uploads", "CreateMultipartUpload Bucket=b Key=k"},
		{&s3.Service, "POST /b/k?uploadId=u", "CompleteMultipartUpload Bucket=b Key=k"},
		{&s3.Service, "POST /b?delete", "DeleteObjects Bucket=b"},
		{&s3.Service, "DELETE /b/k?tagging", "DeleteObjectTagging Bucket=b Key=k"},
		{&s3.Service, "DELETE /b/k", "DeleteObject Bucket=b Key=k"},
	} {
		parts := strings.Fields(c.request)
		r := httptest.NewRequest(parts[0], parts[1], nil)
		if len(parts) > 2 {
			name, value, _ := strings.Cut(parts[2], ":")
			r.Header.Set(name, value)
		}
		got := ""
		if m, ok := New(c.svc).Find(r); ok {
			got = m.Op.Name
			for _, l := range m.Labels {
				got += fmt.Sprintf(" %s=%s", l.Name, l.Value)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, not %q", c.request, got, c.want)
		}
	}
}

func TestGreedySuffix(t *testing.T) {
	svc := &schema.Service{Operations: []schema.Operation{
		{Name: "Deep", Method: "GET", URI: "/a/{rest+}/end", Input: schema.NoShape},
		{Name: "All", Method: "GET", URI: "/a/{rest+}", Input: schema.NoShape},
		{Name: "One", Method: "GET", URI: "/a/{x}", Input: schema.NoShape},
	}}
	for uri, want := range map[string]string{
		"/a/b/c/end": "Deep b/c", "/a/b/c": "All b/c", "/a/b": "One b", "/a/end": "One end", "/a": "", "/": "",
	} {
		got := ""
		if m, ok := New(svc).Find(httptest.NewRequest("GET", uri, nil)); ok {
			got = m.Op.Name + " " + m.Labels[0].Value
		}
		if got != want {
			t.Errorf("%s: %q, not %q", uri, got, want)
		}
	}
}
