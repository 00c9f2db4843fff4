package apigateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// stage makes a stage that serves something.
func (f *fixture) stage(name string) {
	f.t.Helper()
	r := f.resource(f.root, "for-"+name)
	f.mock(r, "GET")
	f.deploy(name)
}

func (f *fixture) key(name string) *api.ApiKey {
	f.t.Helper()
	return must(f.CreateApiKey(f.ctx, &api.CreateApiKeyRequest{Name: &name, Enabled: new(true)}))(f.t)
}

func (f *fixture) plan(name string, stages ...string) *api.UsagePlan {
	f.t.Helper()
	in := &api.CreateUsagePlanRequest{Name: &name}
	for _, s := range stages {
		in.ApiStages = append(in.ApiStages, &api.ApiStage{ApiId: f.api, Stage: new(s)})
	}
	return must(f.CreateUsagePlan(f.ctx, in))(f.t)
}

func (f *fixture) join(plan *api.UsagePlan, key *api.ApiKey) error {
	_, err := f.CreateUsagePlanKey(f.ctx, &api.CreateUsagePlanKeyRequest{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: new("API_KEY")})
	return err
}

func TestAPIKeyLife(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	k := f.key("one")
	if len(*k.Value) != 40 || !*k.Enabled {
		t.Fatalf("key %+v", k)
	}
	if got := must(f.GetApiKey(f.ctx, &api.GetApiKeyRequest{ApiKey: k.Id}))(t); got.Value != nil || *got.Name != "one" {
		t.Errorf("key without its value: %+v", got)
	}
	if got := must(f.GetApiKey(f.ctx, &api.GetApiKeyRequest{ApiKey: k.Id, IncludeValue: new(true)}))(t); *got.Value != *k.Value {
		t.Errorf("value %s", *got.Value)
	}
	_, err := f.CreateApiKey(f.ctx, &api.CreateApiKeyRequest{Name: new("x"), Value: k.Value})
	wantError(t, err, "ConflictException", "API Key already exists")
	_, err = f.CreateApiKey(f.ctx, &api.CreateApiKeyRequest{Value: new("short")})
	wantError(t, err, "BadRequestException", "at least 20 characters")

	stage := *f.api + "/dev"
	got := must(f.UpdateApiKey(f.ctx, &api.UpdateApiKeyRequest{ApiKey: k.Id, PatchOperations: patch(
		"replace", "/name", "uno", "replace", "/enabled", "false", "replace", "/customerId", "c", "add", "/stages", stage)}))(t)
	if *got.Name != "uno" || *got.Enabled || *got.CustomerId != "c" || !slices.Equal(got.StageKeys, []string{stage}) {
		t.Errorf("updated %+v", got)
	}
	_, err = f.UpdateApiKey(f.ctx, &api.UpdateApiKeyRequest{ApiKey: k.Id, PatchOperations: patch("replace", "/value", "x")})
	wantError(t, err, "BadRequestException", "Invalid patch path  '/value' specified for op 'replace'. Must be one of: [/customerId, /description, /enabled, /name]")

	other := f.key("two")
	if list := must(f.GetApiKeys(f.ctx, &api.GetApiKeysRequest{NameQuery: new("un"), IncludeValues: new(true)}))(t); len(list.Items) != 1 || *list.Items[0].Value != *k.Value {
		t.Errorf("by name: %+v", list.Items)
	}
	if list := must(f.GetApiKeys(f.ctx, &api.GetApiKeysRequest{CustomerId: new("c")}))(t); len(list.Items) != 1 {
		t.Errorf("by customer: %+v", list.Items)
	}
	first := must(f.GetApiKeys(f.ctx, &api.GetApiKeysRequest{Limit: new(int32(1))}))(t)
	second := must(f.GetApiKeys(f.ctx, &api.GetApiKeysRequest{Limit: new(int32(1)), Position: first.Position}))(t)
	if *first.Items[0].Id == *second.Items[0].Id || second.Position != nil {
		t.Errorf("pages %+v %+v", first, second)
	}
	elsewhere := as(t.Context(), "000000000000", "eu-west-1")
	_, err = f.GetApiKey(elsewhere, &api.GetApiKeyRequest{ApiKey: k.Id})
	wantError(t, err, "NotFoundException", "Invalid API Key identifier specified")

	must(f.DeleteApiKey(f.ctx, &api.DeleteApiKeyRequest{ApiKey: other.Id}))(t)
	if f.APIKey("000000000000", "us-east-1", *other.Value) != nil {
		t.Error("a deleted key is served")
	}
	// Its value is free again.
	must(f.CreateApiKey(f.ctx, &api.CreateApiKeyRequest{Value: other.Value}))(t)
}

