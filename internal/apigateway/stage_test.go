package apigateway

import (
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

// deploy deploys the live definition, to a stage where one is named.
func (f *fixture) deploy(stage string) *string {
	f.t.Helper()
	in := &api.CreateDeploymentRequest{RestApiId: f.api}
	if stage != "" {
		in.StageName = &stage
	}
	return must(f.CreateDeployment(f.ctx, in))(f.t).Id
}

func (f *fixture) updateStage(ops ...*api.PatchOperation) (*api.Stage, error) {
	return f.UpdateStage(f.ctx, &api.UpdateStageRequest{RestApiId: f.api, StageName: new("dev"), PatchOperations: ops})
}

func TestDeploymentsAreFrozen(t *testing.T) {
	f := setup(t)
	_, err := f.CreateDeployment(f.ctx, &api.CreateDeploymentRequest{RestApiId: f.api})
	wantError(t, err, "BadRequestException", "The REST API doesn't contain any methods")
	pets := f.resource(f.root, "pets")
	f.method(pets, "GET")
	_, err = f.CreateDeployment(f.ctx, &api.CreateDeploymentRequest{RestApiId: f.api})
	wantError(t, err, "BadRequestException", "No integration defined for method")
	must(f.DeleteMethod(f.ctx, &api.DeleteMethodRequest{RestApiId: f.api, ResourceId: pets, HttpMethod: new("GET")}))(t)
	f.mock(pets, "GET")
	_, err = f.CreateDeployment(f.ctx, &api.CreateDeploymentRequest{RestApiId: f.api, StageName: new("a b")})
	wantError(t, err, "BadRequestException", "Stage name only allows a-zA-Z0-9_-")

	first := f.deploy("dev")
	served := f.RESTAPI(*f.api)
	if served == nil || served.Stages["dev"].Definition.Resources[*pets] == nil {
		t.Fatalf("not served: %+v", served)
	}
	must(f.DeleteResource(f.ctx, &api.DeleteResourceRequest{RestApiId: f.api, ResourceId: pets}))(t)
	if again := f.RESTAPI(*f.api); again != served {
		t.Error("a change of the live definition changed what is served")
	}
	f.mock(f.root, "PUT")
	second := f.deploy("dev")
	next := f.RESTAPI(*f.api)
	if next == served || next.Stages["dev"].Definition.Resources[*pets] != nil || served.Stages["dev"].Definition.Resources[*pets] == nil {
		t.Error("the second deployment is not what is served, or it changed the first")
	}

	got := must(f.GetDeployment(f.ctx, &api.GetDeploymentRequest{RestApiId: f.api, DeploymentId: first, Embed: []string{"apisummary"}}))(t)
	if s := got.ApiSummary["/pets"]["GET"]; s == nil || *s.AuthorizationType != "NONE" || *s.ApiKeyRequired {
		t.Errorf("summary %+v", got.ApiSummary)
	}
	_, err = f.DeleteDeployment(f.ctx, &api.DeleteDeploymentRequest{RestApiId: f.api, DeploymentId: second})
	wantError(t, err, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	must(f.DeleteDeployment(f.ctx, &api.DeleteDeploymentRequest{RestApiId: f.api, DeploymentId: first}))(t)
	if docs := must(f.docs.List(f.ctx, partKey(*f.api, "deployments/"+*first), "", 0))(t); len(docs) != 0 {
		t.Errorf("its definition is still there: %v", docs)
	}
	must(f.UpdateDeployment(f.ctx, &api.UpdateDeploymentRequest{RestApiId: f.api, DeploymentId: second, PatchOperations: patch("replace", "/description", "the second")}))(t)
	list := must(f.GetDeployments(f.ctx, &api.GetDeploymentsRequest{RestApiId: f.api}))(t)
	if len(list.Items) != 1 || *list.Items[0].Description != "the second" {
		t.Errorf("%+v", list.Items)
	}
}

// What is served is the same after a restart, and a definition larger than a
// document survives.
func TestServedAfterARestart(t *testing.T) {
	f := setup(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r := f.resource(f.root, name)
		f.method(r, "GET")
		must(f.PutIntegration(f.ctx, &api.PutIntegrationRequest{
			RestApiId: f.api, ResourceId: r, HttpMethod: new("GET"), Type: new(api.IntegrationTypeMock),
			RequestTemplates: map[string]string{"application/json": strings.Repeat(name, 300<<10)},
		}))(t)
	}
	f.deploy("dev")
	again, err := New(t.Context(), Options{Documents: f.docs, Logger: f.log})
	if err != nil {
		t.Fatal(err)
	}
	served := again.RESTAPI(*f.api)
	if served == nil || len(served.Stages["dev"].Definition.Resources) != 6 {
		t.Fatalf("served %+v", served)
	}
	for _, r := range served.Stages["dev"].Definition.Resources {
		if r.PathPart == "" {
			continue
		}
		if got := r.Methods["GET"].Integration.Templates["application/json"]; got != strings.Repeat(r.PathPart, 300<<10) {
			t.Errorf("%s: a template of %d bytes", r.Path, len(got))
		}
	}
	// It shrinks to one piece again.
	must(f.DeleteStage(f.ctx, &api.DeleteStageRequest{RestApiId: f.api, StageName: new("dev")}))(t)
	for _, r := range must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: f.api}))(t).Items[1:] {
		must(f.DeleteResource(f.ctx, &api.DeleteResourceRequest{RestApiId: f.api, ResourceId: r.Id}))(t)
	}
	if docs := must(f.docs.List(f.ctx, partKey(*f.api, "live"), "", 0))(t); len(docs) != 1 {
		t.Errorf("%d pieces of a small definition", len(docs))
	}
	if f.RESTAPI(*f.api).Stages["dev"] != nil {
		t.Error("a deleted stage is served")
	}
	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
	if f.RESTAPI(*f.api) != nil {
		t.Error("a deleted API is served")
	}
	if docs := must(f.docs.List(f.ctx, keyPrefix, "", 0))(t); len(docs) != 0 {
		t.Errorf("left: %v", docs)
	}
}

