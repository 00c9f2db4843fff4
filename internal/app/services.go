package app

import (
	"net/http"

	apigatewayapi "github.com/paddock-run/paddock/internal/api/apigateway"
	managementapi "github.com/paddock-run/paddock/internal/api/apigatewaymanagementapi"
	apigatewayv2api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	cloudformationapi "github.com/paddock-run/paddock/internal/api/cloudformation"
	cloudwatchapi "github.com/paddock-run/paddock/internal/api/cloudwatch"
	cognitoidpapi "github.com/paddock-run/paddock/internal/api/cognitoidp"
	ecrapi "github.com/paddock-run/paddock/internal/api/ecr"
	iamapi "github.com/paddock-run/paddock/internal/api/iam"
	kmsapi "github.com/paddock-run/paddock/internal/api/kms"
	lambdaapi "github.com/paddock-run/paddock/internal/api/lambda"
	logsapi "github.com/paddock-run/paddock/internal/api/logs"
	s3api "github.com/paddock-run/paddock/internal/api/s3"
	secretsmanagerapi "github.com/paddock-run/paddock/internal/api/secretsmanager"
	sqsapi "github.com/paddock-run/paddock/internal/api/sqs"
	ssmapi "github.com/paddock-run/paddock/internal/api/ssm"
	stsapi "github.com/paddock-run/paddock/internal/api/sts"
	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/wire"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// services is every service whose protocol Paddock speaks. What stands beside
// Unimplemented answers each of its operations with a 501 that names it.
func (d *daemon) services() []edge.Service {
	var out []edge.Service
	for _, s := range []struct {
		schema  *schema.Service
		handler any
	}{
		{&lambdaapi.Service, d.lambda},
		{&apigatewayv2api.Service, d.apis},
		{&logsapi.Service, d.logs},
		{&apigatewayapi.Service, d.rest},
		{&managementapi.Service, managementapi.Unimplemented{}},
		{&cloudformationapi.Service, cloudformationapi.Unimplemented{}},
		{&cloudwatchapi.Service, d.metrics},
		{&cognitoidpapi.Service, cognitoidpapi.Unimplemented{}},
		{&ecrapi.Service, d.ecr},
		{&iamapi.Service, iamapi.Unimplemented{}},
		{&kmsapi.Service, kmsapi.Unimplemented{}},
		{&s3api.Service, s3api.Unimplemented{}},
		{&secretsmanagerapi.Service, secretsmanagerapi.Unimplemented{}},
		{&sqsapi.Service, d.sqs},
		{&ssmapi.Service, ssmapi.Unimplemented{}},
		{&stsapi.Service, stsapi.Unimplemented{}},
	} {
		var handler http.Handler = wire.NewServer(s.schema, s.handler, wire.Options{Logger: d.log})
		out = append(out, edge.Service{Schema: s.schema, Handler: handler})
	}
	return out
}