func TestImportAPIKeys(t *testing.T) {
	f := setup(t)
	p := f.plan("p")
	csv := "Name,key,description,Enabled,usageplanIds\n" +
		"a,abcdefghij0123456789,\"first, one\",TRUE,\"" + *p.Id + "\"\n" +
		"b,abcdefghij0123456789,twice,true,\n" +
		"c,short,,true,\n" +
		"d,zyxwvutsrq9876543210,,false,nosuch\n"
	in := &api.ImportApiKeysRequest{Body: []byte(csv), Format: new(api.ApiKeysFormatCsv)}
	in.FailOnWarnings = new(true)
	_, err := f.ImportApiKeys(f.ctx, in)
	wantError(t, err, "BadRequestException", "Warnings found during import")
	in.FailOnWarnings = nil
	out := must(f.ImportApiKeys(f.ctx, in))(t)
	if len(out.Ids) != 1 || len(out.Warnings) != 3 {
		t.Fatalf("imported %+v", out)
	}
	if k := f.APIKey("000000000000", "us-east-1", "abcdefghij0123456789"); k == nil || len(k.Plans) != 1 || !k.Enabled || k.Name != "a" {
		t.Errorf("key %+v", k)
	}
	_, err = f.ImportApiKeys(f.ctx, &api.ImportApiKeysRequest{Body: []byte("a,b\n"), Format: new(api.ApiKeysFormatCsv)})
	wantError(t, err, "BadRequestException", "the column name is missing")
}

