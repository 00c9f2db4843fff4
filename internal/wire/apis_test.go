package wire_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/apigatewaymanagementapi"
	"github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/api/cloudformation"
	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/cognitoidp"
	"github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/kms"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/api/s3"
	"github.com/paddock-run/paddock/internal/api/secretsmanager"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/api/ssm"
	"github.com/paddock-run/paddock/internal/api/sts"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/plan"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// TestEveryAPI holds the generated types to their tables: each input and output
// has a plan, and each protocol a codec.
func TestEveryAPI(t *testing.T) {
	for svc, unimplemented := range map[*schema.Service]any{
		&apigateway.Service: apigateway.Unimplemented{}, &apigatewaymanagementapi.Service: apigatewaymanagementapi.Unimplemented{},
		&apigatewayv2.Service: apigatewayv2.Unimplemented{}, &cloudformation.Service: cloudformation.Unimplemented{},
		&cloudwatch.Service: cloudwatch.Unimplemented{}, &cognitoidp.Service: cognitoidp.Unimplemented{},
		&ecr.Service: ecr.Unimplemented{}, &iam.Service: iam.Unimplemented{}, &kms.Service: kms.Unimplemented{},
		&lambda.Service: lambda.Unimplemented{}, &logs.Service: logs.Unimplemented{}, &s3.Service: s3.Unimplemented{},
		&secretsmanager.Service: secretsmanager.Unimplemented{}, &sqs.Service: sqs.Unimplemented{},
		&ssm.Service: ssm.Unimplemented{}, &sts.Service: sts.Unimplemented{},
	} {
		t.Run(svc.ID, func(t *testing.T) {
			wire.NewServer(svc, unimplemented, wire.Options{})
			for _, op := range svc.Operations {
				in := op.NewInput()
				if op.Input != schema.NoShape {
					plan.For(svc).Of(op.Input, reflect.TypeOf(in))
				}
				out, err := op.Call(context.Background(), unimplemented, in)
				if err == nil {
					t.Errorf("%s: no error of an unimplemented operation", op.Name)
				}
				if op.Output != schema.NoShape && out != nil {
					plan.For(svc).Of(op.Output, reflect.TypeOf(out))
				}
			}
		})
	}
}
