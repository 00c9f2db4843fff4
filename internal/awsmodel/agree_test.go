package awsmodel

import (
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/api/cloudformation"
	"github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/api/cognitoidp"
	"github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/kms"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/api/secretsmanager"
	"github.com/paddock-run/paddock/internal/api/ssm"
	"github.com/paddock-run/paddock/internal/api/sts"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// TestModelsPatternsAgree holds every pattern in use, as it was generated,
// against the engine that runs it as the model has it.
func TestModelsPatternsAgree(t *testing.T) {
	compared := map[string]bool{}
	for _, svc := range []*schema.Service{
		&apigateway.Service, &apigatewayv2.Service, &cloudformation.Service, &cloudwatch.Service, &cognitoidp.Service, &ecr.Service,
		&iam.Service, &kms.Service, &lambda.Service, &logs.Service, &secretsmanager.Service, &ssm.Service, &sts.Service,
	} {
		for i := range svc.Shapes {
			c := svc.Shapes[i].Constraint
			// The other engine has \p only where its \w and \s are Unicode's.
			if c == nil || c.Pattern == "" || compared[c.Pattern] || strings.Contains(c.Pattern, `\p`) || strings.Contains(c.Pattern, `\u10000`) {
				continue
			}
			compared[c.Pattern] = true
			limited := *c
			if r := namedRewrites[c.Pattern]; r.min == 0 && r.max == 0 {
				limited = schema.Constraint{Pattern: c.Pattern} // the rewrite does not need the limits
			}
			t.Run(svc.ID+"."+svc.Shapes[i].Name, func(t *testing.T) { agree(t, limited, c.Regexp, 200) })
		}
	}
	if len(compared) < 200 {
		t.Errorf("compared only %d patterns", len(compared))
	}
}