func TestUsagePlanLife(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	f.stage("prod")
	p := must(f.CreateUsagePlan(f.ctx, &api.CreateUsagePlanRequest{
		Name: new("gold"), Throttle: &api.ThrottleSettings{RateLimit: new(5.5), BurstLimit: new(int32(7))},
		Quota:     &api.QuotaSettings{Limit: new(int32(100)), Period: new(api.QuotaPeriodTypeWeek), Offset: new(int32(2))},
		ApiStages: []*api.ApiStage{{ApiId: f.api, Stage: new("dev"), Throttle: map[string]*api.ThrottleSettings{"/pets/GET": {RateLimit: new(1.0), BurstLimit: new(int32(2))}}}},
	}))(t)
	k := f.key("k")
	if err := f.join(p, k); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.join(p, k), "ConflictException", "already associated")
	served := f.APIKey("000000000000", "us-east-1", *k.Value)
	if served == nil || len(served.Plans) != 1 || served.Plans[0].Quota.Offset != 2 || served.Plans[0].Stages[0].Throttle["/pets/GET"].Burst != 2 {
		t.Fatalf("served %+v", served)
	}
	if f.APIKey("000000000000", "us-east-1", *k.Value) != served {
		t.Error("nothing has changed, but the key is another one")
	}

	stage := "/apiStages/" + *f.api + ":dev/throttle"
	got := must(f.UpdateUsagePlan(f.ctx, &api.UpdateUsagePlanRequest{UsagePlanId: p.Id, PatchOperations: patch(
		"replace", "/throttle/rateLimit", "9", "add", "/quota/limit", "50", "replace", "/name", "silver", "replace", "/productCode", "pc",
		"replace", stage+"/~1pets/GET/rateLimit", "3.5", "add", stage+"/~1dogs/POST/burstLimit", "4", "add", "/apiStages", *f.api+":prod")}))(t)
	if *got.Throttle.RateLimit != 9 || *got.Quota.Limit != 50 || *got.Name != "silver" || *got.ProductCode != "pc" || len(got.ApiStages) != 2 {
		t.Errorf("updated %+v", got)
	}
	if th := got.ApiStages[0].Throttle; *th["/pets/GET"].RateLimit != 3.5 || *th["/dogs/POST"].BurstLimit != 4 {
		t.Errorf("throttles %+v", th)
	}
	if now := f.APIKey("000000000000", "us-east-1", *k.Value); now == served || now.Plans[0].Throttle.Rate != 9 {
		t.Errorf("served after the change %+v", now.Plans[0])
	}
	for _, c := range []struct{ op, path, value, kind, want string }{
		{"replace", "/nope", "x", "BadRequestException", "Invalid patch path  '/nope' specified for op 'replace'. Must be one of: [/name, /description,"},
		{"replace", "/throttle/burstLimit", "many", "BadRequestException", "Invalid patch value 'many'"},
		{"replace", "/quota/offset", "9", "BadRequestException", "offset must be between zero and six"},
		{"add", "/apiStages", *f.api + ":none", "BadRequestException", "Invalid API Stage {api: " + *f.api + ", stage: none}"},
		{"remove", "/apiStages", *f.api + ":none", "NotFoundException", "Invalid API Stage"},
		{"remove", stage + "/~1no/GET", "", "NotFoundException", "/no/GET"},
	} {
		_, err := f.UpdateUsagePlan(f.ctx, &api.UpdateUsagePlanRequest{UsagePlanId: p.Id, PatchOperations: patch(c.op, c.path, c.value)})
		wantError(t, err, c.kind, c.want)
	}
	_, err := f.DeleteUsagePlan(f.ctx, &api.DeleteUsagePlanRequest{UsagePlanId: p.Id})
	wantError(t, err, "BadRequestException", *f.api+":dev")

	// A key has each stage by one plan only.
	other := f.plan("other", "dev")
	wantError(t, f.join(other, k), "ConflictException", "cannot be associated with more than one usage plan for API Stage "+*f.api+":dev")
	free := f.plan("free")
	if err := f.join(free, k); err != nil {
		t.Fatal(err)
	}
	_, err = f.UpdateUsagePlan(f.ctx, &api.UpdateUsagePlanRequest{UsagePlanId: free.Id, PatchOperations: patch("add", "/apiStages", *f.api+":dev")})
	wantError(t, err, "ConflictException", "more than one usage plan")

	if list := must(f.GetUsagePlans(f.ctx, &api.GetUsagePlansRequest{KeyId: k.Id}))(t); len(list.Items) != 2 {
		t.Errorf("the key's plans: %d", len(list.Items))
	}
	keys := must(f.GetUsagePlanKeys(f.ctx, &api.GetUsagePlanKeysRequest{UsagePlanId: p.Id, NameQuery: new("k")}))(t)
	if len(keys.Items) != 1 || *keys.Items[0].Value != *k.Value || *keys.Items[0].Type != "API_KEY" {
		t.Errorf("keys %+v", keys.Items)
	}
	must(f.DeleteUsagePlanKey(f.ctx, &api.DeleteUsagePlanKeyRequest{UsagePlanId: p.Id, KeyId: k.Id}))(t)
	_, err = f.GetUsagePlanKey(f.ctx, &api.GetUsagePlanKeyRequest{UsagePlanId: p.Id, KeyId: k.Id})
	wantError(t, err, "NotFoundException", "Invalid Usage Plan Key identifier")
	must(f.DeleteUsagePlan(f.ctx, &api.DeleteUsagePlanRequest{UsagePlanId: free.Id}))(t)
	if now := f.APIKey("000000000000", "us-east-1", *k.Value); len(now.Plans) != 0 {
		t.Errorf("plans after the deletions %+v", now.Plans)
	}
	_, err = f.CreateUsagePlan(f.ctx, &api.CreateUsagePlanRequest{Name: new("q"), Quota: &api.QuotaSettings{Limit: new(int32(1)), Period: new(api.QuotaPeriodTypeDay), Offset: new(int32(1))}})
	wantError(t, err, "BadRequestException", "Usage Plan quota offset must be zero in the DAY period")
}