func TestStagesAreMadeAndPatched(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	d := f.deploy("")
	in := &api.CreateStageRequest{RestApiId: f.api, StageName: new("dev"), DeploymentId: d, Variables: map[string]string{"fn": "one"}, Tags: map[string]string{"a": "b"}}
	st := must(f.CreateStage(f.ctx, in))(t)
	if *st.CacheClusterStatus != "NOT_AVAILABLE" || st.MethodSettings == nil || *st.TracingEnabled || st.Variables["fn"] != "one" {
		t.Errorf("%+v", st)
	}
	_, err := f.CreateStage(f.ctx, in)
	wantError(t, err, "ConflictException", "Stage already exists")
	_, err = f.CreateStage(f.ctx, &api.CreateStageRequest{RestApiId: f.api, StageName: new("x"), DeploymentId: new("nosuch")})
	wantError(t, err, "BadRequestException", "Deployment id does not exist")
	_, err = f.CreateStage(f.ctx, &api.CreateStageRequest{RestApiId: f.api, StageName: new("x"), DeploymentId: d, DocumentationVersion: new("1")})
	wantError(t, err, "NotFoundException", "Invalid Documentation version specified")
	_, err = f.CreateStage(f.ctx, &api.CreateStageRequest{RestApiId: f.api, StageName: new("x"), DeploymentId: d, Variables: map[string]string{"a": "<"}})
	wantError(t, err, "BadRequestException", "Invalid stage variable value")

	for _, p := range [][]*api.PatchOperation{
		patch("add", "/accessLogSettings/format", "$context.requestId"), patch("replace", "/*/*/logging/loglevel", "ERROR"),
	} {
		_, err = f.updateStage(p...)
		wantError(t, err, "BadRequestException", "CloudWatch Logs role ARN must be set in account settings to enable logging")
	}
	must(f.updateStage(patch("replace", "/*/*/logging/loglevel", "OFF")...))(t)
	must(f.updateStage(patch("remove", "/*/*", "")...))(t)
	f.logs()
	st = must(f.updateStage(patch(
		"replace", "/description", "d", "replace", "/cacheClusterEnabled", "true", "replace", "/tracingEnabled", "true",
		"replace", "/variables/url", "example.com:80/x?a=b", "remove", "/variables/fn", "",
		"add", "/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:000000000000:log-group:access",
		"add", "/accessLogSettings/format", "$context.requestId",
	)...))(t)
	if *st.Description != "d" || *st.CacheClusterStatus != "AVAILABLE" || *st.CacheClusterSize != "0.5" || !*st.TracingEnabled ||
		len(st.Variables) != 1 || *st.AccessLogSettings.Format != "$context.requestId" {
		t.Errorf("%+v", st)
	}
	if st = must(f.updateStage(patch("remove", "/accessLogSettings", "")...))(t); st.AccessLogSettings != nil {
		t.Errorf("%+v", st.AccessLogSettings)
	}
	for _, c := range [][4]string{
		{"add", "/accessLogSettings/randomValue", "x", "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]"},
		{"remove", "/accessLogSettings/destinationArn", "", "Cannot remove method setting accessLogSettings/destinationArn because there is no method setting for this method "},
		{"add", "/accessLogSettings/format", "", "Access Log value must not be empty"},
		{"add", "/accessLogSettings/format", "$context.status", "Access Log format must include"},
		{"replace", "/documentation_version", "x", "Invalid method setting path: /documentation_version. Must be one of: [/deploymentId, /description,"},
		{"replace", "/tags/tag1", "x", "/*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, "},
		{"replace", "/deploymentId", "nosuch", "Deployment id does not exist"},
		{"replace", "/cacheClusterSize", "2", "Invalid cache cluster size"},
		{"move", "/description", "x", "Invalid patch operation specified"},
	} {
		_, err := f.updateStage(patch(c[0], c[1], c[2])...)
		wantError(t, err, "BadRequestException", c[3])
	}
	_, err = f.updateStage(patch("replace", "/clientCertificateId", "nosuch")...)
	wantError(t, err, "NotFoundException", "Invalid Client Certificate")

	before := f.RESTAPI(*f.api).Stages["dev"]
	must(f.FlushStageCache(f.ctx, &api.FlushStageCacheRequest{RestApiId: f.api, StageName: new("dev")}))(t)
	must(f.FlushStageAuthorizersCache(f.ctx, &api.FlushStageAuthorizersCacheRequest{RestApiId: f.api, StageName: new("dev")}))(t)
	after := f.RESTAPI(*f.api).Stages["dev"]
	if after.CacheEpoch == before.CacheEpoch || after.AuthorizersEpoch == before.AuthorizersEpoch || after.Definition != before.Definition {
		t.Error("flushing is not to be seen, or it made a new definition")
	}
	if l := must(f.GetStages(f.ctx, &api.GetStagesRequest{RestApiId: f.api, DeploymentId: new("other")}))(t); len(l.Item) != 0 {
		t.Errorf("%+v", l.Item)
	}
	if l := must(f.GetStages(f.ctx, &api.GetStagesRequest{RestApiId: f.api, DeploymentId: d}))(t); len(l.Item) != 1 {
		t.Errorf("%+v", l.Item)
	}
	_, err = f.GetStage(f.ctx, &api.GetStageRequest{RestApiId: f.api, StageName: new("x")})
	wantError(t, err, "NotFoundException", "Invalid stage identifier specified")
}

