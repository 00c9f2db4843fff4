package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// An operation that nobody implemented says so, by name, in every protocol.
func TestUnimplemented(t *testing.T) {
	ctx, c := open(t)
	for _, test := range []struct {
		protocol, operation string
		call                func() error
	}{
		{"restJson1", "ListCodeSigningConfigs", func() error {
			_, err := c.Lambda.ListCodeSigningConfigs(ctx, &lambda.ListCodeSigningConfigsInput{})
			return err
		}},
		{"awsJson1_1", "StartQuery", func() error {
			_, err := c.Logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{QueryString: new("fields @message"), StartTime: new(int64(0)), EndTime: new(int64(1)), LogGroupName: new("g")})
			return err
		}},
		{"rpcv2Cbor", "PutDashboard", func() error {
			_, err := c.CloudWatch.PutDashboard(ctx, &cloudwatch.PutDashboardInput{DashboardName: new("d"), DashboardBody: new("{}")})
			return err
		}},
	} {
		t.Run(test.protocol, func(t *testing.T) {
			err := test.call()
			sdk.Expect(t, err, "NotImplementedException", 501)
			if err != nil && !strings.Contains(err.Error(), test.operation) {
				t.Errorf("the error does not name %s: %v", test.operation, err)
			}
		})
	}
}

// The protocols that the Go SDK does not speak with these services any more.
func TestUnimplementedInOlderProtocols(t *testing.T) {
	d := daemon.Shared(t)
	for _, test := range []struct {
		name, method, path, body string
		header                   []string
		wants                    []string
	}{
		{
			"IAM, awsQuery", "POST", "/", "Action=ListVirtualMFADevices&Version=2010-05-08",
			[]string{"Content-Type", "application/x-www-form-urlencoded"},
			[]string{"<ErrorResponse", "<Type>Receiver</Type>", "<Code>NotImplementedException</Code>", "ListVirtualMFADevices", "<RequestId>"},
		},
		{
			"CloudWatch, awsQuery", "POST", "/", "Action=ListDashboards&Version=2010-08-01",
			[]string{"Content-Type", "application/x-www-form-urlencoded"},
			[]string{"<ErrorResponse", "<Code>NotImplementedException</Code>", "ListDashboards"},
		},
		{
			"CloudWatch, JSON 1.0", "POST", "/", "{}",
			[]string{"Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "GraniteServiceVersion20100801.ListDashboards"},
			[]string{`"__type"`, "NotImplementedException", "ListDashboards"},
		},
		{
			"S3, restXml", "PUT", "/a-bucket", "",
			[]string{"Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"},
			[]string{"<Error>", "<Code>NotImplementedException</Code>", "CreateBucket"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, body := ask(t, d, test.method, "", test.path, test.body, test.header...)
			if res.StatusCode != http.StatusNotImplemented {
				t.Errorf("status %d", res.StatusCode)
			}
			for _, want := range test.wants {
				if !strings.Contains(string(body), want) {
					t.Errorf("the answer lacks %q: %s", want, body)
				}
			}
			if res.Header.Get("X-Amzn-Requestid") == "" && res.Header.Get("X-Amz-Request-Id") == "" {
				t.Errorf("the answer names no request: %v", res.Header)
			}
		})
	}
}

// Old SQS clients match their errors by the Query protocol's codes, which come in
// a header of their own when they speak JSON.
func TestQueryModeOfSQS(t *testing.T) {
	d := daemon.Shared(t)
	res, body := ask(t, d, "POST", "", "/", `{"QueueName":"none"}`, "Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "AmazonSQS.GetQueueUrl", "X-Amzn-Query-Mode", "true")
	if res.StatusCode != 400 || res.Header.Get("X-Amzn-Query-Error") != "AWS.SimpleQueueService.NonExistentQueue;Sender" {
		t.Errorf("%d, x-amzn-query-error %q: %s", res.StatusCode, res.Header.Get("X-Amzn-Query-Error"), body)
	}
	// Without the operation's required member the error is the client's.
	res, body = ask(t, d, "POST", "", "/", "{}", "Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "AmazonSQS.SendMessage", "X-Amzn-Query-Mode", "true")
	if res.StatusCode != 400 || !strings.HasSuffix(res.Header.Get("X-Amzn-Query-Error"), ";Sender") {
		t.Errorf("%d, x-amzn-query-error %q: %s", res.StatusCode, res.Header.Get("X-Amzn-Query-Error"), body)
	}
	res, body = ask(t, d, "POST", "", "/000000000000/queue", "Action=SendMessage&Version=2012-11-05", "Content-Type", "application/x-www-form-urlencoded")
	if res.StatusCode != 400 || !strings.Contains(string(body), "<Type>Sender</Type>") {
		t.Errorf("SendMessage without a body over awsQuery: %d %s", res.StatusCode, body)
	}
}
