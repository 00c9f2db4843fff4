package apigateway

import (
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func TestWhatDomainNamesLeadToIsNotDeleted(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	f.stage("prod")
	f.domainNamed("api.example.com")
	f.domainNamed("www.example.com")
	for domain, stage := range map[string]*string{"api.example.com": new("dev"), "www.example.com": nil} {
		must(f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: &domain, RestApiId: f.api, Stage: stage}))(t)
	}
	_, err := f.DeleteStage(f.ctx, &api.DeleteStageRequest{RestApiId: f.api, StageName: new("dev")})
	wantError(t, err, "BadRequestException", "Deleting stage dev failed. Please remove all base path mappings related to the stage in your domains: api.example.com")
	must(f.DeleteStage(f.ctx, &api.DeleteStageRequest{RestApiId: f.api, StageName: new("prod")}))(t)
	_, err = f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api})
	wantError(t, err, "BadRequestException", "related to the RestApi in your domains: api.example.com, www.example.com")
	must(f.DeleteBasePathMapping(f.ctx, &api.DeleteBasePathMappingRequest{DomainName: new("api.example.com"), BasePath: new("(none)")}))(t)
	must(f.DeleteStage(f.ctx, &api.DeleteStageRequest{RestApiId: f.api, StageName: new("dev")}))(t)
	must(f.DeleteDomainName(f.ctx, &api.DeleteDomainNameRequest{DomainName: new("www.example.com")}))(t)
	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
}

func TestStagesLeaveTheirUsagePlans(t *testing.T) {
	f := setup(t)
	for _, name := range []string{"a", "b", "c"} {
		f.stage(name)
	}
	p, q := f.plan("p", "a", "b"), f.plan("q", "c")
	stages := func(plan *api.UsagePlan) (out []string) {
		for _, st := range must(f.GetUsagePlan(f.ctx, &api.GetUsagePlanRequest{UsagePlanId: plan.Id}))(t).ApiStages {
			out = append(out, *st.Stage)
		}
		return out
	}
	must(f.DeleteStage(f.ctx, &api.DeleteStageRequest{RestApiId: f.api, StageName: new("a")}))(t)
	if got := stages(p); len(got) != 1 || got[0] != "b" || len(stages(q)) != 1 {
		t.Errorf("the plans have %v and %v", got, stages(q))
	}
	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
	if got := append(stages(p), stages(q)...); len(got) != 0 {
		t.Errorf("the plans have %v", got)
	}
	must(f.DeleteUsagePlan(f.ctx, &api.DeleteUsagePlanRequest{UsagePlanId: p.Id}))(t)
}

func TestThereIsNoFirewall(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	_, err := f.updateStage(patch("replace", "/webAclArn", "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/x/y")...)
	wantError(t, err, "BadRequestException", "Invalid method setting path: /webAclArn")
}