// logs gives the account what stages need to log.
func (f *fixture) logs() {
	f.t.Helper()
	must(f.UpdateAccount(f.ctx, &api.UpdateAccountRequest{PatchOperations: patch("replace", "/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/logs")}))(f.t)
}

func TestMethodSettings(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	f.deploy("dev")
	f.logs()
	st := must(f.updateStage(patch(
		"replace", "/*/*/throttling/burstLimit", "123", "replace", "/*/*/logging/loglevel", "INFO",
		"replace", "/test/GET/throttling/rateLimit", "1.5", "replace", "/~1test/GET/caching/ttlInSeconds", "60",
		"replace", "/a/b/PUT/metrics/enabled", "true", "replace", "/~1/GET/caching/unauthorizedCacheControlHeaderStrategy", "FAIL_WITH_403",
	)...))(t)
	all, test := st.MethodSettings["*/*"], st.MethodSettings["test/GET"]
	if len(st.MethodSettings) != 4 || *all.ThrottlingBurstLimit != 123 || *all.ThrottlingRateLimit != 10000 || *all.LoggingLevel != "INFO" || !*all.RequireAuthorizationForCacheControl {
		t.Errorf("%+v", all)
	}
	if test == nil || *test.ThrottlingRateLimit != 1.5 || *test.CacheTtlInSeconds != 60 || *test.ThrottlingBurstLimit != 5000 {
		t.Errorf("%+v", test)
	}
	served := f.RESTAPI(*f.api).Stages["dev"].Methods
	for _, key := range []string{"*/*", "~1test/GET", "~1a~1b/PUT", "~1/GET"} {
		if served[key] == nil {
			t.Errorf("%s is not served: %v", key, served)
		}
	}
	if served["~1test/GET"].ThrottlingBurst != nil {
		t.Error("what was not set has a value")
	}
	if st = must(f.updateStage(patch("remove", "/~1test/GET", "", "replace", "/*/*/throttling/burstLimit", "-1")...))(t); st.MethodSettings["test/GET"] != nil || *st.MethodSettings["*/*"].ThrottlingBurstLimit != 5000 {
		t.Errorf("%+v", st.MethodSettings)
	}
	for _, c := range [][4]string{
		{"remove", "/~1test/GET", "", "Cannot remove method setting ~1test/GET because there is no method setting for this method "},
		{"replace", "/*/*/logging/loglevel", "DEBUG", "Invalid logging level"},
		{"replace", "/*/*/throttling/rateLimit", "NaN", "Invalid throttling rate limit"},
		{"replace", "/*/*/throttling/burstLimit", "many", "Invalid throttling burst limit"},
		{"replace", "/*/*/caching/ttlInSeconds", "3601", "Invalid cache TTL"},
		{"replace", "/x/FETCH/metrics/enabled", "true", "Invalid method setting path: /x/FETCH/metrics/enabled"},
		{"replace", "/x/GET/metrics/on", "true", "Invalid method setting path: /x/GET/metrics/on"},
	} {
		_, err := f.updateStage(patch(c[0], c[1], c[2])...)
		wantError(t, err, "BadRequestException", c[3])
	}
}