// recorded is a usage record.
type recorded struct {
	uses      []restapi.Use
	remaining int64
}

func (r *recorded) Use(_ context.Context, _, _, planID, keyID string, from, to time.Time) ([]restapi.Use, error) {
	var out []restapi.Use
	for _, u := range r.uses {
		if u.PlanID == planID && (keyID == "" || u.KeyID == keyID) && !u.Day.Before(from) && !u.Day.After(to) {
			out = append(out, u)
		}
	}
	return out, nil
}

func (r *recorded) SetRemaining(_ context.Context, _, _, _, _ string, remaining int64) error {
	r.remaining = remaining
	return nil
}

func TestUsage(t *testing.T) {
	f := setup(t)
	p := must(f.CreateUsagePlan(f.ctx, &api.CreateUsagePlanRequest{
		Name: new("m"), Quota: &api.QuotaSettings{Limit: new(int32(100)), Period: new(api.QuotaPeriodTypeMonth)},
	}))(t)
	a, b := f.key("a"), f.key("b")
	for _, k := range []*api.ApiKey{a, b} {
		if err := f.join(p, k); err != nil {
			t.Fatal(err)
		}
	}
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	r := &recorded{uses: []restapi.Use{{PlanID: *p.Id, KeyID: *a.Id, Day: day(30), Used: 7, Remaining: 93}}}
	f.SetUsage(r)
	in := &api.GetUsageRequest{UsagePlanId: p.Id, StartDate: new("2026-03-29"), EndDate: new("2026-04-01")}
	got := must(f.GetUsage(f.ctx, in))(t)
	if want := [][]int64{{0, 100}, {7, 93}, {0, 93}, {0, 100}}; !slices.EqualFunc(got.Items[*a.Id], want, slices.Equal) {
		t.Errorf("a used %v, want %v", got.Items[*a.Id], want)
	}
	if len(got.Items) != 2 || got.Items[*b.Id][1][0] != 0 {
		t.Errorf("items %v", got.Items)
	}
	in.KeyId = b.Id
	if got := must(f.GetUsage(f.ctx, in))(t); len(got.Items) != 1 {
		t.Errorf("items of b: %v", got.Items)
	}
	in.EndDate = new("2026-12-01")
	_, err := f.GetUsage(f.ctx, in)
	wantError(t, err, "BadRequestException", "at most 90 days")
	up := must(f.UpdateUsage(f.ctx, &api.UpdateUsageRequest{UsagePlanId: p.Id, KeyId: a.Id, PatchOperations: patch("replace", "/remaining", "40")}))(t)
	if r.remaining != 40 || up.Items[*a.Id][0][1] != 40 {
		t.Errorf("remaining %d, answer %v", r.remaining, up.Items)
	}
	_, err = f.UpdateUsage(f.ctx, &api.UpdateUsageRequest{UsagePlanId: p.Id, KeyId: a.Id, PatchOperations: patch("replace", "/used", "40")})
	wantError(t, err, "BadRequestException", "Must be one of: [/remaining]")
}

func TestTagsOfKeys(t *testing.T) {
	f := setup(t)
	k := f.key("k")
	arn := "arn:aws:apigateway:us-east-1::/apikeys/" + *k.Id
	must(f.TagResource(f.ctx, &api.TagResourceRequest{ResourceArn: &arn, Tags: map[string]string{"a": "1"}}))(t)
	if got := must(f.GetApiKey(f.ctx, &api.GetApiKeyRequest{ApiKey: k.Id}))(t); got.Tags["a"] != "1" {
		t.Errorf("tags %v", got.Tags)
	}
	_, err := f.GetTags(f.ctx, &api.GetTagsRequest{ResourceArn: new(strings.Replace(arn, *k.Id, "nosuch", 1))})
	wantError(t, err, "NotFoundException", "Invalid API Key identifier")
}
