package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestReservedConcurrency(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, returning(t, "1"))
	out, err := c.Lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: new(int32(0))})
	if err != nil || *out.ReservedConcurrentExecutions != 0 {
		t.Fatal(out, err)
	}
	once := func(o *lambda.Options) { o.RetryMaxAttempts = 1 }
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name}, once)
	var throttled *types.TooManyRequestsException
	if !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded || throttled.ErrorMessage() != "Rate Exceeded." || sdk.Status(err) != http.StatusTooManyRequests {
		t.Errorf("%v", err)
	}
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response.Header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", err)
	}
	if _, err := c.Lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name}); err != nil {
		t.Fatal(err)
	}
	if text := c.Call(t, name, "{}"); text != "1" {
		t.Error(text)
	}
}

// Provisioned environments are there before the first request, and again after
// a restart.
func TestProvisionedConcurrency(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	ctx, c := sdk.Context(t), sdk.For(t, d)
	in := returning(t, `__import__("os").environ["AWS_LAMBDA_INITIALIZATION_TYPE"]`)
	in.FunctionName = new("kept")
	if _, err := c.Lambda.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	c.WaitActive(t, "kept")
	if _, err := c.Lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: new("kept")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: new("kept"), Name: new("live"), FunctionVersion: new("1")}); err != nil {
		t.Fatal(err)
	}
	put, err := c.Lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: new("kept"), Qualifier: new("live"), ProvisionedConcurrentExecutions: new(int32(2))})
	if err != nil || put.Status != types.ProvisionedConcurrencyStatusEnumInProgress {
		t.Fatal(put, err)
	}
	for _, when := range []string{"at first", "after a restart"} {
		sdk.Eventually(t, when+", the environments", func() bool {
			got, err := c.Lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: new("kept"), Qualifier: new("live")})
			if err != nil {
				t.Fatal(err)
			}
			return got.Status == types.ProvisionedConcurrencyStatusEnumReady && *got.AllocatedProvisionedConcurrentExecutions == 2
		})
		if text := c.Call(t, "kept:live", "{}"); text != `"provisioned-concurrency"` {
			t.Errorf("%s: %s", when, text)
		}
		if text := c.Call(t, "kept", "{}"); text != `"on-demand"` {
			t.Errorf("%s: $LATEST: %s", when, text)
		}
		if when == "at first" {
			d.Stop(t)
			d = daemon.StartOn(t, data)
			c = sdk.For(t, d)
		}
	}
}

// What comes of an asynchronous invocation is told to its destination.
func TestDestination(t *testing.T) {
	ctx, c := open(t)
	after := c.Create(t, sdk.Python(t, "def handler(event, context):\n    print('RECORD', event['requestContext']['condition'], event['requestContext']['approximateInvokeCount'], event['requestPayload'], event['responsePayload']['errorMessage'])\n"))
	name := c.Create(t, sdk.Python(t, "def handler(event, context):\n    raise ValueError('no luck')\n"))
	told, err := c.Lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &after})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &name, MaximumRetryAttempts: new(int32(0)),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: told.Configuration.FunctionArn}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: []byte(`"q"`)}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintln("RECORD RetriesExhausted 1 q no luck")
	sdk.Eventually(t, "the record", func() bool { return strings.Contains(strings.Join(messages(t, c, after), ""), want) })
}