func TestCanaries(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	canary := func(stage *string) (*api.Deployment, error) {
		return f.CreateDeployment(f.ctx, &api.CreateDeploymentRequest{RestApiId: f.api, StageName: stage, CanarySettings: &api.DeploymentCanarySettings{
			PercentTraffic: new(50.0), StageVariableOverrides: map[string]string{"testVar": "override"}}})
	}
	_, err := canary(nil)
	wantError(t, err, "BadRequestException", "Invalid deployment content specified.Non null and non empty stageName must be provided for canary deployment. Provided value is null")
	_, err = canary(new("dev"))
	wantError(t, err, "BadRequestException", "Invalid deployment content specified.Stage dev must already be created before making a canary release deployment")
	first := f.deploy("dev")
	must(f.updateStage(patch("replace", "/variables/testVar", "test", "replace", "/variables/testVar2", "test2")...))(t)

	promotion := []*api.PatchOperation{
		{Op: new(api.OpCopy), From: new("/canarySettings/deploymentId"), Path: new("/deploymentId")},
		{Op: new(api.OpCopy), From: new("/canarySettings/stageVariableOverrides"), Path: new("/variables")},
	}
	_, err = f.updateStage(promotion...)
	wantError(t, err, "BadRequestException", "Promotion not available. Canary does not exist.")
	_, err = f.updateStage(&api.PatchOperation{Op: new(api.OpCopy), From: new("/variables"), Path: new("/canarySettings/stageVariableOverrides")})
	wantError(t, err, "BadRequestException", "Invalid copy operation with path: /canarySettings/stageVariableOverrides and from /variables. Valid copy:path are [/deploymentId, /variables]")

	f.mock(f.root, "PUT")
	second := must(canary(new("dev")))(t)
	served := f.RESTAPI(*f.api).Stages["dev"]
	if served.DeploymentID != *first || served.Canary.DeploymentID != *second.Id || served.CanaryDefinition == nil || served.CanaryDefinition == served.Definition || served.Canary.Percent != 50 {
		t.Errorf("%+v", served)
	}
	_, err = f.DeleteDeployment(f.ctx, &api.DeleteDeploymentRequest{RestApiId: f.api, DeploymentId: second.Id})
	wantError(t, err, "BadRequestException", "Active stages")

	st := must(f.updateStage(append(patch("replace", "/canarySettings/percentTraffic", "0.0"), promotion...)...))(t)
	if *st.DeploymentId != *second.Id || st.Variables["testVar"] != "override" || st.Variables["testVar2"] != "test2" || *st.CanarySettings.PercentTraffic != 0 {
		t.Errorf("%+v", st)
	}
	for _, c := range [][4]string{
		{"add", "/canarySettings/deploymentId", *first, "Invalid add operation with path: /canarySettings/deploymentId"},
		{"replace", "/canarySettings/deploymentId", "nosuch", "Deployment id does not exist"},
		{"replace", "/canarySettings/percentTraffic", "101", "Percent traffic must be between 0.0 and 100.0"},
		{"replace", "/canarySettings/percentTraffic", "NaN", "Percent traffic must be between 0.0 and 100.0"},
		{"replace", "/canarySettings/badPath", "x", "Invalid method setting path: /canarySettings/badPath."},
		{"remove", "/canarySettings/badPath", "", "Cannot remove method setting canarySettings/badPath because there is no method setting"},
	} {
		_, err := f.updateStage(patch(c[0], c[1], c[2])...)
		wantError(t, err, "BadRequestException", c[3])
	}
	if st = must(f.updateStage(patch("remove", "/canarySettings", "")...))(t); st.CanarySettings != nil {
		t.Errorf("%+v", st.CanarySettings)
	}
	st = must(f.updateStage(patch("replace", "/canarySettings/stageVariableOverrides/v", "1")...))(t)
	if *st.CanarySettings.DeploymentId != *second.Id || st.CanarySettings.StageVariableOverrides["v"] != "1" {
		t.Errorf("%+v", st.CanarySettings)
	}
}
